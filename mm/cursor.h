/* SPDX-License-Identifier: MIT */
/*
 * mm/cursor.h - a place in the tree; how faults come to a leaf.
 *
 * Opening a cursor owns the path from the root to the table that holds the leaf: after that a count
 * of one on the frame is the full answer to "is it mine alone?".  The leaf's table is locked until
 * the cursor is closed.  Faults use it under the space's lock for reading; range operations under
 * the lock for writing.
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
	struct frame *table;            /* locked */
	int level;                      /* of the table: 1; or as cursor_open_leaf, _level say */
	pte_t *slot;                    /* in the table */
	struct gather gather;           /* tables replaced on the way */
};

/* At the page's leaf: what is missing above is made, a huge leaf is written down.  0, or -ENOMEM;
 * then all is closed and what was replaced is disposed of. */
MUST_CHECK static inline int cursor_open(struct cursor *cursor, struct space *space, virt_t addr)
	REQUIRES_SHARED(space->lock);

/* The same, but stop above where there is no table of pages: at a huge leaf, or at a slot for 2 MiB
 * that is empty or names the table of zeros. */
MUST_CHECK static inline int cursor_open_leaf(
	struct cursor *cursor, struct space *space, virt_t addr) REQUIRES_SHARED(space->lock);

/* At the slot for addr in the table of `level`, whatever is in it. */
MUST_CHECK int cursor_open_level(struct cursor *cursor, struct space *space, virt_t addr,
				 int level) REQUIRES_SHARED(space->lock);

/* From such a place on to the page's leaf.  Failures as above. */
MUST_CHECK int cursor_descend(struct cursor *cursor);

/* Unlock; shoot down and put what was replaced. */
static inline void cursor_close(struct cursor *cursor);

/* The same two for most faults, which find every table on the way their own: false when one is
 * not, and all is as before.  Such a cursor has gathered nothing. */
MUST_CHECK static inline bool cursor_open_own(struct cursor *cursor, struct space *space,
					      virt_t addr) REQUIRES_SHARED(space->lock);
static inline void cursor_close_own(struct cursor *cursor);

/* On the way down: own what a slot names that is not a table of our own.  Failures as above.  True
 * in *stops: this is where the cursor is to stay; its table is locked. */
MUST_CHECK int cursor_own(struct cursor *cursor, pte_t *slot, int level, bool *stops);

static inline pte_t cursor_get(const struct cursor *cursor)
{
	return pte_load(cursor->slot);
}

/* Store the page's leaf over `old`, which is what cursor_get() says; keeps the table's totals and
 * the space's RSS. */
static inline void cursor_change(struct cursor *cursor, pte_t old, pte_t leaf)
{
	int change = pte_is_counted(leaf) - pte_is_counted(old);

	cursor->table->used += !pte_is_none(leaf) - !pte_is_none(old);
	cursor->table->resident += change;
	pte_store(cursor->slot, leaf);
	if (change != 0)
		space_count_resident(cursor->space, change);
	event(entry_set, cursor->addr, leaf.bits, 1);
}

static inline void cursor_set(struct cursor *cursor, pte_t leaf)
{
	cursor_change(cursor, cursor_get(cursor), leaf);
}

/* Store a huge leaf, or none, where no table is. */
void cursor_set_huge(struct cursor *cursor, pte_t leaf);

/* Replace a present leaf by another frame's: not present, shoot down, then the new one; the old
 * frame is put after that (invariant T3). */
static ALWAYS_INLINE void cursor_replace(struct cursor *cursor, pte_t old, pte_t leaf);

/* The same for what a slot for 2 MiB names, be it a huge leaf or a table. */
void cursor_replace_huge(struct cursor *cursor, pte_t leaf);

/*
 * The slot for addr in the table of `to_level`, with the whole path owned; no byte lock is taken.
 * NULL: no memory.  What was replaced is in the caller's gather (at most three entries more).
 */
pte_t *cursor_path(struct space *space, virt_t addr, int to_level, struct gather *gather)
	REQUIRES(space->lock);

/*
 * The lowest table that has all of [start, end), with the whole path owned; no byte lock is taken.
 * The path ends above an entry that is none or huge.  FRAME_NONE: -ENOMEM.  What was replaced is in
 * the caller's gather (at most three entries more).
 */
pfn_t cursor_path_of_range(struct space *space, virt_t start, virt_t end, struct gather *gather)
	REQUIRES(space->lock);

/* The leaf at addr as the hardware sees it: PTE_NONE when a table is missing; its write bit is the
 * AND along the path.  Parked leaves are returned as they are, of a huge leaf the page's part.
 * Nothing is owned on the way, so that a fault of another thread could replace and free what is
 * looked at: hence the lock for writing. */
pte_t cursor_peek(const struct space *space, virt_t addr) REQUIRES(space->lock);

/* Does no entry cover any of [start, end)?  False may also mean: not worth the search. */
bool cursor_range_is_empty(const struct space *space, virt_t start, virt_t end)
	REQUIRES(space->lock);

/* Visit the leaf of every page in [start, end) that is not none, in order, without owning anything
 * either; a huge leaf page by page.  Skips absent subtrees.  The write bit is as above;
 * is_exclusive: no table or frame on the path is shared. */
struct leaf_visit {
	virt_t addr;
	pte_t leaf;
	bool is_exclusive;
	int level;                      /* of the table the leaf stands in: above 1, it is huge */
	/* by level, up to PTE_LEVELS: those it was found through; FRAME_NONE below a huge leaf */
	const pfn_t *tables;
};
void cursor_for_each(const struct space *space, virt_t start, virt_t end,
		     void (*visit)(const struct leaf_visit *leaf, void *argument), void *argument)
	REQUIRES(space->lock);

/* At the page's leaf, now that its table is known. */
static inline void cursor_lock_leaf(struct cursor *cursor, pfn_t table)
{
	cursor->table = &frames[table];
	spin_lock_byte(&cursor->table->lock);
	cursor->level = 1;
	cursor->slot = &frame_entries(table)[pte_index(cursor->addr, 1)];
}

static inline int cursor_go_down(
	struct cursor *cursor, struct space *space, virt_t addr, bool stops_early)
{
	cursor->space = space;
	cursor->addr = addr;
	gather_init(&cursor->gather);

	pfn_t table = space->mmu.root >> PAGE_SHIFT;
#pragma GCC unroll 3
	for (int level = PTE_LEVELS; level > 1; level--) {
		pte_t *slot = &frame_entries(table)[pte_index(addr, level)];
		pte_t entry = pte_load(slot);
		if (unlikely(!pte_is_own_table(entry))) {
			bool stops = stops_early;
			int err = cursor_own(cursor, slot, level, &stops);
			if (err || stops)
				return err;
			entry = pte_load(slot);
		}
		table = pte_present_pfn(entry);
	}

	cursor_lock_leaf(cursor, table);
	return 0;
}

static inline int cursor_open(struct cursor *cursor, struct space *space, virt_t addr)
{
	return cursor_go_down(cursor, space, addr, false);
}

static inline int cursor_open_leaf(struct cursor *cursor, struct space *space, virt_t addr)
{
	return cursor_go_down(cursor, space, addr, true);
}

static inline void cursor_close(struct cursor *cursor)
{
	spin_unlock_byte(&cursor->table->lock);
	if (unlikely(cursor->gather.count || cursor->gather.must_flush))
		space_gather_finish(cursor->space, &cursor->gather, cursor->addr,
				    cursor->addr + PAGE_SIZE);
}

static inline bool cursor_open_own(struct cursor *cursor, struct space *space, virt_t addr)
{
	pfn_t table = space->mmu.root >> PAGE_SHIFT;
#pragma GCC unroll 3
	for (int level = PTE_LEVELS; level > 1; level--) {
		pte_t entry = pte_load(&frame_entries(table)[pte_index(addr, level)]);
		if (unlikely(!pte_is_own_table(entry)))
			return false;
		table = pte_present_pfn(entry);
	}

	cursor->space = space;
	cursor->addr = addr;
	cursor_lock_leaf(cursor, table);
	return true;
}

static inline void cursor_close_own(struct cursor *cursor)
{
	spin_unlock_byte(&cursor->table->lock);
}

static ALWAYS_INLINE void cursor_replace(struct cursor *cursor, pte_t old, pte_t leaf)
{
	assert(pte_is_present(old));

	pte_store(cursor->slot, PTE_NONE);      /* for so long the table's totals wait */
	space_flush_page(cursor->space, cursor->addr);
	cursor->gather.must_flush = false;  /* the same flush covered the tables replaced above */
	pte_store(cursor->slot, leaf);

	if (pte_is_counted(old)) {
		frame_put_shared(pte_present_pfn(old));
	} else {
		cursor->table->resident++;
		space_count_resident(cursor->space, 1);
	}
	event(entry_set, cursor->addr, leaf.bits, 1);
}
