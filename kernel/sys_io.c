/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_io.c - system calls on the bytes of files: read, write, seek, copy, truncate,
 *   allocate, flush.
 *
 * See: read(2), pread(2), readv(2), lseek(2), sendfile(2), copy_file_range(2), truncate(2),
 *   fallocate(2), fsync(2).
 */
#include "kernel/syscall.h"
#include "arch/x86_64/usercopy.h"
#include "fs/clone.h"
#include "fs/fdtable.h"
#include "kernel/at_name.h"
#include "kernel/io_vector.h"
#include "kernel/wait.h"
#include "mm/slab.h"

/* ---- one buffer ---- */

static int check_range(virt_t at, uint64_t len)
{
	return user_range_ok(at, len) ? 0 : -EFAULT;
}

/* file_read() or file_write(). */
typedef ssize_t file_io_t(struct file *file, buffer_t buffer, size_t len, uint64_t *offset);

/* Bytes between a file, which is let go, and one buffer. */
static long transfer(struct file *file, const struct syscall_args *args, file_io_t *io,
		     uint64_t *offset)
{
	ssize_t done = check_range(args->rsi, args->rdx);

	if (!done)
		done = io(file, buffer_user(args->rsi), args->rdx, offset);
	file_put(file);
	return done;
}

long sys_read(const struct syscall_args *args)
{
	struct file *file = fd_get((int)args->rdi);

	return file ? transfer(file, args, file_read, NULL) : -EBADF;
}

long sys_write(const struct syscall_args *args)
{
	struct file *file = fd_get((int)args->rdi);

	return file ? transfer(file, args, file_write, NULL) : -EBADF;
}

/* A file for a call that names its own position. */
static int positioned_file(int fd, int64_t offset, struct file **file)
{
	if (offset < 0)
		return -EINVAL;
	*file = fd_get(fd);
	if (!*file)
		return -EBADF;
	if (!file_is_stream(*file))
		return 0;
	file_put(*file);
	return -ESPIPE;
}

static long transfer_at(const struct syscall_args *args, file_io_t *io)
{
	uint64_t offset = args->r10;
	struct file *file;
	int err = positioned_file((int)args->rdi, (int64_t)offset, &file);

	return err ? err : transfer(file, args, io, &offset);
}

long sys_pread64(const struct syscall_args *args)
{
	return transfer_at(args, file_read);
}

long sys_pwrite64(const struct syscall_args *args)
{
	return transfer_at(args, file_write);
}

/* ---- several buffers ---- */

static long vector_call(int fd, const struct syscall_args *args, bool is_write)
{
	struct io_vector vector;
	struct file *file = fd_get(fd);

	if (!file)
		return -EBADF;
	long done = io_vector_get(&vector, args->rsi, args->rdx);

	if (!done) {
		done = is_write ? io_vector_write(file, &vector, NULL) :
		       io_vector_read(file, &vector, NULL);
		io_vector_put(&vector);
	}
	file_put(file);
	return done;
}

long sys_readv(const struct syscall_args *args)
{
	return vector_call((int)args->rdi, args, false);
}

long sys_writev(const struct syscall_args *args)
{
	return vector_call((int)args->rdi, args, true);
}

static long vector_call_at(const struct syscall_args *args, bool is_write)
{
	uint64_t offset = args->r10;
	struct io_vector vector;
	struct file *file;
	long done = positioned_file((int)args->rdi, (int64_t)offset, &file);

	if (done)
		return done;
	done = io_vector_get(&vector, args->rsi, args->rdx);
	if (!done) {
		done = is_write ? io_vector_write(file, &vector, &offset) :
		       io_vector_read(file, &vector, &offset);
		io_vector_put(&vector);
	}
	file_put(file);
	return done;
}

long sys_preadv(const struct syscall_args *args)
{
	return vector_call_at(args, false);
}

long sys_pwritev(const struct syscall_args *args)
{
	return vector_call_at(args, true);
}

long sys_lseek(const struct syscall_args *args)
{
	struct file *file = fd_get((int)args->rdi);

	if (!file)
		return -EBADF;
	long position = file_seek(file, (int64_t)args->rsi, (int)args->rdx);

	file_put(file);
	return position;
}

/* ---- from file to file ---- */

enum { COPY_CHUNK = 16384 };

/* Two files and where in them; a position of NULL is the file's own. */
struct copy {
	struct file *in, *out;
	uint64_t *in_at, *out_at;
};

/* One piece.  What could not be written counts as not read. */
static ssize_t copy_chunk(const struct copy *copy, char *chunk, size_t len)
{
	ssize_t got = file_read(copy->in, buffer_kernel(chunk), MIN(len, (size_t)COPY_CHUNK),
				copy->in_at);

	if (got <= 0)
		return got;
	ssize_t put = file_write(copy->out, buffer_kernel(chunk), (size_t)got, copy->out_at);

	*copy->in_at -= (uint64_t)(got - MAX(put, (ssize_t)0));
	return put;
}

static ssize_t copy_bytes(const struct copy *copy, size_t len)
{
	char *chunk = kmalloc(COPY_CHUNK);
	size_t done = 0;
	ssize_t result = 0;

	if (!chunk)
		return -ENOMEM;
	while (done < len && !(done && wait_has_signal())) {
		result = copy_chunk(copy, chunk, len - done);
		if (result <= 0)
			break;
		done += (size_t)result;
	}
	kfree(chunk);
	return done ? (ssize_t)done : result;
}

/* A position in program memory (0: the file's own) to *at, and back with what was read or
 * written. */
static int position_get(struct file *file, virt_t from, uint64_t *at)
{
	int err = 0;

	if (from)
		err = get_user_u64(from, at);
	else
		*at = atomic_load_relaxed(&file->offset);
	return !err && (int64_t)*at < 0 ? -EINVAL : err;
}

static int position_set(struct file *file, virt_t to, uint64_t at)
{
	if (to)
		return put_user_u64(to, at);
	int64_t position = file_seek(file, (int64_t)at, SEEK_SET);

	return position < 0 ? (int)position : 0;
}

static long send_file(struct file *out, struct file *in, virt_t offset, size_t len)
{
	uint64_t at;

	if (!file_can_read(in) || !file_can_write(out))
		return -EBADF;
	if (file_is_stream(in))
		return offset ? -ESPIPE : -EINVAL;
	bool would_append = out->flags & O_APPEND && !inode_is(out->inode, S_IFIFO);
	if (inode_is(in->inode, S_IFDIR) || !in->ops->read || would_append)
		return -EINVAL;
	int err = position_get(in, offset, &at);

	if (err)
		return err;
	struct copy copy = { .in = in, .out = out, .in_at = &at };
	ssize_t done = copy_bytes(&copy, MIN(len, (size_t)RW_COUNT_MAX));

	if (done > 0 || offset)
		err = position_set(in, offset, at);
	return err ? err : done;
}

/* Two descriptors at once; both or none. */
static int file_pair(int a, int b, struct file **file_a, struct file **file_b)
{
	*file_a = fd_get(a);
	*file_b = fd_get(b);
	if (*file_a && *file_b)
		return 0;
	if (*file_a)
		file_put(*file_a);
	if (*file_b)
		file_put(*file_b);
	return -EBADF;
}

long sys_sendfile(const struct syscall_args *args)
{
	struct file *out, *in;
	long done = file_pair((int)args->rdi, (int)args->rsi, &out, &in);

	if (done)
		return done;
	done = send_file(out, in, args->rdx, args->r10);
	file_put(out);
	file_put(in);
	return done;
}

static int check_copy_range(const struct file *in, const struct file *out, uint64_t flags)
{
	if (flags)
		return -EINVAL;
	if (inode_is(in->inode, S_IFDIR) || inode_is(out->inode, S_IFDIR))
		return -EISDIR;
	if (!inode_is(in->inode, S_IFREG) || !inode_is(out->inode, S_IFREG))
		return -EINVAL;
	if (!file_can_read(in) || !file_can_write(out) || (out->flags & O_APPEND))
		return -EBADF;
	return 0;
}

/* Whole pages are shared where the files can; the rest is copied. */
static ssize_t share_or_copy(struct file *in, struct file *out, uint64_t *in_at, uint64_t *out_at,
			     size_t len)
{
	struct clone_range range = { *in_at, *out_at, len, .may_shorten = true };
	uint64_t shared = file_share(out, in, &range);

	*in_at += shared;
	*out_at += shared;
	if (shared == len)
		return (ssize_t)shared;
	ssize_t copied = copy_bytes(&(struct copy){ in, out, in_at, out_at }, len - shared);

	return copied < 0 && shared ? (ssize_t)shared : copied + (ssize_t)shared;
}

static long copy_range(struct file *in, struct file *out, const struct syscall_args *args)
{
	size_t len = MIN((size_t)args->r8, (size_t)RW_COUNT_MAX);
	uint64_t in_at, out_at;
	int err = position_get(in, args->rsi, &in_at);

	if (!err)
		err = position_get(out, args->r10, &out_at);
	if (err)
		return err;
	if (in->inode == out->inode && in_at < out_at + len && out_at < in_at + len)
		return -EINVAL;
	ssize_t done = share_or_copy(in, out, &in_at, &out_at, len);

	if (done > 0)
		err = position_set(in, args->rsi, in_at);
	if (done > 0 && !err)
		err = position_set(out, args->r10, out_at);
	return err ? err : done;
}

long sys_copy_file_range(const struct syscall_args *args)
{
	struct file *in, *out;
	long done = file_pair((int)args->rdi, (int)args->rdx, &in, &out);

	if (done)
		return done;
	done = check_copy_range(in, out, args->r9);
	if (!done)
		done = copy_range(in, out, args);
	file_put(in);
	file_put(out);
	return done;
}

/* ---- size ---- */

long sys_truncate(const struct syscall_args *args)
{
	struct attr_change change = { .which = ATTR_SIZE, .size = args->rsi };
	struct path path;

	if ((int64_t)args->rsi < 0)
		return -EINVAL;
	int err = at_walk(AT_FDCWD, args->rdi, 0, &path);

	if (err)
		return err;
	struct inode *inode = path_inode(&path);

	if (!inode_is(inode, S_IFREG))
		err = inode_is(inode, S_IFDIR) ? -EISDIR : -EINVAL;
	if (!err)
		err = mount_is_writable(&path);
	if (!err)
		err = inode_permission(inode, MAY_WRITE);
	if (!err)
		err = inode_change(inode, &change);
	path_put(&path);
	return err;
}

long sys_ftruncate(const struct syscall_args *args)
{
	struct file *file = fd_get((int)args->rdi);
	int err = -EINVAL;

	if (!file)
		return -EBADF;
	if ((int64_t)args->rsi >= 0 && file_can_write(file) && file->ops->truncate)
		err = file->ops->truncate(file, args->rsi);
	file_put(file);
	return err;
}

static int allocate(struct file *file, int mode, int64_t offset, int64_t len)
{
	if (offset < 0 || len <= 0)
		return -EINVAL;
	if (!file_can_write(file))
		return -EBADF;
	if (inode_is(file->inode, S_IFIFO))
		return -ESPIPE;
	if (!inode_is(file->inode, S_IFREG))
		return inode_is(file->inode, S_IFDIR) ? -EISDIR : -ENODEV;
	if (offset > INT64_MAX - len)
		return -EFBIG;
	if (!file->ops->allocate)
		return -EOPNOTSUPP;
	return file->ops->allocate(file, mode, (uint64_t)offset, (uint64_t)len);
}

long sys_fallocate(const struct syscall_args *args)
{
	struct file *file = fd_get((int)args->rdi);

	if (!file)
		return -EBADF;
	int err = allocate(file, (int)args->rsi, (int64_t)args->rdx, (int64_t)args->r10);

	file_put(file);
	return err;
}

/* ---- flush and advise: memory is where files live ---- */

long sys_fsync(const struct syscall_args *args)
{
	struct file *file = fd_get((int)args->rdi);

	if (!file)
		return -EBADF;
	int err = file->ops->sync ? file->ops->sync(file) : -EINVAL;

	file_put(file);
	return err;
}

long sys_fdatasync(const struct syscall_args *args)
{
	return sys_fsync(args);
}

long sys_sync(const struct syscall_args *args)
{
	return 0;
}

/* 0 if the descriptor is open and, where that is asked for, no stream. */
static int check_descriptor(int fd, bool must_have_position)
{
	struct file *file = fd_get(fd);

	if (!file)
		return -EBADF;
	int err = must_have_position && file_is_stream(file) ? -ESPIPE : 0;

	file_put(file);
	return err;
}

long sys_syncfs(const struct syscall_args *args)
{
	return check_descriptor((int)args->rdi, false);
}

long sys_sync_file_range(const struct syscall_args *args)
{
	enum { SYNC_FILE_RANGE_FLAGS = 7 };

	if ((int64_t)args->rsi < 0 || (int64_t)args->rdx < 0 || args->r10 > SYNC_FILE_RANGE_FLAGS)
		return -EINVAL;
	return check_descriptor((int)args->rdi, true);
}

long sys_fadvise64(const struct syscall_args *args)
{
	int err = check_descriptor((int)args->rdi, true);

	if (!err && ((int64_t)args->rdx < 0 || args->r10 > POSIX_FADV_NOREUSE))
		err = -EINVAL;
	return err;
}
