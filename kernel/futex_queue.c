/* SPDX-License-Identifier: MIT */
/*
 * kernel/futex_queue.c - who sleeps on which user word: keys, buckets, sleepers.
 *
 * Owns:       buckets of sleepers, by a hash of what names the word.
 * Invariants: a sleeper counts the object in its key, also when it is moved to another key.
 * Locks:      a bucket's lock for its list and the waiters on it; two buckets in the order of their
 *             addresses.  A waiter takes it once more before it returns, so a waker may use its
 *             task under it.
 * See:        kernel/futex.c for the order of queueing and looking that loses no wake-up.
 */
#include "kernel/futex_queue.h"

#include "lib/abi/errno.h"
#include "arch/x86_64/usercopy.h"
#include "mm/space.h"

enum { BUCKETS = 256 };

static struct futex_bucket buckets[BUCKETS];

void futexes_start(void)
{
	for (int i = 0; i < BUCKETS; i++) {
		spin_init(&buckets[i].lock, RANK_FUTEX);
		list_init(&buckets[i].waiters);
	}
}

/* ---- keys ----------------------------------------------------------------------------------- */

/* The word lies in a range shared through an object? */
static int key_find_object(virt_t addr, struct futex_key *key)
{
	struct space *space = current->space;
	struct vma *vma;

	read_lock(&space->lock);
	vma = vma_find(space->vmas, addr);
	if (vma && !vma_is_private(vma) && vma->object) {
		key->object = vma->object;
		key->owner = vma->object;
		key->offset = vma->offset + (addr - vma->start);
		object_get(vma->object);
	}
	read_unlock(&space->lock);
	return vma ? 0 : -EFAULT;
}

int futex_key_get(virt_t addr, bool is_shared, struct futex_key *key)
{
	if (addr % sizeof(uint32_t))
		return -EINVAL;
	if (!user_range_ok(addr, sizeof(uint32_t)))
		return -EFAULT;
	*key = (struct futex_key){ .owner = current->space, .offset = addr };
	return is_shared ? key_find_object(addr, key) : 0;
}

void futex_key_put(struct futex_key *key)
{
	if (key->object)
		object_put(key->object);
}

static bool key_equals(const struct futex_key *a, const struct futex_key *b)
{
	return a->owner == b->owner && a->offset == b->offset;
}

struct futex_bucket *futex_bucket_of(const struct futex_key *key)
{
	uint64_t hash = ((uint64_t)key->owner >> 4 ^ key->offset) * 0x9e3779b97f4a7c15;

	return &buckets[hash >> 56];
}

/* ---- sleepers ------------------------------------------------------------------------------- */

static void bucket_add(struct futex_bucket *bucket, struct futex_waiter *waiter)
	REQUIRES(bucket->lock)
{
	waiter->bucket = bucket;
	waiter->ticket = bucket->next_ticket++;
	list_push_back(&bucket->waiters, &waiter->node);
}

void futex_enqueue(struct futex_waiter *waiter)
{
	struct futex_bucket *bucket = futex_bucket_of(&waiter->key);

	waiter->task = current;
	waiter->state = FUTEX_LOOKS;
	list_node_init(&waiter->node);
	spin_lock(&bucket->lock);
	bucket_add(bucket, waiter);
	spin_unlock(&bucket->lock);
}

/* Lock the bucket that the waiter is in; a requeue may move it meanwhile. */
NO_LOCK_ANALYSIS static struct futex_bucket *waiter_lock(struct futex_waiter *waiter)
{
	for (;;) {
		struct futex_bucket *bucket = atomic_load_acquire(&waiter->bucket);

		spin_lock(&bucket->lock);
		if (bucket == waiter->bucket)
			return bucket;
		spin_unlock(&bucket->lock);
	}
}

NO_LOCK_ANALYSIS bool futex_leave(struct futex_waiter *waiter)
{
	struct futex_bucket *bucket = waiter_lock(waiter);
	bool is_woken = waiter->state == FUTEX_WOKEN;

	if (!is_woken)
		list_remove(&waiter->node);
	spin_unlock(&bucket->lock);
	return is_woken;
}

bool futex_settle(struct futex_waiter *waiter)
{
	uint32_t state = FUTEX_LOOKS;

	if (atomic_cmpxchg(&waiter->state, &state, FUTEX_SLEEPS) || state != FUTEX_DISTURBED)
		return true;
	(void)atomic_xchg(&waiter->state, FUTEX_LOOKS);
	return false;
}

static bool any_is_woken(const struct futex_waiter *waiters, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (atomic_load_acquire(&waiters[i].state) == FUTEX_WOKEN)
			return true;
	}
	return false;
}

int futex_sleep(const struct futex_waiter *waiters, unsigned count, uint64_t deadline_ns)
{
	int err = 0;

	while (!err) {
		task_prepare_sleep(TASK_INTERRUPTIBLE);
		if (any_is_woken(waiters, count))
			break;
		err = wait_has_signal() ? -ERESTARTSYS : 0;
		if (!err && !schedule_until(deadline_ns))
			err = -ETIMEDOUT;
	}
	task_prepare_sleep(TASK_RUNNABLE);
	return err;
}

/* ---- wakers --------------------------------------------------------------------------------- */

/* Bucket locked.  Whoever does not sleep yet looks at the word once more; that is all it needs. */
static bool waiter_is_asleep(struct futex_waiter *waiter)
{
	uint32_t state = FUTEX_LOOKS;

	return !atomic_cmpxchg(&waiter->state, &state, FUTEX_DISTURBED) && state == FUTEX_SLEEPS;
}

/* Bucket locked.  The waiter is not ours any more once its lock is released. */
static void waiter_wake(struct futex_waiter *waiter)
{
	struct task *task = waiter->task;

	list_remove(&waiter->node);
	atomic_store_release(&waiter->state, FUTEX_WOKEN);
	task_wake(task);
}

int32_t futex_wake_key(const struct futex_key *key, int32_t count, uint32_t bitset)
{
	struct futex_bucket *bucket = futex_bucket_of(key);
	struct futex_waiter *waiter;
	int32_t woken = 0;

	spin_lock(&bucket->lock);
	list_for_each_entry_safe(waiter, &bucket->waiters, node) {
		if (!key_equals(&waiter->key, key) || !(waiter->bitset & bitset))
			continue;
		if (!waiter_is_asleep(waiter))
			continue;
		waiter_wake(waiter);
		if (++woken >= count)
			break;
	}
	spin_unlock(&bucket->lock);
	return woken;
}

/* ---- moving --------------------------------------------------------------------------------- */

NO_LOCK_ANALYSIS static void buckets_lock(struct futex_bucket *a, struct futex_bucket *b)
{
	spin_lock(a < b ? &a->lock : &b->lock);
	if (a != b)
		spin_lock(a < b ? &b->lock : &a->lock);
}

NO_LOCK_ANALYSIS static void buckets_unlock(struct futex_bucket *a, struct futex_bucket *b)
{
	if (a != b)
		spin_unlock(&b->lock);
	spin_unlock(&a->lock);
}

/* Both buckets locked.  The waiter's key counts the new object; the old one's count is the
 * caller's. */
NO_LOCK_ANALYSIS static void waiter_move(struct futex_waiter *waiter, const struct futex_key *to)
{
	list_remove(&waiter->node);
	waiter->key = *to;
	if (to->object)
		object_get(to->object);
	bucket_add(futex_bucket_of(to), waiter);
}

/* Both buckets locked. */
static void requeue_bucket(struct futex_requeue *request, struct futex_bucket *bucket)
{
	struct futex_waiter *waiter;

	list_for_each_entry_safe(waiter, &bucket->waiters, node) {
		if (waiter->ticket >= request->tickets)
			break;
		if (!key_equals(&waiter->key, &request->from) || !waiter_is_asleep(waiter))
			continue;
		if (request->woken < request->wake) {
			waiter_wake(waiter);
			request->woken++;
		} else if (request->moved < request->move) {
			waiter_move(waiter, &request->to);
			request->moved++;
		}
	}
}

void futex_requeue_keys(struct futex_requeue *request)
{
	struct futex_bucket *bucket = futex_bucket_of(&request->from);
	struct futex_bucket *target = futex_bucket_of(&request->to);

	buckets_lock(bucket, target);
	requeue_bucket(request, bucket);
	buckets_unlock(bucket, target);
	for (int32_t i = 0; i < request->moved; i++)
		futex_key_put(&request->from);
}

uint64_t futex_next_ticket(const struct futex_key *key)
{
	struct futex_bucket *bucket = futex_bucket_of(key);

	spin_lock(&bucket->lock);
	uint64_t ticket = bucket->next_ticket;
	spin_unlock(&bucket->lock);
	return ticket;
}
