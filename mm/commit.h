/* SPDX-License-Identifier: MIT */
/*
 * mm/commit.h - promises of memory: who may make how many.
 *
 * A private writable page may have to be found one day, also one that is shared until somebody
 * writes.  Each range, object and fork says beforehand how many pages that may be; the sum is
 * Committed_AS.  What happens when it grows is one setting (vm.overcommit_memory):
 *
 *   0  refuse only what can never be kept: one request of more pages than there are
 *   1  refuse nothing
 *   2  refuse what goes beyond CommitLimit, so that a fault never finds memory missing
 *
 * Locks: none; the sum is atomic.  Nothing here sleeps.
 * See: Documentation/mm/overcommit-accounting of Linux, whose formulas these are.
 */
#pragma once

#include "lib/atomic.h"
#include "lib/types.h"

enum commit_mode { COMMIT_GUESS, COMMIT_ALWAYS, COMMIT_NEVER };

/* As /proc/sys/vm shows them.  Each is one word, valid by itself; there is no lock. */
struct commit_settings {
	int64_t mode;                   /* enum commit_mode */
	int64_t ratio;                  /* CommitLimit in percent of memory; 0: kbytes says it */
	int64_t kbytes;                 /* or as it is; 0: ratio says it */
	int64_t admin_reserve_kbytes;   /* in mode 2: what only the superuser may promise */
	int64_t user_reserve_kbytes;    /* in mode 2: what one space leaves to the others */
};
extern struct commit_settings commit_settings;

/* Once at boot, after frames_start(): the reserves, from how much memory there is, and the frames
 * kept for the kernel (vm.min_free_kbytes). */
void commit_start(void);

/* Promise `pages` more, for a space with space_pages mapped (0: for no space).  0, or -ENOMEM with
 * nothing promised. */
MUST_CHECK int commit_charge(uint64_t pages, uint64_t space_pages);

/* The same without asking: what is promised already, only by somebody else. */
void commit_take(uint64_t pages);

/* Promises kept, or no longer asked for.  Never more than were charged. */
void commit_uncharge(uint64_t pages);

/* CommitLimit and Committed_AS, in pages. */
uint64_t commit_limit(void);
uint64_t committed_total(void);

/* Tables that a fork of `pages` promised pages may have to copy later: a promise as well, made in
 * mode 2. */
uint64_t commit_tables(uint64_t pages);

static inline enum commit_mode commit_mode(void)
{
	return (enum commit_mode)READ_ONCE(commit_settings.mode);
}
