/* SPDX-License-Identifier: MIT */
/*
 * kernel/hooks.c - fault points, jitter: the test builds' handles.
 *
 * Owns:        when a fault point fails (task.fault_point_at counts down to it) and each CPU's
 *              stream of random pauses (cpu.random_state).
 * Invariants:  with the same seed and the same order of calls on a CPU, the pauses are the same.
 * Locks:       none: all state is the task's or the CPU's own.
 */
#include "kernel/hooks.h"

#include "lib/atomic.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "kernel/options.h"
#include "kernel/task.h"

#ifdef COWBELL_HOOKS

/* One in JITTER_ODDS places pauses, up to JITTER_LONGEST times. */
enum { JITTER_ODDS = 16, JITTER_LONGEST = 32 };

bool fault_point_fails(struct fault_point *point)
{
	struct task *task = current;

	atomic_inc(&point->hits);
	if (!task || task->fault_point_at == 0 || this_cpu()->irq_depth > 0)
		return false;
	if (--task->fault_point_at > 0)
		return false;
	atomic_inc(&point->failures);
	return true;
}

/* xorshift64*, one state per CPU.  An interrupt in between repeats a number, no more. */
static uint64_t jitter_next(struct cpu *cpu)
{
	uint64_t x = cpu->random_state;

	if (x == 0)
		x = (options.seed + cpu->id + 1) * 0x9e3779b97f4a7c15ull;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	cpu->random_state = x;
	return x * 0x2545f4914f6cdd1dull >> 32;
}

void jitter(void)
{
	if (options.seed == 0)
		return;
	uint64_t number = jitter_next(this_cpu());
	if (number % JITTER_ODDS != 0)
		return;
	for (uint64_t n = number / JITTER_ODDS % JITTER_LONGEST; n > 0; n--)
		pause();
}

void fault_points_arm(uint64_t nth)
{
	current->fault_point_at = nth;
}

#else

void fault_points_arm(uint64_t nth)
{
}

#endif
