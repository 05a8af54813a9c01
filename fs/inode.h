/* SPDX-License-Identifier: MIT */
/*
 * fs/inode.h - files as things: kinds, counts, operations.
 *
 * An inode is a file, whatever its names.  A file system fills `ops` with what it can do; a missing
 * operation gives the errno of the man page.  Inodes of tmpfs live as long as they have a name or a
 * user.
 *
 * Locks: an inode's `lock` (RANK_INODE, sleeping) guards its metadata, and its contents against
 * resizing.  All names of one file system are under its `names_lock` (RANK_DIRECTORY): held for
 * reading to look up or list, for writing to change.  One lock for all directories makes rmdir and
 * rename as simple as they sound.
 */
#pragma once

#include "lib/abi/errno.h"
#include "lib/abi/fcntl.h"
#include "lib/abi/types.h"
#include "lib/list.h"
#include "kernel/mutex.h"
#include "mm/object.h"

struct attr_change;
struct dentry;
struct file;
struct file_ops;
struct inode;
struct path;
struct pipe;

struct inode_ops {
	/* Directories.  Names are not NUL terminated; the file system's names_lock is held, for
	 * writing by all but lookup.  Permissions have been checked, and that `name` is free
	 * (create, symlink, link), or names `inode` (unlink, rmdir). */
	int (*lookup)(struct inode *dir, const char *name, size_t len,
		      struct inode **found);            /* counted */
	int (*create)(struct inode *dir, const char *name, size_t len, uint32_t mode, uint64_t rdev,
		      struct inode **made);             /* of the S_IFMT kind in mode; counted */
	int (*symlink)(struct inode *dir, const char *name, size_t len, const char *target);
	int (*link)(struct inode *dir, const char *name, size_t len, struct inode *inode);
	int (*unlink)(struct inode *dir, const char *name, size_t len, struct inode *inode);
	int (*rmdir)(struct inode *dir, const char *name, size_t len, struct inode *inode);
	/* What stands at the new name goes, or takes the old name (RENAME_EXCHANGE in flags).
	 * -ENOENT: something is not there, as who has not looked under the lock may find. */
	int (*rename)(struct inode *from, const char *name, size_t len,
		      struct inode *to, const char *new_name, size_t new_len, unsigned flags);
	/* Symbolic links: the target's length, copied without NUL up to size. */
	ssize_t (*readlink)(struct inode *inode, char *buf, size_t size);
	/* A magic link (/proc/self/exe, /proc/PID/fd/N): the place itself, counted; see
	 * fs/path.h. */
	int (*follow)(struct inode *inode, struct path *out);
	/* Any.  getattr corrects, and setattr does, what is not in the fields below; setattr is
	 * called with the lock held.  destroy, when the last user is gone, may take no lock; it
	 * returns an inode that this one counted and that is to be put next, or NULL. */
	int (*getattr)(struct inode *inode, struct abi_stat *stat);
	int (*setattr)(struct inode *inode, const struct attr_change *change);
	/* An overlay's: the file of its layer that has these attributes, while this is counted. */
	struct inode *(*real)(const struct inode *inode);
	/* Before the first change of attributes or bytes: make it the file system's own.  No lock
	 * is held. */
	int (*own)(struct inode *inode);
	struct inode *(*destroy)(struct inode *inode);
};

enum {
	ATTR_MODE = 1, ATTR_UID = 2, ATTR_GID = 4, ATTR_SIZE = 8, ATTR_ATIME = 16, ATTR_MTIME = 32,
	ATTR_TOUCH = 64,                /* the times are now: whoever may write may set them */
};

struct attr_change {
	unsigned which;                 /* ATTR_ */
	uint32_t mode, uid, gid;
	uint64_t size;
	struct abi_timespec atime, mtime;
};

struct file_system;

struct inode {
	uint32_t refs;                  /* atomic */
	uint32_t mode;                  /* [lock] S_IFMT (constant) and permission bits */
	uint32_t nlink;                 /* [fs->names_lock] */
	uint32_t uid, gid;              /* [lock] */
	uint64_t number;                /* st_ino unless getattr says another; constant */
	uint64_t rdev;                  /* device nodes: see dev_make(); constant */
	struct file_system *fs;         /* constant, counted */
	const struct inode_ops *ops;    /* constant */
	const struct file_ops *file_ops;/* constant: how an open file of it behaves */
	struct mutex lock;              /* RANK_INODE */
	struct object *object;          /* regular files of tmpfs: the pages; else NULL */
	struct abi_timespec atime, mtime, ctime;        /* [lock] */
	uint32_t seals;                 /* [lock] F_SEAL_: what may no longer be done, fs/seal.h */
	struct list locks;              /* [fs/lock.c] byte ranges and whole-file locks */
	struct pipe *pipe;              /* [fs/pipe.c] FIFOs, while an end is open */
	void *data;                     /* the file system's own */
	uint64_t origin;                /* [lock] st_ino of what an overlay copied up; 0: nothing */
	bool is_opaque;                 /* [names_lock] overlays: nothing below shows through */
};

/* A file system instance.  May be static. */
struct file_system {
	const char *type;               /* "tmpfs", "proc" */
	uint64_t magic;                 /* statfs f_type */
	uint64_t device;                /* st_dev, unique per instance */
	uint32_t refs;                  /* atomic: mounts, inodes; static ones are never freed */
	uint32_t mounts;                /* [dentry_lock] */
	bool has_volatile_names;        /* names come and go by themselves: look up each time */
	struct rwlock names_lock;       /* RANK_DIRECTORY */
	struct inode *root;             /* counted */
	struct dentry *root_dentry;     /* [dentry_lock] its name in use, or NULL */
	uint64_t next_number;           /* atomic */
	int (*statfs)(struct file_system *fs, struct abi_statfs *out);  /* NULL: magic, zeros */
	/* New options, by mount(2) with MS_REMOUNT.  NULL: they change nothing. */
	int (*change)(struct file_system *fs, const char *options);
	void (*unmounted)(struct file_system *fs);  /* the last mount is gone; may be NULL */
	void (*destroy)(struct file_system *fs);        /* nobody uses the memory; NULL: static */
	void *data;
};

/* Fill a zeroed structure: type, magic, a device number of its own, one reference, lock. */
void file_system_init(struct file_system *fs, const char *type, uint64_t magic);
void file_system_get(struct file_system *fs);
void file_system_put(struct file_system *fs);

/* A fresh inode with one reference and one link, times now, owner 0.  NULL: no memory. */
struct inode *inode_create(struct file_system *fs, uint32_t mode, const struct inode_ops *ops,
			   const struct file_ops *file_ops);
void inode_get(struct inode *inode);
bool inode_try_get(struct inode *inode);        /* false: its last user is gone already */
void inode_put(struct inode *inode);    /* may sleep */

static inline bool inode_is(const struct inode *inode, uint32_t kind)
{
	return (inode->mode & S_IFMT) == kind;
}

static inline bool inode_is_device(const struct inode *inode)
{
	return inode_is(inode, S_IFCHR) || inode_is(inode, S_IFBLK);
}

int inode_stat(struct inode *inode, struct abi_stat *stat);

/* Mode and owner as they are together at one moment, for who relies on that: a set-id bit is worth
 * what its owner is. */
struct inode_rights {
	uint32_t mode, uid, gid;
};
void inode_rights(struct inode *inode, struct inode_rights *rights);

/* Change attributes after asking whether the running process may: -EPERM, -EACCES.  For ATTR_SIZE
 * the caller has checked that (a descriptor open for writing, or inode_permission).  Not for
 * read-only mounts: see mount_is_writable(). */
int inode_change(struct inode *inode, const struct attr_change *change);

/* 0 or -EACCES for the running process's credentials; `want` is a mask of MAY_. */
enum { MAY_EXEC = 1, MAY_WRITE = 2, MAY_READ = 4 };
int inode_permission(struct inode *inode, unsigned want);

/* The same for the real user and group instead of the effective ones: access(2). */
int inode_permission_real(struct inode *inode, unsigned want);

/* Is the running process the file's owner, or privileged? */
bool inode_is_owned(const struct inode *inode);

/* Somebody changes the bytes: a program loses its set-id bits, unless he is privileged. */
void inode_drop_set_ids(struct inode *inode) REQUIRES(inode->lock);

/* Note a change of the attributes; of the contents, too (modified); a look at the contents.  The
 * last is lazy: it stores only what is before the last change, or a day old. */
void inode_touch_changed(struct inode *inode) REQUIRES(inode->lock);
void inode_touch_modified(struct inode *inode) REQUIRES(inode->lock);
void inode_touch_read(struct inode *inode);

struct abi_timespec time_now(void);     /* CLOCK_REALTIME */

/* Once at boot, after slabs. */
void inodes_start(void);
uint64_t inodes_count(void);            /* alive, for the ledger */

/* Device numbers as Linux encodes them in st_rdev. */
uint64_t dev_make(uint32_t major, uint32_t minor);
uint32_t dev_major(uint64_t dev);
uint32_t dev_minor(uint64_t dev);

/* Device files: (kind, major, minor) -> operations.  Registered once at boot. */
void device_register(uint32_t kind, uint32_t major, uint32_t minor, const struct file_ops *ops);
const struct file_ops *device_find(uint32_t kind, uint64_t rdev);
