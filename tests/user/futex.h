/* SPDX-License-Identifier: MIT */
/*
 * tests/user/futex.h - the futex calls, which the C library keeps to itself, and words to call them
 * with.
 */
#pragma once

#include "memory.h"

#include <limits.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>

enum {
	FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE = 3, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP, FUTEX_LOCK_PI,
	FUTEX_UNLOCK_PI, FUTEX_TRYLOCK_PI, FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET,
	FUTEX_PRIVATE = 128, FUTEX_CLOCK_REALTIME = 256,
	FUTEX_WAIT_PRIVATE = FUTEX_WAIT | FUTEX_PRIVATE,
	FUTEX_WAKE_PRIVATE = FUTEX_WAKE | FUTEX_PRIVATE,
	FUTEX_CMP_REQUEUE_PRIVATE = FUTEX_CMP_REQUEUE | FUTEX_PRIVATE,
	FUTEX_WAKE_OP_PRIVATE = FUTEX_WAKE_OP | FUTEX_PRIVATE,
	FUTEX_WAIT_BITSET_PRIVATE = FUTEX_WAIT_BITSET | FUTEX_PRIVATE,
	FUTEX_WAKE_BITSET_PRIVATE = FUTEX_WAKE_BITSET | FUTEX_PRIVATE,
};

#define FUTEX_WAITERS 0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u

typedef volatile uint32_t futex_t;

static inline long futex(futex_t *word, int operation, uint32_t value, const void *timeout,
	futex_t *other, uint32_t last)
{
	return syscall(SYS_futex, word, operation, value, timeout, other, last);
}

static inline long futex_wait(futex_t *word, uint32_t value)
{
	return futex(word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static inline long futex_wake(futex_t *word, int count)
{
	return futex(word, FUTEX_WAKE, (uint32_t)count, NULL, NULL, 0);
}

/* Wake until somebody was: the sleeper may not be there yet. */
static inline void wake_surely(futex_t *word, int operation, int count)
{
	while (count > 0) {
		long woken = futex(word, operation, 1, NULL, NULL, 0);
		CHECK(woken >= 0);
		count -= (int)woken;
		if (woken == 0)
			sched_yield();
	}
}

static inline futex_t *shared_words(void)
{
	return (futex_t *)memory_map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
}

static inline struct timespec time_from_now(clockid_t clock, long ms)
{
	struct timespec time;

	clock_gettime(clock, &time);
	time.tv_nsec += ms % 1000 * 1000000;
	time.tv_sec += ms / 1000 + time.tv_nsec / 1000000000;
	time.tv_nsec %= 1000000000;
	return time;
}

static inline pthread_t thread_new(void *(*run)(void *), void *argument)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, run, argument), 0);
	return thread;
}

static inline void *thread_join(pthread_t thread)
{
	void *result;

	CHECK_EQ(pthread_join(thread, &result), 0);
	return result;
}
