/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_process.c - system calls on processes: changed, ended, waited for, and what they are
 * called.
 *
 * Each call checks and fetches what the program gave, asks kernel/{exec,exit,reap}.c, and stores
 * what the program wants to know.
 */
#include "kernel/syscall.h"

#include "lib/abi/errno.h"
#include "lib/abi/fcntl.h"
#include "lib/abi/linux.h"
#include "lib/string.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/usercopy.h"
#include "kernel/at_name.h"
#include "kernel/exec.h"
#include "kernel/exit.h"
#include "kernel/panic.h"
#include "kernel/pidfd.h"
#include "kernel/reap.h"
#include "kernel/signal.h"
#include "fs/fdtable.h"
#include "mm/space.h"

/* ---- changed -------------------------------------------------------------------------------- */

static long exec_named(int dirfd, virt_t name, const struct exec_request *request)
{
	struct at_name at;

	int err = at_name_get(&at, dirfd, name);
	if (err)
		return err;
	if (at.text[0] == '\0' && !(request->flags & AT_EMPTY_PATH))
		err = -ENOENT;
	else if (at.text[0] == '\0')
		err = at_walk(dirfd, name, AT_EMPTY_PATH, &at.start);
	if (!err)
		err = program_exec_user(&at.start, at.text, request);
	at_name_put(&at);
	return err;
}

long sys_execve(const struct syscall_args *args)
{
	return exec_named(AT_FDCWD, args->rdi, &(struct exec_request){
		.argv = args->rsi,
		.envp = args->rdx,
	});
}

long sys_execveat(const struct syscall_args *args)
{
	int flags = (int)args->r8;

	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	return exec_named((int)args->rdi, args->rsi, &(struct exec_request){
		.argv = args->rdx,
		.envp = args->r10,
		.flags = flags,
	});
}

/* ---- ended, waited for ---------------------------------------------------------------------- */

long sys_exit(const struct syscall_args *args)
{
	thread_exit(WSTATUS_EXITED((int)args->rdi));
}

long sys_exit_group(const struct syscall_args *args)
{
	process_exit(WSTATUS_EXITED((int)args->rdi));
}

/* wait4's way to say whom: a pid, any child (-1), the own group (0), a group (-n). */
static void wait_for_whom(struct wait_request *request, int32_t pid)
{
	if (pid > 0) {
		request->which = P_PID;
		request->id = pid;
	} else if (pid == -1) {
		request->which = P_ALL;
	} else {
		request->which = P_PGID;
		request->id = pid ? -pid : current_process()->group;
	}
}

long sys_wait4(const struct syscall_args *args)
{
	const uint32_t known = WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL;
	uint32_t flags = (uint32_t)args->rdx;
	struct wait_request request = { .options = flags | WEXITED, .wants_usage = args->r10 };

	if (flags & ~known)
		return -EINVAL;
	if ((int32_t)args->rdi == INT32_MIN)
		return -ESRCH;
	wait_for_whom(&request, (int32_t)args->rdi);
	long pid = process_wait(&request);
	if (pid <= 0)
		return pid;
	if (args->rsi && put_user_u32(args->rsi, (uint32_t)request.status))
		return -EFAULT;
	if (args->r10 && copy_to_user(args->r10, &request.usage, sizeof(request.usage)))
		return -EFAULT;
	return pid;
}

/* What waitid stores: the exit code or the signal. */
static struct abi_siginfo wait_info(const struct wait_request *request)
{
	int status = request->status;

	if (request->code == CLD_EXITED || request->code == CLD_STOPPED)
		status = status >> 8 & 0xff;
	else if (request->code == CLD_CONTINUED)
		status = SIGCONT;
	else
		status &= 0x7f;
	return (struct abi_siginfo){
		.signo = SIGCHLD,
		.code = request->code,
		.pid = request->pid,
		.uid = request->uid,
		.status = status,
	};
}

/* 0, or what is wrong with `which` and `id`. */
static int wait_for_which(struct wait_request *request)
{
	switch (request->which) {
	case P_ALL:
		return 0;
	case P_PID:
		return request->id > 0 ? 0 : -EINVAL;
	case P_PGID:
		if (request->id == 0)
			request->id = current_process()->group;
		return request->id > 0 ? 0 : -EINVAL;
	case P_PIDFD:
		return request->id >= 0 ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

/* A descriptor with O_NONBLOCK makes a wait that would sleep fail with -EAGAIN. */
static long wait_by_descriptor(struct wait_request *request)
{
	struct file *file = fd_get(request->id);
	long result = -EBADF;

	if (!file)
		return result;
	request->process = pidfd_process(file);
	bool is_polite = file->flags & O_NONBLOCK && !(request->options & WNOHANG);
	if (is_polite)
		request->options |= WNOHANG;
	if (request->process)
		result = process_wait(request);
	file_put(file);
	return result == 0 && is_polite ? -EAGAIN : result;
}

long sys_waitid(const struct syscall_args *args)
{
	const uint32_t kinds = WEXITED | WSTOPPED | WCONTINUED;
	const uint32_t known = kinds | WNOHANG | WNOWAIT | __WNOTHREAD | __WCLONE | __WALL;
	struct wait_request request = {
		.which = (int)args->rdi,
		.id = (int32_t)args->rsi,
		.options = (uint32_t)args->r10,
		.wants_usage = args->r8,
	};
	struct abi_siginfo info = { 0 };

	if (request.options & ~known || !(request.options & kinds))
		return -EINVAL;
	int err = wait_for_which(&request);
	if (err)
		return err;
	long pid = request.which == P_PIDFD ? wait_by_descriptor(&request) : process_wait(&request);
	if (pid < 0)
		return pid;
	if (pid > 0)
		info = wait_info(&request);
	if (args->rdx && copy_to_user(args->rdx, &info, sizeof(info)))
		return -EFAULT;
	if (pid > 0 && args->r8 && copy_to_user(args->r8, &request.usage, sizeof(request.usage)))
		return -EFAULT;
	return 0;
}

/* ---- numbers -------------------------------------------------------------------------------- */

long sys_getpid(const struct syscall_args *args)
{
	return current_process()->pid;
}

long sys_gettid(const struct syscall_args *args)
{
	return current->tid;
}

long sys_getppid(const struct syscall_args *args)
{
	return READ_ONCE(current_process()->parent_pid);
}

long sys_getpgid(const struct syscall_args *args)
{
	spin_lock(&process_tree_lock);
	const struct process *process = process_named((int32_t)args->rdi);
	long result = process ? process->group : -ESRCH;
	spin_unlock(&process_tree_lock);
	return result;
}

long sys_getpgrp(const struct syscall_args *args)
{
	return READ_ONCE(current_process()->group);
}

long sys_getsid(const struct syscall_args *args)
{
	spin_lock(&process_tree_lock);
	const struct process *process = process_named((int32_t)args->rdi);
	long result = process ? process->session : -ESRCH;
	spin_unlock(&process_tree_lock);
	return result;
}

struct group_search {
	int32_t group, session;
	bool is_found;
};

static void look_for_group(struct process *process, void *argument)
{
	struct group_search *search = argument;

	search->is_found |= process->group == search->group && process->session == search->session;
}

/* Into its own group, or one of its session; never a leader of a session, nor who has executed. */
static int group_change(struct process *process, int32_t group) REQUIRES(process_tree_lock)
{
	struct process *self = current_process();

	if (!process || (process != self && process->parent != self))
		return -ESRCH;
	if (process != self && process->session != self->session)
		return -EPERM;
	if (process != self && process->has_execed)
		return -EACCES;
	if (process->session == process->pid)
		return -EPERM;
	if (group != process->pid) {
		struct group_search search = { .group = group, .session = self->session };
		process_for_each(look_for_group, &search);
		if (!search.is_found)
			return -EPERM;
	}
	process_set_group(process, group);
	return 0;
}

long sys_setpgid(const struct syscall_args *args)
{
	int32_t pid = (int32_t)args->rdi, group = (int32_t)args->rsi;

	if (group < 0)
		return -EINVAL;
	if (pid == 0)
		pid = current_process()->pid;
	if (group == 0)
		group = pid;
	spin_lock(&process_tree_lock);
	struct process *process = process_named(pid);
	bool is_process = process && process->pid == pid;
	int err = group_change(is_process ? process : NULL, group);
	spin_unlock(&process_tree_lock);
	return err;
}

static void look_for_group_anywhere(struct process *process, void *argument)
{
	struct group_search *search = argument;

	search->is_found |= process->group == search->group;
}

long sys_setsid(const struct syscall_args *args)
{
	struct process *self = current_process();
	struct group_search search = { .group = self->pid };
	long result = -EPERM;

	spin_lock(&process_tree_lock);
	process_for_each(look_for_group_anywhere, &search);
	if (!search.is_found) {
		process_set_session(self, self->pid);
		process_set_group(self, self->pid);
		self->tty = NULL;
		result = self->pid;
	}
	spin_unlock(&process_tree_lock);
	return result;
}

/* ---- what a C library sets up --------------------------------------------------------------- */

long sys_set_tid_address(const struct syscall_args *args)
{
	current_thread()->clear_child_tid = args->rdi;
	return current->tid;
}

long sys_arch_prctl(const struct syscall_args *args)
{
	uint64_t base = args->rsi;

	switch ((int)args->rdi) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		if (base >= USER_END)
			return -EPERM;
		if ((int)args->rdi == ARCH_SET_FS)
			task_set_fs_base(base);
		else
			task_set_gs_base(base);
		return 0;
	case ARCH_GET_FS:
		return put_user_u64(base, current->fs_base);
	case ARCH_GET_GS:
		return put_user_u64(base, current->gs_base);
	case ARCH_GET_CPUID:
		return 1;
	default:
		return -EINVAL;
	}
}

static long set_name(virt_t from)
{
	struct process *process = current_process();
	char name[TASK_COMM_LEN] = { 0 };       /* PR_GET_NAME shows all of it */

	ssize_t len = copy_string_from_user(name, from, sizeof(name));
	if (len < 0 && len != -ENAMETOOLONG)
		return len;
	name[sizeof(name) - 1] = '\0';
	spin_lock(&process_tree_lock);
	memcpy(current->name, name, sizeof(name));
	if (current_thread() == process->leader)
		memcpy(process->name, name, sizeof(name));
	spin_unlock(&process_tree_lock);
	return 0;
}

static long set_death_signal(uint64_t signal)
{
	if (signal > NSIG)
		return -EINVAL;
	spin_lock(&process_tree_lock);
	current_process()->parent_death_signal = (int32_t)signal;
	spin_unlock(&process_tree_lock);
	return 0;
}

static long set_dumpable(uint64_t value)
{
	if (value > 1)
		return -EINVAL;
	spin_lock(&process_tree_lock);
	current_process()->is_dumpable = value;
	spin_unlock(&process_tree_lock);
	return 0;
}

static long set_no_new_privs(const struct syscall_args *args)
{
	if (args->rsi != 1 || args->rdx || args->r10 || args->r8)
		return -EINVAL;
	spin_lock(&process_tree_lock);
	current_process()->no_new_privs = true;
	spin_unlock(&process_tree_lock);
	return 0;
}

/* Each page that the program has is one that it touched: also none by mm/ahead.h. */
static long set_thp_disable(const struct syscall_args *args)
{
	if (args->rdx || args->r10 || args->r8)
		return -EINVAL;
	WRITE_ONCE(current->space->is_exact, args->rsi != 0);
	return 0;
}

long sys_prctl(const struct syscall_args *args)
{
	const struct process *process = current_process();
	const long default_slack_ns = 50000;

	switch ((int)args->rdi) {
	case PR_SET_NAME:
		return set_name(args->rsi);
	case PR_GET_NAME:
		return copy_to_user(args->rsi, current->name, TASK_COMM_LEN);
	case PR_SET_PDEATHSIG:
		return set_death_signal(args->rsi);
	case PR_GET_PDEATHSIG:
		return put_user_u32(args->rsi, (uint32_t)process->parent_death_signal);
	case PR_GET_DUMPABLE:
		return READ_ONCE(process->is_dumpable);
	case PR_SET_DUMPABLE:
		return set_dumpable(args->rsi);
	case PR_SET_NO_NEW_PRIVS:
		return set_no_new_privs(args);
	case PR_GET_NO_NEW_PRIVS:
		return READ_ONCE(process->no_new_privs);
	case PR_CAPBSET_READ:
		return args->rsi <= CAP_LAST_CAP ? 1 : -EINVAL;
	case PR_GET_KEEPCAPS:
	case PR_GET_SECCOMP:
		return 0;
	case PR_SET_THP_DISABLE:
		return set_thp_disable(args);
	case PR_GET_THP_DISABLE:
		return args->rsi || args->rdx || args->r10 || args->r8 ? -EINVAL
		       : READ_ONCE(current->space->is_exact);
	case PR_GET_TIMERSLACK:
		return default_slack_ns;
	case PR_SET_TIMERSLACK:
		return 0;
	default:
		return -EINVAL;
	}
}
