/* SPDX-License-Identifier: MIT */
/*
 * fs/tmpfs_file.h - the bytes of files in memory.
 */
#pragma once

#include "fs/file.h"

/* No file grows beyond this: what an object's tree of four levels can index. */
#define TMPFS_SIZE_MAX (1ull << 47)

/* Its bytes have changed: times, set-id bits. */
void tmpfs_written(struct inode *inode) REQUIRES(inode->lock);

/* fs/tmpfs_clone.c: share bytes of another file. */
int64_t tmpfs_clone(struct file *to, struct file *from, const struct clone_range *range);

/* How open regular files of a tmpfs behave. */
extern const struct file_ops tmpfs_file_ops;
