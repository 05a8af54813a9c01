/* SPDX-License-Identifier: MIT */
/*
 * fs/tmpfs_mount.h - a tmpfs as a whole: what it may hold.
 *
 * Blocks are pages of its regular files (and long links); files are its inodes, and further names
 * of them.  A file that shares its pages with another (FICLONE) counts all of them, as its copy
 * would: what is shared may have to be copied any time, and a write to a page that a file has
 * already never fails for want of blocks.  Tables, inodes and names are not blocks.
 */
#pragma once

#include "fs/inode.h"

struct tmpfs {
	struct file_system fs;
	struct budget blocks, files;
};

struct tmpfs_options {
	uint64_t blocks, files;         /* at most so many; 0: no limit */
	uint32_t mode, uid, gid;        /* of the root */
};

static inline struct tmpfs *tmpfs_of(struct file_system *fs)
{
	return container_of(fs, struct tmpfs, fs);
}

/* tmpfs_create() for who says how much goes in. */
int tmpfs_create_with(const char *type, const struct tmpfs_options *options,
		      struct file_system **fs);

/* on_free of a file's object, owner: its instance, counted. */
void tmpfs_object_gone(void *owner);
