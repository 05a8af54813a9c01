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

#include "kernel/event.h"
#include "mm/space.h"
#include "mm/tree.h"

struct cursor {
	struct space *space;
	virt_t addr;                    /* page aligned */
	pte_t *slot;                    /* in the level-1 table, which is locked */
	struct gather gather;           /* tables replaced on the way */
};

/* 0, or -ENOMEM; then all is closed and what was replaced is disposed of. */
MUST_CHECK static inline int cursor_open(struct cursor *cursor, struct space *space, virt_t addr)
	REQUIRES_SHARED(space->lock);

/* Unlock; shoot down and put what was replaced. */
static inline void cursor_close(struct cursor *cursor);

/* On the way down: own what a slot without the write bit names.  Failures as above. */
MUST_CHECK int cursor_own(struct cursor *cursor, pte_t *slot, int level);

static inline pte_t cursor_get(const struct cursor *cursor)
{
	return pte_load(cursor->slot);
}

/* Store the leaf; keeps the table's totals and the space's RSS. */
static inline void cursor_set(struct cursor *cursor, pte_t leaf)
{
	int change = pte_is_counted(leaf) - pte_is_counted(cursor_get(cursor));

	entry_store(cursor->slot, leaf);
	if (change != 0)
		space_count_resident(cursor->space, change);
	event(entry_set, cursor->addr, leaf.bits, 1);
}

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

/* Does no entry cover any of [start, end)?  False may also mean: not worth the search. */
bool cursor_range_is_empty(const struct space *space, virt_t start, virt_t end)
	REQUIRES(space->lock);

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

/* Every fault comes this way. */
static inline int cursor_open(struct cursor *cursor, struct space *space, virt_t addr)
{
	cursor->space = space;
	cursor->addr = addr;
	gather_init(&cursor->gather);

	pfn_t table = space->mmu.root >> PAGE_SHIFT;
#pragma GCC unroll 3
	for (int level = PTE_LEVELS; level > 1; level--) {
		pte_t *slot = &frame_entries(table)[pte_index(addr, level)];
		pte_t entry = pte_load(slot);
		if (unlikely(!pte_is_writable(entry))) {
			int err = cursor_own(cursor, slot, level);
			if (err)
				return err;
			entry = pte_load(slot);
		}
		table = pte_present_pfn(entry);
	}

	spin_lock_byte(&frames[table].lock);
	cursor->slot = &frame_entries(table)[pte_index(addr, 1)];
	return 0;
}

static inline void cursor_close(struct cursor *cursor)
{
	spin_unlock_byte(&frames[slot_table(cursor->slot)].lock);
	if (unlikely(cursor->gather.count || cursor->gather.must_flush))
		space_gather_finish(cursor->space, &cursor->gather, cursor->addr,
				    cursor->addr + PAGE_SIZE);
}
