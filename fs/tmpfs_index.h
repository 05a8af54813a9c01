/* SPDX-License-Identifier: MIT */
/*
 * fs/tmpfs_index.h - the names in one directory of a tmpfs.
 *
 * Found by hash, listed in the order they came.  Each name gets a cookie that never changes and is
 * never given again, so a listing goes on where it stopped whatever was added or removed meanwhile.
 *
 * Locks: the file system's names_lock, for all of it.
 */
#pragma once

#include "fs/inode.h"

enum { INDEX_INLINE_BUCKETS = 8, INDEX_FIRST_COOKIE = 2 };      /* 0 and 1 are "." and ".." */

struct tmpfs_name {
	struct list_node node;          /* in index->order */
	struct tmpfs_name *next;        /* in its bucket */
	struct inode *inode;            /* counted */
	uint64_t cookie;
	uint32_t hash;
	uint16_t len;
	char text[];
};

struct tmpfs_index {
	struct list order;              /* by cookie */
	uint64_t next_cookie;
	uint32_t count;
	uint32_t bucket_count;          /* a power of two */
	struct tmpfs_name **buckets;
	struct tmpfs_name *inline_buckets[INDEX_INLINE_BUCKETS];
};

/* NULL: no memory. */
struct tmpfs_index *index_create(void);
void index_destroy(struct tmpfs_index *index);          /* it is empty */

struct tmpfs_name *index_find(const struct tmpfs_index *index, const char *name, size_t len);

/* The name with the smallest cookie not below this one; NULL: no more. */
struct tmpfs_name *index_from(const struct tmpfs_index *index, uint64_t cookie);
struct tmpfs_name *index_next(const struct tmpfs_index *index, const struct tmpfs_name *name);

/* In two steps, so that the second cannot fail.  insert counts the inode, remove puts it and frees
 * the name. */
struct tmpfs_name *index_name_alloc(const char *name, size_t len);
void index_insert(struct tmpfs_index *index, struct tmpfs_name *name, struct inode *inode);
void index_remove(struct tmpfs_index *index, struct tmpfs_name *name);
