/* SPDX-License-Identifier: MIT */
/*
 * mm/detach.c - take a range of entries out of a tree.
 *
 *        [start, end) of a level-2 table           P partly covered: its table is owned (prepare),
 *        ┌────┬────┬────┬────┬────┬────┐             then entered (commit)
 *        │    │ P  │ W  │ W  │ P  │    │           W wholly covered: taken out as it is, even if
 *        └────┴────┴────┴────┴────┴────┘             it is shared: one put, whatever hangs below
 *
 * Locks: the tree's, for writing: no byte locks are needed.
 */
#include "mm/detach.h"
#include "kernel/panic.h"

/* Does the entry at `at` go as a whole? */
static bool is_whole(const struct detach *detach, virt_t at, uint64_t span)
{
	return at >= detach->floor && at + span <= detach->ceiling;
}

/* The first address of the table's part of the range, on an entry's boundary. */
static virt_t first_entry(const struct detach *detach, virt_t base, uint64_t span)
{
	return detach->start > base ? detach->start - detach->start % span : base;
}

static virt_t range_end(const struct detach *detach, virt_t base, uint64_t span)
{
	return MIN(base + span * PTE_PER_TABLE, detach->end);
}

int detach_prepare(struct detach *detach, pfn_t table, virt_t base)
{
	int level = frames[table].level;
	uint64_t span = pte_span(level);
	if (level == 1)
		return 0;

	virt_t to = range_end(detach, base, span);
	for (virt_t at = first_entry(detach, base, span); at < to; at += span) {
		pte_t *slot = &frame_entries(table)[pte_index(at, level)];
		if (pte_is_none(pte_load(slot)) || is_whole(detach, at, span))
			continue;
		if (gather_is_full(detach->gather))
			detach->drain(detach);
		int err = table_own(slot, level, detach->gather, detach->work);
		if (!err)
			err = detach_prepare(detach, pte_pfn(pte_load(slot)), at);
		if (err)
			return err;
	}
	return 0;
}

void detach_commit(struct detach *detach, pfn_t table, virt_t base)
{
	int level = frames[table].level;
	uint64_t span = pte_span(level);
	virt_t to = range_end(detach, base, span);

	for (virt_t at = first_entry(detach, base, span); at < to; at += span) {
		pte_t *slot = &frame_entries(table)[pte_index(at, level)];
		pte_t entry = pte_load(slot);
		if (pte_is_none(entry))
			continue;
		if (level > 1 && !is_whole(detach, at, span)) {
			assert(pte_is_writable(entry));
			detach_commit(detach, pte_pfn(entry), at);
			continue;
		}
		if (gather_is_full(detach->gather))
			detach->drain(detach);
		entry_store(slot, PTE_NONE);
		detach->resident += entry_resident(entry, level);
		gather_add(detach->gather, entry, level);
		detach->gather->must_flush = true;
	}
}
