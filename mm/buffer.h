/* SPDX-License-Identifier: MIT */
/*
 * mm/buffer.h - where bytes come from or go to: the running program's memory, in one piece or in
 * several, or the kernel's own.
 *
 * What reads and writes files works on all of them through this, so that a vector is one read or
 * write to it, under one hold of its locks.  Program memory may fault, so nothing here may be
 * called under a spinlock unless the memory is the kernel's.
 */
#pragma once

#include "lib/abi/types.h"
#include "lib/string.h"
#include "lib/types.h"
#include "arch/x86_64/usercopy.h"

enum buffer_kind { BUFFER_KERNEL, BUFFER_USER, BUFFER_VECTOR };

struct object_io {
	union {
		void *kernel;
		virt_t user;
		/* Of program memory, none empty.  Who uses them knows their bytes in all. */
		const struct abi_iovec *pieces;
	};
	enum buffer_kind kind;
	uint32_t skipped;               /* of the pieces, so many bytes in front are left out */
};

typedef struct object_io buffer_t;

static inline buffer_t buffer_kernel(void *bytes)
{
	return (buffer_t){ .kernel = bytes, .kind = BUFFER_KERNEL };
}

static inline buffer_t buffer_user(virt_t at)
{
	return (buffer_t){ .user = at, .kind = BUFFER_USER };
}

static inline buffer_t buffer_vector(const struct abi_iovec *pieces)
{
	return (buffer_t){ .pieces = pieces, .kind = BUFFER_VECTOR };
}

/* The same buffer from `by` bytes on. */
static inline buffer_t buffer_advance(buffer_t buffer, size_t by)
{
	if (buffer.kind == BUFFER_VECTOR)
		buffer.skipped += (uint32_t)by;
	else
		buffer.user += by;
	return buffer;
}

/* Copy between kernel memory and a buffer at `at` bytes into it.  0 or -EFAULT. */
MUST_CHECK int buffer_put(buffer_t to, size_t at, const void *from, size_t len);
MUST_CHECK int buffer_get(buffer_t from, size_t at, void *to, size_t len);

/* For the next two, where it is no plain program memory. */
size_t buffer_put_slow(buffer_t to, size_t at, const void *from, size_t len);
size_t buffer_get_slow(buffer_t from, size_t at, void *to, size_t len);

/* The same, but the number of bytes copied before the first bad page. */
static inline size_t buffer_put_partial(buffer_t to, size_t at, const void *from, size_t len)
{
	if (likely(to.kind == BUFFER_USER))
		return copy_to_user_partial(to.user + at, from, len);
	return buffer_put_slow(to, at, from, len);
}

static inline size_t buffer_get_partial(buffer_t from, size_t at, void *to, size_t len)
{
	if (likely(from.kind == BUFFER_USER))
		return copy_from_user_partial(to, from.user + at, len);
	return buffer_get_slow(from, at, to, len);
}

/* Zeros.  0 or -EFAULT. */
MUST_CHECK int buffer_clear(buffer_t to, size_t at, size_t len);
