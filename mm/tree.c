/* SPDX-License-Identifier: MIT */
/*
 * mm/tree.c - share, own, copy, regain, put: the one rule.
 *
 * Owns:        the meaning of counts and write bits in tables.
 * Invariants:  R1  a frame's count is the number of entries that name it, plus transient holds.
 *              R2  a table of level n names tables of level n-1 only: no cycles.
 *              W1  in a table that is not stale, an entry with the write bit names something that
 *                  no other entry names (and, if that is a table, one that is not stale either).
 *              W3  a huge leaf with the write bit names a block that no other leaf names, and whose
 *                  frames nobody else holds either.
 *              I1  a table with a count above one is constant, except for its stale tag.
 * Locks:       who edits a table owns it and has locked it.  Other spaces need no lock: they see a
 *              count above one, and copy.  Two owners of one table that both see two both copy it;
 *              the last put frees the original.
 * See:         mm/tree.h for the picture, docs/COW.md for the argument.
 */
#include "mm/tree.h"
#include "lib/abi/errno.h"
#include "kernel/event.h"
#include "kernel/panic.h"
#include "mm/hugetlb.h"

static pte_t entry_for_sharer(pte_t entry);
static unsigned line_copy(pte_t *to, const pte_t *from, unsigned *uncounted);
static ALWAYS_INLINE unsigned line_regain(pte_t *slots, int level, unsigned *kept);
static int table_write_down(
	pte_t *slot, int level, struct gather *gather, struct work_counts *work);
static void table_free(pfn_t table, struct work_counts *work);

pfn_t zero_table;

void tree_start(void)
{
	zero_table = table_alloc(1, NULL);
	if (zero_table == FRAME_NONE)
		panic("no memory for the table of zeros");
	for (unsigned i = 0; i < PTE_PER_TABLE; i++)
		entry_store(&frame_entries(zero_table)[i],
			    pte_as_uncounted(pte_to_frame(zero_frame, false)));
}

static pfn_t table_begin(pfn_t table, int level, struct work_counts *work)
{
	if (table == FRAME_NONE)
		return FRAME_NONE;

	frames[table] = (struct frame){ .kind = FRAME_TABLE, .level = level };
	work_add(work, tables_created, 1);
	event(table_create, table, level, 0);
	return table;
}

pfn_t table_alloc(int level, struct work_counts *work)
{
	return table_begin(frame_alloc_zeroed(FRAME_TABLE), level, work);
}

/* The same, when each of its entries will be stored to at once. */
static pfn_t table_alloc_full(int level, struct work_counts *work)
{
	return table_begin(frame_alloc(FRAME_TABLE), level, work);
}

/*
 * Do eight entries name frames that lie side by side, alike and with nothing special about them?
 * So it is where memory was written in order.
 */
static inline bool line_is_run(const pte_t *line)
{
	pte_t expected = pte_load(&line[0]);

	if (!pte_is_plain(expected))
		return false;
#pragma GCC unroll 8
	for (unsigned i = 1; i < PTE_PER_LINE; i++) {
		expected = pte_next_frame(expected);
		if (pte_load(&line[i]).bits != expected.bits)
			return false;
	}
	return true;
}

/* One such line.  How many entries there were, as below. */
static unsigned run_copy(pte_t *to, const pte_t *from)
{
	pte_t entry = pte_without_write(pte_load(&from[0]));

	frames_get(pte_present_pfn(entry), PTE_PER_LINE);
#pragma GCC unroll 8
	for (unsigned i = 0; i < PTE_PER_LINE; i++) {
		pte_store(&to[i], entry);
		entry = pte_next_frame(entry);
	}
	return PTE_PER_LINE;
}

pfn_t table_copy(pfn_t from, struct work_counts *work)
{
	struct frame *source = &frames[from];
	bool is_full = source->used == PTE_PER_TABLE;
	pfn_t to = is_full ? table_alloc_full(source->level, work)
			   : table_alloc(source->level, work);
	if (to == FRAME_NONE)
		return FRAME_NONE;

	const pte_t *old = frame_entries(from);
	pte_t *new = frame_entries(to);
	unsigned left = source->used, uncounted = 0;
	for (unsigned line = 0; left; line += PTE_PER_LINE) {
		if (line_is_run(&old[line])) {
			left -= run_copy(&new[line], &old[line]);
			continue;
		}
		line = slots_skip_empty(old, line);
		left -= line_copy(&new[line], &old[line], &uncounted);
	}

	frames[to].used = source->used;
	frames[to].resident = source->resident;
	atomic_store_relaxed(&source->stale, 1);        /* our put of `from` releases it */
	work_add(work, tables_copied, 1);
	work_add(work, entries_shared, source->used - uncounted);
	event(table_copy, from, to, source->level);
	return to;
}

/* One holder more of what a counted entry names. */
static void entry_get(pte_t entry)
{
	if (unlikely(pte_is_huge(entry)))
		huge_get(pte_pfn(entry));
	else
		frame_get(pte_pfn(entry));
}

/* One line of a table, eight entries in a row.  How many there were. */
static unsigned line_copy(pte_t *to, const pte_t *from, unsigned *uncounted)
{
	unsigned copied = PTE_PER_LINE;

#pragma GCC unroll 8
	for (unsigned i = 0; i < PTE_PER_LINE; i++) {
		pte_t entry = pte_load(&from[i]);
		if (pte_is_none(entry)) {
			copied--;
		} else if (likely(pte_is_plain(entry))) {
			frame_get(pte_present_pfn(entry));
			pte_store(&to[i], pte_without_write(entry));
		} else {
			if (pte_is_counted(entry))
				entry_get(entry);
			else
				++*uncounted;
			pte_store(&to[i], entry_for_sharer(entry));
		}
	}
	return copied;
}

/* What another table may say of the same thing: not that it is its own.  Views of MAP_SHARED
 * objects keep their rights: nobody copies them. */
static pte_t entry_for_sharer(pte_t entry)
{
	return pte_is_shared(entry) ? entry : pte_without_write(entry);
}

/* Is what a certificate speaks of true: held by this entry alone? */
static inline bool entry_is_exclusive(pte_t entry, int level)
{
	pfn_t named = pte_present_pfn(entry);
	if (level == 1)
		return frame_is_exclusive(named);
	return (pte_is_huge(entry) ? huge_is_exclusive(named) : frame_is_exclusive(named))
	       && !atomic_load_relaxed(&frames[named].stale);
}

/* Leaves in a run, all of them certificates that are still true? */
static inline bool line_is_true(const pte_t *slots)
{
	pte_t leaf = pte_load(slots);

	return pte_is_writable(leaf) && line_is_run(slots)
	       && frames_are_exclusive(pte_present_pfn(leaf), PTE_PER_LINE);
}

/* The entries of a stale table that names tables, and of one that names pages: clear the write bits
 * that are no longer true.  How many stay. */
static unsigned entries_regain(pte_t *entries, unsigned left, int level)
{
	unsigned kept = 0;

	for (unsigned line = 0; left; line += PTE_PER_LINE) {
		line = slots_skip_empty(entries, line);
		left -= line_regain(&entries[line], level, &kept);
	}
	return kept;
}

static unsigned leaves_regain(pte_t *entries, unsigned left)
{
	unsigned kept = 0;

	for (unsigned line = 0; left; line += PTE_PER_LINE) {
		if (line_is_true(&entries[line])) {
			left -= PTE_PER_LINE;
			kept += PTE_PER_LINE;
			continue;
		}
		line = slots_skip_empty(entries, line);
		left -= line_regain(&entries[line], 1, &kept);
	}
	return kept;
}

void table_regain(pfn_t table, struct work_counts *work)
{
	struct frame *meta = &frames[table];
	assert(meta->kind == FRAME_TABLE);

	unsigned kept = 0;
	if (meta->stale) {
		if (meta->level == 1)
			kept = leaves_regain(frame_entries(table), meta->used);
		else
			kept = entries_regain(frame_entries(table), meta->used, meta->level);
		meta->stale = 0;
	}
	work_add(work, tables_regained, 1);
	event(table_regain, table, meta->level, kept);
}

/* One line of a stale table.  How many entries there are; those that keep the write bit are added
 * up. */
static ALWAYS_INLINE unsigned line_regain(pte_t *slots, int level, unsigned *kept)
{
	unsigned present = PTE_PER_LINE;

#pragma GCC unroll 8
	for (unsigned i = 0; i < PTE_PER_LINE; i++) {
		pte_t entry = pte_load(&slots[i]);
		if (pte_is_none(entry))
			present--;
		else if (!pte_is_writable(entry) || pte_is_shared(entry))
			continue;
		else if (likely(entry_is_exclusive(entry, level)))
			++*kept;
		else
			pte_store(&slots[i], pte_without_write(entry));
	}
	return present;
}

int table_own(pte_t *slot, int level, struct gather *gather, struct work_counts *work)
{
	pte_t entry = pte_load(slot);
	assert(level >= 2);

	if (pte_is_none(entry)) {
		pfn_t table = table_alloc(level - 1, work);
		if (table == FRAME_NONE)
			return -ENOMEM;
		entry_store(slot, pte_to_table(table));
		return 0;
	}
	if (unlikely(pte_is_huge(entry)))
		return table_write_down(slot, level, gather, work);
	if (pte_is_writable(entry))
		return 0;

	if (frame_is_exclusive(pte_pfn(entry))) {
		table_regain(pte_pfn(entry), work);
		pte_store(slot, pte_owned(entry));      /* more rights: no flush */
		return 0;
	}

	pfn_t copy = table_copy(pte_pfn(entry), work);
	if (copy == FRAME_NONE)
		return -ENOMEM;
	pte_store(slot, pte_to_table(copy));            /* one store switches the subtree */
	gather_add(gather, entry, level);
	gather->must_flush = true;
	return 0;
}

/*
 * A huge leaf is a table that nobody wrote down: its block is what the table would be, with a count
 * and a stale tag.  So it is owned like a table.  Alone, its holds of the frames become the new
 * table's; else the frames are shared, and who copied leaves the tag.
 */
static int table_write_down(pte_t *slot, int level, struct gather *gather, struct work_counts *work)
{
	pte_t huge = pte_load(slot);
	pfn_t block = pte_pfn(huge);
	bool is_alone = huge_is_exclusive(block);

	assert(level == 2 && frames[block].kind == FRAME_DATA);
	assert(is_alone || !pte_is_writable(huge));
	pfn_t table = table_alloc(level - 1, work);
	if (table == FRAME_NONE)
		return -ENOMEM;

	pte_t *entries = frame_entries(table);
	for (unsigned i = 0; i < PTE_PER_TABLE; i++) {
		if (!is_alone)
			frame_get(block + i);
		pte_store(&entries[i], pte_part(huge, level, i));
	}
	frames[table].used = frames[table].resident = PTE_PER_TABLE;
	if (is_alone) {
		frame_dissolve_huge(block);
	} else {
		atomic_store_relaxed(&frames[block].stale, 1);  /* our put of it releases it */
		gather_add(gather, huge, level);
		work_add(work, entries_shared, PTE_PER_TABLE);
	}
	gather->must_flush = true;
	pte_store(slot, pte_to_table(table));
	work_add(work, huge_splits, 1);
	event(huge_split, block, table, is_alone);
	return 0;
}

bool huge_regain(pfn_t block, int level)
{
	if (!huge_is_exclusive(block))
		return false;
	if (!atomic_load_relaxed(&frames[block].stale))
		return true;
	if (!frames_are_exclusive(block, pte_span(level) >> PAGE_SHIFT))
		return false;
	frames[block].stale = 0;
	return true;
}

int table_share(pfn_t to, pfn_t from, int share_level, bool edit_source, struct work_counts *work)
{
	int level = frames[from].level;
	unsigned left = frames[from].used, counted = 0;
	pte_t *old = frame_entries(from), *new = frame_entries(to);
	int err = 0;

	for (unsigned i = 0; left && !err; i++) {
		i = slots_skip_empty(old, i);
		pte_t entry = pte_load(&old[i]);
		if (pte_is_none(entry))
			continue;
		left--;
		pte_t shared = entry_for_sharer(entry);
		if (edit_source)
			pte_store(&old[i], shared);

		if (level == 1 || level - 1 <= share_level || pte_is_huge(entry)) {
			if (pte_is_counted(entry)) {
				entry_get(entry);
				counted++;
			}
			event(entry_share, from, pte_pfn(entry), level);
			entry_store(&new[i], shared);
			continue;
		}

		pfn_t child = table_alloc(level - 1, work);
		if (child == FRAME_NONE) {
			err = -ENOMEM;
			break;
		}
		entry_store(&new[i], pte_to_table(child));
		err = table_share(child, pte_pfn(entry), share_level, false, work);
		atomic_store_relaxed(&frames[pte_pfn(entry)].stale, 1);
		work_add(work, tables_copied, 1);
	}
	work_add(work, entries_shared, counted);
	return err;
}

void entry_put(pte_t entry, int level, struct work_counts *work)
{
	if (!pte_is_counted(entry))
		return;

	pfn_t named = pte_pfn(entry);
	if (unlikely(pte_is_huge(entry)))
		huge_put(named, level);
	else if (level > 1)
		table_put(named, work);
	else
		frame_put(named);
}

void huge_put(pfn_t block, int level)
{
	if (!huge_put_is_last(block))
		return;
	if (frames[block].kind == FRAME_HUGETLB) {
		hugetlb_give(block, level);
		return;
	}
	if (!atomic_load_relaxed(&frames[block].stale)) {
		frame_free_huge(block, level);
		return;
	}
	frame_dissolve_huge(block);
	for (pfn_t each = block; each < block + (pte_span(level) >> PAGE_SHIFT); each++)
		frame_put(each);
}

void table_put(pfn_t table, struct work_counts *work)
{
	assert(frames[table].kind == FRAME_TABLE);
	if (frame_put_is_last(table))
		table_free(table, work);
	else
		event(table_put, table, frames[table].level, 0);
}

/* How many leaves from this one on, a plain one, name frames that lie side by side and that nobody
 * else holds?  There are `left` in the rest of the table. */
static unsigned leaves_alone(const pte_t *slots, unsigned left)
{
	pte_t expected = pte_load(slots);
	pfn_t pfn = pte_present_pfn(expected);
	unsigned run = 0;

	while (run < left && pte_load(&slots[run]).bits == expected.bits
	       && frame_is_mine_alone(pfn + run)) {
		expected = pte_next_frame(expected);
		run++;
	}
	return run;
}

/* A leaf, not none, and those behind it that can be put together with it: pages are freed by the
 * run, for what is written in order lies side by side.  How many they were. */
static inline unsigned leaf_put(pte_t *slot, pte_t leaf, unsigned left)
{
	pfn_t named = pte_present_pfn(leaf);
	bool is_plain = likely(pte_is_plain(leaf));

	if (is_plain && frame_is_exclusive(named)) {
		unsigned run = leaves_alone(slot, left);
		if (run) {
			slots_clear(slot, run);
			frames_free_run(named, run);
			return run;
		}
	}
	pte_store(slot, PTE_NONE);
	if (is_plain)
		frame_put_shared(named);
	else
		entry_put(leaf, 1, NULL);
	return 1;
}

static void leaves_put(pte_t *entries, unsigned left)
{
	for (unsigned i = 0; left;) {
		i = slots_skip_empty(entries, i);
		pte_t leaf = pte_load(&entries[i]);
		unsigned run = pte_is_none(leaf) ? 0 : leaf_put(&entries[i], leaf, left);
		left -= run;
		i += MAX(run, 1u);
	}
}

/* As deep as the tree is high.  Preemption is on: a dense tree is freed with others running
 * between.  The table is left empty, which saves zeroing it when it is used again. */
static void table_free(pfn_t table, struct work_counts *work)
{
	int level = frames[table].level;
	pte_t *entries = frame_entries(table);
	unsigned left = frames[table].used;

	if (level == 1) {
		leaves_put(entries, left);
		left = 0;
	}
	for (unsigned i = 0; left; i++) {
		i = slots_skip_empty(entries, i);
		pte_t entry = pte_load(&entries[i]);
		if (pte_is_none(entry))
			continue;
		left--;
		pte_store(&entries[i], PTE_NONE);
		entry_put(entry, level, work);
	}
	work_add(work, tables_freed, 1);
	frame_free_zeroed(table);
}

uint64_t entry_resident(pte_t entry, int level)
{
	if (!pte_is_counted(entry))
		return 0;
	if (level == 1)
		return 1;

	pfn_t table = pte_pfn(entry);
	if (pte_is_huge(entry))                 /* pages of the pool are counted apart */
		return frames[table].kind == FRAME_DATA ? pte_span(level) >> PAGE_SHIFT : 0;
	if (level == 2)
		return frames[table].resident;

	uint64_t pages = 0;
	const pte_t *entries = frame_entries(table);
	unsigned left = frames[table].used;
	for (unsigned i = 0; left; i++) {
		i = slots_skip_empty(entries, i);
		pte_t below = pte_load(&entries[i]);
		if (pte_is_none(below))
			continue;
		left--;
		pages += entry_resident(below, level - 1);
	}
	return pages;
}

/* Frames that only this block holds.  Those of the pool go back to the pool. */
static uint64_t huge_exclusive(pfn_t block, int level)
{
	uint64_t frames_held = pte_span(level) >> PAGE_SHIFT, found = 0;

	if (!huge_is_exclusive(block) || frames[block].kind != FRAME_DATA)
		return 0;
	if (!atomic_load_relaxed(&frames[block].stale))
		return frames_held;
	for (pfn_t each = block; each < block + frames_held; each++)
		found += frame_is_exclusive(each);
	return found;
}

uint64_t entry_exclusive(pte_t entry, int level)
{
	if (pte_is_huge(entry))
		return huge_exclusive(pte_pfn(entry), level);
	if (!pte_is_counted(entry) || !frame_is_exclusive(pte_pfn(entry)))
		return 0;
	if (level == 1)
		return 1;

	pfn_t table = pte_pfn(entry);
	const pte_t *entries = frame_entries(table);
	unsigned left = frames[table].used;
	uint64_t found = 1;
	for (unsigned i = 0; left; i++) {
		i = slots_skip_empty(entries, i);
		pte_t below = pte_load(&entries[i]);
		if (pte_is_none(below))
			continue;
		left--;
		found += entry_exclusive(below, level - 1);
	}
	return found;
}

void gather_add(struct gather *gather, pte_t entry, int level)
{
	assert(!gather_is_full(gather));
	gather->entries[gather->count] = entry;
	gather->levels[gather->count++] = level;
}

void gather_put(struct gather *gather, struct work_counts *work)
{
	assert(!gather->must_flush);
	for (unsigned i = 0; i < gather->count; i++)
		entry_put(gather->entries[i], gather->levels[i], work);
	gather->count = 0;
}
