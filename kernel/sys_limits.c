/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_limits.c - system calls on what processes may consume, have consumed, and where they
 * run.
 *
 * Locks: process_tree_lock to find another process and to change its limits.  Limits are two words
 *        that others read without: each is valid by itself.
 * See:   getrlimit(2), getrusage(2), sched(7).
 */
#include "kernel/syscall.h"

#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "arch/x86_64/usercopy.h"
#include "kernel/process.h"
#include "kernel/reap.h"
#include "fs/fdtable.h"
#include "mm/space.h"

enum { NICE_LEAST = -20, NICE_MOST = 19, REAL_TIME_PRIORITY_MAX = 99 };

/* ---- limits --------------------------------------------------------------------------------- */

static int limit_check(const struct abi_rlimit *old, const struct abi_rlimit *new, unsigned which)
{
	if (new->rlim_cur > new->rlim_max)
		return -EINVAL;
	if (new->rlim_max > old->rlim_max && !process_is_privileged())
		return -EPERM;
	if (which == RLIMIT_NOFILE && new->rlim_max > FDTABLE_MAX)
		return -EPERM;
	return 0;
}

/* Read and, unless new is NULL, replace a limit. */
static int limit_exchange(int32_t pid, unsigned which, struct abi_rlimit *old,
			  const struct abi_rlimit *new)
{
	int err = 0;

	if (which >= RLIMITS)
		return -EINVAL;
	spin_lock(&process_tree_lock);
	struct process *process = process_named(pid);
	if (!process)
		err = -ESRCH;
	else if (!process_may_limit(process))
		err = -EPERM;
	else if (new)
		err = limit_check(&process->limits[which], new, which);
	if (!err) {
		*old = process->limits[which];
		if (new)
			process->limits[which] = *new;
	}
	spin_unlock(&process_tree_lock);
	return err;
}

long sys_prlimit64(const struct syscall_args *args)
{
	struct abi_rlimit old, new;

	if (args->rdx && copy_from_user(&new, args->rdx, sizeof(new)))
		return -EFAULT;
	int err = limit_exchange((int32_t)args->rdi, (unsigned)args->rsi, &old,
				 args->rdx ? &new : NULL);
	if (!err && args->r10)
		err = copy_to_user(args->r10, &old, sizeof(old));
	return err;
}

long sys_getrlimit(const struct syscall_args *args)
{
	struct abi_rlimit old;

	int err = limit_exchange(0, (unsigned)args->rdi, &old, NULL);
	return err ? err : copy_to_user(args->rsi, &old, sizeof(old));
}

long sys_setrlimit(const struct syscall_args *args)
{
	struct abi_rlimit old, new;

	if (copy_from_user(&new, args->rsi, sizeof(new)))
		return -EFAULT;
	return limit_exchange(0, (unsigned)args->rdi, &old, &new);
}

/* ---- consumption ---------------------------------------------------------------------------- */

long sys_getrusage(const struct syscall_args *args)
{
	const struct process *self = current_process();
	struct process_times times = { 0 };
	struct abi_rusage usage;

	spin_lock(&process_tree_lock);
	switch ((int)args->rdi) {
	case RUSAGE_SELF:
		process_times(self, &times);
		break;
	case RUSAGE_CHILDREN:
		times = self->past_children;
		break;
	case RUSAGE_THREAD:
		thread_times(current_thread(), &times);
		break;
	default:
		spin_unlock(&process_tree_lock);
		return -EINVAL;
	}
	spin_unlock(&process_tree_lock);
	usage_fill(&usage, &times);
	return copy_to_user(args->rsi, &usage, sizeof(usage));
}

/* ---- where and when to run ------------------------------------------------------------------ */

long sys_sched_yield(const struct syscall_args *args)
{
	task_yield();
	return 0;
}

/* A thread by number, 0: the running one; counted.  NULL: none. */
static struct thread *thread_named(int32_t tid)
{
	spin_lock(&process_tree_lock);
	struct thread *thread = tid ? pid_thread(tid) : current_thread();
	if (thread)
		thread_get(thread);
	spin_unlock(&process_tree_lock);
	return thread;
}

static bool may_schedule(const struct process *process)
{
	spin_lock(&process_tree_lock);
	bool may = process_may_schedule(process);
	spin_unlock(&process_tree_lock);
	return may;
}

static uint64_t online_mask(void)
{
	return cpu_count == 64 ? UINT64_MAX : BIT(cpu_count) - 1;
}

long sys_sched_setaffinity(const struct syscall_args *args)
{
	uint64_t mask = 0;

	if (copy_from_user(&mask, args->rdx, MIN(args->rsi & UINT32_MAX, sizeof(mask))))
		return -EFAULT;
	struct thread *thread = thread_named((int32_t)args->rdi);
	if (!thread)
		return -ESRCH;
	long err = 0;
	if (!may_schedule(thread->process))
		err = -EPERM;
	else if (!(mask & online_mask()))
		err = -EINVAL;
	else if (!thread->has_exited)
		task_set_allowed_cpus(thread->task, mask);
	thread_put(thread);
	return err;
}

long sys_sched_getaffinity(const struct syscall_args *args)
{
	uint64_t mask;

	if (args->rsi < sizeof(mask) || args->rsi % sizeof(mask))
		return -EINVAL;
	struct thread *thread = thread_named((int32_t)args->rdi);
	if (!thread)
		return -ESRCH;
	mask = thread->task->allowed_cpus & online_mask();
	thread_put(thread);
	return copy_to_user(args->rdx, &mask, sizeof(mask)) ? -EFAULT : (long)sizeof(mask);
}

/* There is one policy.  0, -ESRCH; who wants to set it may be told -EPERM. */
static long thread_check(int32_t tid, bool sets)
{
	if (tid < 0)
		return -EINVAL;
	struct thread *thread = thread_named(tid);
	if (!thread)
		return -ESRCH;
	long err = sets && !may_schedule(thread->process) ? -EPERM : 0;
	thread_put(thread);
	return err;
}

long sys_sched_getscheduler(const struct syscall_args *args)
{
	long err = thread_check((int32_t)args->rdi, false);
	return err ? err : SCHED_OTHER;
}

long sys_sched_setscheduler(const struct syscall_args *args)
{
	struct abi_sched_param param;
	int policy = (int)args->rsi & ~SCHED_RESET_ON_FORK;

	if (copy_from_user(&param, args->rdx, sizeof(param)))
		return -EFAULT;
	if (policy == SCHED_FIFO || policy == SCHED_RR)
		return -EPERM;
	if ((policy != SCHED_OTHER && policy != SCHED_BATCH && policy != SCHED_IDLE) ||
	    param.sched_priority != 0)
		return -EINVAL;
	return thread_check((int32_t)args->rdi, true);
}

long sys_sched_getparam(const struct syscall_args *args)
{
	struct abi_sched_param param = { 0 };

	long err = thread_check((int32_t)args->rdi, false);
	return err ? err : copy_to_user(args->rsi, &param, sizeof(param));
}

static long priority_limit(int policy, long real_time)
{
	switch (policy) {
	case SCHED_FIFO:
	case SCHED_RR:
		return real_time;
	case SCHED_OTHER:
	case SCHED_BATCH:
	case SCHED_IDLE:
	case SCHED_DEADLINE:
		return 0;
	default:
		return -EINVAL;
	}
}

long sys_sched_get_priority_max(const struct syscall_args *args)
{
	return priority_limit((int)args->rdi, REAL_TIME_PRIORITY_MAX);
}

long sys_sched_get_priority_min(const struct syscall_args *args)
{
	return priority_limit((int)args->rdi, 1);
}

/* ---- niceness ------------------------------------------------------------------------------- */

struct nice_request {
	int which;
	uint32_t who;
	int nice;                       /* setpriority: the new one */
	bool sets;
	long result;                    /* getpriority: 20 - the least nice; or an error */
};

static bool nice_concerns(const struct process *process, const struct nice_request *request)
{
	const struct process *self = current_process();
	uint32_t who = request->who;

	switch (request->which) {
	case PRIO_PROCESS:
		return who ? process->pid == (int32_t)who : process == self;
	case PRIO_PGRP:
		return process->group == (who ? (int32_t)who : self->group);
	default:
		return process->credentials.uid == (who ? who : self->credentials.uid);
	}
}

/* RLIMIT_NICE is 20 - the lowest number that one may go down to. */
static bool may_be_nicer(const struct process *process, const struct task *task, int nice)
{
	uint64_t limit = process->limits[RLIMIT_NICE].rlim_cur;

	return nice >= task->nice || process_is_privileged() ||
	       (uint64_t)(NICE_MOST + 1 - nice) <= limit;
}

static void nice_set(struct process *process, struct nice_request *request)
	REQUIRES(process_tree_lock)
{
	struct thread *thread;

	request->result = request->result == -ESRCH ? 0 : request->result;
	if (!process_may_schedule(process)) {
		request->result = -EPERM;
		return;
	}
	list_for_each_entry(thread, &process->threads, node) {
		if (!may_be_nicer(process, thread->task, request->nice))
			request->result = -EACCES;
		else
			thread->task->nice = (int8_t)request->nice;
	}
}

static void nice_visit(struct process *process, void *argument) REQUIRES(process_tree_lock)
{
	struct nice_request *request = argument;
	const struct thread *leader = process->leader;

	if (!nice_concerns(process, request))
		return;
	if (request->sets)
		nice_set(process, request);
	else if (leader)
		request->result = MAX(request->result, (long)(NICE_MOST + 1 - leader->task->nice));
}

static long nice_run(struct nice_request *request)
{
	if (request->which < PRIO_PROCESS || request->which > PRIO_USER)
		return -EINVAL;
	request->result = -ESRCH;
	spin_lock(&process_tree_lock);
	process_for_each(nice_visit, request);
	spin_unlock(&process_tree_lock);
	return request->result;
}

long sys_getpriority(const struct syscall_args *args)
{
	return nice_run(&(struct nice_request){
		.which = (int)args->rdi,
		.who = (uint32_t)args->rsi,
	});
}

long sys_setpriority(const struct syscall_args *args)
{
	int nice = (int)args->rdx;

	return nice_run(&(struct nice_request){
		.which = (int)args->rdi,
		.who = (uint32_t)args->rsi,
		.nice = MIN(MAX(nice, (int)NICE_LEAST), (int)NICE_MOST),
		.sets = true,
	});
}
