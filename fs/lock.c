/* SPDX-License-Identifier: MIT */
/*
 * fs/lock.c - locks that programs put on files.
 *
 * Owns: the records on each inode's `locks`.
 * Invariants: records of one kind and one owner do not overlap; records of one kind and different
 *   owners overlap only if all of them are for reading.
 * Locks: record_lock (RANK_RECORD) for all records of all files: they are rare and short-lived.
 * See: fcntl(2), flock(2).
 */
#include "fs/lock.h"
#include "lib/atomic.h"
#include "kernel/panic.h"
#include "kernel/wait.h"
#include "mm/slab.h"

enum { WAIT_CHAIN_MAX = 32 };           /* owners looked at for a deadlock */

struct record {
	struct list_node node;
	struct lock_request held;
};

/* Somebody who sleeps for a range. */
struct sleeper {
	struct list_node node;          /* [record_lock] listed until blocked_by gives it up */
	const struct inode *inode;
	const struct lock_request *request;
	const void *blocked_by;         /* [record_lock] */
};

/* A cut in the middle and the new range itself: what one request can need. */
struct spares {
	struct record *at[2];
};

static struct spinlock record_lock = SPINLOCK_INIT(RANK_RECORD);
static struct list sleepers = LIST_INIT(sleepers);      /* [record_lock] */
static struct wait_queue released;
static uint64_t release_count;                          /* atomic: changes with every release */

static int lock_try(struct inode *inode, const struct lock_request *request, struct spares *spares,
		    struct sleeper *sleeper);
static struct record *record_in_way(struct inode *inode, const struct lock_request *request)
	REQUIRES(record_lock);
static bool would_deadlock(const struct lock_request *request, const void *blocked_by)
	REQUIRES(record_lock);
static void sleepers_release(const struct inode *inode, const void *owner,
			     const struct lock_request *given_up) REQUIRES(record_lock);
static bool whole_changes(const struct inode *inode, const struct lock_request *request)
	REQUIRES(record_lock);
static bool records_carve(struct inode *inode, const struct lock_request *request,
			  struct spares *spares) REQUIRES(record_lock);
static void records_add(struct inode *inode, const struct lock_request *request,
			struct spares *spares) REQUIRES(record_lock);
static int spares_get(struct spares *spares);
static void spares_put(struct spares *spares);
static void announce_release(void);

void locks_start(void)
{
	wait_queue_init(&released);
}

int lock_set(struct inode *inode, const struct lock_request *request, bool may_wait)
{
	struct spares spares;
	struct sleeper sleeper = { .inode = inode, .request = request };
	int err = spares_get(&spares);

	if (err)
		return err;
	list_node_init(&sleeper.node);
	for (;;) {
		uint64_t seen = atomic_load_acquire(&release_count);

		err = lock_try(inode, request, &spares, may_wait ? &sleeper : NULL);
		if (err != -EAGAIN || !may_wait)
			break;
		err = wait_event_interruptible(&released,
					       atomic_load_acquire(&release_count) != seen);
		if (err)
			break;
	}
	spin_lock(&record_lock);
	list_remove(&sleeper.node);
	spin_unlock(&record_lock);
	spares_put(&spares);
	return err;
}

void lock_test(struct inode *inode, struct lock_request *request)
{
	spin_lock(&record_lock);
	struct record *other = record_in_way(inode, request);

	if (other)
		*request = other->held;
	else
		request->type = F_UNLCK;
	spin_unlock(&record_lock);
}

void lock_release_owner(struct inode *inode, const void *owner)
{
	bool has_released = false;

	if (list_is_empty(&inode->locks))
		return;
	spin_lock(&record_lock);
	list_for_each_safe(node, &inode->locks) {
		struct record *record = list_entry(node, struct record, node);

		if (record->held.owner != owner)
			continue;
		list_remove(node);
		kfree(record);
		has_released = true;
	}
	if (has_released)
		sleepers_release(inode, owner, NULL);
	spin_unlock(&record_lock);
	if (has_released)
		announce_release();
}

/* ---- one try ---- */

/* -EAGAIN: somebody is in the way, and the sleeper, if there is one, is on record as waiting for
 * him. */
static int lock_try(struct inode *inode, const struct lock_request *request, struct spares *spares,
		    struct sleeper *sleeper)
{
	bool has_released = false;
	int err = 0;

	spin_lock(&record_lock);
	if (whole_changes(inode, request))
		has_released = records_carve(inode, request, spares);
	struct record *other = record_in_way(inode, request);

	if (!other) {
		has_released |= records_carve(inode, request, spares);
		records_add(inode, request, spares);
	} else if (sleeper && would_deadlock(request, other->held.owner)) {
		err = -EDEADLK;
	} else {
		err = -EAGAIN;
	}
	if (err == -EAGAIN && sleeper) {
		sleeper->blocked_by = other->held.owner;
		list_remove(&sleeper->node);
		list_push_back(&sleepers, &sleeper->node);
	}
	if (has_released)
		sleepers_release(inode, request->owner, request);
	spin_unlock(&record_lock);
	if (has_released)
		announce_release();
	return err;
}

static bool records_meet(const struct lock_request *a, const struct lock_request *b)
{
	return a->kind == b->kind && a->start <= b->end && b->start <= a->end;
}

static struct record *record_in_way(struct inode *inode, const struct lock_request *request)
{
	struct record *record;

	if (request->type == F_UNLCK)
		return NULL;
	list_for_each_entry(record, &inode->locks, node) {
		const struct lock_request *held = &record->held;

		if (records_meet(held, request) && held->owner != request->owner &&
		    (held->type == F_WRLCK || request->type == F_WRLCK))
			return record;
	}
	return NULL;
}

static const void *owner_blocking(const void *owner) REQUIRES(record_lock)
{
	struct sleeper *sleeper;

	list_for_each_entry(sleeper, &sleepers, node) {
		if (sleeper->request->owner == owner)
			return sleeper->blocked_by;
	}
	return NULL;
}

/* Does whoever blocks us wait, through others perhaps, for us?  Only processes are asked: an open
 * file can be waited for by several. */
static bool would_deadlock(const struct lock_request *request, const void *blocked_by)
{
	if (request->kind != LOCK_RANGE || request->pid == LOCK_PID_NONE)
		return false;
	for (int i = 0; blocked_by && i < WAIT_CHAIN_MAX; i++) {
		blocked_by = owner_blocking(blocked_by);
		if (blocked_by == request->owner)
			return true;
	}
	return false;
}

/* Who slept for what the owner gave up (NULL: all that it had) need not, as far as anybody knows:
 * he looks again when he runs. */
static void sleepers_release(const struct inode *inode, const void *owner,
			     const struct lock_request *given_up)
{
	list_for_each_safe(node, &sleepers) {
		struct sleeper *sleeper = list_entry(node, struct sleeper, node);

		if (sleeper->inode == inode && sleeper->blocked_by == owner &&
		    (!given_up || records_meet(sleeper->request, given_up)))
			list_remove(node);
	}
}

/* Does the owner have the whole file in another way?  That he gives up before he looks who else has
 * it: of two who share it and both want it alone, one gets it. */
static bool whole_changes(const struct inode *inode, const struct lock_request *request)
{
	struct record *record;

	list_for_each_entry(record, &inode->locks, node) {
		const struct lock_request *held = &record->held;

		if (held->kind == LOCK_WHOLE && request->kind == LOCK_WHOLE &&
		    held->owner == request->owner)
			return held->type != request->type;
	}
	return false;
}

/* ---- records ---- */

static struct record *spare_take(struct spares *spares)
{
	struct record *record = spares->at[0] ? spares->at[0] : spares->at[1];

	assert(record);
	spares->at[spares->at[0] ? 0 : 1] = NULL;
	return record;
}

/* Take the request's range out of what the owner has.  True if that may let others go on. */
static bool records_carve(struct inode *inode, const struct lock_request *request,
			  struct spares *spares)
{
	bool has_carved = false;

	list_for_each_safe(node, &inode->locks) {
		struct record *record = list_entry(node, struct record, node);
		struct lock_request *held = &record->held;

		if (held->owner != request->owner || !records_meet(held, request))
			continue;
		has_carved = true;
		if (held->start < request->start && held->end > request->end) {
			struct record *right = spare_take(spares);

			right->held = *held;
			right->held.start = request->end + 1;
			list_insert_after(node, &right->node);
		}
		if (held->start < request->start) {
			held->end = request->start - 1;
		} else if (held->end > request->end) {
			held->start = request->end + 1;
		} else {
			list_remove(node);
			kfree(record);
		}
	}
	return has_carved;
}

/* Add the range, which is free of the owner's records, joined with what it touches. */
static void records_add(struct inode *inode, const struct lock_request *request,
			struct spares *spares)
{
	if (request->type == F_UNLCK)
		return;
	struct record *fresh = spare_take(spares);

	fresh->held = *request;
	list_for_each_safe(node, &inode->locks) {
		struct record *record = list_entry(node, struct record, node);
		const struct lock_request *held = &record->held;

		if (held->owner != request->owner || held->kind != request->kind ||
		    held->type != request->type)
			continue;
		if (held->end + 1 == fresh->held.start)
			fresh->held.start = held->start;
		else if (held->start == fresh->held.end + 1)
			fresh->held.end = held->end;
		else
			continue;
		list_remove(node);
		kfree(record);
	}
	list_push_back(&inode->locks, &fresh->node);
}

static int spares_get(struct spares *spares)
{
	spares->at[0] = kmalloc(sizeof(struct record));
	spares->at[1] = kmalloc(sizeof(struct record));
	if (spares->at[0] && spares->at[1])
		return 0;
	spares_put(spares);
	return -ENOMEM;
}

static void spares_put(struct spares *spares)
{
	kfree(spares->at[0]);
	kfree(spares->at[1]);
}

static void announce_release(void)
{
	(void)atomic_add_return(&release_count, 1);
	wake_all(&released);
}
