/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_file.c - system calls on descriptors: open, close, duplicate, control, lock.
 *
 * See: open(2), dup(2), fcntl(2), flock(2), ioctl(2), close_range(2).
 */
#include "kernel/syscall.h"
#include "arch/x86_64/usercopy.h"
#include "lib/abi/linux.h"
#include "lib/abi/sched.h"
#include "lib/abi/termios.h"
#include "lib/atomic.h"
#include "fs/clone.h"
#include "fs/fdtable.h"
#include "fs/lock.h"
#include "fs/pipe.h"
#include "fs/seal.h"
#include "kernel/at_name.h"
#include "kernel/process.h"
#include "kernel/upcall.h"

/* ---- open, close ---- */

static long open_at(int dirfd, virt_t name, uint32_t flags, uint32_t mode)
{
	struct at_name at;
	struct file *file;
	int err = file_check_flags(flags);

	if (!err)
		err = at_name_get(&at, dirfd, name);
	if (err)
		return err;
	err = fd_make_room();
	if (!err)
		err = file_open(&at.start, at.text, flags | O_LARGEFILE, mode, &file);
	at_name_put(&at);
	if (err)
		return err;
	int fd = fd_install(file, 0, (flags & O_CLOEXEC) != 0);

	if (fd < 0)
		file_put(file);
	return fd;
}

long sys_openat(const struct syscall_args *args)
{
	return open_at((int)args->rdi, args->rsi, (uint32_t)args->rdx, (uint32_t)args->r10);
}

long sys_open(const struct syscall_args *args)
{
	return open_at(AT_FDCWD, args->rdi, (uint32_t)args->rsi, (uint32_t)args->rdx);
}

long sys_creat(const struct syscall_args *args)
{
	return open_at(AT_FDCWD, args->rdi, O_CREAT | O_WRONLY | O_TRUNC, (uint32_t)args->rsi);
}

long sys_close(const struct syscall_args *args)
{
	return fd_close((int)args->rdi);
}

long sys_close_range(const struct syscall_args *args)
{
	uint32_t first = (uint32_t)args->rdi, last = (uint32_t)args->rsi;
	uint32_t flags = (uint32_t)args->rdx;

	if (first > last || flags & ~(uint32_t)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
		return -EINVAL;
	int err = flags & CLOSE_RANGE_UNSHARE ? fdtable_unshare() : fdtable_own_surely();

	if (!err)
		fdtable_close_range(current->files, first, last, flags & CLOSE_RANGE_CLOEXEC);
	return err;
}

/* ---- duplicate ---- */

/* A further descriptor for the same open file: at `fd` exactly, or the lowest free from there
 * on. */
static long duplicate(int old, int fd, bool is_exact, bool close_on_exec)
{
	struct file *file = fd_get_path(old);

	if (!file)
		return -EBADF;
	int result = is_exact ? fd_install_at(file, fd, close_on_exec) :
		     fd_install(file, fd, close_on_exec);

	if (result < 0)
		file_put(file);
	return result;
}

long sys_dup(const struct syscall_args *args)
{
	return duplicate((int)args->rdi, 0, false, false);
}

long sys_dup2(const struct syscall_args *args)
{
	int old = (int)args->rdi, new = (int)args->rsi;

	if (old == new)
		return fd_flags_get(old) < 0 ? -EBADF : new;
	return duplicate(old, new, true, false);
}

long sys_dup3(const struct syscall_args *args)
{
	if (args->rdi == args->rsi || args->rdx & ~(uint64_t)O_CLOEXEC)
		return -EINVAL;
	return duplicate((int)args->rdi, (int)args->rsi, true, args->rdx != 0);
}

static long duplicate_from(int fd, uint64_t from, bool close_on_exec)
{
	if (from >= MIN(upcall_rlimit(RLIMIT_NOFILE), (uint64_t)FDTABLE_MAX))
		return -EINVAL;
	return duplicate(fd, (int)from, false, close_on_exec);
}

/* ---- ranges of a file ---- */

/* From whence, start and length to first and last byte.  -EINVAL: before the beginning;
 * -EOVERFLOW. */
static int range_from_user(struct file *file, const struct abi_flock *flock,
			   struct lock_request *range)
{
	struct abi_stat stat = { 0 };
	int64_t start = flock->l_start, end = (int64_t)LOCK_END_MAX, base = 0;
	int err = 0;

	if (flock->l_whence == SEEK_CUR)
		base = (int64_t)file_position(file);
	else if (flock->l_whence == SEEK_END)
		err = inode_stat(file->inode, &stat);
	else if (flock->l_whence != SEEK_SET)
		err = -EINVAL;
	if (err)
		return err;
	if (__builtin_add_overflow(start, base + stat.st_size, &start))
		return -EOVERFLOW;
	if (start < 0)
		return -EINVAL;
	if (flock->l_len > 0 && __builtin_add_overflow(start, flock->l_len - 1, &end))
		return -EOVERFLOW;
	if (flock->l_len < 0) {
		end = start - 1;
		start += flock->l_len;
	}
	if (start < 0 || end < start)
		return -EINVAL;
	range->start = (uint64_t)start;
	range->end = (uint64_t)end;
	return 0;
}

static int range_check_mode(const struct file *file, int type)
{
	switch (type) {
	case F_RDLCK:
		return file_can_read(file) ? 0 : -EBADF;
	case F_WRLCK:
		return file_can_write(file) ? 0 : -EBADF;
	case F_UNLCK:
		return 0;
	default:
		return -EINVAL;
	}
}

/* Set a range.  If another thread closed the descriptor meanwhile, its locks went before ours
 * came. */
static int range_set(struct file *file, int fd, const struct lock_request *request, bool may_wait)
{
	int err = range_check_mode(file, request->type);

	if (!err)
		err = lock_set(file->inode, request, may_wait);
	if (err || request->type == F_UNLCK || request->owner == file)
		return err;
	struct file *now = fd_get_path(fd);

	if (now != file) {
		lock_release_owner(file->inode, request->owner);
		err = -EBADF;
	}
	if (now)
		file_put(now);
	return err;
}

static int range_test(struct file *file, struct lock_request *request, struct abi_flock *flock)
{
	if (request->type == F_UNLCK)
		return -EINVAL;
	lock_test(file->inode, request);
	flock->l_type = (int16_t)request->type;
	if (request->type == F_UNLCK)
		return 0;
	flock->l_whence = SEEK_SET;
	flock->l_start = (int64_t)request->start;
	flock->l_len = request->end == LOCK_END_MAX ? 0 :
		       (int64_t)(request->end - request->start + 1);
	flock->l_pid = request->pid;
	return 0;
}

static long control_range(struct file *file, int fd, unsigned command, virt_t from)
{
	bool is_open_file = command >= F_OFD_GETLK;
	struct abi_flock flock;
	int err = copy_from_user(&flock, from, sizeof(flock));

	if (err)
		return err;
	if (is_open_file && flock.l_pid != 0)
		return -EINVAL;
	bool is_test = command == F_GETLK || command == F_OFD_GETLK;
	if (!is_open_file && !is_test)
		err = fdtable_own_ranges();
	if (err)
		return err;
	struct lock_request request = {
		.kind = LOCK_RANGE,
		.type = flock.l_type,
		.owner = is_open_file ? (const void *)file : current->files,
		.pid = is_open_file ? LOCK_PID_NONE : current_process()->pid,
	};

	err = range_from_user(file, &flock, &request);
	if (err)
		return err;
	if (!is_test)
		return range_set(file, fd, &request,
				 command == F_SETLKW || command == F_OFD_SETLKW);
	err = range_test(file, &request, &flock);
	return err ? err : copy_to_user(from, &flock, sizeof(flock));
}

long sys_flock(const struct syscall_args *args)
{
	struct lock_request request = {
		.kind = LOCK_WHOLE, .end = LOCK_END_MAX, .pid = LOCK_PID_NONE,
	};
	bool may_wait = !(args->rsi & LOCK_NB);

	switch (args->rsi & ~(uint64_t)LOCK_NB) {
	case LOCK_SH:
		request.type = F_RDLCK;
		break;
	case LOCK_EX:
		request.type = F_WRLCK;
		break;
	case LOCK_UN:
		request.type = F_UNLCK;
		break;
	default:
		return -EINVAL;
	}
	struct file *file = fd_get((int)args->rdi);

	if (!file)
		return -EBADF;
	request.owner = file;
	int err = lock_set(file->inode, &request, may_wait);

	file_put(file);
	return err;
}

/* ---- fcntl ---- */

/* What F_SETFL may change. */
enum { CHANGEABLE_FLAGS = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME };

static void flags_change(struct file *file, uint32_t mask, uint32_t flags)
{
	uint32_t old = atomic_load_relaxed(&file->flags);

	while (!atomic_cmpxchg(&file->flags, &old, (old & ~mask) | (flags & mask)))
		;
}

static long control_file(struct file *file, int fd, unsigned command, uint64_t argument)
{
	switch (command) {
	case F_SETFL:
		flags_change(file, CHANGEABLE_FLAGS, (uint32_t)argument);
		return 0;
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return control_range(file, fd, command, argument);
	case F_SETOWN:
		file->owner = (int32_t)argument;
		return 0;
	case F_GETOWN:
		return file->owner;
	case F_SETSIG:
	case F_GETSIG:
		return 0;
	case F_GETPIPE_SZ:
		return pipe_get_size(file);
	case F_SETPIPE_SZ:
		return pipe_set_size(file, argument);
	case F_ADD_SEALS:
		return seals_add(file, argument);
	case F_GET_SEALS:
		return seals_get(file);
	default:
		return -EINVAL;
	}
}

/* The few that a descriptor of a mere place knows too. */
static long control_descriptor(struct file *file, int fd, unsigned command, uint64_t argument)
{
	switch (command) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return duplicate_from(fd, argument, command == F_DUPFD_CLOEXEC);
	case F_GETFD:
		return fd_flags_get(fd);
	case F_SETFD:
		return fd_flags_set(fd, (int)argument);
	case F_GETFL:
		return file->flags;
	default:
		return file->flags & O_PATH ? -EBADF : control_file(file, fd, command, argument);
	}
}

long sys_fcntl(const struct syscall_args *args)
{
	struct file *file = fd_get_path((int)args->rdi);

	if (!file)
		return -EBADF;
	long result = control_descriptor(file, (int)args->rdi, (unsigned)args->rsi, args->rdx);

	file_put(file);
	return result;
}

/* ---- ioctl ---- */

static long control_nonblock(struct file *file, virt_t from, uint32_t flag)
{
	uint32_t is_on;
	int err = get_user_u32(from, &is_on);

	if (!err)
		flags_change(file, flag, is_on ? flag : 0);
	return err;
}

/* How much is left to read of a regular file. */
static long control_left(struct file *file, virt_t to)
{
	struct abi_stat stat;
	int err = inode_stat(file->inode, &stat);
	int64_t left = err ? 0 : stat.st_size - (int64_t)atomic_load_relaxed(&file->offset);

	return err ? err : put_user_u32(to, (uint32_t)MIN(left, (int64_t)INT32_MAX));
}

static long control_clone(struct file *to, int from_fd, const struct clone_range *range)
{
	struct file *from = fd_get(from_fd);

	if (!from)
		return -EBADF;
	int err = file_clone(to, from, range);

	file_put(from);
	return err;
}

static long control_clone_range(struct file *to, virt_t from)
{
	struct abi_file_clone_range asked;

	if (copy_from_user(&asked, from, sizeof(asked)))
		return -EFAULT;
	if ((int64_t)(asked.src_offset | asked.src_length | asked.dest_offset) < 0)
		return -EINVAL;
	return control_clone(to, (int)asked.src_fd, &(struct clone_range){
		.from_at = asked.src_offset, .to_at = asked.dest_offset, .len = asked.src_length,
	});
}

static long control_device(struct file *file, int fd, unsigned request, uint64_t argument)
{
	switch (request) {
	case FIOCLEX:
		return fd_flags_set(fd, FD_CLOEXEC);
	case FIONCLEX:
		return fd_flags_set(fd, 0);
	case FIONBIO:
		return control_nonblock(file, argument, O_NONBLOCK);
	case FIOASYNC:
		return control_nonblock(file, argument, O_ASYNC);
	case FICLONE:
		return control_clone(file, (int)argument, &(struct clone_range){ 0 });
	case FICLONERANGE:
		return control_clone_range(file, argument);
	case FIONREAD:
		if (inode_is(file->inode, S_IFREG))
			return control_left(file, argument);
	}
	return file->ops->ioctl ? file->ops->ioctl(file, request, argument) : -ENOTTY;
}

long sys_ioctl(const struct syscall_args *args)
{
	struct file *file = fd_get((int)args->rdi);

	if (!file)
		return -EBADF;
	long result = control_device(file, (int)args->rdi, (unsigned)args->rsi, args->rdx);

	file_put(file);
	return result;
}

/* There are no sockets of any family. */
long sys_socket(const struct syscall_args *args)
{
	return -EAFNOSUPPORT;
}
