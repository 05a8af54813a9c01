/* SPDX-License-Identifier: MIT */
/*
 * tests/torture/storm.h - processes and threads that do everything to their memory at once, and
 * know what every page of it must hold.
 *
 * The memory of a process, its arena, has a stripe for each thread.  Only that thread writes there,
 * remaps, protects and drops pages; all others do the same next to it, in the same tables.  Any of
 * them forks: what the child finds in the stripes of threads that it does not have must be what
 * they held at one instant.  All choices come from the seed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The word among init's arguments that makes a program end well at once: what storms exec. */
#define STORM_EXEC_WORD "end-well"

struct storm {
	uint64_t seed;
	unsigned steps;                 /* of each thread */
	unsigned forks;                 /* in all */
	bool is_huge;                   /* stripes of 2 MiB that may become huge pages */
	bool is_poor;                   /* memory may be missing, now and then */
};

/* Memory that outlives storms; before the ledger is read. */
void storms_prepare(void);

/* Run one in children of the caller, and wait for them; orphans come to the first process, whoever
 * that is.  False: something was wrong, and `why` says what. */
bool storm_run(const struct storm *storm, char *why, size_t size);

/* Is this how processes of a storm end?  Some are killed. */
bool storm_end_is_good(int status);

/* How often each thing was done since the start, as one line. */
void storms_print(char *text, size_t size);
