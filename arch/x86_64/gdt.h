/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/gdt.h - segments and the task-state segment.
 *
 * Each CPU has its own tables, because a TSS belongs to one CPU, and its own stacks for the three
 * exceptions that may strike when the kernel's stack cannot be trusted.
 */
#pragma once

#include "lib/types.h"
#include "arch/x86_64/cpu.h"

/* Numbers of the TSS's interrupt stacks. */
enum { IST_DOUBLE_FAULT = 1, IST_NMI, IST_MACHINE_CHECK, IST_COUNT = 3 };

enum { EXCEPTION_STACK_SIZE = 8192 };

struct PACKED tss {
	uint32_t reserved_0;
	uint64_t rsp[3];                /* rsp[0]: for what comes from a program */
	uint64_t reserved_1;
	uint64_t ist[7];                /* ist[n - 1] is stack number n */
	uint64_t reserved_2;
	uint16_t reserved_3;
	uint16_t io_map;                /* its offset; at the limit: no port is open to programs */
};

/* What hangs on struct cpu.arch; zeroed when new. */
struct cpu_arch {
	ALIGNED(16) uint8_t stacks[IST_COUNT][EXCEPTION_STACK_SIZE];
	ALIGNED(16) struct tss tss;
	uint64_t gdt[7];
};

/* Fill cpu->arch, which the caller allocated, and load it on this CPU.  Before cpu_setup(). */
void gdt_setup(struct cpu *cpu);

/* The running task's kernel stack here: where traps and system calls from its program begin. */
static inline void cpu_set_kernel_stack(struct cpu *cpu, virt_t top)
{
	cpu->kernel_stack = top;
	((struct cpu_arch *)cpu->arch)->tss.rsp[0] = top;
}
