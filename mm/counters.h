/* SPDX-License-Identifier: MIT */
/*
 * mm/counters.h - exact counts of the work done.
 *
 * Tests assert work, not time.  Each count is kept twice: per CPU for the whole system (/proc/cow)
 * and per space (/proc/PID/cow); a space's counts start at zero when fork creates it.
 */
#pragma once

#include "lib/atomic.h"
#include "lib/types.h"
#include "arch/x86_64/cpu.h"

#define WORK_LIST(X) \
	X(faults)               /* page faults at user addresses, all kinds */ \
	X(faults_spurious)      /* the entry already allowed it */ \
	X(faults_refused)       /* ended in a signal or EFAULT */ \
	X(faults_zero_read)     /* absent, read: the zero frame */ \
	X(faults_zero_write)    /* absent or zero frame, write: a fresh frame */ \
	X(faults_file)          /* absent, from an object */ \
	X(faults_reuse)         /* last holder: the write bit came back, nothing copied */ \
	X(faults_copy)          /* shared frame: copied */ \
	X(faults_shared_write)  /* first write through a MAP_SHARED entry */ \
	X(pages_ahead)          /* made the program's own before it touched them: mm/ahead.h */ \
	X(huge_fills)           /* absent: a fresh huge page */ \
	X(huge_fallbacks)       /* the same, but there was none to be had */ \
	X(huge_reuses)          /* last holder of a huge page: the write bit came back */ \
	X(huge_copies)          /* shared huge page: copied as a whole, by policy */ \
	X(huge_splits)          /* huge leaf: written down as a table of its pages */ \
	X(huge_collapses)       /* a table of pages made a huge leaf */ \
	X(frames_copied)        \
	X(frames_zeroed)        \
	X(tables_created)       \
	X(tables_copied)        \
	X(tables_regained)      /* the last owner took a table back */ \
	X(tables_freed)         \
	X(entries_shared)       /* counts taken by fork and table copies */ \
	X(shootdowns)           /* flushes, whether or not others were asked */ \
	X(forks)

enum work {
#define X(name) WORK_##name,
	WORK_LIST(X)
#undef X
	WORK_KINDS
};

struct work_counts {
	uint64_t of[WORK_KINDS];
};

/* Count n pieces of work for the system and for `counts` (a space's; may be NULL). */
#define work_add(counts, kind, n) \
	do { \
		struct work_counts *counts_ = (counts); \
		cpu_counter_add(WORK_##kind, (n)); \
		if (counts_) \
			(void)atomic_fetch_add_relaxed(&counts_->of[WORK_##kind], (uint64_t)(n)); \
	} while (0)

const char *work_name(enum work kind);

/* Sum over all CPUs. */
void work_totals(struct work_counts *out);
