/* SPDX-License-Identifier: MIT */
/*
 * mm/cursor.h - a place in the tree; the only code that descends tables.
 *
 * Opening a cursor for writing owns the path from the root to the table that holds the leaf: after
 * that a count of one on the frame is the full answer to "is it mine alone?".  The leaf's table is
 * locked until the cursor is closed.  Faults use it under the space's lock for reading; range
 * operations under the lock for writing.
 *
 * cursor_peek looks without owning.
 */
#pragma once

#include "mm/space.h"
#include "mm/tree.h"

struct cursor {
	struct space *space;
	virt_t addr;                    /* page aligned */
	pte_t *slot;                    /* in the level-1 table, which is locked */
	struct gather gather;           /* tables replaced on the way */
};

/* 0, or -ENOMEM; then all is closed and what was replaced is disposed of. */
MUST_CHECK int cursor_open(struct cursor *cursor, struct space *space, virt_t addr)
	REQUIRES_SHARED(space->lock);

/* Unlock; shoot down and put what was replaced. */
void cursor_close(struct cursor *cursor);

static inline pte_t cursor_get(const struct cursor *cursor)
{
	return pte_load(cursor->slot);
}

/* Store the leaf; keeps the table's totals and the space's RSS. */
void cursor_set(struct cursor *cursor, pte_t leaf);

/* Replace a present leaf by another frame's: not present, shoot down, then the new one; the old
 * frame is put after that (invariant T3). */
void cursor_replace(struct cursor *cursor, pte_t leaf);

/*
 * The slot for addr in the table of `to_level`, with the whole path owned; no byte lock is taken.
 * NULL:
 * -ENOMEM.  What was replaced is in the caller's gather (at most three entries more).
 */
pte_t *cursor_path(struct space *space, virt_t addr, int to_level, struct gather *gather)
	REQUIRES(space->lock);

/* The leaf at addr as the hardware sees it: PTE_NONE when a table is missing; its write bit is the
 * AND along the path.  Parked leaves are returned as they are.  Nothing is owned on the way, so
 * that a fault of another thread could replace and free what is looked at: hence the lock for
 * writing. */
pte_t cursor_peek(const struct space *space, virt_t addr) REQUIRES(space->lock);

/* Visit every leaf that is not none in [start, end) in order, without owning anything either.
 * Skips absent subtrees.  `effective` has the write bit as above; is_exclusive: no table or frame
 * on the path is shared. */
struct leaf_visit {
	virt_t addr;
	pte_t leaf;
	bool is_exclusive;
	const pfn_t *tables;            /* by level, 1 to PTE_LEVELS: those it was found through */
};
void cursor_for_each(const struct space *space, virt_t start, virt_t end,
		     void (*visit)(const struct leaf_visit *leaf, void *argument), void *argument)
	REQUIRES(space->lock);
