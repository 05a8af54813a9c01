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
#include "mm/frame.h"

/* So many frames are left to those who need them now. */
enum { AHEAD_SPARE = 1024 };

static unsigned pages_wanted(const struct cursor *cursor, const struct vma *vma, unsigned most);
static unsigned pages_fill(struct cursor *cursor, const struct vma *vma, unsigned wanted);
static unsigned pages_own(struct cursor *cursor, const struct vma *vma, unsigned wanted);

void ahead_bring(struct cursor *cursor, const struct vma *vma, unsigned run)
{
	struct space *space = cursor->space;
	unsigned wanted = pages_wanted(cursor, vma, run / AHEAD_PART), done = 0;

	if (wanted > 0)
		done = pte_is_none(pte_load(cursor->slot + 1)) ? pages_fill(cursor, vma, wanted)
							       : pages_own(cursor, vma, wanted);
	if (done > 0)
		work_add(&space->work, pages_ahead, done);
	run = MIN(run, (unsigned)AHEAD_PART * AHEAD_MAX) + done;
	WRITE_ONCE(space->ahead, ahead_word(cursor->addr + (1 + done) * PAGE_SIZE, run));
}

/* In the same table, the same range, and without need. */
static unsigned pages_wanted(const struct cursor *cursor, const struct vma *vma, unsigned most)
{
	unsigned in_table = PTE_PER_TABLE - 1 - pte_index(cursor->addr, 1);
	uint64_t in_range = ((vma->end - cursor->addr) >> PAGE_SHIFT) - 1;

	if (!(vma->prot & PROT_WRITE) || vma->flags & VMA_NOHUGEPAGE
	    || READ_ONCE(cursor->space->is_exact))
		return 0;
	most = MIN(most, (unsigned)READ_ONCE(options.fault_ahead));
	most = MIN(most, in_table);
	most = (unsigned)MIN((uint64_t)most, in_range);
	return frames_spare() >= most + AHEAD_SPARE ? most : 0;
}

/* The leaf of a frame that is the space's own. */
static inline pte_t leaf_of(pfn_t fresh, bool can_execute)
{
	return pte_with_write(pte_to_frame(fresh, can_execute));
}

/* Zeroed frames, as far as there are no leaves.  How many. */
static unsigned pages_fill(struct cursor *cursor, const struct vma *vma, unsigned wanted)
{
	pte_t *slot = cursor->slot + 1;
	bool can_execute = vma->prot & PROT_EXEC;
	unsigned done = 0;

	if (vma->object)
		return 0;
	for (; done < wanted && pte_is_none(pte_load(&slot[done])); done++) {
		pfn_t fresh = frame_alloc_data();
		if (unlikely(fresh == FRAME_NONE))
			break;
		page_zero(frame_bytes(fresh));
		pte_t leaf = leaf_of(fresh, can_execute);
		pte_store(&slot[done], leaf);
		event(entry_set, cursor->addr + (1 + done) * PAGE_SIZE, leaf.bits, 1);
	}
	cursor->table->used += done;
	cursor->table->resident += done;
	space_count_resident(cursor->space, done);
	work_add(&cursor->space->work, frames_zeroed, done);
	return done;
}

/* Leaves that get another frame. */
struct batch {
	unsigned count, zeros;          /* zeros: of them, those that name the zero frame */
	pte_t old[AHEAD_MAX];
	pfn_t fresh[AHEAD_MAX];
};

static inline bool leaf_is_to_be_had(pte_t leaf)
{
	if (pte_is_none(leaf) || pte_is_parked(leaf) || pte_is_shared(leaf) || pte_is_view(leaf)
	    || pte_is_writable(leaf))
		return false;
	return pte_is_uncounted(leaf) || !frame_is_exclusive(pte_present_pfn(leaf));
}

/* Their contents.  The old frames stay as they are: nobody may write them. */
static void batch_prepare(struct batch *batch, const struct cursor *cursor, unsigned wanted)
{
	const pte_t *slot = cursor->slot + 1;

	for (; batch->count < wanted; batch->count++) {
		pte_t leaf = pte_load(&slot[batch->count]);
		if (!leaf_is_to_be_had(leaf))
			return;
		pfn_t old = pte_present_pfn(leaf), fresh = frame_alloc_data();
		if (unlikely(fresh == FRAME_NONE))
			return;
		if (unlikely(pte_is_uncounted(leaf))) {
			page_zero(frame_bytes(fresh));
			batch->zeros++;
		} else {
			page_copy(frame_bytes(fresh), frame_bytes(old));
			event(frame_copy, old, fresh,
			      cursor->addr + (1 + batch->count) * PAGE_SIZE);
		}
		batch->old[batch->count] = leaf;
		batch->fresh[batch->count] = fresh;
	}
}

static void batch_unhook(const struct batch *batch, struct cursor *cursor)
{
	virt_t first = cursor->addr + PAGE_SIZE;

	for (unsigned i = 0; i < batch->count; i++)
		pte_store(cursor->slot + 1 + i, PTE_NONE);
	space_flush(cursor->space, first, first + batch->count * PAGE_SIZE);
}

static void batch_commit(const struct batch *batch, struct cursor *cursor, bool can_execute)
{
	pte_t *slot = cursor->slot + 1;

	for (unsigned i = 0; i < batch->count; i++) {
		pte_t leaf = leaf_of(batch->fresh[i], can_execute);
		pte_store(&slot[i], leaf);
		event(entry_set, cursor->addr + (1 + i) * PAGE_SIZE, leaf.bits, 1);
		if (pte_is_counted(batch->old[i]))
			frame_put_shared(pte_present_pfn(batch->old[i]));
	}
	cursor->table->resident += batch->zeros;
	space_count_resident(cursor->space, batch->zeros);
}

/* Frames of the space's own, as far as leaves name others'.  How many. */
static unsigned pages_own(struct cursor *cursor, const struct vma *vma, unsigned wanted)
{
	struct work_counts *work = &cursor->space->work;
	struct batch batch;

	batch.count = batch.zeros = 0;
	batch_prepare(&batch, cursor, wanted);
	if (batch.count == 0)
		return 0;
	batch_unhook(&batch, cursor);
	batch_commit(&batch, cursor, vma->prot & PROT_EXEC);
	work_add(work, frames_zeroed, batch.zeros);
	work_add(work, frames_copied, batch.count - batch.zeros);
	return batch.count;
}
