/* SPDX-License-Identifier: MIT */
/*
 * mm/ahead.c - who writes one page after the other gets the next ones with it.
 *
 * What a leaf ahead may be, and what becomes of it:
 *
 *   none, anonymous                      a zeroed frame
 *   the zero frame                       a zeroed frame             (replace)
 *   held by others too                   a copy                     (replace)
 *   all else: own already, parked, SHARED, of a file, another table's, another range's
 *                                        the end
 *
 * Each is just what a fault there would do (mm/fault.c).
 *
 * Owns:        the run of each space, a guess: threads that write in different places spoil it for
 *              each other, and nothing else.
 * Invariants:  T3  all present leaves are cleared and shot down, in one flush, before the first new
 *                  one appears.
 *              What is ahead never makes a fault fail, nor memory scarce.
 * See:         mm/ahead.h for how many.
 */
#include "mm/ahead.h"
#include "lib/bits.h"
#include "kernel/event.h"
#include "kernel/options.h"
#include "mm/page.h"

/* So many frames are left to those who need them now. */
enum { AHEAD_SPARE = 1024 };

/* Pages that follow the cursor's: their leaves, and frames to be. */
struct batch {
	unsigned count;
	bool must_flush;                /* one of the leaves is present */
	pte_t old[AHEAD_MAX];
	pfn_t fresh[AHEAD_MAX];
};

static unsigned pages_wanted(const struct cursor *cursor, const struct vma *vma, unsigned most);
static void batch_prepare(struct batch *batch, const struct cursor *cursor, const struct vma *vma,
			  unsigned wanted);
static void batch_commit(const struct batch *batch, struct cursor *cursor, const struct vma *vma);

void ahead_continue(struct cursor *cursor, const struct vma *vma)
{
	struct ahead *ahead = &cursor->space->ahead;
	uint32_t run = MIN(READ_ONCE(ahead->run), AHEAD_PART * (uint32_t)AHEAD_MAX) + 1;
	unsigned wanted = run >= AHEAD_PART ? pages_wanted(cursor, vma, run / AHEAD_PART) : 0;
	struct batch batch = { .count = 0 };

	if (wanted > 0)
		batch_prepare(&batch, cursor, vma, wanted);
	if (batch.count > 0)
		batch_commit(&batch, cursor, vma);
	WRITE_ONCE(ahead->run, run + batch.count);
	WRITE_ONCE(ahead->next, cursor->addr + (1 + batch.count) * PAGE_SIZE);
}

/* In the same table, the same range, and without need. */
static unsigned pages_wanted(const struct cursor *cursor, const struct vma *vma, unsigned most)
{
	unsigned in_table = PTE_PER_TABLE - 1 - pte_index(cursor->addr, 1);
	uint64_t in_range = ((vma->end - cursor->addr) >> PAGE_SHIFT) - 1;

	if (vma->flags & VMA_NOHUGEPAGE || READ_ONCE(cursor->space->is_exact))
		return 0;
	most = MIN(most, (unsigned)READ_ONCE(options.fault_ahead));
	most = MIN(most, in_table);
	most = (unsigned)MIN((uint64_t)most, in_range);
	return frames_spare() >= most + AHEAD_SPARE ? most : 0;
}

static bool leaf_is_to_be_had(pte_t leaf, const struct vma *vma)
{
	if (pte_is_none(leaf))
		return !vma->object;
	if (pte_is_parked(leaf) || pte_is_shared(leaf) || pte_is_writable(leaf))
		return false;
	return pte_is_uncounted(leaf) || !frame_is_exclusive(pte_present_pfn(leaf));
}

static void batch_prepare(struct batch *batch, const struct cursor *cursor, const struct vma *vma,
			  unsigned wanted)
{
	while (batch->count < wanted) {
		unsigned i = batch->count;
		pte_t leaf = pte_load(cursor->slot + 1 + i);
		if (!leaf_is_to_be_had(leaf, vma))
			return;
		pfn_t fresh = page_alloc(&cursor->space->work, cursor->addr + (1 + i) * PAGE_SIZE,
					 !pte_is_counted(leaf), pte_present_pfn(leaf));
		if (fresh == FRAME_NONE)
			return;
		batch->old[i] = leaf;
		batch->fresh[i] = fresh;
		batch->must_flush |= !pte_is_none(leaf);
		batch->count++;
	}
}

static void batch_unhook(const struct batch *batch, struct cursor *cursor)
{
	virt_t first = cursor->addr + PAGE_SIZE;

	for (unsigned i = 0; i < batch->count; i++)
		pte_store(cursor->slot + 1 + i, PTE_NONE);
	space_flush(cursor->space, first, first + batch->count * PAGE_SIZE);
}

static void batch_commit(const struct batch *batch, struct cursor *cursor, const struct vma *vma)
{
	bool can_execute = vma->prot & PROT_EXEC;
	unsigned filled = 0, brought = 0;       /* leaves that were none; that held nothing */

	if (batch->must_flush)
		batch_unhook(batch, cursor);
	for (unsigned i = 0; i < batch->count; i++) {
		pte_t old = batch->old[i];
		pte_t leaf = pte_with_write(pte_to_frame(batch->fresh[i], can_execute));
		pte_store(cursor->slot + 1 + i, leaf);
		event(entry_set, cursor->addr + (1 + i) * PAGE_SIZE, leaf.bits, 1);
		filled += pte_is_none(old);
		if (pte_is_counted(old))
			frame_put_shared(pte_present_pfn(old));
		else
			brought++;
	}
	cursor->table->used += filled;
	cursor->table->resident += brought;
	space_count_resident(cursor->space, brought);
	work_add(&cursor->space->work, pages_ahead, batch->count);
}
