/* SPDX-License-Identifier: MIT */
/*
 * fs/pipe_users.c - how many pages users may have in pipes.
 *
 * Counted is what a pipe may come to hold, to whoever made it.
 *
 * Owns: the counts.
 * Locks: none.
 * See: pipe(7); kernel/user_count.h.
 */
#include "fs/pipe_ring.h"
#include "kernel/upcall.h"
#include "kernel/user_count.h"

struct pipe_limits pipe_limits = { .soft = 16384 };

static struct user_count pages;

void pipe_user_charge(uint32_t user, int64_t more)
{
	int64_t now = user_count_add(&pages, user, more);

	assert(now >= 0);
}

bool pipe_user_is_over(uint32_t user, const int64_t *limit)
{
	int64_t most = READ_ONCE(*limit);

	return most > 0 && user_count_get(&pages, user) > most && !upcall_is_privileged();
}
