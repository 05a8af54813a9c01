/* SPDX-License-Identifier: MIT */
/*
 * mm/buffer.h - where bytes come from or go to: the running program's memory, or the kernel's own.
 *
 * What reads and writes files works on both through this.  Program memory may fault, so nothing
 * here may be called under a spinlock with is_user.
 */
#pragma once

#include "lib/string.h"
#include "lib/types.h"
#include "arch/x86_64/usercopy.h"

struct object_io {
	union { void *kernel; virt_t user; };
	bool is_user;
};

typedef struct object_io buffer_t;

static inline buffer_t buffer_kernel(void *bytes)
{
	return (buffer_t){ .kernel = bytes, .is_user = false };
}

static inline buffer_t buffer_user(virt_t at)
{
	return (buffer_t){ .user = at, .is_user = true };
}

/* The same buffer from `by` bytes on. */
static inline buffer_t buffer_advance(buffer_t buffer, size_t by)
{
	buffer.user += by;
	return buffer;
}

/* Copy between kernel memory and a buffer at `at` bytes into it.  0 or -EFAULT. */
MUST_CHECK int buffer_put(buffer_t to, size_t at, const void *from, size_t len);
MUST_CHECK int buffer_get(buffer_t from, size_t at, void *to, size_t len);

/* The same, but the number of bytes copied before the first bad page. */
static inline size_t buffer_put_partial(buffer_t to, size_t at, const void *from, size_t len)
{
	if (likely(to.is_user))
		return copy_to_user_partial(to.user + at, from, len);
	memcpy((char *)to.kernel + at, from, len);
	return len;
}

static inline size_t buffer_get_partial(buffer_t from, size_t at, void *to, size_t len)
{
	if (likely(from.is_user))
		return copy_from_user_partial(to, from.user + at, len);
	memcpy(to, (const char *)from.kernel + at, len);
	return len;
}

/* Zeros.  0 or -EFAULT. */
MUST_CHECK int buffer_clear(buffer_t to, size_t at, size_t len);
