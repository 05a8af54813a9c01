/* SPDX-License-Identifier: MIT */
/*
 * fs/tmpfs.c - files in memory: directories, links, nodes.
 *
 * Owns: the inodes of each instance; a directory's names (fs/tmpfs_index.h), a link's target.
 * Invariants: every name counts its inode, and the instance counts its root.  Each inode, and each
 *   further name of one, is a file in the instance's budget; a long link takes a block of it, as
 *   its page does elsewhere.  nlink of a directory is 2 plus the directories in it; 0 when it has
 *   been removed, and then nothing can be made in it.
 * Locks: all names of an instance are under its names_lock.  Times are under the inode's own lock.
 * See: fs/tmpfs_file.c for regular files, fs/tmpfs_mount.c for instances, rename(2), link(2).
 */
#include "fs/tmpfs.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "kernel/credentials.h"
#include "kernel/panic.h"
#include "kernel/upcall.h"
#include "fs/pipe.h"
#include "fs/seal.h"
#include "fs/tmpfs_file.h"
#include "fs/tmpfs_index.h"
#include "fs/tmpfs_mount.h"
#include "mm/slab.h"

enum { SHORT_LINK_BYTES = 128 };        /* a target as long as that is a block */

static const struct inode_ops tmpfs_inode_ops, tmpfs_dir_ops;
static const struct file_ops tmpfs_dir_file_ops;

static struct inode *node_create(struct inode *dir, struct file_system *fs, uint32_t mode,
				 uint64_t rdev);
static int name_add(struct inode *dir, const char *name, size_t len, struct inode *inode);
static void touch(struct inode *inode, bool is_modified);

static struct tmpfs_index *dir_index(const struct inode *dir)
{
	assert(inode_is(dir, S_IFDIR));
	return dir->data;
}

/* ---- making ---- */

/* The pages of a regular file; they count in its instance, which they keep. */
static struct object *file_object_create(struct file_system *fs)
{
	struct object *object = object_create(0, false);

	if (!object)
		return NULL;
	object->budget = &tmpfs_of(fs)->blocks;
	object->on_free = tmpfs_object_gone;
	object->owner = fs;
	file_system_get(fs);
	return object;
}

/* A file of any kind, with no name yet: nlink 0 (2 for directories).  NULL: no room for it. */
static struct inode *node_create(struct inode *dir, struct file_system *fs, uint32_t mode,
				 uint64_t rdev)
{
	static const struct file_ops no_ops;
	bool is_dir = S_ISDIR(mode), is_file = S_ISREG(mode);
	const struct file_ops *file_ops = is_dir ? &tmpfs_dir_file_ops : is_file ? &tmpfs_file_ops :
		S_ISFIFO(mode) ? &pipe_file_ops : &no_ops;
	const struct credentials *who = upcall_credentials();
	struct inode *inode;

	if (!budget_take(&tmpfs_of(fs)->files, 1))
		return NULL;
	inode = inode_create(fs, mode, is_dir ? &tmpfs_dir_ops : &tmpfs_inode_ops, file_ops);
	if (!inode) {
		budget_return(&tmpfs_of(fs)->files, 1);
		return NULL;
	}
	inode->nlink = is_dir ? 2 : 0;
	inode->rdev = rdev;
	inode->seals = F_SEAL_SEAL;
	inode->uid = who->fsuid;
	inode->gid = who->fsgid;
	if (dir && (dir->mode & S_ISGID)) {
		inode->gid = dir->gid;
		inode->mode |= is_dir ? S_ISGID : 0;
	}
	if (is_file)
		inode->object = file_object_create(fs);
	if (is_dir)
		inode->data = index_create();
	if ((is_file && !inode->object) || (is_dir && !inode->data)) {
		inode_put(inode);
		return NULL;
	}
	return inode;
}

/* Give an inode a name, counted as one of its links.  names_lock is held. */
static int name_add(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	if (dir->nlink == 0)
		return -ENOENT;
	struct tmpfs_name *fresh = index_name_alloc(name, len);

	if (!fresh)
		return -ENOSPC;
	index_insert(dir_index(dir), fresh, inode);
	if (inode_is(inode, S_IFDIR))
		dir->nlink++;
	else
		inode->nlink++;
	touch(dir, true);
	return 0;
}

static int tmpfs_make_node(struct inode *dir, const char *name, size_t len, uint32_t mode,
			   uint64_t rdev, struct inode **made)
{
	struct inode *inode = node_create(dir, dir->fs, mode, rdev);

	if (!inode)
		return -ENOSPC;
	int err = name_add(dir, name, len, inode);

	if (err)
		inode_put(inode);
	else
		*made = inode;
	return err;
}

/* Blocks that a link's target takes. */
static uint64_t link_blocks(const char *target)
{
	return strlen(target) >= SHORT_LINK_BYTES;
}

/* NULL: no room for it. */
static char *link_target_create(struct file_system *fs, const char *target)
{
	struct budget *blocks = &tmpfs_of(fs)->blocks;

	if (!budget_take(blocks, link_blocks(target)))
		return NULL;
	char *copy = kstrdup(target);

	if (!copy)
		budget_return(blocks, link_blocks(target));
	return copy;
}

static void link_target_destroy(struct file_system *fs, char *target)
{
	budget_return(&tmpfs_of(fs)->blocks, link_blocks(target));
	kfree(target);
}

static int tmpfs_symlink(struct inode *dir, const char *name, size_t len, const char *target)
{
	struct inode *inode = node_create(dir, dir->fs, S_IFLNK | 0777, 0);

	if (!inode)
		return -ENOSPC;
	inode->data = link_target_create(dir->fs, target);
	int err = inode->data ? name_add(dir, name, len, inode) : -ENOSPC;

	inode_put(inode);
	return err;
}

static int tmpfs_link(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	struct budget *files = &tmpfs_of(dir->fs)->files;

	if (inode->nlink == 0)
		return -ENOENT;
	if (!budget_take(files, 1))
		return -ENOSPC;
	int err = name_add(dir, name, len, inode);

	if (err)
		budget_return(files, 1);
	else
		touch(inode, false);
	return err;
}

struct inode *tmpfs_make_nameless(struct file_system *fs, uint32_t mode)
{
	return node_create(NULL, fs, mode, 0);
}

int tmpfs_make(struct inode *dir, const char *name, size_t len, uint32_t mode, uint64_t rdev,
	       struct inode **made)
{
	write_lock(&dir->fs->names_lock);
	int err = index_find(dir_index(dir), name, len) ? -EEXIST :
		  tmpfs_make_node(dir, name, len, mode, rdev, made);

	write_unlock(&dir->fs->names_lock);
	return err;
}

/* ---- finding, removing ---- */

static int tmpfs_lookup(struct inode *dir, const char *name, size_t len, struct inode **found)
{
	struct tmpfs_name *entry = index_find(dir_index(dir), name, len);

	if (!entry)
		return -ENOENT;
	inode_get(entry->inode);
	*found = entry->inode;
	return 0;
}

/* What has lost a name: a directory only ever has one. */
static void link_drop(struct inode *dir, struct inode *inode)
{
	if (inode_is(inode, S_IFDIR)) {
		inode->nlink = 0;
		dir->nlink--;
	} else {
		inode->nlink--;
		budget_return(&tmpfs_of(dir->fs)->files, inode->nlink > 0);
	}
	touch(inode, false);
}

static int tmpfs_unlink(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	struct tmpfs_name *entry = index_find(dir_index(dir), name, len);

	assert(entry && entry->inode == inode && inode->nlink > 0);
	index_remove(dir_index(dir), entry);
	link_drop(dir, inode);
	touch(dir, true);
	return 0;
}

static int tmpfs_rmdir(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	return dir_index(inode)->count > 0 ? -ENOTEMPTY : tmpfs_unlink(dir, name, len, inode);
}

/* ---- renaming ---- */

/* A directory among what moved takes one link from one parent to the other. */
static void parent_changed(struct inode *from, struct inode *to, struct inode *moved)
{
	if (inode_is(moved, S_IFDIR)) {
		from->nlink--;
		to->nlink++;
	}
	touch(moved, false);
}

static void rename_exchange(struct inode *from, struct tmpfs_name *old, struct inode *to,
			    struct tmpfs_name *new)
{
	struct inode *moved = old->inode;

	old->inode = new->inode;
	new->inode = moved;
	parent_changed(from, to, moved);
	parent_changed(to, from, old->inode);
}

/* The moved file's count goes from its old name to the new one. */
static void rename_replace(struct inode *from, struct tmpfs_name *old, struct inode *to,
			   struct tmpfs_name *new)
{
	struct inode *victim = new->inode;

	inode_get(old->inode);
	new->inode = old->inode;
	parent_changed(from, to, old->inode);
	index_remove(dir_index(from), old);
	link_drop(to, victim);
	inode_put(victim);
}

static int rename_to_free(struct inode *from, struct tmpfs_name *old, struct inode *to,
			  const char *name, size_t len)
{
	struct tmpfs_name *fresh;

	if (to->nlink == 0)
		return -ENOENT;
	fresh = index_name_alloc(name, len);
	if (!fresh)
		return -ENOSPC;
	index_insert(dir_index(to), fresh, old->inode);
	parent_changed(from, to, old->inode);
	index_remove(dir_index(from), old);
	return 0;
}

static int tmpfs_rename(struct inode *from, const char *name, size_t len, struct inode *to,
			const char *new_name, size_t new_len, unsigned flags)
{
	struct tmpfs_name *old = index_find(dir_index(from), name, len);
	struct tmpfs_name *new = index_find(dir_index(to), new_name, new_len);
	int err = 0;

	if (!old || (!new && (flags & RENAME_EXCHANGE)))
		return -ENOENT;
	if (flags & RENAME_EXCHANGE) {
		rename_exchange(from, old, to, new);
	} else if (!new) {
		err = rename_to_free(from, old, to, new_name, new_len);
	} else if (inode_is(new->inode, S_IFDIR) && dir_index(new->inode)->count > 0) {
		err = -ENOTEMPTY;
	} else {
		rename_replace(from, old, to, new);
	}
	if (err)
		return err;
	touch(from, true);
	touch(to, true);
	return 0;
}

/* ---- attributes ---- */

static void touch(struct inode *inode, bool is_modified)
{
	mutex_lock(&inode->lock);
	if (is_modified)
		inode_touch_modified(inode);
	else
		inode_touch_changed(inode);
	mutex_unlock(&inode->lock);
}

static ssize_t tmpfs_readlink(struct inode *inode, char *buf, size_t size)
{
	size_t len = inode_is(inode, S_IFLNK) ? strlen(inode->data) : 0;

	if (!len)
		return -EINVAL;
	memcpy(buf, inode->data, MIN(len, size));
	inode_touch_read(inode);
	return (ssize_t)len;
}

/* The size of a directory says how much there is to list, as on other file systems. */
enum { DIR_BYTES_PER_NAME = 20 };

static int tmpfs_getattr(struct inode *inode, struct abi_stat *stat)
{
	if (inode_is(inode, S_IFDIR))
		stat->st_size = (int64_t)dir_index(inode)->count * DIR_BYTES_PER_NAME;
	else if (inode_is(inode, S_IFLNK))
		stat->st_size = (int64_t)strlen(inode->data);
	return 0;
}

static int tmpfs_setattr(struct inode *inode, const struct attr_change *change)
	REQUIRES(inode->lock)
{
	if (!(change->which & ATTR_SIZE))
		return 0;
	if (!inode->object)
		return inode_is(inode, S_IFDIR) ? -EISDIR : -EINVAL;
	if (change->size > TMPFS_SIZE_MAX)
		return -EFBIG;
	int err = seal_check_resize(inode, change->size);

	return err ? err : object_resize(inode->object, change->size);
}

static struct inode *tmpfs_destroy_inode(struct inode *inode)
{
	if (inode_is(inode, S_IFDIR) && inode->data)
		index_destroy(inode->data);
	else if (inode_is(inode, S_IFLNK) && inode->data)
		link_target_destroy(inode->fs, inode->data);
	budget_return(&tmpfs_of(inode->fs)->files, 1);
	return NULL;
}

/* ---- listing ---- */

static int tmpfs_list(struct file *file, list_emit_t *emit, void *argument)
{
	struct inode *dir = file->inode;
	const struct tmpfs_index *index = dir_index(dir);

	inode_touch_read(dir);
	if (!list_dots(file, emit, argument))
		return 0;
	read_lock(&dir->fs->names_lock);
	struct tmpfs_name *name = index_from(index, file->offset);

	while (name && emit(argument, name->text, name->len, name->inode->number,
			    (name->inode->mode & S_IFMT) >> 12, name->cookie + 1))
		name = index_next(index, name);
	read_unlock(&dir->fs->names_lock);
	return 0;
}

static int sync_directory(struct file *file)
{
	return 0;
}

static const struct inode_ops tmpfs_dir_ops = {
	.lookup = tmpfs_lookup,
	.create = tmpfs_make_node,
	.symlink = tmpfs_symlink,
	.link = tmpfs_link,
	.unlink = tmpfs_unlink,
	.rmdir = tmpfs_rmdir,
	.rename = tmpfs_rename,
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.destroy = tmpfs_destroy_inode,
};

static const struct inode_ops tmpfs_inode_ops = {
	.readlink = tmpfs_readlink,
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.destroy = tmpfs_destroy_inode,
};

static const struct file_ops tmpfs_dir_file_ops = {
	.list = tmpfs_list,
	.seek = file_seek_plain,
	.sync = sync_directory,
};
