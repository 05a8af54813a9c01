/* SPDX-License-Identifier: MIT */
/*
 * kernel/exit.c - leave.
 *
 *      thread_exit
 *        in its space:    robust futexes, clear_child_tid
 *        without locks:   space (left, then put), files, places, terminal of a session
 *        tree lock:       off the list of threads; if it was the last one:
 *                         children to init, groups that are orphaned now, zombie, parent told
 *        task_exit        the stack goes when the CPU is off it (upcall_task_dead)
 *
 * Invariants: a zombie holds no memory but its numbers, its leader's thread and task.
 *             A space is put by who no longer runs in it.
 * Locks:      process_tree_lock around the whole change of the family.
 */
#include "kernel/exit.h"

#include "arch/x86_64/usercopy.h"
#include "kernel/event.h"
#include "kernel/futex.h"
#include "kernel/panic.h"
#include "kernel/signal.h"
#include "fs/context.h"
#include "fs/fdtable.h"
#include "fs/tty.h"
#include "mm/space.h"

static void settle_status(struct process *process, int status);
static void thread_put_files(struct thread *thread);
static void session_leave(struct process *process);
static bool thread_leave(struct thread *thread) REQUIRES(process_tree_lock);
static void process_end(struct process *process) REQUIRES(process_tree_lock);

NORETURN void process_exit(int status)
{
	struct thread *thread = current_thread();
	struct process *process = thread->process;

	if (READ_ONCE(process->thread_count) > 1) {
		spin_lock(&process_tree_lock);
		spin_lock(process_signals(process));
		signal_kill_process(process, status, thread);
		spin_unlock(process_signals(process));
		spin_unlock(&process_tree_lock);
	}
	thread_exit(status);
}

NORETURN void thread_exit(int status)
{
	struct thread *thread = current_thread();
	struct process *process = thread->process;

	if (atomic_dec_and_test(&process->live)) {
		if (process == init_process)
			panic("Attempted to kill init! exitcode=0x%08x", (unsigned)status);
		settle_status(process, status);
		session_leave(process);
	}
	thread_change_space(NULL);
	thread_put_files(thread);

	struct path *executable = NULL;
	spin_lock(&process_tree_lock);
	bool is_last = thread_leave(thread);
	if (is_last) {
		executable = process->executable;
		process->executable = NULL;
		process_end(process);
	}
	spin_unlock(&process_tree_lock);
	executable_put(executable);
	task_exit();
}

int process_kill_other_threads(void)
{
	struct thread *thread = current_thread();
	struct process *process = thread->process;

	if (READ_ONCE(process->thread_count) == 1)
		return 0;
	spin_lock(&process_tree_lock);
	spin_lock(process_signals(process));
	bool is_doomed = thread->must_die;
	if (!is_doomed)
		signal_kill_threads(process, thread);
	spin_unlock(process_signals(process));
	spin_unlock(&process_tree_lock);
	if (is_doomed)
		return -EINTR;

	wait_event_unless_dying(&process->child_wait, READ_ONCE(process->thread_count) == 1);
	return READ_ONCE(process->thread_count) == 1 ? 0 : -EINTR;
}

/* The last thread that began to exit says how the process ended, unless all were told to before.
 * Decided at the beginning: a thread that others have seen go (clear_child_tid) cannot overrule. */
static void settle_status(struct process *process, int status)
{
	spin_lock(process_signals(process));
	if (!process->is_exiting) {
		process->is_exiting = true;
		process->group_exit_status = status;
	}
	spin_unlock(process_signals(process));
}

/* ---- what the thread held ------------------------------------------------------------------- */

void thread_leave_words(void)
{
	struct thread *thread = current_thread();
	const struct space *space = current->space;

	if (thread->robust_list)
		futex_exit_robust(thread);
	if (thread->clear_child_tid && atomic_load_relaxed(&space->users) > 1 &&
	    put_user_u32(thread->clear_child_tid, 0) == 0)
		(void)futex_wake(thread->clear_child_tid, 1, UINT32_MAX, true);
	thread->robust_list = 0;
	thread->clear_child_tid = 0;
}

/* Add what the dead and the left spaces consumed. */
static void account_space(struct process *process, const struct space *space)
{
	struct process_times *past = &process->past;

	past->resident_peak = MAX(past->resident_peak, space_resident_peak(space));
	if (atomic_load_relaxed(&space->users) == 1)
		past->min_faults += atomic_load_relaxed(&space->work.of[WORK_faults]);
}

void thread_change_space(struct space *next)
{
	struct thread *thread = current_thread();
	struct process *process = thread->process;
	struct space *space = current->space;

	if (space)
		thread_leave_words();
	spin_lock(&process_tree_lock);
	if (space)
		account_space(process, space);
	current->space = next;
	spin_unlock(&process_tree_lock);

	task_set_context(next ? &next->mmu : NULL);
	if (thread->is_borrowing) {
		WRITE_ONCE(thread->is_borrowing, false);
		wake_all(&process->child_wait);
	}
	if (space)
		space_put(space);
}

static void thread_put_files(struct thread *thread)
{
	struct fdtable *files = current->files;
	struct fs_context *fs = thread->fs;

	spin_lock(&process_tree_lock);
	current->files = NULL;
	thread->fs = NULL;
	spin_unlock(&process_tree_lock);
	if (files)
		fdtable_leave(files);
	if (fs)
		fs_context_put(fs);
}

static void session_leave(struct process *process)
{
	if (process->session == process->pid && process->tty)
		tty_session_ended(process);
}

/* ---- the family ----------------------------------------------------------------------------- */

/* True: no thread is left. */
static bool thread_leave(struct thread *thread)
{
	struct process *process = thread->process;

	thread_times(thread, &process->past);
	spin_lock(process_signals(process));
	list_remove(&thread->node);
	process->thread_count--;
	thread->has_exited = true;
	signal_queue_flush(&thread->queue);
	signal_retarget(process, ~thread->blocked);
	if (thread->is_stopped)
		process->stopped_threads--;
	bool completes_stop = process->stop_signal && process->thread_count > 0 &&
			      process->stopped_threads == process->thread_count;
	spin_unlock(process_signals(process));

	if (completes_stop)
		signal_tell_stopped(process);
	if (process->thread_count > 0)
		wake_all(&process->child_wait);
	if (thread != process->leader) {
		pid_set_thread(thread->tid, NULL);
		pid_release(thread->tid);
		thread_put(thread);
	}
	return process->thread_count == 0;
}

/* Tell the parent how a zombie ended.  True: nobody will wait for it. */
static bool notify_end(struct process *process) REQUIRES(process_tree_lock)
{
	int killed_by = process->exit_status & 0x7f;

	if (killed_by)
		return signal_notify_parent(process, CLD_KILLED, killed_by);
	return signal_notify_parent(process, CLD_EXITED, process->exit_status >> 8 & 0xff);
}

/* The child asked to be told of our end: as if we killed it. */
static void send_death_signal(struct process *child) REQUIRES(process_tree_lock)
{
	int signal = child->parent_death_signal;
	struct abi_siginfo info = info_from_us(SI_USER);

	if (signal && process_may_signal(child, signal))
		signal_send_process_locked(child, signal, &info);
}

/* A child whose parent ends goes to init. */
static void child_give_away(struct process *child, struct process *parent)
	REQUIRES(process_tree_lock)
{
	send_death_signal(child);
	list_remove(&child->sibling);
	child->parent = init_process;
	child->parent_program = init_process->program;
	WRITE_ONCE(child->parent_pid, init_process->pid);
	if (child->state == PROCESS_ZOMBIE)
		list_push_front(&init_process->children, &child->sibling);
	else
		list_push_back(&init_process->children, &child->sibling);
	process_group_check_orphaned(child, parent, parent);
	child->exit_signal = SIGCHLD;
	if (child->state == PROCESS_ZOMBIE && notify_end(child))
		reaped_put(process_reap(child));
}

/* Nobody will take them; their user may queue others. */
static void drop_signals(struct process *process) REQUIRES(process_tree_lock)
{
	if (READ_ONCE(process->queue.pending) == 0)
		return;
	spin_lock(process_signals(process));
	signal_queue_flush(&process->queue);
	spin_unlock(process_signals(process));
}

static void process_end(struct process *process)
{
	struct process *child;

	list_for_each_entry_safe(child, &process->children, sibling)
		child_give_away(child, process);
	process_group_check_orphaned(process, process->parent, process);

	process->state = PROCESS_ZOMBIE;
	drop_signals(process);
	process->exit_status = process->group_exit_status;
	process->tty = NULL;
	list_remove(&process->sibling);
	list_push_front(&process->parent->children, &process->sibling);
	event(process_exit, process->pid, process->exit_status, 0);
	wake_all(&process->child_wait);
	if (notify_end(process))
		reaped_put(process_reap(process));
}
