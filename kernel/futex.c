/* SPDX-License-Identifier: MIT */
/*
 * kernel/futex.c - wait and wake on a user word.
 *
 * Owns: buckets of sleepers, by a hash of what names the word.
 * Invariants: a sleeper queues itself first and reads the word then; a waker changes the word first
 *   and searches the bucket then.  So either the waker finds the sleeper, or the sleeper sees the
 *   change; and the word can be read, with page faults and all, while no lock is held.  Who
 *   compares the word before moving sleepers (requeue) leaves alone those that came after it took
 *   its ticket: they may sleep on another value.
 * Locks: a bucket's lock for its list and the waiters on it; two buckets in the order of their
 *   addresses.  A waiter takes it once more before it returns, so a waker may use its task under
 *   it.
 * See: futex(2), get_robust_list(2).
 */

#include "kernel/futex.h"
#include "lib/abi/linux.h"
#include "arch/x86_64/usercopy.h"
#include "kernel/clock.h"
#include "kernel/panic.h"
#include "mm/space.h"

enum { BUCKETS = 256 };

struct futex_key {
	const void *owner;              /* a space, or an object */
	uint64_t offset;
	struct object *object;          /* counted while the key is in use; NULL: a space's */
};

struct futex_bucket {
	struct spinlock lock;           /* RANK_FUTEX */
	struct list waiters;            /* [lock] in order of arrival */
	uint64_t next_ticket;           /* [lock] */
};

struct futex_waiter {
	struct list_node node;          /* [bucket lock] */
	struct futex_bucket *bucket;    /* [bucket lock, old and new one, to change] */
	struct futex_key key;           /* [bucket lock] */
	uint64_t ticket;                /* [bucket lock] */
	uint32_t bitset;
	bool is_woken;                  /* [bucket lock] off the list */
	struct task *task;
};

static struct futex_bucket buckets[BUCKETS];

void futexes_start(void)
{
	for (int i = 0; i < BUCKETS; i++) {
		spin_init(&buckets[i].lock, RANK_FUTEX);
		list_init(&buckets[i].waiters);
	}
}

/* ---- keys ---- */

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

static int key_get(virt_t addr, bool is_shared, struct futex_key *key)
{
	if (addr % sizeof(uint32_t))
		return -EINVAL;
	if (!user_range_ok(addr, sizeof(uint32_t)))
		return -EFAULT;
	*key = (struct futex_key){ .owner = current->space, .offset = addr };
	return is_shared ? key_find_object(addr, key) : 0;
}

static void key_put(struct futex_key *key)
{
	if (key->object)
		object_put(key->object);
}

static bool key_equals(const struct futex_key *a, const struct futex_key *b)
{
	return a->owner == b->owner && a->offset == b->offset;
}

static struct futex_bucket *key_bucket(const struct futex_key *key)
{
	uint64_t hash = ((uint64_t)key->owner >> 4 ^ key->offset) * 0x9e3779b97f4a7c15;

	return &buckets[hash >> 56];
}

/* ---- waiting ---- */

static void waiter_enqueue(struct futex_waiter *waiter, struct futex_bucket *bucket)
	REQUIRES(bucket->lock)
{
	waiter->bucket = bucket;
	waiter->ticket = bucket->next_ticket++;
	list_push_back(&bucket->waiters, &waiter->node);
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

/* Off the list.  True: somebody woke us. */
NO_LOCK_ANALYSIS static bool waiter_leave(struct futex_waiter *waiter)
{
	struct futex_bucket *bucket = waiter_lock(waiter);
	bool is_woken = waiter->is_woken;

	if (!is_woken)
		list_remove(&waiter->node);
	spin_unlock(&bucket->lock);
	return is_woken;
}

/* Sleep until woken, a signal or the deadline. */
static int waiter_sleep(struct futex_waiter *waiter, uint64_t deadline_ns)
{
	int err = 0;

	for (;;) {
		task_prepare_sleep(TASK_INTERRUPTIBLE);
		if (atomic_load_acquire(&waiter->is_woken))
			break;
		err = wait_has_signal() ? -ERESTARTSYS : 0;
		if (!err && !schedule_until(deadline_ns))
			err = -ETIMEDOUT;
		if (err)
			break;
	}
	task_prepare_sleep(TASK_RUNNABLE);
	return err;
}

static long wait_on_key(
	struct futex_waiter *waiter, virt_t addr, uint32_t value, uint64_t deadline_ns)
{
	struct futex_bucket *bucket = key_bucket(&waiter->key);
	uint32_t seen;
	int err;

	spin_lock(&bucket->lock);
	waiter_enqueue(waiter, bucket);
	spin_unlock(&bucket->lock);
	err = get_user_u32(addr, &seen);
	if (!err)
		err = seen == value ? waiter_sleep(waiter, deadline_ns) : -EAGAIN;
	return waiter_leave(waiter) ? 0 : err;
}

long futex_wait(virt_t addr, uint32_t value, uint32_t bitset, bool is_shared, uint64_t deadline_ns)
{
	struct futex_waiter waiter = { .bitset = bitset, .task = current };
	long err;

	if (bitset == 0)
		return -EINVAL;
	err = key_get(addr, is_shared, &waiter.key);
	if (err)
		return err;
	list_node_init(&waiter.node);
	err = wait_on_key(&waiter, addr, value, deadline_ns);
	key_put(&waiter.key);
	return err;
}

/* ---- waking ---- */

/* Bucket locked.  The waiter is not ours any more once its lock is released. */
static void waiter_wake(struct futex_waiter *waiter)
{
	struct task *task = waiter->task;

	list_remove(&waiter->node);
	atomic_store_release(&waiter->is_woken, true);
	task_wake(task);
}

static uint32_t wake_key(const struct futex_key *key, uint32_t count, uint32_t bitset)
{
	struct futex_bucket *bucket = key_bucket(key);
	struct futex_waiter *waiter;
	uint32_t woken = 0;

	spin_lock(&bucket->lock);
	list_for_each_entry_safe(waiter, &bucket->waiters, node) {
		if (woken == count)
			break;
		if (!key_equals(&waiter->key, key) || !(waiter->bitset & bitset))
			continue;
		waiter_wake(waiter);
		woken++;
	}
	spin_unlock(&bucket->lock);
	return woken;
}

long futex_wake(virt_t addr, uint32_t count, uint32_t bitset, bool is_shared)
{
	struct futex_key key;
	uint32_t woken;
	int err;

	if (bitset == 0)
		return -EINVAL;
	err = key_get(addr, is_shared, &key);
	if (err)
		return err;
	woken = wake_key(&key, count, bitset);
	key_put(&key);
	return woken;
}

/* ---- moving ---- */

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

struct requeue {
	struct futex_key from, to;
	uint32_t wake, move;            /* at most */
	uint32_t woken, moved;          /* so far */
	uint64_t tickets;               /* only those that came before this one */
};

/* Both buckets locked.  The waiter's key counts the new object; the old one's count is the
 * caller's. */
NO_LOCK_ANALYSIS static void waiter_move(struct futex_waiter *waiter, const struct futex_key *to)
{
	list_remove(&waiter->node);
	waiter->key = *to;
	if (to->object)
		object_get(to->object);
	waiter_enqueue(waiter, key_bucket(to));
}

/* Both buckets locked. */
static void requeue_bucket(struct requeue *request, struct futex_bucket *bucket)
{
	struct futex_waiter *waiter;

	list_for_each_entry_safe(waiter, &bucket->waiters, node) {
		if (waiter->ticket >= request->tickets)
			break;
		if (!key_equals(&waiter->key, &request->from))
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

static long requeue_keys(struct requeue *request, virt_t addr, const uint32_t *expected)
{
	struct futex_bucket *bucket = key_bucket(&request->from);
	struct futex_bucket *target = key_bucket(&request->to);
	uint32_t seen;

	spin_lock(&bucket->lock);
	request->tickets = bucket->next_ticket;
	spin_unlock(&bucket->lock);
	if (expected) {
		if (get_user_u32(addr, &seen))
			return -EFAULT;
		if (seen != *expected)
			return -EAGAIN;
	}
	buckets_lock(bucket, target);
	requeue_bucket(request, bucket);
	buckets_unlock(bucket, target);
	for (uint32_t i = 0; i < request->moved; i++)
		key_put(&request->from);
	return request->woken + request->moved;
}

long futex_requeue(virt_t from, virt_t to, uint32_t wake, uint32_t move, const uint32_t *expected,
		   bool is_shared)
{
	struct requeue request = { .wake = wake, .move = move };
	long result = key_get(from, is_shared, &request.from);

	if (result)
		return result;
	result = key_get(to, is_shared, &request.to);
	if (!result) {
		result = requeue_keys(&request, from, expected);
		key_put(&request.to);
	}
	key_put(&request.from);
	return result;
}

/* ---- FUTEX_WAKE_OP ---- */

/* The two 12-bit numbers in the request are signed. */
static int32_t op_number(uint32_t op, unsigned shift)
{
	return (int32_t)(op << (20 - shift)) >> 20;
}

static int op_apply(uint32_t op, uint32_t old, uint32_t *new)
{
	unsigned kind = op >> 28;
	uint32_t number = (uint32_t)op_number(op, 12);

	if (kind & FUTEX_OP_OPARG_SHIFT)
		number = 1u << (number & 31);
	switch (kind & (FUTEX_OP_OPARG_SHIFT - 1)) {
	case FUTEX_OP_SET:
		*new = number;
		return 0;
	case FUTEX_OP_ADD:
		*new = old + number;
		return 0;
	case FUTEX_OP_OR:
		*new = old | number;
		return 0;
	case FUTEX_OP_ANDN:
		*new = old & ~number;
		return 0;
	case FUTEX_OP_XOR:
		*new = old ^ number;
		return 0;
	default:
		return -ENOSYS;
	}
}

static bool op_compare(uint32_t op, int32_t old)
{
	int32_t number = op_number(op, 0);

	switch (op >> 24 & 0xf) {
	case FUTEX_OP_CMP_EQ:
		return old == number;
	case FUTEX_OP_CMP_NE:
		return old != number;
	case FUTEX_OP_CMP_LT:
		return old < number;
	case FUTEX_OP_CMP_LE:
		return old <= number;
	case FUTEX_OP_CMP_GT:
		return old > number;
	default:
		return old >= number;
	}
}

/* Change the word at `addr` as the request says; *old is what was there. */
static int op_perform(virt_t addr, uint32_t op, uint32_t *old)
{
	uint32_t expected, new;
	int err;

	if ((op >> 24 & 0xf) > FUTEX_OP_CMP_GE)
		return -ENOSYS;
	err = get_user_u32(addr, old);
	if (err)
		return err;
	do {
		expected = *old;
		err = op_apply(op, expected, &new);
		if (!err)
			err = cmpxchg_user_u32(addr, expected, new, old);
	} while (!err && *old != expected);
	return err;
}

long futex_wake_op(const struct futex_wake_op *request, bool is_shared)
{
	struct futex_key first, second;
	uint32_t old = 0;
	long result = key_get(request->first, is_shared, &first);

	if (result)
		return result;
	result = key_get(request->second, is_shared, &second);
	if (result)
		goto put_first;
	result = op_perform(request->second, request->op, &old);
	if (!result) {
		result = wake_key(&first, request->wake_first, FUTEX_BITSET_MATCH_ANY);
		if (op_compare(request->op, (int32_t)old))
			result += wake_key(&second, request->wake_second, FUTEX_BITSET_MATCH_ANY);
	}
	key_put(&second);
put_first:
	key_put(&first);
	return result;
}

/* ---- robust lists ---- */

/* A lock held by the dying thread: say so in its word, and wake one that waits for it. */
static int robust_release(const struct thread *thread, virt_t addr)
{
	uint32_t word, seen;

	if (addr % sizeof(word))
		return -EINVAL;
	if (get_user_u32(addr, &word))
		return -EFAULT;
	while ((word & FUTEX_TID_MASK) == (uint32_t)thread->tid) {
		uint32_t died = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;

		if (cmpxchg_user_u32(addr, word, died, &seen))
			return -EFAULT;
		if (seen == word) {
			if (word & FUTEX_WAITERS)
				futex_wake(addr, 1, FUTEX_BITSET_MATCH_ANY, true);
			return 0;
		}
		word = seen;
	}
	return 0;
}

/* The lowest bit of a link says that the lock inherits priority; such locks are not built. */
void futex_exit_robust(struct thread *thread)
{
	struct abi_robust_list_head head;
	virt_t at, pending;

	if (!thread->robust_list || copy_from_user(&head, thread->robust_list, sizeof(head)))
		return;
	at = head.list & ~1ull;
	pending = head.list_op_pending & ~1ull;
	for (int i = 0; i < ROBUST_LIST_LIMIT && at && at != thread->robust_list; i++) {
		uint64_t next;

		if (get_user_u64(at, &next))
			return;
		if (at != pending && robust_release(thread, at + (uint64_t)head.futex_offset))
			return;
		at = next & ~1ull;
	}
	if (pending)
		robust_release(thread, pending + (uint64_t)head.futex_offset);
}
