/* SPDX-License-Identifier: MIT */
/*
 * fs/context.h - where a process stands in the tree of names.
 *
 * Its root, its current directory, its umask: what clone(CLONE_FS) shares.
 */
#pragma once

#include "fs/mount.h"

struct fs_context {
	uint32_t refs;                  /* atomic */
	struct spinlock lock;           /* RANK_FDTABLE */
	struct path root, cwd;          /* [lock] */
	uint32_t umask;                 /* [lock] */
};

/* The first one, standing at the root of all; then copies.  NULL: no memory. */
struct fs_context *fs_context_create(void);
struct fs_context *fs_context_copy(struct fs_context *from);
void fs_context_get(struct fs_context *context);
void fs_context_put(struct fs_context *context);        /* may sleep */

/* The running process's places, counted.  Kernel tasks: the root of all, and no umask. */
void context_root(struct path *out);
void context_cwd(struct path *out);
uint32_t context_umask(void);

/* Change them; `path` is not consumed. */
void context_set_root(const struct path *path);
void context_set_cwd(const struct path *path);
uint32_t context_set_umask(uint32_t umask);     /* the old one */
