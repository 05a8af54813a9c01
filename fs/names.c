/* SPDX-License-Identifier: MIT */
/*
 * fs/names.c - changes to the tree of names.
 *
 * Each finds the directory first, then takes its file system's names_lock for writing, looks again,
 * decides, lets the file system change the directory, and changes the names in use to match.
 *
 * Invariants: a dentry in the table names what its directory says.
 * Locks: names_lock (RANK_DIRECTORY); what was removed is put after it, since that may free much.
 * See: mkdir(2), mknod(2), unlink(2), rmdir(2), link(2), symlink(2), rename(2).
 */
#include "fs/names.h"
#include "lib/string.h"
#include "kernel/credentials.h"
#include "kernel/upcall.h"
#include "mm/slab.h"

/* One name that is to change: where, and what it means now. */
struct spot {
	struct path dir;                /* counted */
	const char *name;
	size_t len;                     /* 0: the root itself */
	bool has_slash;                 /* "name/" */
	struct inode *inode;            /* counted, or NULL: the name is free */
	struct dentry *dentry;          /* counted, or NULL: nobody stands on it */
};

static int spot_find(struct spot *spot, const struct path *start, const char *name);
static int spot_look(struct spot *spot);
static int spot_look_to_link(struct spot *spot);
static void spot_put(struct spot *spot);
static int spot_may_add(const struct spot *spot);
static int spot_may_remove(const struct spot *spot);
static int create_locked(struct spot *spot, uint32_t mode, uint64_t rdev, struct inode **made);
static int unlink_locked(struct spot *spot, bool is_directory);
static int rename_locked(struct spot *old, struct spot *new, unsigned flags);
static int rename_check(const struct spot *old, const struct spot *new, unsigned flags);
static int rename_check_shape(const struct spot *old, const struct spot *new, unsigned flags);
static int rename_commit(struct spot *old, struct spot *new, unsigned flags);

static struct inode *spot_dir(const struct spot *spot)
{
	return path_inode(&spot->dir);
}

static struct rwlock *spot_lock(const struct spot *spot)
{
	return &spot_dir(spot)->fs->names_lock;
}

/* "." and ".." cannot be made, removed or renamed; neither can the root. */
static bool spot_is_special(const struct spot *spot)
{
	return spot->len == 0 || (spot->len <= 2 && memcmp(spot->name, "..", spot->len) == 0);
}

/* ---- adding ---- */

int path_create(const struct path *start, const char *name, uint32_t mode, uint64_t rdev)
{
	struct spot spot;
	struct path child;
	struct inode *made;
	int err = spot_find(&spot, start, name);

	if (err)
		return err;
	if (spot_is_special(&spot)) {
		err = -EEXIST;
	} else if (spot.has_slash && !S_ISDIR(mode)) {
		err = path_child(&spot.dir, spot.name, spot.len, &child);
		if (!err) {
			path_put(&child);
			err = -EEXIST;
		}
	} else {
		write_lock(spot_lock(&spot));
		err = create_locked(&spot, mode, rdev, &made);
		write_unlock(spot_lock(&spot));
		if (!err)
			inode_put(made);
	}
	spot_put(&spot);
	return err;
}

/* A file gets its set-id directory's group; nobody makes programs for a group he is not in. */
static uint32_t mode_of_new(const struct inode *dir, uint32_t mode)
{
	const struct credentials *who = upcall_credentials();
	const uint32_t is_for_group = S_ISGID | S_IXGRP;

	if (!S_ISDIR(mode) && (mode & is_for_group) == is_for_group && (dir->mode & S_ISGID) &&
	    !credentials_are_privileged(who) && !credentials_in_group(who, dir->gid))
		mode &= ~(uint32_t)S_ISGID;
	return mode & ~context_umask();
}

static int create_locked(struct spot *spot, uint32_t mode, uint64_t rdev, struct inode **made)
{
	struct inode *dir = spot_dir(spot);
	int err = spot_look(spot);

	if (!err)
		err = spot_may_add(spot);
	if (!err && !dir->ops->create)
		err = -EPERM;
	mode = mode_of_new(dir, mode);
	return err ? err : dir->ops->create(dir, spot->name, spot->len, mode, rdev, made);
}

/* The name comes into use under the same lock: afterwards it may be somebody else's file's. */
int name_create(const struct path *dir, const char *name, size_t len, uint32_t mode,
		struct path *made)
{
	struct spot spot = { .dir = *dir, .name = name, .len = len };
	struct dentry *child;
	struct inode *inode;

	path_get(dir);
	write_lock(spot_lock(&spot));
	int err = create_locked(&spot, mode, 0, &inode);

	if (!err)
		err = dentry_make(dir->dentry, name, len, inode, &child);
	write_unlock(spot_lock(&spot));
	spot_put(&spot);
	if (err)
		return err;
	if (child->inode != inode) {    /* still in use for what an overlay's layer has lost */
		dentry_put(child);
		return -EEXIST;
	}
	*made = (struct path){ dir->mount, child };
	path_get(made);
	dentry_put(child);
	return 0;
}

int path_symlink(const struct path *start, const char *name, const char *target)
{
	struct spot spot;

	if (!*target)
		return -ENOENT;
	int err = spot_find(&spot, start, name);

	if (err)
		return err;
	write_lock(spot_lock(&spot));
	err = spot_look_to_link(&spot);
	if (!err && !spot_dir(&spot)->ops->symlink)
		err = -EPERM;
	if (!err)
		err = spot_dir(&spot)->ops->symlink(spot_dir(&spot), spot.name, spot.len, target);
	write_unlock(spot_lock(&spot));
	spot_put(&spot);
	return err;
}

int path_link(const struct path *old, const struct path *start, const char *name)
{
	struct inode *inode = path_inode(old);
	struct spot spot;
	int err = spot_find(&spot, start, name);

	if (err)
		return err;
	write_lock(spot_lock(&spot));
	err = spot_look_to_link(&spot);
	if (!err && spot.dir.mount != old->mount)
		err = -EXDEV;
	if (!err && (inode_is(inode, S_IFDIR) || !spot_dir(&spot)->ops->link))
		err = -EPERM;
	if (!err)
		err = spot_dir(&spot)->ops->link(spot_dir(&spot), spot.name, spot.len, inode);
	write_unlock(spot_lock(&spot));
	spot_put(&spot);
	return err;
}

/* ---- removing ---- */

int path_unlink(const struct path *start, const char *name, bool is_directory)
{
	struct spot spot;
	int err = spot_find(&spot, start, name);

	if (err)
		return err;
	if (spot_is_special(&spot)) {
		static const int rmdir_errors[] = { -EBUSY, -EINVAL, -ENOTEMPTY };

		err = is_directory ? rmdir_errors[spot.len] : -EISDIR;
	} else {
		write_lock(spot_lock(&spot));
		err = unlink_locked(&spot, is_directory);
		write_unlock(spot_lock(&spot));
	}
	spot_put(&spot);
	return err;
}

static int unlink_locked(struct spot *spot, bool is_directory)
{
	struct inode *dir = spot_dir(spot);
	int err = spot_look(spot);

	if (!err)
		err = spot_may_remove(spot);
	if (err)
		return err;
	if (is_directory != inode_is(spot->inode, S_IFDIR))
		return is_directory ? -ENOTDIR : -EISDIR;
	if (spot->has_slash && !is_directory)
		return -ENOTDIR;
	if (spot->dentry && dentry_is_mounted_on(spot->dentry))
		return -EBUSY;

	int (*remove)(struct inode *, const char *, size_t, struct inode *) =
		is_directory ? dir->ops->rmdir : dir->ops->unlink;

	if (!remove)
		return -EPERM;
	err = remove(dir, spot->name, spot->len, spot->inode);
	if (!err && spot->dentry)
		dentry_delete(spot->dentry);
	return err;
}

/* ---- renaming ---- */

int path_rename(const struct path *old_start, const char *old_name,
		const struct path *new_start, const char *new_name, unsigned flags)
{
	struct spot old, new;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	int err = spot_find(&old, old_start, old_name);

	if (err)
		return err;
	err = spot_find(&new, new_start, new_name);
	if (err) {
		spot_put(&old);
		return err;
	}
	if (old.dir.mount != new.dir.mount) {
		err = -EXDEV;
	} else if (spot_is_special(&old)) {
		err = -EBUSY;
	} else if (spot_is_special(&new)) {
		err = flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	} else {
		write_lock(spot_lock(&old));
		err = rename_locked(&old, &new, flags);
		write_unlock(spot_lock(&old));
	}
	spot_put(&new);
	spot_put(&old);
	return err;
}

static int rename_locked(struct spot *old, struct spot *new, unsigned flags)
{
	int err = spot_look(old);

	if (!err)
		err = spot_look(new);
	if (!err)
		err = rename_check(old, new, flags);
	if (err || old->inode == new->inode)    /* two names of one file: both stay */
		return err;
	return rename_commit(old, new, flags);
}

/* A directory's ".." changes when it moves to another. */
static int may_change_parent(struct inode *moved, const struct spot *old,
			     const struct spot *new)
{
	bool has_changed = inode_is(moved, S_IFDIR) && spot_dir(old) != spot_dir(new);

	return has_changed ? inode_permission(moved, MAY_WRITE) : 0;
}

static int rename_check(const struct spot *old, const struct spot *new, unsigned flags)
{
	int err = old->inode ? rename_check_shape(old, new, flags) : -ENOENT;

	if (!err)
		err = spot_may_remove(old);
	if (!err)
		err = new->inode ? spot_may_remove(new) : spot_may_add(new);
	if (!err)
		err = may_change_parent(old->inode, old, new);
	if (!err && new->inode && flags & RENAME_EXCHANGE)
		err = may_change_parent(new->inode, old, new);
	if (!err && ((old->dentry && dentry_is_mounted_on(old->dentry)) ||
		     (new->dentry && dentry_is_mounted_on(new->dentry))))
		err = -EBUSY;
	return err;
}

/* Can the one stand where the other stands?  Not inside itself, and not a directory for a file. */
static int rename_check_shape(const struct spot *old, const struct spot *new, unsigned flags)
{
	bool is_exchange = (flags & RENAME_EXCHANGE) != 0;
	bool old_is_dir = inode_is(old->inode, S_IFDIR);

	if (new->inode && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (!new->inode && is_exchange)
		return -ENOENT;
	if (!old_is_dir && (old->has_slash || (new->has_slash && !is_exchange)))
		return -ENOTDIR;
	if (old->dentry && dentry_is_above(old->dentry, new->dir.dentry))
		return -EINVAL;
	if (new->dentry && dentry_is_above(new->dentry, old->dir.dentry))
		return is_exchange ? -EINVAL : -ENOTEMPTY;
	if (!new->inode)
		return 0;
	bool new_is_dir = inode_is(new->inode, S_IFDIR);

	if (is_exchange)
		return new->has_slash && !new_is_dir ? -ENOTDIR : 0;
	if (old_is_dir != new_is_dir)
		return old_is_dir ? -ENOTDIR : -EISDIR;
	return 0;
}

static int rename_commit(struct spot *old, struct spot *new, unsigned flags)
{
	struct inode *dir = spot_dir(old);
	char *name_of_old, *name_of_new = NULL;

	if (!dir->ops->rename)
		return -EPERM;
	int err = dentry_name_reserve(new->name, new->len, &name_of_old);

	if (!err)
		err = dentry_name_reserve(old->name, old->len, &name_of_new);
	if (!err)
		err = dir->ops->rename(dir, old->name, old->len, spot_dir(new), new->name, new->len,
				       flags);
	if (!err && old->dentry)
		dentry_move(old->dentry, new->dir.dentry, new->name, new->len, &name_of_old);
	if (!err && new->dentry && (flags & RENAME_EXCHANGE))
		dentry_move(new->dentry, old->dir.dentry, old->name, old->len, &name_of_new);
	else if (!err && new->dentry)
		dentry_delete(new->dentry);
	kfree(name_of_old);
	kfree(name_of_new);
	return err;
}

/* ---- spots ---- */

static int spot_find(struct spot *spot, const struct path *start, const char *name)
{
	*spot = (struct spot){ 0 };
	int err = path_walk_parent(start, name, &spot->dir, &spot->name, &spot->len);

	if (!err)
		spot->has_slash = spot->name[spot->len] == '/';
	return err;
}

/* What does the name mean now?  A free name is no error. */
static int spot_look(struct spot *spot)
{
	struct inode *dir = spot_dir(spot);

	if (!dir->ops->lookup)
		return -ENOTDIR;
	int err = inode_permission(dir, MAY_EXEC);

	if (err)
		return err;
	err = dir->ops->lookup(dir, spot->name, spot->len, &spot->inode);
	if (err) {
		spot->inode = NULL;
		return err == -ENOENT ? 0 : err;
	}
	spot->dentry = dentry_find(spot->dir.dentry, spot->name, spot->len);
	return 0;
}

/* The same, for a new name of what is no directory: may it be made? */
static int spot_look_to_link(struct spot *spot)
{
	if (spot_is_special(spot))
		return -EEXIST;
	int err = spot_look(spot);

	if (!err && spot->has_slash && !spot->inode)
		err = -ENOENT;
	return err ? err : spot_may_add(spot);
}

static void spot_put(struct spot *spot)
{
	dentry_put(spot->dentry);
	if (spot->inode)
		inode_put(spot->inode);
	path_put(&spot->dir);
}

static int spot_may_add(const struct spot *spot)
{
	if (spot->inode)
		return -EEXIST;
	int err = mount_is_writable(&spot->dir);

	return err ? err : inode_permission(spot_dir(spot), MAY_WRITE | MAY_EXEC);
}

/* In a sticky directory only the owners may: of the file, or of the directory. */
static int spot_may_remove(const struct spot *spot)
{
	struct inode *dir = spot_dir(spot);

	if (!spot->inode)
		return -ENOENT;
	int err = mount_is_writable(&spot->dir);

	if (!err)
		err = inode_permission(dir, MAY_WRITE | MAY_EXEC);
	if (!err && (dir->mode & S_ISVTX) && !inode_is_owned(dir) && !inode_is_owned(spot->inode))
		err = -EPERM;
	return err;
}
