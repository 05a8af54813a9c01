/* SPDX-License-Identifier: MIT */
/*
 * mm/commit.c - promises of memory: who may make how many.
 *
 * Owns:        the sum of all promises, and the settings.
 * Invariants:  C1  the sum is what all spaces (their accounted ranges, and tables that their forks
 *                  may copy) and all objects have been promised; audit() recounts it.
 *              A charge is made before it is judged, so that two that come together cannot both
 *              take what is left.
 */
#include "mm/commit.h"
#include "lib/abi/errno.h"
#include "lib/atomic.h"
#include "lib/bits.h"
#include "kernel/hooks.h"
#include "kernel/panic.h"
#include "kernel/upcall.h"
#include "mm/frame.h"
#include "mm/hugetlb.h"

enum {
	KIB_PER_PAGE = PAGE_SIZE / KIB,
	PAGES_PER_TABLE = 512,
	ADMIN_RESERVE_KIB = 8 * 1024, USER_RESERVE_KIB = 128 * 1024,    /* at most */
	RESERVE_PART = 32,              /* of free memory, and of a space's size */
	MIN_FREE_FACTOR = 16, MIN_FREE_LEAST_KIB = 128, MIN_FREE_MOST_KIB = 256 * 1024,
};

struct commit_settings commit_settings = { .mode = COMMIT_GUESS, .ratio = 50 };
static int64_t committed;               /* atomic: pages */

static uint64_t square_root(uint64_t n)
{
	uint64_t root = 0;

	for (uint64_t bit = 1ull << 31; bit; bit >>= 1) {
		if ((root + bit) * (root + bit) <= n)
			root += bit;
	}
	return root;
}

void commit_start(void)
{
	uint64_t free_kib = frames_free() * KIB_PER_PAGE;
	uint64_t part = free_kib / RESERVE_PART;
	uint64_t min_free = square_root(frames_total() * KIB_PER_PAGE * MIN_FREE_FACTOR);

	commit_settings.admin_reserve_kbytes = MIN(part, (uint64_t)ADMIN_RESERVE_KIB);
	commit_settings.user_reserve_kbytes = MIN(part, (uint64_t)USER_RESERVE_KIB);
	min_free = MIN(MAX(min_free, (uint64_t)MIN_FREE_LEAST_KIB), (uint64_t)MIN_FREE_MOST_KIB);
	frames_keep(min_free / KIB_PER_PAGE);
}

uint64_t commit_limit(void)
{
	uint64_t kbytes = READ_ONCE(commit_settings.kbytes);

	if (kbytes)
		return kbytes / KIB_PER_PAGE;
	return (frames_total() - hugetlb_frames()) * READ_ONCE(commit_settings.ratio) / 100;
}

uint64_t committed_total(void)
{
	return atomic_load_relaxed(&committed);
}

/* In mode 2: may the sum be what it is now, with a space this large among those promised? */
static bool is_within_limit(uint64_t space_pages)
{
	int64_t allowed = commit_limit();
	uint64_t reserve = READ_ONCE(commit_settings.user_reserve_kbytes) / KIB_PER_PAGE;

	if (!upcall_is_privileged())
		allowed -= READ_ONCE(commit_settings.admin_reserve_kbytes) / KIB_PER_PAGE;
	allowed -= MIN(space_pages / RESERVE_PART, reserve);
	return (int64_t)committed_total() < allowed;
}

/* More than a space can show, so nobody wants it; a thousand times a thousand of them still have a
 * sum. */
#define PROMISE_MAX (1ull << 40)

int commit_charge(uint64_t pages, uint64_t space_pages)
{
	if (!pages)
		return 0;
	if (pages > PROMISE_MAX || FAULT_POINT("promise"))
		return -ENOMEM;

	bool is_kept = true;
	commit_take(pages);
	if (commit_mode() == COMMIT_GUESS)
		is_kept = pages <= frames_total();
	else if (commit_mode() == COMMIT_NEVER)
		is_kept = is_within_limit(space_pages);
	if (is_kept)
		return 0;
	commit_uncharge(pages);
	return -ENOMEM;
}

void commit_take(uint64_t pages)
{
	(void)atomic_fetch_add_relaxed(&committed, (int64_t)pages);
}

void commit_uncharge(uint64_t pages)
{
	int64_t before = atomic_fetch_add_relaxed(&committed, -(int64_t)pages);
	assert(before >= (int64_t)pages);
}

uint64_t commit_tables(uint64_t pages)
{
	uint64_t tables = 0;

	while (pages > 1) {
		pages = div_round_up(pages, PAGES_PER_TABLE);
		tables += pages;
	}
	return tables;
}
