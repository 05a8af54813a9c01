/* SPDX-License-Identifier: MIT */
/*
 * kernel/io_vector.h - several buffers as one: readv(2), writev(2) and their kin.
 */
#pragma once

#include "lib/abi/types.h"
#include "fs/file.h"

enum { IO_VECTOR_INLINE = 8 };

struct io_vector {
	struct abi_iovec *at;           /* inline_at or kmalloc'ed; empty ones are left out */
	uint32_t count;
	uint64_t total;                 /* bytes, at most RW_COUNT_MAX */
	struct abi_iovec inline_at[IO_VECTOR_INLINE];
};

/* From program memory.  -EINVAL: too many or too long; -EFAULT, -ENOMEM. */
MUST_CHECK int io_vector_get(struct io_vector *vector, virt_t from, uint64_t count);
void io_vector_put(struct io_vector *vector);

/* At the file's position (offset NULL), which no other call moves meanwhile, or at *offset. */
ssize_t io_vector_read(struct file *file, const struct io_vector *vector, uint64_t *offset);
ssize_t io_vector_write(struct file *file, const struct io_vector *vector, uint64_t *offset);
