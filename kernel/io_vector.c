/* SPDX-License-Identifier: MIT */
/*
 * Several buffers as one.
 *
 * Invariants: the bytes of one call are together in the file: the position is locked for all of
 *   them, and to a stream a short vector goes in one write, so that PIPE_BUF means what it says.
 * See: readv(2), pipe(7).
 */
#include "kernel/io_vector.h"
#include "arch/x86_64/usercopy.h"
#include "mm/slab.h"

typedef ssize_t transfer_t(struct file *file, buffer_t buffer, size_t len, uint64_t *offset);

static int vector_check(struct io_vector *vector, uint32_t count);
static ssize_t vector_transfer(struct file *file, const struct io_vector *vector,
			       transfer_t *transfer, uint64_t *offset);
static ssize_t vector_write_joined(struct file *file, const struct io_vector *vector);

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

ssize_t io_vector_read(struct file *file, const struct io_vector *vector, uint64_t *offset)
{
	return vector_transfer(file, vector, file_read, offset);
}

ssize_t io_vector_write(struct file *file, const struct io_vector *vector, uint64_t *offset)
{
	if (vector->count > 1 && vector->total <= PIPE_BUF && file_is_stream(file))
		return vector_write_joined(file, vector);
	return vector_transfer(file, vector, file_write, offset);
}

/* Until one comes up short. */
static ssize_t vector_loop(struct file *file, const struct io_vector *vector, transfer_t *transfer,
			   uint64_t *offset)
{
	size_t done = 0;

	for (uint32_t i = 0; i < vector->count; i++) {
		const struct abi_iovec *piece = &vector->at[i];
		ssize_t moved = transfer(file, buffer_user(piece->iov_base), piece->iov_len,
					 offset);

		if (moved < 0)
			return done ? (ssize_t)done : moved;
		done += (size_t)moved;
		if ((size_t)moved < piece->iov_len)
			break;
	}
	return (ssize_t)done;
}

static ssize_t vector_transfer(struct file *file, const struct io_vector *vector,
			       transfer_t *transfer, uint64_t *offset)
{
	if (vector->count == 0)
		return transfer(file, buffer_kernel(NULL), 0, offset);
	if (offset || vector->count == 1 || file_is_stream(file))
		return vector_loop(file, vector, transfer, offset);
	mutex_lock(&file->position_lock);
	ssize_t done = vector_loop(file, vector, transfer, &file->offset);

	mutex_unlock(&file->position_lock);
	return done;
}

static ssize_t vector_write_joined(struct file *file, const struct io_vector *vector)
{
	char *bytes = kmalloc(vector->total);
	size_t len = 0;
	int err = 0;

	if (!bytes)
		return -ENOMEM;
	for (uint32_t i = 0; !err && i < vector->count; i++) {
		err = copy_from_user(bytes + len, vector->at[i].iov_base, vector->at[i].iov_len);
		len += vector->at[i].iov_len;
	}
	ssize_t done = err ? err : file_write(file, buffer_kernel(bytes), len, NULL);

	kfree(bytes);
	return done;
}
