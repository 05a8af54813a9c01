/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_futex.c - the system call futex.
 *
 * Locks that inherit priority (FUTEX_LOCK_PI and its kin) are not built: -ENOSYS.
 * See: futex(2).
 */

#include "lib/abi/linux.h"
#include "kernel/futex.h"
#include "kernel/syscall.h"
#include "kernel/timespec.h"

/* The deadline on the monotonic clock for the timeout at `at`; 0 there: none.  FUTEX_WAIT's is
 * relative, the others' absolute by the clock that the operation names. */
static int futex_deadline(virt_t at, uint32_t operation, uint64_t *deadline_ns)
{
	uint64_t ns, offset_ns;
	int err;

	*deadline_ns = WAIT_FOREVER;
	if (!at)
		return 0;
	err = timespec_get_user(at, &ns);
	if (err)
		return err;
	if ((operation & FUTEX_CMD_MASK) == FUTEX_WAIT) {
		*deadline_ns = deadline_after(ns);
		return 0;
	}
	offset_ns = operation & FUTEX_CLOCK_REALTIME ? clock_realtime_ns() - clock_now_ns() : 0;
	*deadline_ns = ns > offset_ns ? ns - offset_ns : 0;
	return 0;
}

/* FUTEX_WAIT with a timeout goes on with what is left of it. */
static int wait_restart(struct thread *self)
{
	const uint64_t *arguments = self->restart_arguments;
	long result = futex_wait(arguments[0], (uint32_t)arguments[1], FUTEX_BITSET_MATCH_ANY,
		arguments[2], self->restart_deadline_ns);

	return result == -ERESTARTSYS ? -ERESTART_RESTARTBLOCK : (int)result;
}

static long wait_begin(const struct syscall_args *args, uint32_t bitset, bool is_shared)
{
	struct thread *self = current_thread();
	uint32_t operation = (uint32_t)args->rsi;
	uint64_t deadline_ns;
	long result = futex_deadline(args->r10, operation, &deadline_ns);

	if (result)
		return result;
	result = futex_wait(args->rdi, (uint32_t)args->rdx, bitset, is_shared, deadline_ns);
	if (result != -ERESTARTSYS || deadline_ns == WAIT_FOREVER ||
	    (operation & FUTEX_CMD_MASK) != FUTEX_WAIT)
		return result;
	self->restart = wait_restart;
	self->restart_arguments[0] = args->rdi;
	self->restart_arguments[1] = args->rdx;
	self->restart_arguments[2] = is_shared;
	self->restart_deadline_ns = deadline_ns;
	return -ERESTART_RESTARTBLOCK;
}

static long wake_op_begin(const struct syscall_args *args, bool is_shared)
{
	struct futex_wake_op request = {
		.first = args->rdi,
		.second = args->r8,
		.wake_first = (uint32_t)args->rdx,
		.wake_second = (uint32_t)args->r10,
		.op = (uint32_t)args->r9,
	};

	return futex_wake_op(&request, is_shared);
}

long sys_futex(const struct syscall_args *args)
{
	uint32_t operation = (uint32_t)args->rsi;
	uint32_t value = (uint32_t)args->rdx;
	uint32_t bitset = (uint32_t)args->r9;
	uint32_t expected = bitset;
	bool is_shared = !(operation & FUTEX_PRIVATE_FLAG);

	switch (operation & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
		return wait_begin(args, FUTEX_BITSET_MATCH_ANY, is_shared);
	case FUTEX_WAIT_BITSET:
		return wait_begin(args, bitset, is_shared);
	case FUTEX_WAKE:
		return futex_wake(args->rdi, value, FUTEX_BITSET_MATCH_ANY, is_shared);
	case FUTEX_WAKE_BITSET:
		return futex_wake(args->rdi, value, bitset, is_shared);
	case FUTEX_REQUEUE:
		return futex_requeue(
			args->rdi, args->r8, value, (uint32_t)args->r10, NULL, is_shared);
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(
			args->rdi, args->r8, value, (uint32_t)args->r10, &expected, is_shared);
	case FUTEX_WAKE_OP:
		return wake_op_begin(args, is_shared);
	default:
		return -ENOSYS;
	}
}
