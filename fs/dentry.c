/* SPDX-License-Identifier: MIT */
/*
 * fs/dentry.c - names in use.
 *
 * Owns: the table of dentries, found by (directory, name).
 * Invariants: at most one dentry in the table per (directory, name).  A dentry counts its parent
 *   and its inode, so whoever stands on one keeps the way to the root.  refs reaches zero only
 *   under dentry_lock, and a dentry found in the table has refs > 0.
 *   Names of a volatile file system are never in the table: each walk makes its own.
 * Locks: dentry_lock.  A dentry enters the table, moves or is deleted with its file system's
 *   names_lock held, so none can appear for a name that is just being removed.
 */
#include "fs/dentry.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "kernel/panic.h"
#include "mm/slab.h"
#include "mm/vma.h"

enum { DENTRY_BUCKETS = 256 };

static struct list table[DENTRY_BUCKETS];       /* [dentry_lock] */
static struct slab_cache dentry_cache;
static uint64_t dentries_alive;                 /* atomic */

struct spinlock dentry_lock = SPINLOCK_INIT(RANK_DENTRY);

static struct dentry *dentry_alloc(const char *name, size_t len, struct inode *inode);
static void dentry_free(struct dentry *dentry);
static uint32_t dentry_hash(const struct dentry *dir, const char *name, size_t len);
static struct dentry *table_find(struct dentry *dir, uint32_t hash, const char *name, size_t len)
	REQUIRES(dentry_lock);

void dentries_start(void)
{
	slab_cache_init(&dentry_cache, "dentry", sizeof(struct dentry), 0);
	for (size_t i = 0; i < COUNT(table); i++)
		list_init(&table[i]);
	vma_name_ops = (struct vma_name_ops){ .get = dentry_get, .put = dentry_put };
}

uint64_t dentries_count(void)
{
	return atomic_load_relaxed(&dentries_alive);
}

void dentry_get(struct dentry *dentry)
{
	atomic_inc(&dentry->refs);
}

/* One holder fewer; true if it was not the last, which takes the lock. */
static bool put_is_easy(struct dentry *dentry)
{
	uint32_t refs = atomic_load_relaxed(&dentry->refs);

	while (refs > 1) {
		if (__atomic_compare_exchange_n(&dentry->refs, &refs, refs - 1, true,
						__ATOMIC_RELEASE, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

/* The last to stand on a name may be the last to stand on all those above it. */
void dentry_put(struct dentry *dentry)
{
	while (dentry && !put_is_easy(dentry)) {
		spin_lock(&dentry_lock);
		if (!atomic_dec_and_test(&dentry->refs)) {
			spin_unlock(&dentry_lock);
			return;
		}
		struct dentry *parent = dentry->parent;

		list_remove(&dentry->node);
		if (!parent && dentry->inode->fs->root_dentry == dentry)
			dentry->inode->fs->root_dentry = NULL;
		spin_unlock(&dentry_lock);
		dentry_free(dentry);
		dentry = parent;
	}
}

/* ---- finding ---- */

struct dentry *dentry_root(struct file_system *fs)
{
	struct dentry *fresh = dentry_alloc("", 0, fs->root);

	if (!fresh)
		return NULL;
	inode_get(fs->root);
	spin_lock(&dentry_lock);
	struct dentry *root = fs->root_dentry;

	if (root)
		dentry_get(root);
	else
		fs->root_dentry = root = fresh;
	spin_unlock(&dentry_lock);
	if (root != fresh)
		dentry_free(fresh);
	return root;
}

struct dentry *dentry_nameless(struct inode *inode, const char *name)
{
	struct dentry *dentry = dentry_alloc(name, strlen(name), inode);

	if (!dentry)
		return NULL;
	inode_get(inode);
	dentry->is_deleted = *name != '\0';
	return dentry;
}

int dentry_child(struct dentry *dir, const char *name, size_t len, struct dentry **out)
{
	struct inode *dir_inode = dir->inode;
	struct file_system *fs = dir_inode->fs;
	struct inode *inode;

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	if (!dir_inode->ops->lookup)
		return -ENOTDIR;
	if (!fs->has_volatile_names) {
		*out = dentry_find(dir, name, len);
		if (*out)
			return 0;
	}
	read_lock(&fs->names_lock);
	int err = dir_inode->ops->lookup(dir_inode, name, len, &inode);

	if (!err)
		err = dentry_make(dir, name, len, inode, out);
	read_unlock(&fs->names_lock);
	return err;
}

int dentry_make(struct dentry *dir, const char *name, size_t len, struct inode *inode,
		struct dentry **out)
{
	struct dentry *fresh = dentry_alloc(name, len, inode), *found = NULL;

	if (!fresh) {
		inode_put(inode);
		return -ENOMEM;
	}
	fresh->hash = dentry_hash(dir, name, len);
	fresh->parent = dir;
	dentry_get(dir);
	if (!inode->fs->has_volatile_names) {
		spin_lock(&dentry_lock);
		found = table_find(dir, fresh->hash, name, len);
		if (!found)
			list_push_front(&table[fresh->hash % DENTRY_BUCKETS], &fresh->node);
		spin_unlock(&dentry_lock);
	}
	if (found)
		dentry_put(fresh);
	*out = found ? found : fresh;
	return 0;
}

struct dentry *dentry_find(struct dentry *dir, const char *name, size_t len)
{
	uint32_t hash = dentry_hash(dir, name, len);

	spin_lock(&dentry_lock);
	struct dentry *found = table_find(dir, hash, name, len);

	spin_unlock(&dentry_lock);
	return found;
}

static struct dentry *table_find(struct dentry *dir, uint32_t hash, const char *name, size_t len)
{
	struct dentry *dentry;

	list_for_each_entry(dentry, &table[hash % DENTRY_BUCKETS], node) {
		if (dentry->hash == hash && dentry->parent == dir && dentry->len == len &&
		    memcmp(dentry->name, name, len) == 0) {
			assert(dentry->refs > 0);
			dentry_get(dentry);
			return dentry;
		}
	}
	return NULL;
}

struct dentry *dentry_parent(struct dentry *dentry)
{
	spin_lock(&dentry_lock);
	struct dentry *parent = dentry->parent;

	if (parent)
		dentry_get(parent);
	spin_unlock(&dentry_lock);
	return parent;
}

bool dentry_is_above(struct dentry *above, struct dentry *below)
{
	/* Only a move changes a parent, and that has names_lock for writing. */
	while (below && below != above)
		below = below->parent;
	return below != NULL;
}

bool dentry_is_mounted_on(struct dentry *dentry)
{
	return atomic_load_relaxed(&dentry->mounts_here) != 0;
}

/* ---- changing ---- */

void dentry_delete(struct dentry *dentry)
{
	spin_lock(&dentry_lock);
	list_remove(&dentry->node);
	dentry->is_deleted = true;
	spin_unlock(&dentry_lock);
}

int dentry_name_reserve(const char *text, size_t len, char **name)
{
	*name = NULL;
	if (len < DENTRY_INLINE)
		return 0;
	*name = kmalloc(len + 1);
	return *name ? 0 : -ENOMEM;
}

/* Store the name: in the memory reserved for it, or inline.  *reserved becomes what is no longer
 * used. */
static void name_set(struct dentry *dentry, const char *text, size_t len, char **reserved)
{
	char *old = dentry->name == dentry->inline_name ? NULL : dentry->name;

	assert(*reserved || len < DENTRY_INLINE);
	dentry->name = *reserved ? *reserved : dentry->inline_name;
	memcpy(dentry->name, text, len);
	dentry->name[len] = '\0';
	dentry->len = (uint16_t)len;
	*reserved = old;
}

void dentry_move(struct dentry *dentry, struct dentry *dir, const char *text, size_t len,
		 char **name)
{
	struct dentry *old_parent = dentry->parent;

	assert(old_parent && rwlock_is_write_held(&dentry->inode->fs->names_lock));
	dentry_get(dir);
	spin_lock(&dentry_lock);
	list_remove(&dentry->node);
	dentry->parent = dir;
	name_set(dentry, text, len, name);
	dentry->hash = dentry_hash(dir, text, len);
	list_push_front(&table[dentry->hash % DENTRY_BUCKETS], &dentry->node);
	spin_unlock(&dentry_lock);
	dentry_put(old_parent);
}

/* ---- memory ---- */

/* Takes over a count on `inode`. */
static struct dentry *dentry_alloc(const char *name, size_t len, struct inode *inode)
{
	struct dentry *dentry = slab_alloc_zeroed(&dentry_cache);
	char *long_name;

	if (!dentry)
		return NULL;
	if (dentry_name_reserve(name, len, &long_name) != 0) {
		slab_free(&dentry_cache, dentry);
		return NULL;
	}
	dentry->refs = 1;
	dentry->inode = inode;
	dentry->name = dentry->inline_name;
	list_node_init(&dentry->node);
	name_set(dentry, name, len, &long_name);
	atomic_inc(&dentries_alive);
	return dentry;
}

/* Its parent's count is the caller's to drop. */
static void dentry_free(struct dentry *dentry)
{
	assert(!list_node_is_linked(&dentry->node) && dentry->mounts_here == 0);
	if (dentry->name != dentry->inline_name)
		kfree(dentry->name);
	inode_put(dentry->inode);
	slab_free(&dentry_cache, dentry);
	atomic_dec(&dentries_alive);
}

static uint32_t dentry_hash(const struct dentry *dir, const char *name, size_t len)
{
	return name_hash(name, len) ^ (uint32_t)((uintptr_t)dir >> 5);
}

uint32_t name_hash(const char *name, size_t len)
{
	uint32_t hash = (uint32_t)len;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)name[i]) * 0x01000193;
	return hash ^ hash >> 15;
}
