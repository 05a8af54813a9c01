/* SPDX-License-Identifier: MIT */
/*
 * fs/pipe_users.c - how many pages users may have in pipes.
 *
 * What pipes hold hangs on no space: without a limit one user takes all memory with them, and
 * others are ended for it.  Counted is what a pipe may come to hold, to whoever made it.
 *
 * Owns: the counts.  There are so many that users mostly have one of their own, and the superuser
 *   has; those whose numbers are alike share one.  So none has to be found or made.
 * Locks: none.
 * See: pipe(7).
 */
#include "fs/pipe_ring.h"
#include "kernel/upcall.h"

enum { USERS = 256 };

struct pipe_limits pipe_limits = { .soft = 16384 };

static int64_t pages_of[USERS];         /* atomic */

static int64_t *user_pages(uint32_t user)
{
	return &pages_of[user == 0 ? 0 : 1 + user % (USERS - 1)];
}

void pipe_user_charge(uint32_t user, int64_t pages)
{
	int64_t now = atomic_add_return_relaxed(user_pages(user), pages);

	assert(now >= 0);
}

bool pipe_user_is_over(uint32_t user, const int64_t *limit)
{
	int64_t most = READ_ONCE(*limit);

	return most > 0 && atomic_load_relaxed(user_pages(user)) > most && !upcall_is_privileged();
}
