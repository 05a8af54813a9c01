/* SPDX-License-Identifier: MIT */
// sources: @tests/host/sim/sources
// flags: -DSIM -DCOWBELL_DEBUG
/*
 * Memory runs out everywhere: at the n-th allocation for each n, and at random.
 *
 * A call that fails has changed nobody's memory: after each failure all pages of all spaces are
 * compared with the model and everything is recounted.  Tried again, the call succeeds.  At the
 * end nothing is left.
 */
#include <unistd.h>

#include "tap.h"
#include "lib/abi/errno.h"
#include "tests/host/sim/seeds.h"
#include "tests/host/sim/world.h"

enum { FAILURES_MAX = 5000 };

static bool was_short;                  /* in this world, at all */

/* Do it; if memory was short, look at everything and do it again. */
#define TRY(call)                                                                                  \
	do {                                                                                       \
		int err_ = (call);                                                                 \
		if (err_ == -ENOMEM && world_has_failed()) {                                       \
			was_short = true;                                                          \
			world_fail_nth(0);                                                         \
			world_check();                                                             \
			err_ = (call);                                                             \
		}                                                                                  \
		if (err_ != 0)                                                                     \
			sim_violation("%s answers %d", #call, err_);                               \
	} while (0)

/* The first island's first pages, its second table, the end of the GiB, another root slot. */
static const unsigned used_spots[] = { 0, 1, 2, 6, 7, 8, 10, 11, 27, 29, 30, 49, 50, 60, 61 };

static virt_t after(unsigned spot)
{
	return spot_addr(spot) + PAGE_SIZE;
}

static void map(struct world_space *at, unsigned first, unsigned last, struct model_object *object,
		uint32_t type)
{
	struct map_request request = {
		.addr = spot_addr(first), .len = after(last) - spot_addr(first),
		.prot = PROT_READ | PROT_WRITE, .vma_flags = VMA_MAYWRITE,
		.flags = MAP_FIXED | MAP_NORESERVE | type | (object ? 0 : MAP_ANONYMOUS),
		.object = object ? object->object : NULL,
	};

	TRY(world_map(at, &request, object));
}

static void store_all(struct world_space *at, unsigned step)
{
	world_enter(0, at);
	for (unsigned i = 0; i < COUNT(used_spots); i += step)
		TRY(world_store(at, used_spots[i]));
}

static void load_all(struct world_space *at)
{
	world_enter(0, at);
	for (unsigned i = 0; i < COUNT(used_spots); i++)
		TRY(world_load(at, used_spots[i]));
}

static struct world_space *begin(void)
{
	struct world_space *at = world_space_new();

	at->space = space_create();
	if (!at->space && world_has_failed()) {
		was_short = true;
		at->space = space_create();
	}
	map(at, 0, SPOTS - 1, NULL, MAP_PRIVATE);
	return at;
}

static struct world_space *fork_of(struct world_space *at, enum fork_share share)
{
	struct world_space *child = NULL;

	TRY(world_fork(at, share, &child));
	return child;
}

/* Parent, child and grandchild write over each other's shares. */
static void part_ways(struct world_space *parent, enum fork_share share)
{
	struct world_space *child = fork_of(parent, share);
	struct world_space *grandchild;

	store_all(child, 3);
	grandchild = fork_of(child, FORK_SHARE_ROOT);
	store_all(parent, 2);
	store_all(grandchild, 4);
	load_all(child);
	TRY(world_unmap(child, spot_addr(1), after(6)));
	TRY(world_protect(grandchild, spot_addr(0), after(30), PROT_READ));
	world_enter(0, NULL);
	world_exit(child);
	TRY(world_protect(grandchild, spot_addr(0), after(30), PROT_READ | PROT_WRITE));
	store_all(grandchild, 1);
	world_enter(0, NULL);
	world_exit(grandchild);
	store_all(parent, 1);
}

static void rearrange(struct world_space *at, enum fork_share share)
{
	struct world_space *child = fork_of(at, share);

	world_enter(0, at);
	TRY(world_protect(at, spot_addr(1), after(8), PROT_NONE));
	TRY(world_move(at, spot_addr(10), 2 * MIB, spot_addr(20)));
	TRY(world_move(at, spot_addr(60), 2 * PAGE_SIZE, spot_addr(43)));
	TRY(world_advise(at, spot_addr(49), after(50), MADV_DONTNEED));
	TRY(world_protect(at, spot_addr(1), after(8), PROT_READ | PROT_WRITE));
	TRY(world_advise(at, spot_addr(6), after(8), MADV_WIPEONFORK));
	TRY(world_advise(at, spot_addr(27), after(29), MADV_DONTFORK));
	world_enter(0, NULL);
	world_exit(child);
	world_exit(fork_of(at, share));
}

static void use_files(struct world_space *at, enum fork_share share)
{
	struct world_space *child;

	map(at, 0, 4, &model_objects[0], MAP_PRIVATE);
	map(at, 6, 9, &model_objects[2], MAP_SHARED);
	world_enter(0, at);
	for (unsigned spot = 0; spot < 9; spot += 2) {
		TRY(world_load(at, spot));
		TRY(world_store(at, spot));
	}
	child = fork_of(at, share);
	world_enter(0, child);
	for (unsigned spot = 0; spot < 9; spot++) {
		if (spot != 5)
			TRY(world_store(child, spot));
	}
	world_enter(0, NULL);
	world_exit(child);
}

static void everything(uint64_t nth, const void *share)
{
	struct world_space *at;

	sim_seed(nth);
	world_start(1);
	world_fail_nth(nth);
	at = begin();
	store_all(at, 1);
	part_ways(at, *(const enum fork_share *)share);
	rearrange(at, *(const enum fork_share *)share);
	use_files(at, *(const enum fork_share *)share);
	world_fail_nth(0);
	world_check();
	world_end();
	if (!was_short)
		_exit(SEEDS_NO_MORE);
}

TEST(a_call_that_fails_for_want_of_memory_changes_nothing)
{
	for (enum fork_share share = FORK_SHARE_NONE; share <= FORK_SHARE_ROOT; share++)
		EXPECT(seeds_pass("mm_failure.a_call*", FAILURES_MAX, everything, &share));
}

static void run(uint64_t seed, const void *plan)
{
	world_run(plan, seed);
}

TEST(programs_survive_memory_that_comes_and_goes)
{
	static const struct world_plan plan = {
		.cpus = 3, .steps = 150000, .quiet_interval = 2000, .failures_per_1000 = 60,
		.first_threads = 2, .threads_max = 3, .spaces_max = 6,
		.share = {
			[OP_LOAD] = 300, [OP_STORE] = 350, [OP_FORK] = 40, [OP_EXIT] = 20,
			[OP_THREAD] = 15, [OP_MAP] = 30, [OP_UNMAP] = 8, [OP_PROTECT] = 30,
			[OP_MOVE] = 20, [OP_OBJECT_CUT] = 6, [OP_PEEK] = 20,
		},
	};

	EXPECT(seeds_pass("mm_failure.programs*", 60, run, &plan));
}
