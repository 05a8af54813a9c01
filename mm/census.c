/* SPDX-License-Identifier: MIT */
/*
 * mm/census.c - who sees which frame, counted anew.
 *
 *        root A   root B   root C              pass  its tables' entries say
 *            \     /         |                  4    X is seen 2 times, Y once
 *             X :2          Y :1                3    Z is seen 2 + 1 times
 *               \           /                   2    so is T
 *                \         /                    1    and all that T names: 3 times,
 *                 -- Z :2 --                         where A multiplies 2 * 2, C 1 * 2
 *                     |
 *                    T :1
 *
 * Owns:   a word for each frame met, in pages that are taken when they are needed.
 * Locks:  each space's for writing, one after the other: what can be reached from it stands still
 *         then, for nobody stores to a table with more than one holder.  An object's for reading.
 * See:    docs/COW.md; mm/audit.c counts entries instead.
 */
#include "mm/census.h"
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "mm/cursor.h"
#include "mm/object.h"
#include "mm/slab.h"

enum { WORDS_PER_CHUNK = PAGE_SIZE / sizeof(uint32_t) };

/* A table's word also says in which pass it was entered last; a page's, whether a file has it. */
enum { PASS_SHIFT = 28, PASS_OF_FILES = PTE_LEVELS + 1 };
#define TIMES_OF_TABLE ((1u << PASS_SHIFT) - 1)
#define OF_FILE        (1u << 31)

struct census {
	uint32_t **chunks;              /* by frame; NULL: none of them was met */
	size_t chunk_count;
	int pass;                       /* the level whose entries are counted now, or OF_FILES */
	int err;                        /* no memory for a chunk */
};

/* The entries of a table that are not none, one after the other. */
struct entries {
	const pte_t *next, *past;
	unsigned left;
};

static void count_space(struct space *space, void *argument);
static void count_table(struct census *census, pfn_t table, int level);
static void count_objects(struct census *census, void (*note)(uint32_t *word));
static void mark_page(uint32_t *word);

/* ---- a word for each frame ---- */

static struct census *census_new(void)
{
	struct census *census = kzalloc(sizeof(*census));

	if (!census)
		return NULL;
	census->chunk_count = div_round_up(frame_count, WORDS_PER_CHUNK);
	census->chunks = kzalloc(census->chunk_count * sizeof(*census->chunks));
	if (!census->chunks) {
		kfree(census);
		return NULL;
	}
	return census;
}

void census_free(struct census *census)
{
	if (!census)
		return;
	for (size_t i = 0; i < census->chunk_count; i++)
		kfree(census->chunks[i]);
	kfree(census->chunks);
	kfree(census);
}

/* NULL: no memory, which is remembered. */
static uint32_t *word_of(struct census *census, pfn_t pfn)
{
	uint32_t **chunk = &census->chunks[pfn / WORDS_PER_CHUNK];

	if (!*chunk)
		*chunk = kzalloc(PAGE_SIZE);
	if (!*chunk) {
		census->err = -ENOMEM;
		return NULL;
	}
	return &(*chunk)[pfn % WORDS_PER_CHUNK];
}

static uint32_t word_read(const struct census *census, pfn_t pfn)
{
	const uint32_t *chunk = census->chunks[pfn / WORDS_PER_CHUNK];

	return chunk ? chunk[pfn % WORDS_PER_CHUNK] : 0;
}

/* True the first time in a pass. */
static bool table_enter(struct census *census, pfn_t table)
{
	uint32_t *word = word_of(census, table);

	if (!word || *word >> PASS_SHIFT == (uint32_t)census->pass)
		return false;
	*word = (*word & TIMES_OF_TABLE) | (uint32_t)census->pass << PASS_SHIFT;
	return true;
}

static struct entries entries_of(pfn_t table)
{
	const pte_t *first = frame_entries(table);

	return (struct entries){ first, first + PTE_PER_TABLE, frames[table].used };
}

static bool entries_next(struct entries *entries, pte_t *entry)
{
	if (entries->left == 0)
		return false;
	do {
		if (entries->next == entries->past)
			return false;           /* a hole of a file is being filled */
		*entry = pte_load(entries->next++);
	} while (pte_is_none(*entry));
	entries->left--;
	return true;
}

/* ---- how often a frame is mapped ---- */

int census_take(struct census **out)
{
	struct census *census = census_new();

	if (!census)
		return -ENOMEM;
	for (census->pass = PTE_LEVELS; census->pass > 0 && !census->err; census->pass--)
		space_for_each(count_space, census);
	census->pass = PASS_OF_FILES;
	count_objects(census, mark_page);
	if (census->err) {
		census_free(census);
		return -ENOMEM;
	}
	*out = census;
	return 0;
}

uint32_t census_mapped(const struct census *census, pfn_t pfn)
{
	return word_read(census, pfn) & ~OF_FILE;
}

bool census_is_of_file(const struct census *census, pfn_t pfn)
{
	return word_read(census, pfn) & OF_FILE;
}

static void count_space(struct space *space, void *argument)
{
	write_lock(&space->lock);
	count_table(argument, space->mmu.root >> PAGE_SHIFT, PTE_LEVELS);
	write_unlock(&space->lock);
}

/* A table that came after the pass for those above it has one place at least. */
static uint32_t table_times(const struct census *census, pfn_t table, int level)
{
	return level == PTE_LEVELS ? 1 : MAX(word_read(census, table) & TIMES_OF_TABLE, 1u);
}

static void add_times(struct census *census, pfn_t pfn, uint32_t times)
{
	uint32_t *word = word_of(census, pfn);

	if (word)
		*word += times;
}

/* The pages of a huge leaf are where it is. */
static void add_times_huge(struct census *census, pte_t huge, int level, uint32_t times)
{
	for (uint64_t i = 0; i < pte_span(level) >> PAGE_SHIFT; i++)
		add_times(census, pte_pfn(huge) + i, times);
}

static void count_table(struct census *census, pfn_t table, int level)
{
	uint32_t times = table_times(census, table, level);
	struct entries entries = entries_of(table);
	pte_t entry;

	while (entries_next(&entries, &entry)) {
		if (!pte_is_counted(entry))
			continue;
		if (pte_is_huge(entry) && level == census->pass)
			add_times_huge(census, entry, level, times);
		else if (pte_is_huge(entry))
			continue;
		else if (level == census->pass)
			add_times(census, pte_pfn(entry), times);
		else if (table_enter(census, pte_pfn(entry)))
			count_table(census, pte_pfn(entry), level - 1);
	}
}

/* ---- pages of files ---- */

static void mark_page(uint32_t *word)
{
	*word |= OF_FILE;
}

/* Entries of objects that name it. */
static void count_page(uint32_t *word)
{
	++*word;
}

static void count_object_table(
	struct census *census, pfn_t table, int level, void (*note)(uint32_t *word))
{
	struct entries entries = entries_of(table);
	uint32_t *word;
	pte_t entry;

	if (!table_enter(census, table))
		return;
	while (entries_next(&entries, &entry)) {
		if (level > 1) {
			count_object_table(census, pte_pfn(entry), level - 1, note);
			continue;
		}
		word = word_of(census, pte_pfn(entry));
		if (word)
			note(word);
	}
}

static void count_object(
	struct census *census, struct object *object, void (*note)(uint32_t *word))
{
	read_lock(&object->lock);
	if (!pte_is_none(object->root))
		count_object_table(census, pte_pfn(object->root), object->height, note);
	read_unlock(&object->lock);
}

/* Each with a reference while it is looked at, so that the list may change meanwhile. */
static void count_objects(struct census *census, void (*note)(uint32_t *word))
{
	const struct list *objects = objects_freeze();
	struct list_node *node = objects->head.next;
	struct object *held = NULL;

	while (node != &objects->head) {
		struct object *object = list_entry(node, struct object, all);

		node = node->next;
		if (!object_try_get(object))
			continue;               /* on its way out */
		objects_thaw();
		if (held)
			object_put(held);
		count_object(census, object, note);
		held = object;
		objects_freeze();
		node = object->all.next;
	}
	objects_thaw();
	if (held)
		object_put(held);
}

/* ---- each frame once ---- */

/* What is named more often than by objects is named by a space. */
static void sum_objects(const struct census *census, struct census_totals *totals)
{
	for (pfn_t pfn = 0; pfn < frame_count; pfn++) {
		if (!census->chunks[pfn / WORDS_PER_CHUNK]) {
			pfn |= WORDS_PER_CHUNK - 1;
			continue;
		}
		uint32_t times = word_read(census, pfn);
		if (times == 0 || READ_ONCE(frames[pfn].kind) != FRAME_DATA)
			continue;
		totals->files++;
		totals->mapped += atomic_load_relaxed(&frame_refs[pfn]) > times;
	}
}

struct lock_count {
	struct census *census;
	uint64_t pages;
};

static void count_locked_leaf(const struct leaf_visit *leaf, void *argument)
{
	struct lock_count *count = argument;
	uint32_t *word;

	if (!pte_is_counted(leaf->leaf))
		return;
	word = word_of(count->census, pte_pfn(leaf->leaf));
	if (word)
		count->pages += (*word)++ == 0;
}

static void count_locked(struct space *space, void *argument)
{
	if (!READ_ONCE(space->locked_pages))
		return;
	write_lock(&space->lock);
	for (uint32_t i = 0; i < space->vmas->count; i++) {
		const struct vma *vma = &space->vmas->at[i];

		if (vma->flags & VMA_LOCKED)
			cursor_for_each(space, vma->start, vma->end, count_locked_leaf, argument);
	}
	write_unlock(&space->lock);
}

int census_totals(struct census_totals *totals)
{
	struct census *files = census_new(), *locked = census_new();
	struct lock_count count = { locked, 0 };
	int err = -ENOMEM;

	*totals = (struct census_totals){ 0 };
	if (files && locked) {
		files->pass = PASS_OF_FILES;
		count_objects(files, count_page);
		sum_objects(files, totals);
		space_for_each(count_locked, &count);
		totals->locked = count.pages;
		err = files->err ? files->err : locked->err;
	}
	census_free(locked);
	census_free(files);
	return err;
}

/* ---- tables ---- */

static uint64_t tables_from(pfn_t table, int level)
{
	struct entries entries = entries_of(table);
	uint64_t tables = 1;
	pte_t entry;

	while (entries_next(&entries, &entry)) {
		if (pte_is_huge(entry))
			continue;
		tables += level == 2 ? 1 : tables_from(pte_pfn(entry), level - 1);
	}
	return tables;
}

uint64_t space_tables(struct space *space)
{
	uint64_t tables;

	write_lock(&space->lock);
	tables = tables_from(space->mmu.root >> PAGE_SHIFT, PTE_LEVELS);
	write_unlock(&space->lock);
	return tables;
}
