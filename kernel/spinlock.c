/* SPDX-License-Identifier: MIT */
/*
 * kernel/spinlock.c - spinlocks: waiting, and checking the order.
 *
 * Owns:        the list of locks that each task holds, in debug builds (task.locks).
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
enum { SPINS_MAX = 1 << 28 };

void spin_init(struct spinlock *lock, enum lock_rank rank)
{
	*lock = (struct spinlock)SPINLOCK_INIT(rank);
}

/* Look before trying again: reading leaves the cache line where it is. */
#define SPIN_UNTIL_TAKEN(held)                                                                     \
	do {                                                                                       \
		uint32_t spins = 0;                                                                \
		while (atomic_load_relaxed(held) != 0) {                                           \
			spin_check(held, ++spins);                                                 \
			pause();                                                                   \
		}                                                                                  \
	} while (atomic_xchg(held, 1) != 0)

static inline void spin_check(const void *held, uint32_t spins)
{
#ifdef COWBELL_DEBUG
	if (spins >= SPINS_MAX)
		panic("the spinlock at %p is stuck", held);
#endif
}

void spin_wait(uint32_t *held)
{
	SPIN_UNTIL_TAKEN(held);
}

void spin_wait_byte(uint8_t *held)
{
	SPIN_UNTIL_TAKEN(held);
}

void assert_may_sleep(void)
{
	assert(this_cpu()->irq_depth == 0);
	assert(this_cpu()->preempt_depth == 0);
	assert(irq_enabled());
}

#ifdef COWBELL_DEBUG

/* Ranks of which a task may hold several; the comment of each rank says in which order. */
static bool rank_may_nest(unsigned rank)
{
	return rank == RANK_DIRECTORY || rank == RANK_INODE || rank == RANK_SPACE
		|| rank == RANK_OBJECT || rank == RANK_FDTABLE || rank == RANK_FUTEX
		|| rank == RANK_RUN_QUEUE;
}

static unsigned interrupt_mark(void)
{
	return this_cpu()->irq_depth > 0 ? RANK_IN_INTERRUPT : 0;
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

void lock_rank_enter(const void *lock, enum lock_rank rank)
{
	const struct task *task = current;

	if (!task)
		return;
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
