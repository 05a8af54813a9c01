/* SPDX-License-Identifier: MIT */
/*
 * kernel/pid.c - numbers for processes, and finding who has one.
 *
 * Owns:       the tables of numbers: for each how many uses it has, and the thread called by it.
 * Invariants: a number with uses is not given out.  Numbers are given out in turn, so that one
 *             that was just freed comes back late.  Entries never move.
 * Locks:      pid_lock to give out numbers, inside the tree lock.  Uses are atomic: who adds one
 *             has one.  Threads are set and read under the tree lock.
 */
#include "kernel/pid.h"

#include "lib/abi/errno.h"
#include "lib/atomic.h"
#include "kernel/panic.h"
#include "kernel/spinlock.h"
#include "mm/slab.h"

enum {
	PID_MAX_DEFAULT = 32768,
	PID_MAX_LEAST = 301,
	PID_MAX_LIMIT = 262144,
	PID_FIRST_AGAIN = 300,          /* after the first round the lowest are left alone */
};

struct pid_entry {
	struct thread *thread;          /* [tree lock] */
	uint32_t uses;                  /* atomic */
};

static struct spinlock pid_lock = SPINLOCK_INIT(RANK_PID);
static struct pid_entry entries[PID_MAX_DEFAULT];
static struct pid_entry *more_entries;          /* the rest; NULL until pid_max grows */
static uint32_t pid_max = PID_MAX_DEFAULT;      /* [pid_lock] numbers are below */
static uint32_t last;                           /* [pid_lock] */
static uint32_t in_use;                         /* atomic */

static struct pid_entry *entry_of(uint32_t pid)
{
	return pid < PID_MAX_DEFAULT ? &entries[pid] : &more_entries[pid - PID_MAX_DEFAULT];
}

/* The next number without a use at or above `from`, below `end`; 0: none. */
static uint32_t pid_search(uint32_t from, uint32_t end)
{
	for (uint32_t pid = from; pid < end; pid++) {
		if (atomic_load_acquire(&entry_of(pid)->uses) == 0)
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
		entry_of(pid)->uses = 1;
		atomic_inc(&in_use);
	}
	spin_unlock(&pid_lock);
	return pid != 0 ? (int32_t)pid : -EAGAIN;
}

int32_t pid_alloc_at(int32_t pid)
{
	if (pid <= 0 || (uint32_t)pid >= pid_max_get())
		return -EINVAL;

	struct pid_entry *entry = entry_of((uint32_t)pid);
	spin_lock(&pid_lock);
	bool is_free = atomic_load_acquire(&entry->uses) == 0;
	if (is_free) {
		entry->uses = 1;
		atomic_inc(&in_use);
	}
	spin_unlock(&pid_lock);
	return is_free ? pid : -EEXIST;
}

void pid_use(int32_t pid)
{
	uint32_t before = atomic_fetch_add_relaxed(&entry_of((uint32_t)pid)->uses, 1);

	assert(before > 0);
}

void pid_release(int32_t pid)
{
	struct pid_entry *entry = entry_of((uint32_t)pid);

	assert(atomic_load_relaxed(&entry->uses) > 1 || entry->thread == NULL);
	if (atomic_dec_and_test(&entry->uses))
		atomic_dec(&in_use);
}

void pid_replace(int32_t *held, int32_t pid)
{
	if (pid)
		pid_use(pid);
	if (*held)
		pid_release(*held);
	*held = pid;
}

uint32_t pids_in_use(void)
{
	return atomic_load_relaxed(&in_use);
}

uint32_t pid_max_get(void)
{
	return READ_ONCE(pid_max);
}

/* Room for the largest numbers there may ever be. */
static int entries_grow(void)
{
	struct pid_entry *more = kzalloc((PID_MAX_LIMIT - PID_MAX_DEFAULT) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	spin_lock(&pid_lock);
	bool is_needed = !more_entries;
	if (is_needed)
		atomic_store_release(&more_entries, more);
	spin_unlock(&pid_lock);
	if (!is_needed)
		kfree(more);
	return 0;
}

int pid_max_set(uint32_t max)
{
	if (max < PID_MAX_LEAST || max > PID_MAX_LIMIT)
		return -EINVAL;
	if (max > PID_MAX_DEFAULT && !READ_ONCE(more_entries)) {
		int err = entries_grow();
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
	entry_of((uint32_t)pid)->thread = thread;
}

struct thread *pid_thread(int32_t pid)
{
	uint32_t end = READ_ONCE(more_entries) ? PID_MAX_LIMIT : PID_MAX_DEFAULT;

	assert(spin_is_held(&process_tree_lock));
	return pid > 0 && (uint32_t)pid < end ? entry_of((uint32_t)pid)->thread : NULL;
}
