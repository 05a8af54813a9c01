/* SPDX-License-Identifier: MIT */
/*
 * mm/detach.h - take a range of entries out of a tree.
 *
 * Used for spaces (munmap) and for objects (truncate): a tree is a tree.  Two halves: prepare owns
 * the tables that are covered only in part and may fail, changing nobody's memory; commit cannot
 * fail, takes wholly covered entries out at the coarsest level, and allocates nothing.
 *
 * A subtree is taken whole if its span lies within [floor, ceiling): beyond [start, end) the caller
 * knows that there are no pages, so that empty tables go too.
 */
#pragma once

#include "mm/tree.h"

struct detach {
	virt_t start, end;              /* pages that go */
	virt_t floor, ceiling;          /* floor <= start, end <= ceiling */
	struct work_counts *work;
	struct gather *gather;
	uint64_t resident;              /* result: pages taken out that counted as resident */
	/* Make the CPUs forget what the gather names, then put it.  Called when it is full. */
	void (*drain)(struct detach *detach);
	void *owner;
};

MUST_CHECK int detach_prepare(struct detach *detach, pfn_t table, virt_t base);
void detach_commit(struct detach *detach, pfn_t table, virt_t base);
