/* SPDX-License-Identifier: MIT */
/*
 * kernel/futex_robust.c - locks whose owner has gone.
 *
 * A thread keeps a list of the locks it holds in its own memory, and names the one that it is about
 * to take or to release.  When it dies, or executes another program, the word of each says so, and
 * one who waits for it is woken.
 *
 *      head -> lock -> lock -> ... -> head          list_op_pending: perhaps held, perhaps not
 *
 * Invariants: the list is the program's and may be anything: it is followed for ROBUST_LIST_LIMIT
 *             steps at most, and up to the first bad pointer.
 * Locks:      none: the memory is touched as the program would.
 * See:        get_robust_list(2).
 */
#include "lib/abi/errno.h"
#include "lib/abi/linux.h"
#include "arch/x86_64/usercopy.h"
#include "kernel/futex.h"

/* The lowest bit of a link says that the lock inherits priority.  We have no such locks: nobody can
 * wait for one in the kernel. */
#define LINK_INHERITS 1ull

struct robust_lock {
	virt_t word;
	bool inherits, is_pending;
};

static virt_t link_place(uint64_t link)
{
	return link & ~LINK_INHERITS;
}

static struct robust_lock lock_behind(uint64_t link, const struct abi_robust_list_head *head)
{
	return (struct robust_lock){
		.word = link_place(link) + (uint64_t)head->futex_offset,
		.inherits = link & LINK_INHERITS,
	};
}

static void wake_heir(const struct robust_lock *lock)
{
	(void)futex_wake(lock->word, 1, FUTEX_BITSET_MATCH_ANY, true);
}

/* A lock that the thread held is marked.  One that it was just releasing, or had been woken for, is
 * free, and the wake-up may have been lost with the thread: then another must have it. */
static int lock_release(const struct thread *thread, const struct robust_lock *lock)
{
	uint32_t word, seen;

	if (lock->word % sizeof(word))
		return -EINVAL;
	if (get_user_u32(lock->word, &word))
		return -EFAULT;
	if (lock->is_pending && !lock->inherits && !(word & FUTEX_TID_MASK)) {
		wake_heir(lock);
		return 0;
	}
	for (; (word & FUTEX_TID_MASK) == (uint32_t)thread->tid; word = seen) {
		uint32_t died = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;

		if (cmpxchg_user_u32(lock->word, word, died, &seen))
			return -EFAULT;
		if (seen != word)
			continue;
		if (word & FUTEX_WAITERS && !lock->inherits)
			wake_heir(lock);
		return 0;
	}
	return 0;
}

void futex_exit_robust(struct thread *thread)
{
	struct abi_robust_list_head head;

	if (!thread->robust_list || copy_from_user(&head, thread->robust_list, sizeof(head)))
		return;
	uint64_t link = head.list, pending = head.list_op_pending, next = 0;
	for (int i = 0; i < ROBUST_LIST_LIMIT && link_place(link) != thread->robust_list; i++) {
		int err = get_user_u64(link_place(link), &next);
		bool is_for_later = link_place(link) == link_place(pending);
		struct robust_lock lock = lock_behind(link, &head);

		if ((!is_for_later && lock_release(thread, &lock)) || err)
			return;
		link = next;
	}
	if (!link_place(pending))
		return;
	struct robust_lock lock = lock_behind(pending, &head);
	lock.is_pending = true;
	(void)lock_release(thread, &lock);
}
