/* SPDX-License-Identifier: MIT */
/*
 * mm/ahead.h - who writes one page after the other gets the next ones with it.
 *
 * A fault costs half as much again as the page that it copies or zeroes.  Most programs that write
 * many pages write them in order, so a write fault that continues a run of such pages also makes
 * some pages behind it the program's own: an eighth of the run's length, and at most
 * /proc/sys/vm/fault_ahead.  So no more than an eighth of what was written can turn out to be
 * wasted, and the first eight pages have a fault each.
 *
 *      | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 . | 10 . | 12 . | 14 . | 16 . . | 19 . . | ...
 *        | a fault                     . a page ahead
 *
 * Not in ranges with MADV_NOHUGEPAGE, nor in processes with PR_SET_THP_DISABLE: both say that a
 * page is to be had by touching it.
 *
 * Locks: the caller's cursor: the leaf's table.
 */
#pragma once

#include "kernel/options.h"
#include "mm/cursor.h"

enum { AHEAD_PART = 8, AHEAD_MAX = FAULT_AHEAD_MAX };

/* What space->ahead says: the page whose fault would continue a run, and in the bits below how many
 * pages the run has. */
static inline uint64_t ahead_word(virt_t next, unsigned run)
{
	return next + run;
}

/* Bring what a run of so many pages, up to the cursor's, has deserved. */
void ahead_bring(struct cursor *cursor, const struct vma *vma, unsigned run);

/* The page at the cursor has just got a frame of the space's own, because it was written to; the
 * range is private. */
static inline void ahead_note(struct cursor *cursor, const struct vma *vma)
{
	uint64_t *ahead = &cursor->space->ahead;
	uint64_t run = READ_ONCE(*ahead) - cursor->addr;        /* or anything else */

	if (likely(run >= AHEAD_PART - 1)) {
		if (run < PAGE_SIZE) {
			ahead_bring(cursor, vma, run + 1);
			return;
		}
		run = 0;
	}
	WRITE_ONCE(*ahead, ahead_word(cursor->addr + PAGE_SIZE, run + 1));
}
