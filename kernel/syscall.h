/* SPDX-License-Identifier: MIT */
/*
 * kernel/syscall.h - the table of calls and the one dispatcher.
 *
 * Every call is a function long sys_name(const struct syscall_args *args); results are values or
 * negative errnos.  kernel/syscalls.def numbers them; what is not there answers -ENOSYS.
 */
#pragma once

#include "lib/types.h"

struct trap_frame;

/* The registers with the six arguments, as they lie in the trap frame (arch/x86_64/trap.h). */
struct syscall_args {
	uint64_t r10, r9, r8, rax, rcx, rdx, rsi, rdi;
};

#define SYSCALL(number, name) long sys_##name(const struct syscall_args *args);
#include "kernel/syscalls.def"
#undef SYSCALL

/* The result, for rax.  Calls that replace all registers return what is in the frame already. */
long syscall_dispatch(struct trap_frame *frame);
const char *syscall_name(uint64_t number);
