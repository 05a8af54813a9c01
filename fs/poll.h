/* SPDX-License-Identifier: MIT */
/*
 * fs/poll.h - waiting for many files at once.
 */
#pragma once

#include "lib/abi/linux.h"
#include "kernel/wait.h"

struct file;
struct poll_table;

/* Called by a file's poll operation: wake the poller when `queue` is woken.  The file must keep the
 * queue alive.  A NULL table only asks. */
void poll_wait(struct poll_table *table, struct wait_queue *queue);

/* One file's events now, without waiting. */
unsigned file_poll(struct file *file, struct poll_table *table);

struct poll_entry {
	struct file *file;              /* NULL: not looked at; ready if the caller set `got` */
	unsigned want, got;             /* POLL* */
};

/* Wait until an entry is ready, a signal (-ERESTARTNOHAND) or the deadline (CLOCK_MONOTONIC ns;
 * 0: do not wait; WAIT_FOREVER).  The number of ready ones, 0 when time is up, or a negative
 * errno. */
int poll_entries(struct poll_entry *entries, size_t count, uint64_t deadline_ns);
