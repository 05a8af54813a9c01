/* SPDX-License-Identifier: MIT */
/*
 * kernel/syscall.c - the table of calls and the one dispatcher.
 *
 * Owns: the table, made from kernel/syscalls.def: call number to function and name.
 * See:  arch/x86_64/syscall_entry.asm for the way here; System V ABI for x86-64, appendix A.2.
 */
#include "kernel/syscall.h"

#include "lib/abi/errno.h"
#include "arch/x86_64/trap.h"
#include "kernel/options.h"
#include "kernel/panic.h"
#include "mm/audit.h"

typedef long syscall_function(const struct syscall_args *args);

static syscall_function *const functions[] = {
#define SYSCALL(number, name) [number] = sys_##name,
#include "kernel/syscalls.def"
#undef SYSCALL
};

static const char *const names[] = {
#define SYSCALL(number, name) [number] = #name,
#include "kernel/syscalls.def"
#undef SYSCALL
};

static long call_and_audit(uint32_t number, const struct syscall_args *args);

static const struct syscall_args *frame_args(const struct trap_frame *frame)
{
	enum { FIRST = offsetof(struct trap_frame, r10) };
	static_assert(offsetof(struct trap_frame, r9) - FIRST == offsetof(struct syscall_args, r9) &&
		      offsetof(struct trap_frame, r8) - FIRST == offsetof(struct syscall_args, r8) &&
		      offsetof(struct trap_frame, rdx) - FIRST == offsetof(struct syscall_args, rdx) &&
		      offsetof(struct trap_frame, rsi) - FIRST == offsetof(struct syscall_args, rsi) &&
		      offsetof(struct trap_frame, rdi) - FIRST == offsetof(struct syscall_args, rdi),
		      "the arguments lie in the frame as in the structure");

	return (const struct syscall_args *)&frame->r10;
}

/* As Linux does, only the lower half of the number counts. */
void syscall_dispatch(struct trap_frame *frame)
{
	uint32_t number = (uint32_t)frame->error;

	if (unlikely(number >= COUNT(functions) || !functions[number]))
		frame->rax = (uint64_t)-ENOSYS;
	else if (unlikely(options.audit_each))
		frame->rax = (uint64_t)call_and_audit(number, frame_args(frame));
	else
		frame->rax = (uint64_t)functions[number](frame_args(frame));
}

const char *syscall_name(uint64_t number)
{
	return number < COUNT(names) && names[number] ? names[number] : "unknown";
}

/* audit=each: recount all frames after a call that may have changed who holds them. */
static long call_and_audit(uint32_t number, const struct syscall_args *args)
{
	static const uint8_t changes_memory[] = {
		[9] = 1, [10] = 1, [11] = 1, [12] = 1,          /* mmap, mprotect, munmap, brk */
		[25] = 1, [28] = 1,                             /* mremap, madvise */
		[56] = 1, [57] = 1, [58] = 1, [59] = 1, [61] = 1, /* clone, fork, vfork, execve, wait4 */
		[76] = 1, [77] = 1,                             /* truncate, ftruncate */
	};

	long result = functions[number](args);
	if (number >= COUNT(changes_memory) || !changes_memory[number])
		return result;
	const char *wrong = audit();
	if (wrong)
		panic("audit after %s: %s", syscall_name(number), wrong);
	return result;
}
