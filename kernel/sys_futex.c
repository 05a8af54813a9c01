/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_futex.c - the system calls futex and futex_waitv, and robust lists.
 *
 * Locks that inherit priority (FUTEX_LOCK_PI and its kin) are not built, because no thread here has
 * a priority over another: -ENOSYS, which C libraries take for "not supported".
 * See: futex(2), get_robust_list(2).
 */
#include "lib/abi/errno.h"
#include "lib/abi/linux.h"
#include "kernel/futex.h"
#include "kernel/signal.h"
#include "kernel/syscall.h"
#include "kernel/timespec.h"
#include "mm/slab.h"

/* ---- futex ---------------------------------------------------------------------------------- */

/* From a clock's absolute time to the monotonic clock. */
static uint64_t deadline_absolute(uint64_t ns, bool is_realtime)
{
	uint64_t offset_ns = is_realtime ? clock_realtime_ns() - clock_now_ns() : 0;

	if (ns == WAIT_FOREVER)
		return ns;
	return ns > offset_ns ? ns - offset_ns : 0;
}

/* The deadline on the monotonic clock for the timeout at `at`; 0 there: none.  FUTEX_WAIT's is
 * relative, the others' absolute by the clock that the operation names. */
static int futex_deadline(virt_t at, uint32_t operation, uint64_t *deadline_ns)
{
	uint64_t ns;

	*deadline_ns = WAIT_FOREVER;
	if (!at)
		return 0;
	int err = timespec_get_user(at, &ns);
	if (err)
		return err;
	if ((operation & FUTEX_CMD_MASK) == FUTEX_WAIT)
		*deadline_ns = deadline_after(ns);
	else
		*deadline_ns = deadline_absolute(ns, operation & FUTEX_CLOCK_REALTIME);
	return 0;
}

/* A wait with a timeout goes on with what is left of it, unless a handler ran. */
static int wait_restart(struct thread *self)
{
	const uint64_t *arguments = self->restart_arguments;
	const struct futex_word word = {
		.addr = arguments[0],
		.value = (uint32_t)arguments[1],
		.bitset = (uint32_t)arguments[2],
		.is_shared = arguments[3],
	};
	long result = futex_wait(&word, self->restart_deadline_ns);

	return result == -ERESTARTSYS ? -ERESTART_RESTARTBLOCK : (int)result;
}

static long wait_begin(const struct futex_word *word, const struct syscall_args *args)
{
	struct thread *self = current_thread();
	uint64_t deadline_ns;
	long result = futex_deadline(args->r10, (uint32_t)args->rsi, &deadline_ns);

	if (result)
		return result;
	result = futex_wait(word, deadline_ns);
	if (result != -ERESTARTSYS || !args->r10)
		return result;
	self->restart = wait_restart;
	self->restart_arguments[0] = word->addr;
	self->restart_arguments[1] = word->value;
	self->restart_arguments[2] = word->bitset;
	self->restart_arguments[3] = word->is_shared;
	self->restart_deadline_ns = deadline_ns;
	return -ERESTART_RESTARTBLOCK;
}

static long wake_op_begin(const struct syscall_args *args, bool is_shared)
{
	return futex_wake_op(&(struct futex_wake_op){
		.first = args->rdi,
		.second = args->r8,
		.wake_first = (int32_t)args->rdx,
		.wake_second = (int32_t)args->r10,
		.op = (uint32_t)args->r9,
		.is_shared = is_shared,
	});
}

static long requeue_begin(const struct syscall_args *args, const uint32_t *expected, bool is_shared)
{
	return futex_requeue(&(struct futex_move){
		.from = args->rdi,
		.to = args->r8,
		.wake = (int32_t)args->rdx,
		.move = (int32_t)args->r10,
		.expected = expected,
		.is_shared = is_shared,
	});
}

long sys_futex(const struct syscall_args *args)
{
	uint32_t operation = (uint32_t)args->rsi, command = operation & FUTEX_CMD_MASK;
	uint32_t last = (uint32_t)args->r9;
	bool is_shared = !(operation & FUTEX_PRIVATE_FLAG);
	struct futex_word word = {
		.addr = args->rdi,
		.value = (uint32_t)args->rdx,
		.bitset = FUTEX_BITSET_MATCH_ANY,
		.is_shared = is_shared,
	};

	if (operation & FUTEX_CLOCK_REALTIME && command != FUTEX_WAIT_BITSET)
		return -ENOSYS;
	switch (command) {
	case FUTEX_WAIT_BITSET:
		word.bitset = last;
		return wait_begin(&word, args);
	case FUTEX_WAIT:
		return wait_begin(&word, args);
	case FUTEX_WAKE:
		return futex_wake(args->rdi, (int32_t)args->rdx, FUTEX_BITSET_MATCH_ANY, is_shared);
	case FUTEX_WAKE_BITSET:
		return futex_wake(args->rdi, (int32_t)args->rdx, last, is_shared);
	case FUTEX_REQUEUE:
		return requeue_begin(args, NULL, is_shared);
	case FUTEX_CMP_REQUEUE:
		return requeue_begin(args, &last, is_shared);
	case FUTEX_WAKE_OP:
		return wake_op_begin(args, is_shared);
	default:
		return -ENOSYS;
	}
}

/* ---- futex_waitv ---------------------------------------------------------------------------- */

static int word_from_abi(const struct abi_futex_waitv *from, struct futex_word *word)
{
	bool is_private = from->flags & FUTEX2_PRIVATE;

	if (from->reserved || (from->flags & ~FUTEX2_PRIVATE) != FUTEX2_SIZE_U32)
		return -EINVAL;
	if (from->val > UINT32_MAX)
		return -EINVAL;
	*word = (struct futex_word){
		.addr = from->uaddr,
		.value = (uint32_t)from->val,
		.bitset = FUTEX_BITSET_MATCH_ANY,
		.is_shared = !is_private,
	};
	return 0;
}

static int words_get(virt_t at, struct futex_word *words, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct abi_futex_waitv each;
		if (copy_from_user(&each, at + i * sizeof(each), sizeof(each)))
			return -EFAULT;
		int err = word_from_abi(&each, &words[i]);
		if (err)
			return err;
	}
	return 0;
}

static int vector_deadline(virt_t at, int clock, uint64_t *deadline_ns)
{
	uint64_t ns;

	*deadline_ns = WAIT_FOREVER;
	if (!at)
		return 0;
	if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
		return -EINVAL;
	int err = timespec_get_user(at, &ns);
	if (!err)
		*deadline_ns = deadline_absolute(ns, clock == CLOCK_REALTIME);
	return err;
}

long sys_futex_waitv(const struct syscall_args *args)
{
	unsigned count = (unsigned)args->rsi;
	uint64_t deadline_ns;

	if (args->rdx || count == 0 || count > FUTEX_VECTOR_MAX || !args->rdi)
		return -EINVAL;
	long result = vector_deadline(args->r10, (int)args->r8, &deadline_ns);
	if (result)
		return result;
	struct futex_word *words = kmalloc(count * sizeof(*words));
	if (!words)
		return -ENOMEM;
	result = words_get(args->rdi, words, count);
	if (!result)
		result = futex_wait_vector(words, count, deadline_ns);
	kfree(words);
	return result;
}

/* ---- robust lists --------------------------------------------------------------------------- */

long sys_set_robust_list(const struct syscall_args *args)
{
	if (args->rsi != sizeof(struct abi_robust_list_head))
		return -EINVAL;
	current_thread()->robust_list = args->rdi;
	return 0;
}

long sys_get_robust_list(const struct syscall_args *args)
{
	int32_t tid = (int32_t)args->rdi;
	virt_t list = 0;
	long err = 0;

	spin_lock(&process_tree_lock);
	const struct thread *thread = tid ? pid_thread(tid) : current_thread();
	if (!thread)
		err = -ESRCH;
	else if (!process_may_inspect(thread->process))
		err = -EPERM;
	else
		list = thread->robust_list;
	spin_unlock(&process_tree_lock);
	if (!err)
		err = put_user_u64(args->rdx, sizeof(struct abi_robust_list_head));
	if (!err)
		err = put_user_u64(args->rsi, list);
	return err;
}
