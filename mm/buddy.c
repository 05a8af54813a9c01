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
 * that free memory costs nothing beside, and boot touches only heads.
 *
 * Merging ends at BUDDY_ORDER_MAX, or else a page taken from wholly free memory and given back
 * would go all the way down and up each time.  What is larger is a run of such blocks side by side,
 * and is looked for when somebody wants one.
 *
 * Invariants: free blocks do not overlap; no two buddies below BUDDY_ORDER_MAX are both free.
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

static unsigned lowest_order(unsigned order) REQUIRES(lock);
static pfn_t block_take(unsigned order) REQUIRES(lock);
static pfn_t run_take(unsigned order) REQUIRES(lock);
static bool run_is_free(pfn_t pfn, unsigned order) REQUIRES(lock);
static void block_give(pfn_t pfn, unsigned order) REQUIRES(lock);
static void block_link(pfn_t pfn, unsigned order) REQUIRES(lock);
static void block_unlink(pfn_t pfn) REQUIRES(lock);
static bool block_is_free(pfn_t pfn, unsigned order) REQUIRES(lock);
static const char *list_check(unsigned order, uint64_t *frames_seen) REQUIRES(lock);
static const char *block_check(pfn_t pfn, unsigned order) REQUIRES(lock);

void buddy_start(void)
{
	for (unsigned order = 0; order <= BUDDY_ORDER_MAX; order++)
		list_init(&free_lists[order]);
	buddy_free = 0;
}

pfn_t buddy_take(unsigned order)
{
	pfn_t pfn;

	spin_lock(&lock);
	pfn = likely(order <= BUDDY_ORDER_MAX) ? block_take(order) : run_take(order);
	spin_unlock(&lock);
	return pfn;
}

unsigned buddy_take_singles(uint32_t *pfns, unsigned count)
{
	unsigned taken = 0;

	spin_lock(&lock);
	while (taken < count) {
		unsigned order = lowest_order(0);
		pfn_t pfn;

		if (order > BUDDY_ORDER_MAX)
			break;
		order = MIN(order, log2_floor(count - taken));
		pfn = block_take(order);
		for (unsigned i = 0; i < BIT(order); i++)
			pfns[taken++] = pfn + i;
	}
	spin_unlock(&lock);
	return taken;
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

void buddy_give_singles(const uint32_t *pfns, unsigned count)
{
	spin_lock(&lock);
	for (unsigned i = 0; i < count; i++)
		block_give(pfns[i], 0);
	spin_unlock(&lock);
}

void buddy_give_range(pfn_t start, pfn_t end)
{
	while (start < end) {
		unsigned order = MIN(log2_floor(end - start), (unsigned)BUDDY_ORDER_MAX);

		if (start != 0)
			order = MIN(order, bit_lowest(start));
		buddy_give(start, order);
		start += BIT(order);
	}
}

/* The order of the smallest free blocks that are of at least `order`; beyond the greatest: none. */
static unsigned lowest_order(unsigned order)
{
	while (order <= BUDDY_ORDER_MAX && list_is_empty(&free_lists[order]))
		order++;
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

static pfn_t run_take(unsigned order)
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
	for (unsigned order = 0; order <= BUDDY_ORDER_MAX && wrong == NULL; order++)
		wrong = list_check(order, &seen);
	if (wrong == NULL && seen != buddy_free)
		wrong = "the free lists hold more or less than their count says";
	spin_unlock(&lock);
	return wrong;
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
