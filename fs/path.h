/* SPDX-License-Identifier: MIT */
/*
 * fs/path.h - names to places: walking, links.
 *
 * A place is a (mount, dentry) pair, so that `..` and getcwd(2) work.  See fs/dentry.h for names in
 * use, fs/mount.h for mounts, fs/names.h for making and removing names.
 */
#pragma once

#include "fs/context.h"
#include "fs/mount.h"

enum { SYMLINKS_MAX = SYMLINK_DEPTH_MAX };

enum path_flags {
	PATH_FOLLOW = 1,                /* follow a symbolic link at the end */
	PATH_DIRECTORY = 2,             /* must be a directory */
};

/* The place that `name` (kernel memory, NUL terminated) means.  0 or -ENOENT, -ENOTDIR, -EACCES,
 * -ELOOP, -ENAMETOOLONG...  `start` is where relative names begin and is not consumed. */
int path_walk(const struct path *start, const char *name, unsigned flags, struct path *out);

/* The directory of the last name, and that name: it points into `name`, may be "." or "..", has
 * length 0 for "/"; slashes may follow it. */
int path_walk_parent(const struct path *start, const char *name, struct path *dir,
		     const char **last, size_t *len);

/* The entry `name` in the directory `dir`: crosses mounts, does not follow links. -ENOENT. */
int path_child(const struct path *dir, const char *name, size_t len, struct path *out);

/* Absolute name of a place as seen from the root of `context` (NULL: the root of all); the length
 * with the NUL, or -ENAMETOOLONG, -ENOENT (deleted; " (deleted)" is appended instead when
 * is_for_show). */
ssize_t path_name(const struct path *path, struct fs_context *context, bool is_for_show,
		  char *buf, size_t size);

/* What a symbolic link says, in fresh kernel memory with a NUL. */
int link_read(struct inode *link, char **target);
