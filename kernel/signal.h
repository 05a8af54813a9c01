/* SPDX-License-Identifier: MIT */
/*
 * kernel/signal.h - send, block, choose.
 *
 * A signal waits in the queue of its process or of one thread until a thread that does not block it
 * takes it on its way back to the program (kernel/deliver.h).  To send is to queue it, and to wake
 * one thread that wants it.  A signal that is ignored wakes nobody.  Never from interrupt handlers.
 */
#pragma once

#include "kernel/process.h"

#define SIGNAL_BIT(signal) (1ull << ((signal) - 1))

/* Signals that nobody may block or catch; those that say a program cannot go on. */
#define SIGNALS_UNBLOCKABLE  (SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP))
#define SIGNALS_STOP         (SIGNAL_BIT(SIGSTOP) | SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | \
			      SIGNAL_BIT(SIGTTOU))
#define SIGNALS_SYNCHRONOUS  (SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) | \
			      SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGSYS))

static inline bool signal_is_valid(uint64_t signal)
{
	return signal >= 1 && signal <= NSIG;
}

/* What a signal does when nobody said otherwise. */
enum signal_default { DEFAULT_TERMINATE, DEFAULT_CORE, DEFAULT_IGNORE, DEFAULT_STOP };
enum signal_default signal_default_action(int signal);

/* What a signal tells that the running process sends; code: SI_USER... */
static inline struct abi_siginfo info_from_us(int code)
{
	const struct process *self = current_process();

	return (struct abi_siginfo){ .code = code, .pid = self->pid, .uid = self->credentials.uid };
}

/* Send to a process (any thread may take it) or to one thread.  info NULL: sent by the kernel.
 * 0 or -EAGAIN (RLIMIT_SIGPENDING for queued ones).  The _locked forms are for who holds the tree
 * lock; the others take it. */
int signal_send_process(struct process *process, int signal, const struct abi_siginfo *info);
int signal_send_thread(struct thread *thread, int signal, const struct abi_siginfo *info);
int signal_send_process_locked(struct process *process, int signal, const struct abi_siginfo *info)
	REQUIRES(process_tree_lock);
int signal_send_thread_locked(struct thread *thread, int signal, const struct abi_siginfo *info)
	REQUIRES(process_tree_lock);

/* To a process as to one of many: those that it is making get it, too. */
int signal_send_member_locked(struct process *process, int signal, const struct abi_siginfo *info)
	REQUIRES(process_tree_lock);

/* To every process of a group; -ESRCH if there is none. */
int signal_send_group(int32_t group, int signal, const struct abi_siginfo *info);

/* A fault of the running program: cannot be blocked or ignored away.  fatal: nor caught. */
void signal_force(int signal, const struct abi_siginfo *info);
void signal_force_fatal(int signal);

/* All threads of the process but `except` are to die: marked and woken.  Signals lock held. */
void signal_kill_threads(struct process *process, const struct thread *except);
/* The process is to end with this wait status, unless it is ending already.  Signals lock held. */
void signal_kill_process(struct process *process, int status, const struct thread *except);

/* Tell the parent about a child: SIGCHLD (or its exit signal), and wake it if it waits.  code:
 * CLD_.  Tree lock held.  True: the parent does not want to wait for it, so that a zombie may go at
 * once. */
bool signal_notify_parent(struct process *child, int code, int status) REQUIRES(process_tree_lock);

/* The last thread that runs has stopped, or left: the parent may hear of it. */
void signal_tell_stopped(struct process *process) REQUIRES(process_tree_lock);

/* Does the running thread have an unblocked signal to handle? */
bool signal_is_pending(void);

/* Bring WORK_SIGNAL up to date; signals lock held. */
void signal_recompute(struct thread *thread);

/* Take the first pending signal of `mask` for the running thread.  Signals lock held.  0: none. */
int signal_dequeue(struct thread *thread, uint64_t mask, struct abi_siginfo *info);

/* Masks of the running thread.  SIGKILL and SIGSTOP are never blocked. */
void signal_set_blocked(uint64_t mask);
void signal_suspend(uint64_t mask);     /* until signals are delivered: rt_sigsuspend, ppoll */

/* Others see to what the running thread had been woken for, because it leaves, or no longer takes
 * these.  retarget: tree and signals locks held. */
void signal_retarget(struct process *process, uint64_t mask) REQUIRES(process_tree_lock);
void signal_hand_on(uint64_t mask);

/* Forget pending signals of the process and its threads.  Tree and signals locks held. */
void signal_drop(struct process *process, uint64_t mask) REQUIRES(process_tree_lock);

/* What happens for a signal, in full.  Signals lock held. */
struct abi_sigaction signal_action(const struct signal_actions *actions, int signal);

/* sigaction(2) on the running process; -EINVAL, -ENOMEM.  Pending signals that are now ignored are
 * dropped. */
int signal_set_action(int signal, const struct abi_sigaction *action, struct abi_sigaction *old);

/* On exec and for CLONE_CLEAR_SIGHAND: what has a handler has none; what is ignored stays so. */
void signal_actions_reset(struct signal_actions *actions);

/* Queues. */
void signals_start(void);
void signal_queue_init(struct signal_queue *queue);
void signal_queue_flush_slow(struct signal_queue *queue);
static inline void signal_queue_flush(struct signal_queue *queue)
{
	if (unlikely(queue->pending != 0))
		signal_queue_flush_slow(queue);
}
uint64_t signals_queued(uint32_t user);         /* by all processes of a user */

/* Is no member's parent outside the group but in its session?  Tree lock held; nonzero:
 * orphaned. */
int32_t process_group_is_orphaned(int32_t group) REQUIRES(process_tree_lock);
/* If it became so now, `leaving` not counted, and has a stopped member: SIGHUP and SIGCONT to
 * all. */
void process_group_check_orphaned(const struct process *member, const struct process *parent,
				  const struct process *leaving) REQUIRES(process_tree_lock);
