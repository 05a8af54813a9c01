/* SPDX-License-Identifier: MIT */
/*
 * kernel/io_vector.c - several buffers as one.
 *
 * Invariants: the bytes of one call are one read or write to the file (mm/buffer.h).  So they are
 *   together in it, PIPE_BUF means what it says, and who has read something waits for no more.
 * See: readv(2), pipe(7).
 */
#include "kernel/io_vector.h"
#include "arch/x86_64/usercopy.h"
#include "mm/slab.h"

static int vector_check(struct io_vector *vector, uint32_t count);

int io_vector_get(struct io_vector *vector, virt_t from, uint64_t count)
{
	if (count > IOV_MAX)
		return -EINVAL;
	vector->at = vector->inline_at;
	if (count > IO_VECTOR_INLINE)
		vector->at = kmalloc(count * sizeof(*vector->at));
	if (!vector->at)
		return -ENOMEM;
	int err = copy_from_user(vector->at, from, count * sizeof(*vector->at));

	if (!err)
		err = vector_check(vector, (uint32_t)count);
	if (err)
		io_vector_put(vector);
	return err;
}

void io_vector_put(struct io_vector *vector)
{
	if (vector->at != vector->inline_at)
		kfree(vector->at);
}

/* Leave out what is empty, and all that one call cannot move. */
static int vector_check(struct io_vector *vector, uint32_t count)
{
	vector->count = 0;
	vector->total = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct abi_iovec piece = vector->at[i];

		if ((int64_t)piece.iov_len < 0)
			return -EINVAL;
		if (!user_range_ok(piece.iov_base, piece.iov_len))
			return -EFAULT;
		piece.iov_len = MIN(piece.iov_len, RW_COUNT_MAX - vector->total);
		if (piece.iov_len == 0)
			continue;
		vector->total += piece.iov_len;
		vector->at[vector->count++] = piece;
	}
	return 0;
}

static buffer_t vector_buffer(const struct io_vector *vector)
{
	if (vector->count == 1)
		return buffer_user(vector->at[0].iov_base);
	return buffer_vector(vector->at);
}

ssize_t io_vector_read(struct file *file, const struct io_vector *vector, uint64_t *offset)
{
	return file_read(file, vector_buffer(vector), vector->total, offset);
}

ssize_t io_vector_write(struct file *file, const struct io_vector *vector, uint64_t *offset)
{
	return file_write(file, vector_buffer(vector), vector->total, offset);
}
