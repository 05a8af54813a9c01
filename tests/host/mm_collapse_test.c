/* SPDX-License-Identifier: MIT */
// sources: @tests/host/sim/sources
// flags: -DSIM -DCOWBELL_DEBUG
/*
 * What stands where a huge page could: tables that become one, and the table of zeros.  And how all
 * that fails for lack of memory.
 */
#include "tap.h"
#include "lib/abi/errno.h"
#include "tests/host/sim/huge.h"
#include "tests/host/sim/world.h"

#define UNIT_PROGRAM "mm_collapse"

/* ---- collapse ---- */

UNIT(frames_side_by_side_become_a_block_again)
{
	struct space *space = huge_space(1);
	pfn_t block = unit_frame(space, BASE);

	HOLDS(space_protect(space, PAGE(1), PAGE_SIZE, PROT_READ) == 0);
	HOLDS(space_protect(space, PAGE(1), PAGE_SIZE, RW) == 0);
	HOLDS(!is_huge_at(space, BASE));
	for (unsigned page = 0; page < PIECE; page += 100)
		unit_access_on(1, space, PAGE(page), ACCESS_READ);
	advise(space, BASE, PIECE, MADV_COLLAPSE);
	HOLDS(is_huge_at(space, BASE) && unit_frame(space, BASE) == block);
	HOLDS(frames[block].huge_refs == 1 && all_have(block, 1, FRAME_NONE));
	HOLDS(unit_work(space, WORK_frames_copied) == 0 && space->resident == PIECE);
	HOLDS(unit_work(space, WORK_huge_collapses) == 1 && frames_huge() == 1 && is_sound());
	HOLDS(faults_of_stores(space, PIECE) == 0);
	unit_exit(space);
}

UNIT(collapse_brings_scattered_pages_together)
{
	struct space *space = unit_space(PIECE);

	for (unsigned page = 0; page < PIECE; page += 2)
		unit_put(space, PAGE(page), page + 1);
	HOLDS(unit_get(space, PAGE(1)) == 0);           /* CPU 0 has the frame of zeros */
	unit_access_on(3, space, PAGE(2), ACCESS_WRITE);
	advise(space, BASE, PIECE, MADV_COLLAPSE);
	HOLDS(is_huge_at(space, BASE) && space->resident == PIECE && is_sound());
	HOLDS(unit_work(space, WORK_frames_copied) == PIECE / 2);
	for (unsigned page = 0; page < PIECE; page++)
		HOLDS(unit_get(space, PAGE(page)) == (page % 2 ? 0 : page + 1));
	unit_exit(space);
}

UNIT(collapse_leaves_others_what_they_share)
{
	for (unsigned i = 0; i < COUNT(shares); i++) {
		struct space *space = huge_space(1);
		pfn_t block = unit_frame(space, BASE);

		HOLDS(space_protect(space, PAGE(1), PAGE_SIZE, PROT_READ) == 0);
		HOLDS(space_protect(space, PAGE(1), PAGE_SIZE, RW) == 0);
		struct space *child = unit_fork(space, shares[i]);
		advise(space, BASE, PIECE, MADV_COLLAPSE);
		HOLDS(is_huge_at(space, BASE) && unit_frame(space, BASE) != block);
		HOLDS(unit_work(space, WORK_frames_copied) == PIECE);
		HOLDS(all_have(block, 1, FRAME_NONE) && frames[block].huge_refs == 0);
		unit_put(space, BASE, 5);
		HOLDS(unit_get(child, BASE) == 1 && unit_get(space, BASE) == 5 && is_sound());
		unit_exit(space);
		unit_exit(child);
	}
}

UNIT(nothing_is_collapsed_where_nothing_is)
{
	struct space *space = unit_space(3 * PIECE);

	HOLDS(space_advise(space, BASE, PIECE * PAGE_SIZE, MADV_COLLAPSE) == -EINVAL);
	HOLDS(space->resident == 0);
	unit_put(space, PAGE(PIECE), 1);
	HOLDS(space_protect(space, PAGE(2 * PIECE - 1), PAGE_SIZE, PROT_READ) == 0);
	HOLDS(space_advise(space, PAGE(PIECE), PIECE * PAGE_SIZE, MADV_COLLAPSE) == -EINVAL);
	HOLDS(space->resident == 1);
	unit_exit(space);
}

/* ---- the table of zeros ---- */

UNIT(read_of_2_mib_names_the_table_of_zeros)
{
	struct space *space = unit_space(2 * PIECE);
	uint64_t free_before;

	HOLDS(unit_get(space, PAGE(0)) == 0);
	free_before = frames_free();
	HOLDS(unit_get(space, PAGE(PIECE)) == 0 && unit_access(space, PAGE(9), ACCESS_READ) == 0);
	HOLDS(frames_free() == free_before && space->resident == 0);
	HOLDS(frame_refs[zero_table] == 3 && table_at(space, BASE, 1) == zero_table);

	struct space *child = unit_fork(space, FORK_SHARE_TABLE);
	HOLDS(frame_refs[zero_table] == 5 && is_sound());
	unit_exit(child);
	HOLDS(space_unmap(space, BASE, PIECE * PAGE_SIZE) == 0);
	HOLDS(frame_refs[zero_table] == 2);
	unit_exit(space);
	HOLDS(frame_refs[zero_table] == 1);
}

UNIT(table_of_zeros_is_copied_when_it_is_written)
{
	struct space *space = unit_space(PIECE), *child;

	HOLDS(unit_get(space, PAGE(7)) == 0);
	child = unit_fork(space, FORK_SHARE_PAGE);
	unit_put(space, PAGE(7), 5);
	HOLDS(table_at(space, BASE, 1) != zero_table && space->resident == 1);
	HOLDS(unit_get(space, PAGE(8)) == 0 && unit_get(child, PAGE(7)) == 0);
	for (unsigned i = 0; i < PIECE; i++)
		HOLDS(frame_entries(zero_table)[i].bits
		      == pte_as_uncounted(pte_to_frame(zero_frame, false)).bits);
	HOLDS(is_sound());
	unit_exit(space);
	unit_exit(child);
	HOLDS(frame_refs[zero_table] == 1);
}

UNIT(slower_reader_finds_the_zeros_there)
{
	struct space *space = unit_space(PIECE);

	HOLDS(space_advise(space, BASE, PIECE * PAGE_SIZE, MADV_POPULATE_READ) == 0);
	HOLDS(frame_refs[zero_table] == 2 && unit_work(space, WORK_tables_copied) == 0);
	HOLDS(unit_work(space, WORK_faults_spurious) == PIECE - 1);
	unit_exit(space);
}

UNIT(first_store_to_zeros_is_the_only_one_that_is_shot_down)
{
	struct space *space = unit_space(PIECE);

	unit_access_on(1, space, PAGE(9), ACCESS_READ);
	for (unsigned page = 0; page < PIECE; page++)
		unit_put(space, PAGE(page), page);
	HOLDS(unit_work(space, WORK_shootdowns) == 1 && is_sound());
	HOLDS(frame_refs[zero_table] == 1 && space->resident == PIECE);
	unit_exit(space);
}

UNIT(table_of_zeros_gives_way_to_a_block)
{
	struct space *space = unit_space(PIECE);

	advise(space, BASE, PIECE, MADV_HUGEPAGE);
	for (unsigned page = 0; page < PIECE; page += 100)
		unit_access_on(1, space, PAGE(page), ACCESS_READ);
	HOLDS(frame_refs[zero_table] == 2);
	unit_put(space, PAGE(50), 3);
	HOLDS(is_huge_at(space, BASE) && frame_refs[zero_table] == 1 && is_sound());
	HOLDS(space->resident == PIECE && unit_get(space, PAGE(400)) == 0);
	unit_exit(space);
}

UNIT(table_of_zeros_is_never_executable)
{
	struct space *space = unit_space(PIECE);
	uint32_t all = PROT_READ | PROT_WRITE | PROT_EXEC;

	HOLDS(unit_get(space, BASE) == 0 && frame_refs[zero_table] == 2);
	HOLDS(space_protect(space, BASE, PIECE * PAGE_SIZE, all) == 0);
	HOLDS(unit_access(space, PAGE(1), ACCESS_EXEC) == 1);
	HOLDS(table_at(space, BASE, 1) != zero_table && frame_refs[zero_table] == 1);
	HOLDS(pte_is_executable(unit_leaf(space, PAGE(1))));
	HOLDS(!pte_is_executable(frame_entries(zero_table)[1]) && is_sound());
	unit_exit(space);
}

UNIT(part_of_the_table_of_zeros_can_go_or_lose_its_rights)
{
	struct space *space = unit_space(3 * PIECE);
	virt_t away = PAGE(8 * PIECE);

	for (unsigned i = 0; i < 3; i++)
		HOLDS(unit_get(space, PAGE(i * PIECE)) == 0);
	HOLDS(space_unmap(space, PAGE(1), PAGE_SIZE) == 0);
	HOLDS(unit_access(space, PAGE(1), ACCESS_READ) == -EFAULT && unit_get(space, PAGE(2)) == 0);
	HOLDS(space_protect(space, PAGE(PIECE), PAGE_SIZE, PROT_NONE) == 0);
	HOLDS(unit_access(space, PAGE(PIECE), ACCESS_READ) == -EACCES);
	HOLDS(space_protect(space, PAGE(PIECE), PAGE_SIZE, RW) == 0);
	HOLDS(unit_get(space, PAGE(PIECE)) == 0);
	HOLDS(space_remap(space, PAGE(2 * PIECE), PIECE * PAGE_SIZE, PIECE * PAGE_SIZE,
			  MREMAP_MAYMOVE | MREMAP_FIXED, &away) == 0);
	HOLDS(table_at(space, away, 1) == zero_table && frame_refs[zero_table] == 2);
	unit_put(space, away, 1);
	HOLDS(frame_refs[zero_table] == 1 && space->resident == 1 && is_sound());
	unit_exit(space);
}

/* ---- memory runs out ---- */

UNIT(no_block_to_be_had_means_pages)
{
	struct space *space = unit_space(PIECE);

	advise(space, BASE, PIECE, MADV_HUGEPAGE);
	HOLDS(unit_get(space, BASE) == 0);              /* the tables are there */
	world_fail_nth(1);                              /* the block */
	unit_put(space, PAGE(4), 6);
	HOLDS(world_has_failed() && unit_work(space, WORK_huge_fallbacks) == 1);
	HOLDS(!is_huge_at(space, BASE) && space->resident == 1 && unit_get(space, PAGE(4)) == 6);
	unit_exit(space);
}

/* What can fail in a family of two: the parent has marked all its pages. */
struct attempt {
	const char *name;
	int (*call)(struct space *child);
};

static int attempt_store(struct space *child)
{
	int faults = unit_access(child, PAGE(3), ACCESS_WRITE);

	return MIN(faults, 0);
}

static int attempt_unmap(struct space *child)
{
	return space_unmap(child, PAGE(3), PAGE_SIZE);
}

static int attempt_protect(struct space *child)
{
	return space_protect(child, PAGE(3), PAGE_SIZE, PROT_READ);
}

static int attempt_drop(struct space *child)
{
	return space_advise(child, PAGE(3), PAGE_SIZE, MADV_DONTNEED);
}

static int attempt_move(struct space *child)
{
	virt_t to = PAGE(8 * PIECE + 1);

	return space_remap(child, PAGE(3), PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
			   &to);
}

static int attempt_fork(struct space *child)
{
	struct space *grandchild;
	int err = space_fork(child, &grandchild);

	if (!err)
		unit_exit(grandchild);
	return err;
}

static int attempt_collapse(struct space *child)
{
	return space_advise(child, BASE, PIECE * PAGE_SIZE, MADV_COLLAPSE);
}

static const struct attempt attempts[] = {
	{ "store", attempt_store }, { "unmap", attempt_unmap }, { "protect", attempt_protect },
	{ "drop", attempt_drop }, { "move", attempt_move }, { "fork", attempt_fork },
	{ "collapse", attempt_collapse },
};

/* Once, with the n-th allocation failing.  True: it was reached. */
static bool fails_at(const struct attempt *attempt, enum fork_share share, unsigned n,
		     bool is_split)
{
	struct space *space = huge_to_split();
	unit_put(space, PAGE(3), 5);

	struct space *child = unit_fork(space, share);
	options.fork_share = share;
	if (is_split)
		unit_put(child, PAGE(9), 9);
	world_fail_nth(n);
	int err = attempt->call(child);
	bool has_failed = world_has_failed();
	world_fail_nth(0);

	if (err && (err != -ENOMEM || !has_failed))
		sim_violation("%s answers %d", attempt->name, err);
	HOLDS(is_sound());
	if (err) {
		HOLDS(unit_get(child, PAGE(3)) == 5 && unit_get(child, BASE) == 1);
		HOLDS(unit_get(child, PAGE(9)) == (is_split ? 9 : 0));
		HOLDS(child->resident == PIECE);
		err = attempt->call(child);
		HOLDS(err == 0);
	}
	HOLDS(unit_get(space, PAGE(3)) == 5 && unit_get(space, PAGE(9)) == 0);
	HOLDS(unit_get(child, BASE) == 1 && is_sound());
	unit_exit(space);
	unit_exit(child);
	return has_failed;
}

UNIT(what_fails_for_lack_of_memory_has_changed_nothing)
{
	for (unsigned i = 0; i < COUNT(attempts); i++) {
		for (unsigned j = 0; j < 2 * COUNT(shares); j++) {
			unsigned n = 1;
			while (fails_at(&attempts[i], shares[j / 2], n, j % 2))
				n++;
			HOLDS(n < 50);
		}
	}
}
