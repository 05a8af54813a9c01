/* SPDX-License-Identifier: MIT */
/*
 * kernel/oom.c - out of memory: who has to go.
 *
 *      a fault without memory -> trim caches -> somebody is dying already? wait
 *                                            -> choose the largest -> kill -> wait -> try again
 *
 * Owns:       the choice of a victim.
 * Invariants: init is never chosen.  Nobody is chosen twice, so that each round makes progress or is the
 *             last.  Waiting is bounded: the one who waits may hold a lock that the victim needs.
 * Locks:      process_tree_lock for the choice.  Nothing is held while waiting, except what the faulting
 *             task held already.
 */
#include "kernel/oom.h"

#include "lib/abi/errno.h"
#include "kernel/clock.h"
#include "kernel/event.h"
#include "kernel/printk.h"
#include "kernel/signal.h"
#include "mm/frame.h"
#include "mm/kstack.h"
#include "mm/slab.h"
#include "mm/space.h"

#define WAIT_STEP_NS 5000000ull

enum {
	WAIT_STEPS = 200,               /* one second in all */
	FRAMES_ENOUGH = 64,             /* so many free frames, and a fault is worth another try */
};

struct choice {
	struct process *victim;
	int64_t resident;
	bool is_waiting_for_one;
};

static bool caches_trim(void);
static struct process *victim_kill(struct choice *choice);
static bool wait_for_memory(void);

int oom_relieve(void)
{
	struct process *self = current_process();

	if (caches_trim())
		return 0;
	if (!self)
		return -ENOMEM;
	struct choice choice = { 0 };
	struct process *victim = victim_kill(&choice);
	if (victim) {
		event(out_of_memory, victim->pid, choice.resident, 0);
		log_err("out of memory: killed process %d (%s), %ld KiB resident", victim->pid,
			victim->name, (long)(choice.resident * (int64_t)(PAGE_SIZE / KIB)));
		process_put(victim);
	}
	if (current_thread()->must_die)
		return -ENOMEM;
	if (wait_for_memory() || victim)
		return 0;
	if (choice.is_waiting_for_one)
		return 0;
	signal_force_fatal(SIGKILL);
	return -ENOMEM;
}

/* What the kernel holds only to be fast.  True: that was enough. */
static bool caches_trim(void)
{
	uint64_t before = frames_free();

	slabs_trim();
	kstacks_trim();
	frames_drain_caches();
	return frames_free() >= before + FRAMES_ENOUGH;
}

/* The largest that is not init, not dying, and has memory of its own. */
static void consider(struct process *process, void *argument)
{
	struct choice *choice = argument;

	if (process == init_process || process->state != PROCESS_ALIVE || !process->leader)
		return;
	struct thread *thread;
	const struct space *space = NULL;
	list_for_each_entry(thread, &process->threads, node)
		space = thread->task->space ? thread->task->space : space;
	if (!space)
		return;
	if (process->is_oom_victim) {
		choice->is_waiting_for_one = true;
		return;
	}
	int64_t resident = atomic_load_relaxed(&space->resident);
	if (resident > choice->resident) {
		choice->victim = process;
		choice->resident = resident;
	}
}

/* NULL: somebody dies already who has not yet let go of his memory, or nobody can be killed. */
static struct process *victim_kill(struct choice *choice)
{
	spin_lock(&process_tree_lock);
	process_for_each(consider, choice);
	struct process *victim = choice->is_waiting_for_one ? NULL : choice->victim;
	if (victim) {
		victim->is_oom_victim = true;
		process_get(victim);
		(void)signal_send_process_locked(victim, SIGKILL, NULL);
	}
	spin_unlock(&process_tree_lock);
	return victim;
}

/* Sleep until there is some memory, for at most a second.  False: there is none. */
static bool wait_for_memory(void)
{
	for (int step = 0; step < WAIT_STEPS; step++) {
		if (frames_free() >= FRAMES_ENOUGH || READ_ONCE(current_thread()->must_die))
			return true;
		task_prepare_sleep(TASK_SLEEPING);
		schedule_until(clock_now_ns() + WAIT_STEP_NS);
		task_prepare_sleep(TASK_RUNNABLE);
	}
	return false;
}
