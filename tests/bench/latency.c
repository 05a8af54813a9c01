/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/latency.c - how long a neighbour keeps the processor while a huge tree is freed.
 *
 * A child maps 50 GiB and writes one page in each 2 MiB: as many tables as 50 GiB of its own pages
 * have, in 200 MiB.  Then it lets go of them, and its parent, on the same processor, looks at the
 * clock all the time.  The longest time between two looks is a slice of the child, plus how long
 * the kernel went on without a scheduling point.
 */
#include "bench.h"
#include <sys/wait.h>

enum { GIB_MAPPED = 50 };

#define BYTES_MAPPED ((uint64_t)GIB_MAPPED << 30)

static long sparse_tree(const struct metric *metric)
{
	long at = must(metric, map_raw(BYTES_MAPPED, MAP_PRIVATE | MAP_NORESERVE));
	volatile char *base = (volatile char *)at;

	for (uint64_t offset = 0; offset < BYTES_MAPPED; offset += LARGE)
		base[offset] = 1;
	return at;
}

/* The longest time between two looks at the clock until the child has ended. */
static uint64_t longest_gap(int pid)
{
	uint64_t longest = 0, last = ticks_now();

	while (call6(SYS_wait4, pid, 0, WNOHANG, 0, 0, 0) == 0) {
		uint64_t now = ticks_now();
		if (now - last > longest)
			longest = now - last;
		last = now;
	}
	return longest;
}

static void neighbour_of_freeing(const struct metric *metric, bool by_munmap)
{
	struct pipe_ends gate = pipe_make(metric);
	int pid = (int)must(metric, fork_raw());
	char byte = 0;

	if (pid == 0) {
		long at = sparse_tree(metric);
		call3(SYS_write, gate.in, (long)&byte, 1);
		if (by_munmap)
			unmap_raw(at, BYTES_MAPPED);
		leave(0);
	}
	call3(SYS_read, gate.out, (long)&byte, 1);
	uint64_t start = ticks_now();
	sample_add(longest_gap(pid));
	report_value(metric, "_whole", (int64_t)(ticks_now() - start) * 100, "ticks");
	report(metric, "", 1, "ticks");
}

static void exit_of_huge(const struct metric *metric)
{
	neighbour_of_freeing(metric, false);
}

static void munmap_of_huge(const struct metric *metric)
{
	neighbour_of_freeing(metric, true);
}

const struct metric latency_metrics[] = {
	{ "latency_exit_50g", exit_of_huge, 0, 1, SET_LATENCY },
	{ "latency_munmap_50g", munmap_of_huge, 0, 1, SET_LATENCY },
	{ 0 },
};
