/* SPDX-License-Identifier: MIT */
/*
 * mm/huge.c - huge pages: 2 MiB of a range in one leaf.
 *
 * Invariants:  W3  see mm/tree.c.
 *              A huge leaf that a fault acts upon lies in one range as a whole.
 *              A block that is filled or copied while nothing is locked is put in place only if the
 *              entry is what it was.
 * See:         mm/huge.h for the policy, mm/tree.c for what is counted.
 */
#include "mm/huge.h"
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "kernel/event.h"
#include "kernel/panic.h"
#include "mm/huge_mode.h"

static int huge_fill(struct cursor *cursor, const struct vma *vma, enum access access);
static int huge_own(struct cursor *cursor, const struct vma *vma, pte_t leaf);
static int huge_copy(struct cursor *cursor, const struct vma *vma, pte_t leaf);
static int huge_install(struct cursor *cursor, pte_t expected, pte_t leaf);
static int pages_instead(struct cursor *cursor);
static int pages_without_zeros(struct cursor *cursor);
static int pages_after_all(struct cursor *cursor);
static pte_t huge_leaf(pfn_t block, const struct vma *vma);

/* Do all the 2 MiB around addr lie in the range? */
static bool vma_covers(const struct vma *vma, virt_t addr)
{
	virt_t start = align_down(addr, HUGE_SIZE);

	return vma->start <= start && start + HUGE_SIZE <= vma->end;
}

static bool vma_may_be_huge(const struct vma *vma)
{
	return vma_is_private(vma) && !vma->object && vma_leaf_level(vma) == 1
	       && !(vma->flags & VMA_NOHUGEPAGE);
}

bool huge_is_wanted(const struct space *space, const struct vma *vma)
{
	enum thp_mode mode = thp_mode();

	if (!vma_may_be_huge(vma) || mode == THP_NEVER || READ_ONCE(space->is_exact))
		return false;
	return mode == THP_ALWAYS || vma->flags & VMA_HUGEPAGE;
}

int huge_fault(struct cursor *cursor, const struct vma *vma, enum access access)
{
	pte_t leaf = cursor_get(cursor);

	if (!vma_covers(vma, cursor->addr))
		return pages_instead(cursor);
	if (!pte_is_huge(leaf))
		return huge_fill(cursor, vma, access);

	if (pte_is_parked(leaf)) {
		leaf = pte_unpark(leaf);
		cursor_set_huge(cursor, leaf);
	}
	if (access == ACCESS_WRITE && !pte_is_writable(leaf))
		return huge_own(cursor, vma, leaf);
	if (access == ACCESS_EXEC && !pte_is_executable(leaf)) {
		cursor_set_huge(cursor, pte_with_exec(leaf));   /* more rights: no flush */
	} else {
		work_add(&cursor->space->work, faults_spurious, 1);
		tlb_flush_local_page(cursor->addr);
	}
	cursor_close(cursor);
	return 0;
}

static int pages_instead(struct cursor *cursor)
{
	int err = cursor_descend(cursor);
	return err ? err : HUGE_NOT;
}

/* The same for the table of zeros, which makes way for an empty one: with a leaf for each page that
 * nobody has read, each page written would cost a shootdown. */
static int pages_without_zeros(struct cursor *cursor)
{
	pfn_t table = table_alloc(HUGE_LEVEL - 1, &cursor->space->work);

	if (table != FRAME_NONE)
		cursor_replace_huge(cursor, pte_to_table(table));
	return pages_instead(cursor);
}

/* The same, when the cursor is closed and no block was to be had. */
static int pages_after_all(struct cursor *cursor)
	NO_LOCK_ANALYSIS /* cursor->space's, by the caller */
{
	work_add(&cursor->space->work, huge_fallbacks, 1);
	int err = cursor_open(cursor, cursor->space, cursor->addr);
	return err ? err : HUGE_NOT;
}

/* Nothing there, or the table of zeros: a read is content with that. */
static int huge_fill(struct cursor *cursor, const struct vma *vma, enum access access)
{
	struct space *space = cursor->space;
	pte_t old = cursor_get(cursor);
	bool is_zeros = access == ACCESS_READ && !(vma->prot & PROT_EXEC) && thp_uses_zero_page();

	if (is_zeros && pte_is_none(old) && vma_is_private(vma) && !vma->object) {
		frame_get(zero_table);
		entry_store(cursor->slot, pte_without_write(pte_to_table(zero_table)));
		work_add(&space->work, faults_zero_read, 1);
		cursor_close(cursor);
		return 0;
	}
	if (access == ACCESS_READ && !pte_is_none(old)) {       /* the zeros are there already */
		work_add(&space->work, faults_spurious, 1);
		tlb_flush_local_page(cursor->addr);
		cursor_close(cursor);
		return 0;
	}
	if (access != ACCESS_WRITE)
		return pages_instead(cursor);
	if (!huge_is_wanted(space, vma))
		return pte_is_none(old) ? pages_instead(cursor) : pages_without_zeros(cursor);

	cursor_close(cursor);
	pfn_t block = frame_alloc_huge(FRAME_DATA, HUGE_LEVEL);
	if (block == FRAME_NONE)
		return pages_after_all(cursor);
	for (unsigned i = 0; i < PTE_PER_TABLE; i++)
		page_zero(frame_bytes(block + i));
	work_add(&space->work, frames_zeroed, PTE_PER_TABLE);
	int err = huge_install(cursor, old, huge_leaf(block, vma));
	if (!err)
		work_add(&space->work, huge_fills, 1);
	return err;
}

static pte_t huge_leaf(pfn_t block, const struct vma *vma)
{
	pte_t leaf = pte_as_huge(pte_to_frame(block, vma->prot & PROT_EXEC));

	if (!(vma->prot & (PROT_READ | PROT_WRITE | PROT_EXEC)))
		return pte_park(leaf);
	return vma->prot & PROT_WRITE ? pte_with_write(leaf) : leaf;
}

/* Open the cursor again and, if nobody was faster, put the block there that nobody else knows. */
static int huge_install(struct cursor *cursor, pte_t expected, pte_t leaf)
	NO_LOCK_ANALYSIS /* cursor->space's, by the caller */
{
	int err = cursor_open_leaf(cursor, cursor->space, cursor->addr);

	if (!err && (cursor->level != HUGE_LEVEL || cursor_get(cursor).bits != expected.bits)) {
		cursor_close(cursor);
		err = -EAGAIN;
	}
	if (err) {
		frame_free_huge(pte_pfn(leaf), HUGE_LEVEL);
		return err;
	}
	if (pte_is_none(expected))
		cursor_set_huge(cursor, leaf);
	else
		cursor_replace_huge(cursor, leaf);
	cursor_close(cursor);
	return 0;
}

static bool memory_is_plentiful(void)
{
	return frames_spare() > frames_total() / 8;
}

/* Make a present huge leaf writable. */
static int huge_own(struct cursor *cursor, const struct vma *vma, pte_t leaf)
{
	pfn_t block = pte_pfn(leaf);

	if (huge_regain(block, HUGE_LEVEL)) {
		cursor_set_huge(cursor, pte_with_write(leaf));  /* more rights: no flush */
		work_add(&cursor->space->work, huge_reuses, 1);
		event(frame_reuse, block, cursor->addr, 0);
		cursor_close(cursor);
		return 0;
	}
	if (!huge_is_exclusive(block) && vma->flags & VMA_HUGEPAGE && memory_is_plentiful())
		return huge_copy(cursor, vma, leaf);
	return pages_instead(cursor);
}

/* The hold taken here keeps the old block as it is: nobody can own it meanwhile. */
static int huge_copy(struct cursor *cursor, const struct vma *vma, pte_t leaf)
{
	struct space *space = cursor->space;
	pfn_t old = pte_pfn(leaf), block;
	int err;

	huge_get(old);
	cursor_close(cursor);
	block = frame_alloc_huge(FRAME_DATA, HUGE_LEVEL);
	if (block == FRAME_NONE) {
		huge_put(old, HUGE_LEVEL);
		return pages_after_all(cursor);
	}
	for (unsigned i = 0; i < PTE_PER_TABLE; i++)
		page_copy(frame_bytes(block + i), frame_bytes(old + i));
	work_add(&space->work, frames_copied, PTE_PER_TABLE);
	event(frame_copy, old, block, align_down(cursor->addr, HUGE_SIZE));
	err = huge_install(cursor, leaf, huge_leaf(block, vma));
	huge_put(old, HUGE_LEVEL);
	if (!err)
		work_add(&space->work, huge_copies, 1);
	return err;
}

/* ---- collapse ------------------------------------------------------------------------------- */

/* The block whose frames are exactly what the table's leaves name, in order, none of them anybody
 * else's; FRAME_NONE: it is not so. */
static pfn_t table_block(pfn_t table)
{
	const pte_t *entries = frame_entries(table);
	pfn_t block = pte_pfn(pte_load(&entries[0]));

	if (!frame_is_exclusive(table) || !is_aligned(block, PTE_PER_TABLE))
		return FRAME_NONE;
	for (unsigned i = 0; i < PTE_PER_TABLE; i++) {
		pte_t leaf = pte_load(&entries[i]);
		if (!pte_is_present(leaf) || !pte_is_plain(leaf) || pte_pfn(leaf) != block + i
		    || !frame_is_exclusive(block + i))
			return FRAME_NONE;
	}
	return block;
}

/* Its frames become a block; the table, which no CPU reaches any more, goes without putting
 * them. */
static void table_dissolve(pfn_t table, pfn_t block, struct work_counts *work)
{
	pte_t *entries = frame_entries(table);

	for (unsigned i = 0; i < PTE_PER_TABLE; i++)
		pte_store(&entries[i], PTE_NONE);
	frames[table].used = frames[table].resident = 0;
	frame_unite_huge(block);
	table_put(table, work);
}

/* The pages of a table, which cannot change, side by side. */
static void table_gather(pfn_t table, pfn_t block, struct work_counts *work)
{
	for (unsigned i = 0; i < PTE_PER_TABLE; i++) {
		pte_t leaf = pte_load(&frame_entries(table)[i]);
		if (!pte_is_counted(leaf)) {
			page_zero(frame_bytes(block + i));
			work_add(work, frames_zeroed, 1);
		} else {
			page_copy(frame_bytes(block + i), frame_bytes(pte_pfn(leaf)));
			work_add(work, frames_copied, 1);
		}
	}
}

/* Of what the slot names, a table of pages, make a huge leaf.  While the slot is empty and all CPUs
 * know it, none of the space's threads can write there; nobody else may. */
static int slot_collapse(struct space *space, pte_t *slot, virt_t start, const struct vma *vma)
	REQUIRES(space->lock)
{
	pte_t old = pte_load(slot);
	pfn_t table = pte_pfn(old), block = table_block(table);
	bool is_in_place = block != FRAME_NONE;
	int64_t resident = frames[table].resident;

	if (!is_in_place)
		block = frame_alloc_huge(FRAME_DATA, HUGE_LEVEL);
	if (block == FRAME_NONE)
		return -ENOMEM;

	pte_store(slot, PTE_NONE);
	space_flush(space, start, start + HUGE_SIZE);
	if (!is_in_place)
		table_gather(table, block, &space->work);
	pte_store(slot, huge_leaf(block, vma));
	if (is_in_place)
		table_dissolve(table, block, &space->work);
	else
		table_put(table, &space->work);
	space_count_resident(space, PTE_PER_TABLE - resident);
	work_add(&space->work, huge_collapses, 1);
	event(huge_collapse, block, table, is_in_place);
	return 0;
}

static int piece_collapse(struct space *space, virt_t start) REQUIRES(space->lock)
{
	const struct vma *vma = vma_find(space->vmas, start);
	struct gather gather;

	if (!vma || !vma_may_be_huge(vma) || !vma_covers(vma, start) || READ_ONCE(space->is_exact))
		return -EINVAL;
	if (cursor_range_is_empty(space, start, start + HUGE_SIZE))
		return -EINVAL;
	gather_init(&gather);
	pte_t *slot = cursor_path(space, start, HUGE_LEVEL, &gather);
	space_gather_finish(space, &gather, start, start + HUGE_SIZE);
	if (!slot)
		return -ENOMEM;
	if (pte_is_none(pte_load(slot)))
		return -EINVAL;
	return pte_is_huge(pte_load(slot)) ? 0 : slot_collapse(space, slot, start, vma);
}

int space_collapse(struct space *space, virt_t start, virt_t end)
{
	virt_t first = align_up(start, HUGE_SIZE), past = align_down(end, HUGE_SIZE);
	int err = first > past ? -EINVAL : 0;

	for (virt_t at = first; at < past && !err; at += HUGE_SIZE)
		err = piece_collapse(space, at);
	return err;
}
