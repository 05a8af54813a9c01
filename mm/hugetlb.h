/* SPDX-License-Identifier: MIT */
/*
 * mm/hugetlb.h - huge pages set aside for MAP_HUGETLB.
 *
 * There is a pool for each size of page above the smallest, named by the level of the tables whose
 * entries map it: 2 is 2 MiB; 3 is 1 GiB, where the processor has such pages.  What is in a pool is
 * taken from everybody else, so that a mapping that was promised a page will find it.
 *
 *            resize up                    take
 *   system ------------> free in the pool ------------> in use
 *          <------------                  <------------
 *            resize down                  give
 *
 *   total     pages in the pool, free ones and those in use
 *   free      nobody uses them
 *   reserved  of the free ones: promised to a mapping that has not touched them yet
 *   surplus   of all: above the size that was asked for.  They came because more was promised than
 *             was there (as far as the overcommit setting goes), or stayed in use when the pool was
 *             made smaller, and go back to the system as soon as they are free
 *
 * Locks: the counts and free pages of a pool under its RANK_HUGETLB; changes of size one after
 * another.  Only hugetlb_resize() sleeps.
 * See: Documentation/admin-guide/mm/hugetlbpage.rst of Linux.
 */
#pragma once

#include "lib/bits.h"
#include "lib/types.h"
#include "mm/frame.h"

enum { HUGETLB_LEVEL_MIN = 2, HUGETLB_LEVEL_MAX = 3 };

struct hugetlb_counts {
	uint64_t total, free, reserved, surplus;
};

/* Once at boot, after commit_start(): the pools, as large as hugepages= says. */
void hugetlb_start(void);

/* Are there pages of this level?  Which is meant where none is named (default_hugepagesz=)? */
bool hugetlb_has_level(int level);
int hugetlb_default_level(void);

/* Frames of one page. */
static inline uint64_t hugetlb_page_frames(int level)
{
	return BIT(9 * (level - 1));
}

void hugetlb_counts(int level, struct hugetlb_counts *out);

/*
 * Make the pool this large, as far as there is memory in one piece beside what is kept for the
 * kernel.  Pages in use or promised cannot go: those above the new size become surplus.  Returns
 * the size it has now, surplus pages not counted.  May sleep.
 */
uint64_t hugetlb_resize(int level, uint64_t pages);

/* How many surplus pages promises may bring (nr_overcommit_hugepages).  -EINVAL: none of 1 GiB. */
uint64_t hugetlb_overcommit(int level);
MUST_CHECK int hugetlb_set_overcommit(int level, uint64_t pages);

/* Promise so many pages.  -ENOMEM: not so many are free and unpromised, nor can be got; nothing is
 * promised then.  unreserve: promises that nobody will claim any more. */
MUST_CHECK int hugetlb_reserve(int level, uint64_t pages);
void hugetlb_unreserve(int level, uint64_t pages);

/*
 * A page, contents undefined, with one holder: the caller.  is_reserved: one of those promised to
 * the caller, which is kept with it; there always is one.  Else one that is promised to nobody, or
 * a new surplus page; FRAME_NONE: there is none.
 */
MUST_CHECK pfn_t hugetlb_take(int level, bool is_reserved);

/* Give a page back that nobody but the caller holds (count 0 or 1): to the pool, or to the system
 * if the pool has surplus pages. */
void hugetlb_give(pfn_t block, int level);

/* Give a page back that hugetlb_take() gave for a promise: it is promised again. */
void hugetlb_return(pfn_t block, int level);

/* Frames of all pools, and those of them that are free: in huge blocks of count 0. */
uint64_t hugetlb_frames(void);
uint64_t hugetlb_pool_frames(void);

/* For audit(), with the other CPUs stopped: NULL, or what is wrong in a pool; how many pages are
 * reserved in one. */
const char *hugetlb_check(void);
uint64_t hugetlb_reserved(int level);
