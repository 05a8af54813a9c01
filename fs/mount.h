/* SPDX-License-Identifier: MIT */
/*
 * fs/mount.h - file systems put over directories.
 *
 * A mount says: at this place (a mount and a dentry in it) another tree begins.  The first one has
 * no place: it is the root of all.
 *
 * Locks: mounting and unmounting take mount_mutex (RANK_MOUNT); the list and what it links are read
 * under dentry_lock.
 */
#pragma once

#include "fs/dentry.h"

struct mount {
	uint32_t refs;                  /* atomic: the list, paths, mounts on top */
	struct mount *parent;           /* [dentry_lock] counted; NULL: the root, or detached */
	struct dentry *at;              /* [dentry_lock] counted: what it covers; NULL likewise */
	struct dentry *root;            /* constant, counted: where its tree begins */
	struct file_system *fs;         /* constant, counted */
	uint64_t flags;                 /* atomic: MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC */
	struct list_node node;          /* [dentry_lock] */
	char source[];
};

void path_get(const struct path *path);
void path_put(struct path *path);       /* may sleep; clears it; an empty one is fine */
struct inode *path_inode(const struct path *path);      /* not counted: lives as long as the path */

/* A place for a file that is nowhere (a pipe reached through /proc/PID/fd): a tree of its own, gone
 * with the last who stands there.  `name` is for show and may be empty.  -ENOMEM. */
int path_make_nameless(struct inode *inode, const char *name, struct path *out);

/* Take over the file system's reference, also when they fail: an instance made for this mount alone
 * is gone then. */
int mount_root(struct file_system *fs);         /* once, at boot */
int mount_add(const struct path *at, struct file_system *fs, const char *source,
	      unsigned long flags);
/* Show the tree below `from` at `at` as well. */
int mount_bind(const struct path *at, const struct path *from);
/* MS_REMOUNT: its flags, and the options of what is mounted (NULL: as they are). */
int mount_change(const struct path *at, unsigned long flags, const char *options);
/* -EINVAL: `at` is not the root of a mount; -EBUSY: in use (without MNT_DETACH). */
int mount_remove(const struct path *at, unsigned long flags);

/* Where everything begins, counted.  After mount_root(). */
void mount_root_path(struct path *out);

/* If something is mounted on *path, stand on its root instead; repeat. */
void mount_cross(struct path *path);

/* One step up, across mounts, but never above `root`. */
void mount_climb(struct path *path, const struct path *root);

/* -EROFS for a read-only mount. */
int mount_is_writable(const struct path *path);

/* Each mount with its absolute place (kernel memory, valid during the call).  mount_mutex is
 * held. */
void mounts_for_each(void (*visit)(const struct mount *mount, const char *at, const char *source,
				   const char *type, void *argument), void *argument);

/* Absolute name of a place as seen from `root`, NUL included in the result.  -ENAMETOOLONG: longer
 * than buf; -ENOENT: deleted, unless is_for_show: then " (deleted)" is appended, as /proc does. */
ssize_t path_name_from(const struct path *path, const struct path *root, bool is_for_show,
		       char *buf, size_t size);

/* Absolute name of a mapped file, for /proc/PID/maps.  Takes only dentry_lock.  As above. */
ssize_t dentry_path_name(struct dentry *dentry, char *buf, size_t size);

/* File system types by name for mount(2): create makes a fresh instance, or counts a shared one. */
struct file_system_type {
	const char *name;
	int (*create)(const char *options, struct file_system **fs);    /* counted */
	struct list_node node;
};
void file_system_register(struct file_system_type *type);
struct file_system_type *file_system_find(const char *name);
void file_systems_for_each(void (*visit)(const struct file_system_type *type, void *argument),
			   void *argument);
