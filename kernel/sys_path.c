/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_path.c - system calls on names: where a process stands, making, removing and renaming,
 *   mounting.
 *
 * Each older call is its *at successor with AT_FDCWD.
 *
 * See: fs/names.c, fs/mount.c, and the manual page of each call.
 */
#include "kernel/syscall.h"
#include "arch/x86_64/usercopy.h"
#include "lib/string.h"
#include "fs/fdtable.h"
#include "fs/names.h"
#include "kernel/at_name.h"
#include "kernel/process.h"
#include "kernel/upcall.h"
#include "mm/slab.h"

/* How mounts spread between namespaces: there is one namespace. */
enum { MS_PROPAGATION = 1 << 17 | 1 << 18 | 1 << 19 | 1 << 20 };

/* ---- where a process stands ---- */

long sys_getcwd(const struct syscall_args *args)
{
	struct path cwd;
	char *name = kmalloc(PATH_MAX);

	if (!name)
		return -ENOMEM;
	context_cwd(&cwd);
	long len = path_name(&cwd, upcall_fs_context(), false, name, PATH_MAX);

	if (len > 0 && (uint64_t)len > args->rsi)
		len = -ERANGE;
	if (len > 0 && copy_to_user(args->rdi, name, (size_t)len) != 0)
		len = -EFAULT;
	path_put(&cwd);
	kfree(name);
	return len;
}

/* May the process stand in this place? */
static int check_standing(const struct path *path)
{
	if (!inode_is(path_inode(path), S_IFDIR))
		return -ENOTDIR;
	return inode_permission(path_inode(path), MAY_EXEC);
}

long sys_chdir(const struct syscall_args *args)
{
	struct path path;
	int err = at_walk(AT_FDCWD, args->rdi, 0, &path);

	if (err)
		return err;
	err = check_standing(&path);
	if (!err)
		err = context_set_cwd(&path);
	path_put(&path);
	return err;
}

long sys_fchdir(const struct syscall_args *args)
{
	struct file *file = fd_get_path((int)args->rdi);

	if (!file)
		return -EBADF;
	int err = inode_is(file->inode, S_IFDIR) ? check_standing(&file->path) : -ENOTDIR;

	if (!err)
		err = context_set_cwd(&file->path);
	file_put(file);
	return err;
}

long sys_chroot(const struct syscall_args *args)
{
	struct path path;
	int err = at_walk(AT_FDCWD, args->rdi, 0, &path);

	if (err)
		return err;
	err = check_standing(&path);
	if (!err && !process_is_privileged())
		err = -EPERM;
	if (!err)
		err = context_set_root(&path);
	path_put(&path);
	return err;
}

long sys_umask(const struct syscall_args *args)
{
	return context_set_umask((uint32_t)args->rdi);
}

/* ---- making ---- */

static long create_at(int dirfd, virt_t name, uint32_t mode, uint64_t rdev)
{
	struct at_name at;
	int err = at_name_get(&at, dirfd, name);

	if (err)
		return err;
	err = path_create(&at.start, at.text, mode, rdev);
	at_name_put(&at);
	return err;
}

long sys_mkdirat(const struct syscall_args *args)
{
	uint32_t mode = (uint32_t)args->rdx & (S_ISVTX | 0777);

	return create_at((int)args->rdi, args->rsi, S_IFDIR | mode, 0);
}

long sys_mkdir(const struct syscall_args *args)
{
	uint32_t mode = (uint32_t)args->rsi & (S_ISVTX | 0777);

	return create_at(AT_FDCWD, args->rdi, S_IFDIR | mode, 0);
}

static long mknod_at(int dirfd, virt_t name, uint32_t mode, uint32_t rdev)
{
	switch (mode & S_IFMT) {
	case 0:
		mode |= S_IFREG;
		break;
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	case S_IFCHR:
	case S_IFBLK:
		if (!credentials_are_privileged(upcall_credentials()))
			return -EPERM;
		break;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	bool is_device = S_ISCHR(mode) || S_ISBLK(mode);

	return create_at(dirfd, name, mode & (S_IFMT | 07777), is_device ? rdev : 0);
}

long sys_mknodat(const struct syscall_args *args)
{
	return mknod_at((int)args->rdi, args->rsi, (uint32_t)args->rdx, (uint32_t)args->r10);
}

long sys_mknod(const struct syscall_args *args)
{
	return mknod_at(AT_FDCWD, args->rdi, (uint32_t)args->rsi, (uint32_t)args->rdx);
}

static long symlink_at(virt_t target, int dirfd, virt_t name)
{
	struct at_name at;
	char *text;
	int err = name_from_user(&text, target);

	if (err)
		return err;
	err = at_name_get(&at, dirfd, name);
	if (!err) {
		err = path_symlink(&at.start, at.text, text);
		at_name_put(&at);
	}
	kfree(text);
	return err;
}

long sys_symlinkat(const struct syscall_args *args)
{
	return symlink_at(args->rdi, (int)args->rsi, args->rdx);
}

long sys_symlink(const struct syscall_args *args)
{
	return symlink_at(args->rdi, AT_FDCWD, args->rsi);
}

static long link_at(int old_dirfd, virt_t old, int dirfd, virt_t name, int flags)
{
	struct at_name at;
	struct path path;
	int walk_flags = (flags & AT_EMPTY_PATH) |
			 (flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW);

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	int err = at_walk(old_dirfd, old, walk_flags, &path);

	if (err)
		return err;
	err = at_name_get(&at, dirfd, name);
	if (!err) {
		err = path_link(&path, &at.start, at.text);
		at_name_put(&at);
	}
	path_put(&path);
	return err;
}

long sys_linkat(const struct syscall_args *args)
{
	return link_at((int)args->rdi, args->rsi, (int)args->rdx, args->r10, (int)args->r8);
}

long sys_link(const struct syscall_args *args)
{
	return link_at(AT_FDCWD, args->rdi, AT_FDCWD, args->rsi, 0);
}

/* ---- removing, renaming ---- */

static long unlink_at(int dirfd, virt_t name, bool is_directory)
{
	struct at_name at;
	int err = at_name_get(&at, dirfd, name);

	if (err)
		return err;
	err = path_unlink(&at.start, at.text, is_directory);
	at_name_put(&at);
	return err;
}

long sys_unlinkat(const struct syscall_args *args)
{
	if (args->rdx & ~(uint64_t)AT_REMOVEDIR)
		return -EINVAL;
	return unlink_at((int)args->rdi, args->rsi, args->rdx != 0);
}

long sys_unlink(const struct syscall_args *args)
{
	return unlink_at(AT_FDCWD, args->rdi, false);
}

long sys_rmdir(const struct syscall_args *args)
{
	return unlink_at(AT_FDCWD, args->rdi, true);
}

static long rename_at(int old_dirfd, virt_t old_name, int new_dirfd, virt_t new_name,
		      unsigned flags)
{
	struct at_name old, new;
	int err = at_name_get(&old, old_dirfd, old_name);

	if (err)
		return err;
	err = at_name_get(&new, new_dirfd, new_name);
	if (!err) {
		err = path_rename(&old.start, old.text, &new.start, new.text, flags);
		at_name_put(&new);
	}
	at_name_put(&old);
	return err;
}

long sys_renameat2(const struct syscall_args *args)
{
	return rename_at((int)args->rdi, args->rsi, (int)args->rdx, args->r10, (unsigned)args->r8);
}

long sys_renameat(const struct syscall_args *args)
{
	return rename_at((int)args->rdi, args->rsi, (int)args->rdx, args->r10, 0);
}

long sys_rename(const struct syscall_args *args)
{
	return rename_at(AT_FDCWD, args->rdi, AT_FDCWD, args->rsi, 0);
}

/* ---- reading links ---- */

static long readlink_at(int dirfd, virt_t name, virt_t buf, int size)
{
	struct path path;
	char *text = NULL;

	if (size <= 0)
		return -EINVAL;
	int err = at_walk(dirfd, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, &path);

	if (err)
		return err;
	if (inode_is(path_inode(&path), S_IFLNK))
		err = link_read(path_inode(&path), &text);
	else
		err = at_name_is_empty(name) ? -ENOENT : -EINVAL;
	path_put(&path);
	if (err)
		return err;
	size_t len = MIN(strlen(text), (size_t)size);

	err = copy_to_user(buf, text, len);
	kfree(text);
	return err ? err : (long)len;
}

long sys_readlinkat(const struct syscall_args *args)
{
	return readlink_at((int)args->rdi, args->rsi, args->rdx, (int)args->r10);
}

long sys_readlink(const struct syscall_args *args)
{
	return readlink_at(AT_FDCWD, args->rdi, args->rsi, (int)args->rdx);
}

/* ---- mounting ---- */

static int mount_bind_from(const struct path *at, virt_t source)
{
	struct path from;
	int err = at_walk(AT_FDCWD, source, 0, &from);

	if (err)
		return err;
	err = mount_bind(at, &from);
	path_put(&from);
	return err;
}

/* A fresh or shared instance of the type `type_name`, at `at`. */
static int mount_type(const struct path *at, const char *type_name, const char *source,
		      const char *fs_options, unsigned long flags)
{
	struct file_system_type *type = file_system_find(type_name);
	struct file_system *fs;

	if (!type)
		return -ENODEV;
	int err = type->create(fs_options, &fs);

	return err ? err : mount_add(at, fs, source, flags);
}

/* Strings that may be left out read as empty. */
static int optional_from_user(char **text, virt_t from)
{
	if (from)
		return name_from_user(text, from);
	*text = kzalloc(1);
	return *text ? 0 : -ENOMEM;
}

static int mount_from_user(const struct path *at, const struct syscall_args *args)
{
	char *source = NULL, *type = NULL, *fs_options = NULL;
	int err = optional_from_user(&source, args->rdi);

	if (!err)
		err = name_from_user(&type, args->rdx);
	if (!err)
		err = optional_from_user(&fs_options, args->r8);
	if (!err)
		err = mount_type(at, type, *source ? source : "none", fs_options, args->r10);
	kfree(source);
	kfree(type);
	kfree(fs_options);
	return err;
}

/* With MS_BIND only the flags of this one mount. */
static int remount_from_user(const struct path *at, const struct syscall_args *args)
{
	char *fs_options = NULL;
	int err = args->r10 & MS_BIND ? 0 : optional_from_user(&fs_options, args->r8);

	if (!err)
		err = mount_change(at, args->r10, fs_options);
	kfree(fs_options);
	return err;
}

long sys_mount(const struct syscall_args *args)
{
	unsigned long flags = args->r10;
	struct path at;

	int err = at_walk(AT_FDCWD, args->rsi, 0, &at);

	if (err)
		return err;
	if (!process_is_privileged())
		err = -EPERM;
	else if (flags & MS_REMOUNT)
		err = remount_from_user(&at, args);
	else if (flags & MS_BIND)
		err = mount_bind_from(&at, args->rdi);
	else if (flags & MS_MOVE)
		err = -EINVAL;
	else if (!(flags & MS_PROPAGATION))
		err = mount_from_user(&at, args);
	path_put(&at);
	return err;
}

long sys_umount2(const struct syscall_args *args)
{
	int walk_flags = args->rsi & UMOUNT_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0;
	struct path at;

	if (args->rsi & ~(uint64_t)(MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW))
		return -EINVAL;
	int err = at_walk(AT_FDCWD, args->rdi, walk_flags, &at);

	if (err)
		return err;
	err = process_is_privileged() ? mount_remove(&at, args->rsi) : -EPERM;
	path_put(&at);
	return err;
}
