/* SPDX-License-Identifier: MIT */
/*
 * kernel/tail_hooks.c - what the stopwatch times without its knowing: traps and faults.
 *
 * The linker lets calls of X from other files go to __wrap_X, which finds the real one as __real_X
 * (--wrap).  So neither fast path has a word about it.
 *
 * See: kernel/tail.h.
 */
#include "arch/x86_64/insn.h"
#include "arch/x86_64/trap.h"
#include "kernel/tail.h"
#include "kernel/task.h"
#include "mm/fault.h"

void __real_trap(struct trap_frame *frame);
void __wrap_trap(struct trap_frame *frame);
void __real_trap_user_page_fault(struct trap_frame *frame);
void __wrap_trap_user_page_fault(struct trap_frame *frame);
int __real_fault_resolve(struct space *space, virt_t addr, enum access access);
int __wrap_fault_resolve(struct space *space, virt_t addr, enum access access);

/* Every gate turns interrupts off, and the return turns them on if they were. */
void __wrap_trap(struct trap_frame *frame)
{
	bool were_on = frame->rflags & RFLAGS_INTERRUPTS;

	if (were_on)
		tail_begin(TAIL_INTERRUPTS_OFF);
	__real_trap(frame);
	if (were_on)
		tail_end_of(TAIL_INTERRUPTS_OFF, frame->vector);
}

void __wrap_trap_user_page_fault(struct trap_frame *frame)
{
	bool were_on = frame->rflags & RFLAGS_INTERRUPTS;

	if (were_on)
		tail_begin(TAIL_INTERRUPTS_OFF);
	__real_trap_user_page_fault(frame);
	if (were_on)
		tail_end_of(TAIL_INTERRUPTS_OFF, frame->vector);
}

/* How often the running task has lost the CPU. */
static uint64_t switches(void)
{
	return current->switches_voluntary + current->switches_forced;
}

/* Which kinds of work the space has seen more of since then. */
static uint64_t work_since(const struct space *space, const struct work_counts *before)
{
	uint64_t mask = 0;

	for (unsigned kind = 0; kind < WORK_KINDS; kind++)
		if (atomic_load_relaxed(&space->work.of[kind]) != before->of[kind])
			mask |= 1ull << kind;
	return mask;
}

int __wrap_fault_resolve(struct space *space, virt_t addr, enum access access)
{
	struct work_counts before = space->work;
	uint64_t switches_before = switches(), start = tail_now();
	int err = __real_fault_resolve(space, addr, access);
	uint64_t ticks = tail_now() - start;

	if (switches() == switches_before)
		tail_keep(TAIL_FAULT, ticks, work_since(space, &before));
	return err;
}
