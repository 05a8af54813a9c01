/* SPDX-License-Identifier: MIT */
/*
 * kernel/deliver.c - what a signal does to the thread that takes it.
 *
 *      signal_deliver -> signal_take -+-> handler: frame pushed, call interrupted or restarted
 *                                     +-> nothing more: call restarted, mask of sigsuspend put back
 *                                     +-> default: stop (and come back), die (and do not)
 *
 *      running --stop signal taken--> stop_signal set --each thread--> is_stopped, sleeps
 *         ^                                                  | the last one tells the parent
 *         +----------------- SIGCONT, SIGKILL ---------------+
 *
 * Invariants: no lock is held when a thread stops, dies or writes to its stack.
 * See:        signal(7), POSIX 2.4 Signal Concepts.
 */
#include "kernel/deliver.h"

#include "lib/abi/errno.h"
#include "lib/abi/linux.h"
#include "arch/x86_64/trap.h"
#include "kernel/alarm.h"
#include "kernel/exit.h"
#include "kernel/sigframe.h"
#include "kernel/signal.h"

enum { SYSCALL_INSTRUCTION_BYTES = 2, RESTART_SYSCALL_NUMBER = 219 };

static bool signal_take(struct abi_siginfo *info, struct abi_sigaction *action);
static void act_by_default(int signal);
static void stop_begin(struct process *process, int signal);
static void stop_here(struct thread *thread);
static void handler_call(struct trap_frame *frame, const struct abi_siginfo *info,
			 const struct abi_sigaction *action);
static void call_interrupted(struct trap_frame *frame, const struct abi_sigaction *action);
static void call_again(struct trap_frame *frame, uint64_t number);

void signal_deliver(struct trap_frame *frame)
{
	struct thread *thread = current_thread();
	struct abi_siginfo info;
	struct abi_sigaction action;

	if (signal_take(&info, &action)) {
		call_interrupted(frame, &action);
		handler_call(frame, &info, &action);
		return;
	}
	call_interrupted(frame, NULL);
	if (thread->has_saved_blocked) {
		thread->has_saved_blocked = false;
		signal_set_blocked(thread->saved_blocked);
	}
}

/* The next signal that has a handler; false: none.  All others are dealt with here. */
static bool signal_take(struct abi_siginfo *info, struct abi_sigaction *action)
{
	struct thread *thread = current_thread();
	struct process *process = thread->process;

	for (;;) {
		spin_lock(process_signals(process));
		bool must_die = thread->must_die;
		bool must_stop = process->stop_signal && !thread->is_stopped;
		bool may_take = !must_die && !must_stop;
		int signal = may_take ? signal_dequeue(thread, ~thread->blocked, info) : 0;
		if (signal) {
			*action = signal_action(process->actions, signal);
			if (action->handler > SIG_IGN && action->flags & SA_RESETHAND)
				process->actions->caught &= ~SIGNAL_BIT(signal);
			if (action->handler == SIG_DFL &&
			    signal_default_action(signal) == DEFAULT_STOP)
				process->is_stop_wanted = true;
		} else {
			signal_recompute(thread);
		}
		int status = process->group_exit_status;
		spin_unlock(process_signals(process));

		if (signal == SIGALRM)
			alarm_taken();
		if (must_die)
			thread_exit(status);
		else if (must_stop)
			stop_here(thread);
		else if (!signal)
			return false;
		else if (action->handler > SIG_IGN)
			return true;
		else if (action->handler == SIG_DFL)
			act_by_default(signal);
	}
}

static void act_by_default(int signal)
{
	struct process *process = current_process();
	enum signal_default action = signal_default_action(signal);

	if (action == DEFAULT_IGNORE || (process->is_protected && signal != SIGKILL))
		return;
	if (action == DEFAULT_STOP)
		stop_begin(process, signal);
	else
		process_exit(WSTATUS_KILLED(signal));
}

/* ---- stopping ------------------------------------------------------------------------------- */

/* All threads are to stop.  The keyboard cannot stop a group that nobody could continue. */
static void stop_begin(struct process *process, int signal)
{
	struct thread *thread;

	spin_lock(&process_tree_lock);
	bool is_refused = signal != SIGSTOP && process_group_is_orphaned(process->group);
	spin_lock(process_signals(process));
	is_refused |= process->is_exiting || process->stop_signal;
	if (process->is_stop_wanted && !is_refused) {
		process->stop_signal = signal;
		process->stopped_threads = 0;
		list_for_each_entry(thread, &process->threads, node) {
			task_add_work(thread->task, WORK_SIGNAL);
			task_wake_interruptible(thread->task);
		}
	}
	process->is_stop_wanted = false;
	spin_unlock(process_signals(process));
	spin_unlock(&process_tree_lock);
}

/* True: this was the last thread to stop. */
static bool stop_join(struct thread *thread)
{
	struct process *process = thread->process;

	spin_lock(process_signals(process));
	bool must_stop = process->stop_signal && !thread->must_die;
	if (must_stop) {
		thread->is_stopped = true;
		process->stopped_threads++;
	}
	bool is_complete = must_stop && process->stopped_threads == process->thread_count;
	spin_unlock(process_signals(process));
	return is_complete;
}

static void stop_here(struct thread *thread)
{
	struct process *process = thread->process;

	spin_lock(&process_tree_lock);
	if (stop_join(thread))
		signal_tell_stopped(process);
	spin_unlock(&process_tree_lock);

	for (;;) {
		task_prepare_sleep(TASK_STOPPED);
		if (!READ_ONCE(thread->is_stopped) || READ_ONCE(thread->must_die))
			break;
		schedule();
	}
	task_prepare_sleep(TASK_RUNNABLE);
}

/* ---- handlers and calls --------------------------------------------------------------------- */

static void handler_call(struct trap_frame *frame, const struct abi_siginfo *info,
			 const struct abi_sigaction *action)
{
	struct thread *thread = current_thread();
	uint64_t mask = thread->has_saved_blocked ? thread->saved_blocked : thread->blocked;

	thread->has_saved_blocked = false;
	if (sigframe_push(frame, info, action, mask)) {
		signal_force_fatal(SIGSEGV);
		return;
	}
	uint64_t itself = action->flags & SA_NODEFER ? 0 : SIGNAL_BIT(info->signo);
	signal_set_blocked(thread->blocked | action->mask | itself);
}

/* What becomes of an interrupted call; action: of the handler that runs first, NULL: none does. */
static void call_interrupted(struct trap_frame *frame, const struct abi_sigaction *action)
{
	if (frame->vector != VECTOR_SYSCALL)
		return;

	switch (-(int64_t)frame->rax) {
	case ERESTARTNOINTR:
		call_again(frame, frame->error);
		break;
	case ERESTARTSYS:
		if (action && !(action->flags & SA_RESTART))
			frame->rax = (uint64_t)-EINTR;
		else
			call_again(frame, frame->error);
		break;
	case ERESTARTNOHAND:
		if (action)
			frame->rax = (uint64_t)-EINTR;
		else
			call_again(frame, frame->error);
		break;
	case ERESTART_RESTARTBLOCK:
		if (action)
			frame->rax = (uint64_t)-EINTR;
		else
			call_again(frame, RESTART_SYSCALL_NUMBER);
		break;
	}
}

static void call_again(struct trap_frame *frame, uint64_t number)
{
	frame->rax = number;
	frame->rip -= SYSCALL_INSTRUCTION_BYTES;
	frame_set_replaced(frame);
}
