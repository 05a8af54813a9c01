/* SPDX-License-Identifier: MIT */
/*
 * mm/huge.h - huge pages: 2 MiB of a range in one leaf.
 *
 * A huge leaf is a table of pages that nobody wrote down (mm/tree.h), so fork, exit and the range
 * operations treat it as they treat tables.  What is left to decide is when to use one:
 *
 *   fill       A private anonymous range asks for it (madvise, or the mode is `always`), covers the
 *              whole 2 MiB, and none of it has been touched: one zeroed block.  No block to be had:
 *              pages, as ever.  A first read maps the table of zeros, whatever is asked for.
 *   reuse      A write, and nobody else holds the block or any frame of it: set a bit.
 *   split      A write to a shared one: write the table down, copy the 4 KiB.
 *   copy       The same where MADV_HUGEPAGE was given and plenty of memory is free (an eighth of
 *              it): copy the 2 MiB.
 *   collapse   MADV_COLLAPSE makes a leaf of a table again; of frames that still lie side by side
 *              and are nobody else's, without copying.
 *
 * Whatever concerns a part of a huge leaf - munmap, mprotect, mremap, madvise - writes it down.  A
 * range may come to end in the middle of one when it only gains rights or flags: the next fault
 * there sees that, and writes it down.
 *
 * Locks: as faults and range operations.  2 MiB are never zeroed or copied under a spinlock.
 * See:   madvise(2); Documentation/admin-guide/mm/transhuge of Linux.
 */
#pragma once

#include "kernel/upcall.h"
#include "mm/cursor.h"

enum { HUGE_LEVEL = 2 };                /* of the tables whose leaves are 2 MiB */
#define HUGE_SIZE (2 * MIB)

/*
 * A fault at a cursor that cursor_open_leaf has left above the pages.  0, -ENOMEM or -EAGAIN (begin
 * again): the cursor is closed.  HUGE_NOT: it is at the page's leaf now, go on there.
 */
enum { HUGE_NOT = 1 };
MUST_CHECK int huge_fault(struct cursor *cursor, const struct vma *vma, enum access access);

/* Might the range be given huge pages now? */
bool huge_is_wanted(const struct space *space, const struct vma *vma);

/* MADV_COLLAPSE of the whole 2 MiB pieces in [start, end).  -EINVAL: not in such a range, or
 * nothing is there.  -ENOMEM. */
MUST_CHECK int space_collapse(struct space *space, virt_t start, virt_t end)
	REQUIRES(space->lock);
