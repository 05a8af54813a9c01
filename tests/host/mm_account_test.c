/* SPDX-License-Identifier: MIT */
// sources: @tests/host/sim/sources
// flags: -DSIM -DCOWBELL_DEBUG
/*
 * Accounting: what is counted, promised and foretold of memory, where nothing else would show it.
 */
#include "tap.h"
#include "lib/abi/errno.h"
#include "mm/cursor.h"
#include "mm/huge_mode.h"
#include "mm/object.h"
#include "mm/tree.h"
#include "tests/host/sim/unit.h"

#define UNIT_PROGRAM "mm_account"

static pte_t root_entry(const struct space *space)
{
	return frame_entries(space->mmu.root >> PAGE_SHIFT)[0];
}

UNIT(what_would_come_free_is_what_nobody_else_holds)
{
	struct space *space = unit_space(600), *child;

	for (unsigned page = 0; page < 600; page++)
		unit_put(space, PAGE(page), page);
	HOLDS(entry_exclusive(root_entry(space), PTE_LEVELS) == 600 + 4);       /* and tables */
	child = unit_fork(space, FORK_SHARE_ROOT);
	HOLDS(entry_exclusive(root_entry(space), PTE_LEVELS) == 0);
	unit_put(child, PAGE(3), 1);
	HOLDS(entry_exclusive(root_entry(child), PTE_LEVELS) == 1 + 3);
	unit_exit(child);
	HOLDS(entry_exclusive(root_entry(space), PTE_LEVELS) == 600 + 4);
	unit_exit(space);
}

UNIT(zeros_are_not_entries_that_were_shared)
{
	struct space *space = unit_space(4), *child;
	uint64_t shared;

	unit_put(space, PAGE(0), 1);
	HOLDS(unit_get(space, PAGE(1)) == 0 && unit_get(space, PAGE(2)) == 0);
	child = unit_fork(space, FORK_SHARE_TABLE);
	shared = unit_work(child, WORK_entries_shared);
	unit_put(child, PAGE(3), 1);                    /* copies the table: one page of three */
	HOLDS(unit_work(child, WORK_entries_shared) == shared + 1);
	unit_exit(child);
	unit_exit(space);
}

/* Two kinds of work, of which nothing here does the other. */
UNIT(totals_are_the_sum_of_what_was_done)
{
	struct work_counts before, after;
	struct space *space = unit_space(3);

	work_totals(&before);
	for (unsigned page = 0; page < 3; page++)
		unit_put(space, PAGE(page), 1);
	work_totals(&after);
	HOLDS(after.of[WORK_frames_zeroed] == before.of[WORK_frames_zeroed] + 3);
	HOLDS(after.of[WORK_huge_splits] == 0 && before.of[WORK_huge_splits] == 0);
	unit_exit(space);
}

static int map_at(struct space *space, virt_t at, uint64_t len, uint32_t flags)
{
	struct map_request request = {
		.addr = at, .len = len, .prot = RW, .flags = MAP_ANONYMOUS | flags,
		.vma_flags = VMA_MAYWRITE,
	};

	return space_map(space, &request, &at);
}

UNIT(what_replaces_is_promised_in_place_of_what_was_there)
{
	struct space *space = unit_space(0);

	HOLDS(map_at(space, PAGE(0), 8 * PAGE_SIZE, MAP_PRIVATE | MAP_FIXED) == 0);
	HOLDS(space->promised_pages == 8);
	HOLDS(map_at(space, PAGE(2), 4 * PAGE_SIZE, MAP_PRIVATE | MAP_FIXED) == 0);
	HOLDS(space->promised_pages == 8);
	HOLDS(map_at(space, PAGE(6), 4 * PAGE_SIZE, MAP_PRIVATE | MAP_FIXED) == 0);
	HOLDS(space->promised_pages == 10);
	unit_exit(space);
}

UNIT(mapping_nothing_or_of_no_kind_is_refused)
{
	struct space *space = unit_space(0);

	HOLDS(map_at(space, PAGE(0), 0, MAP_PRIVATE | MAP_FIXED) == -EINVAL);
	HOLDS(map_at(space, PAGE(0), PAGE_SIZE, MAP_FIXED) == -EINVAL);
	HOLDS(space->mapped_pages == 0 && space->vmas->count == 0);
	unit_exit(space);
}

UNIT(range_is_empty_up_to_its_neighbours)
{
	struct space *space = unit_space(600);

	unit_put(space, PAGE(0), 1);
	unit_put(space, PAGE(10), 1);
	unit_put(space, PAGE(512), 1);
	write_lock(&space->lock);
	HOLDS(cursor_range_is_empty(space, PAGE(1), PAGE(10)));
	HOLDS(!cursor_range_is_empty(space, PAGE(1), PAGE(11)));
	HOLDS(!cursor_range_is_empty(space, PAGE(0), PAGE(1)));
	HOLDS(cursor_range_is_empty(space, PAGE(11), PAGE(512)));
	HOLDS(!cursor_range_is_empty(space, PAGE(512), PAGE(513)));
	write_unlock(&space->lock);
	unit_exit(space);
}

UNIT(budget_comes_back_with_the_object)
{
	struct budget budget = { .limit = 2 };
	struct object *object = object_create(4 * PAGE_SIZE, false);
	uint64_t word = 1;
	struct object_io io = { .kernel = &word };

	HOLDS(object);
	object->budget = &budget;
	for (uint64_t page = 0; page < 2; page++)
		HOLDS(object_write(object, page * PAGE_SIZE, io, 8) == 8);
	HOLDS(budget.used == 2);
	HOLDS(object_write(object, 2 * PAGE_SIZE, io, 8) == -ENOSPC);
	object_put(object);
	HOLDS(budget.used == 0);
}

UNIT(block_would_come_free_when_nobody_else_holds_it)
{
	struct space *space = unit_space(0), *child;
	uint64_t tables;

	thp_set_mode(THP_ALWAYS);
	unit_map(space, BASE, PTE_PER_TABLE, RW);
	unit_put(space, PAGE(0), 1);
	tables = entry_exclusive(root_entry(space), PTE_LEVELS) - PTE_PER_TABLE;
	HOLDS(unit_work(space, WORK_huge_fills) == 1 && tables == 2);
	child = unit_fork(space, FORK_SHARE_PAGE);
	HOLDS(entry_exclusive(root_entry(space), PTE_LEVELS) == tables);
	unit_exit(child);
	HOLDS(entry_exclusive(root_entry(space), PTE_LEVELS) == tables + PTE_PER_TABLE);
	unit_exit(space);
}
