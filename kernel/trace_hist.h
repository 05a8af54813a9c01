/* SPDX-License-Identifier: MIT */
/*
 * kernel/trace_hist.h - who copies most: the work of page faults, summed up by where it came from.
 *
 * A row is one place, say one instruction of one program file, with all counts of mm/counters.h.
 * The number of rows is fixed; what finds no row is added to `others`, so that the sums are right
 * whatever happens.  Only faults that trace_filter.h would let pass (process, address) count.  A
 * fault is one of a program, or of the kernel when it reads or writes a program's memory in a
 * system call; the instruction is then the one behind the call.
 * While it is off, a fault costs one load and one branch more.
 *
 * Whoever sets, reads or clears takes turns with others who do, see fs/proc_trace.c.
 */
#pragma once

#include "kernel/upcall.h"
#include "mm/counters.h"

enum trace_by { TRACE_BY_NOTHING, TRACE_BY_SITE, TRACE_BY_RANGE, TRACE_BY_PROCESS };

enum { TRACE_ROWS = 512, TRACE_PLACE_MAX = 96 };

/* What makes two places the same: a file and an offset in it; a range's start; a process. */
struct trace_key {
	uint64_t device, inode, at;
};

struct trace_row {
	struct trace_key key;
	char place[TRACE_PLACE_MAX];    /* for people, as it was called last; "": a free row */
	struct work_counts work;
};

struct trace_hist {
	enum trace_by by;               /* what it was made by */
	uint32_t row_count;
	uint64_t unsure;                /* faults that may have been given other threads' work */
	struct work_counts others;
	struct trace_row rows[TRACE_ROWS];
};

/* What faults are summed up by now. */
extern enum trace_by trace_by;

/* Begin, go on, or with NOTHING stop; what is there stays unless it was made by something else.
 * -ENOMEM: as before. */
MUST_CHECK int trace_hist_set(enum trace_by by);

/* Forget all rows; when it is off, give their memory back. */
void trace_hist_clear(void);

/* A copy to be freed with kfree; *out is NULL when nothing was ever counted.  -ENOMEM. */
MUST_CHECK int trace_hist_copy(struct trace_hist **out);

/* Have a page fault of the running task resolved, and count what it took. */
int trace_hist_fault(
	virt_t addr, enum access access, int (*resolve)(virt_t addr, enum access access));
