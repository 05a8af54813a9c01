/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/usercopy.h - copies to and from programs, recovering from bad pointers.
 *
 * Plain accesses with SMAP opened and an exception-table entry; the page fault handler resolves
 * copy-on-write for the kernel exactly as for the program (CR0.WP is set on every CPU).  All may
 * sleep.  Any range that is not wholly below USER_END fails at once.  Nothing of the kernel is
 * reachable through them: each checks the range first.
 */
#pragma once

#include "lib/kasan.h"
#include "lib/types.h"
#include "arch/x86_64/layout.h"
#include "kernel/hooks.h"
#include "kernel/spinlock.h"

/* 0 or -EFAULT.  After a failure part of the destination may have been written; copy_from_user
 * zeroes what it could not read. */
MUST_CHECK int copy_from_user(void *to, virt_t from, size_t len);
MUST_CHECK int copy_to_user(virt_t to, const void *from, size_t len);
MUST_CHECK int clear_user(virt_t to, size_t len);

/* As above, but return how many bytes were copied before the first bad page: for read(2). */
static inline size_t copy_from_user_partial(void *to, virt_t from, size_t len);
static inline size_t copy_to_user_partial(virt_t to, const void *from, size_t len);

/* Copies a string with its NUL.  Its length without the NUL, -EFAULT, or -ENAMETOOLONG if no NUL is
 * among the first `size` bytes. */
MUST_CHECK ssize_t copy_string_from_user(char *to, virt_t from, size_t size);

MUST_CHECK int get_user_u32(virt_t from, uint32_t *value);
MUST_CHECK int get_user_u64(virt_t from, uint64_t *value);
MUST_CHECK int put_user_u32(virt_t to, uint32_t value);
MUST_CHECK int put_user_u64(virt_t to, uint64_t value);

/* If *at == expected, store desired.  *seen is what was there.  Atomic, aligned. */
MUST_CHECK int cmpxchg_user_u32(virt_t at, uint32_t expected, uint32_t desired, uint32_t *seen);

/* Is [at, at + len) wholly in the user half? */
static inline bool user_range_ok(virt_t at, size_t len)
{
	return at <= USER_END && len <= USER_END - at;
}

/* May this access be tried?  The page fault it may cause sleeps. */
static inline bool user_may_try(virt_t at, size_t len)
{
	DEBUG_MAY_SLEEP();
	return user_range_ok(at, len) && !FAULT_POINT("user_copy");
}

/* In usercopy.asm: how many bytes could not be copied. */
size_t user_copy(void *to, const void *from, size_t len);

static inline size_t copy_from_user_partial(void *to, virt_t from, size_t len)
{
	if (!user_may_try(from, len))
		return 0;
	kasan_check_write(to, len);
	return len - user_copy(to, (const void *)from, len);
}

static inline size_t copy_to_user_partial(virt_t to, const void *from, size_t len)
{
	if (!user_may_try(to, len))
		return 0;
	kasan_check_read(from, len);
	return len - user_copy((void *)to, from, len);
}
