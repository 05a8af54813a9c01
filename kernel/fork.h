/* SPDX-License-Identifier: MIT */
/*
 * kernel/fork.h - fork, vfork, clone: a child put together from parts.
 */
#pragma once

#include "kernel/process.h"

struct clone_request {
	uint64_t flags;                 /* CLONE_, without the exit signal */
	int exit_signal;                /* 0: none */
	virt_t stack;                   /* 0: the parent's */
	virt_t parent_tid, child_tid;
	virt_t pidfd;                   /* where CLONE_PIDFD stores the descriptor */
	int32_t set_tid;                /* the child's number; 0: the next one */
	uint64_t tls;
};

/* The child's tid, or a negative errno with nothing changed.  With CLONE_VFORK it returns when the
 * child has executed another program or ended, or when we are to die. */
long process_clone(const struct clone_request *request);

/* PID 1: its first act is `begin`, in the kernel, as the running process with the root of all
 * names, no files and no space.  When that returns, the program runs that it has executed.
 * -ENOMEM. */
MUST_CHECK int process_start_init(void (*begin)(void *), void *argument);
