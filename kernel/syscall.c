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

__attribute__((noinline))
static long call_and_audit(uint32_t number, const struct syscall_args *args);

static const struct syscall_args *frame_args(const struct trap_frame *frame)
{
#define LIES_THERE(name) (offsetof(struct trap_frame, name) - offsetof(struct trap_frame, r10) == \
			  offsetof(struct syscall_args, name))
	static_assert(LIES_THERE(r9) && LIES_THERE(r8) && LIES_THERE(rdx) && LIES_THERE(rsi) &&
		      LIES_THERE(rdi), "the arguments lie in the frame as in the structure");
#undef LIES_THERE

	return (const struct syscall_args *)&frame->r10;
}

/* As Linux does, only the lower half of the number counts. */
long syscall_dispatch(struct trap_frame *frame)
{
	uint32_t number = (uint32_t)frame->error;

	if (unlikely(number >= COUNT(functions) || !functions[number]))
		return -ENOSYS;
	if (unlikely(options.audit_each))
		return call_and_audit(number, frame_args(frame));
	return functions[number](frame_args(frame));
}

const char *syscall_name(uint64_t number)
{
	return number < COUNT(names) && names[number] ? names[number] : "unknown";
}

/* audit=each: recount all frames after a call that may have changed who holds them. */
static long call_and_audit(uint32_t number, const struct syscall_args *args)
{
	static const uint8_t changes_memory[] = {
		[9] = 1, [10] = 1, [11] = 1, [12] = 1,  /* mmap, mprotect, munmap, brk */
		[25] = 1, [28] = 1,                     /* mremap, madvise */
		[56] = 1, [57] = 1, [58] = 1, [59] = 1, /* clone, fork, vfork, execve */
		[61] = 1, [76] = 1, [77] = 1,           /* wait4, truncate, ftruncate */
	};

	long result = functions[number](args);
	if (number >= COUNT(changes_memory) || !changes_memory[number])
		return result;
	const char *wrong = audit();
	if (wrong)
		panic("audit after %s: %s", syscall_name(number), wrong);
	return result;
}
