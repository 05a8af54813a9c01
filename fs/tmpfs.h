/* SPDX-License-Identifier: MIT */
/*
 * fs/tmpfs.h - files in memory.
 *
 * A regular file's bytes are a struct object, so mapping it shares its pages and reading it copies
 * from them.  An instance holds what its limits say (fs/tmpfs_mount.h), half of memory by default:
 * -ENOSPC beyond that, or when there is no memory.
 */
#pragma once

#include "fs/file.h"

/* A fresh instance with an empty root directory (mode 0755, or `mode`'s bits), called `type`;
 * counted. */
int tmpfs_create(const char *type, uint32_t mode, struct file_system **fs);

/* Make a file in a directory of an instance without asking anybody: initramfs, /dev.  Counted. */
int tmpfs_make(struct inode *dir, const char *name, size_t len, uint32_t mode, uint64_t rdev,
	       struct inode **made);

/* A file that no directory names.  NULL: no room for it. */
struct inode *tmpfs_make_nameless(struct file_system *fs, uint32_t mode);

/* Register "tmpfs" (and "ramfs"), and mount one as the root. */
void tmpfs_start(void);
