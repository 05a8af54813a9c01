/* SPDX-License-Identifier: MIT */
/*
 * fs/file.h - open files.
 *
 * What open(2) makes and fork shares: a place, a position, flags, operations.
 */
#pragma once

#include "fs/path.h"
#include "fs/poll.h"
#include "mm/buffer.h"

struct map_request;

/* Takes one name of a directory; false: there is no room for it. */
typedef bool list_emit_t(void *argument, const char *name, size_t len, uint64_t number,
			 unsigned type, uint64_t next_offset);

/* Bytes of one file that shall be those of another.  len 0: all from from_at on. */
struct clone_range {
	uint64_t from_at, to_at, len;
	bool may_shorten;               /* what is no whole number of pages may be left out */
};

struct file_ops {
	/* After the inode was found; flags still hold O_NOCTTY.  May set data, and ops.  NULL:
	 * nothing to do. */
	int (*open)(struct file *file);
	void (*release)(struct file *file);             /* the last descriptor is gone */
	/* At *offset, which they advance; streams do not look at it.  Bytes, 0 at the end, or a
	 * negative errno.  A read asks for at least one.  May sleep. */
	ssize_t (*read)(struct file *file, buffer_t to, size_t len, uint64_t *offset);
	ssize_t (*write)(struct file *file, buffer_t from, size_t len, uint64_t *offset);
	/* The new position from file->offset, not stored.  NULL: a stream without one, -ESPIPE. */
	int64_t (*seek)(struct file *file, int64_t offset, int whence);
	/* Directories: call emit for each name from file->offset on, "." and ".." too (see
	 * list_dots), until it returns false. */
	int (*list)(struct file *file, list_emit_t *emit, void *argument);
	/* Mask of POLL* events that hold now; register with poll_wait() for changes.  NULL: always
	 * ready. */
	unsigned (*poll)(struct file *file, struct poll_table *table);
	long (*ioctl)(struct file *file, unsigned request, uint64_t argument);  /* NULL: -ENOTTY */
	/* Fill request->object and ->name (file->path.dentry), if it is not anonymous.  NULL:
	 * -ENODEV. */
	int (*map)(struct file *file, struct map_request *request);
	int (*truncate)(struct file *file, uint64_t size);              /* NULL: -EINVAL */
	/* fallocate(2).  NULL: -EOPNOTSUPP. */
	int (*allocate)(struct file *file, int mode, uint64_t offset, uint64_t len);
	int (*sync)(struct file *file);                                 /* NULL: -EINVAL */
	/* Let `to` share bytes of `from`, a file with the same operation: the number shared, which
	 * is less than asked for only if the range says so.  NULL: -EOPNOTSUPP. */
	int64_t (*clone)(struct file *to, struct file *from, const struct clone_range *range);
};

struct file {
	uint32_t refs;                  /* atomic: descriptors, calls under way; not mappings */
	uint32_t flags;                 /* atomic: O_ access mode and status flags */
	struct mutex position_lock;     /* RANK_FILE */
	uint64_t offset;                /* [position_lock] see file_position; of a stream its own */
	struct path path;               /* may be empty (pipes: inode only) */
	struct inode *inode;            /* counted */
	const struct file_ops *ops;     /* constant once open */
	void *data;                     /* of the ops */
	int32_t owner;                  /* F_SETOWN, kept and never used */
};

/* A file around an inode (takes its own references; path may be NULL or empty).  ops->open is not
 * called.  NULL: no memory. */
struct file *file_create(struct inode *inode, const struct path *path, const struct file_ops *ops,
			 uint32_t flags);
static inline void file_get(struct file *file)
{
	atomic_inc(&file->refs);
}

/* May sleep: the last one releases the file. */
void file_release(struct file *file);
static inline void file_put(struct file *file)
{
	if (unlikely(atomic_dec_and_test(&file->refs)))
		file_release(file);
}

/* open(2) below `start`.  Handles O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY, O_NOFOLLOW, O_PATH,
 * devices.  -EOPNOTSUPP: O_TMPFILE. */
int file_open(const struct path *start, const char *name, uint32_t flags, uint32_t mode,
	      struct file **out);
/* What it looks at first.  -EINVAL: flags that contradict each other. */
MUST_CHECK int file_check_flags(uint32_t flags);

/* Where an open file is, counted; a place of its own if it has no name. */
int file_place(struct file *file, struct path *out);

/* Open what has been found: permissions, kind, ops->open. */
int file_open_path(const struct path *path, uint32_t flags, struct file **out);

/* Read or write at the file's position (offset NULL) or at *offset.  Check access mode, -EBADF. */
static inline ssize_t file_read(struct file *file, buffer_t to, size_t len, uint64_t *offset);
static inline ssize_t file_write(struct file *file, buffer_t from, size_t len, uint64_t *offset);

/* The new position, or -ESPIPE, -EINVAL. */
int64_t file_seek(struct file *file, int64_t offset, int whence);

/* mmap(2)'s share: check protection against the open mode (-EACCES, -EPERM, -ENODEV), note whether
 * the range may become writable, let the file fill in what is mapped. */
int file_map(struct file *file, struct map_request *request);

static inline bool file_can_read(const struct file *file)
{
	return (file->flags & O_ACCMODE) != O_WRONLY && !(file->flags & O_PATH);
}

static inline bool file_can_write(const struct file *file)
{
	return (file->flags & O_ACCMODE) != O_RDONLY;
}

/* The file as its name means it: an overlay's, where the bytes are another file system's. */
static inline struct inode *file_named_inode(const struct file *file)
{
	return file->path.dentry ? file->path.dentry->inode : file->inode;
}

/* MS_ flags of the mount it is on. */
static inline uint64_t file_mount_flags(const struct file *file)
{
	return file->path.mount ? file->path.mount->flags : 0;
}

/* Does it have a position, or is it a stream? */
static inline bool file_is_stream(const struct file *file)
{
	return !file->ops->seek;
}

/* Where it is read or written next, as others see it; a stream is nowhere.  May be called without
 * the position_lock. */
static inline uint64_t file_position(const struct file *file)
{
	return file_is_stream(file) ? 0 : atomic_load_relaxed(&file->offset);
}

/* Once at boot, after slabs. */
void files_start(void);
uint64_t files_count(void);             /* open files in the system, for the ledger */

/* The default seek for things with a size: what fstat says. */
int64_t file_seek_plain(struct file *file, int64_t offset, int whence);

/* For directories' list: "." at offset 0 and ".." at 1.  False: emit said no. */
bool list_dots(struct file *file, list_emit_t *emit, void *argument);

/* Everything but a plain read or write of a stream. */
ssize_t file_read_slow(struct file *file, buffer_t to, size_t len, uint64_t *offset);
ssize_t file_write_slow(struct file *file, buffer_t from, size_t len, uint64_t *offset);

static inline ssize_t file_read(struct file *file, buffer_t to, size_t len, uint64_t *offset)
{
	if (unlikely(!file_can_read(file)))
		return -EBADF;
	if (!file_is_stream(file) || !file->ops->read || len - 1 >= RW_COUNT_MAX)
		return file_read_slow(file, to, len, offset);
	return file->ops->read(file, to, len, offset);
}

static inline ssize_t file_write(struct file *file, buffer_t from, size_t len, uint64_t *offset)
{
	if (unlikely(!file_can_write(file)))
		return -EBADF;
	if (!file_is_stream(file) || !file->ops->write || len > RW_COUNT_MAX)
		return file_write_slow(file, from, len, offset);
	return file->ops->write(file, from, len, offset);
}
