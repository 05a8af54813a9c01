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

/* Sleep while the word is `value`, until a wake-up whose bitset meets ours.  0; -EAGAIN: it is not;
 * -ETIMEDOUT; -ERESTARTSYS. */
long futex_wait(virt_t addr, uint32_t value, uint32_t bitset, bool is_shared, uint64_t deadline_ns);

/* Wake up to `count` sleepers.  How many there were. */
long futex_wake(virt_t addr, uint32_t count, uint32_t bitset, bool is_shared);

/* Wake up to `wake` sleepers and let up to `move` others sleep at `to` from now on, if the word is
 * *expected (NULL: in any case; else -EAGAIN).  How many were woken or moved. */
long futex_requeue(virt_t from, virt_t to, uint32_t wake, uint32_t move, const uint32_t *expected,
		   bool is_shared);

/* FUTEX_WAKE_OP: change the second word as `op` says, wake at the first, and at the second if
 * its old value passed the comparison. */
struct futex_wake_op {
	virt_t first, second;
	uint32_t wake_first, wake_second, op;
};
long futex_wake_op(const struct futex_wake_op *request, bool is_shared);

void futex_exit_robust(struct thread *thread); /* robust list of a dying thread, the running one */

void futexes_start(void);                               /* once, at boot */
