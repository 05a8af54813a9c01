/* SPDX-License-Identifier: MIT */
/*
 * kernel/futex.c - wait and wake on a user word.
 *
 * Invariants: a sleeper queues itself first and reads the word then; a waker changes the word first
 *             and searches the bucket then.  So either the waker finds the sleeper, or the sleeper
 *             sees the change; and the word can be read, with page faults and all, while no lock is
 *             held.
 *             A wake-up is never spent on one who does not sleep yet: it may be about to find
 *             another value.  It is told to look again, and the next in the queue is woken.
 *             Who compares the word before moving sleepers (requeue) leaves alone those that came
 *             after it took its ticket: they may sleep on another value.
 * Locks:      none here but for moments, those of kernel/futex_queue.c.
 * See:        futex(2).
 */
#include "kernel/futex.h"

#include "lib/abi/errno.h"
#include "lib/abi/linux.h"
#include "arch/x86_64/usercopy.h"
#include "kernel/futex_queue.h"
#include "mm/slab.h"

/* ---- waiting -------------------------------------------------------------------------------- */

static int words_name(const struct futex_word *words, struct futex_waiter *waiters, unsigned count);
static int words_compare(const struct futex_word *words, unsigned count);
static bool waiters_settle(struct futex_waiter *waiters, unsigned count);
static long waiters_leave(struct futex_waiter *waiters, unsigned count);

static long wait_for_words(const struct futex_word *words, struct futex_waiter *waiters,
			   unsigned count, uint64_t deadline_ns)
{
	int err = words_name(words, waiters, count);
	if (err)
		return err;

	for (unsigned i = 0; i < count; i++)
		futex_enqueue(&waiters[i]);
	do
		err = words_compare(words, count);
	while (!err && !waiters_settle(waiters, count));
	if (!err)
		err = futex_sleep(waiters, count, deadline_ns);
	long woken = waiters_leave(waiters, count);
	for (unsigned i = 0; i < count; i++)
		futex_key_put(&waiters[i].key);
	return woken >= 0 ? woken : err;
}

long futex_wait(const struct futex_word *word, uint64_t deadline_ns)
{
	struct futex_waiter waiter;

	return wait_for_words(word, &waiter, 1, deadline_ns);
}

long futex_wait_vector(const struct futex_word *words, unsigned count, uint64_t deadline_ns)
{
	struct futex_waiter *waiters = kmalloc(count * sizeof(*waiters));

	if (!waiters)
		return -ENOMEM;
	long result = wait_for_words(words, waiters, count, deadline_ns);
	kfree(waiters);
	return result;
}

/* All keys, or none. */
static int words_name(const struct futex_word *words, struct futex_waiter *waiters, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		int err = words[i].bitset ? futex_key_get(words[i].addr, words[i].is_shared,
							  &waiters[i].key) : -EINVAL;
		if (err) {
			while (i-- > 0)
				futex_key_put(&waiters[i].key);
			return err;
		}
		waiters[i].bitset = words[i].bitset;
	}
	return 0;
}

/* 0: all are as they should be, so that we may sleep. */
static int words_compare(const struct futex_word *words, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint32_t seen;
		int err = get_user_u32(words[i].addr, &seen);
		if (err)
			return err;
		if (seen != words[i].value)
			return -EAGAIN;
	}
	return 0;
}

static bool waiters_settle(struct futex_waiter *waiters, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (!futex_settle(&waiters[i]))
			return false;
	}
	return true;
}

/* Which one was woken; -1: none. */
static long waiters_leave(struct futex_waiter *waiters, unsigned count)
{
	long woken = -1;

	for (unsigned i = 0; i < count; i++) {
		if (futex_leave(&waiters[i]))
			woken = i;
	}
	return woken;
}

/* ---- waking --------------------------------------------------------------------------------- */

long futex_wake(virt_t addr, int32_t count, uint32_t bitset, bool is_shared)
{
	struct futex_key key;

	if (bitset == 0)
		return -EINVAL;
	int err = futex_key_get(addr, is_shared, &key);
	if (err)
		return err;
	int32_t woken = futex_wake_key(&key, count, bitset);
	futex_key_put(&key);
	return woken;
}

/* ---- moving --------------------------------------------------------------------------------- */

static long requeue_if_expected(struct futex_requeue *request, const struct futex_move *move)
{
	uint32_t seen;

	request->tickets = futex_next_ticket(&request->from);
	if (move->expected) {
		if (get_user_u32(move->from, &seen))
			return -EFAULT;
		if (seen != *move->expected)
			return -EAGAIN;
	}
	futex_requeue_keys(request);
	return (long)request->woken + request->moved;
}

long futex_requeue(const struct futex_move *move)
{
	struct futex_requeue request = { .wake = move->wake, .move = move->move };

	if (move->wake < 0 || move->move < 0)
		return -EINVAL;
	long result = futex_key_get(move->from, move->is_shared, &request.from);
	if (result)
		return result;
	result = futex_key_get(move->to, move->is_shared, &request.to);
	if (!result) {
		result = requeue_if_expected(&request, move);
		futex_key_put(&request.to);
	}
	futex_key_put(&request.from);
	return result;
}

/* ---- FUTEX_WAKE_OP -------------------------------------------------------------------------- */

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

static long wake_op_keys(const struct futex_wake_op *request, const struct futex_key *first,
			 const struct futex_key *second)
{
	uint32_t old;
	long result = op_perform(request->second, request->op, &old);

	if (result)
		return result;
	result = futex_wake_key(first, request->wake_first, FUTEX_BITSET_MATCH_ANY);
	if (op_compare(request->op, (int32_t)old))
		result += futex_wake_key(second, request->wake_second, FUTEX_BITSET_MATCH_ANY);
	return result;
}

long futex_wake_op(const struct futex_wake_op *request)
{
	struct futex_key first, second;

	long result = futex_key_get(request->first, request->is_shared, &first);
	if (result)
		return result;
	result = futex_key_get(request->second, request->is_shared, &second);
	if (!result) {
		result = wake_op_keys(request, &first, &second);
		futex_key_put(&second);
	}
	futex_key_put(&first);
	return result;
}
