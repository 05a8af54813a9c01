/* SPDX-License-Identifier: MIT */
// sources: @tests/host/sim/sources
// flags: -DSIM -DCOWBELL_DEBUG
/*
 * Copy-on-write, one behaviour at a time, with its exact work.
 */
#include "tap.h"
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "mm/frame.h"
#include "mm/tree.h"
#include "mm/uaccess.h"
#include "tests/host/sim/unit.h"

#define UNIT_PROGRAM "mm_unit"

static const enum fork_share shares[] = {
	FORK_SHARE_NONE, FORK_SHARE_PAGE, FORK_SHARE_TABLE, FORK_SHARE_DIR, FORK_SHARE_ROOT,
};

/* ---- filling ---- */

UNIT(untouched_memory_reads_as_zeros_without_a_frame)
{
	struct space *space = unit_space(2);
	uint64_t free_before;

	HOLDS(unit_get(space, PAGE(0)) == 0);           /* makes the tables */
	free_before = frames_free();
	HOLDS(unit_get(space, PAGE(1)) == 0);
	HOLDS(frames_free() == free_before);
	HOLDS(unit_frame(space, PAGE(1)) == zero_frame && space->resident == 0);
	unit_exit(space);
}

UNIT(zero_frame_is_never_counted)
{
	struct space *space = unit_space(3), *child;

	for (unsigned page = 0; page < 3; page++)
		HOLDS(unit_get(space, PAGE(page)) == 0);
	child = unit_fork(space, FORK_SHARE_PAGE);
	HOLDS(frame_refs[zero_frame] == 0);
	unit_put(child, PAGE(1), 5);
	HOLDS(unit_get(space, PAGE(1)) == 0 && unit_get(child, PAGE(2)) == 0);
	unit_exit(child);
	HOLDS(frame_refs[zero_frame] == 0 && frames[zero_frame].kind == FRAME_ZERO);
	unit_exit(space);
}

UNIT(first_store_takes_one_fault_and_one_zeroed_frame)
{
	struct space *space = unit_space(1);

	HOLDS(unit_access(space, PAGE(0), ACCESS_WRITE) == 1);
	HOLDS(unit_work(space, WORK_frames_zeroed) == 1);
	HOLDS(unit_work(space, WORK_tables_created) == 4);      /* the root and one of each level */
	HOLDS(space->resident == 1);
	unit_exit(space);
}

/* ---- sharing ---- */

UNIT(child_sees_what_the_parent_had_and_neither_sees_what_comes_after)
{
	for (unsigned i = 0; i < COUNT(shares); i++) {
		struct space *space = unit_space(2), *child;

		unit_put(space, PAGE(0), 1);
		child = unit_fork(space, shares[i]);
		unit_put(space, PAGE(0), 2);
		unit_put(child, PAGE(1), 3);
		HOLDS(unit_get(child, PAGE(0)) == 1 && unit_get(space, PAGE(0)) == 2);
		HOLDS(unit_get(space, PAGE(1)) == 0 && unit_get(child, PAGE(1)) == 3);
		unit_exit(space);
		HOLDS(unit_get(child, PAGE(0)) == 1);
		unit_exit(child);
	}
}

UNIT(fork_under_root_touches_only_root_slots)
{
	struct space *space = unit_space(600), *child;

	unit_map(space, 600 * GIB, 1, RW);
	for (unsigned page = 0; page < 600; page++)
		unit_put(space, PAGE(page), page);
	unit_put(space, 600 * GIB, 1);
	child = unit_fork(space, FORK_SHARE_ROOT);
	HOLDS(unit_work(child, WORK_entries_shared) == 2);
	HOLDS(unit_work(child, WORK_tables_created) == 1);
	HOLDS(unit_work(child, WORK_tables_copied) == 0);
	HOLDS(unit_work(child, WORK_frames_copied) == 0);
	HOLDS(child->resident == 601);
	unit_exit(child);
	unit_exit(space);
}

UNIT(each_way_to_fork_shares_from_its_own_level_on)
{
	static const unsigned entries_shared[] = { 600, 600, 2, 1, 1 };
	static const unsigned tables_created[] = { 5, 5, 3, 2, 1 };
	static const unsigned frames_copied[] = { 600, 0, 0, 0, 0 };

	for (unsigned i = 0; i < COUNT(shares); i++) {
		struct space *space = unit_space(600), *child;

		for (unsigned page = 0; page < 600; page++)
			unit_put(space, PAGE(page), page);
		child = unit_fork(space, shares[i]);
		HOLDS(unit_work(child, WORK_entries_shared) == entries_shared[i]);
		HOLDS(unit_work(child, WORK_tables_created) == tables_created[i]);
		HOLDS(unit_work(child, WORK_frames_copied) == frames_copied[i]);
		unit_exit(child);
		unit_exit(space);
	}
}

UNIT(after_the_naive_fork_nobody_faults)
{
	struct space *space = unit_space(1), *child;

	unit_put(space, PAGE(0), 1);
	child = unit_fork(space, FORK_SHARE_NONE);
	HOLDS(unit_frame(space, PAGE(0)) != unit_frame(child, PAGE(0)));
	HOLDS(unit_access(child, PAGE(0), ACCESS_WRITE) == 0);
	unit_exit(child);
	unit_exit(space);
}

UNIT(fork_takes_the_right_to_write_from_every_cpu)
{
	struct space *space = unit_space(1), *child;

	for (unsigned cpu = 0; cpu < SIM_CPUS_MAX; cpu++)
		unit_access_on(cpu, space, PAGE(0), ACCESS_WRITE);
	child = unit_fork(space, FORK_SHARE_ROOT);
	HOLDS(unit_access_on(3, space, PAGE(0), ACCESS_WRITE) == 1);
	HOLDS(unit_get(child, PAGE(0)) == 0);
	unit_exit(child);
	unit_exit(space);
}

UNIT(three_hundred_children_share_one_page)
{
	enum { CHILDREN = 300 };
	struct space *space = unit_space(1), *children[CHILDREN];
	pfn_t frame;

	unit_put(space, PAGE(0), 7);
	frame = unit_frame(space, PAGE(0));
	for (unsigned i = 0; i < CHILDREN; i++)
		children[i] = unit_fork(space, FORK_SHARE_PAGE);
	HOLDS(frame_refs[frame] == CHILDREN + 1);
	unit_put(children[0], PAGE(0), 8);
	for (unsigned i = 1; i < CHILDREN; i++) {
		HOLDS(unit_frame(children[i], PAGE(0)) == frame);
		HOLDS(unit_get(children[i], PAGE(0)) == 7);
	}
	for (unsigned i = 0; i < CHILDREN; i++)
		unit_exit(children[i]);
	HOLDS(frame_refs[frame] == 1);
	unit_exit(space);
}

UNIT(children_of_a_shared_table_do_not_raise_its_frames_counts)
{
	struct space *space = unit_space(1), *first, *second;

	unit_put(space, PAGE(0), 7);
	first = unit_fork(space, FORK_SHARE_ROOT);
	second = unit_fork(space, FORK_SHARE_ROOT);
	HOLDS(frame_refs[unit_frame(space, PAGE(0))] == 1);
	unit_exit(first);
	unit_exit(second);
	unit_exit(space);
}

/* ---- owning ---- */

UNIT(store_to_a_shared_page_copies_it_and_the_tables_above_it)
{
	struct space *space = unit_space(600), *child;

	for (unsigned page = 0; page < 600; page++)
		unit_put(space, PAGE(page), page);
	child = unit_fork(space, FORK_SHARE_ROOT);
	HOLDS(unit_access(child, PAGE(3), ACCESS_WRITE) == 1);
	HOLDS(unit_work(child, WORK_tables_copied) == 3);
	HOLDS(unit_work(child, WORK_frames_copied) == 1);
	HOLDS(unit_work(child, WORK_shootdowns) == 1);
	HOLDS(unit_frame(child, PAGE(4)) == unit_frame(space, PAGE(4)));
	HOLDS(unit_frame(child, PAGE(3)) != unit_frame(space, PAGE(3)));
	unit_exit(child);
	unit_exit(space);
}

UNIT(last_holder_keeps_its_frame)
{
	struct space *space = unit_space(1), *child;
	pfn_t frame;

	unit_put(space, PAGE(0), 1);
	frame = unit_frame(space, PAGE(0));
	child = unit_fork(space, FORK_SHARE_PAGE);
	unit_exit(child);
	unit_put(space, PAGE(0), 2);
	HOLDS(unit_frame(space, PAGE(0)) == frame);
	HOLDS(unit_work(space, WORK_frames_copied) == 0);
	unit_exit(space);
}

UNIT(last_holder_may_be_the_child)
{
	struct space *space = unit_space(1), *child;
	pfn_t frame;

	unit_put(space, PAGE(0), 1);
	frame = unit_frame(space, PAGE(0));
	child = unit_fork(space, FORK_SHARE_ROOT);
	unit_exit(space);
	unit_put(child, PAGE(0), 2);
	HOLDS(unit_frame(child, PAGE(0)) == frame);
	HOLDS(unit_work(child, WORK_frames_copied) == 0);
	HOLDS(unit_work(child, WORK_tables_copied) == 0);
	unit_exit(child);
}

UNIT(child_exit_untouched_is_constant)
{
	struct space *space = unit_space(600), *child;
	uint64_t free_before, freed_before;

	for (unsigned page = 0; page < 600; page++)
		unit_put(space, PAGE(page), page);
	child = unit_fork(space, FORK_SHARE_ROOT);
	free_before = frames_free();
	freed_before = unit_work_of_all(WORK_tables_freed);
	unit_exit(child);
	HOLDS(frames_free() == free_before + 1);
	HOLDS(unit_work_of_all(WORK_tables_freed) == freed_before + 1);
	unit_exit(space);
}

UNIT(reuse_after_child_exit_regains_in_one_fault_per_table)
{
	struct space *space = unit_space(1024), *child;
	int faults = 0;

	for (unsigned page = 0; page < 1024; page++)
		unit_put(space, PAGE(page), page);
	child = unit_fork(space, FORK_SHARE_ROOT);
	for (unsigned page = 0; page < 1024; page += 512)
		unit_put(child, PAGE(page), 1);         /* leaves the stale tag on both tables */
	unit_exit(child);
	for (unsigned page = 0; page < 1024; page++)
		faults += unit_access(space, PAGE(page), ACCESS_WRITE);
	HOLDS(faults == 2);
	HOLDS(unit_work(space, WORK_tables_regained) == 4);
	HOLDS(unit_work(space, WORK_frames_copied) == 0);
	unit_exit(space);
}

UNIT(regain_keeps_only_certificates_that_are_still_true)
{
	struct space *space = unit_space(2), *child, *grandchild;

	unit_put(space, PAGE(0), 1);
	unit_put(space, PAGE(1), 1);
	child = unit_fork(space, FORK_SHARE_ROOT);
	unit_put(child, PAGE(0), 2);
	grandchild = unit_fork(child, FORK_SHARE_ROOT);
	unit_exit(child);
	unit_put(space, PAGE(0), 3);
	unit_put(space, PAGE(1), 3);                    /* the grandchild holds it still */
	HOLDS(unit_get(grandchild, PAGE(0)) == 2 && unit_get(grandchild, PAGE(1)) == 1);
	HOLDS(unit_work(space, WORK_frames_copied) == 1);
	unit_exit(grandchild);
	unit_exit(space);
}

UNIT(kernel_writes_obey_copy_on_write)
{
	struct space *space = unit_space(2), *child;
	uint64_t values[2] = { 8, 9 }, seen[2];

	unit_put(space, PAGE(1) - 8, 1);
	child = unit_fork(space, FORK_SHARE_ROOT);
	HOLDS(space_write(child, PAGE(1) - 8, values, sizeof(values)) == 0);
	HOLDS(unit_get(space, PAGE(1) - 8) == 1 && unit_get(space, PAGE(1)) == 0);
	HOLDS(space_read(child, PAGE(1) - 8, seen, sizeof(seen)) == 0);
	HOLDS(seen[0] == 8 && seen[1] == 9);
	HOLDS(space_write(child, PAGE(2) - 8, values, sizeof(values)) == -EFAULT);
	unit_exit(child);
	unit_exit(space);
}

UNIT(stale_translation_costs_one_spurious_fault_and_no_work)
{
	struct space *space = unit_space(1), *child;

	unit_put(space, PAGE(0), 1);
	child = unit_fork(space, FORK_SHARE_ROOT);
	unit_exit(child);
	unit_access_on(1, space, PAGE(0), ACCESS_READ);         /* CPU 1 remembers: read-only */
	unit_put(space, PAGE(0), 2);                            /* CPU 0 has it back: no flush */
	HOLDS(unit_access_on(1, space, PAGE(0), ACCESS_WRITE) <= 1);
	HOLDS(unit_work(space, WORK_frames_copied) == 0);
	unit_exit(space);
}
