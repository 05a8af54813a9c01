/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_pipe.c - the system calls pipe and pipe2.
 *
 * See: pipe(2).
 */

#include "lib/abi/errno.h"
#include "arch/x86_64/usercopy.h"
#include "fs/fdtable.h"
#include "fs/pipe.h"
#include "kernel/syscall.h"

/* Give both ends a descriptor.  On failure none has one, and the files are the caller's. */
static int install_ends(struct file *const ends[2], bool close_on_exec, int32_t fds[2])
{
	file_get(ends[0]);
	fds[0] = fd_install(ends[0], 0, close_on_exec);
	if (fds[0] < 0) {
		file_put(ends[0]);
		return fds[0];
	}
	fds[1] = fd_install(ends[1], 0, close_on_exec);
	if (fds[1] < 0) {
		fd_close(fds[0]);
		return fds[1];
	}
	file_put(ends[0]);
	return 0;
}

static long pipe_for_user(virt_t at, uint32_t flags)
{
	struct file *ends[2];
	int32_t fds[2];
	int err;

	if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	err = pipe_create(flags, &ends[0], &ends[1]);
	if (err)
		return err;
	err = install_ends(ends, flags & O_CLOEXEC, fds);
	if (err) {
		file_put(ends[0]);
		file_put(ends[1]);
		return err;
	}
	if (copy_to_user(at, fds, sizeof(fds))) {
		fd_close(fds[0]);
		fd_close(fds[1]);
		return -EFAULT;
	}
	return 0;
}

long sys_pipe(const struct syscall_args *args)
{
	return pipe_for_user(args->rdi, 0);
}

long sys_pipe2(const struct syscall_args *args)
{
	return pipe_for_user(args->rdi, (uint32_t)args->rsi);
}
