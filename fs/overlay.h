/* SPDX-License-Identifier: MIT */
/*
 * fs/overlay.h - one directory tree made of several: copy-on-write for whole file systems.
 *
 *	mount -t overlay overlay -o lowerdir=A:B,upperdir=U,workdir=W /merged
 *
 *	           etc/hosts    etc/motd    bin/sh    tmp/x
 *	upper U:   changed      removed ╳             new        all changes go here
 *	lower A:   hosts        motd        sh                   never changed
 *	lower B:   hosts
 *	merged:    U's          -           A's       U's
 *
 * To *own* a file of a lower layer, before its first change, is to copy it up: directories by mode,
 * a regular file's bytes by a snapshot of its object, whatever its size.  A name that is removed
 * while a lower layer has it leaves a whiteout, a character device 0/0.  A directory made in place
 * of what a lower layer has is opaque: nothing shows through it.
 *
 * Layers are files in memory; the lower ones may be overlays of such.  What is done to a layer, or
 * to the work directory, behind an overlay's back may be seen or not; a change that meets it may
 * fail as if the file were not there, or with -ESTALE or -ENOTEMPTY.
 *
 * Locks: the overlay's names_lock for nodes and all changes of names; then that of one layer; then
 * inodes' locks.
 */
#pragma once

#include "fs/path.h"

enum { OVERLAY_LOWERS_MAX = 16, OVERLAY_DEPTH_MAX = 2, OVERLAY_BUCKETS = 64 };

/* fs->data */
struct overlay {
	struct path upper, work;        /* constant; empty: read-only */
	struct path lower[OVERLAY_LOWERS_MAX];          /* constant, the top one first */
	unsigned lower_count;
	unsigned depth;                 /* constant: 1, or one more than the deepest layer's */
	uint64_t last_temp;             /* [names_lock] */
	struct spinlock lock;           /* RANK_OVERLAY */
	struct list nodes[OVERLAY_BUCKETS];             /* [lock] by the real file */
};

/* inode->data: where a file of the merged tree really is. */
struct overlay_node {
	struct list_node link;          /* [overlay->lock] */
	struct inode *inode;            /* whose data this is */
	struct inode *upper;            /* counted; set once, under names_lock */
	/* Where it is copied up to.  What is in the upper layer needs neither, and may move. */
	struct inode *parent;           /* counted; NULL: the root, or it has an upper */
	char *name;
	bool is_gone;                   /* [names_lock] removed: it has no place any more */
	unsigned lower_count;
	struct inode *lower[];          /* counted; more than one: directories that are merged */
};

/* Several real files under one name, as a lookup finds them. */
struct overlay_stack {
	struct inode *upper;            /* counted, or NULL */
	struct inode *lower[OVERLAY_LOWERS_MAX];        /* counted */
	unsigned lower_count;
};

extern const struct inode_ops overlay_dir_ops, overlay_inode_ops;
extern const struct file_ops overlay_dir_file_ops, overlay_file_ops;

static inline struct overlay *overlay_of(const struct inode *inode)
{
	return inode->fs->data;
}

static inline struct overlay_node *node_of(const struct inode *inode)
{
	return inode->data;
}

/* ---- overlay_node.c: from real files to merged ones ---- */

/* The topmost real file. */
struct inode *overlay_real(const struct inode *inode);

/* The one inode for these real files, under this name if it is to be copied up there, counted;
 * takes over the stack's counts.  NULL: no memory. */
struct inode *overlay_inode(struct file_system *fs, struct inode *parent, const char *name,
			    size_t len, struct overlay_stack *stack);
void overlay_stack_put(struct overlay_stack *stack);
struct inode *overlay_destroy_inode(struct inode *inode);

/* A file has been copied up.  names_lock is held for writing. */
void overlay_set_upper(struct inode *inode, struct inode *upper);

/* The number that a file shows: the same before and after it is copied up, unless it has several
 * names there, which are then different files. */
uint64_t overlay_number(const struct inode *real);

bool overlay_is_whiteout(const struct inode *real);

/* A name in a layer's directory, counted; -ENOENT. */
int overlay_layer_lookup(struct inode *dir, const char *name, size_t len, struct inode **found);

/* Take a name out of a layer's directory if it still is this file's.  -ENOENT, -ESTALE: another's;
 * -ENOTEMPTY. */
MUST_CHECK int overlay_layer_remove(
	struct inode *dir, const char *name, size_t len, const struct inode *inode);

int overlay_lookup(struct inode *dir, const char *name, size_t len, struct inode **found);

/* Would the name show something if it were not in the upper layer? */
bool overlay_shines_through(struct inode *dir, const char *name, size_t len);

/* ---- overlay_copy.c: to own a file, and to replace names in the upper layer ---- */

/* Copy up, with the directories above.  -EROFS, -ENOSPC...  The second takes names_lock. */
MUST_CHECK int overlay_own_locked(struct inode *inode);
MUST_CHECK int overlay_own(struct inode *inode);

/* A fresh file in the work directory under a name of its own. */
struct overlay_temp {
	struct inode *work, *inode;     /* inode: counted */
	char name[24];
	size_t len;
};
MUST_CHECK int overlay_temp_create(
	struct overlay *overlay, uint32_t mode, uint64_t rdev, struct overlay_temp *temp);
MUST_CHECK int overlay_temp_symlink(
	struct overlay *overlay, const char *target, struct overlay_temp *temp);
MUST_CHECK int overlay_temp_link(
	struct overlay *overlay, struct inode *inode, struct overlay_temp *temp);

/* Give it its name in a directory of the upper layer, in place of what is there (no directory that
 * is not empty); or exchange the two, which fails only if one is not there; or forget it. */
MUST_CHECK int overlay_temp_place(
	struct overlay_temp *temp, struct inode *upper, const char *name, size_t len);
MUST_CHECK int overlay_temp_exchange(
	struct overlay_temp *temp, struct inode *upper, const char *name, size_t len);
void overlay_temp_drop(struct overlay_temp *temp);

/* ---- overlay_list.c ---- */

/* Is nothing to be seen in a merged directory? */
MUST_CHECK int overlay_check_empty(struct inode *dir);

/* Empty a directory of the upper layer that holds only whiteouts.  -ENOTEMPTY: it holds more. */
MUST_CHECK int overlay_wipe(struct inode *upper);

/* Once at boot. */
void overlay_start(void);
