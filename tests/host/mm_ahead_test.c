/* SPDX-License-Identifier: MIT */
// sources: @tests/host/sim/sources
// flags: -DSIM -DCOWBELL_DEBUG
/*
 * Pages that come before they are touched: how many, which, and that they are what a touch would
 * have made of them.
 */
#include "tap.h"
#include "kernel/options.h"
#include "lib/bits.h"
#include "mm/ahead.h"
#include "mm/frame.h"
#include "mm/uaccess.h"
#include "tests/host/sim/unit.h"

#define UNIT_PROGRAM "mm_ahead"

static struct space *space_with_ahead(uint64_t pages)
{
	options.fault_ahead = FAULT_AHEAD_MAX;
	return unit_space(pages);
}

/* Faults of writes to so many pages in a row. */
static unsigned write_run(struct space *space, unsigned first, unsigned pages, uint64_t value)
{
	uint64_t before = unit_work(space, WORK_faults);

	for (unsigned page = first; page < first + pages; page++)
		unit_put(space, PAGE(page), value + page);
	return unit_work(space, WORK_faults) - before;
}

static unsigned pages_ahead(const struct space *space)
{
	return unit_work(space, WORK_pages_ahead);
}

UNIT(first_seven_pages_have_a_fault_each)
{
	struct space *space = space_with_ahead(100);

	HOLDS(write_run(space, 0, 7, 1) == 7 && pages_ahead(space) == 0);
	HOLDS(space->resident == 7);
	HOLDS(write_run(space, 7, 1, 1) == 1 && pages_ahead(space) == 1);
	HOLDS(space->resident == 9);
	unit_exit(space);
}

UNIT(never_more_than_an_eighth_comes_ahead)
{
	struct space *space = space_with_ahead(2000);

	for (unsigned page = 0; page < 2000; page++) {
		unit_put(space, PAGE(page), page);
		HOLDS(space->resident <= 1 + page + 1 + page / 8);
		HOLDS(space->resident <= 1 + page + FAULT_AHEAD_MAX);
	}
	HOLDS(unit_work(space, WORK_faults) < 2000 / 8);
	HOLDS(unit_work(space, WORK_frames_zeroed) == 2000 && space->resident == 2000);
	unit_exit(space);
}

UNIT(pages_here_and_there_are_counted_exactly)
{
	struct space *space = space_with_ahead(1000);

	for (unsigned page = 0; page < 1000; page += 2)
		unit_put(space, PAGE(page), page);
	HOLDS(pages_ahead(space) == 0 && space->resident == 500);
	unit_exit(space);
}

UNIT(setting_is_the_most_that_comes)
{
	struct space *space = space_with_ahead(1000);

	options.fault_ahead = 0;
	HOLDS(write_run(space, 0, 500, 1) == 500 && pages_ahead(space) == 0);
	options.fault_ahead = 3;
	HOLDS(write_run(space, 500, 4, 1) == 1 && pages_ahead(space) == 3);
	unit_exit(space);
}

UNIT(exact_spaces_and_their_children_get_none)
{
	struct space *space = space_with_ahead(200), *child;

	space->is_exact = true;
	HOLDS(write_run(space, 0, 100, 1) == 100);
	child = unit_fork(space, FORK_SHARE_ROOT);
	HOLDS(write_run(child, 100, 100, 1) == 100 && pages_ahead(child) == 0);
	unit_exit(child);
	unit_exit(space);
}

static unsigned frames_parted(struct space *one, struct space *other)
{
	unsigned parted = 0;

	for (unsigned page = 0; page < 64; page++)
		parted += unit_frame(one, PAGE(page)) != unit_frame(other, PAGE(page));
	return parted;
}

/* Both go on to see what was there at the fork, whoever writes ahead. */
UNIT(copies_ahead_are_copies_of_the_same_instant)
{
	static const enum fork_share shares[] = { FORK_SHARE_PAGE, FORK_SHARE_TABLE,
						  FORK_SHARE_ROOT };

	for (unsigned i = 0; i < COUNT(shares); i++) {
		struct space *space = space_with_ahead(64), *child;

		write_run(space, 0, 64, 1000);
		child = unit_fork(space, shares[i]);
		HOLDS(write_run(child, 0, 40, 2000) < 40);
		HOLDS(unit_work(child, WORK_frames_copied) == frames_parted(space, child));
		for (unsigned page = 0; page < 64; page++) {
			HOLDS(unit_get(space, PAGE(page)) == 1000 + page);
			HOLDS(unit_get(child, PAGE(page)) == (page < 40 ? 2000u : 1000u) + page);
		}
		HOLDS(child->resident == 64 && space->resident == 64);
		unit_exit(child);
		unit_exit(space);
	}
}

UNIT(zeros_that_were_read_become_frames_too)
{
	struct space *space = space_with_ahead(64);

	for (unsigned page = 0; page < 64; page++)
		HOLDS(unit_get(space, PAGE(page)) == 0);
	HOLDS(space->resident == 0);
	HOLDS(write_run(space, 0, 64, 1) < 64);
	HOLDS(space->resident == 64 && unit_frame(space, PAGE(63)) != zero_frame);
	HOLDS(frame_refs[zero_frame] == 0);
	unit_exit(space);
}

UNIT(run_ends_with_its_range)
{
	struct space *space = space_with_ahead(0);

	unit_map(space, PAGE(0), 20, RW);
	unit_map(space, PAGE(20), 20, PROT_READ);
	write_run(space, 0, 20, 1);
	HOLDS(space->resident == 20 && pte_is_none(unit_leaf(space, PAGE(20))));
	unit_exit(space);
}

UNIT(what_is_own_already_stays)
{
	struct space *space = space_with_ahead(64);
	pfn_t frame;

	unit_put(space, PAGE(30), 77);
	frame = unit_frame(space, PAGE(30));
	write_run(space, 0, 30, 1);
	HOLDS(unit_frame(space, PAGE(30)) == frame && unit_get(space, PAGE(30)) == 77);
	HOLDS(pte_is_none(unit_leaf(space, PAGE(31))) && space->resident == 31);
	unit_exit(space);
}

UNIT(nothing_comes_ahead_when_memory_is_short)
{
	struct space *space = space_with_ahead(200);

	frames_keep(frames_free() - 500);
	HOLDS(write_run(space, 0, 200, 1) == 200 && pages_ahead(space) == 0);
	frames_keep(0);
	unit_exit(space);
}

/* The second CPU remembers pages that the first takes away ahead of their touch. */
UNIT(other_threads_see_what_comes_ahead)
{
	struct space *space = space_with_ahead(64), *child;

	write_run(space, 0, 64, 1000);
	child = unit_fork(space, FORK_SHARE_ROOT);
	for (unsigned page = 0; page < 64; page++)
		HOLDS(unit_access_on(1, child, PAGE(page), ACCESS_READ) >= 0);
	write_run(child, 0, 48, 2000);
	for (unsigned page = 0; page < 64; page++)
		HOLDS(unit_access_on(1, child, PAGE(page), ACCESS_READ) >= 0);
	unit_exit(child);
	unit_exit(space);
}

UNIT(forced_writes_give_no_rights_ahead)
{
	struct space *space = space_with_ahead(0);
	uint64_t word = 1;

	unit_map(space, PAGE(0), 64, PROT_READ);
	for (unsigned page = 0; page < 20; page++)
		HOLDS(space_force(space, PAGE(page), &word, sizeof(word)) == 0);
	for (unsigned page = 0; page < 64; page++)
		HOLDS(!pte_is_writable(unit_leaf(space, PAGE(page))));
	unit_exit(space);
}
