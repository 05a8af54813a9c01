/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/check.c - everything recounted from scratch, at a quiet moment.
 *
 * Written independently of mm/audit.c, which runs as well: two that agree are hard to fool.
 * Letters and numbers are those of the invariants in docs/COW.md.
 */
#include <string.h>

#include "lib/string.h"
#include "mm/audit.h"
#include "mm/frame.h"
#include "mm/mmu.h"
#include "mm/space.h"
#include "tests/host/sim/mmu.h"
#include "tests/host/sim/world.h"

enum { FRAMES_MAX = WORLD_RAM_MIB * MIB / PAGE_SIZE };

static uint32_t found[FRAMES_MAX];      /* entries that name each frame */
static uint32_t found_huge[FRAMES_MAX]; /* huge leaves that name the block which begins there */

/* One walk of a space's tree. */
struct leaf_walk {
	const struct world_space *at;
	uint64_t resident;
};

/* ---- counts, certificates, totals of tables ---- */

static void check_certificate(pfn_t table, pte_t entry, bool is_objects)
{
	const struct frame *frame = &frames[table], *named = &frames[pte_pfn(entry)];
	uint32_t refs = frame_refs[pte_pfn(entry)];

	if (!pte_is_writable(entry) || frame->stale)
		return;
	if (pte_is_huge(entry)) {
		if (named->huge_refs != 1 || named->stale)
			sim_violation("W3: table %lx certifies block %lx: count %u, stale %d",
				      table, pte_pfn(entry), named->huge_refs, named->stale);
		for (unsigned i = 0; i < PTE_PER_TABLE; i++)
			if (frame_refs[pte_pfn(entry) + i] != 1)
				sim_violation("W3: table %lx certifies block %lx: frame %u has %u",
					      table, pte_pfn(entry), i,
					      frame_refs[pte_pfn(entry) + i]);
		return;
	}
	if (frame->level > 1 && (refs != 1 || named->stale))
		sim_violation("W1: frame %lx of level %d certifies table %lx: count %u, stale %d",
			      table, frame->level, pte_pfn(entry), refs, named->stale);
	if (frame->level == 1 && !pte_is_shared(entry) && !is_objects && refs != 1)
		sim_violation("W2: table %lx certifies frame %lx: count %u", table, pte_pfn(entry),
			      refs);
}

/* The block holds each of its frames once, however many leaves name it. */
static void count_huge(pte_t entry)
{
	if (found_huge[pte_pfn(entry)]++ > 0)
		return;
	for (unsigned i = 0; i < PTE_PER_TABLE; i++)
		found[pte_pfn(entry) + i]++;
}

static void count_table(pfn_t table, int level, bool is_objects)
{
	const struct frame *frame = &frames[table];
	unsigned used = 0, resident = 0, past = level == PTE_LEVELS ? 256 : 512;

	if (frame->kind != FRAME_TABLE || frame->level != level)
		sim_violation("R2: frame %lx is used as a table of level %d", table, level);
	if (frame->lock)
		sim_violation("table %lx is locked, and nobody is there", table);
	for (unsigned i = 0; i < past; i++) {
		pte_t entry = frame_entries(table)[i];

		if (pte_is_none(entry))
			continue;
		used++;
		if (!pte_is_counted(entry))
			continue;
		resident++;
		check_certificate(table, entry, is_objects);
		if (pte_is_huge(entry)) {
			count_huge(entry);
			continue;
		}
		if (found[pte_pfn(entry)]++ == 0 && level > 1)
			count_table(pte_pfn(entry), level - 1, is_objects);
	}
	if (frame->used != used || (level == 1 && frame->resident != resident))
		sim_violation("A2: table %lx, level %d: says %d used, %d resident; has %u, %u",
			      table, level, frame->used, frame->resident, used, resident);
}

static void check_counts(void)
{
	memset(found, 0, sizeof(found));
	memset(found_huge, 0, sizeof(found_huge));
	found[zero_table] = 1;                  /* the kernel's hold */
	for (unsigned i = 0; i < WORLD_SPACES; i++) {
		const struct space *space = world_spaces[i].space;

		if (space && found[space->mmu.root >> PAGE_SHIFT]++ == 0)
			count_table(space->mmu.root >> PAGE_SHIFT, PTE_LEVELS, false);
	}
	for (unsigned i = 0; i < MODEL_OBJECTS; i++) {
		const struct object *object = model_objects[i].object;

		if (object->height && found[pte_pfn(object->root)]++ == 0)
			count_table(pte_pfn(object->root), object->height, true);
	}
	for (pfn_t pfn = 0; pfn < frame_count; pfn++) {
		bool is_counted = frames[pfn].kind == FRAME_TABLE || frames[pfn].kind == FRAME_DATA;

		if (frames[pfn].kind == FRAME_DATA && found_huge[pfn] != frames[pfn].huge_refs)
			sim_violation("R1: block %lx: count %u, found %u", pfn,
				      frames[pfn].huge_refs, found_huge[pfn]);
		if (found[pfn] != (is_counted ? frame_refs[pfn] : 0))
			sim_violation("R1: frame %lx, kind %d, level %d: count %u, found %u", pfn,
				      frames[pfn].kind, frames[pfn].level, frame_refs[pfn],
				      found[pfn]);
	}
}

/* ---- what each space sees ---- */

/* The object's own leaf for a page. */
static pte_t object_leaf(const struct object *object, uint64_t index)
{
	pte_t entry = object->root;

	if (index >> PTE_INDEX_BITS * object->height)
		return PTE_NONE;
	for (int level = object->height; level > 0 && !pte_is_none(entry); level--)
		entry = frame_entries(pte_pfn(entry))[pte_index(index << PAGE_SHIFT, level)];
	return entry;
}

static void check_view(const struct leaf_walk *walk, const struct model_page *page, virt_t addr,
		       pte_t leaf)
{
	const struct object *object = page->object->object;
	pte_t own = object_leaf(object, page->index);

	if (page->index * PAGE_SIZE >= object->size)
		sim_violation("space %u has a page at %lx beyond the end of its object",
			      walk->at->model.id, addr);
	if (pte_is_shared(leaf) != page->is_shared)
		sim_violation("space %u: the entry at %lx is %lx", walk->at->model.id, addr,
			      leaf.bits);
	if (page->is_shared && (pte_pfn(leaf) != pte_pfn(own) || !pte_is_writable(own)))
		sim_violation("W4: space %u views frame %lx at %lx, the object has %lx",
			      walk->at->model.id, pte_pfn(leaf), addr, own.bits);
}

/* A page that nobody stores to: it came with its neighbours, in a huge leaf or the table of zeros.
 * Rights and ranges are left to the audit here. */
static void check_between_spots(const struct leaf_walk *walk, virt_t addr, pte_t leaf)
{
	for (unsigned word = 0; word < WORDS; word++) {
		const char *bytes = frame_bytes(pte_pfn(leaf));

		if (*(const uint64_t *)(bytes + word_offset(word)) != 0)
			sim_violation("space %u at %lx holds what nobody stored",
				      walk->at->model.id, addr);
	}
	mmu_check_frame(pte_pfn(leaf), addr);
}

static void check_leaf(struct leaf_walk *walk, virt_t addr, pte_t leaf, bool can_write)
{
	int spot = spot_at(addr);
	const struct model_page *page = spot < 0 ? NULL : &walk->at->model.page[spot];
	const char *bytes = frame_bytes(pte_pfn(leaf));
	unsigned id = walk->at->model.id;

	walk->resident += pte_is_counted(leaf);
	if (!page) {
		check_between_spots(walk, addr, leaf);
		return;
	}
	if (!page->is_mapped)
		sim_violation("V2: space %u has an entry at %lx, outside its ranges", id, addr);
	if (pte_is_present(leaf)) {
		mmu_check_frame(pte_pfn(leaf), addr);
		if (!model_allows(page, ACCESS_READ) ||
		    (can_write && !model_allows(page, ACCESS_WRITE)) ||
		    (pte_is_executable(leaf) && !model_allows(page, ACCESS_EXEC)))
			sim_violation("V1: space %u may do more at %lx than its range says", id,
				      addr);
	}
	if (pte_pfn(leaf) == zero_frame && (pte_is_writable(leaf) || pte_is_counted(leaf)))
		sim_violation("V3: space %u names the frame of zeros by %lx", id, leaf.bits);
	if (page->object)
		check_view(walk, page, addr, leaf);
	for (unsigned word = 0; word < WORDS; word++) {
		uint64_t value = *(const uint64_t *)(bytes + word_offset(word));

		if (!model_accepts_value(page, word, value))
			sim_violation("space %u at %lx, word %u, holds %lx, should hold %lx", id,
				      addr, word, value, page->word[word].value);
	}
}

static void check_huge(struct leaf_walk *walk, virt_t base, pte_t entry, bool may_write)
{
	for (unsigned i = 0; i < PTE_PER_TABLE; i++)
		check_leaf(walk, base + i * PAGE_SIZE, pte_part(entry, 2, i), may_write);
}

static void check_tree(struct leaf_walk *walk, pfn_t table, int level, virt_t base, bool can_write)
{
	unsigned past = level == PTE_LEVELS ? 256 : 512, left = frames[table].used;

	for (unsigned i = 0; i < past && left > 0; i++) {
		pte_t entry = frame_entries(table)[i];
		virt_t addr = base + i * pte_span(level);
		bool may_write = can_write && pte_is_writable(entry);

		if (pte_is_none(entry))
			continue;
		left--;
		if (pte_is_huge(entry))
			check_huge(walk, addr, entry, may_write);
		else if (level > 1)
			check_tree(walk, pte_pfn(entry), level - 1, addr, may_write);
		else
			check_leaf(walk, addr, entry, may_write);
	}
}

/* A page without an entry must be one that a fault would fill with what the model says. */
static void check_absent(const struct world_space *at, unsigned spot)
{
	const struct model_page *page = &at->model.page[spot];
	pfn_t table = at->space->mmu.root >> PAGE_SHIFT;
	pte_t entry = PTE_NONE;

	for (int level = PTE_LEVELS; level > 0; level--) {
		entry = frame_entries(table)[pte_index(spot_addr(spot), level)];
		if (pte_is_none(entry) || pte_is_huge(entry))
			break;
		table = pte_pfn(entry);
	}
	if (!pte_is_none(entry) || !page->is_mapped || page->object)
		return;
	for (unsigned word = 0; word < WORDS; word++) {
		if (page->word[word].value != 0)
			sim_violation("space %u has lost its page at %lx: should hold %lx",
				      at->model.id, spot_addr(spot), page->word[word].value);
	}
}

static void check_space(const struct world_space *at)
{
	struct leaf_walk walk = { .at = at };

	check_tree(&walk, at->space->mmu.root >> PAGE_SHIFT, PTE_LEVELS, 0, true);
	for (unsigned spot = 0; spot < SPOTS; spot++)
		check_absent(at, spot);
	if ((int64_t)walk.resident != at->space->resident)
		sim_violation("A1: space %u says %lld pages are resident, and has %lld",
			      at->model.id, (long long)at->space->resident,
			      (long long)walk.resident);
	if (at->space->lock.state != 0)
		sim_violation("space %u is locked, and nobody is there", at->model.id);
}

void world_check(void)
{
	const char *wrong;

	check_counts();
	for (unsigned i = 0; i < WORLD_SPACES; i++) {
		if (world_spaces[i].space)
			check_space(&world_spaces[i]);
	}
	mmu_check_caches();
	wrong = audit();
	if (!wrong)
		wrong = frames_check();
	if (wrong)
		sim_violation("audit: %s", wrong);
	for (unsigned word = 0; word < PAGE_SIZE / 8; word++) {
		if (((const uint64_t *)frame_bytes(zero_frame))[word] != 0)
			sim_violation("V3: the frame of zeros was written");
	}
}
