/* SPDX-License-Identifier: MIT */
/*
 * kernel/futex_queue.h - who sleeps on which user word: the part that futexes are made of.
 *
 * A word is named by a key.  A sleeper stands in the bucket that its key hashes to, from
 * futex_enqueue until somebody wakes it or it leaves by itself.
 *
 *                futex_settle            waker
 *      LOOKS ---------------> SLEEPS ----------> WOKEN, off the list
 *      |   ^
 *      v   | futex_settle: look again
 *      DISTURBED by a waker
 *
 * Only kernel/futex*.c look in here (and boot, which makes the buckets); everybody else wants
 * kernel/futex.h.
 */
#pragma once

#include "kernel/process.h"

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

enum futex_state { FUTEX_LOOKS, FUTEX_DISTURBED, FUTEX_SLEEPS, FUTEX_WOKEN };

struct futex_waiter {
	struct list_node node;          /* [bucket lock] */
	struct futex_bucket *bucket;    /* [bucket lock, old and new one, to change] */
	struct futex_key key;           /* [bucket lock] */
	uint64_t ticket;                /* [bucket lock] */
	uint32_t bitset;
	uint32_t state;                 /* atomic: enum futex_state; wakers lock the bucket */
	struct task *task;
};

/* Name the word at `addr` of the running program.  is_shared false: its range is not looked at.
 * -EINVAL: not aligned; -EFAULT: no range there. */
MUST_CHECK int futex_key_get(virt_t addr, bool is_shared, struct futex_key *key);
void futex_key_put(struct futex_key *key);
struct futex_bucket *futex_bucket_of(const struct futex_key *key);

/* The running task stands in the queue from now on, and looks at the word; key and bitset are set.
 * After futex_leave nobody looks at the waiter any more; true: somebody has woken it. */
void futex_enqueue(struct futex_waiter *waiter);
MUST_CHECK bool futex_leave(struct futex_waiter *waiter);

/* The word is as it should be: the waiter counts as asleep.  False: somebody came to wake meanwhile
 * and did not count us, so look at the word again. */
MUST_CHECK bool futex_settle(struct futex_waiter *waiter);

/* Sleep until one of the settled waiters is woken: 0; -ETIMEDOUT, -ERESTARTSYS. */
MUST_CHECK int futex_sleep(const struct futex_waiter *waiters, unsigned count,
			   uint64_t deadline_ns);

/* Wake up to `count` sleepers whose bitset meets this one, but one at least: as futex(2) has
 * always done.  How many there were. */
int32_t futex_wake_key(const struct futex_key *key, int32_t count, uint32_t bitset);

/* Of the sleepers on `from` the first `wake` are woken, and the next `move` sleep on `to` from now
 * on.  Those with a later ticket are left alone.  Results: how many. */
struct futex_requeue {
	struct futex_key from, to;
	int32_t wake, move;             /* at most */
	uint64_t tickets;               /* only those that came before this one */
	int32_t woken, moved;
};
void futex_requeue_keys(struct futex_requeue *request);

/* The ticket that the next sleeper on the key will get. */
uint64_t futex_next_ticket(const struct futex_key *key);

void futexes_start(void);                               /* once, at boot */
