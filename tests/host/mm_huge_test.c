/* SPDX-License-Identifier: MIT */
// sources: @tests/host/sim/sources
// flags: -DSIM -DCOWBELL_DEBUG
/*
 * Huge pages, one behaviour at a time: each count of each frame, and the exact work.
 *
 * A store to a shared one splits it, and copies a page; where MADV_HUGEPAGE was given, it copies
 * all.
 */
#include "tap.h"
#include "lib/abi/errno.h"
#include "tests/host/sim/huge.h"
#include "tests/host/sim/world.h"

#define UNIT_PROGRAM "mm_huge"

/* ---- filling ---- */

UNIT(one_fault_fills_a_whole_range_of_2_mib)
{
	struct space *space = unit_space(PIECE);

	advise(space, BASE, PIECE, MADV_HUGEPAGE);
	HOLDS(unit_access(space, PAGE(300), ACCESS_WRITE) == 1);
	HOLDS(unit_work(space, WORK_frames_zeroed) == PIECE);
	HOLDS(unit_work(space, WORK_tables_created) == 3);      /* none of pages */
	HOLDS(faults_of_stores(space, 300) == 0);
	HOLDS(space->resident == PIECE && frames_huge() == 1);

	pfn_t block = unit_frame(space, BASE);
	HOLDS(block % PIECE == 0 && frames[block].huge_refs == 1 && !frames[block].stale);
	HOLDS(all_have(block, 1, FRAME_NONE));
	HOLDS(unit_frame(space, PAGE(511)) == block + 511);
	unit_exit(space);
	HOLDS(frames_huge() == 0);
}

UNIT(nobody_gets_what_he_did_not_ask_for)
{
	struct space *space = unit_space(2 * PIECE);

	unit_put(space, PAGE(0), 1);
	HOLDS(!is_huge_at(space, BASE) && space->resident == 1);
	thp_set_mode(THP_NEVER);
	advise(space, PAGE(PIECE), PIECE, MADV_HUGEPAGE);
	unit_put(space, PAGE(PIECE), 1);
	HOLDS(!is_huge_at(space, PAGE(PIECE)) && space->resident == 2);
	unit_exit(space);
}

UNIT(range_must_cover_all_2_mib)
{
	struct space *space = unit_space(2 * PIECE - 1);

	advise(space, BASE, 2 * PIECE - 1, MADV_HUGEPAGE);
	unit_put(space, PAGE(PIECE), 1);
	unit_put(space, PAGE(0), 1);
	HOLDS(is_huge_at(space, BASE) && !is_huge_at(space, PAGE(PIECE)));
	HOLDS(space->resident == PIECE + 1);
	unit_exit(space);
}

UNIT(table_with_a_page_stays_a_table)
{
	struct space *space = unit_space(PIECE);

	unit_put(space, PAGE(7), 1);
	advise(space, BASE, PIECE, MADV_HUGEPAGE);
	unit_put(space, PAGE(8), 1);
	HOLDS(!is_huge_at(space, BASE) && space->resident == 2);
	unit_exit(space);
}

/* ---- sharing ---- */

UNIT(fork_counts_a_block_as_it_counts_a_table)
{
	static const uint32_t holders[] = { 2, 2, 1, 1 };       /* its table is copied, or not */

	for (unsigned i = 0; i < COUNT(shares); i++) {
		struct space *space = huge_space(1), *child = unit_fork(space, shares[i]);
		pfn_t block = unit_frame(space, BASE);

		HOLDS(frames[block].huge_refs == holders[i] && all_have(block, 1, FRAME_NONE));
		HOLDS(unit_frame(child, BASE) == block && unit_get(child, BASE) == 1);
		HOLDS(child->resident == PIECE && is_sound());
		unit_exit(space);
		HOLDS(frames[block].huge_refs == 1 && frames_huge() == 1);
		HOLDS(unit_access(child, PAGE(9), ACCESS_WRITE) == 1);
		HOLDS(is_huge_at(child, BASE) && unit_work(child, WORK_frames_copied) == 0);
		unit_exit(child);
		HOLDS(frames_huge() == 0);
	}
}

UNIT(store_to_a_shared_block_copies_one_page)
{
	for (unsigned i = 0; i < COUNT(shares); i++) {
		struct space *space = huge_to_split(), *child = unit_fork(space, shares[i]);
		pfn_t block = unit_frame(space, BASE);

		HOLDS(unit_access(child, PAGE(3), ACCESS_WRITE) == 1);
		HOLDS(unit_work(child, WORK_huge_splits) == 1);
		HOLDS(unit_work(child, WORK_frames_copied) == 1);
		HOLDS(unit_work(child, WORK_shootdowns) == 1);
		HOLDS(frames[block].huge_refs == 1 && frames[block].stale);
		HOLDS(frame_refs[block + 3] == 1 && all_have(block, 2, block + 3));
		HOLDS(frame_refs[unit_frame(child, PAGE(3))] == 1);
		HOLDS(unit_frame(child, PAGE(4)) == block + 4);
		HOLDS(child->resident == PIECE && space->resident == PIECE);
		HOLDS(is_huge_at(space, BASE) && is_sound());
		unit_put(child, BASE, 8);
		HOLDS(unit_get(space, BASE) == 1);
		unit_exit(child);
		HOLDS(all_have(block, 1, FRAME_NONE));
		unit_exit(space);
	}
}

UNIT(last_holder_of_a_block_that_was_split_puts_each_frame)
{
	struct space *space = huge_to_split(), *child = unit_fork(space, FORK_SHARE_ROOT);
	pfn_t block = unit_frame(space, BASE);

	unit_put(child, PAGE(3), 8);
	unit_exit(space);
	HOLDS(frames_huge() == 0 && frames[block].huge_refs == 0);
	HOLDS(frames[block + 3].kind == FRAME_FREE && all_have(block, 1, block + 3));
	HOLDS(unit_get(child, BASE) == 1 && is_sound());
	HOLDS(unit_access(child, BASE, ACCESS_WRITE) == 1);
	HOLDS(unit_frame(child, BASE) == block && unit_work(child, WORK_frames_copied) == 1);
	unit_exit(child);
}

UNIT(block_whose_sharers_are_gone_is_taken_back_whole)
{
	struct space *space = huge_to_split(), *child = unit_fork(space, FORK_SHARE_PAGE);
	pfn_t block = unit_frame(space, BASE);

	unit_put(child, PAGE(3), 8);
	unit_exit(child);
	HOLDS(frames[block].huge_refs == 1 && frames[block].stale);
	HOLDS(unit_access(space, PAGE(5), ACCESS_WRITE) == 1);
	HOLDS(faults_of_stores(space, 5) == 0);
	HOLDS(unit_work(space, WORK_huge_reuses) == 1 && unit_work(space, WORK_huge_splits) == 0);
	HOLDS(!frames[block].stale && unit_frame(space, BASE) == block);
	unit_exit(space);
}

UNIT(block_is_not_taken_back_while_one_of_its_frames_is_shared)
{
	for (unsigned i = 0; i < COUNT(shares); i++) {
		struct space *space = huge_to_split(), *child = unit_fork(space, shares[i]);
		pfn_t block = unit_frame(space, BASE);

		unit_put(child, PAGE(3), 8);
		struct space *grandchild = unit_fork(child, FORK_SHARE_ROOT);
		HOLDS(space_unmap(child, PAGE(6), (PIECE - 6) * PAGE_SIZE) == 0);
		unit_exit(child);
		HOLDS(frames[block].huge_refs == 1 && frames[block].stale);
		unit_put(space, PAGE(0), 9);
		HOLDS(unit_get(grandchild, PAGE(0)) == 1 && unit_get(grandchild, PAGE(3)) == 8);
		HOLDS(unit_work(space, WORK_huge_splits) == 1);
		HOLDS(unit_work(space, WORK_frames_copied) == 1);
		HOLDS(frames[block].huge_refs == 0 && frames_huge() == 0);
		HOLDS(frame_refs[block] == 1 && frame_refs[block + 3] == 1);
		HOLDS(frame_refs[block + 1] == 2 && is_sound());
		unit_exit(grandchild);
		HOLDS(unit_access(space, PAGE(1), ACCESS_WRITE) <= 1);
		HOLDS(unit_work(space, WORK_frames_copied) == 1);
		unit_exit(space);
	}
}

UNIT(advice_and_plenty_of_memory_copy_a_shared_block_whole)
{
	struct space *space = huge_space(1), *child = unit_fork(space, FORK_SHARE_ROOT);
	pfn_t block = unit_frame(space, BASE);

	HOLDS(unit_access(child, PAGE(3), ACCESS_WRITE) == 1);
	HOLDS(unit_work(child, WORK_huge_copies) == 1 && unit_work(child, WORK_huge_splits) == 0);
	HOLDS(unit_work(child, WORK_frames_copied) == PIECE);
	HOLDS(is_huge_at(child, BASE) && unit_frame(child, BASE) != block);
	HOLDS(unit_get(child, BASE) == 1 && frames_huge() == 2);
	HOLDS(frames[block].huge_refs == 1 && !frames[block].stale);
	HOLDS(all_have(block, 1, FRAME_NONE) && is_sound());
	unit_exit(child);
	unit_exit(space);
}

UNIT(other_cpus_forget_a_block_that_was_copied)
{
	struct space *space = huge_space(1), *child = unit_fork(space, FORK_SHARE_ROOT);

	for (unsigned page = 0; page < PIECE; page += 100)
		HOLDS(unit_access_on(2, child, PAGE(page), ACCESS_READ) >= 0);
	unit_put(child, PAGE(511), 8);
	HOLDS(is_sound());                              /* none of CPU 2's translations is left */
	unit_exit(child);
	unit_exit(space);
}

UNIT(naive_fork_leaves_the_parent_its_block)
{
	struct space *space = huge_space(1), *child = unit_fork(space, FORK_SHARE_NONE);
	pfn_t block = unit_frame(space, BASE);

	HOLDS(unit_work(child, WORK_frames_copied) == PIECE && child->resident == PIECE);
	HOLDS(frames[block].huge_refs == 1 && all_have(block, 1, FRAME_NONE));
	HOLDS(unit_get(child, BASE) == 1 && is_sound());
	HOLDS(unit_access(child, PAGE(3), ACCESS_WRITE) == 0);
	unit_put(space, PAGE(3), 9);
	HOLDS(is_huge_at(space, BASE) && unit_work(space, WORK_frames_copied) == 0);
	unit_exit(child);
	unit_exit(space);
}

/* ---- parts ---- */

UNIT(last_holder_writes_a_block_down_without_counting)
{
	struct space *space = huge_space(1);
	pfn_t block = unit_frame(space, BASE);
	uint64_t free_before = frames_free();

	HOLDS(space_unmap(space, PAGE(100), PAGE_SIZE) == 0);
	HOLDS(unit_work(space, WORK_huge_splits) == 1);
	HOLDS(unit_work(space, WORK_entries_shared) == 0);
	HOLDS(frames_free() == free_before);            /* a page came, a table went */
	HOLDS(space->resident == PIECE - 1 && frames_huge() == 0);
	HOLDS(frames[block].huge_refs == 0 && all_have(block, 1, block + 100));
	HOLDS(unit_access(space, PAGE(100), ACCESS_READ) == -EFAULT);
	HOLDS(unit_get(space, BASE) == 1 && faults_of_stores(space, 100) == 0 && is_sound());
	unit_exit(space);
}

UNIT(unmapping_a_part_leaves_the_child_all)
{
	for (unsigned i = 0; i < COUNT(shares); i++) {
		struct space *space = huge_space(1), *child = unit_fork(space, shares[i]);

		unit_access_on(3, space, PAGE(511), ACCESS_READ);
		HOLDS(space_unmap(space, PAGE(1), (PIECE - 1) * PAGE_SIZE) == 0);
		HOLDS(unit_access_on(3, space, PAGE(511), ACCESS_READ) == -EFAULT);
		HOLDS(space->resident == 1 && child->resident == PIECE && is_sound());
		unit_put(space, BASE, 5);
		HOLDS(unit_get(child, BASE) == 1 && unit_get(child, PAGE(511)) == 0);
		unit_exit(space);
		HOLDS(unit_access(child, BASE, ACCESS_WRITE) == 1);
		HOLDS(is_huge_at(child, BASE) && faults_of_stores(child, 0) == 0);
		unit_exit(child);
	}
}

UNIT(unmapping_a_whole_block_is_one_put)
{
	struct space *space = huge_space(2), *child = unit_fork(space, FORK_SHARE_PAGE);
	pfn_t block = unit_frame(space, BASE);

	HOLDS(space_unmap(space, BASE, PIECE * PAGE_SIZE) == 0);
	HOLDS(frames[block].huge_refs == 1 && all_have(block, 1, FRAME_NONE));
	HOLDS(unit_work(space, WORK_huge_splits) == 0 && space->resident == PIECE);
	HOLDS(unit_get(space, PAGE(PIECE)) == 2 && unit_get(child, BASE) == 1);
	unit_exit(child);
	HOLDS(frames_huge() == 1);
	unit_exit(space);
}

UNIT(dropped_part_comes_back_as_zeros)
{
	struct space *space = huge_space(1), *child = unit_fork(space, FORK_SHARE_ROOT);

	unit_put(child, PAGE(2), 7);
	advise(child, PAGE(2), 2, MADV_DONTNEED);
	HOLDS(unit_get(child, PAGE(2)) == 0 && unit_get(child, PAGE(0)) == 1);
	advise(space, BASE, 1, MADV_DONTNEED);
	HOLDS(unit_get(space, BASE) == 0 && unit_get(child, BASE) == 1);
	HOLDS(space->resident == PIECE - 1 && child->resident == PIECE - 2 && is_sound());
	unit_exit(space);
	unit_exit(child);
}

UNIT(rights_of_a_whole_block_change_in_its_leaf)
{
	struct space *space = huge_space(1);
	pfn_t block = unit_frame(space, BASE);

	unit_access_on(1, space, PAGE(200), ACCESS_WRITE);
	HOLDS(space_protect(space, BASE, PIECE * PAGE_SIZE, PROT_READ) == 0);
	HOLDS(unit_access_on(1, space, PAGE(200), ACCESS_WRITE) == -EACCES && is_sound());
	HOLDS(space_protect(space, BASE, PIECE * PAGE_SIZE, PROT_NONE) == 0);
	HOLDS(pte_is_parked(unit_leaf(space, PAGE(5))) && unit_frame(space, PAGE(5)) == block + 5);
	HOLDS(unit_access(space, BASE, ACCESS_READ) == -EACCES && space->resident == PIECE);

	struct space *child = unit_fork(space, FORK_SHARE_PAGE);
	HOLDS(frames[block].huge_refs == 2 && is_sound());
	HOLDS(space_protect(space, BASE, PIECE * PAGE_SIZE, RW) == 0);
	HOLDS(unit_get(space, BASE) == 1 && is_huge_at(space, BASE));
	HOLDS(unit_work(space, WORK_huge_splits) == 0);
	unit_exit(child);
	HOLDS(unit_access(space, BASE, ACCESS_WRITE) == 1 && unit_frame(space, BASE) == block);
	unit_exit(space);
}

UNIT(rights_of_a_part_change_in_its_pages)
{
	for (unsigned i = 0; i < COUNT(shares); i++) {
		struct space *space = huge_space(1), *child = unit_fork(space, shares[i]);

		HOLDS(space_protect(space, PAGE(10), PAGE_SIZE, PROT_NONE) == 0);
		HOLDS(space_protect(space, PAGE(11), PAGE_SIZE, PROT_READ) == 0);
		HOLDS(unit_work(space, WORK_huge_splits) == 1 && space->resident == PIECE);
		unit_exit(child);
		HOLDS(unit_access(space, PAGE(10), ACCESS_READ) == -EACCES);
		HOLDS(unit_access(space, PAGE(11), ACCESS_WRITE) == -EACCES);
		HOLDS(unit_access(space, PAGE(9), ACCESS_WRITE) >= 0);
		HOLDS(unit_access(space, PAGE(11), ACCESS_WRITE) == -EACCES && is_sound());
		HOLDS(space_protect(space, PAGE(10), 2 * PAGE_SIZE, RW) == 0);
		unit_put(space, PAGE(10), 4);
		unit_put(space, PAGE(11), 4);
		HOLDS(unit_work(space, WORK_frames_copied) == 0);
		unit_exit(space);
	}
}

UNIT(block_in_two_ranges_is_written_down_by_the_next_fault)
{
	struct space *space = huge_to_split();

	advise(space, PAGE(PIECE / 2), PIECE / 2, MADV_DONTFORK);       /* the range ends inside */
	HOLDS(is_huge_at(space, BASE));

	struct space *child = unit_fork(space, FORK_SHARE_PAGE);
	HOLDS(child->resident == PIECE / 2 && unit_get(child, BASE) == 1);
	HOLDS(unit_access(child, PAGE(PIECE / 2), ACCESS_READ) == -EFAULT && is_sound());
	for (unsigned page = 0; page < PIECE; page += 100)
		unit_access_on(1, space, PAGE(page), ACCESS_READ);
	unit_put(space, PAGE(0), 2);
	unit_put(space, PAGE(511), 3);
	HOLDS(!is_huge_at(space, BASE) && unit_get(child, BASE) == 1 && is_sound());
	unit_exit(child);
	unit_exit(space);
}

UNIT(no_cpu_remembers_a_block_that_was_written_down)
{
	struct space *space = huge_space(1);

	HOLDS(space_protect(space, BASE, PIECE * PAGE_SIZE, PROT_READ) == 0);
	HOLDS(space_protect(space, BASE, PIECE * PAGE_SIZE, RW) == 0);
	advise(space, PAGE(PIECE / 2), PIECE / 2, MADV_DONTDUMP);
	unit_access_on(1, space, PAGE(300), ACCESS_READ);
	unit_put(space, PAGE(3), 5);                    /* nothing is copied: only the split */
	HOLDS(unit_work(space, WORK_huge_splits) == 1 && unit_work(space, WORK_frames_copied) == 0);
	HOLDS(is_sound() && unit_get(space, BASE) == 1);
	unit_exit(space);
}

UNIT(block_moves_as_one_entry_and_its_parts_as_pages)
{
	struct space *space = huge_space(2);
	pfn_t first = unit_frame(space, BASE), second = unit_frame(space, PAGE(PIECE));
	virt_t whole = PAGE(8 * PIECE), part = PAGE(12 * PIECE + 1);

	HOLDS(space_remap(space, BASE, PIECE * PAGE_SIZE, PIECE * PAGE_SIZE,
			  MREMAP_MAYMOVE | MREMAP_FIXED, &whole) == 0);
	HOLDS(is_huge_at(space, whole) && unit_frame(space, whole) == first);
	HOLDS(frames[first].huge_refs == 1 && unit_access(space, whole, ACCESS_WRITE) == 0);

	unit_access_on(2, space, PAGE(PIECE + 5), ACCESS_READ);
	HOLDS(space_remap(space, PAGE(PIECE + 5), PAGE_SIZE, PAGE_SIZE,
			  MREMAP_MAYMOVE | MREMAP_FIXED, &part) == 0);
	HOLDS(unit_frame(space, part) == second + 5 && frames_huge() == 1);
	HOLDS(unit_access_on(2, space, PAGE(PIECE + 5), ACCESS_READ) == -EFAULT);
	HOLDS(unit_get(space, PAGE(PIECE)) == 2 && space->resident == 2 * PIECE && is_sound());
	unit_exit(space);
}

/* ---- threads ---- */

enum { THREADS = 4, STEPS = 60000, QUIET_INTERVAL = 5000 };

static void access_any(struct world_space *at)
{
	enum access access = sim_chance(3) ? ACCESS_WRITE : ACCESS_READ;

	HOLDS(world_access(at, sim_below(3), 0, access) == 0);
}

/* A child shares the block for a while. */
static void child_main(void *argument)
{
	sim_rest();
	for (unsigned left = 1 + sim_below(30); left > 0; left--) {
		access_any(argument);
		sim_rest();
	}
	world_exit(argument);
}

static void thread_main(void *argument)
{
	struct world_space *at = argument, *child;

	for (sim_rest(); !sim_is_over(); sim_rest()) {
		access_any(at);
		if (!sim_chance(25) || world_fork(at, FORK_SHARE_ROOT, &child) != 0)
			continue;
		if (!sim_thread_start(child_main, child, &child->space->mmu))
			world_exit(child);
	}
	world_exit(at);
}

static void threads_world(uint64_t seed, const void *unused)
{
	struct world_space *at;
	struct map_request request = {
		.addr = spot_addr(0), .len = PIECE * PAGE_SIZE, .prot = RW,
		.flags = MAP_FIXED | MAP_NORESERVE | MAP_PRIVATE | MAP_ANONYMOUS,
	};

	sim_seed(seed);
	world_start(THREADS);
	at = world_space_new();
	at->space = space_create();
	HOLDS(world_map(at, &request, NULL) == 0);
	HOLDS(world_advise(at, request.addr, request.addr + request.len, MADV_HUGEPAGE) == 0);
	at->threads = THREADS;
	for (unsigned i = 0; i < THREADS; i++)
		sim_thread_start(thread_main, at, &at->space->mmu);
	sim_run(STEPS, QUIET_INTERVAL, world_check);
	world_end();
}

TEST(all_threads_see_the_last_store_to_a_block_while_it_is_copied)
{
	EXPECT(seeds_pass(UNIT_PROGRAM ".all_threads*", 20, threads_world, NULL));
}
