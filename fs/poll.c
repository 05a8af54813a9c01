/* SPDX-License-Identifier: MIT */
/*
 * fs/poll.c - waiting for many files at once.
 *
 * Owns: the waiters of one poll(2) under way; they live on the poller's stack, the many of a large
 *   call in blocks beside it.
 * Invariants: `is_woken` is set before the poller is woken and cleared before it looks at the files
 *   again, so no change is missed.  All waiters are off their queues when poll_entries returns.
 * Locks: none of its own; poll_notify runs under the lock of the queue that was woken.
 */

#include "fs/poll.h"
#include "fs/file.h"
#include "mm/slab.h"

enum { NEAR_WAITERS = 8, BLOCK_WAITERS = 32 };

struct poll_waiter {
	struct waiter waiter;
	struct poll_table *table;
};

struct poll_block {
	struct poll_block *next;
	size_t count;
	struct poll_waiter waiters[BLOCK_WAITERS];
};

struct poll_table {
	bool is_woken;                  /* atomic */
	int error;                      /* a file could not be registered */
	size_t near_count;
	struct poll_block *blocks;      /* the newest first */
	struct poll_waiter near[NEAR_WAITERS];
};

static unsigned poll_scan(struct poll_entry *entries, size_t count, struct poll_table *table);
static int poll_sleep(struct poll_table *table, uint64_t deadline_ns);
static void poll_table_open(struct poll_table *table);
static void poll_table_close(struct poll_table *table);

int poll_entries(struct poll_entry *entries, size_t count, uint64_t deadline_ns)
{
	struct poll_table table;
	unsigned ready;
	int err;

	poll_table_open(&table);
	ready = poll_scan(entries, count, deadline_ns == 0 ? NULL : &table);
	err = table.error;
	while (ready == 0 && err == 0 && deadline_ns != 0) {
		err = poll_sleep(&table, deadline_ns);
		ready = poll_scan(entries, count, NULL);
	}
	poll_table_close(&table);
	if (ready > 0 || err == -ETIMEDOUT)
		return (int)ready;
	return err;
}

/* Look at every file, registering with it until one is found ready.  How many are. */
static unsigned poll_scan(struct poll_entry *entries, size_t count, struct poll_table *table)
{
	unsigned ready = 0;

	for (size_t i = 0; i < count; i++) {
		struct poll_entry *entry = &entries[i];

		if (entry->file)
			entry->got =
				file_poll(entry->file, table) & (entry->want | POLLERR | POLLHUP);
		if (entry->got) {
			ready++;
			table = NULL;
		}
	}
	return ready;
}

/* 0: look again; -ETIMEDOUT; -ERESTARTNOHAND: a signal. */
static int poll_sleep(struct poll_table *table, uint64_t deadline_ns)
{
	int err = 0;

	task_prepare_sleep(TASK_INTERRUPTIBLE);
	if (!atomic_load_acquire(&table->is_woken)) {
		if (wait_has_signal())
			err = -ERESTARTNOHAND;
		else if (!schedule_until(deadline_ns))
			err = -ETIMEDOUT;
	}
	task_prepare_sleep(TASK_RUNNABLE);
	atomic_store_relaxed(&table->is_woken, false);
	memory_barrier();
	return err;
}

static void poll_notify(struct waiter *waiter)
{
	struct poll_waiter *self = container_of(waiter, struct poll_waiter, waiter);

	atomic_store_release(&self->table->is_woken, true);
	task_wake(waiter->task);
}

/* Room for one waiter more; NULL: no memory. */
static struct poll_waiter *poll_table_grow(struct poll_table *table)
{
	struct poll_block *block = table->blocks;

	if (table->near_count < NEAR_WAITERS)
		return &table->near[table->near_count++];
	if (!block || block->count == BLOCK_WAITERS) {
		block = kmalloc(sizeof(*block));
		if (!block)
			return NULL;
		block->next = table->blocks;
		block->count = 0;
		table->blocks = block;
	}
	return &block->waiters[block->count++];
}

void poll_wait(struct poll_table *table, struct wait_queue *queue)
{
	struct poll_waiter *slot;

	if (!table)
		return;
	slot = poll_table_grow(table);
	if (!slot) {
		table->error = -ENOMEM;
		return;
	}
	waiter_init(&slot->waiter);
	slot->waiter.notify = poll_notify;
	slot->table = table;
	wait_enqueue(queue, &slot->waiter);
}

static void poll_table_open(struct poll_table *table)
{
	table->is_woken = false;
	table->error = 0;
	table->near_count = 0;
	table->blocks = NULL;
}

static void poll_table_close(struct poll_table *table)
{
	for (size_t i = 0; i < table->near_count; i++)
		wait_dequeue(&table->near[i].waiter);
	while (table->blocks) {
		struct poll_block *block = table->blocks;

		for (size_t i = 0; i < block->count; i++)
			wait_dequeue(&block->waiters[i].waiter);
		table->blocks = block->next;
		kfree(block);
	}
}

unsigned file_poll(struct file *file, struct poll_table *table)
{
	if (!file->ops->poll)
		return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM;
	return file->ops->poll(file, table);
}
