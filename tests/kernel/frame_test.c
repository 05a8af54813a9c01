/* SPDX-License-Identifier: MIT */
/* The frame allocator on the machine's own memory.  tests/host has the long runs. */
#include "lib/bits.h"
#include "kernel/ktest.h"
#include "mm/frame.h"
#include "mm/mmu.h"

enum { FRAMES = 64 };

KTEST(frame, frames_are_distinct_and_keep_what_is_written)
{
	pfn_t pfns[FRAMES];

	for (unsigned i = 0; i < FRAMES; i++) {
		pfns[i] = frame_alloc(FRAME_KERNEL);
		EXPECT(pfns[i] != FRAME_NONE);
		stosq(frame_bytes(pfns[i]), pfns[i], PAGE_SIZE / 8);
	}
	for (unsigned i = 0; i < FRAMES; i++) {
		const uint64_t *words = frame_bytes(pfns[i]);

		EXPECT_EQ(words[0], pfns[i]);
		EXPECT_EQ(words[PAGE_SIZE / 8 - 1], pfns[i]);
		EXPECT(frame_is_exclusive(pfns[i]));
		frame_put(pfns[i]);
	}
}

KTEST(frame, free_count_follows_every_frame)
{
	uint64_t before = frames_free();
	pfn_t pfns[FRAMES];

	for (unsigned i = 0; i < FRAMES; i++) {
		pfns[i] = frame_alloc(FRAME_DATA);
		EXPECT_EQ(frames_free(), before - i - 1);
	}
	for (unsigned i = 0; i < FRAMES; i++) {
		frame_put(pfns[i]);
		EXPECT_EQ(frames_free(), before - FRAMES + i + 1);
	}
}

KTEST(frame, blocks_of_every_order_are_aligned)
{
	pfn_t blocks[FRAME_ORDER_MAX + 1];

	for (unsigned order = 0; order <= FRAME_ORDER_MAX; order++) {
		blocks[order] = frame_alloc_block(FRAME_KERNEL, order);
		EXPECT(is_aligned(blocks[order], BIT(order)));
	}
	EXPECT(frames_check() == NULL);
	for (unsigned order = 0; order <= FRAME_ORDER_MAX; order++)
		if (blocks[order] != FRAME_NONE)
			frame_free_block(blocks[order], order);
	EXPECT(frames_check() == NULL);
}

KTEST(frame, zeroed_frames_are_zero)
{
	pfn_t pfn = frame_alloc(FRAME_DATA);

	stosq(frame_bytes(pfn), UINT64_MAX, PAGE_SIZE / 8);
	frame_put(pfn);
	for (unsigned round = 0; round < 2; round++) {
		uint64_t *words;
		uint64_t bits = 0;

		pfn = frame_alloc_zeroed(FRAME_TABLE);
		words = frame_bytes(pfn);
		for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
			bits |= words[i];
		EXPECT_EQ(bits, 0);
		frame_free_block(pfn, 0);
	}
}

KTEST(frame, last_put_frees)
{
	pfn_t pfn = frame_alloc(FRAME_DATA);

	frame_get(pfn);
	EXPECT(!frame_is_exclusive(pfn));
	frame_put(pfn);
	EXPECT(frame_is_exclusive(pfn));
	frame_put(pfn);
	EXPECT_EQ(frames[pfn].kind, FRAME_FREE);
}

KTEST(frame, zero_frame_is_zero_and_uncounted)
{
	const uint64_t *words = frame_bytes(zero_frame);
	uint64_t bits = 0;

	for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
		bits |= words[i];
	EXPECT_EQ(bits, 0);
	EXPECT_EQ(frames[zero_frame].kind, FRAME_ZERO);
	EXPECT_EQ(frame_refs[zero_frame], 0);
}

KTEST(frame, draining_the_cache_keeps_the_count)
{
	uint64_t before = frames_free();

	frames_drain_caches();
	EXPECT_EQ(frames_free(), before);
	EXPECT(frames_check() == NULL);
}

KTEST(frame, kinds_add_up)
{
	uint64_t sum = 0;

	for (unsigned kind = 0; kind < FRAME_KINDS; kind++)
		sum += frames_of_kind(kind);
	EXPECT_EQ(sum, frame_count);
	EXPECT_EQ(frames_of_kind(FRAME_FREE), frames_free());
	EXPECT_EQ(frames_of_kind(FRAME_ZERO), 1);
}
