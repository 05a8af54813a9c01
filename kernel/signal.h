/* SPDX-License-Identifier: MIT */
/*
 * kernel/signal.h - send, block, choose.
 */
#pragma once

#include "kernel/process.h"

/* Send to a process (any thread may take it) or to one thread.  info NULL: sent by the kernel.  A
 * signal that is ignored wakes nobody.  0 or -EAGAIN (RLIMIT_SIGPENDING for queued ones). */
int signal_send_process(struct process *process, int signal, const struct abi_siginfo *info);
int signal_send_thread(struct thread *thread, int signal, const struct abi_siginfo *info);

/* To every process of a group; -ESRCH if there is none. */
int signal_send_group(int32_t group, int signal, const struct abi_siginfo *info);

/* A fault of the running program: cannot be blocked or ignored away. */
void signal_force(int signal, const struct abi_siginfo *info);

/* Does the running thread have an unblocked signal to handle?  Also recomputes WORK_SIGNAL. */
bool signal_is_pending(void);
void signal_recompute(struct thread *thread);           /* signals lock held */

/* Take the next one to deliver; false: none.  Stops and default actions are carried out inside. */
bool signal_take(struct abi_siginfo *info, struct abi_sigaction *action);

/* Masks.  SIGKILL and SIGSTOP are never blocked. */
void signal_set_blocked(uint64_t mask);

/* Deliver what is pending: called on the way back to the program.  Restarts or interrupts the system
 * call that the frame stands in (-ERESTART*). */
struct trap_frame;
void signal_deliver(struct trap_frame *frame);

/* kernel/sigframe.c */
int sigframe_push(struct trap_frame *frame, const struct abi_siginfo *info,
		  const struct abi_sigaction *action, uint64_t saved_mask);
long sigframe_pop(struct trap_frame *frame);            /* rt_sigreturn: the value for rax */

/* On exec: handlers to default, alternate stack off.  On exit: drop queues. */
void signal_reset_handlers(struct process *process);
void signal_queue_flush(struct signal_queue *queue);

/* Stop and continue. */
void signal_info_for_child(struct abi_siginfo *info, const struct process *child, int code, int status);

int32_t process_group_is_orphaned(int32_t group);       /* tree lock held; nonzero: orphaned */
