/* SPDX-License-Identifier: MIT */
// sources: @tests/host/sim/sources
// flags: -DSIM -DCOWBELL_DEBUG
/*
 * mlock: what is locked is there, is counted once, and stays within the limit.
 */
#include "tap.h"
#include "lib/abi/errno.h"
#include "lib/abi/sched.h"
#include "lib/bits.h"
#include "mm/frame.h"
#include "tests/host/sim/unit.h"

#define UNIT_PROGRAM "mm_mlock"

/* Of the running program, in bytes. */
static uint64_t limit = RLIM_INFINITY;
static bool is_privileged;

uint64_t upcall_rlimit(unsigned which)
{
	return which == RLIMIT_MEMLOCK ? limit : RLIM_INFINITY;
}

bool upcall_is_privileged(void)
{
	return is_privileged;
}

static int lock(struct space *space, unsigned page, unsigned pages)
{
	return space_mlock(space, PAGE(page), pages * PAGE_SIZE, VMA_LOCKED);
}

static int unlock(struct space *space, unsigned page, unsigned pages)
{
	return space_mlock(space, PAGE(page), pages * PAGE_SIZE, 0);
}

/* Is every page of these there, and may be written? */
static bool are_there(struct space *space, unsigned page, unsigned pages)
{
	for (; pages > 0; page++, pages--)
		if (!pte_is_writable(unit_leaf(space, PAGE(page))))
			return false;
	return true;
}

UNIT(locked_pages_are_there_and_counted_once)
{
	struct space *space = unit_space(8);

	HOLDS(lock(space, 2, 3) == 0);
	HOLDS(space->locked_pages == 3 && space->resident == 3 && are_there(space, 2, 3));
	HOLDS(lock(space, 3, 3) == 0);
	HOLDS(space->locked_pages == 4 && space->resident == 4 && are_there(space, 2, 4));
	HOLDS(unlock(space, 0, 8) == 0 && space->locked_pages == 0);
	HOLDS(space->resident == 4 && space->vmas->count == 1);
	unit_exit(space);
}

UNIT(parts_of_pages_lock_whole_ones)
{
	struct space *space = unit_space(4);

	HOLDS(space_mlock(space, PAGE(1) + 100, PAGE_SIZE, VMA_LOCKED) == 0);
	HOLDS(space->locked_pages == 2 && are_there(space, 1, 2));
	HOLDS(space_mlock(space, PAGE(1), 0, VMA_LOCKED) == 0 && space->locked_pages == 2);
	unit_exit(space);
}

UNIT(locking_copies_what_is_shared)
{
	struct space *space = unit_space(2), *child;
	pfn_t old;

	unit_put(space, PAGE(0), 1);
	old = unit_frame(space, PAGE(0));
	child = unit_fork(space, FORK_SHARE_ROOT);
	HOLDS(lock(space, 0, 1) == 0);
	HOLDS(unit_frame(space, PAGE(0)) != old && unit_frame(child, PAGE(0)) == old);
	HOLDS(unit_access(space, PAGE(0), ACCESS_WRITE) == 0);
	unit_exit(child);
	unit_exit(space);
}

UNIT(what_may_only_be_read_is_read)
{
	struct space *space = unit_space(0);

	unit_map(space, BASE, 2, PROT_READ);
	HOLDS(lock(space, 0, 2) == 0 && space->locked_pages == 2);
	HOLDS(unit_frame(space, PAGE(0)) == zero_frame && unit_frame(space, PAGE(1)) == zero_frame);
	HOLDS(space->resident == 0);
	unit_exit(space);
}

UNIT(locks_on_fault_bring_nothing_beforehand)
{
	struct space *space = unit_space(4);

	HOLDS(space_mlock(space, PAGE(0), 2 * PAGE_SIZE, VMA_LOCKED | VMA_LOCKONFAULT) == 0);
	HOLDS(space->locked_pages == 2 && space->resident == 0);
	unit_put(space, PAGE(1), 1);
	HOLDS(space->resident == 1);
	unit_exit(space);
}

UNIT(hole_stops_the_locking_and_is_told)
{
	struct space *space = unit_space(2);

	unit_map(space, PAGE(4), 2, RW);
	HOLDS(lock(space, 0, 6) == -ENOMEM);
	HOLDS(space->locked_pages == 2 && space->resident == 0);
	HOLDS(lock(space, 2, 1) == -ENOMEM && lock(space, 2, 3) == -ENOMEM);
	HOLDS(space->locked_pages == 2);
	HOLDS(unlock(space, 0, 6) == -ENOMEM && space->locked_pages == 0);
	unit_exit(space);
}

UNIT(addresses_beyond_all_are_refused)
{
	struct space *space = unit_space(1);

	HOLDS(space_mlock(space, USER_END - PAGE_SIZE, 2 * PAGE_SIZE, VMA_LOCKED) == -ENOMEM);
	HOLDS(space_mlock(space, PAGE(0), UINT64_MAX - PAGE(0), VMA_LOCKED) == -EINVAL);
	HOLDS(space->locked_pages == 0);
	unit_exit(space);
}

UNIT(limit_holds_for_all_locks_together)
{
	struct space *space = unit_space(8);

	limit = 4 * PAGE_SIZE;
	HOLDS(lock(space, 0, 5) == -ENOMEM && space->locked_pages == 0);
	HOLDS(lock(space, 0, 3) == 0);
	HOLDS(lock(space, 4, 2) == -ENOMEM && space->locked_pages == 3);
	HOLDS(lock(space, 1, 3) == 0 && space->locked_pages == 4);      /* two of them were */
	HOLDS(lock(space, 0, 4) == 0 && space->locked_pages == 4);
	limit = 0;
	HOLDS(lock(space, 0, 1) == -EPERM && unlock(space, 0, 1) == 0);
	HOLDS(space->locked_pages == 3);
	is_privileged = true;
	HOLDS(lock(space, 0, 8) == 0 && space->locked_pages == 8);
	unit_exit(space);
}

UNIT(all_that_is_mapped_is_locked_and_unlocked)
{
	struct space *space = unit_space(3);

	unit_map(space, PAGE(10), 2, RW);
	limit = 4 * PAGE_SIZE;
	HOLDS(space_mlock_all(space, MCL_CURRENT) == -ENOMEM);
	HOLDS(space->locked_pages == 0 && space->resident == 0);
	limit = 5 * PAGE_SIZE;
	HOLDS(space_mlock_all(space, MCL_CURRENT) == 0);
	HOLDS(space->locked_pages == 5 && space->resident == 5 && are_there(space, 10, 2));
	HOLDS(space_mlock_all(space, 0) == 0 && space->locked_pages == 0);
	unit_exit(space);
}

UNIT(what_comes_later_is_locked_when_that_was_asked_for)
{
	struct space *space = unit_space(2);

	HOLDS(space_mlock_all(space, MCL_FUTURE) == 0);
	HOLDS(space->locked_pages == 0 && space->resident == 0);
	unit_map(space, PAGE(10), 2, RW);
	HOLDS(space->locked_pages == 2 && are_there(space, 10, 2));
	HOLDS(space_mlock_all(space, MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0);
	unit_map(space, PAGE(20), 2, RW);
	HOLDS(space->locked_pages == 6 && space->resident == 2);
	HOLDS(space_mlock_all(space, 0) == 0);
	unit_map(space, PAGE(30), 2, RW);
	HOLDS(space->locked_pages == 0 && space->resident == 2);
	unit_exit(space);
}

UNIT(rights_that_come_back_bring_the_pages)
{
	struct space *space = unit_space(2);

	HOLDS(space_protect(space, PAGE(0), 2 * PAGE_SIZE, PROT_READ) == 0);
	HOLDS(lock(space, 0, 2) == 0 && !are_there(space, 0, 1));
	HOLDS(space_protect(space, PAGE(0), PAGE_SIZE, RW) == 0);
	HOLDS(are_there(space, 0, 1) && !are_there(space, 1, 1) && space->resident == 1);
	unit_exit(space);
}

UNIT(child_has_no_locks)
{
	struct space *space = unit_space(4), *child;

	HOLDS(lock(space, 1, 2) == 0);
	child = unit_fork(space, FORK_SHARE_ROOT);
	HOLDS(space->locked_pages == 2 && child->locked_pages == 0);
	HOLDS(space->vmas->count == 3 && child->vmas->count == 1);
	HOLDS(!child->lock_future);
	unit_exit(child);
	HOLDS(lock(space, 0, 4) == 0 && space->locked_pages == 4);
	unit_exit(space);
}
