/* SPDX-License-Identifier: MIT */
/*
 * mm/census.h - who sees which frame, counted anew.
 *
 * A frame's count says how many entries name it.  How often it is mapped is another question: one
 * table may stand in a thousand spaces.  It is the number of ways from a root down to the frame,
 * and no product of the counts on one way: after a grandchild's fork the ways may differ.  So a
 * table's number is found first, and added to all that the table names, level by level; each table
 * is read once, however many spaces share it.
 *
 * Linear in the tables of all spaces, and takes a word per frame that it meets: for those who read
 * smaps, kpagecount or meminfo.  Exact while nothing moves; a frame that moves meanwhile may be
 * counted at both places or at none.
 */
#pragma once

#include "lib/types.h"

struct census;
struct space;

/* Count for every frame how often spaces map it, and find those of files.  May sleep.  -ENOMEM. */
MUST_CHECK int census_take(struct census **out);
void census_free(struct census *census);        /* NULL is fine */

/* At how many places of how many spaces the frame can be seen.  Does a file hold it? */
uint32_t census_mapped(const struct census *census, pfn_t pfn);
bool census_is_of_file(const struct census *census, pfn_t pfn);

/* Frames, each counted once: that objects hold; of them, that some space maps; that lie in locked
 * ranges. */
struct census_totals {
	uint64_t files, mapped, locked;
};

/* May sleep.  -ENOMEM. */
MUST_CHECK int census_totals(struct census_totals *totals);

/* The tables by which a space finds its pages, its root included, whoever else uses them.  May
 * sleep. */
uint64_t space_tables(struct space *space);
