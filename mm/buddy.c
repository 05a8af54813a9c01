/* SPDX-License-Identifier: MIT */
/*
 * mm/buddy.c - free blocks of frames, split and merged.
 *
 * Owns: the free lists, one per order.  A block of order k is 2^k frames, its first a multiple of
 * 2^k.  Its buddy is the one block of the same order with which it makes a block of order k + 1:
 *
 *   order 2   |       0       |       4       |        buddy(pfn) = pfn ^ 2^order
 *   order 1   |   0   |   2   |   4   |   6   |
 *   order 0   | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 |
 *
 * Taking splits the smallest block that will do; giving merges for as long as the buddy is free
 * too.  The links of a free block lie in its own first bytes, its order in its head's metadata, so
 * that free memory costs nothing beside.  Memory that nobody has wanted yet is not even linked: it
 * waits in `untouched` and becomes blocks one by one, when the lists have none that will do.  So
 * boot does not touch it, nor does a virtual machine's host have to provide what is never used.
 *
 * Merging ends at BUDDY_ORDER_MAX, or else a page taken from wholly free memory and given back
 * would go all the way down and up each time.  What is larger is a run of such blocks side by side,
 * and is looked for when somebody wants one.
 *
 * Invariants: free blocks and untouched ranges do not overlap; no two buddies below BUDDY_ORDER_MAX
 * are both free; untouched ranges consist of whole blocks of that order, and are not empty.
 *
 * Locks: `lock` (RANK_FRAME) guards the lists and the metadata of frames on them.
 */
#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/list.h"
#include "lib/types.h"
#include "kernel/panic.h"
#include "kernel/spinlock.h"
#include "mm/buddy.h"
#include "mm/frame.h"
#include "mm/mmu.h"

static struct spinlock lock = SPINLOCK_INIT(RANK_FRAME);
static struct list free_lists[BUDDY_ORDER_MAX + 1];     /* [lock] */
uint64_t buddy_free;                                    /* [lock]; read by anyone */

/* At boot there are a few pieces of RAM, and later the initramfs: should it be one too many, then
 * it is linked at once. */
enum { UNTOUCHED_MAX = 8 };

static struct untouched {
	pfn_t start, end;
} untouched[UNTOUCHED_MAX];                             /* [lock] the last one is used first */
static unsigned untouched_count;                        /* [lock] */

static bool untouched_keep(pfn_t start, pfn_t end);
static bool untouched_link(void) REQUIRES(lock);
static pfn_t untouched_take_run(unsigned order) REQUIRES(lock);
static unsigned lowest_order(unsigned order) REQUIRES(lock);
static pfn_t block_take(unsigned order) REQUIRES(lock);
static pfn_t run_take(unsigned order) REQUIRES(lock);
static pfn_t run_take_linked(unsigned order) REQUIRES(lock);
static bool run_is_free(pfn_t pfn, unsigned order) REQUIRES(lock);
static void block_give(pfn_t pfn, unsigned order) REQUIRES(lock);
static void block_link(pfn_t pfn, unsigned order) REQUIRES(lock);
static void block_unlink(pfn_t pfn) REQUIRES(lock);
static bool block_is_free(pfn_t pfn, unsigned order) REQUIRES(lock);
static const char *untouched_check(uint64_t *frames_seen) REQUIRES(lock);
static const char *list_check(unsigned order, uint64_t *frames_seen) REQUIRES(lock);
static const char *block_check(pfn_t pfn, unsigned order) REQUIRES(lock);

void buddy_start(void)
{
	for (unsigned order = 0; order <= BUDDY_ORDER_MAX; order++)
		list_init(&free_lists[order]);
	buddy_free = 0;
	untouched_count = 0;
}

pfn_t buddy_take(unsigned order)
{
	pfn_t pfn;

	spin_lock(&lock);
	pfn = likely(order <= BUDDY_ORDER_MAX) ? block_take(order) : run_take(order);
	spin_unlock(&lock);
	return pfn;
}

pfn_t buddy_take_up_to(unsigned *order)
{
	pfn_t pfn;

	spin_lock(&lock);
	*order = MIN(*order, lowest_order(0));
	pfn = block_take(*order);
	spin_unlock(&lock);
	return pfn;
}

void buddy_give(pfn_t pfn, unsigned order)
{
	unsigned piece = MIN(order, (unsigned)BUDDY_ORDER_MAX);
	pfn_t past = pfn + BIT(order);

	spin_lock(&lock);
	for (; pfn < past; pfn += BIT(piece))
		block_give(pfn, piece);
	spin_unlock(&lock);
}

static void singles_sort(uint32_t *pfns, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		uint32_t pfn = pfns[i];
		unsigned at = i;

		for (; at > 0 && pfns[at - 1] > pfn; at--)
			pfns[at] = pfns[at - 1];
		pfns[at] = pfn;
	}
}

/* The order of the largest block that the first of these frames begins; they are sorted. */
static unsigned singles_order(const uint32_t *pfns, unsigned count)
{
	unsigned order = 0;

	while (BIT(order + 1) <= count && is_aligned(pfns[0], BIT(order + 1))
	       && pfns[BIT(order + 1) - 1] == pfns[0] + BIT(order + 1) - 1)
		order++;
	return order;
}

/* What is given back together was mostly taken together.  So put it in order first, and keep all
 * other CPUs waiting for a block or two, not for sixteen frames and their merging. */
void buddy_give_singles(uint32_t *pfns, unsigned count)
{
	unsigned order;

	singles_sort(pfns, count);
	for (unsigned i = 0; i < count; i++)
		frames[pfns[i]].used = FREE_INSIDE;
	spin_lock(&lock);
	for (unsigned i = 0; i < count; i += BIT(order)) {
		order = MIN(singles_order(&pfns[i], count - i), (unsigned)BUDDY_ORDER_MAX);
		block_give(pfns[i], order);
	}
	spin_unlock(&lock);
}

static void range_link(pfn_t start, pfn_t end)
{
	while (start < end) {
		unsigned order = MIN(log2_floor(end - start), (unsigned)BUDDY_ORDER_MAX);

		if (start != 0)
			order = MIN(order, bit_lowest(start));
		buddy_give(start, order);
		start += BIT(order);
	}
}

void buddy_give_range(pfn_t start, pfn_t end)
{
	pfn_t whole_start = align_up(start, BIT(BUDDY_ORDER_MAX));
	pfn_t whole_end = align_down(end, BIT(BUDDY_ORDER_MAX));

	if (whole_start < whole_end && untouched_keep(whole_start, whole_end)) {
		range_link(start, whole_start);
		range_link(whole_end, end);
	} else {
		range_link(start, end);
	}
}

/* ---- memory that nobody has wanted yet ------------------------------------------------------ */

static bool untouched_keep(pfn_t start, pfn_t end)
{
	bool has_room;

	spin_lock(&lock);
	has_room = untouched_count < UNTOUCHED_MAX;
	if (has_room) {
		untouched[untouched_count++] = (struct untouched){ start, end };
		atomic_store_relaxed(&buddy_free, buddy_free + (end - start));
	}
	spin_unlock(&lock);
	return has_room;
}

/* The end of a range becomes a block on its list. */
static void untouched_shorten(struct untouched *range)
	REQUIRES(lock)
{
	range->end -= BIT(BUDDY_ORDER_MAX);
	block_link(range->end, BUDDY_ORDER_MAX);
	if (range->start == range->end)
		*range = untouched[--untouched_count];
}

/* One block more on the list of the greatest order.  False: all memory has been touched. */
static bool untouched_link(void)
{
	if (untouched_count == 0)
		return false;
	untouched_shorten(&untouched[untouched_count - 1]);
	return true;
}

/* A run above the greatest order.  What lies behind it in the same range becomes blocks, and that
 * is less than another run. */
static pfn_t untouched_take_run(unsigned order)
{
	for (unsigned i = 0; i < untouched_count; i++) {
		struct untouched *range = &untouched[i];
		pfn_t past = align_down(range->end, BIT(order));

		if (past < range->start + BIT(order))
			continue;
		while (range->end > past)
			untouched_shorten(range);
		range->end -= BIT(order);
		if (range->start == range->end)
			*range = untouched[--untouched_count];
		atomic_store_relaxed(&buddy_free, buddy_free - BIT(order));
		return past - BIT(order);
	}
	return FRAME_NONE;
}

/* ---- blocks --------------------------------------------------------------------------------- */

/* The order of the smallest free blocks that are of at least `order`; beyond the greatest: none. */
static unsigned lowest_order(unsigned order)
{
	while (order <= BUDDY_ORDER_MAX && list_is_empty(&free_lists[order]))
		order++;
	if (unlikely(order > BUDDY_ORDER_MAX) && untouched_link())
		return BUDDY_ORDER_MAX;
	return order;
}

static pfn_t block_take(unsigned order)
{
	unsigned found = lowest_order(order);
	pfn_t pfn;

	if (found > BUDDY_ORDER_MAX)
		return FRAME_NONE;

	pfn = frame_of(list_first(&free_lists[found]));
	block_unlink(pfn);
	while (found > order) {
		found--;
		block_link(pfn + BIT(found), found);
	}
	atomic_store_relaxed(&buddy_free, buddy_free - BIT(order));
	return pfn;
}

/* A run may begin in untouched memory and end in blocks: the last resort is to link all. */
static pfn_t run_take(unsigned order)
{
	pfn_t pfn = run_take_linked(order);

	if (pfn == FRAME_NONE)
		pfn = untouched_take_run(order);
	if (pfn != FRAME_NONE || untouched_count == 0)
		return pfn;
	while (untouched_link())
		;
	return run_take_linked(order);
}

static pfn_t run_take_linked(unsigned order)
{
	list_for_each(node, &free_lists[BUDDY_ORDER_MAX]) {
		pfn_t pfn = frame_of(node), past = pfn + BIT(order);

		if (!is_aligned(pfn, BIT(order)) || !run_is_free(pfn, order))
			continue;
		for (pfn_t block = pfn; block < past; block += BIT(BUDDY_ORDER_MAX))
			block_unlink(block);
		atomic_store_relaxed(&buddy_free, buddy_free - BIT(order));
		return pfn;
	}
	return FRAME_NONE;
}

static bool run_is_free(pfn_t pfn, unsigned order)
{
	for (pfn_t block = pfn; block < pfn + BIT(order); block += BIT(BUDDY_ORDER_MAX))
		if (!block_is_free(block, BUDDY_ORDER_MAX))
			return false;
	return true;
}

static void block_give(pfn_t pfn, unsigned order)
{
	assert(is_aligned(pfn, BIT(order)) && frames[pfn].kind == FRAME_FREE);
	frames[pfn].used = FREE_INSIDE;
	atomic_store_relaxed(&buddy_free, buddy_free + BIT(order));
	while (order < BUDDY_ORDER_MAX && block_is_free(pfn ^ BIT(order), order)) {
		block_unlink(pfn ^ BIT(order));
		pfn &= ~BIT(order);
		order++;
	}
	block_link(pfn, order);
}

static void block_link(pfn_t pfn, unsigned order)
{
	frames[pfn].used = FREE_HEAD;
	frames[pfn].level = order;
	list_push_front(&free_lists[order], frame_bytes(pfn));
}

static void block_unlink(pfn_t pfn)
{
	assert(frames[pfn].kind == FRAME_FREE && frames[pfn].used == FREE_HEAD);
	list_remove(frame_bytes(pfn));
	frames[pfn].used = FREE_INSIDE;
	frames[pfn].level = 0;
}

/* The frame may be somebody's, who changes its metadata meanwhile: one look at all of it. */
static bool block_is_free(pfn_t pfn, unsigned order)
{
	struct frame seen;

	if (pfn >= frame_count)
		return false;
	__atomic_load(&frames[pfn], &seen, __ATOMIC_RELAXED);
	return seen.kind == FRAME_FREE && seen.used == FREE_HEAD && seen.level == order;
}

const char *buddy_check(void)
{
	const char *wrong = NULL;
	uint64_t seen = 0;

	spin_lock(&lock);
	wrong = untouched_check(&seen);
	for (unsigned order = 0; order <= BUDDY_ORDER_MAX && wrong == NULL; order++)
		wrong = list_check(order, &seen);
	if (wrong == NULL && seen != buddy_free)
		wrong = "the free lists hold more or less than their count says";
	spin_unlock(&lock);
	return wrong;
}

static const char *untouched_check(uint64_t *frames_seen)
{
	for (unsigned i = 0; i < untouched_count; i++) {
		const struct untouched *range = &untouched[i];

		if (range->start >= range->end
		    || !is_aligned(range->start | range->end, BIT(BUDDY_ORDER_MAX)))
			return "an untouched range does not consist of whole blocks";
		for (pfn_t pfn = range->start; pfn < range->end; pfn++)
			if (frames[pfn].kind != FRAME_FREE || frames[pfn].used != FREE_INSIDE)
				return "a frame that nobody has touched is in use";
		*frames_seen += range->end - range->start;
	}
	return NULL;
}

static const char *list_check(unsigned order, uint64_t *frames_seen)
{
	const char *wrong;

	list_for_each(node, &free_lists[order]) {
		if (node->next->prev != node)
			return "the links of a free list do not match";
		wrong = block_check(frame_of(node), order);
		if (wrong != NULL)
			return wrong;
		*frames_seen += BIT(order);
		if (*frames_seen > buddy_free)
			return "a free list is longer than its count says";
	}
	return NULL;
}

static const char *block_check(pfn_t pfn, unsigned order)
{
	if (!is_aligned(pfn, BIT(order)))
		return "a free block is not aligned";
	if (!block_is_free(pfn, order))
		return "a block on a free list is not marked as such";
	if (order < BUDDY_ORDER_MAX && block_is_free(pfn ^ BIT(order), order))
		return "two free buddies were not merged";
	for (pfn_t inner = pfn + 1; inner < pfn + BIT(order); inner++)
		if (frames[inner].kind != FRAME_FREE || frames[inner].used != FREE_INSIDE)
			return "a frame inside a free block is in use";
	return NULL;
}
