/* SPDX-License-Identifier: MIT */
/*
 * fs/overlay_copy.c - to own a file of a lower layer: copy it up.  And how names of the upper layer
 *   change at once.
 *
 * What is new is made in the work directory under a name of its own, completed, and then renamed to
 * where it belongs; what can fail has happened before, unless somebody else is at work there.
 *
 * Locks: the overlay's names_lock for writing; the layer's, for each change of a name.
 * See: mm/clone.c for what copying a file's bytes costs.
 */
#include "fs/overlay.h"
#include "lib/format.h"
#include "lib/string.h"
#include "mm/slab.h"

static int node_copy_up(struct inode *inode);

int overlay_own(struct inode *inode)
{
	if (node_of(inode)->upper)
		return 0;
	write_lock(&inode->fs->names_lock);
	int err = overlay_own_locked(inode);

	write_unlock(&inode->fs->names_lock);
	return err;
}

int overlay_own_locked(struct inode *inode)
{
	struct inode *at;
	int err;

	if (!overlay_of(inode)->upper.mount)
		return -EROFS;
	if (node_of(inode)->upper)
		return 0;
	do {                            /* from the top: the directory above is there first */
		at = inode;
		while (!node_of(at)->is_gone && !node_of(node_of(at)->parent)->upper)
			at = node_of(at)->parent;
		err = node_copy_up(at);
	} while (!err && at != inode);
	return err;
}

/* ---- files in the work directory ---- */

/* A name that nobody has, another overlay neither.  The directory's names_lock is held. */
static void temp_name(struct overlay *overlay, struct inode *work, struct overlay_temp *temp)
{
	struct inode *taken;
	int err;

	temp->work = work;
	temp->inode = NULL;
	do {
		temp->len = format_buffer(temp->name, sizeof(temp->name), "#%lx",
					  ++overlay->last_temp);
		err = work->ops->lookup(work, temp->name, temp->len, &taken);
		if (!err)
			inode_put(taken);
	} while (!err);
}

int overlay_temp_create(
	struct overlay *overlay, uint32_t mode, uint64_t rdev, struct overlay_temp *temp)
{
	struct inode *work = path_inode(&overlay->work);

	write_lock(&work->fs->names_lock);
	temp_name(overlay, work, temp);
	int err = work->ops->create(work, temp->name, temp->len, mode, rdev, &temp->inode);

	write_unlock(&work->fs->names_lock);
	return err;
}

int overlay_temp_symlink(struct overlay *overlay, const char *target, struct overlay_temp *temp)
{
	struct inode *work = path_inode(&overlay->work);

	write_lock(&work->fs->names_lock);
	temp_name(overlay, work, temp);
	int err = work->ops->symlink(work, temp->name, temp->len, target);

	if (!err)
		err = work->ops->lookup(work, temp->name, temp->len, &temp->inode);
	write_unlock(&work->fs->names_lock);
	return err;
}

int overlay_temp_link(struct overlay *overlay, struct inode *inode, struct overlay_temp *temp)
{
	struct inode *work = path_inode(&overlay->work);

	write_lock(&work->fs->names_lock);
	temp_name(overlay, work, temp);
	int err = work->ops->link(work, temp->name, temp->len, inode);

	write_unlock(&work->fs->names_lock);
	if (err)
		return err;
	inode_get(inode);
	temp->inode = inode;
	return 0;
}

int overlay_temp_place(
	struct overlay_temp *temp, struct inode *upper, const char *name, size_t len)
{
	struct inode *work = temp->work;

	write_lock(&work->fs->names_lock);
	int err = work->ops->rename(work, temp->name, temp->len, upper, name, len, 0);

	write_unlock(&work->fs->names_lock);
	return err;
}

int overlay_temp_exchange(
	struct overlay_temp *temp, struct inode *upper, const char *name, size_t len)
{
	struct inode *work = temp->work;

	write_lock(&work->fs->names_lock);
	int err = work->ops->rename(work, temp->name, temp->len, upper, name, len, RENAME_EXCHANGE);

	write_unlock(&work->fs->names_lock);
	return err;
}

/* What somebody else has done with it stays. */
void overlay_temp_drop(struct overlay_temp *temp)
{
	(void)!overlay_layer_remove(temp->work, temp->name, temp->len, temp->inode);
}

/* ---- copying up ---- */

static int copy_link(struct overlay *overlay, struct inode *lower, struct overlay_temp *temp)
{
	char *target;
	int err = link_read(lower, &target);

	if (!err) {
		err = overlay_temp_symlink(overlay, target, temp);
		kfree(target);
	}
	return err;
}

/* All of a regular file's bytes. */
static int copy_bytes(struct inode *to, struct inode *from)
{
	struct object *snapshot;

	if (!from->object || !to->object)
		return -EOPNOTSUPP;
	mutex_lock(&from->lock);
	int err = object_snapshot(from->object, &snapshot);

	mutex_unlock(&from->lock);
	if (err)
		return err;
	err = object_adopt(to->object, snapshot);
	object_put(snapshot);
	return err;
}

static void copy_attributes(struct inode *to, const struct inode *from)
{
	mutex_lock(&to->lock);
	to->mode = from->mode;
	to->uid = from->uid;
	to->gid = from->gid;
	to->atime = from->atime;
	to->mtime = from->mtime;
	if (S_ISDIR(from->mode) || from->nlink == 1)
		to->origin = overlay_number(from);
	mutex_unlock(&to->lock);
}

/* Into its directory; that this came from below is no change of the directory. */
static int place_quietly(struct overlay_temp *temp, struct inode *upper, const char *name)
{
	struct abi_timespec mtime = upper->mtime, atime = upper->atime;
	int err = overlay_temp_place(temp, upper, name, strlen(name));

	mutex_lock(&upper->lock);
	upper->mtime = mtime;
	upper->atime = atime;
	mutex_unlock(&upper->lock);
	return err;
}

static int node_copy_up(struct inode *inode)
{
	struct overlay *overlay = overlay_of(inode);
	struct overlay_node *node = node_of(inode);
	struct inode *lower = node->lower[0];
	struct overlay_temp temp;
	int err = inode_is(lower, S_IFLNK) ? copy_link(overlay, lower, &temp) :
		  overlay_temp_create(overlay, lower->mode, lower->rdev, &temp);

	if (err)
		return err;
	copy_attributes(temp.inode, lower);
	if (inode_is(lower, S_IFREG))
		err = copy_bytes(temp.inode, lower);
	if (!err && !node->is_gone)
		err = place_quietly(&temp, node_of(node->parent)->upper, node->name);
	if (err || node->is_gone)
		overlay_temp_drop(&temp);
	if (err)
		inode_put(temp.inode);
	else
		overlay_set_upper(inode, temp.inode);
	return err == -ENOMEM ? -ENOSPC : err;
}
