/* SPDX-License-Identifier: MIT */
// sources: @tests/host/sim/sources
// flags: -DSIM -DCOWBELL_DEBUG
/*
 * One page, one thread per CPU, and a storm of forks: the narrowest races.
 *
 * A new page that is writable before all CPUs have forgotten the old one, a CPU that misses a
 * shootdown while it changes spaces: wide stress does not meet these, because no two threads look
 * at one page at the right moment.
 */
#include "tap.h"
#include "tests/host/sim/seeds.h"
#include "tests/host/sim/world.h"

static void run(uint64_t seed, const void *plan)
{
	world_run(plan, seed);
}

TEST(all_threads_see_the_last_store_to_a_page_while_it_is_copied)
{
	static const struct world_plan plan = {
		.cpus = 4, .steps = 150000, .quiet_interval = 5000, .spots = 1,
		.first_threads = 4, .threads_max = 4, .spaces_max = 5, .does_first_only_fork = true,
		.share = { [OP_LOAD] = 450, [OP_STORE] = 330, [OP_FORK] = 40, [OP_EXIT] = 60 },
	};

	EXPECT(seeds_pass("mm_litmus.all_threads*", 60, run, &plan));
}

TEST(pages_come_and_go_under_running_threads)
{
	static const struct world_plan plan = {
		.cpus = 4, .steps = 150000, .quiet_interval = 5000, .spots = 2,
		.first_threads = 4, .threads_max = 4, .spaces_max = 5, .does_first_only_fork = true,
		.share = {
			[OP_LOAD] = 450, [OP_STORE] = 330, [OP_FORK] = 30, [OP_EXIT] = 60,
			[OP_MAP] = 30, [OP_PROTECT] = 20, [OP_ADVISE] = 20,
		},
	};

	EXPECT(seeds_pass("mm_litmus.pages_come*", 40, run, &plan));
}

TEST(views_of_a_file_are_cut_off_under_running_threads)
{
	static const struct world_plan plan = {
		.cpus = 4, .steps = 150000, .quiet_interval = 5000, .spots = 3,
		.first_threads = 2, .threads_max = 2, .spaces_max = 6,
		.share = {
			[OP_LOAD] = 300, [OP_STORE] = 250, [OP_FORK] = 30, [OP_EXIT] = 60,
			[OP_MAP] = 60, [OP_OBJECT_WRITE] = 40, [OP_OBJECT_CUT] = 60, [OP_PEEK] = 30,
		},
	};

	EXPECT(seeds_pass("mm_litmus.views_of*", 40, run, &plan));
}

TEST(children_born_while_a_file_is_cut_lose_their_views_too)
{
	static const struct world_plan plan = {
		.cpus = 4, .steps = 60000, .quiet_interval = 500, .spots = 2,
		.first_threads = 3, .threads_max = 3, .spaces_max = 4, .does_first_only_fork = true,
		.maps_loose_only = true,
		.share = {
			[OP_LOAD] = 100, [OP_STORE] = 60, [OP_FORK] = 100, [OP_EXIT] = 40,
			[OP_MAP] = 40, [OP_OBJECT_WRITE] = 20, [OP_OBJECT_CUT] = 120,
		},
	};

	EXPECT(seeds_pass("mm_litmus.children_born*", 40, run, &plan));
}
