/* SPDX-License-Identifier: MIT */
/*
 * kernel/fork.h - fork, vfork, clone: a child put together from parts.
 */
#pragma once

#include "kernel/process.h"

struct clone_request {
	uint64_t flags;                 /* CLONE_, without the exit signal */
	int exit_signal;
	virt_t stack;                   /* 0: the parent's */
	virt_t parent_tid, child_tid;
	uint64_t tls;
};

/* The child's tid, or a negative errno with nothing changed. */
long process_clone(const struct clone_request *request);

/* PID 1 and the task that will become it; runs `start` in its kernel task. */
int process_start_init(void (*start)(void *), void *argument);
