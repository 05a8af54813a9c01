/* SPDX-License-Identifier: MIT */
/*
 * fs/proc_locks.c - /proc/lockstat: what waiting for spinlocks has cost, by rank.
 *
 * A line for each rank: its name, how often somebody had to wait, how often they looked before they
 * had the lock, and for how many ticks of the cycle counter.  Sleeping locks never spin: zeros.
 */

#include "fs/procfs.h"
#include "kernel/spinlock.h"

int proc_show_lockstat(struct text *text, const struct text_node *node)
{
	struct lock_stat stat;

	for (unsigned rank = 1; rank < RANK_COUNT; rank++) {
		lock_stat_get(rank, &stat);
		text_print(text, "%s %lu %lu %lu\n", lock_rank_name(rank), stat.waits,
			stat.looks, stat.ticks);
	}
	return 0;
}
