/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_pidfd.c - system calls on descriptors of processes.
 *
 * A descriptor stands for a whole process: those of single threads (PIDFD_THREAD) are not built,
 * -EINVAL.
 * See: pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2).
 */
#include "lib/abi/errno.h"
#include "lib/abi/fcntl.h"
#include "arch/x86_64/usercopy.h"
#include "kernel/pidfd.h"
#include "kernel/signal.h"
#include "kernel/syscall.h"
#include "fs/fdtable.h"

long sys_pidfd_open(const struct syscall_args *args)
{
	int32_t pid = (int32_t)args->rdi;
	uint32_t flags = (uint32_t)args->rsi;

	if (pid <= 0 || flags & ~(uint32_t)O_NONBLOCK)
		return -EINVAL;
	struct process *process = process_find(pid);
	if (!process)
		return -ESRCH;
	long fd = process->pid == pid ? pidfd_install(process, flags) : -ENOENT;
	process_put(process);
	return fd;
}

/* What the signal shall tell.  Nobody may pretend to be the kernel or kill(2) to others. */
static int info_get(virt_t from, const struct process *target, int signal,
		    struct abi_siginfo *info)
{
	const struct process *self = current_process();

	if (!from) {
		*info = info_from_us(SI_USER);
		return 0;
	}
	if (copy_from_user(info, from, sizeof(*info)))
		return -EFAULT;
	if (info->signo != signal)
		return -EINVAL;
	bool is_pretence = info->code >= 0 || info->code == SI_TKILL;
	return is_pretence && target != self ? -EPERM : 0;
}

static long send_to(struct process *process, int signal, virt_t from)
{
	struct abi_siginfo info;

	long result = info_get(from, process, signal, &info);
	if (result)
		return result;
	spin_lock(&process_tree_lock);
	if (process->state == PROCESS_UNBORN || process->state == PROCESS_REAPED)
		result = -ESRCH;
	else if (!process_may_signal(process, signal))
		result = -EPERM;
	else if (signal)
		result = signal_send_process_locked(process, signal, &info);
	spin_unlock(&process_tree_lock);
	return result;
}

long sys_pidfd_send_signal(const struct syscall_args *args)
{
	uint32_t signal = (uint32_t)args->rsi;

	if (args->r10 & UINT32_MAX || (signal && !signal_is_valid(signal)))
		return -EINVAL;
	struct file *file = fd_get((int)args->rdi);
	if (!file)
		return -EBADF;
	struct process *process = pidfd_process(file);
	long result = process ? send_to(process, (int)signal, args->rdx) : -EBADF;
	file_put(file);
	return result;
}

/* A file of any of its threads, counted, if we may inspect it at that very moment.  -ESRCH, -EPERM,
 * -EBADF. */
static int file_of(struct process *process, int fd, struct file **file)
{
	struct thread *thread;
	int err = -ESRCH;

	spin_lock(&process_tree_lock);
	list_for_each_entry(thread, &process->threads, node) {
		if (!thread->task->files)
			continue;
		err = process_may_inspect(process) ? 0 : -EPERM;
		if (!err && !(*file = fdtable_file(thread->task->files, fd)))
			err = -EBADF;
		break;
	}
	spin_unlock(&process_tree_lock);
	return err;
}

static long steal(struct process *process, int fd)
{
	struct file *file;

	int err = file_of(process, fd, &file);
	if (err)
		return err;
	long copy = fd_install(file, 0, true);
	if (copy < 0)
		file_put(file);
	return copy;
}

long sys_pidfd_getfd(const struct syscall_args *args)
{
	if (args->rdx & UINT32_MAX)
		return -EINVAL;
	struct file *file = fd_get((int)args->rdi);
	if (!file)
		return -EBADF;
	struct process *process = pidfd_process(file);
	long result = process ? steal(process, (int)args->rsi) : -EBADF;
	file_put(file);
	return result;
}
