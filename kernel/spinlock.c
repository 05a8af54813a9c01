/* SPDX-License-Identifier: MIT */
/*
 * kernel/spinlock.c - spinlocks: waiting, what it costs, and checking the order.
 *
 * Owns:        the list of locks that each task holds, in debug builds (task.locks); what each CPU
 *              spent waiting (cpu.lock_stats).
 * Invariants:  a task's locks have ascending ranks.  Locks taken by an interrupt are listed behind
 *              those of the task it interrupted and checked only among themselves: such locks are
 *              always taken with interrupts off, so the two orders never meet on one CPU.
 * Locks:       the list is its task's own; an interrupt leaves it as it found it.
 */
#include "kernel/spinlock.h"
#include "kernel/task.h"

/* In task.lock_ranks: taken inside an interrupt. */
enum { RANK_IN_INTERRUPT = 0x80 };

/* How often a debug build looks at a lock before it calls it stuck: minutes, on any machine. */
enum { LOOKS_MAX = 1 << 28 };

void spin_init(struct spinlock *lock, enum lock_rank rank)
{
	*lock = (struct spinlock)SPINLOCK_INIT(rank);
}

/* ---- waiting -------------------------------------------------------------------------------- */

static void spin_check(const void *held, uint64_t looks);
static void lock_stat_add(enum lock_rank rank, uint64_t looks, uint64_t ticks);

/* Look before trying again: reading leaves the cache line where it is. */
void spin_wait(uint8_t *held, enum lock_rank rank)
{
	uint64_t start = rdtsc(), looks = 0;

	do {
		while (atomic_load_relaxed(held) != 0) {
			spin_check(held, ++looks);
			pause();
		}
	} while (atomic_xchg(held, 1) != 0);
	lock_stat_add(rank, looks, rdtsc() - start);
}

static void spin_check(const void *held, uint64_t looks)
{
#ifdef COWBELL_DEBUG
	if (looks >= LOOKS_MAX)
		panic("the spinlock at %p is stuck", held);
#endif
}

/* ---- what waiting has cost ------------------------------------------------------------------ */

enum { STAT_WAITS, STAT_LOOKS, STAT_TICKS };

static_assert(RANK_COUNT <= COUNT(((struct cpu *)0)->lock_stats), "struct cpu counts every rank");

/* Preemption is off, but an interrupt may come between and wait for a lock as well. */
static void lock_stat_add(enum lock_rank rank, uint64_t looks, uint64_t ticks)
{
	uint64_t *stat = this_cpu()->lock_stats[rank];

	atomic_inc(&stat[STAT_WAITS]);
	(void)atomic_fetch_add_relaxed(&stat[STAT_LOOKS], looks);
	(void)atomic_fetch_add_relaxed(&stat[STAT_TICKS], ticks);
}

void lock_stat_get(enum lock_rank rank, struct lock_stat *out)
{
	*out = (struct lock_stat){ 0 };
	for (uint32_t id = 0; id < cpu_count; id++) {
		const uint64_t *stat = cpus[id]->lock_stats[rank];
		out->waits += atomic_load_relaxed(&stat[STAT_WAITS]);
		out->looks += atomic_load_relaxed(&stat[STAT_LOOKS]);
		out->ticks += atomic_load_relaxed(&stat[STAT_TICKS]);
	}
}

const char *lock_rank_name(enum lock_rank rank)
{
	static const char *const names[RANK_COUNT] = {
		[RANK_FILE] = "file",
		[RANK_SNAPSHOT] = "snapshot",
		[RANK_TRACE] = "trace",
		[RANK_MOUNT] = "mount",
		[RANK_DIRECTORY] = "directory",
		[RANK_INODE] = "inode",
		[RANK_PIPE] = "pipe",
		[RANK_TTY_OUTPUT] = "tty_output",
		[RANK_HOLD] = "hold",
		[RANK_SPACE] = "space",
		[RANK_OBJECT] = "object",
		[RANK_HUGETLB_SIZE] = "hugetlb_size",
		[RANK_OBJECTS] = "objects",
		[RANK_SEGMENTS] = "segments",
		[RANK_SPACES] = "spaces",
		[RANK_OVERLAY] = "overlay",
		[RANK_DENTRY] = "dentry",
		[RANK_RECORD] = "record",
		[RANK_PROCESS_TREE] = "process_tree",
		[RANK_FDTABLE] = "fdtable",
		[RANK_CONTEXT] = "context",
		[RANK_PID] = "pid",
		[RANK_SIGNAL] = "signal",
		[RANK_FUTEX] = "futex",
		[RANK_TTY] = "tty",
		[RANK_TABLE] = "table",
		[RANK_HUGETLB] = "hugetlb",
		[RANK_KSTACK] = "kstack",
		[RANK_SLAB] = "slab",
		[RANK_FRAME] = "frame",
		[RANK_WAIT] = "wait",
		[RANK_TIMER] = "timer",
		[RANK_RUN_QUEUE] = "run_queue",
		[RANK_ENTROPY] = "entropy",
		[RANK_EVENT] = "event",
		[RANK_LOG] = "log",
		[RANK_CONSOLE] = "console",
	};
	return names[rank];
}

/* ---- the order ------------------------------------------------------------------------------ */

void assert_may_sleep(void)
{
	assert(cpu_depth(irq_depth) == 0);
	assert(cpu_depth(preempt_depth) == 0);
	assert(irq_enabled());
}

#ifdef COWBELL_DEBUG

/* Ranks of which a task may hold several; the comment of each rank says in which order. */
static bool rank_may_nest(unsigned rank)
{
	return rank == RANK_DIRECTORY || rank == RANK_INODE || rank == RANK_FUTEX
		|| rank == RANK_RUN_QUEUE;
}

static unsigned interrupt_mark(void)
{
	return cpu_depth(irq_depth) > 0 ? RANK_IN_INTERRUPT : 0;
}

static void lock_rank_check(const struct task *task, const void *lock, unsigned rank)
{
	unsigned mark = interrupt_mark();

	for (uint32_t i = 0; i < task->lock_depth; i++) {
		unsigned held = task->lock_ranks[i];
		if (task->locks[i] == lock)
			panic("lock %p (rank %u) taken twice", lock, rank);
		if ((held & RANK_IN_INTERRUPT) != mark)
			continue;
		held &= ~RANK_IN_INTERRUPT;
		if (held > rank || (held == rank && !rank_may_nest(rank)))
			panic("lock of rank %u taken while holding rank %u", rank, held);
	}
}

void assert_no_locks(void)
{
	assert(current->lock_depth == 0);
}

static uint64_t ranks_in_interrupts, ranks_with_interrupts_on;  /* atomic: bits */
static_assert(RANK_COUNT <= 64, "a bit for each rank");

/* A lock that an interrupt takes must never be held with interrupts on: it would wait for
 * itself. */
static void lock_use_check(unsigned rank)
{
	bool is_in_interrupt = cpu_depth(irq_depth) > 0;
	uint64_t bit = 1ull << rank;

	if (is_in_interrupt)
		(void)atomic_or(&ranks_in_interrupts, bit);
	else if (irq_enabled())
		(void)atomic_or(&ranks_with_interrupts_on, bit);
	if (atomic_load_relaxed(&ranks_in_interrupts)
	    & atomic_load_relaxed(&ranks_with_interrupts_on) & bit)
		panic("locks of rank %u: taken in interrupts, and with interrupts on", rank);
}

void lock_rank_enter(const void *lock, enum lock_rank rank)
{
	const struct task *task = current;

	if (!task)
		return;
	lock_use_check(rank);
	uint64_t flags = irq_save();
	lock_rank_check(task, lock, rank);
	lock_rank_note(lock, rank);
	irq_restore(flags);
}

void lock_rank_note(const void *lock, enum lock_rank rank)
{
	struct task *task = current;

	if (!task)
		return;
	uint64_t flags = irq_save();
	uint32_t i = task->lock_depth;
	assert(i < COUNT(task->locks));
	task->locks[i] = lock;
	task->lock_ranks[i] = (uint8_t)(rank | interrupt_mark());
	task->lock_depth = i + 1;
	irq_restore(flags);
}

/* Locks may be released in any order; those taken before there were tasks are not listed. */
void lock_rank_leave(const void *lock)
{
	struct task *task = current;

	if (!task)
		return;
	uint64_t flags = irq_save();
	uint32_t i = task->lock_depth;
	while (i > 0 && task->locks[i - 1] != lock)
		i--;
	if (i > 0) {
		task->lock_depth--;
		for (; i <= task->lock_depth; i++) {
			task->locks[i - 1] = task->locks[i];
			task->lock_ranks[i - 1] = task->lock_ranks[i];
		}
	}
	irq_restore(flags);
}

#else

void lock_rank_enter(const void *lock, enum lock_rank rank)
{
}

void lock_rank_note(const void *lock, enum lock_rank rank)
{
}

void lock_rank_leave(const void *lock)
{
}

#endif
