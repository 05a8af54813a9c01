/* SPDX-License-Identifier: MIT */
/*
 * mm/buddy.h - free blocks of frames, split and merged.
 *
 * The store behind mm/frame.c, which is its only user: it knows which blocks are free and nothing
 * of who holds the others.
 *
 * A frame of kind FREE says in `used` where it is; a block's head has its order in `level`.
 */
#pragma once

#include "lib/types.h"
#include "mm/frame.h"

enum { BUDDY_ORDER_MAX = 10 };          /* of a block on a free list: 4 MiB */

enum free_place {
	FREE_INSIDE,                    /* of a free block, not its head; or on its way */
	FREE_HEAD,                      /* of a block on a free list */
	FREE_CACHED,                    /* in a CPU's cache, see mm/frame.c */
};

void buddy_start(void);

/* A block of 2^order frames, still of kind FREE, or FRAME_NONE.  Looks far and wide for one above
 * BUDDY_ORDER_MAX. */
pfn_t buddy_take(unsigned order);

/* The smallest free block, but no more of it than 2^*order frames: *order becomes its order. */
pfn_t buddy_take_up_to(unsigned *order);

/* Give a block back: all its frames of kind FREE. */
void buddy_give(pfn_t pfn, unsigned order);

/* The same for single frames; they end up in another order. */
void buddy_give_singles(uint32_t *pfns, unsigned count);

/* Give any run of frames of kind FREE, as the largest blocks it consists of. */
void buddy_give_range(pfn_t start, pfn_t end);

/* Frames on the free lists, and those that nobody has touched yet. */
static inline uint64_t buddy_free_frames(void)
{
	return atomic_load_relaxed(&buddy_free);
}

/* For frames_check(). */
const char *buddy_check(void);
