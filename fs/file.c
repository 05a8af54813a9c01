/* SPDX-License-Identifier: MIT */
/*
 * fs/file.c - open files.
 *
 * Owns: struct file; what open(2) means.
 * Invariants: a file counts its inode and its place.  ops->release is called exactly once for a
 *   file whose ops->open succeeded or was not there.
 * Locks: position_lock around a read or write that uses the position, so that two of them do not
 *   get the same bytes.  Streams have no position and may sleep, so they go without.
 * See: open(2), read(2), write(2), lseek(2).
 */
#include "fs/file.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "kernel/panic.h"
#include "fs/lock.h"
#include "fs/names.h"
#include "mm/mmap.h"
#include "mm/slab.h"

/* What a file remembers of the flags it was opened with. */
enum { KEPT_FLAGS = O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_ASYNC | O_DIRECT | O_LARGEFILE |
		    O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_PATH };

static struct slab_cache file_cache;
static uint64_t files_alive;            /* atomic */

/* An O_PATH file can do nothing but be a place. */
static const struct file_ops place_file_ops;

static int open_into(struct file *file, const struct path *start, const char *name,
		     uint32_t flags, uint32_t mode);
static int open_or_create(struct file *file, const struct path *start, const char *name,
			  uint32_t flags, uint32_t mode);
static int open_found(struct file *file, const struct path *path, uint32_t flags, bool is_new);
static int open_check(const struct path *path, uint32_t flags, bool is_new);
static int open_check_kind(const struct inode *inode, uint32_t flags);
static int open_finish(struct file *file, uint32_t flags);
static const struct file_ops *open_ops(struct inode *inode, uint32_t flags);

/* ---- lives ---- */

void files_start(void)
{
	slab_cache_init(&file_cache, "file", sizeof(struct file), 0);
	locks_start();
}

uint64_t files_count(void)
{
	return atomic_load_relaxed(&files_alive);
}

static struct file *file_alloc(void)
{
	struct file *file = slab_alloc_zeroed(&file_cache);

	if (file)
		atomic_inc(&files_alive);
	return file;
}

static void file_free(struct file *file)
{
	slab_free(&file_cache, file);
	atomic_dec(&files_alive);
}

static void file_attach(struct file *file, struct inode *inode, const struct path *path,
			const struct file_ops *ops, uint32_t flags)
{
	file->refs = 1;
	file->flags = flags;
	mutex_init(&file->position_lock, RANK_FILE);
	file->inode = inode;
	file->ops = ops;
	inode_get(inode);
	if (path) {
		file->path = *path;
		path_get(path);
	}
}

static void file_detach(struct file *file)
{
	lock_release_owner(file->inode, file);
	inode_put(file->inode);
	path_put(&file->path);
}

struct file *file_create(struct inode *inode, const struct path *path, const struct file_ops *ops,
			 uint32_t flags)
{
	struct file *file = file_alloc();

	if (file)
		file_attach(file, inode, path, ops, flags);
	return file;
}

void file_release(struct file *file)
{
	if (file->ops->release)
		file->ops->release(file);
	file_detach(file);
	file_free(file);
}

int file_place(struct file *file, struct path *out)
{
	if (!file->path.mount)
		return path_make_nameless(file->inode, "", out);
	*out = file->path;
	path_get(out);
	return 0;
}

/* ---- open ---- */

static bool is_nameless(uint32_t flags)
{
	return (flags & O_TMPFILE) == O_TMPFILE;
}

int file_check_flags(uint32_t flags)
{
	if (flags & O_PATH)
		return 0;                       /* few of the others count */
	if ((flags & O_ACCMODE) == O_ACCMODE || ((flags & O_CREAT) && (flags & O_DIRECTORY)))
		return -EINVAL;
	return is_nameless(flags) && !(flags & O_ACCMODE) ? -EINVAL : 0;
}

int file_open(const struct path *start, const char *name, uint32_t flags, uint32_t mode,
	      struct file **out)
{
	int err = file_check_flags(flags);

	if (err)
		return err;
	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
	if (is_nameless(flags))
		return -EOPNOTSUPP;
	struct file *file = file_alloc();       /* first: a name made in vain would remain */

	if (!file)
		return -ENOMEM;
	err = open_into(file, start, name, flags, mode);

	if (err)
		file_free(file);
	else
		*out = file;
	return err;
}

static int open_into(struct file *file, const struct path *start, const char *name,
		     uint32_t flags, uint32_t mode)
{
	struct path path;

	if (flags & O_CREAT)
		return open_or_create(file, start, name, flags, mode);
	int err = path_walk(start, name, flags & O_NOFOLLOW ? 0 : PATH_FOLLOW, &path);

	if (err)
		return err;
	err = open_found(file, &path, flags, false);
	path_put(&path);
	return err;
}

int file_open_path(const struct path *path, uint32_t flags, struct file **out)
{
	struct file *file = file_alloc();

	if (!file)
		return -ENOMEM;
	int err = open_found(file, path, flags, false);

	if (err)
		file_free(file);
	else
		*out = file;
	return err;
}

/* A walk that may have to go on behind a symbolic link to a file that does not exist yet. */
struct creation {
	struct path at;                 /* counted: where `name` begins */
	const char *name;
	char *target;                   /* holds it after a link */
	uint32_t flags, mode;
	struct path found;              /* counted, on success */
	bool is_new;                    /* made here: its mode binds others only */
};

static int creation_once(struct creation *creation);
static int creation_follow(struct creation *creation, const struct path *dir, const char *last,
			   size_t len);

static int open_or_create(struct file *file, const struct path *start, const char *name,
			  uint32_t flags, uint32_t mode)
{
	struct creation creation = {
		.at = *start, .name = name, .flags = flags,
		.mode = S_IFREG | (mode & ~(uint32_t)S_IFMT),
	};
	int err = -EAGAIN;

	path_get(start);
	for (int i = 0; err == -EAGAIN && i <= SYMLINKS_MAX; i++)
		err = creation_once(&creation);
	if (!err) {
		err = open_found(file, &creation.found, flags, creation.is_new);
		path_put(&creation.found);
	}
	path_put(&creation.at);
	kfree(creation.target);
	return err == -EAGAIN ? -ELOOP : err;
}

/* Find the file or make it.  -EAGAIN: a link led on, or the name changed under us. */
static int creation_once(struct creation *creation)
{
	bool may_exist = !(creation->flags & O_EXCL);
	struct path dir;
	const char *last;
	size_t len;
	int err = -ENOENT;

	if (may_exist)
		err = path_walk(&creation->at, creation->name,
				creation->flags & O_NOFOLLOW ? 0 : PATH_FOLLOW, &creation->found);
	if (err != -ENOENT)
		return err;
	err = path_walk_parent(&creation->at, creation->name, &dir, &last, &len);
	if (err)
		return err;
	if (len == 0 || last[len] == '/' || (len <= 2 && memcmp(last, "..", len) == 0))
		err = may_exist ? -EISDIR : -EEXIST;
	else
		err = name_create(&dir, last, len, creation->mode, &creation->found);
	creation->is_new = !err;
	if (err == -EEXIST && may_exist)
		err = creation_follow(creation, &dir, last, len);
	path_put(&dir);
	return err;
}

/* The name is there after all: a link to nothing, which is to be made then, or somebody was
 * faster. */
static int creation_follow(struct creation *creation, const struct path *dir, const char *last,
			   size_t len)
{
	struct path child;
	char *target;
	int err = path_child(dir, last, len, &child);

	if (err)
		return err == -ENOENT ? -EAGAIN : err;
	if (!inode_is(path_inode(&child), S_IFLNK)) {
		path_put(&child);
		return -EAGAIN;
	}
	err = creation->flags & O_NOFOLLOW ? -ELOOP : link_read(path_inode(&child), &target);
	path_put(&child);
	if (err)
		return err;
	kfree(creation->target);
	creation->name = creation->target = target;
	path_put(&creation->at);
	creation->at = *dir;
	path_get(dir);
	return -EAGAIN;
}

static int open_found(struct file *file, const struct path *path, uint32_t flags, bool is_new)
{
	struct inode *inode = path_inode(path);
	int err = open_check(path, flags, is_new);

	if (err)
		return err;
	const struct file_ops *ops = open_ops(inode, flags);

	if (!ops)
		return -ENXIO;
	file_attach(file, inode, path, ops, flags & (KEPT_FLAGS | O_NOCTTY));
	err = open_finish(file, is_new ? flags & ~(uint32_t)O_TRUNC : flags);
	if (err)
		file_detach(file);
	return err;
}

static int open_check(const struct path *path, uint32_t flags, bool is_new)
{
	static const unsigned wants[] = { MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE };
	struct inode *inode = path_inode(path);
	unsigned want = wants[flags & O_ACCMODE] | (flags & O_TRUNC ? MAY_WRITE : 0);
	int err = open_check_kind(inode, flags);

	if (err || is_new || (flags & O_PATH))
		return err;
	err = inode_permission(inode, want);
	if (!err && (want & MAY_WRITE) && inode_is(inode, S_IFREG))
		err = mount_is_writable(path);
	if (!err && (flags & O_NOATIME) && !inode_is_owned(inode))
		err = -EPERM;
	if (!err && (path->mount->flags & MS_NODEV) && inode_is_device(inode))
		err = -EACCES;
	return err;
}

static int open_check_kind(const struct inode *inode, uint32_t flags)
{
	if ((flags & O_DIRECTORY) && !inode_is(inode, S_IFDIR))
		return -ENOTDIR;
	if (flags & O_PATH)
		return 0;
	switch (inode->mode & S_IFMT) {
	case S_IFLNK:
		return -ELOOP;
	case S_IFSOCK:
		return -ENXIO;
	case S_IFDIR:
		return (flags & (O_ACCMODE | O_TRUNC | O_CREAT)) ? -EISDIR : 0;
	default:
		return 0;
	}
}

static const struct file_ops *open_ops(struct inode *inode, uint32_t flags)
{
	if (flags & O_PATH)
		return &place_file_ops;
	if (inode_is_device(inode))
		return device_find(inode->mode & S_IFMT, inode->rdev);
	return inode->file_ops;
}

/* Generated files have no size: truncating them is asking for nothing. */
static int open_finish(struct file *file, uint32_t flags)
{
	struct inode *inode = file->inode;
	bool is_file = inode_is(inode, S_IFREG) && !(flags & O_PATH);
	int err = 0;

	if (is_file && inode->ops->own && (file_can_write(file) || (flags & O_TRUNC)))
		err = inode->ops->own(inode);
	if (!err && file->ops->open)
		err = file->ops->open(file);
	if (err)
		return err;
	if ((flags & O_TRUNC) && is_file && file->ops->truncate)
		err = file->ops->truncate(file, 0);
	if (err && file->ops->release)
		file->ops->release(file);
	file->flags &= ~(uint32_t)O_NOCTTY;
	return err;
}

/* ---- bytes ---- */

ssize_t file_read_slow(struct file *file, buffer_t to, size_t len, uint64_t *offset)
{
	const struct file_ops *ops = file->ops;

	if (!ops->read)
		return inode_is(file->inode, S_IFDIR) ? -EISDIR : -EINVAL;
	if (len == 0)
		return 0;
	len = MIN(len, (size_t)RW_COUNT_MAX);
	if (offset || file_is_stream(file))
		return ops->read(file, to, len, offset);
	mutex_lock(&file->position_lock);
	ssize_t done = ops->read(file, to, len, &file->offset);

	mutex_unlock(&file->position_lock);
	return done;
}

ssize_t file_write_slow(struct file *file, buffer_t from, size_t len, uint64_t *offset)
{
	const struct file_ops *ops = file->ops;

	if (!ops->write)
		return -EINVAL;
	len = MIN(len, (size_t)RW_COUNT_MAX);
	if (offset || file_is_stream(file))
		return ops->write(file, from, len, offset);
	mutex_lock(&file->position_lock);
	ssize_t done = ops->write(file, from, len, &file->offset);

	mutex_unlock(&file->position_lock);
	return done;
}

int64_t file_seek(struct file *file, int64_t offset, int whence)
{
	if (file_is_stream(file))
		return -ESPIPE;
	mutex_lock(&file->position_lock);
	int64_t position = file->ops->seek(file, offset, whence);

	if (position >= 0)
		file->offset = (uint64_t)position;
	mutex_unlock(&file->position_lock);
	return position;
}

int64_t file_seek_plain(struct file *file, int64_t offset, int whence)
{
	struct abi_stat stat = { 0 };
	int64_t base = 0;

	if (whence >= SEEK_END && inode_stat(file->inode, &stat) != 0)
		return -EINVAL;
	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = (int64_t)file->offset;
		break;
	case SEEK_END:
		base = stat.st_size;
		break;
	case SEEK_DATA:         /* it is all data, with a hole behind it */
		return offset < 0 || offset >= stat.st_size ? -ENXIO : offset;
	case SEEK_HOLE:
		return offset < 0 || offset >= stat.st_size ? -ENXIO : stat.st_size;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, offset, &offset))
		return -EOVERFLOW;
	return offset < 0 ? -EINVAL : offset;
}

/* ---- the rest ---- */

int file_map(struct file *file, struct map_request *request)
{
	uint32_t type = request->flags & MAP_TYPE;

	if (!file_can_read(file))
		return -EACCES;
	if (type != MAP_PRIVATE && (request->prot & PROT_WRITE) && !file_can_write(file))
		return -EACCES;
	if ((request->prot & PROT_EXEC) && (file_mount_flags(file) & MS_NOEXEC))
		return -EPERM;
	if (!file->ops->map)
		return -ENODEV;
	if (type == MAP_PRIVATE || file_can_write(file))
		request->vma_flags |= VMA_MAYWRITE;
	return file->ops->map(file, request);
}

bool list_dots(struct file *file, list_emit_t *emit, void *argument)
{
	struct dentry *parent;
	uint64_t number = file->inode->number;

	if (file->offset == 0 && !emit(argument, ".", 1, number, DT_DIR, 1))
		return false;
	if (file->offset > 1)
		return true;
	parent = file->path.dentry ? dentry_parent(file->path.dentry) : NULL;
	if (parent)
		number = parent->inode->number;
	dentry_put(parent);
	return emit(argument, "..", 2, number, DT_DIR, 2);
}
