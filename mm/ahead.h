/* SPDX-License-Identifier: MIT */
/*
 * mm/ahead.h - who writes one page after the other gets the next ones with it.
 *
 * A fault costs half as much again as the page that it copies or zeroes.  Most programs that write
 * many pages write them in order, so a write fault that continues a run of such pages also makes
 * some pages behind it the program's own: an eighth of the run's length, and at most
 * /proc/sys/vm/fault_ahead.  So no more than an eighth of what was written can turn out to be
 * wasted, and the first seven pages have a fault each.
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

/* At a run's end: the fault at the cursor continues it. */
void ahead_continue(struct cursor *cursor, const struct vma *vma);

/* The page at the cursor has just got a frame of the space's own, because it was written to; the
 * range is private. */
static inline void ahead_note(struct cursor *cursor, const struct vma *vma)
{
	struct ahead *ahead = &cursor->space->ahead;

	if (unlikely(READ_ONCE(ahead->next) == cursor->addr)) {
		ahead_continue(cursor, vma);
		return;
	}
	WRITE_ONCE(ahead->next, cursor->addr + PAGE_SIZE);
	WRITE_ONCE(ahead->run, 1);
}
