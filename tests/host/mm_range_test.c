/* SPDX-License-Identifier: MIT */
// sources: @tests/host/sim/sources
// flags: -DSIM -DCOWBELL_DEBUG
/*
 * mmap, munmap, mprotect, mremap, madvise, brk and stacks, one behaviour at a time.
 */
#include "tap.h"
#include "lib/abi/errno.h"
#include "mm/frame.h"
#include "mm/vma.h"
#include "kernel/upcall.h"
#include "tests/host/sim/unit.h"
#include "tests/host/sim/world.h"

#define UNIT_PROGRAM "mm_range"

/* ---- munmap ---- */

UNIT(munmap_gives_frames_and_tables_back)
{
	struct space *space = unit_space(600);
	uint64_t free_before = frames_free();

	for (unsigned page = 0; page < 600; page++)
		unit_put(space, PAGE(page), 1);
	HOLDS(space_unmap(space, BASE, 600 * PAGE_SIZE) == 0);
	HOLDS(space->resident == 0 && space->mapped_pages == 0);
	HOLDS(free_before - frames_free() <= 1);        /* at most a directory is kept */
	HOLDS(unit_access(space, PAGE(0), ACCESS_READ) == -EFAULT);
	unit_exit(space);
}

UNIT(munmap_reaches_what_other_cpus_remember)
{
	struct space *space = unit_space(2);

	unit_access_on(2, space, PAGE(0), ACCESS_WRITE);
	HOLDS(space_unmap(space, PAGE(0), PAGE_SIZE) == 0);
	HOLDS(unit_access_on(2, space, PAGE(0), ACCESS_READ) == -EFAULT);
	unit_exit(space);
}

UNIT(munmap_of_part_of_shared_table_keeps_neighbours)
{
	struct space *space = unit_space(8), *child;

	for (unsigned page = 0; page < 8; page++)
		unit_put(space, PAGE(page), page);
	child = unit_fork(space, FORK_SHARE_ROOT);
	HOLDS(space_unmap(child, PAGE(2), 3 * PAGE_SIZE) == 0);
	HOLDS(unit_get(child, PAGE(1)) == 1 && unit_get(child, PAGE(5)) == 5);
	HOLDS(unit_access(child, PAGE(2), ACCESS_READ) == -EFAULT);
	HOLDS(unit_get(space, PAGE(2)) == 2 && unit_get(space, PAGE(4)) == 4);
	HOLDS(child->resident == 5 && space->resident == 8);
	unit_exit(child);
	unit_exit(space);
}

UNIT(munmap_of_a_whole_shared_tree_is_one_put)
{
	struct space *space = unit_space(1500), *child;

	for (unsigned page = 0; page < 1500; page++)
		unit_put(space, PAGE(page), page);
	child = unit_fork(space, FORK_SHARE_ROOT);
	HOLDS(space_unmap(child, BASE, 1500 * PAGE_SIZE) == 0);
	HOLDS(unit_work(child, WORK_tables_copied) == 0 && child->resident == 0);
	HOLDS(unit_work(child, WORK_tables_freed) == 0);
	unit_exit(child);
	unit_exit(space);
}

/* ---- mprotect ---- */

UNIT(prot_none_parks_with_inverted_bits)
{
	struct space *space = unit_space(1);
	pfn_t frame;
	pte_t leaf;

	unit_put(space, PAGE(0), 5);
	frame = unit_frame(space, PAGE(0));
	HOLDS(space_protect(space, PAGE(0), PAGE_SIZE, PROT_NONE) == 0);
	leaf = unit_leaf(space, PAGE(0));
	HOLDS(!pte_is_present(leaf) && pte_is_parked(leaf));
	HOLDS((leaf.bits & PTE_FRAME) == (~(frame << PAGE_SHIFT) & PTE_FRAME));
	HOLDS(unit_access(space, PAGE(0), ACCESS_READ) == -EACCES);
	HOLDS(space->resident == 1 && frame_refs[frame] == 1);
	HOLDS(space_protect(space, PAGE(0), PAGE_SIZE, RW) == 0);
	HOLDS(unit_get(space, PAGE(0)) == 5);
	unit_put(space, PAGE(0), 6);
	HOLDS(unit_frame(space, PAGE(0)) == frame);
	unit_exit(space);
}

UNIT(parked_page_is_shared_by_fork)
{
	struct space *space = unit_space(1), *child;

	unit_put(space, PAGE(0), 5);
	HOLDS(space_protect(space, PAGE(0), PAGE_SIZE, PROT_NONE) == 0);
	child = unit_fork(space, FORK_SHARE_PAGE);
	HOLDS(space_protect(child, PAGE(0), PAGE_SIZE, RW) == 0);
	unit_put(child, PAGE(0), 6);
	HOLDS(space_protect(space, PAGE(0), PAGE_SIZE, PROT_READ) == 0);
	HOLDS(unit_get(space, PAGE(0)) == 5 && unit_get(child, PAGE(0)) == 6);
	unit_exit(child);
	unit_exit(space);
}

UNIT(right_to_execute_does_not_come_back_from_prot_none)
{
	struct space *space = unit_space(0);

	unit_map(space, PAGE(0), 1, RW | PROT_EXEC);
	unit_put(space, PAGE(0), 1);
	HOLDS(space_protect(space, PAGE(0), PAGE_SIZE, PROT_NONE) == 0);
	HOLDS(space_protect(space, PAGE(0), PAGE_SIZE, RW) == 0);
	HOLDS(unit_get(space, PAGE(0)) == 1);
	HOLDS(unit_access(space, PAGE(0), ACCESS_EXEC) == -EACCES);
	HOLDS(space_protect(space, PAGE(0), PAGE_SIZE, PROT_READ | PROT_EXEC) == 0);
	HOLDS(unit_access(space, PAGE(0), ACCESS_EXEC) == 1);
	unit_exit(space);
}

UNIT(mprotect_before_first_write_after_child_exit_is_respected)
{
	struct space *space = unit_space(2), *child;

	unit_put(space, PAGE(0), 1);
	unit_put(space, PAGE(1), 1);
	child = unit_fork(space, FORK_SHARE_ROOT);
	unit_put(child, PAGE(1), 2);
	unit_exit(child);
	HOLDS(space_protect(space, PAGE(0), PAGE_SIZE, PROT_READ) == 0);
	unit_put(space, PAGE(1), 3);                    /* takes the table back */
	HOLDS(unit_access(space, PAGE(0), ACCESS_WRITE) == -EACCES);
	unit_exit(space);
}

UNIT(mprotect_binds_one_process_only)
{
	struct space *space = unit_space(1), *child;

	unit_put(space, PAGE(0), 1);
	child = unit_fork(space, FORK_SHARE_ROOT);
	HOLDS(space_protect(child, PAGE(0), PAGE_SIZE, PROT_READ) == 0);
	HOLDS(unit_access(child, PAGE(0), ACCESS_WRITE) == -EACCES);
	unit_put(space, PAGE(0), 2);
	HOLDS(unit_get(child, PAGE(0)) == 1);
	unit_exit(child);
	unit_exit(space);
}

UNIT(mprotect_across_a_hole_changes_nothing)
{
	struct space *space = unit_space(1);

	unit_map(space, PAGE(2), 1, RW);
	HOLDS(space_protect(space, PAGE(0), 3 * PAGE_SIZE, PROT_READ) == -ENOMEM);
	unit_put(space, PAGE(0), 1);
	unit_put(space, PAGE(2), 1);
	unit_exit(space);
}

/* ---- ranges ---- */

UNIT(neighbours_with_equal_rights_are_one_range)
{
	struct space *space = unit_space(1);

	unit_map(space, PAGE(2), 1, RW);
	HOLDS(space->vmas->count == 2);
	unit_map(space, PAGE(1), 1, RW);
	HOLDS(space->vmas->count == 1 && space->mapped_pages == 3);
	HOLDS(space_protect(space, PAGE(1), PAGE_SIZE, PROT_READ) == 0);
	HOLDS(space->vmas->count == 3);
	HOLDS(space_protect(space, PAGE(1), PAGE_SIZE, RW) == 0);
	HOLDS(space->vmas->count == 1);
	unit_exit(space);
}

UNIT(fork_shares_the_ranges_until_one_side_changes_them)
{
	struct space *space = unit_space(1), *child = unit_fork(space, FORK_SHARE_ROOT);

	HOLDS(space->vmas == child->vmas && space->vmas->refs == 2);
	unit_map(child, PAGE(5), 1, RW);
	HOLDS(space->vmas != child->vmas && space->vmas->refs == 1);
	HOLDS(space->vmas->count == 1 && child->vmas->count == 2);
	unit_exit(child);
	unit_exit(space);
}

UNIT(map_fixed_replaces_and_noreplace_refuses)
{
	struct space *space = unit_space(3);
	struct map_request request = {
		.addr = PAGE(1), .len = PAGE_SIZE, .prot = RW,
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
	};
	virt_t addr;

	unit_put(space, PAGE(1), 5);
	unit_put(space, PAGE(2), 6);
	HOLDS(space_map(space, &request, &addr) == -EEXIST);
	HOLDS(unit_get(space, PAGE(1)) == 5);
	unit_map(space, PAGE(1), 1, RW);
	HOLDS(unit_get(space, PAGE(1)) == 0 && unit_get(space, PAGE(2)) == 6);
	unit_exit(space);
}

UNIT(kernel_finds_a_place_that_is_free)
{
	struct space *space = unit_space(4);
	struct map_request request = {
		.addr = PAGE(2), .len = 4 * PAGE_SIZE, .prot = RW,
		.flags = MAP_PRIVATE | MAP_ANONYMOUS,
	};
	virt_t first, second;

	space_layout(space, 0, 0);
	HOLDS(space_map(space, &request, &first) == 0);
	HOLDS(space_map(space, &request, &second) == 0);
	HOLDS(first + 4 * PAGE_SIZE <= second || second + 4 * PAGE_SIZE <= first);
	HOLDS(first + 4 * PAGE_SIZE <= BASE || first >= PAGE(4));
	HOLDS(space->mapped_pages == 12);
	unit_exit(space);
}

UNIT(committed_memory_is_what_was_ever_private_and_writable)
{
	struct space *space = unit_space(10), *child;
	uint64_t before = committed_total();

	HOLDS(space_protect(space, PAGE(0), 4 * PAGE_SIZE, PROT_READ) == 0);
	HOLDS(committed_total() == before);     /* what was written is still there */
	child = unit_fork(space, FORK_SHARE_ROOT);
	HOLDS(committed_total() == before + 10);
	unit_exit(child);
	HOLDS(space_unmap(space, PAGE(0), 10 * PAGE_SIZE) == 0);
	HOLDS(committed_total() == before - 10);
	unit_exit(space);
}

/* ---- mremap ---- */

static int move(struct space *space, virt_t from, uint64_t len, virt_t to)
{
	virt_t addr = to;
	int err = space_remap(space, from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, &addr);

	HOLDS(err || addr == to);
	return err;
}

UNIT(mremap_moves_pages_without_copying)
{
	struct space *space = unit_space(4);
	pfn_t frame;

	unit_put(space, PAGE(1), 7);
	frame = unit_frame(space, PAGE(1));
	HOLDS(move(space, PAGE(0), 4 * PAGE_SIZE, PAGE(1000)) == 0);
	HOLDS(unit_frame(space, PAGE(1001)) == frame);
	HOLDS(unit_get(space, PAGE(1001)) == 7 && unit_get(space, PAGE(1002)) == 0);
	HOLDS(unit_access(space, PAGE(1), ACCESS_READ) == -EFAULT);
	HOLDS(space->resident == 1);
	unit_exit(space);
}

UNIT(mremap_moves_a_shared_table_whole)
{
	struct space *space = unit_space(512), *child;
	uint64_t copied;

	for (unsigned page = 0; page < 512; page++)
		unit_put(space, PAGE(page), page);
	child = unit_fork(space, FORK_SHARE_ROOT);
	copied = unit_work(child, WORK_tables_copied);
	HOLDS(move(child, BASE, 2 * MIB, PAGE(2048)) == 0);
	HOLDS(unit_work(child, WORK_tables_copied) - copied == 2);      /* those above it */
	HOLDS(unit_get(child, PAGE(2048 + 9)) == 9 && unit_get(space, PAGE(9)) == 9);
	unit_put(child, PAGE(2048 + 9), 1);
	HOLDS(unit_get(space, PAGE(9)) == 9);
	unit_exit(child);
	unit_exit(space);
}

UNIT(mremap_grows_in_place_or_elsewhere_and_shrinks)
{
	struct space *space = unit_space(2);
	virt_t addr = 0;

	space_layout(space, 0, 0);
	unit_put(space, PAGE(1), 4);
	HOLDS(space_remap(space, BASE, 2 * PAGE_SIZE, 4 * PAGE_SIZE, 0, &addr) == 0);
	HOLDS(addr == BASE);
	unit_put(space, PAGE(3), 5);
	unit_map(space, PAGE(4), 1, PROT_READ);
	HOLDS(space_remap(space, BASE, 4 * PAGE_SIZE, 6 * PAGE_SIZE, 0, &addr) == -ENOMEM);
	HOLDS(space_remap(space, BASE, 4 * PAGE_SIZE, 6 * PAGE_SIZE, MREMAP_MAYMOVE, &addr) == 0);
	HOLDS(addr != BASE && unit_get(space, addr + PAGE_SIZE) == 4);
	HOLDS(unit_get(space, addr + 3 * PAGE_SIZE) == 5);
	HOLDS(space_remap(space, addr, 6 * PAGE_SIZE, PAGE_SIZE, 0, &addr) == 0);
	HOLDS(unit_access(space, addr + PAGE_SIZE, ACCESS_READ) == -EFAULT);
	unit_exit(space);
}

/* ---- madvise ---- */

UNIT(dontneed_empties_one_side_only)
{
	struct space *space = unit_space(2), *child;

	unit_put(space, PAGE(0), 1);
	unit_put(space, PAGE(1), 2);
	child = unit_fork(space, FORK_SHARE_ROOT);
	HOLDS(space_advise(child, PAGE(0), PAGE_SIZE, MADV_DONTNEED) == 0);
	HOLDS(unit_get(child, PAGE(0)) == 0 && unit_get(child, PAGE(1)) == 2);
	HOLDS(unit_get(space, PAGE(0)) == 1);
	unit_exit(child);
	unit_exit(space);
}

UNIT(fork_leaves_out_and_wipes_what_it_was_told_to)
{
	static const enum fork_share shares[] = {
		FORK_SHARE_NONE, FORK_SHARE_PAGE, FORK_SHARE_ROOT,
	};

	for (unsigned i = 0; i < COUNT(shares); i++) {
		struct space *space = unit_space(4), *child;

		for (unsigned page = 0; page < 4; page++)
			unit_put(space, PAGE(page), page + 1);
		HOLDS(space_advise(space, PAGE(0), PAGE_SIZE, MADV_DONTFORK) == 0);
		HOLDS(space_advise(space, PAGE(1), PAGE_SIZE, MADV_WIPEONFORK) == 0);
		child = unit_fork(space, shares[i]);
		HOLDS(unit_access(child, PAGE(0), ACCESS_READ) == -EFAULT);
		HOLDS(unit_get(child, PAGE(1)) == 0 && unit_get(child, PAGE(2)) == 3);
		for (unsigned page = 0; page < 4; page++)
			HOLDS(unit_get(space, PAGE(page)) == page + 1);
		unit_exit(child);
		unit_exit(space);
	}
}

UNIT(locked_memory_is_wiped_for_the_child_all_the_same)
{
	struct space *space = unit_space(1), *child;

	HOLDS(space_mlock(space, PAGE(0), PAGE_SIZE, VMA_LOCKED) == 0);
	unit_put(space, PAGE(0), 1);
	HOLDS(space_advise(space, PAGE(0), PAGE_SIZE, MADV_WIPEONFORK) == 0);
	child = unit_fork(space, FORK_SHARE_ROOT);
	HOLDS(unit_get(child, PAGE(0)) == 0 && unit_get(space, PAGE(0)) == 1);
	HOLDS(space->locked_pages == 1 && child->locked_pages == 0);
	unit_exit(child);
	unit_exit(space);
}

/* ---- brk and stacks ---- */

UNIT(brk_grows_and_shrinks_the_heap)
{
	struct space *space = unit_space(0);

	space->brk_start = space->brk = BASE;
	HOLDS(space_brk(space, PAGE(3) + 5) == PAGE(3) + 5);
	unit_put(space, PAGE(3), 1);
	HOLDS(space_brk(space, PAGE(1)) == PAGE(1));
	HOLDS(unit_access(space, PAGE(3), ACCESS_READ) == -EFAULT && space->resident == 0);
	HOLDS(space_brk(space, BASE - 1) == PAGE(1));
	unit_map(space, PAGE(2), 1, RW);
	HOLDS(space_brk(space, PAGE(4)) == PAGE(1));
	unit_exit(space);
}

UNIT(stack_grows_to_its_limit_and_keeps_its_distance)
{
	struct space *space = unit_space(1);
	struct map_request request = {
		.addr = PAGE(2000), .len = PAGE_SIZE, .prot = RW,
		.flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN,
	};
	virt_t addr;

	space->stack_room = 64 * PAGE_SIZE;
	HOLDS(space_map(space, &request, &addr) == 0);
	unit_put(space, PAGE(1990), 1);
	HOLDS(unit_access(space, PAGE(1900), ACCESS_WRITE) == -EFAULT);
	space->stack_room = 4000 * PAGE_SIZE;
	unit_put(space, PAGE(1900), 1);
	HOLDS(unit_access(space, PAGE(100), ACCESS_WRITE) == -EFAULT);  /* too near to BASE */
	unit_exit(space);
}

UNIT(stack_that_finds_no_memory_to_grow_asks_again)
{
	struct space *space = unit_space(0), *child;
	struct map_request request = {
		.addr = PAGE(2000), .len = PAGE_SIZE, .prot = RW,
		.flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN,
	};
	virt_t addr;

	HOLDS(space_map(space, &request, &addr) == 0);
	space->stack_room = 64 * PAGE_SIZE;
	child = unit_fork(space, FORK_SHARE_ROOT);
	world_fail_nth(1);              /* the child needs ranges of its own */
	HOLDS(unit_access(child, PAGE(1990), ACCESS_WRITE) == -ENOMEM);
	HOLDS(unit_access(child, PAGE(1990), ACCESS_WRITE) > 0);
	world_fail_nth(0);
	unit_exit(child);
	unit_exit(space);
}

/* ---- populate ---- */

static unsigned dies_after;             /* questions; 0: never */

bool upcall_is_dying(void)
{
	return dies_after > 0 && --dies_after == 0;
}

UNIT(populate_ends_when_its_program_is_to_die)
{
	struct space *space = unit_space(100);

	dies_after = 41;
	HOLDS(space_populate(space, BASE, 100 * PAGE_SIZE, ACCESS_WRITE) == -EINTR);
	HOLDS(space->resident == 40);
	dies_after = 11;
	HOLDS(space_mlock(space, PAGE(50), 30 * PAGE_SIZE, VMA_LOCKED) == -EINTR);
	HOLDS(space->resident == 50);
	HOLDS(space_populate(space, BASE, 100 * PAGE_SIZE, ACCESS_WRITE) == 0);
	HOLDS(space->resident == 100);
	unit_exit(space);
}
