/* SPDX-License-Identifier: MIT */
/*
 * kernel/mutex.h - sleeping locks, reader-writer locks.
 *
 * A sleeping lock may be held across schedule() and page faults where its rank allows.  Neither may
 * be taken in interrupts or under a spinlock.  The uncontended path is one atomic operation.
 */
#pragma once

#include "kernel/wait.h"

enum { MUTEX_FREE, MUTEX_HELD, MUTEX_AWAITED };         /* awaited: held, and somebody may wait */

struct CAPABILITY("mutex") mutex {
	uint32_t state;                 /* atomic */
	uint32_t rank;
	struct task *owner;             /* [itself] */
	struct wait_queue waiters;
};

void mutex_init(struct mutex *mutex, enum lock_rank rank);
static inline void mutex_lock(struct mutex *mutex) ACQUIRES(*mutex);
static inline bool mutex_try_lock(struct mutex *mutex) TRY_ACQUIRES(true, *mutex);
/* -ERESTARTSYS if a signal came first. */
MUST_CHECK static inline int mutex_lock_interruptible(struct mutex *mutex) TRY_ACQUIRES(0, *mutex);
static inline void mutex_unlock(struct mutex *mutex) RELEASES(*mutex);
static inline bool mutex_is_mine(const struct mutex *mutex);

/* In rwlock.state, above the number of readers. */
#define RWLOCK_WRITER  0x80000000u
#define RWLOCK_WAITING 0x40000000u      /* somebody is queued: no quick ways */

/* Many readers or one writer, in order of arrival.  A waiting writer keeps new readers out, so it
 * is not starved; therefore read locks of one lock do not nest. */
struct CAPABILITY("rwlock") rwlock {
	uint32_t state;                 /* atomic */
	uint32_t rank;
	struct task *writer;            /* [itself] */
	uint64_t writes;                /* [itself] how often somebody held it for writing */
	uint64_t waits;                 /* [queue] how often somebody had to wait for it */
	struct wait_queue waiters;      /* writers are the exclusive ones */
};

void rwlock_init(struct rwlock *lock, enum lock_rank rank);
static inline void read_lock(struct rwlock *lock) ACQUIRES_SHARED(*lock);
static inline void read_unlock(struct rwlock *lock) RELEASES_SHARED(*lock);
static inline void write_lock(struct rwlock *lock) ACQUIRES(*lock);
static inline bool write_try_lock(struct rwlock *lock) TRY_ACQUIRES(true, *lock);
static inline void write_unlock(struct rwlock *lock) RELEASES(*lock);
static inline bool rwlock_is_held(const struct rwlock *lock);   /* by anybody, either way */
static inline bool rwlock_is_write_held(const struct rwlock *lock);     /* by the running task */

/* The slow halves of the functions below: somebody is in the way, or waits. */
void mutex_lock_slow(struct mutex *mutex);
int mutex_lock_slow_interruptible(struct mutex *mutex);
void mutex_wake(struct mutex *mutex);
void read_lock_slow(struct rwlock *lock);
void write_lock_slow(struct rwlock *lock);
void rwlock_hand_over(struct rwlock *lock);

/* ---- mutex ---------------------------------------------------------------------------------- */

static inline bool mutex_grab(struct mutex *mutex)
{
	uint32_t free = MUTEX_FREE;
	return atomic_cmpxchg_acquire(&mutex->state, &free, MUTEX_HELD);
}

NO_LOCK_ANALYSIS static inline void mutex_lock(struct mutex *mutex)
{
	jitter();
	DEBUG_LOCK_ENTER(mutex, mutex->rank);
	if (unlikely(!mutex_grab(mutex)))
		mutex_lock_slow(mutex);
	mutex->owner = current;
}

NO_LOCK_ANALYSIS static inline bool mutex_try_lock(struct mutex *mutex)
{
	if (!mutex_grab(mutex))
		return false;
	DEBUG_LOCK_NOTE(mutex, mutex->rank);
	mutex->owner = current;
	return true;
}

NO_LOCK_ANALYSIS static inline int mutex_lock_interruptible(struct mutex *mutex)
{
	jitter();
	DEBUG_LOCK_ENTER(mutex, mutex->rank);
	int err = mutex_grab(mutex) ? 0 : mutex_lock_slow_interruptible(mutex);
	if (err)
		DEBUG_LOCK_LEAVE(mutex);
	else
		mutex->owner = current;
	return err;
}

NO_LOCK_ANALYSIS static inline void mutex_unlock(struct mutex *mutex)
{
	assert(mutex->owner == current);
	mutex->owner = NULL;
	DEBUG_LOCK_LEAVE(mutex);
	if (unlikely(atomic_xchg(&mutex->state, MUTEX_FREE) == MUTEX_AWAITED))
		mutex_wake(mutex);
	jitter();
}

static inline bool mutex_is_mine(const struct mutex *mutex)
{
	return READ_ONCE(mutex->owner) == current;
}

/* ---- rwlock --------------------------------------------------------------------------------- */

NO_LOCK_ANALYSIS static inline void read_lock(struct rwlock *lock)
{
	jitter();
	DEBUG_LOCK_ENTER(lock, lock->rank);
	uint32_t state = atomic_load_relaxed(&lock->state);
	while (likely(!(state & (RWLOCK_WRITER | RWLOCK_WAITING)))) {
		if (likely(atomic_cmpxchg_acquire(&lock->state, &state, state + 1)))
			return;
	}
	read_lock_slow(lock);
}

NO_LOCK_ANALYSIS static inline void read_unlock(struct rwlock *lock)
{
	DEBUG_LOCK_LEAVE(lock);
	if (unlikely(atomic_sub_return(&lock->state, 1) == RWLOCK_WAITING))
		rwlock_hand_over(lock);
	jitter();
}

NO_LOCK_ANALYSIS static inline bool write_grab(struct rwlock *lock)
{
	uint32_t free = 0;
	return atomic_cmpxchg_acquire(&lock->state, &free, RWLOCK_WRITER);
}

NO_LOCK_ANALYSIS static inline void write_lock(struct rwlock *lock)
{
	jitter();
	DEBUG_LOCK_ENTER(lock, lock->rank);
	if (unlikely(!write_grab(lock)))
		write_lock_slow(lock);
	lock->writer = current;
	lock->writes++;
}

NO_LOCK_ANALYSIS static inline bool write_try_lock(struct rwlock *lock)
{
	if (!write_grab(lock))
		return false;
	DEBUG_LOCK_NOTE(lock, lock->rank);
	lock->writer = current;
	lock->writes++;
	return true;
}

NO_LOCK_ANALYSIS static inline void write_unlock(struct rwlock *lock)
{
	assert(lock->writer == current);
	lock->writer = NULL;
	DEBUG_LOCK_LEAVE(lock);
	if (unlikely(atomic_sub_return(&lock->state, RWLOCK_WRITER) != 0))      /* it is WAITING */
		rwlock_hand_over(lock);
	jitter();
}

static inline bool rwlock_is_held(const struct rwlock *lock)
{
	return (atomic_load_relaxed(&lock->state) & ~RWLOCK_WAITING) != 0;
}

static inline bool rwlock_is_write_held(const struct rwlock *lock)
{
	return READ_ONCE(lock->writer) == current;
}
