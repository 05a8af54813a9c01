/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/huge.h - what tests of huge pages begin with, and look at.
 */
#pragma once

#include <stdio.h>

#include "mm/audit.h"
#include "mm/frame.h"
#include "mm/huge_mode.h"
#include "mm/tree.h"
#include "tests/host/sim/mmu.h"
#include "tests/host/sim/unit.h"

enum { PIECE = PTE_PER_TABLE };         /* pages of a huge page */

/* All but the naive one, which shares nothing. */
static const enum fork_share shares[] = {
	FORK_SHARE_PAGE, FORK_SHARE_TABLE, FORK_SHARE_DIR, FORK_SHARE_ROOT,
};

static inline void advise(struct space *space, virt_t start, uint64_t pages, int advice)
{
	HOLDS(space_advise(space, start, pages * PAGE_SIZE, advice) == 0);
}

/* The first huge page of `count`, stored to; each has its number in its first page. */
static inline struct space *huge_space(unsigned count)
{
	struct space *space = unit_space(count * PIECE);

	advise(space, BASE, count * PIECE, MADV_HUGEPAGE);
	for (unsigned i = 0; i < count; i++)
		unit_put(space, PAGE(i * PIECE), i + 1);
	HOLDS(unit_work(space, WORK_huge_fills) == count);
	return space;
}

/* The table of `level` on the way to addr, FRAME_NONE if there is none; and the entry in it. */
static inline pfn_t table_at(const struct space *space, virt_t addr, int level)
{
	pfn_t table = space->mmu.root >> PAGE_SHIFT;

	for (int above = PTE_LEVELS; above > level; above--) {
		pte_t entry = frame_entries(table)[pte_index(addr, above)];

		if (pte_is_none(entry) || pte_is_huge(entry))
			return FRAME_NONE;
		table = pte_pfn(entry);
	}
	return table;
}

static inline pte_t entry_at(const struct space *space, virt_t addr, int level)
{
	pfn_t table = table_at(space, addr, level);

	return table == FRAME_NONE ? PTE_NONE : frame_entries(table)[pte_index(addr, level)];
}

static inline bool is_huge_at(const struct space *space, virt_t addr)
{
	return pte_is_huge(entry_at(space, addr, 2));
}

/* One that came unasked: its pages are copied one by one when they are shared. */
static inline struct space *huge_to_split(void)
{
	struct space *space = unit_space(PIECE);

	thp_set_mode(THP_ALWAYS);
	unit_put(space, BASE, 1);
	HOLDS(is_huge_at(space, BASE));
	return space;
}

/* Has each of the frames so many holders, but for one of them? */
static inline bool all_have(pfn_t block, uint32_t count, pfn_t except)
{
	for (pfn_t pfn = block; pfn < block + PIECE; pfn++)
		if (pfn != except && frame_refs[pfn] != count)
			return false;
	return true;
}

static inline bool is_sound(void)
{
	const char *wrong = audit();

	if (wrong)
		printf("# %s\n", wrong);
	mmu_check_caches();
	return !wrong;
}

/* Stores that need no fault, to all pages but one. */
static inline int faults_of_stores(struct space *space, unsigned except)
{
	int faults = 0;

	for (unsigned page = 0; page < PIECE; page++)
		faults += page == except ? 0 : unit_access(space, PAGE(page), ACCESS_WRITE);
	return faults;
}
