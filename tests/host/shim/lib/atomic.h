/* SPDX-License-Identifier: MIT */
/* Under the simulated machine (-DSIM) other CPUs may come between at every operation that they
 * could see: counts going up and down, and looks at what others change. */
#pragma once

#include_next "lib/atomic.h"

#ifdef SIM
void jitter(void);

#undef atomic_load_relaxed
#undef atomic_load_acquire
#undef atomic_inc
#undef atomic_dec
#define atomic_load_relaxed(p) (jitter(), __atomic_load_n((p), __ATOMIC_RELAXED))
#define atomic_load_acquire(p) (jitter(), __atomic_load_n((p), __ATOMIC_ACQUIRE))
#define atomic_inc(p) (jitter(), (void)__atomic_fetch_add((p), 1, __ATOMIC_RELAXED))
#define atomic_dec(p) (jitter(), (void)__atomic_fetch_sub((p), 1, __ATOMIC_RELAXED))

#define atomic_inc_unless_zero(p) (jitter(), atomic_inc_unless_zero(p))

#undef atomic_xchg
#undef atomic_or
#undef atomic_and
#define atomic_xchg(p, value) (jitter(), __atomic_exchange_n((p), (value), __ATOMIC_SEQ_CST))
#define atomic_or(p, bits) (jitter(), __atomic_fetch_or((p), (bits), __ATOMIC_SEQ_CST))
#define atomic_and(p, bits) (jitter(), __atomic_fetch_and((p), (bits), __ATOMIC_SEQ_CST))

#undef atomic_dec_and_test
#define atomic_dec_and_test(p) (jitter(), __atomic_sub_fetch((p), 1, __ATOMIC_ACQ_REL) == 0)
#endif
