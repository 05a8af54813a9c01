/* SPDX-License-Identifier: MIT */
/*
 * kernel/sigframe.h - the signal frame on a program's stack.
 *
 * A handler runs as if the program had called it; what it interrupted lies above it on the stack,
 * as Linux lays it out (struct abi_rt_sigframe), and rt_sigreturn takes it back.
 */
#pragma once

#include "kernel/process.h"

struct trap_frame;

/* Make the program continue in the handler.  saved_mask: the mask to come back to.  -EFAULT: the
 * frame cannot be written, or the handler has no restorer; nothing of `frame` changed. */
MUST_CHECK int sigframe_push(struct trap_frame *frame, const struct abi_siginfo *info,
			     const struct abi_sigaction *action, uint64_t saved_mask);

/* rt_sigreturn: the value for rax.  A frame that no push can have made ends in SIGSEGV. */
long sigframe_pop(struct trap_frame *frame);

/* The least room for a frame with this CPU's registers: AT_MINSIGSTKSZ. */
uint64_t sigframe_bytes(void);

/* Is the stack pointer on the running thread's alternate stack? */
bool sigframe_is_on_alternate(const struct thread *thread, virt_t rsp);
