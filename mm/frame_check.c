/* SPDX-License-Identifier: MIT */
/*
 * mm/frame_check.c - frames counted and looked at by a walk over all of them.
 *
 * Locks: none of its own: see frames_check() in mm/frame.h for who must keep still.
 */
#include "kernel/panic.h"
#include "mm/buddy.h"
#include "mm/frame.h"

static bool cache_is_sound(const struct frame_cache *cache);

uint64_t frames_of_kind(enum frame_kind kind)
{
	uint64_t count = 0;

	for (pfn_t pfn = 0; pfn < frame_count; pfn++)
		count += frames[pfn].kind == kind;
	return count;
}

const char *frame_kind_name(enum frame_kind kind)
{
	static const char *const names[FRAME_KINDS] = {
		[FRAME_FREE] = "free",
		[FRAME_RESERVED] = "reserved",
		[FRAME_KERNEL] = "kernel",
		[FRAME_SLAB] = "slab",
		[FRAME_TABLE] = "table",
		[FRAME_DATA] = "data",
		[FRAME_HUGETLB] = "hugetlb",
		[FRAME_ZERO] = "zero",
	};

	assert(kind < FRAME_KINDS);
	return names[kind];
}

/*
 * The free lists are disjoint by themselves.  Frames in caches are marked, so they lie on no list;
 * and if lists and caches together hold as many frames as are FREE, they hold every one, and once.
 */
const char *frames_check(void)
{
	const char *wrong = buddy_check();

	if (wrong != NULL)
		return wrong;
	for (unsigned i = 0; i < CPU_MAX; i++)
		if (!cache_is_sound(&frame_caches[i]))
			return "a CPU's cache holds a frame that is not free";
	if (frames_of_kind(FRAME_FREE) != frames_free())
		return "free frames are lost, or free twice";
	return NULL;
}

static bool run_is_free(const struct frame_cache *cache)
{
	for (pfn_t pfn = cache->run_start; pfn < cache->run_end; pfn++)
		if (frames[pfn].kind != FRAME_FREE || frames[pfn].used != FREE_INSIDE)
			return false;
	return true;
}

static bool cached_are_free(const uint32_t *pfns, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct frame *frame = &frames[pfns[i]];

		if (frame->kind != FRAME_FREE || frame->used != FREE_CACHED)
			return false;
	}
	return true;
}

static bool cache_is_sound(const struct frame_cache *cache)
{
	return cached_are_free(cache->pfns, cache->count)
	       && cached_are_free(cache->zeroed, cache->zeroed_count) && run_is_free(cache);
}
