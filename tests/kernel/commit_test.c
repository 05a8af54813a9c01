/* SPDX-License-Identifier: MIT */
/*
 * tests/kernel/commit_test.c - promises, locks, weights, and frames kept for the kernel.
 *
 * Each test leaves the settings as they were: the machine runs on with them.
 */
#include "lib/abi/errno.h"
#include "mm/audit.h"
#include "mm/commit.h"
#include "mm/weight.h"
#include "tests/kernel/space_fixture.h"

enum { RW = PROT_READ | PROT_WRITE, ANONYMOUS = MAP_PRIVATE | MAP_ANONYMOUS };

static int map_at(struct space *space, virt_t at, uint64_t pages, uint32_t prot, uint32_t flags)
{
	struct map_request request = {
		.addr = at, .len = pages * PAGE_SIZE, .prot = prot, .flags = flags | MAP_FIXED,
	};
	virt_t addr;
	return space_map(space, &request, &addr);
}

/* Mode 2, with room for so many pages more.  Tests run as the superuser. */
static void limit_to(uint64_t more)
{
	commit_settings.kbytes = (int64_t)((committed_total() + more) * (PAGE_SIZE / KIB));
	commit_settings.mode = COMMIT_NEVER;
}

static void limit_no_more(void)
{
	commit_settings.mode = COMMIT_GUESS;
	commit_settings.kbytes = 0;
}

static void expect_clean(void)
{
	EXPECT(!audit());
}

KTEST(commit, guess_refuses_more_than_there_is_and_always_nothing)
{
	uint64_t before = committed_total();

	EXPECT_EQ(commit_charge(frames_total() + 1, 0), -ENOMEM);
	EXPECT_EQ(committed_total(), before);
	commit_settings.mode = COMMIT_ALWAYS;
	EXPECT_EQ(commit_charge(frames_total() + 1, 0), 0);
	commit_settings.mode = COMMIT_GUESS;
	commit_uncharge(frames_total() + 1);
	EXPECT_EQ(committed_total(), before);
}

KTEST(commit, never_leaves_a_part_of_each_space_to_others)
{
	limit_to(101);
	EXPECT_EQ(commit_charge(100, 0), 0);
	commit_uncharge(100);
	EXPECT_EQ(commit_charge(101, 0), -ENOMEM);
	EXPECT_EQ(commit_charge(100, 32), -ENOMEM);     /* one page for others */
	limit_no_more();
}

KTEST(commit, tables_of_a_fork_are_a_promise)
{
	EXPECT_EQ(commit_tables(0), 0);
	EXPECT_EQ(commit_tables(2), 1);
	EXPECT_EQ(commit_tables(512), 1);
	EXPECT_EQ(commit_tables(513), 2 + 1);
	EXPECT_EQ(commit_tables(512 * 512 + 1), 513 + 2 + 1);
}

KTEST(commit, a_refused_mapping_changes_nothing)
{
	struct space *space = test_space(8);
	uint64_t before = committed_total();

	limit_to(4);
	EXPECT_EQ(map_at(space, test_page(100), 8, RW, ANONYMOUS), -ENOMEM);
	EXPECT_EQ(map_at(space, test_page(4), 12, RW, ANONYMOUS), -ENOMEM);
	EXPECT_EQ(committed_total(), before);
	EXPECT_EQ(space->mapped_pages, 8);
	EXPECT_EQ(map_at(space, test_page(0), 10, RW, ANONYMOUS), 0);   /* two more */
	EXPECT_EQ(committed_total(), before + 2);
	limit_no_more();
	expect_clean();
	space_put(space);
	EXPECT_EQ(committed_total(), before - 8);
}

KTEST(commit, a_refused_fork_leaves_nothing)
{
	struct space *space = test_space(64), *child;
	uint64_t before = committed_total(), spaces = spaces_count();

	test_poke(space, test_page(3), 7);
	limit_to(64);
	EXPECT_EQ(space_fork(space, &child), -ENOMEM);
	EXPECT_EQ(committed_total(), before);
	EXPECT_EQ(spaces_count(), spaces);
	limit_to(68);                   /* its tables, and what a space of 64 leaves to others */
	EXPECT_EQ(space_fork(space, &child), 0);
	EXPECT_EQ(committed_total(), before + 64 + 1);
	limit_no_more();
	expect_clean();
	space_put(child);
	EXPECT_EQ(committed_total(), before);
	space_put(space);
}

KTEST(commit, what_was_writable_stays_promised)
{
	struct space *space = test_space(8);
	uint64_t before = committed_total();

	EXPECT_EQ(space_protect(space, test_page(0), 4 * PAGE_SIZE, PROT_READ), 0);
	EXPECT_EQ(committed_total(), before);
	EXPECT_EQ(space_protect(space, test_page(0), 4 * PAGE_SIZE, RW), 0);
	EXPECT_EQ(committed_total(), before);
	EXPECT_EQ(space->vmas->count, 1);
	expect_clean();
	space_put(space);
}

KTEST(commit, an_object_is_promised_once_whole_or_by_pages)
{
	struct space *space = test_space(1), *child;
	uint64_t before = committed_total();

	EXPECT_EQ(map_at(space, test_page(8), 16, RW, MAP_SHARED | MAP_ANONYMOUS), 0);
	EXPECT_EQ(committed_total(), before + 16);
	test_poke(space, test_page(9), 1);
	EXPECT_EQ(committed_total(), before + 16);
	child = test_fork(space);
	EXPECT_EQ(committed_total(), before + 16 + 1);
	space_put(child);
	EXPECT_EQ(map_at(space, test_page(32), 16, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE),
		  0);
	EXPECT_EQ(committed_total(), before + 16);
	test_poke(space, test_page(33), 1);
	EXPECT_EQ(committed_total(), before + 17);
	expect_clean();
	space_put(space);
	EXPECT_EQ(committed_total(), before - 1);
}

/* ---- locks ---- */

KTEST(mlock, locking_copies_what_is_shared)
{
	struct space *space = test_space(8), *child;

	for (int i = 0; i < 8; i++)
		test_poke(space, test_page(i), 1);
	child = test_fork(space);
	EXPECT_EQ(space_mlock(space, test_page(2), 3 * PAGE_SIZE, VMA_LOCKED), 0);
	EXPECT_EQ(space->locked_pages, 3);
	EXPECT_EQ(space->vmas->count, 3);
	for (int i = 2; i < 5; i++) {
		EXPECT(pte_is_writable(test_leaf(space, test_page(i))));
		EXPECT(test_frame(space, test_page(i)) != test_frame(child, test_page(i)));
	}
	EXPECT_EQ(child->locked_pages, 0);
	EXPECT_EQ(space_mlock(space, test_page(0), 8 * PAGE_SIZE, 0), 0);
	EXPECT_EQ(space->locked_pages, 0);
	EXPECT_EQ(space->vmas->count, 1);
	expect_clean();
	space_put(child);
	space_put(space);
}

KTEST(mlock, fork_gives_no_locks)
{
	struct space *space = test_space(8), *child;

	EXPECT_EQ(space_mlock(space, test_page(0), 4 * PAGE_SIZE, VMA_LOCKED), 0);
	EXPECT_EQ(space_mlock_all(space, MCL_FUTURE), 0);
	child = test_fork(space);
	EXPECT_EQ(child->locked_pages, 0);
	EXPECT_EQ(child->lock_future, 0);
	EXPECT_EQ(child->vmas->count, 1);               /* what only a lock kept apart is one */
	EXPECT_EQ(space->locked_pages, 4);
	EXPECT_EQ(space_advise(space, test_page(0), PAGE_SIZE, MADV_DONTNEED), -EINVAL);
	EXPECT_EQ(space_advise(child, test_page(0), PAGE_SIZE, MADV_DONTNEED), 0);
	expect_clean();
	space_put(child);
	space_put(space);
}

KTEST(mlock, moving_keeps_the_totals)
{
	struct space *space = test_space(8);
	virt_t to = test_page(512);

	EXPECT_EQ(space_mlock(space, test_page(0), 4 * PAGE_SIZE, VMA_LOCKED | VMA_LOCKONFAULT), 0);
	EXPECT_EQ(space->resident, 0);
	EXPECT_EQ(space_remap(space, test_page(0), 2 * PAGE_SIZE, 4 * PAGE_SIZE,
			      MREMAP_MAYMOVE | MREMAP_FIXED, &to), 0);
	EXPECT_EQ(space->locked_pages, 6);
	expect_clean();
	to = 0;
	EXPECT_EQ(space_remap(space, test_page(512), 4 * PAGE_SIZE, 4 * PAGE_SIZE,
			      MREMAP_MAYMOVE | MREMAP_DONTUNMAP, &to), 0);
	EXPECT_EQ(space->locked_pages, 6);
	expect_clean();
	space_put(space);
}

/* ---- weights and reserves ---- */

KTEST(weight, only_what_hangs_on_the_space_alone_counts)
{
	struct space *space = test_space(64), *child;
	struct space_weight alone, parent, shared;

	for (int i = 0; i < 64; i++)
		test_poke(space, test_page(i), 1);
	space_weigh(space, &alone);
	EXPECT_EQ(alone.own, 64 + 4);
	EXPECT_EQ(alone.resident, 64);
	child = test_fork(space);
	space_weigh(space, &parent);
	space_weigh(child, &shared);
	EXPECT(parent.own <= 4 || parent.own == 64 + 4);        /* all shared; or fork_share=none */
	EXPECT_EQ(shared.resident, 64);
	space_put(child);
	space_weigh(space, &parent);
	EXPECT_EQ(parent.own, alone.own);
	space_put(space);
}

KTEST(weight, what_is_kept_is_refused_to_programs_only)
{
	uint64_t kept = frames_kept();

	frames_keep(frames_total());
	pfn_t data = frame_alloc(FRAME_DATA), table = frame_alloc(FRAME_KERNEL);
	EXPECT_EQ(frames_spare(), 0);
	frames_keep(kept);
	EXPECT_EQ(data, FRAME_NONE);
	EXPECT(table != FRAME_NONE);
	frame_put(table);
	EXPECT(frames_spare() > 0);
}
