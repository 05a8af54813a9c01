/* SPDX-License-Identifier: MIT */
/*
 * tests/kernel/hugetlb_test.c - the pools of huge pages.
 *
 * Each test brings a pool to the size it needs and leaves it as it found it: empty, unless
 * hugepages= said otherwise, and then the tests are left out.
 */
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "lib/random.h"
#include "kernel/ktest.h"
#include "kernel/options.h"
#include "mm/commit.h"
#include "mm/frame.h"
#include "mm/hugetlb.h"
#include "mm/mmu.h"
#include "tests/kernel/task_fixture.h"

enum { LEVEL = 2, PAGES = 6, ROUNDS = 400, TASKS = 4 };

static const uint64_t page_frames = 512;

static bool is_idle(int level)
{
	struct hugetlb_counts counts;

	hugetlb_counts(level, &counts);
	if (counts.total > 0)
		ktest_skip("the pool is in use");
	return counts.total == 0;
}

/* Is the pool as large as asked?  If not, the test has nothing to work with. */
static bool pool_has(uint64_t pages)
{
	if (!is_idle(LEVEL))
		return false;
	if (hugetlb_resize(LEVEL, pages) == pages)
		return true;
	hugetlb_resize(LEVEL, 0);
	ktest_skip("not enough memory in one piece");
	return false;
}

static void expect_counts(uint64_t total, uint64_t free, uint64_t reserved, uint64_t surplus)
{
	struct hugetlb_counts counts;

	hugetlb_counts(LEVEL, &counts);
	EXPECT_EQ(counts.total, total);
	EXPECT_EQ(counts.free, free);
	EXPECT_EQ(counts.reserved, reserved);
	EXPECT_EQ(counts.surplus, surplus);
	EXPECT(hugetlb_check() == NULL);
}

KTEST(hugetlb, pool_takes_memory_and_gives_all_of_it_back)
{
	uint64_t before = frames_free(), limit = commit_limit();

	if (!pool_has(PAGES))
		return;
	expect_counts(PAGES, PAGES, 0, 0);
	EXPECT_EQ(frames_free(), before - PAGES * page_frames);
	EXPECT_EQ(frames_of_kind(FRAME_HUGETLB), PAGES * page_frames);
	EXPECT_EQ(hugetlb_pool_frames(), PAGES * page_frames);
	EXPECT_EQ(limit - commit_limit(), PAGES * page_frames * commit_settings.ratio / 100);
	EXPECT_EQ(hugetlb_resize(LEVEL, 2), 2);
	expect_counts(2, 2, 0, 0);
	EXPECT_EQ(hugetlb_resize(LEVEL, 0), 0);
	EXPECT_EQ(frames_free(), before);
	EXPECT_EQ(commit_limit(), limit);
}

KTEST(hugetlb, pages_are_distinct_aligned_and_writable)
{
	pfn_t pages[PAGES];

	if (!pool_has(PAGES))
		return;
	for (unsigned i = 0; i < PAGES; i++) {
		pages[i] = hugetlb_take(LEVEL, false);
		EXPECT(pages[i] != FRAME_NONE && is_aligned(pages[i], page_frames));
		EXPECT(huge_is_exclusive(pages[i]));
		stosq(frame_bytes(pages[i]), i, page_frames * PAGE_SIZE / 8);
	}
	expect_counts(PAGES, 0, 0, 0);
	EXPECT_EQ(hugetlb_pool_frames(), 0);
	EXPECT_EQ(hugetlb_take(LEVEL, false), FRAME_NONE);
	for (unsigned i = 0; i < PAGES; i++) {
		const uint64_t *words = frame_bytes(pages[i]);

		EXPECT_EQ(words[0], i);
		EXPECT_EQ(words[page_frames * PAGE_SIZE / 8 - 1], i);
		hugetlb_give(pages[i], LEVEL);
	}
	expect_counts(PAGES, PAGES, 0, 0);
	EXPECT_EQ(hugetlb_resize(LEVEL, 0), 0);
}

KTEST(hugetlb, promised_pages_go_to_those_who_were_promised_them)
{
	if (!pool_has(3))
		return;
	EXPECT_EQ(hugetlb_reserve(LEVEL, 2), 0);
	EXPECT_EQ(hugetlb_reserve(LEVEL, 2), -ENOMEM);
	EXPECT_EQ(hugetlb_reserve(LEVEL, UINT64_MAX), -ENOMEM);
	expect_counts(3, 3, 2, 0);

	pfn_t unpromised = hugetlb_take(LEVEL, false);
	EXPECT(unpromised != FRAME_NONE);
	EXPECT_EQ(hugetlb_take(LEVEL, false), FRAME_NONE);
	pfn_t promised = hugetlb_take(LEVEL, true);
	EXPECT(promised != FRAME_NONE);
	expect_counts(3, 1, 1, 0);

	hugetlb_unreserve(LEVEL, 1);
	expect_counts(3, 1, 0, 0);
	hugetlb_give(unpromised, LEVEL);
	hugetlb_give(promised, LEVEL);
	EXPECT_EQ(hugetlb_resize(LEVEL, 0), 0);
}

KTEST(hugetlb, what_is_in_use_or_promised_survives_a_smaller_pool)
{
	if (!pool_has(4))
		return;
	pfn_t used = hugetlb_take(LEVEL, false), other = hugetlb_take(LEVEL, false);
	EXPECT_EQ(hugetlb_reserve(LEVEL, 1), 0);
	EXPECT_EQ(hugetlb_resize(LEVEL, 0), 0);
	expect_counts(3, 1, 1, 3);

	hugetlb_give(used, LEVEL);                      /* to the system */
	expect_counts(2, 1, 1, 2);
	EXPECT_EQ(hugetlb_resize(LEVEL, 1), 1);         /* one of the two is asked for again */
	expect_counts(2, 1, 1, 1);
	hugetlb_unreserve(LEVEL, 1);                    /* the promised one is too much now */
	expect_counts(1, 0, 0, 0);
	hugetlb_give(other, LEVEL);                     /* to the pool */
	expect_counts(1, 1, 0, 0);
	EXPECT_EQ(hugetlb_resize(LEVEL, 0), 0);
	expect_counts(0, 0, 0, 0);
}

KTEST(hugetlb, surplus_pages_come_with_promises_and_go_with_them)
{
	if (!pool_has(1))
		return;
	EXPECT_EQ(hugetlb_set_overcommit(LEVEL, 2), 0);
	EXPECT_EQ(hugetlb_overcommit(LEVEL), 2);
	EXPECT_EQ(hugetlb_reserve(LEVEL, 4), -ENOMEM);
	expect_counts(1, 1, 0, 0);
	EXPECT_EQ(hugetlb_reserve(LEVEL, 3), 0);
	expect_counts(3, 3, 3, 2);
	hugetlb_unreserve(LEVEL, 1);
	expect_counts(2, 2, 2, 1);

	pfn_t one = hugetlb_take(LEVEL, true), two = hugetlb_take(LEVEL, true);
	expect_counts(2, 0, 0, 1);
	pfn_t three = OBTAIN(hugetlb_take(LEVEL, false));      /* new: nobody was promised it */
	expect_counts(3, 0, 0, 2);
	EXPECT_EQ(hugetlb_take(LEVEL, false), FRAME_NONE);
	hugetlb_give(three, LEVEL);
	hugetlb_give(one, LEVEL);
	expect_counts(1, 0, 0, 0);
	hugetlb_give(two, LEVEL);
	expect_counts(1, 1, 0, 0);
	EXPECT_EQ(hugetlb_set_overcommit(LEVEL, 0), 0);
	EXPECT_EQ(hugetlb_resize(LEVEL, 0), 0);
}

KTEST(hugetlb, pool_leaves_what_is_kept_for_the_kernel)
{
	if (!pool_has(0))
		return;
	uint64_t pages = hugetlb_resize(LEVEL, UINT64_MAX);

	expect_counts(pages, pages, 0, 0);
	EXPECT(pages > 0 && frames_free() >= frames_kept());
	EXPECT_EQ(hugetlb_resize(LEVEL, 0), 0);
	expect_counts(0, 0, 0, 0);
}

/* Nobody else writes to a page while one has it. */
static void hold_for_a_while(pfn_t page, uint64_t stamp)
{
	uint64_t *words = frame_bytes(page);

	EXPECT(huge_is_exclusive(page));
	WRITE_ONCE(words[0], stamp);
	WRITE_ONCE(words[1], stamp);
	task_yield();
	EXPECT_EQ(READ_ONCE(words[0]), stamp);
	EXPECT_EQ(READ_ONCE(words[1]), stamp);
	hugetlb_give(page, LEVEL);
}

static void use_pool(void *number)
{
	uint64_t id = (uint64_t)number, got = 0;
	struct random random;

	random_seed(&random, options.seed + id);
	for (unsigned round = 0; round < ROUNDS; round++) {
		bool is_promised = hugetlb_reserve(LEVEL, 1) == 0;
		pfn_t page = FRAME_NONE;

		if (is_promised && random_below(&random, 4) == 0)
			hugetlb_unreserve(LEVEL, 1);
		else
			page = hugetlb_take(LEVEL, is_promised);
		if (page != FRAME_NONE)
			hold_for_a_while(page, id << 32 | ++got);
		if (round % 16 == 0)
			(void)hugetlb_resize(LEVEL, random_below(&random, PAGES));
	}
	EXPECT(got > 0);
}

KTEST(hugetlb, many_at_once_lose_nothing)
{
	if (!pool_has(PAGES))
		return;
	EXPECT_EQ(hugetlb_set_overcommit(LEVEL, 2), 0);
	for (uint64_t id = 1; id <= TASKS; id++)
		test_task_start(UINT64_MAX, use_pool, (void *)id);
	test_tasks_join();
	EXPECT_EQ(hugetlb_resize(LEVEL, PAGES), PAGES);
	expect_counts(PAGES, PAGES, 0, 0);
	EXPECT_EQ(hugetlb_set_overcommit(LEVEL, 0), 0);
	EXPECT_EQ(hugetlb_resize(LEVEL, 0), 0);
	EXPECT_EQ(hugetlb_pool_frames(), 0);
}

KTEST(hugetlb, pages_of_1_gib)
{
	if (!hugetlb_has_level(3)) {
		EXPECT_EQ(hugetlb_resize(3, 1), 0);
		return;
	}
	if (!is_idle(3))
		return;
	uint64_t free = frames_free();

	EXPECT_EQ(hugetlb_set_overcommit(3, 1), -EINVAL);
	if (hugetlb_resize(3, 1) == 0) {
		EXPECT_EQ(frames_free(), free);
		ktest_skip("no GiB of memory in one piece");
		return;
	}
	EXPECT_EQ(frames_free(), free - GIB / PAGE_SIZE);
	pfn_t page = hugetlb_take(3, false);
	EXPECT(page != FRAME_NONE && is_aligned(page, GIB / PAGE_SIZE));
	hugetlb_give(page, 3);
	EXPECT_EQ(hugetlb_resize(3, 0), 0);
	EXPECT_EQ(frames_free(), free);
}
