/* SPDX-License-Identifier: MIT */
// sources: @tests/host/sim/sources
// flags: -DSIM -DCOWBELL_DEBUG
/*
 * MAP_HUGETLB: what was promised is there, whatever else a program does with such ranges.
 */
#include "tap.h"
#include "lib/abi/errno.h"
#include "mm/fault.h"
#include "mm/hugetlb.h"
#include "tests/host/sim/huge.h"
#include "tests/host/sim/world.h"

#define UNIT_PROGRAM "mm_hugetlb"

enum { LEVEL = 2 };
#define PLACE(n) (BASE + (n) * 2 * MIB)

/* `pages` of 2 MiB from the place on. */
static int map_pages(struct space *space, virt_t at, uint64_t pages, uint32_t flags)
{
	struct map_request request = {
		.addr = at, .len = pages * 2 * MIB, .prot = RW,
		.flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | flags,
	};

	return space_map(space, &request, &at);
}

static void pool_make(uint64_t pages)
{
	HOLDS(hugetlb_resize(LEVEL, pages) == pages);
}

static uint64_t promised(void)
{
	struct hugetlb_counts counts;

	hugetlb_counts(LEVEL, &counts);
	return counts.reserved;
}

static int touch(struct space *space, virt_t at)
{
	return fault_resolve(space, at, ACCESS_WRITE);
}

UNIT(range_does_not_end_beyond_all_addresses)
{
	struct space *space = unit_space(0);
	struct map_request request = {
		.addr = PLACE(0), .len = USER_END, .prot = RW,
		.flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE,
	};
	virt_t at;

	HOLDS(space_map(space, &request, &at) == -ENOMEM && space->vmas->count == 0);
	unit_exit(space);
}

UNIT(range_without_promises_takes_nobody_elses)
{
	struct space *space = unit_space(0);

	pool_make(1);
	HOLDS(map_pages(space, PLACE(0), 1, 0) == 0);
	HOLDS(map_pages(space, PLACE(2), 1, MAP_NORESERVE) == 0);
	HOLDS(touch(space, PLACE(2)) == -ENXIO);
	HOLDS(space_unmap(space, PLACE(2), 2 * MIB) == 0 && promised() == 1);
	HOLDS(touch(space, PLACE(0)) == 0 && promised() == 0);
	unit_exit(space);
}

UNIT(promises_stay_for_what_is_left)
{
	struct space *space = unit_space(0);

	pool_make(3);
	HOLDS(map_pages(space, PLACE(0), 3, 0) == 0 && promised() == 3);
	HOLDS(touch(space, PLACE(0)) == 0 && promised() == 2);
	HOLDS(space_advise(space, PLACE(0), 2 * MIB, MADV_DONTNEED) == 0);
	HOLDS(space_unmap(space, PLACE(0), 2 * MIB) == 0 && promised() == 2);
	HOLDS(space_unmap(space, PLACE(2), 2 * MIB) == 0 && promised() == 1);
	HOLDS(touch(space, PLACE(1)) == 0 && promised() == 0);
	unit_exit(space);
}

UNIT(child_promises_itself_anew)
{
	struct space *space = unit_space(0), *child;

	pool_make(2);
	HOLDS(map_pages(space, PLACE(0), 1, 0) == 0);
	child = unit_fork(space, FORK_SHARE_ROOT);
	HOLDS(promised() == 1);
	HOLDS(map_pages(child, PLACE(0), 1, 0) == 0 && promised() == 2);
	HOLDS(touch(child, PLACE(0)) == 0 && touch(space, PLACE(0)) == 0 && promised() == 0);
	unit_exit(child);
	unit_exit(space);
}

UNIT(pages_of_the_pool_are_not_collapsed)
{
	struct space *space = unit_space(PIECE);
	virt_t away = PAGE(10 * PIECE + 1);

	pool_make(1);
	unit_put(space, BASE, 1);
	HOLDS(space_remap(space, BASE, PIECE * PAGE_SIZE, PIECE * PAGE_SIZE,
			  MREMAP_MAYMOVE | MREMAP_FIXED, &away) == 0);
	HOLDS(map_pages(space, PLACE(0), 1, 0) == 0);   /* over a table that was left empty */
	HOLDS(space_advise(space, PLACE(0), 2 * MIB, MADV_COLLAPSE) == -EINVAL);
	HOLDS(touch(space, PLACE(0)) == 0 && promised() == 0);
	HOLDS(frames[unit_frame(space, PLACE(0))].kind == FRAME_HUGETLB);
	HOLDS(space_advise(space, PLACE(0), 2 * MIB, MADV_COLLAPSE) == -EINVAL);
	unit_exit(space);
}

/* ---- threads ---- */

enum { CROWD = 3 };

/* Threads that touch pages of a pool at once. */
struct crowd {
	uint64_t pool, pages;           /* there are, and are mapped */
	uint32_t flags;
	unsigned places[CROWD];
};

struct toucher {
	virt_t at;
	bool was_alone;                 /* nobody had a share in the page when it began */
	int answer;
};

static struct space *shared_space, *child_space;

static void touch_once(void *argument)
{
	struct toucher *toucher = argument;

	sim_rest();
	toucher->was_alone = !child_space;
	toucher->answer = touch(shared_space, toucher->at);
	sim_leave_context();
	sim_thread_exit();
}

/* The simulated CPUs know no pages of the pool. */
static virt_t elsewhere(void)
{
	return PLACE(9);
}

static void all_is_quiet(void)
{
}

static void crowd_begin(uint64_t seed, const struct crowd *crowd)
{
	sim_seed(seed);
	world_start(SIM_CPUS_MAX);
	mmu_speculation_target = elsewhere;
	pool_make(crowd->pool);
	shared_space = unit_space(0);
	HOLDS(map_pages(shared_space, PLACE(0), crowd->pages, crowd->flags) == 0);
}

static void crowd_end(void)
{
	HOLDS(promised() == 0);
	unit_exit(shared_space);
	HOLDS(hugetlb_resize(LEVEL, 0) == 0);
	world_end();
}

static void touch_world(uint64_t seed, const void *argument)
{
	const struct crowd *crowd = argument;
	struct toucher touchers[CROWD];

	crowd_begin(seed, crowd);
	for (unsigned i = 0; i < CROWD; i++) {
		touchers[i] = (struct toucher){ .at = PLACE(crowd->places[i]), .answer = 1 };
		sim_thread_start(touch_once, &touchers[i], &shared_space->mmu);
	}
	sim_run(50000, 20000, all_is_quiet);
	for (unsigned i = 0; i < CROWD; i++)
		HOLDS(touchers[i].answer == 0);
	crowd_end();
}

TEST(threads_that_touch_the_last_page_together_all_get_it)
{
	static const struct crowd crowd = { .pool = 1, .pages = 1 };

	EXPECT(seeds_pass(UNIT_PROGRAM ".threads_that_touch*", 40, touch_world, &crowd));
}

/* Of the two at one place, one takes a page in vain. */
TEST(promised_page_is_there_though_another_is_taken_in_vain)
{
	static const struct crowd crowd = { .pool = 2, .pages = 2, .places = { 0, 0, 1 } };

	EXPECT(seeds_pass(UNIT_PROGRAM ".promised_page*", 15, touch_world, &crowd));
}

TEST(no_promise_is_left_over_where_there_are_pages_without)
{
	static const struct crowd crowd = { .pool = 3, .pages = 2, .places = { 0, 0, 1 } };

	EXPECT(seeds_pass(UNIT_PROGRAM ".no_promise*", 15, touch_world, &crowd));
}

TEST(page_without_promise_is_there_though_another_is_taken_in_vain)
{
	static const struct crowd crowd = {
		.pool = 2, .pages = 2, .flags = MAP_NORESERVE, .places = { 0, 0, 1 },
	};

	EXPECT(seeds_pass(UNIT_PROGRAM ".page_without*", 15, touch_world, &crowd));
}

/* ---- the last sharer leaves ---- */

static void leave(void *argument)
{
	struct space *child = child_space;

	sim_rest();
	space_put(child);
	child_space = NULL;
	sim_leave_context();
	sim_thread_exit();
}

/* Two write what they share with a child, and no page is left for a copy. */
static void leaving_world(uint64_t seed, const void *argument)
{
	static const struct crowd crowd = { .pool = 1, .pages = 1 };
	struct toucher touchers[2];

	crowd_begin(seed, &crowd);
	HOLDS(touch(shared_space, PLACE(0)) == 0);
	child_space = unit_fork(shared_space, FORK_SHARE_ROOT);
	sim_thread_start(leave, NULL, &kernel_context);
	for (unsigned i = 0; i < COUNT(touchers); i++) {
		touchers[i] = (struct toucher){ .at = PLACE(0), .answer = 1 };
		sim_thread_start(touch_once, &touchers[i], &shared_space->mmu);
	}
	sim_run(50000, 20000, all_is_quiet);
	for (unsigned i = 0; i < COUNT(touchers); i++)
		HOLDS(touchers[i].answer == 0 ||
		      (touchers[i].answer == -ENXIO && !touchers[i].was_alone));
	crowd_end();
}

TEST(who_is_alone_writes_though_another_thread_is_about_to_copy)
{
	EXPECT(seeds_pass(UNIT_PROGRAM ".who_is_alone*", 15, leaving_world, NULL));
}
