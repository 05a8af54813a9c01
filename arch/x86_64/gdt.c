/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/gdt.c - segments and the task-state segment.
 *
 * Owns: struct cpu_arch of every CPU.
 * The order of the descriptors is what SYSCALL and SYSRET want; see SELECTOR_ in trap.h and STAR in
 * cpu.c.  fs and gs hold null selectors all the time: loading them would lose GS.base.
 * See: Intel SDM vol. 3A 3.4.5 (descriptors), 7.7 (64-bit TSS).
 */
#include "lib/types.h"
#include "arch/x86_64/gdt.h"
#include "arch/x86_64/trap.h"

#define CODE_KERNEL     0x00af9b000000ffffull
#define DATA_KERNEL     0x00cf93000000ffffull
#define DATA_USER       0x00cff3000000ffffull
#define CODE_USER       0x00affb000000ffffull
#define TSS_AVAILABLE   0x0000890000000000ull

enum { GDT_TSS = SELECTOR_TSS / 8 };

struct PACKED table_pointer {
	uint16_t limit;
	virt_t base;
};

static_assert(sizeof(struct tss) == 104, "the CPU knows its TSS's layout");

static void tss_fill(struct cpu_arch *arch);
static void gdt_fill(struct cpu_arch *arch);
static void gdt_load(const struct cpu_arch *arch);

void gdt_setup(struct cpu *cpu)
{
	tss_fill(cpu->arch);
	gdt_fill(cpu->arch);
	gdt_load(cpu->arch);
}

static void tss_fill(struct cpu_arch *arch)
{
	for (int i = 0; i < IST_COUNT; i++)
		arch->tss.ist[i] = (virt_t)arch->stacks[i] + EXCEPTION_STACK_SIZE;
	arch->tss.io_map = sizeof(arch->tss);
}

static void gdt_fill(struct cpu_arch *arch)
{
	virt_t tss = (virt_t)&arch->tss;

	arch->gdt[SELECTOR_KERNEL_CODE / 8] = CODE_KERNEL;
	arch->gdt[SELECTOR_KERNEL_DATA / 8] = DATA_KERNEL;
	arch->gdt[SELECTOR_USER_DATA / 8] = DATA_USER;
	arch->gdt[SELECTOR_USER_CODE / 8] = CODE_USER;
	arch->gdt[GDT_TSS] = TSS_AVAILABLE | (sizeof(arch->tss) - 1) | (tss & 0xffffff) << 16 |
			     (tss >> 24 & 0xff) << 56;
	arch->gdt[GDT_TSS + 1] = tss >> 32;
}

static void gdt_load(const struct cpu_arch *arch)
{
	struct table_pointer pointer = { sizeof(arch->gdt) - 1, (virt_t)arch->gdt };

	__asm__ volatile("lgdt %0\n\t"
			 "pushq %1\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\tmovl %2, %%eax\n\t"
			 "movl %%eax, %%ss\n\t"
			 "movl %%eax, %%ds\n\t"
			 "movl %%eax, %%es\n\t"
			 "ltr %w3"
			 :
			 : "m"(pointer), "i"(SELECTOR_KERNEL_CODE), "i"(SELECTOR_KERNEL_DATA),
			   "r"(SELECTOR_TSS)
			 : "rax", "memory");
}
