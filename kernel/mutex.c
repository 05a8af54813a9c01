/* SPDX-License-Identifier: MIT */
/*
 * kernel/mutex.c - sleeping locks, reader-writer locks: when somebody is in the way.
 *
 * Owns:        the waiting.  The quick ways are in the header.
 * Invariants:  a mutex that somebody waits for is AWAITED, or free and that somebody is being
 *              woken; it may be AWAITED without need, which costs its holder one look at the queue.
 *              A reader-writer lock has WAITING set exactly while its queue is not empty, looked
 *              at under the queue's lock.  Meanwhile it is only ever handed over: whoever frees it
 *              gives it to the first in the queue, and to all readers there if that is one.
 *
 *              state          free -> readers or writer -> +WAITING -> handed over -> ... -> free
 *
 * Locks:       the queue's, which is below all that may be held here.
 */
#include "kernel/mutex.h"

/* ---- mutex ---------------------------------------------------------------------------------- */

void mutex_init(struct mutex *mutex, enum lock_rank rank)
{
	mutex->state = MUTEX_FREE;
	mutex->rank = rank;
	mutex->owner = NULL;
	wait_queue_init(&mutex->waiters);
}

/* A wake-up may have come together with the signal; then it is the next one's.  If somebody was
 * quicker than both, it is up to him to wake. */
static void mutex_leave_to_next(struct mutex *mutex)
{
	uint32_t seen = MUTEX_HELD;

	if (!atomic_cmpxchg(&mutex->state, &seen, MUTEX_AWAITED) && seen == MUTEX_FREE)
		wake_one(&mutex->waiters);
}

/* 0, or -ERESTARTSYS if the state is INTERRUPTIBLE and a signal came first. */
static int mutex_wait(struct mutex *mutex, enum task_state state)
{
	struct waiter waiter;
	int err = 0;

	assert_may_sleep();
	assert(!mutex_is_mine(mutex));
	waiter_init(&waiter);
	waiter.is_exclusive = true;
	for (;;) {
		task_prepare_sleep(state);
		wait_enqueue(&mutex->waiters, &waiter);
		if (atomic_xchg(&mutex->state, MUTEX_AWAITED) == MUTEX_FREE)
			break;
		if (state == TASK_INTERRUPTIBLE && wait_has_signal()) {
			err = -ERESTARTSYS;
			break;
		}
		schedule();
	}
	task_prepare_sleep(TASK_RUNNABLE);
	wait_dequeue(&waiter);

	if (err)
		mutex_leave_to_next(mutex);
	return err;
}

void mutex_lock_slow(struct mutex *mutex)
{
	int err = mutex_wait(mutex, TASK_SLEEPING);
	assert(err == 0);
}

int mutex_lock_slow_interruptible(struct mutex *mutex)
{
	return mutex_wait(mutex, TASK_INTERRUPTIBLE);
}

void mutex_wake(struct mutex *mutex)
{
	wake_one(&mutex->waiters);
}

/* ---- rwlock --------------------------------------------------------------------------------- */

struct rwlock_waiter {
	struct waiter waiter;
	bool has_lock;                  /* release: set by who hands over, under the queue's lock */
};

void rwlock_init(struct rwlock *lock, enum lock_rank rank)
{
	lock->state = 0;
	lock->rank = rank;
	lock->writer = NULL;
	lock->writes = lock->waits = 0;
	wait_queue_init(&lock->waiters);
}

/* What one holder adds to the state, and what it cannot stand in it. */
static uint32_t holder_share(const struct waiter *waiter)
{
	return waiter->is_exclusive ? RWLOCK_WRITER : 1;
}

static bool holder_fits(const struct waiter *waiter, uint32_t state)
{
	uint32_t in_the_way = waiter->is_exclusive ? ~RWLOCK_WAITING : RWLOCK_WRITER;
	return !(state & in_the_way);
}

/* Give the lock to the first in the queue, as many as fit.  Queue locked, WAITING set: then
 * others only ever leave. */
static void rwlock_grant(struct rwlock *lock)
{
	struct list_node *first;

	while ((first = list_first(&lock->waiters.waiters)) != NULL) {
		struct rwlock_waiter *next = list_entry(first, struct rwlock_waiter, waiter.node);
		if (!holder_fits(&next->waiter, atomic_load_acquire(&lock->state)))
			return;
		atomic_add_return(&lock->state, holder_share(&next->waiter));
		list_remove(first);
		atomic_store_release(&next->has_lock, true);
		task_wake(next->waiter.task);
	}
	atomic_and(&lock->state, ~RWLOCK_WAITING);
}

void rwlock_hand_over(struct rwlock *lock)
{
	uint64_t flags = spin_lock_irq(&lock->waiters.lock);
	if (!list_is_empty(&lock->waiters.waiters))
		rwlock_grant(lock);
	spin_unlock_irq(&lock->waiters.lock, flags);
}

/* Queue up, look whether that was needed, sleep until the lock is ours. */
static void rwlock_wait(struct rwlock *lock, bool is_writer)
{
	struct rwlock_waiter self = { .has_lock = false };

	assert_may_sleep();
	assert(!rwlock_is_write_held(lock));
	waiter_init(&self.waiter);
	self.waiter.is_exclusive = is_writer;

	uint64_t flags = spin_lock_irq(&lock->waiters.lock);
	self.waiter.queue = &lock->waiters;
	lock->waits++;
	list_push_back(&lock->waiters.waiters, &self.waiter.node);
	atomic_or(&lock->state, RWLOCK_WAITING);
	rwlock_grant(lock);
	spin_unlock_irq(&lock->waiters.lock, flags);

	for (;;) {
		task_prepare_sleep(TASK_SLEEPING);
		if (atomic_load_acquire(&self.has_lock))
			break;
		schedule();
	}
	task_prepare_sleep(TASK_RUNNABLE);
	wait_dequeue(&self.waiter);
}

void read_lock_slow(struct rwlock *lock)
{
	rwlock_wait(lock, false);
}

void write_lock_slow(struct rwlock *lock)
{
	rwlock_wait(lock, true);
}
