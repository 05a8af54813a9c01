/* SPDX-License-Identifier: MIT */
/*
 * kernel/pid.c - numbers for processes, and finding who has one.
 *
 * Owns:       the table of numbers: for each how many uses it has, and the thread called by it.
 * Invariants: a number with uses is not given out.  Numbers are given out in turn, so that one that was
 *             just freed comes back late.
 * Locks:      pid_lock, inside the tree lock.  Threads are set and read under the tree lock.
 */
#include "kernel/pid.h"

#include "lib/abi/errno.h"
#include "lib/string.h"
#include "kernel/panic.h"
#include "kernel/spinlock.h"
#include "mm/slab.h"

enum {
	PID_MAX_DEFAULT = 32768,
	PID_MAX_LEAST = 301,
	PID_MAX_LIMIT = 262144,
	PID_FIRST_AGAIN = 300,          /* after the first round the lowest stay with the system's own */
};

struct pid_entry {
	struct thread *thread;          /* [tree lock] */
	uint32_t uses;                  /* [pid_lock] */
};

static struct spinlock pid_lock = SPINLOCK_INIT(RANK_FDTABLE);
static struct pid_entry first_table[PID_MAX_DEFAULT];
static struct pid_entry *table = first_table;   /* [pid_lock; grown once, the old one stays readable] */
static uint32_t table_size = PID_MAX_DEFAULT;
static uint32_t pid_max = PID_MAX_DEFAULT;      /* [pid_lock] numbers are below */
static uint32_t last;                           /* [pid_lock] */
static uint32_t in_use;                         /* [pid_lock] */

/* The next number without a use at or above `from`, below `end`; 0: none. */
static uint32_t pid_search(uint32_t from, uint32_t end)
{
	for (uint32_t pid = from; pid < end; pid++) {
		if (table[pid].uses == 0)
			return pid;
	}
	return 0;
}

int32_t pid_alloc(void)
{
	if (FAULT_POINT("pid"))
		return -EAGAIN;

	spin_lock(&pid_lock);
	uint32_t pid = pid_search(last + 1, pid_max);
	if (pid == 0)
		pid = pid_search(PID_FIRST_AGAIN, MIN(last + 1, pid_max));
	if (pid != 0) {
		last = pid;
		in_use++;
		table[pid].uses = 1;
	}
	spin_unlock(&pid_lock);
	return pid != 0 ? (int32_t)pid : -EAGAIN;
}

void pid_use(int32_t pid)
{
	spin_lock(&pid_lock);
	assert(table[pid].uses > 0);
	table[pid].uses++;
	spin_unlock(&pid_lock);
}

void pid_release(int32_t pid)
{
	spin_lock(&pid_lock);
	assert(table[pid].uses > 0);
	if (--table[pid].uses == 0) {
		assert(table[pid].thread == NULL);
		in_use--;
	}
	spin_unlock(&pid_lock);
}

uint32_t pids_in_use(void)
{
	return READ_ONCE(in_use);
}

uint32_t pid_max_get(void)
{
	return READ_ONCE(pid_max);
}

/* Room for the largest numbers there may ever be.  Whoever reads the old table meanwhile reads on: it is
 * static. */
static int table_grow(void)
{
	struct pid_entry *larger = kzalloc(PID_MAX_LIMIT * sizeof(*larger));

	if (!larger)
		return -ENOMEM;
	spin_lock(&process_tree_lock);
	spin_lock(&pid_lock);
	bool is_needed = table_size < PID_MAX_LIMIT;
	if (is_needed) {
		memcpy(larger, first_table, sizeof(first_table));
		table = larger;
		table_size = PID_MAX_LIMIT;
	}
	spin_unlock(&pid_lock);
	spin_unlock(&process_tree_lock);
	if (!is_needed)
		kfree(larger);
	return 0;
}

int pid_max_set(uint32_t max)
{
	if (max < PID_MAX_LEAST || max > PID_MAX_LIMIT)
		return -EINVAL;
	if (max > READ_ONCE(table_size)) {
		int err = table_grow();
		if (err)
			return err;
	}
	spin_lock(&pid_lock);
	pid_max = max;
	spin_unlock(&pid_lock);
	return 0;
}

void pid_set_thread(int32_t pid, struct thread *thread)
{
	assert(spin_is_held(&process_tree_lock));
	table[pid].thread = thread;
}

struct thread *pid_thread(int32_t pid)
{
	assert(spin_is_held(&process_tree_lock));
	return pid > 0 && (uint32_t)pid < table_size ? table[pid].thread : NULL;
}
