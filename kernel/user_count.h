/* SPDX-License-Identifier: MIT */
/*
 * kernel/user_count.h - how much of something each user has.
 *
 * What hangs on no space, pages of pipes or signals that wait, needs a limit: else one user takes
 * all memory with it, and others are ended for that.  There are so many counts that users mostly
 * have one of their own, and the superuser has; those whose numbers are alike share one.  So none
 * has to be found or made.
 *
 * Locks: none.
 */
#pragma once

#include "lib/atomic.h"
#include "lib/types.h"

enum { USER_COUNTS = 256 };

struct user_count {
	int64_t of[USER_COUNTS];        /* atomic */
};

static inline int64_t *user_count_of(struct user_count *count, uint32_t user)
{
	return &count->of[user == 0 ? 0 : 1 + user % (USER_COUNTS - 1)];
}

/* So many more, or fewer.  Returns how many there are then. */
static inline int64_t user_count_add(struct user_count *count, uint32_t user, int64_t more)
{
	return atomic_add_return_relaxed(user_count_of(count, user), more);
}

static inline int64_t user_count_get(struct user_count *count, uint32_t user)
{
	return atomic_load_relaxed(user_count_of(count, user));
}
