/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_clone.c - system calls that make processes and threads: fork, vfork, clone, clone3.
 *
 * See: clone(2) for what each refuses; kernel/fork.c for flags that contradict each other.
 */
#include "lib/abi/errno.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/usercopy.h"
#include "kernel/fork.h"
#include "kernel/signal.h"
#include "kernel/syscall.h"

enum { PID_NAMESPACE_DEPTH_MAX = 32 };

long sys_fork(const struct syscall_args *args)
{
	return process_clone(&(struct clone_request){ .exit_signal = SIGCHLD });
}

long sys_vfork(const struct syscall_args *args)
{
	return process_clone(&(struct clone_request){
		.flags = CLONE_VM | CLONE_VFORK,
		.exit_signal = SIGCHLD,
	});
}

/* The descriptor goes where the thread's number would: both at once there is no room for. */
long sys_clone(const struct syscall_args *args)
{
	uint64_t flags = args->rdi & UINT32_MAX & ~(uint64_t)CSIGNAL;
	int signal = (int)(args->rdi & CSIGNAL);

	if (flags & CLONE_PIDFD && flags & CLONE_PARENT_SETTID)
		return -EINVAL;
	return process_clone(&(struct clone_request){
		.flags = flags,
		.exit_signal = signal <= NSIG ? signal : 0,
		.stack = args->rsi,
		.parent_tid = args->rdx,
		.pidfd = args->rdx,
		.child_tid = args->r10,
		.tls = args->r8,
	});
}

/* ---- clone3 --------------------------------------------------------------------------------- */

/* Programs may know less of the structure than we, or more, if they do not use it. */
static int clone_args_get(virt_t from, uint64_t size, struct abi_clone_args *args)
{
	uint8_t byte;

	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	*args = (struct abi_clone_args){ 0 };
	if (copy_from_user(args, from, MIN(size, sizeof(*args))))
		return -EFAULT;
	for (uint64_t i = sizeof(*args); i < size; i++) {
		if (copy_from_user(&byte, from + i, 1))
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	return 0;
}

static bool flags_are_known(const struct abi_clone_args *args, uint64_t size)
{
	const uint64_t known = UINT32_MAX | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP;

	if (args->flags & ~known || args->flags & (CSIGNAL | CLONE_DETACHED))
		return false;
	return !(args->flags & CLONE_INTO_CGROUP) ||
	       (args->cgroup <= INT32_MAX && size >= CLONE_ARGS_SIZE_VER2);
}

static bool stack_makes_sense(const struct abi_clone_args *args)
{
	if (!args->stack || !args->stack_size)
		return args->stack == args->stack_size;
	return user_range_ok(args->stack, args->stack_size);
}

/* Numbers for the child in each namespace, the innermost first.  There is one namespace. */
static int set_tid_get(const struct abi_clone_args *args, int32_t *tid)
{
	uint32_t number;

	*tid = 0;
	if (args->set_tid_size > PID_NAMESPACE_DEPTH_MAX || !args->set_tid != !args->set_tid_size)
		return -EINVAL;
	if (!args->set_tid)
		return 0;
	if (args->set_tid_size > 1)
		return -EINVAL;
	if (get_user_u32(args->set_tid, &number))
		return -EFAULT;
	*tid = (int32_t)number;
	return *tid > 0 ? 0 : -EINVAL;
}

long sys_clone3(const struct syscall_args *args)
{
	struct abi_clone_args from;
	int32_t tid;

	int err = clone_args_get(args->rdi, args->rsi, &from);
	if (!err)
		err = set_tid_get(&from, &tid);
	if (err)
		return err;
	if (from.exit_signal > NSIG || !flags_are_known(&from, args->rsi) ||
	    !stack_makes_sense(&from))
		return -EINVAL;
	if (from.flags & (CLONE_THREAD | CLONE_PARENT) && from.exit_signal)
		return -EINVAL;
	return process_clone(&(struct clone_request){
		.flags = from.flags,
		.exit_signal = (int)from.exit_signal,
		.stack = from.stack + from.stack_size,
		.parent_tid = from.parent_tid,
		.child_tid = from.child_tid,
		.pidfd = from.pidfd,
		.set_tid = tid,
		.tls = from.tls,
	});
}
