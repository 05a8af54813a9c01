/* SPDX-License-Identifier: MIT */
/* The per-CPU area without %gs: a variable of the thread that plays the CPU. */
#pragma once

#define this_cpu        this_cpu_by_gs
#define current_task    current_task_by_gs
#include_next "arch/x86_64/cpu.h"
#undef this_cpu
#undef current_task
#undef cpu_counter_add

extern __thread struct cpu *host_cpu;

static inline struct cpu *this_cpu(void)
{
	return host_cpu;
}

static inline struct task *current_task(void)
{
	return host_cpu->task;
}

static inline void cpu_counter_add(unsigned index, uint64_t n)
{
	host_cpu->counters[index] += n;
}
