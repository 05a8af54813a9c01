/* SPDX-License-Identifier: MIT */
/*
 * fs/tmpfs_index.c - the names in one directory of a tmpfs.
 *
 * Owns: names and their hash tables.
 * Invariants: every name is in `order`, ascending by cookie, and in the bucket of its hash; count
 *   is their number.  A table that cannot grow only gets slower.
 */
#include "fs/tmpfs_index.h"
#include "fs/dentry.h"
#include "lib/string.h"
#include "kernel/panic.h"
#include "mm/slab.h"

/* As many names per bucket before the table doubles. */
enum { INDEX_LOAD_MAX = 2, INDEX_BUCKETS_MAX = 1 << 18 };

static void index_grow(struct tmpfs_index *index);

struct tmpfs_index *index_create(void)
{
	struct tmpfs_index *index = kzalloc(sizeof(*index));

	if (!index)
		return NULL;
	list_init(&index->order);
	index->next_cookie = INDEX_FIRST_COOKIE;
	index->bucket_count = INDEX_INLINE_BUCKETS;
	index->buckets = index->inline_buckets;
	return index;
}

void index_destroy(struct tmpfs_index *index)
{
	assert(list_is_empty(&index->order) && index->count == 0);
	if (index->buckets != index->inline_buckets)
		kfree(index->buckets);
	kfree(index);
}

static struct tmpfs_name **index_bucket(const struct tmpfs_index *index, uint32_t hash)
{
	return &index->buckets[hash & (index->bucket_count - 1)];
}

struct tmpfs_name *index_find(const struct tmpfs_index *index, const char *name, size_t len)
{
	uint32_t hash = name_hash(name, len);
	struct tmpfs_name *at = *index_bucket(index, hash);

	while (at && !(at->hash == hash && at->len == len && memcmp(at->text, name, len) == 0))
		at = at->next;
	return at;
}

/* Listings mostly go on near the end of what they have seen; a name beyond the middle is found from
 * the back. */
struct tmpfs_name *index_from(const struct tmpfs_index *index, uint64_t cookie)
{
	struct list_node *node = list_first(&index->order), *before;

	if (cookie <= index->next_cookie / 2) {
		while (node && list_entry(node, struct tmpfs_name, node)->cookie < cookie)
			node = list_next(&index->order, node);
		return node ? list_entry(node, struct tmpfs_name, node) : NULL;
	}
	node = NULL;
	for (before = list_last(&index->order);
	     before && list_entry(before, struct tmpfs_name, node)->cookie >= cookie;
	     before = list_prev(&index->order, before))
		node = before;
	return node ? list_entry(node, struct tmpfs_name, node) : NULL;
}

struct tmpfs_name *index_next(const struct tmpfs_index *index, const struct tmpfs_name *name)
{
	struct list_node *node = list_next(&index->order, &name->node);

	return node ? list_entry(node, struct tmpfs_name, node) : NULL;
}

struct tmpfs_name *index_name_alloc(const char *name, size_t len)
{
	struct tmpfs_name *fresh = kmalloc(sizeof(*fresh) + len);

	if (!fresh)
		return NULL;
	fresh->len = (uint16_t)len;
	fresh->hash = name_hash(name, len);
	memcpy(fresh->text, name, len);
	return fresh;
}

void index_insert(struct tmpfs_index *index, struct tmpfs_name *name, struct inode *inode)
{
	if (++index->count > INDEX_LOAD_MAX * index->bucket_count)
		index_grow(index);
	struct tmpfs_name **bucket = index_bucket(index, name->hash);

	inode_get(inode);
	name->inode = inode;
	name->cookie = index->next_cookie++;
	name->next = *bucket;
	*bucket = name;
	list_push_back(&index->order, &name->node);
}

void index_remove(struct tmpfs_index *index, struct tmpfs_name *name)
{
	struct tmpfs_name **at = index_bucket(index, name->hash);

	while (*at != name) {
		assert(*at);
		at = &(*at)->next;
	}
	*at = name->next;
	list_remove(&name->node);
	index->count--;
	inode_put(name->inode);
	kfree(name);
}

static void index_grow(struct tmpfs_index *index)
{
	uint32_t bucket_count = index->bucket_count * 2;
	struct tmpfs_name **buckets, **old = index->buckets;
	struct tmpfs_name *name;

	if (bucket_count > INDEX_BUCKETS_MAX)
		return;
	buckets = kzalloc(bucket_count * sizeof(struct tmpfs_name *));
	if (!buckets)
		return;
	index->buckets = buckets;
	index->bucket_count = bucket_count;
	list_for_each_entry(name, &index->order, node) {
		struct tmpfs_name **bucket = index_bucket(index, name->hash);

		name->next = *bucket;
		*bucket = name;
	}
	if (old != index->inline_buckets)
		kfree(old);
}
