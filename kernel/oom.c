/* SPDX-License-Identifier: MIT */
/*
 * kernel/oom.c - out of memory: who has to go.
 *
 *      a fault without memory -> trim caches -> somebody else is choosing? wait
 *                                            -> a victim's memory is on its way? wait
 *                                            -> weigh all -> kill -> wait -> try again
 *
 * A process weighs what its end would give back: frames and tables that hang on its space alone,
 * and its part of nameless shared memory.  Fifty children that share their parent's gigabyte weigh
 * next to nothing, each of them, and so does the parent; a hog of a tenth of that size is the right
 * one.  Only when nobody has anything of his own do resident sets decide, oldest first: the group
 * goes one by one.
 *
 * Owns:       the choice of a victim.
 * Invariants: never chosen: init, who is set to -1000, who lives in a parent's space (vfork), who
 *             shares a space with one of the first two.  With a victim go all who share its space.
 *             Nobody is chosen twice.  Waiting is bounded, because the one who waits may hold a
 *             lock that the victim needs; then another is chosen.
 * Locks:      process_tree_lock to look and to kill; one space's lock after the other to weigh.
 *             Nothing is held while waiting, except what the faulting task held already.
 */
#include "kernel/oom.h"

#include "lib/abi/errno.h"
#include "lib/string.h"
#include "kernel/clock.h"
#include "kernel/event.h"
#include "kernel/printk.h"
#include "kernel/signal.h"
#include "mm/commit.h"
#include "mm/frame.h"
#include "mm/kstack.h"
#include "mm/slab.h"
#include "mm/space.h"
#include "mm/weight.h"

#define WAIT_STEP_NS 5000000ull
#define VICTIM_PATIENCE_NS 3000000000ull        /* a victim that takes longer is stuck */

enum {
	WAIT_STEPS = 200,               /* one second in all */
	FRAMES_ENOUGH = 64,             /* so many free frames, and a fault is worth another try */
	SHORT_LIST = 5,                 /* candidates in the report */
	KIB_PER_PAGE = PAGE_SIZE / KIB,
};

struct candidate {
	struct process *process;        /* counted in the choice, a name in the report */
	int32_t pid;
	int adjust;
	int64_t points, points_resident;
	struct space_weight weight;
	char name[TASK_NAME_MAX];
};

struct choice {
	struct candidate best, largest; /* by what is their own; by what they can reach */
	struct candidate list[SHORT_LIST];
	unsigned listed, looked_at;
	bool is_waiting_for_one;
};

static bool caches_trim(void);
static bool wait_for_memory(void);
static void choose(struct choice *choice);
static struct candidate *choice_result(struct choice *choice);
static void report(const struct choice *choice, const struct candidate *victim);
static void victim_kill(struct process *victim);
static int nobody_left(void);

static uint32_t is_choosing;            /* atomic: one at a time */
static uint64_t last_kill_ns;           /* [who is choosing] */
static uint64_t kills;                  /* atomic */

int oom_relieve(void)
{
	if (current_process() && READ_ONCE(current_thread()->must_die))
		return -ENOMEM;                 /* even if there is some: it may be of no use */
	if (caches_trim())
		return 0;
	if (!current_process())
		return -ENOMEM;
	if (atomic_xchg(&is_choosing, 1)) {
		(void)wait_for_memory();        /* somebody else is at it */
		return 0;
	}

	struct choice choice = { 0 };
	choice.is_waiting_for_one = spaces_doomed() > 0
		&& clock_now_ns() < last_kill_ns + VICTIM_PATIENCE_NS;
	choose(&choice);
	struct candidate *victim = choice_result(&choice);
	if (victim) {
		report(&choice, victim);
		victim_kill(victim->process);
	}
	if (choice.best.process)
		process_put(choice.best.process);
	if (choice.largest.process)
		process_put(choice.largest.process);
	atomic_store_release(&is_choosing, 0);

	if (READ_ONCE(current_thread()->must_die))
		return -ENOMEM;
	if (wait_for_memory() || victim || choice.is_waiting_for_one)
		return 0;
	return nobody_left();
}

/* Who asked is the last one.  Init is told to wait: what other tasks give back may do. */
static int nobody_left(void)
{
	const struct process *self = current_process();

	if (self == init_process)
		return 0;
	log_err("out of memory: nobody else can be killed; process %d (%s) ends", self->pid,
		self->name);
	signal_force_fatal(SIGKILL);
	return -ENOMEM;
}

/* What the kernel holds only to be fast.  True: that was enough. */
static bool caches_trim(void)
{
	kstacks_trim();
	slabs_trim();
	frames_drain_caches();
	return frames_spare() >= FRAMES_ENOUGH;
}

/* Sleep until there is some memory, for at most a second.  False: there is none. */
static bool wait_for_memory(void)
{
	for (int step = 0; step < WAIT_STEPS; step++) {
		if (frames_spare() >= FRAMES_ENOUGH || READ_ONCE(current_thread()->must_die))
			return true;
		task_prepare_sleep(TASK_SLEEPING);
		schedule_until(clock_now_ns() + WAIT_STEP_NS);
		task_prepare_sleep(TASK_RUNNABLE);
	}
	return false;
}

/* ---- weighing ------------------------------------------------------------------------------- */

/* The space a process runs in; NULL: none any more. */
static struct space *space_of(const struct process *process) REQUIRES(process_tree_lock)
{
	struct thread *thread;

	list_for_each_entry(thread, &process->threads, node) {
		if (thread->task->space)
			return thread->task->space;
	}
	return NULL;
}

/* Somebody who is looked for among all processes. */
struct sharer {
	const struct process *but;
	const struct space *space;
	bool is_protected;              /* init or one at -1000 is among them */
};

static void look_at_sharer(struct process *process, void *argument) NO_LOCK_ANALYSIS
{
	struct sharer *sharer = argument;

	if (process != sharer->but && space_of(process) == sharer->space)
		sharer->is_protected |= process == init_process
					|| process->oom_score_adj == OOM_ADJUST_MIN;
}

/* Does its parent sleep in its space?  One whose parent has gone, or that has a space of its own
 * though its parent waits (clone), is like any other. */
static bool is_in_vfork(const struct process *process, const struct space *space)
	REQUIRES(process_tree_lock)
{
	return process->leader && process->leader->is_borrowing && process->parent &&
	       space_of(process->parent) == space;
}

/* Does its end free its space, and may it end? */
static bool may_be_chosen(struct process *process, struct space *space)
	REQUIRES(process_tree_lock)
{
	struct sharer sharer = { .but = process, .space = space };

	if (process == init_process || process->oom_score_adj == OOM_ADJUST_MIN)
		return false;
	if (is_in_vfork(process, space))
		return false;
	if (atomic_load_relaxed(&space->users) > process->thread_count)
		process_for_each(look_at_sharer, &sharer);
	return !sharer.is_protected;
}

/* Fill in all but the weight.  The space, counted; NULL: this one is not for us. */
static struct space *candidate_describe(struct candidate *candidate, struct process *process,
					bool *is_dying)
{
	struct space *space = NULL;

	spin_lock(&process_tree_lock);
	if (process->state == PROCESS_ALIVE && process->leader)
		space = space_of(process);
	uint64_t chosen_ns = process->oom_victim_ns;
	*is_dying = space && chosen_ns && clock_now_ns() < chosen_ns + VICTIM_PATIENCE_NS;
	if (space && (chosen_ns || !may_be_chosen(process, space)))
		space = NULL;
	if (space)
		space_get(space);
	*candidate = (struct candidate){
		.process = process, .pid = process->pid, .adjust = process->oom_score_adj,
	};
	strlcpy(candidate->name, process->name, sizeof(candidate->name));
	spin_unlock(&process_tree_lock);
	return space;
}

static void candidate_weigh(struct candidate *candidate, struct space *space)
{
	int64_t adjust = candidate->adjust * (int64_t)frames_total() / OOM_ADJUST_MAX;
	struct space_weight *weight = &candidate->weight;

	space_weigh(space, weight);
	candidate->points = (int64_t)(weight->own + weight->shared) + adjust;
	candidate->points_resident = (int64_t)MAX(weight->resident, weight->own) + adjust;
}

int oom_score(struct process *process)
{
	struct candidate candidate;
	bool is_dying;
	struct space *space = candidate_describe(&candidate, process, &is_dying);

	if (!space)
		return 0;
	candidate_weigh(&candidate, space);
	space_put(space);
	int64_t thousandths = candidate.points * OOM_ADJUST_MAX / (int64_t)frames_total();
	return (int)MAX((OOM_ADJUST_MAX + thousandths) * 2 / 3, (int64_t)0);
}

uint64_t oom_kills(void)
{
	return atomic_load_relaxed(&kills);
}

/* ---- choosing ------------------------------------------------------------------------------- */

/* Keep the better one, and a count on it. */
static void keep(struct candidate *kept, const struct candidate *candidate)
{
	if (kept->process)
		process_put(kept->process);
	*kept = *candidate;
	process_get(kept->process);
}

/* The heaviest stand first. */
static void list_insert(struct choice *choice, const struct candidate *candidate)
{
	unsigned at = choice->listed < SHORT_LIST ? choice->listed++ : SHORT_LIST;

	if (at == SHORT_LIST && choice->list[SHORT_LIST - 1].points >= candidate->points)
		return;
	at = MIN(at, (unsigned)SHORT_LIST - 1);
	for (; at > 0 && choice->list[at - 1].points < candidate->points; at--)
		choice->list[at] = choice->list[at - 1];
	choice->list[at] = *candidate;
}

static void consider(struct choice *choice, struct process *process)
{
	struct candidate candidate;
	bool is_dying;
	struct space *space = candidate_describe(&candidate, process, &is_dying);

	choice->is_waiting_for_one |= is_dying;
	if (!space)
		return;
	candidate_weigh(&candidate, space);
	space_put(space);
	choice->looked_at++;
	list_insert(choice, &candidate);
	if (!choice->best.process || candidate.points > choice->best.points)
		keep(&choice->best, &candidate);
	if (!choice->largest.process || candidate.points_resident > choice->largest.points_resident)
		keep(&choice->largest, &candidate);
}

static void choose(struct choice *choice)
{
	for (struct process *process = process_next(NULL); process; process = process_next(process))
		consider(choice, process);
}

/* NULL: nobody, or somebody dies already who has not yet let go of his memory. */
static struct candidate *choice_result(struct choice *choice)
{
	const struct space_weight *weight = &choice->best.weight;

	if (choice->is_waiting_for_one || !choice->best.process)
		return NULL;
	return weight->own + weight->shared < FRAMES_ENOUGH ? &choice->largest : &choice->best;
}

/* ---- telling and killing -------------------------------------------------------------------- */

static void report_candidate(const struct candidate *candidate)
{
	const struct space_weight *weight = &candidate->weight;

	log_err("  %7d %11lu %11lu %11lu %6d  %s", candidate->pid,
		weight->resident * KIB_PER_PAGE, weight->own * KIB_PER_PAGE,
		weight->shared * KIB_PER_PAGE, candidate->adjust, candidate->name);
}

static void report(const struct choice *choice, const struct candidate *victim)
{
	const struct process *self = current_process();

	log_err("out of memory: process %d (%s) asks for a page; %lu of %lu KiB are free, "
		"%lu are kept for the kernel, %lu are promised", self->pid, self->name,
		frames_free() * KIB_PER_PAGE, frames_total() * KIB_PER_PAGE,
		frames_kept() * KIB_PER_PAGE, committed_total() * KIB_PER_PAGE);
	log_err("  %7s %11s %11s %11s %6s  the heaviest of %u", "pid", "resident", "own", "shared",
		"adjust", choice->looked_at);
	for (unsigned i = 0; i < choice->listed; i++)
		report_candidate(&choice->list[i]);
	log_err("out of memory: killed process %d (%s), %lu KiB are its own", victim->pid,
		victim->name, (victim->weight.own + victim->weight.shared) * KIB_PER_PAGE);
	event(out_of_memory, victim->pid, victim->weight.own + victim->weight.shared, 0);
}

static void kill_sharer(struct process *process, void *argument) NO_LOCK_ANALYSIS
{
	const struct sharer *sharer = argument;

	if (process == sharer->but || space_of(process) != sharer->space)
		return;
	process->oom_victim_ns = clock_now_ns();
	(void)signal_send_process_locked(process, SIGKILL, NULL);
}

/* With all who share its space: else nothing would come back. */
static void victim_kill(struct process *victim)
{
	struct sharer sharer = { .but = victim };
	struct space *space = NULL;

	spin_lock(&process_tree_lock);
	last_kill_ns = clock_now_ns();
	victim->oom_victim_ns = last_kill_ns;
	if (victim->state == PROCESS_ALIVE)
		space = space_of(victim);
	if (space) {
		space_doom(space);
		sharer.space = space;
		process_for_each(kill_sharer, &sharer);
	}
	if (victim->state == PROCESS_ALIVE)
		(void)signal_send_process_locked(victim, SIGKILL, NULL);
	spin_unlock(&process_tree_lock);
	atomic_inc(&kills);
}

/* ---- adjustment ----------------------------------------------------------------------------- */

struct adjustment {
	const struct space *space;
	int adjust;
	bool is_privileged;
};

static void adjust_one(struct process *process, void *argument) NO_LOCK_ANALYSIS
{
	const struct adjustment *adjustment = argument;

	if (space_of(process) != adjustment->space)
		return;
	process->oom_score_adj = adjustment->adjust;
	if (adjustment->is_privileged)
		process->oom_score_adj_least = adjustment->adjust;
}

int oom_set_adjust(struct process *process, int adjust)
{
	struct adjustment adjustment = { NULL, adjust, process_is_privileged() };
	int err = 0;

	spin_lock(&process_tree_lock);
	adjustment.space = space_of(process);
	if (adjust < process->oom_score_adj_least && !adjustment.is_privileged)
		err = -EACCES;
	else if (adjustment.space)
		process_for_each(adjust_one, &adjustment);
	spin_unlock(&process_tree_lock);
	return err;
}
