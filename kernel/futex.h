/* SPDX-License-Identifier: MIT */
/*
 * kernel/futex.h - wait and wake on a user word.
 *
 * A word is named by (space, address), or by (object, offset) when its range is shared: never by
 * its frame, which copy-on-write may replace.  With is_shared false the range is not looked at.
 *
 * All return -EINVAL for an unaligned address, -EFAULT for one that cannot be read.
 */
#pragma once

#include "kernel/process.h"

enum { FUTEX_VECTOR_MAX = 128 };

/* One word to wait for, as long as it has this value. */
struct futex_word {
	virt_t addr;
	uint32_t value, bitset;
	bool is_shared;
};

/* Sleep while the word is as it says, until a wake-up whose bitset meets ours.  0; -EAGAIN: it is
 * not; -ETIMEDOUT; -ERESTARTSYS. */
long futex_wait(const struct futex_word *word, uint64_t deadline_ns);

/* The same for up to FUTEX_VECTOR_MAX words: which one was woken, or -ENOMEM. */
long futex_wait_vector(const struct futex_word *words, unsigned count, uint64_t deadline_ns);

/* Wake up to `count` sleepers, but one at least.  How many there were. */
long futex_wake(virt_t addr, int32_t count, uint32_t bitset, bool is_shared);

/* Wake up to `wake` sleepers and let up to `move` others sleep at `to` from now on, if the word is
 * *expected (NULL: in any case; else -EAGAIN).  How many were woken or moved. */
struct futex_move {
	virt_t from, to;
	int32_t wake, move;
	const uint32_t *expected;
	bool is_shared;
};
long futex_requeue(const struct futex_move *move);

/* FUTEX_WAKE_OP: change the second word as `op` says, wake at the first, and at the second if
 * its old value passed the comparison. */
struct futex_wake_op {
	virt_t first, second;
	int32_t wake_first, wake_second;
	uint32_t op;
	bool is_shared;
};
long futex_wake_op(const struct futex_wake_op *request);

/* What the running thread, which dies or executes another program, leaves locked.  See
 * get_robust_list(2). */
void futex_exit_robust(struct thread *thread);
