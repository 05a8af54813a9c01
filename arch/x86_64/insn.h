/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/insn.h - single instructions that C cannot say.
 *
 * Each function is the instruction of its name.  Those that order memory or change what memory
 * means clobber "memory", so that the compiler keeps its accesses on their side.
 */
#pragma once

#include "lib/types.h"
#include "kernel/tail.h"

/* ---- ports ---- */

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;
	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t value;
	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t value;
	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

/* ---- interrupts ---- */

enum { RFLAGS_INTERRUPTS = 1 << 9 };

static inline bool irq_enabled(void);

static inline void cli(void)
{
	bool were_on = TAIL_IS_MEASURED && irq_enabled();

	__asm__ volatile("cli" : : : "memory");
	if (were_on)
		tail_begin(TAIL_INTERRUPTS_OFF);
}

static inline void sti(void)
{
	if (TAIL_IS_MEASURED && !irq_enabled())
		tail_end(TAIL_INTERRUPTS_OFF);
	__asm__ volatile("sti" : : : "memory");
}

static inline void hlt(void)
{
	__asm__ volatile("hlt" : : : "memory");
}

/* Enable interrupts and halt, with no gap in which one could come and be slept through. */
static inline void sti_hlt(void)
{
	tail_end(TAIL_INTERRUPTS_OFF);
	__asm__ volatile("sti; hlt" : : : "memory");
}

/* In a loop that waits for another CPU. */
static inline void pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static inline uint64_t read_rflags(void)
{
	uint64_t flags;
	__asm__ volatile("pushfq; popq %0" : "=r"(flags) : : "memory");
	return flags;
}

static inline bool irq_enabled(void)
{
	return read_rflags() & RFLAGS_INTERRUPTS;
}

/* Interrupts off.  Returns the state to give back to irq_restore. */
static inline uint64_t irq_save(void)
{
	uint64_t flags = read_rflags();
	cli();
	return flags;
}

static inline void irq_restore(uint64_t flags)
{
	if (flags & RFLAGS_INTERRUPTS)
		sti();
}

/* ---- control and model-specific registers ---- */

static inline uint64_t read_cr0(void)
{
	uint64_t value;
	__asm__ volatile("mov %%cr0, %0" : "=r"(value) : : "memory");
	return value;
}

static inline void write_cr0(uint64_t value)
{
	__asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

/* The address of the last page fault. */
static inline virt_t read_cr2(void)
{
	virt_t value;
	__asm__ volatile("mov %%cr2, %0" : "=r"(value));
	return value;
}

static inline void write_cr2(virt_t value)
{
	__asm__ volatile("mov %0, %%cr2" : : "r"(value));
}

static inline uint64_t read_cr3(void)
{
	uint64_t value;
	__asm__ volatile("mov %%cr3, %0" : "=r"(value) : : "memory");
	return value;
}

/* Load a root table; drops every translation that is not global. */
static inline void write_cr3(uint64_t value)
{
	__asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

static inline uint64_t read_cr4(void)
{
	uint64_t value;
	__asm__ volatile("mov %%cr4, %0" : "=r"(value) : : "memory");
	return value;
}

static inline void write_cr4(uint64_t value)
{
	__asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

enum msr {
	MSR_APIC_BASE = 0x1b,
	MSR_TSC_DEADLINE = 0x6e0,
	MSR_EFER = 0xc0000080, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK,
	MSR_FS_BASE = 0xc0000100,
	MSR_GS_BASE,                    /* %gs now: struct cpu while in the kernel */
	MSR_KERNEL_GS_BASE,             /* what swapgs swaps it with */
};

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;
	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

static inline uint64_t xgetbv(uint32_t index)
{
	uint32_t low, high;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(index));
	return (uint64_t)high << 32 | low;
}

static inline void xsetbv(uint32_t index, uint64_t value)
{
	__asm__ volatile("xsetbv" : : "c"(index), "a"((uint32_t)value),
			 "d"((uint32_t)(value >> 32)));
}

/* ---- the processor itself ---- */

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r;
	__asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* A random number from the hardware; false if it has none to give just now. */
static inline bool rdrand(uint64_t *value)
{
	bool is_valid;
	__asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(is_valid));
	return is_valid;
}

/* Drop this CPU's translation of one page, and all its cached upper-level entries. */
static inline void invlpg(virt_t addr)
{
	__asm__ volatile("invlpg (%0)" : : "r"(addr) : "memory");
}

/* ---- runs of quadwords ---- */

/* Store `value` `count` times. */
static inline void stosq(void *to, uint64_t value, size_t count)
{
	__asm__ volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(value) : "memory");
}

/* Are all of them `value`? */
static inline bool quadwords_are(const void *at, uint64_t value, size_t count)
{
	bool are_equal;

	__asm__ volatile("repe scasq" : "=@cce"(are_equal), "+D"(at), "+c"(count) : "a"(value)
			 : "memory");
	return are_equal;
}

/* Copy `count` quadwords, upwards. */
static inline void movsq(void *to, const void *from, size_t count)
{
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}
