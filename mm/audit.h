/* SPDX-License-Identifier: MIT */
/*
 * mm/audit.h - recount everything and compare.
 *
 * Walks every space and every object, counts the entries that name each frame, and compares with
 * frame_refs; checks write certificates, rights, levels, totals and the free lists (the invariants
 * of docs/COW.md).  Stops the other CPUs meanwhile.  Linear in memory: for tests.
 */
#pragma once

#include "lib/types.h"

/* NULL when all is well, else the first difference in words (static buffer). */
const char *audit(void);

/* What must be the same before and after a test. */
struct ledger {
	uint64_t free_frames, slab_objects, spaces, objects;
};

/* Gives back first what is only kept at hand (free stacks, empty slabs).  May sleep. */
void ledger_take(struct ledger *out);
