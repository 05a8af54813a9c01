/* SPDX-License-Identifier: MIT */
/*
 * kernel/wchan.c - where a task sleeps.
 *
 * Follows the frame pointers of the stack that the task has left, past the functions that are only
 * about sleeping, to the one that had a reason to.
 *
 * Nothing keeps the task from waking meanwhile: whatever is read lies on its stack, and an address
 * that is no function's ends the search.
 */
#include "kernel/wchan.h"
#include "lib/atomic.h"
#include "lib/string.h"

enum { DEPTH_MAX = 16 };

/* What a function with a frame pointer leaves on the stack. */
struct call_frame {
	virt_t caller, return_address;
};

static const struct call_frame *frame_at(const struct task *task, virt_t addr)
{
	virt_t last = task->stack + KSTACK_SIZE - sizeof(struct call_frame);

	return addr % 8 == 0 && addr >= task->stack && addr <= last
		? (const struct call_frame *)addr : NULL;
}

/* Functions through which everybody goes to sleep. */
static bool is_about_sleeping(const char *function)
{
	static const char *const beginnings[] = {
		"sched", "task_yield", "reschedule", "switch_stacks", "wait_", "mutex_lock",
		"read_lock", "write_lock",
	};

	for (size_t i = 0; i < COUNT(beginnings); i++) {
		if (strncmp(function, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	}
	return false;
}

bool task_sleeps_in(const struct task *task, struct symbol *function)
{
	/* The call of switch_stacks, which pushes the frame pointer as any function does. */
	const struct call_frame *frame = frame_at(task, READ_ONCE(task->stack_pointer));

	if (READ_ONCE(task->state) == TASK_RUNNABLE || READ_ONCE(task->on_cpu))
		return false;
	for (int depth = 0; frame && depth < DEPTH_MAX; depth++) {
		if (!symbol_find(READ_ONCE(frame->return_address) - 1, function))
			return false;
		if (!is_about_sleeping(function->name))
			return true;
		frame = frame_at(task, READ_ONCE(frame->caller));
	}
	return false;
}
