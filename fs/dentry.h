/* SPDX-License-Identifier: MIT */
/*
 * fs/dentry.h - names in use.
 *
 * A dentry is one name in one directory, kept only while somebody stands on it: an open file, a
 * current directory, a mapping, or a dentry below it.  There is at most one per (directory, name),
 * so that `..`, getcwd(2) and mounts have one thing to agree on; it follows its file through
 * renames.
 *
 *	struct file ──► path ──► dentry "ls" ──► dentry "bin" ──► dentry of the root
 *	                              │               │                │
 *	                            inode           inode            inode
 *
 * Locks: dentry_lock (RANK_DENTRY, a spinlock) guards names, parents and the table.  Whoever makes
 * or retires one also holds the file system's names_lock, so names in use agree with the
 * directories.
 */
#pragma once

#include "fs/inode.h"

enum { DENTRY_INLINE = 32 };

struct mount;

struct dentry {
	uint32_t refs;                  /* atomic; reaches zero only under dentry_lock */
	uint32_t hash;                  /* [dentry_lock] of parent and name */
	uint32_t mounts_here;           /* [dentry_lock] how many mounts cover it */
	uint16_t len;                   /* [dentry_lock] */
	bool is_deleted;                /* [dentry_lock] the name is gone */
	struct dentry *parent;          /* [dentry_lock; names_lock to look] counted; NULL: root */
	struct inode *inode;            /* constant, counted */
	struct list_node node;          /* [dentry_lock] in the table; alone if not found there */
	char *name;                     /* [dentry_lock] NUL terminated; may be inline_name */
	char inline_name[DENTRY_INLINE];
};

struct path {
	struct mount *mount;            /* counted */
	struct dentry *dentry;          /* counted */
};

extern struct spinlock dentry_lock;

void dentry_get(struct dentry *dentry);
void dentry_put(struct dentry *dentry);         /* may sleep */

/* The root of a file system, counted.  NULL: no memory. */
struct dentry *dentry_root(struct file_system *fs);

/* A dentry for what no directory names (a pipe, a memfd), so that one can stand on it; counted.
 * `name` is for show and may be empty.  NULL: no memory. */
struct dentry *dentry_nameless(struct inode *inode, const char *name);

/* The name in a directory, counted: in use already, or looked up.  -ENOENT, -ENAMETOOLONG, -ENOMEM.
 * Takes names_lock for reading if it must look. */
int dentry_child(struct dentry *dir, const char *name, size_t len, struct dentry **out);

/* The parent, counted; NULL for a root. */
struct dentry *dentry_parent(struct dentry *dentry);

/* A name that its directory has, counted: in use already, or from now on.  names_lock is held.
 * Takes over the count on `inode`, also when it fails. */
int dentry_make(struct dentry *dir, const char *name, size_t len, struct inode *inode,
		struct dentry **out);

/* Changes, with names_lock held for writing.  Names that nobody stands on need none of this. */
struct dentry *dentry_find(struct dentry *dir, const char *name, size_t len);   /* or NULL */
void dentry_delete(struct dentry *dentry);
bool dentry_is_mounted_on(struct dentry *dentry);

/* Room for a name, before a move that may not fail.  move gives it back through *name. */
MUST_CHECK int dentry_name_reserve(const char *text, size_t len, char **name);
void dentry_move(struct dentry *dentry, struct dentry *dir, const char *text, size_t len,
		 char **name);

/* Is `above` the same as `below`, or a directory on the way from it to the root?  The names_lock of
 * their file system is held: the way may be long. */
bool dentry_is_above(struct dentry *above, struct dentry *below);

/* How names are spread over tables, here and in file systems. */
uint32_t name_hash(const char *name, size_t len);

/* Once at boot, after slabs. */
void dentries_start(void);
uint64_t dentries_count(void);          /* alive, for the ledger */
