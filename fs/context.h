/* SPDX-License-Identifier: MIT */
/*
 * fs/context.h - where a process stands in the tree of names.
 *
 * Its root, its current directory, its umask.  Held by several either jointly, since
 * clone(CLONE_FS), or copy-on-write, since fork: as tables of descriptors are, see fs/fdtable.h.
 */
#pragma once

#include "fs/mount.h"

struct fs_context {
	uint32_t refs;                  /* atomic */
	bool is_joint;                  /* [changed by an only holder] */
	struct spinlock lock;           /* RANK_CONTEXT */
	struct path root, cwd;          /* [lock] */
	uint32_t umask;                 /* [lock] */
};

/* The first one, standing at the root of all.  NULL: no memory. */
struct fs_context *fs_context_create(void);
/* The running process's for a child: to be joint, or to be as good as a copy.  NULL: no memory. */
struct fs_context *fs_context_join(void);
struct fs_context *fs_context_fork(void);
void fs_context_get(struct fs_context *context);
void fs_context_put(struct fs_context *context);        /* may sleep */

/* The running process's places, counted.  Kernel tasks: the root of all, and no umask. */
void context_root(struct path *out);
void context_cwd(struct path *out);
uint32_t context_umask(void);

/* Change them; `path` is not consumed.  -ENOMEM: the program is about to end. */
MUST_CHECK int context_set_root(const struct path *path);
MUST_CHECK int context_set_cwd(const struct path *path);
int context_set_umask(uint32_t umask);          /* the old one */
