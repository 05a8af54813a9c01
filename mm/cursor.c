/* SPDX-License-Identifier: MIT */
/*
 * mm/cursor.c - a place in the tree; how faults come to a leaf.
 *
 * Invariants:  I2  a table is stored to only when every entry on the path to it has the write bit.
 *                  The descent makes that so from the top down.  Range operations own their
 *                  tables first: mm/detach.c, mm/protect.c, mm/remap.c, mm/huge.c.
 *              T3  a present leaf that changes frame passes through "not present" until every CPU
 *                  has forgotten the old one: else a thread could read the old page after another
 *                  has written the new one.
 * Locks:       the space's lock, at least for reading.  Under it an owned table neither vanishes
 *              nor becomes shared: only fork and the range operations do that, and they write-lock.
 *              Two faults in one table meet at its byte lock; after taking it, the slot is read
 *              again.
 * See:         mm/tree.c (what owning does), mm/fault.c and mm/detach.c (who calls).
 */
#include "mm/cursor.h"
#include "lib/bits.h"
#include "kernel/event.h"
#include "kernel/panic.h"

/* A place where a huge leaf is, or may come to be. */
static bool is_huge_place(pte_t entry, int level)
{
	return pte_is_huge(entry)
	       || (level == 2 && (pte_is_none(entry) || pte_pfn(entry) == zero_table));
}

int cursor_own(struct cursor *cursor, pte_t *slot, int level, bool *stops)
{
	struct space *space = cursor->space;
	pfn_t table = slot_table(slot);

	spin_lock_byte(&frames[table].lock);
	if (*stops && is_huge_place(pte_load(slot), level)) {
		cursor->table = &frames[table];
		cursor->level = level;
		cursor->slot = slot;
		return 0;
	}
	*stops = false;
	int err = table_own(slot, level, &cursor->gather, &space->work);
	spin_unlock_byte(&frames[table].lock);
	if (err)
		space_gather_finish(space, &cursor->gather, cursor->addr,
				    cursor->addr + PAGE_SIZE);
	return err;
}

int cursor_open_level(struct cursor *cursor, struct space *space, virt_t addr, int to_level)
{
	cursor->space = space;
	cursor->addr = addr;
	gather_init(&cursor->gather);

	pfn_t table = space->mmu.root >> PAGE_SHIFT;
	for (int level = PTE_LEVELS; level > to_level; level--) {
		pte_t *slot = &frame_entries(table)[pte_index(addr, level)];
		bool stops = false;
		int err = cursor_own(cursor, slot, level, &stops);
		if (err)
			return err;
		table = pte_pfn(pte_load(slot));
	}
	cursor->table = &frames[table];
	spin_lock_byte(&cursor->table->lock);
	cursor->level = to_level;
	cursor->slot = &frame_entries(table)[pte_index(addr, to_level)];
	return 0;
}

int cursor_descend(struct cursor *cursor)
{
	pte_t *slot = cursor->slot;
	bool stops = false;

	assert(cursor->level == 2);
	spin_unlock_byte(&cursor->table->lock);
	int err = cursor_own(cursor, slot, 2, &stops);
	if (err)
		return err;
	cursor_lock_leaf(cursor, pte_present_pfn(pte_load(slot)));
	return 0;
}

pte_t *cursor_path(struct space *space, virt_t addr, int to_level, struct gather *gather)
{
	pfn_t table = space->mmu.root >> PAGE_SHIFT;
	for (int level = PTE_LEVELS; level > to_level; level--) {
		pte_t *slot = &frame_entries(table)[pte_index(addr, level)];
		if (table_own(slot, level, gather, &space->work))
			return NULL;
		table = pte_pfn(pte_load(slot));
	}
	return &frame_entries(table)[pte_index(addr, to_level)];
}

/* Do both ends go through one entry of a table of `level`, and of all above? */
static bool range_has_one_entry(virt_t start, virt_t end, int level)
{
	return (start ^ (end - 1)) < pte_span(level);
}

pfn_t cursor_path_of_range(struct space *space, virt_t start, virt_t end, struct gather *gather)
{
	pfn_t table = space->mmu.root >> PAGE_SHIFT;
#pragma GCC unroll 3
	for (int level = PTE_LEVELS; level > 1; level--) {
		pte_t *slot = &frame_entries(table)[pte_index(start, level)];
		pte_t entry = pte_load(slot);
		if (!range_has_one_entry(start, end, level))
			break;
		if (unlikely(!pte_is_own_table(entry))) {
			if (pte_is_none(entry) || pte_is_huge(entry))
				break;
			if (table_own(slot, level, gather, &space->work))
				return FRAME_NONE;
			entry = pte_load(slot);
		}
		table = pte_present_pfn(entry);
	}
	return table;
}

void cursor_set_huge(struct cursor *cursor, pte_t leaf)
{
	int64_t old = (int64_t)entry_resident(cursor_get(cursor), cursor->level);

	assert(cursor->level > 1);
	entry_store(cursor->slot, leaf);
	space_count_resident(cursor->space, (int64_t)entry_resident(leaf, cursor->level) - old);
	event(entry_set, cursor->addr, leaf.bits, cursor->level);
}

void cursor_replace_huge(struct cursor *cursor, pte_t leaf)
{
	pte_t old = cursor_get(cursor);
	int64_t resident = (int64_t)entry_resident(old, cursor->level);
	uint64_t span = pte_span(cursor->level);
	virt_t start = align_down(cursor->addr, span);

	assert(cursor->level > 1 && pte_is_present(old));
	resident = (int64_t)entry_resident(leaf, cursor->level) - resident;
	space_count_resident(cursor->space, resident);
	pte_store(cursor->slot, PTE_NONE);
	space_flush(cursor->space, start, start + span);
	cursor->gather.must_flush = false;
	pte_store(cursor->slot, leaf);
	gather_add(&cursor->gather, old, cursor->level);
	event(entry_set, cursor->addr, leaf.bits, cursor->level);
}

pte_t cursor_peek(const struct space *space, virt_t addr)
{
	pfn_t table = space->mmu.root >> PAGE_SHIFT;
	bool is_writable = true;

	for (int level = PTE_LEVELS;; level--) {
		pte_t entry = pte_load(&frame_entries(table)[pte_index(addr, level)]);
		if (level == 1 || pte_is_huge(entry)) {
			while (level-- > 1)
				entry = pte_part(entry, level + 1, pte_index(addr, level));
			return is_writable ? entry : pte_seen_read_only(entry);
		}
		if (pte_is_none(entry))
			return PTE_NONE;
		is_writable = is_writable && pte_is_writable(entry);
		table = pte_pfn(entry);
	}
}

/* As far as both ends go through the same entries; where they part, what lies between.  A table
 * left without entries is not passed over: it may have to go. */
bool cursor_range_is_empty(const struct space *space, virt_t start, virt_t end)
{
	pfn_t table = space->mmu.root >> PAGE_SHIFT;
	int level = PTE_LEVELS;

#pragma GCC unroll 3
	for (; level > 1; level--) {
		pte_t entry = pte_load(&frame_entries(table)[pte_index(start, level)]);
		if (!range_has_one_entry(start, end, level) || !pte_is_table(entry))
			break;
		table = pte_present_pfn(entry);
	}
	if (level < PTE_LEVELS && frames[table].used == 0)
		return false;

	const pte_t *entries = frame_entries(table);
	unsigned first = pte_index(start, level), last = pte_index(end - 1, level);
	while (first < last && pte_is_none(pte_load(&entries[first])))
		first++;
	return pte_is_none(pte_load(&entries[first]));
}

/* One visit of all leaves in a range: what stays the same on the way down. */
struct sweep {
	virt_t start, end;
	void (*visit)(const struct leaf_visit *leaf, void *argument);
	void *argument;
	pfn_t tables[PTE_LEVELS + 1];   /* by level, the way down to where the sweep is */
};

static void sweep_visit(struct sweep *sweep, pte_t leaf, virt_t at, int level, bool is_exclusive)
{
	struct leaf_visit visit = { at, leaf, is_exclusive, level, sweep->tables };
	sweep->visit(&visit, sweep->argument);
}

/* The pages of a huge leaf that stands at `base` in a table of `level`, as far as they are
 * wanted. */
static void sweep_huge(struct sweep *sweep, pte_t huge, int level, virt_t base, bool is_exclusive)
{
	virt_t from = MAX(base, sweep->start), to = MIN(base + pte_span(level), sweep->end);
	bool is_mine = is_exclusive && huge_is_exclusive(pte_pfn(huge));

	for (int below = 1; below < level; below++)
		sweep->tables[below] = FRAME_NONE;
	for (virt_t at = from; at < to; at += PAGE_SIZE) {
		pte_t part = huge;
		for (int above = level; above > 1; above--)
			part = pte_part(part, above, pte_index(at, above - 1));
		sweep_visit(sweep, part, at, level, is_mine && frame_is_exclusive(pte_pfn(part)));
	}
}

static void sweep_table(struct sweep *sweep, pfn_t table, int level, virt_t base, bool is_exclusive,
			bool is_writable)
{
	const pte_t *entries = frame_entries(table);
	uint64_t span = pte_span(level);
	virt_t from = MAX(base, sweep->start), to = MIN(base + span * PTE_PER_TABLE, sweep->end);

	sweep->tables[level] = table;
	for (virt_t at = from - from % span; at < to; at += span) {
		pte_t entry = pte_load(&entries[pte_index(at, level)]);
		if (pte_is_none(entry))
			continue;
		bool may_write = is_writable && pte_is_writable(entry);
		bool is_leaf = level == 1 || pte_is_huge(entry);
		if (is_leaf && !may_write)
			entry = pte_seen_read_only(entry);
		if (pte_is_huge(entry)) {
			sweep_huge(sweep, entry, level, at, is_exclusive);
			continue;
		}
		bool is_mine =
			is_exclusive && pte_is_counted(entry) && frame_is_exclusive(pte_pfn(entry));
		if (is_leaf)
			sweep_visit(sweep, entry, at, level, is_mine);
		else
			sweep_table(sweep, pte_pfn(entry), level - 1, at, is_mine, may_write);
	}
}

void cursor_for_each(const struct space *space, virt_t start, virt_t end,
		     void (*visit)(const struct leaf_visit *leaf, void *argument), void *argument)
{
	struct sweep sweep = { start, end, visit, argument, { 0 } };
	sweep_table(&sweep, space->mmu.root >> PAGE_SHIFT, PTE_LEVELS, 0, true, true);
}
