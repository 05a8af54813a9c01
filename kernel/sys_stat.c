/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_stat.c - system calls on what files are: attributes, permissions, times, file systems,
 *   listings.
 *
 * See: stat(2), statx(2), access(2), chmod(2), chown(2), utimensat(2), statfs(2), getdents(2).
 */
#include "kernel/syscall.h"
#include "arch/x86_64/usercopy.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "fs/fdtable.h"
#include "kernel/at_name.h"
#include "kernel/timespec.h"

/* ---- stat ---- */

static long stat_at(int dirfd, virt_t name, virt_t out, int flags)
{
	struct abi_stat stat;
	struct path path;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))
		return -EINVAL;
	int err = at_walk(dirfd, name, flags, &path);

	if (err)
		return err;
	err = inode_stat(path_inode(&path), &stat);
	path_put(&path);
	return err ? err : copy_to_user(out, &stat, sizeof(stat));
}

long sys_stat(const struct syscall_args *args)
{
	return stat_at(AT_FDCWD, args->rdi, args->rsi, 0);
}

long sys_lstat(const struct syscall_args *args)
{
	return stat_at(AT_FDCWD, args->rdi, args->rsi, AT_SYMLINK_NOFOLLOW);
}

long sys_newfstatat(const struct syscall_args *args)
{
	return stat_at((int)args->rdi, args->rsi, args->rdx, (int)args->r10);
}

long sys_fstat(const struct syscall_args *args)
{
	struct abi_stat stat;
	struct file *file = fd_get_path((int)args->rdi);

	if (!file)
		return -EBADF;
	int err = inode_stat(file_named_inode(file), &stat);

	file_put(file);
	return err ? err : copy_to_user(args->rsi, &stat, sizeof(stat));
}

static struct abi_statx_timestamp statx_time(struct abi_timespec time)
{
	return (struct abi_statx_timestamp){
		.tv_sec = time.tv_sec, .tv_nsec = (uint32_t)time.tv_nsec,
	};
}

static struct abi_statx statx_from(const struct abi_stat *stat, const struct path *path)
{
	bool is_mount_root = path->dentry == path->mount->root;

	return (struct abi_statx){
		.stx_mask = STATX_BASIC_STATS,
		.stx_blksize = (uint32_t)stat->st_blksize,
		.stx_attributes = is_mount_root ? STATX_ATTR_MOUNT_ROOT : 0,
		.stx_attributes_mask = STATX_ATTR_MOUNT_ROOT,
		.stx_nlink = (uint32_t)stat->st_nlink,
		.stx_uid = stat->st_uid,
		.stx_gid = stat->st_gid,
		.stx_mode = (uint16_t)stat->st_mode,
		.stx_ino = stat->st_ino,
		.stx_size = (uint64_t)stat->st_size,
		.stx_blocks = (uint64_t)stat->st_blocks,
		.stx_atime = statx_time(stat->st_atim),
		.stx_ctime = statx_time(stat->st_ctim),
		.stx_mtime = statx_time(stat->st_mtim),
		.stx_rdev_major = dev_major(stat->st_rdev),
		.stx_rdev_minor = dev_minor(stat->st_rdev),
		.stx_dev_major = dev_major(stat->st_dev),
		.stx_dev_minor = dev_minor(stat->st_dev),
	};
}

long sys_statx(const struct syscall_args *args)
{
	int flags = (int)args->rdx;
	struct abi_stat stat;
	struct path path;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE) ||
	    (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	int err = at_walk((int)args->rdi, args->rsi, flags, &path);

	if (err)
		return err;
	err = inode_stat(path_inode(&path), &stat);
	struct abi_statx statx = statx_from(&stat, &path);

	path_put(&path);
	return err ? err : copy_to_user(args->r8, &statx, sizeof(statx));
}

/* ---- access ---- */

static int access_check(const struct path *path, unsigned want, bool is_effective)
{
	struct inode *inode = path_inode(path);
	bool is_device = !inode_is(inode, S_IFREG) && !inode_is(inode, S_IFDIR);
	int err = is_effective ? inode_permission(inode, want) : inode_permission_real(inode, want);

	if (!err && (want & MAY_WRITE) && !is_device)
		err = mount_is_writable(path);
	if (!err && (want & MAY_EXEC) && inode_is(inode, S_IFREG) &&
	    (path->mount->flags & MS_NOEXEC))
		err = -EACCES;
	return err;
}

static long access_at(int dirfd, virt_t name, unsigned mode, int flags)
{
	struct path path;

	static_assert(X_OK == MAY_EXEC && W_OK == MAY_WRITE && R_OK == MAY_READ, "access modes");
	if (mode & ~(unsigned)(R_OK | W_OK | X_OK) ||
	    flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	int err = at_walk(dirfd, name, flags, &path);

	if (err)
		return err;
	err = access_check(&path, mode, (flags & AT_EACCESS) != 0);
	path_put(&path);
	return err;
}

long sys_access(const struct syscall_args *args)
{
	return access_at(AT_FDCWD, args->rdi, (unsigned)args->rsi, 0);
}

long sys_faccessat(const struct syscall_args *args)
{
	return access_at((int)args->rdi, args->rsi, (unsigned)args->rdx, 0);
}

long sys_faccessat2(const struct syscall_args *args)
{
	return access_at((int)args->rdi, args->rsi, (unsigned)args->rdx, (int)args->r10);
}

/* ---- changing attributes ---- */

static int change_path(const struct path *path, const struct attr_change *change)
{
	int err = mount_is_writable(path);

	return err ? err : inode_change(path_inode(path), change);
}

static long change_at(int dirfd, virt_t name, int flags, const struct attr_change *change)
{
	struct path path;
	int err = at_walk(dirfd, name, flags, &path);

	if (err)
		return err;
	err = change_path(&path, change);
	path_put(&path);
	return err;
}

static long change_file(int fd, const struct attr_change *change)
{
	struct file *file = fd_get(fd);

	if (!file)
		return -EBADF;
	int err = file->path.mount ? mount_is_writable(&file->path) : 0;

	if (!err)
		err = inode_change(file_named_inode(file), change);

	file_put(file);
	return err;
}

static struct attr_change mode_change(uint64_t mode)
{
	return (struct attr_change){ .which = ATTR_MODE, .mode = (uint32_t)mode & 07777 };
}

long sys_chmod(const struct syscall_args *args)
{
	struct attr_change change = mode_change(args->rsi);

	return change_at(AT_FDCWD, args->rdi, 0, &change);
}

long sys_fchmod(const struct syscall_args *args)
{
	struct attr_change change = mode_change(args->rsi);

	return change_file((int)args->rdi, &change);
}

long sys_fchmodat(const struct syscall_args *args)
{
	struct attr_change change = mode_change(args->rdx);

	return change_at((int)args->rdi, args->rsi, 0, &change);
}

/* -1 leaves one as it is. */
static struct attr_change owner_change(uint64_t uid, uint64_t gid)
{
	return (struct attr_change){
		.which = ((uint32_t)uid != UINT32_MAX ? ATTR_UID : 0) |
			 ((uint32_t)gid != UINT32_MAX ? ATTR_GID : 0),
		.uid = (uint32_t)uid,
		.gid = (uint32_t)gid,
	};
}

long sys_chown(const struct syscall_args *args)
{
	struct attr_change change = owner_change(args->rsi, args->rdx);

	return change_at(AT_FDCWD, args->rdi, 0, &change);
}

long sys_lchown(const struct syscall_args *args)
{
	struct attr_change change = owner_change(args->rsi, args->rdx);

	return change_at(AT_FDCWD, args->rdi, AT_SYMLINK_NOFOLLOW, &change);
}

long sys_fchown(const struct syscall_args *args)
{
	struct attr_change change = owner_change(args->rsi, args->rdx);

	return change_file((int)args->rdi, &change);
}

long sys_fchownat(const struct syscall_args *args)
{
	struct attr_change change = owner_change(args->rdx, args->r10);
	int flags = (int)args->r8;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return change_at((int)args->rdi, args->rsi, flags, &change);
}

/* ---- times ---- */

/* Where a program says when: a structure of two times, or nothing for now. */
static struct attr_change touch_change(void)
{
	struct abi_timespec now = time_now();

	return (struct attr_change){
		.which = ATTR_ATIME | ATTR_MTIME | ATTR_TOUCH, .atime = now, .mtime = now,
	};
}

static bool is_exact_time(const struct abi_timespec *time)
{
	return time->tv_nsec >= 0 && time->tv_nsec < (int64_t)NS_PER_SECOND;
}

static int times_change(const struct abi_timespec times[2], struct attr_change *change)
{
	static const unsigned which[] = { ATTR_ATIME, ATTR_MTIME };
	struct abi_timespec *const to[] = { &change->atime, &change->mtime };

	*change = touch_change();
	if (times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW)
		return 0;
	change->which &= ~(unsigned)ATTR_TOUCH;
	for (int i = 0; i < 2; i++) {
		if (times[i].tv_nsec == UTIME_OMIT)
			change->which &= ~which[i];
		else if (is_exact_time(&times[i]))
			*to[i] = times[i];
		else if (times[i].tv_nsec != UTIME_NOW)
			return -EINVAL;
	}
	return 0;
}

/* No name: the descriptor itself. */
static long utimes_at(int dirfd, virt_t name, const struct attr_change *change, int flags)
{
	if (!(change->which & (ATTR_ATIME | ATTR_MTIME)))
		return 0;
	if (!name && dirfd != AT_FDCWD)
		return change_file(dirfd, change);
	return change_at(dirfd, name, flags, change);
}

long sys_utimensat(const struct syscall_args *args)
{
	struct attr_change change = touch_change();
	struct abi_timespec times[2];
	int flags = (int)args->r10;
	int err = 0;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (args->rdx) {
		err = copy_from_user(times, args->rdx, sizeof(times));
		if (!err)
			err = times_change(times, &change);
	}
	return err ? err : utimes_at((int)args->rdi, args->rsi, &change, flags);
}

static long utimes_from_timevals(int dirfd, virt_t name, virt_t from)
{
	struct attr_change change = touch_change();
	struct abi_timeval given[2];

	if (from) {
		int err = copy_from_user(given, from, sizeof(given));

		if (err)
			return err;
		for (int i = 0; i < 2; i++) {
			if (given[i].tv_usec < 0 || given[i].tv_usec >= 1000000)
				return -EINVAL;
		}
		change.which &= ~(unsigned)ATTR_TOUCH;
		change.atime = (struct abi_timespec){ given[0].tv_sec, given[0].tv_usec * 1000 };
		change.mtime = (struct abi_timespec){ given[1].tv_sec, given[1].tv_usec * 1000 };
	}
	return utimes_at(dirfd, name, &change, 0);
}

long sys_futimesat(const struct syscall_args *args)
{
	return utimes_from_timevals((int)args->rdi, args->rsi, args->rdx);
}

long sys_utimes(const struct syscall_args *args)
{
	return utimes_from_timevals(AT_FDCWD, args->rdi, args->rsi);
}

long sys_utime(const struct syscall_args *args)
{
	struct attr_change change = touch_change();
	struct abi_utimbuf given;

	if (args->rsi) {
		int err = copy_from_user(&given, args->rsi, sizeof(given));

		if (err)
			return err;
		change.which &= ~(unsigned)ATTR_TOUCH;
		change.atime = (struct abi_timespec){ .tv_sec = given.actime };
		change.mtime = (struct abi_timespec){ .tv_sec = given.modtime };
	}
	return utimes_at(AT_FDCWD, args->rdi, &change, 0);
}

/* ---- file systems ---- */

enum { STATFS_FLAGS_VALID = 0x20 };

static long statfs_inode(struct inode *inode, uint64_t flags, virt_t out)
{
	struct file_system *fs = inode->fs;
	struct abi_statfs statfs = {
		.f_type = (int64_t)fs->magic,
		.f_bsize = PAGE_SIZE,
		.f_frsize = PAGE_SIZE,
		.f_namelen = NAME_MAX,
		.f_fsid = fs->device,
		.f_flags = (int64_t)(flags | STATFS_FLAGS_VALID),
	};
	int err = fs->statfs ? fs->statfs(fs, &statfs) : 0;

	return err ? err : copy_to_user(out, &statfs, sizeof(statfs));
}

long sys_statfs(const struct syscall_args *args)
{
	struct path path;
	long err = at_walk(AT_FDCWD, args->rdi, 0, &path);

	if (err)
		return err;
	err = statfs_inode(path_inode(&path), path.mount->flags, args->rsi);
	path_put(&path);
	return err;
}

long sys_fstatfs(const struct syscall_args *args)
{
	struct file *file = fd_get_path((int)args->rdi);

	if (!file)
		return -EBADF;
	long err = statfs_inode(file_named_inode(file), file_mount_flags(file), args->rsi);

	file_put(file);
	return err;
}

/* ---- listings ---- */

/* What is being filled in program memory. */
struct listing {
	virt_t to;
	size_t room, used;
	uint64_t next;                  /* the position behind the last name that fitted */
	int err;
};

static bool listing_emit(void *argument, const char *name, size_t len, uint64_t number,
			 unsigned type, uint64_t next_offset)
{
	struct listing *listing = argument;
	union {
		struct abi_dirent64 entry;
		char bytes[offsetof(struct abi_dirent64, d_name) + NAME_MAX + 1 + sizeof(uint64_t)];
	} record;
	size_t size = align_up(offsetof(struct abi_dirent64, d_name) + len + 1, sizeof(uint64_t));

	if (len > NAME_MAX)
		return true;
	if (size > listing->room - listing->used) {
		listing->err = listing->used ? 0 : -EINVAL;
		return false;
	}
	memset(record.bytes + size - sizeof(uint64_t), 0, sizeof(uint64_t));
	record.entry.d_ino = number;
	record.entry.d_off = (int64_t)next_offset;
	record.entry.d_reclen = (uint16_t)size;
	record.entry.d_type = (uint8_t)type;
	memcpy(record.entry.d_name, name, len);
	record.entry.d_name[len] = '\0';
	listing->err = copy_to_user(listing->to + listing->used, record.bytes, size);
	if (listing->err)
		return false;
	listing->used += size;
	listing->next = next_offset;
	return true;
}

static long list_file(struct file *file, struct listing *listing)
{
	if (!file->ops->list)
		return -ENOTDIR;
	mutex_lock(&file->position_lock);
	listing->next = file->offset;
	int err = file->ops->list(file, listing_emit, listing);

	file->offset = listing->next;
	mutex_unlock(&file->position_lock);
	if (listing->used)
		return (long)listing->used;
	return err ? err : listing->err;
}

long sys_getdents64(const struct syscall_args *args)
{
	struct listing listing = { .to = args->rsi, .room = (unsigned)args->rdx };
	struct file *file = fd_get((int)args->rdi);

	if (!file)
		return -EBADF;
	long result = list_file(file, &listing);

	file_put(file);
	return result;
}
