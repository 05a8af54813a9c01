/* SPDX-License-Identifier: MIT */
// sources: @tests/host/sim/sources
// flags: -DSIM -DCOWBELL_DEBUG
/*
 * Wide stress: several programs with several threads do everything at once, all over the address
 * space.
 *
 * Finds mistakes in how operations meet.  Its pages are too many for the narrowest races; those are
 * mm_litmus_test.c's.
 */
#include "tap.h"
#include "tests/host/sim/seeds.h"
#include "tests/host/sim/world.h"

static void run(uint64_t seed, const void *plan)
{
	world_run(plan, seed);
}

TEST(programs_see_their_own_memory_whatever_others_do)
{
	static const struct world_plan plan = {
		.cpus = 3, .steps = 200000, .quiet_interval = 4000,
		.first_threads = 2, .threads_max = 3, .spaces_max = 6,
		.share = {
			[OP_LOAD] = 400, [OP_STORE] = 350, [OP_EXECUTE] = 30, [OP_FORK] = 25,
			[OP_EXIT] = 22, [OP_THREAD] = 15, [OP_MAP] = 30, [OP_UNMAP] = 6,
			[OP_PROTECT] = 25, [OP_MOVE] = 15, [OP_ADVISE] = 15,
			[OP_OBJECT_WRITE] = 10, [OP_OBJECT_CUT] = 6, [OP_PEEK] = 20,
		},
	};

	EXPECT(seeds_pass("mm_stress.programs_see*", 60, run, &plan));
}

TEST(threads_of_one_program_see_one_memory)
{
	static const struct world_plan plan = {
		.cpus = 4, .steps = 200000, .quiet_interval = 3000,
		.first_threads = 4, .threads_max = 5, .spaces_max = 3,
		.share = {
			[OP_LOAD] = 400, [OP_STORE] = 350, [OP_FORK] = 30, [OP_EXIT] = 30,
			[OP_THREAD] = 20, [OP_MAP] = 25, [OP_PROTECT] = 20, [OP_MOVE] = 25,
			[OP_ADVISE] = 15, [OP_PEEK] = 10,
		},
	};

	EXPECT(seeds_pass("mm_stress.threads_of*", 40, run, &plan));
}

TEST(generations_of_children_share_and_part)
{
	static const struct world_plan plan = {
		.cpus = 3, .steps = 200000, .quiet_interval = 2500,
		.first_threads = 1, .threads_max = 1, .spaces_max = WORLD_SPACES,
		.share = {
			[OP_LOAD] = 300, [OP_STORE] = 300, [OP_FORK] = 60, [OP_EXIT] = 50,
			[OP_UNMAP] = 4, [OP_MAP] = 15, [OP_PROTECT] = 12, [OP_ADVISE] = 10,
		},
	};

	EXPECT(seeds_pass("mm_stress.generations*", 40, run, &plan));
}

TEST(huge_pages_are_shared_split_and_made_again)
{
	static const struct world_plan plan = {
		.cpus = 3, .steps = 200000, .quiet_interval = 3000, .wants_huge = true,
		.first_threads = 3, .threads_max = 3, .spaces_max = 4,
		.share = {
			[OP_LOAD] = 200, [OP_STORE] = 300, [OP_FORK] = 50, [OP_EXIT] = 45,
			[OP_THREAD] = 15, [OP_MAP] = 30, [OP_PROTECT] = 12, [OP_MOVE] = 12,
			[OP_ADVISE] = 30, [OP_PEEK] = 10,
		},
	};

	EXPECT(seeds_pass("mm_stress.huge*", 60, run, &plan));
}
