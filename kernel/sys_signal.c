/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_signal.c - system calls on signals.
 *
 * Who sends a signal says so truly: si_pid and si_uid are filled in here; only what a process sends
 * to itself, or says in the name of sigqueue, is taken from the program.
 * See: signal(7), sigaction(2), kill(2).
 */
#include "kernel/syscall.h"

#include "lib/abi/errno.h"
#include "lib/abi/linux.h"
#include "arch/x86_64/trap.h"
#include "arch/x86_64/usercopy.h"
#include "kernel/alarm.h"
#include "kernel/sigframe.h"
#include "kernel/signal.h"
#include "kernel/timespec.h"

/* The flags that mean something; above them programs leave what they like. */
#define SA_KNOWN (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_EXPOSE_TAGBITS | SA_RESTORER | \
		  SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESETHAND)

/* ---- actions and masks ---------------------------------------------------------------------- */

long sys_rt_sigaction(const struct syscall_args *args)
{
	struct abi_sigaction action = { 0 }, old;

	if (args->r10 != SIGSET_SIZE || !signal_is_valid(args->rdi & UINT32_MAX))
		return -EINVAL;
	if (args->rsi && copy_from_user(&action, args->rsi, sizeof(action)))
		return -EFAULT;
	action.flags &= SA_KNOWN;
	action.mask &= ~SIGNALS_UNBLOCKABLE;
	int err = signal_set_action((int)args->rdi, args->rsi ? &action : NULL, &old);
	if (!err && args->rdx)
		err = copy_to_user(args->rdx, &old, sizeof(old));
	return err;
}

long sys_rt_sigprocmask(const struct syscall_args *args)
{
	uint64_t old = current_thread()->blocked, set, wanted;

	if (args->r10 != SIGSET_SIZE)
		return -EINVAL;
	if (args->rsi) {
		if (get_user_u64(args->rsi, &set))
			return -EFAULT;
		switch ((int)args->rdi) {
		case SIG_BLOCK:
			wanted = old | set;
			break;
		case SIG_UNBLOCK:
			wanted = old & ~set;
			break;
		case SIG_SETMASK:
			wanted = set;
			break;
		default:
			return -EINVAL;
		}
		signal_set_blocked(wanted);
	}
	return args->rdx ? put_user_u64(args->rdx, old) : 0;
}

long sys_rt_sigpending(const struct syscall_args *args)
{
	const struct thread *thread = current_thread();
	struct process *process = thread->process;

	if (args->rsi > SIGSET_SIZE)
		return -EINVAL;
	spin_lock(process_signals(process));
	uint64_t pending = (thread->queue.pending | process->queue.pending) & thread->blocked;
	spin_unlock(process_signals(process));
	return copy_to_user(args->rdi, &pending, args->rsi);
}

long sys_rt_sigreturn(const struct syscall_args *args)
{
	return sigframe_pop(task_frame(current));
}

static int alternate_stack_set(const struct abi_stack *stack)
{
	struct thread *thread = current_thread();
	uint32_t mode = (uint32_t)stack->ss_flags & ~SS_AUTODISARM;

	if (mode != 0 && mode != SS_ONSTACK && mode != SS_DISABLE)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		thread->alternate_stack = (struct abi_stack){ .ss_flags = SS_DISABLE };
		return 0;
	}
	if (stack->ss_size < MINSIGSTKSZ)
		return -ENOMEM;
	thread->alternate_stack = *stack;
	thread->alternate_stack.ss_flags &= ~SS_ONSTACK;
	return 0;
}

long sys_sigaltstack(const struct syscall_args *args)
{
	const struct thread *thread = current_thread();
	struct abi_stack old = thread->alternate_stack, new;
	bool is_on = sigframe_is_on_alternate(thread, task_frame(current)->rsp);

	if (is_on)
		old.ss_flags |= SS_ONSTACK;
	if (args->rdi) {
		if (copy_from_user(&new, args->rdi, sizeof(new)))
			return -EFAULT;
		if (is_on)
			return -EPERM;
		int err = alternate_stack_set(&new);
		if (err)
			return err;
	}
	return args->rsi ? copy_to_user(args->rsi, &old, sizeof(old)) : 0;
}

/* ---- waiting -------------------------------------------------------------------------------- */

static void sleep_until_signal(void)
{
	for (;;) {
		task_prepare_sleep(TASK_INTERRUPTIBLE);
		if (signal_is_pending())
			break;
		schedule();
	}
	task_prepare_sleep(TASK_RUNNABLE);
}

long sys_pause(const struct syscall_args *args)
{
	sleep_until_signal();
	return -ERESTARTNOHAND;
}

long sys_rt_sigsuspend(const struct syscall_args *args)
{
	uint64_t mask;

	if (args->rsi != SIGSET_SIZE)
		return -EINVAL;
	if (get_user_u64(args->rdi, &mask))
		return -EFAULT;
	signal_suspend(mask);
	sleep_until_signal();
	return -ERESTARTNOHAND;
}

/* Take one of the set, blocked or not.  0: none there. */
static int take_awaited(uint64_t set, struct abi_siginfo *info)
{
	struct thread *thread = current_thread();

	struct process *process = thread->process;

	spin_lock(process_signals(process));
	int signal = signal_dequeue(thread, set, info);
	uint64_t given_up = signal ? thread->awaited : thread->awaited & ~set;
	thread->awaited = signal ? 0 : set;
	bool is_stranded = process->queue.pending & given_up;
	signal_recompute(thread);
	spin_unlock(process_signals(process));
	if (unlikely(is_stranded))
		signal_hand_on(given_up);
	if (signal == SIGALRM)
		alarm_taken();
	return signal;
}

static int stop_awaiting(uint64_t set, struct abi_siginfo *info)
{
	int signal = take_awaited(set, info);

	take_awaited(0, info);
	return signal;
}

/* The signal, -EAGAIN when the deadline passes, -EINTR for one that is not in the set. */
static long wait_for_one_of(uint64_t set, uint64_t deadline_ns, struct abi_siginfo *info)
{
	int signal = take_awaited(set, info);
	bool is_in_time = true;

	while (!signal && is_in_time) {
		task_prepare_sleep(TASK_INTERRUPTIBLE);
		if (!signal_is_pending())
			is_in_time = schedule_until(deadline_ns);
		task_prepare_sleep(TASK_RUNNABLE);
		signal = take_awaited(set, info);
		if (!signal && signal_is_pending()) {
			signal = stop_awaiting(set, info);
			return signal ? signal : -EINTR;
		}
	}
	if (!signal)
		signal = stop_awaiting(set, info);
	return signal ? signal : -EAGAIN;
}

long sys_rt_sigtimedwait(const struct syscall_args *args)
{
	uint64_t set, timeout_ns = WAIT_FOREVER;
	struct abi_siginfo info;

	if (args->r10 != SIGSET_SIZE)
		return -EINVAL;
	if (get_user_u64(args->rdi, &set))
		return -EFAULT;
	if (args->rdx) {
		int err = timespec_get_user(args->rdx, &timeout_ns);
		if (err)
			return err;
	}
	set &= ~SIGNALS_UNBLOCKABLE;
	uint64_t deadline_ns = args->rdx ? deadline_after(timeout_ns) : WAIT_FOREVER;
	long signal = wait_for_one_of(set, deadline_ns, &info);
	if (signal > 0 && args->rsi && copy_to_user(args->rsi, &info, sizeof(info)))
		return -EFAULT;
	return signal;
}

long sys_restart_syscall(const struct syscall_args *args)
{
	struct thread *thread = current_thread();

	return thread->restart ? thread->restart(thread) : -EINTR;
}

/* ---- sending -------------------------------------------------------------------------------- */

struct kill_request {
	bool is_everybody;              /* but init and who asks; else a group */
	int32_t group;                  /* init's is 0 */
	int signal;                     /* 0: only look whether we may */
	struct abi_siginfo info;
	bool has_found, has_sent;
	int err;
};

static void kill_visit(struct process *process, void *argument) REQUIRES(process_tree_lock)
{
	struct kill_request *request = argument;
	bool is_meant = process->group == request->group;

	if (request->is_everybody)
		is_meant = process != init_process && process != current_process();

	if (!is_meant)
		return;
	request->has_found = true;
	int err = process_may_signal(process, request->signal) ? 0 : -EPERM;
	if (!err && request->signal)
		err = signal_send_member_locked(process, request->signal, &request->info);
	if (!err)
		request->has_sent = true;
	else
		request->err = err;
}

static long kill_many(struct kill_request request)
{
	request.info = info_from_us(SI_USER);
	spin_lock(&process_tree_lock);
	process_for_each(kill_visit, &request);
	spin_unlock(&process_tree_lock);
	if (!request.has_found)
		return -ESRCH;
	return request.has_sent ? 0 : request.err;
}

static long kill_everybody(int signal)
{
	return kill_many((struct kill_request){ .is_everybody = true, .signal = signal });
}

static long kill_group(int32_t group, int signal)
{
	return kill_many((struct kill_request){ .group = group, .signal = signal });
}

static long kill_one(int32_t pid, int signal, const struct abi_siginfo *info)
{
	long result = -ESRCH;

	spin_lock(&process_tree_lock);
	struct thread *thread = pid_thread(pid);
	if (thread && !process_may_signal(thread->process, signal))
		result = -EPERM;
	else if (thread)
		result = signal ? signal_send_process_locked(thread->process, signal, info) : 0;
	spin_unlock(&process_tree_lock);
	return result;
}

long sys_kill(const struct syscall_args *args)
{
	int32_t pid = (int32_t)args->rdi;
	int signal = (int)args->rsi;

	if (signal != 0 && !signal_is_valid((uint32_t)signal))
		return -EINVAL;
	if (pid == -1)
		return kill_everybody(signal);
	if (pid == INT32_MIN)
		return -ESRCH;
	if (pid <= 0)
		return kill_group(pid ? -pid : current_process()->group, signal);
	struct abi_siginfo info = info_from_us(SI_USER);
	return kill_one(pid, signal, &info);
}

/* To one thread; process: it must belong to this one, -1: to any. */
static long kill_thread(int32_t process, int32_t tid, int signal, const struct abi_siginfo *info)
{
	long result = -ESRCH;

	if (tid <= 0 || (signal != 0 && !signal_is_valid((uint32_t)signal)))
		return -EINVAL;
	spin_lock(&process_tree_lock);
	struct thread *thread = pid_thread(tid);
	if (thread && (process == -1 || thread->process->pid == process)) {
		if (!process_may_signal(thread->process, signal))
			result = -EPERM;
		else
			result = signal ? signal_send_thread_locked(thread, signal, info) : 0;
	}
	spin_unlock(&process_tree_lock);
	return result;
}

long sys_tkill(const struct syscall_args *args)
{
	struct abi_siginfo info = info_from_us(SI_TKILL);

	return kill_thread(-1, (int32_t)args->rdi, (int)args->rsi, &info);
}

long sys_tgkill(const struct syscall_args *args)
{
	struct abi_siginfo info = info_from_us(SI_TKILL);

	if ((int32_t)args->rdi <= 0)
		return -EINVAL;
	return kill_thread((int32_t)args->rdi, (int32_t)args->rsi, (int)args->rdx, &info);
}

/* What a program wants told in its name: nobody may pretend to be the kernel or kill(2) to
 * others. */
static int info_get(virt_t from, int32_t target, struct abi_siginfo *info)
{
	if (copy_from_user(info, from, sizeof(*info)))
		return -EFAULT;
	bool is_pretence = info->code >= 0 || info->code == SI_TKILL;
	return is_pretence && target != current_process()->pid ? -EPERM : 0;
}

long sys_rt_sigqueueinfo(const struct syscall_args *args)
{
	int32_t pid = (int32_t)args->rdi;
	int signal = (int)args->rsi;
	struct abi_siginfo info;

	int err = info_get(args->rdx, pid, &info);
	if (err)
		return err;
	if (signal != 0 && !signal_is_valid((uint32_t)signal))
		return -EINVAL;
	return kill_one(pid, signal, &info);
}

long sys_rt_tgsigqueueinfo(const struct syscall_args *args)
{
	int32_t pid = (int32_t)args->rdi;
	struct abi_siginfo info;

	int err = info_get(args->r10, pid, &info);
	if (err)
		return err;
	return pid <= 0 ? -EINVAL : kill_thread(pid, (int32_t)args->rsi, (int)args->rdx, &info);
}
