/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The few atomic operations, with their orders in their names.  They work on any integer or
 * pointer of 1, 2, 4 or 8 bytes, through a pointer to it.
 *
 *	relaxed   only the access itself is atomic
 *	acquire   what follows stays after it (taking a lock, reading a published pointer)
 *	release   what precedes stays before it (dropping a lock, publishing)
 *
 * Operations without an order in their name are full barriers.
 */

#include "lib/types.h"

#define atomic_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define atomic_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)

#define atomic_store_relaxed(p, value) __atomic_store_n((p), (value), __ATOMIC_RELAXED)
#define atomic_store_release(p, value) __atomic_store_n((p), (value), __ATOMIC_RELEASE)

/* Read or write once, exactly as written: no tearing, no inventing, no order. */
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) ((void)(*(volatile __typeof__(x) *)&(x) = (value)))

/* Arithmetic that returns the new value. */
#define atomic_add_return(p, n) __atomic_add_fetch((p), (n), __ATOMIC_SEQ_CST)
#define atomic_sub_return(p, n) __atomic_sub_fetch((p), (n), __ATOMIC_SEQ_CST)
#define atomic_add_return_relaxed(p, n) __atomic_add_fetch((p), (n), __ATOMIC_RELAXED)
#define atomic_sub_return_relaxed(p, n) __atomic_sub_fetch((p), (n), __ATOMIC_RELAXED)
#define atomic_sub_return_release(p, n) __atomic_sub_fetch((p), (n), __ATOMIC_RELEASE)

/* Arithmetic that returns the old value. */
#define atomic_fetch_add_relaxed(p, n) __atomic_fetch_add((p), (n), __ATOMIC_RELAXED)
#define atomic_fetch_sub_relaxed(p, n) __atomic_fetch_sub((p), (n), __ATOMIC_RELAXED)

/* Counting up and down where no other data hangs on the count. */
#define atomic_inc(p) ((void)__atomic_fetch_add((p), 1, __ATOMIC_RELAXED))
#define atomic_dec(p) ((void)__atomic_fetch_sub((p), 1, __ATOMIC_RELAXED))

/* A reference more to what is found in a list, unless the last one has been dropped. */
static inline bool atomic_inc_unless_zero(uint32_t *count)
{
	uint32_t now = __atomic_load_n(count, __ATOMIC_RELAXED);

	while (now != 0 && !__atomic_compare_exchange_n(count, &now, now + 1, true,
							__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
	return now != 0;
}

/*
 * Drop a reference; true for whoever dropped the last.  Everybody's writes before their drop
 * are visible to that one: each drop releases, the last acquires.
 */
#define atomic_dec_and_test(p)                                                                     \
	({                                                                                         \
		bool last_ = __atomic_sub_fetch((p), 1, __ATOMIC_RELEASE) == 0;                    \
		if (last_)                                                                         \
			__atomic_thread_fence(__ATOMIC_ACQUIRE);                                   \
		last_;                                                                             \
	})

/*
 * If *p equals *expected, store `desired` and return true; otherwise put what was found into
 * *expected and return false.
 */
#define atomic_cmpxchg(p, expected, desired)                                                       \
	__atomic_compare_exchange_n((p), (expected), (desired), false, __ATOMIC_SEQ_CST,           \
				    __ATOMIC_SEQ_CST)
#define atomic_cmpxchg_relaxed(p, expected, desired)                                               \
	__atomic_compare_exchange_n((p), (expected), (desired), false, __ATOMIC_RELAXED,           \
				    __ATOMIC_RELAXED)
#define atomic_cmpxchg_acquire(p, expected, desired)                                               \
	__atomic_compare_exchange_n((p), (expected), (desired), false, __ATOMIC_ACQUIRE,           \
				    __ATOMIC_RELAXED)

/* Store `value`, return what was there. */
#define atomic_xchg(p, value) __atomic_exchange_n((p), (value), __ATOMIC_SEQ_CST)

/* Set or keep bits, return what was there. */
#define atomic_or(p, bits) __atomic_fetch_or((p), (bits), __ATOMIC_SEQ_CST)
#define atomic_and(p, bits) __atomic_fetch_and((p), (bits), __ATOMIC_SEQ_CST)

/* Nothing crosses, in either direction, on any CPU. */
#define memory_barrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)

/* Nothing crosses in the compiled code; the CPU may still reorder. */
#define compiler_barrier() __asm__ volatile("" ::: "memory")
