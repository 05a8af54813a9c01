/* SPDX-License-Identifier: MIT */
/*
 * fs/overlay_names.c - changes to the names of a merged directory.
 *
 *	in the upper layer  below it   to remove the name     to make it
 *	------------------  ---------  ---------------------  -----------------------
 *	nothing             something  place a whiteout       (it is there)
 *	a file              nothing    remove the file        (it is there)
 *	a file              something  whiteout in its place  (it is there)
 *	nothing             nothing    (it is not there)      make it there
 *	a whiteout          something  (it is not there)      in its place; opaque
 *
 * Locks: the overlay's names_lock is held for writing by the caller.
 * See: fs/names.c, which has asked about permissions.
 */
#include "fs/overlay.h"
#include "lib/string.h"
#include "kernel/credentials.h"
#include "kernel/upcall.h"

static struct inode *upper_of(const struct inode *dir)
{
	return node_of(dir)->upper;
}

static bool has_whiteout(struct inode *dir, const char *name, size_t len)
{
	struct inode *real;

	if (overlay_layer_lookup(upper_of(dir), name, len, &real) != 0)
		return false;
	bool is_whiteout = overlay_is_whiteout(real);

	inode_put(real);
	return is_whiteout;
}

/* What was made in the work directory belongs to who made it, or to the directory's group. */
static void set_owner(struct inode *real, const struct inode *dir)
{
	bool is_groups = dir->mode & S_ISGID;

	real->uid = upcall_credentials()->fsuid;
	real->gid = is_groups ? dir->gid : upcall_credentials()->fsgid;
	if (is_groups && inode_is(real, S_IFDIR))
		real->mode |= S_ISGID;
}

/* Put a finished file where its name is free in the merged tree.  Its count is taken over. */
static int temp_finish(struct overlay_temp *temp, struct inode *dir, const char *name, size_t len,
		       struct inode **made)
{
	bool is_over_whiteout = has_whiteout(dir, name, len);
	int err = overlay_temp_place(temp, upper_of(dir), name, len);

	if (err) {
		overlay_temp_drop(temp);
		inode_put(temp->inode);
		return err;
	}
	temp->inode->is_opaque = is_over_whiteout && inode_is(temp->inode, S_IFDIR);
	struct overlay_stack stack = { .upper = temp->inode };

	*made = overlay_inode(dir->fs, dir, name, len, &stack);
	return *made ? 0 : -ENOMEM;
}

static int overlay_create(struct inode *dir, const char *name, size_t len, uint32_t mode,
			  uint64_t rdev, struct inode **made)
{
	struct overlay_temp temp;
	int err = overlay_own_locked(dir);

	if (!err && S_ISCHR(mode) && rdev == 0)
		err = -EPERM;           /* would be a whiteout */
	if (!err)
		err = overlay_temp_create(overlay_of(dir), mode, rdev, &temp);
	if (err)
		return err;
	set_owner(temp.inode, dir);
	return temp_finish(&temp, dir, name, len, made);
}

static int overlay_symlink(struct inode *dir, const char *name, size_t len, const char *target)
{
	struct overlay_temp temp;
	struct inode *made;
	int err = overlay_own_locked(dir);

	if (!err)
		err = overlay_temp_symlink(overlay_of(dir), target, &temp);
	if (err)
		return err;
	set_owner(temp.inode, dir);
	err = temp_finish(&temp, dir, name, len, &made);
	if (!err)
		inode_put(made);
	return err;
}

static int overlay_link(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	struct overlay_temp temp;
	struct inode *made;
	int err = node_of(inode)->is_gone ? -ENOENT : overlay_own_locked(inode);

	if (!err)
		err = overlay_own_locked(dir);
	if (!err)
		err = overlay_temp_link(overlay_of(dir), upper_of(inode), &temp);
	if (err)
		return err;
	err = temp_finish(&temp, dir, name, len, &made);
	if (!err)
		inode_put(made);
	return err;
}

/* ---- removing ---- */

static int place_whiteout(struct inode *dir, const char *name, size_t len)
{
	struct overlay_temp temp;
	int err = overlay_temp_create(overlay_of(dir), S_IFCHR, 0, &temp);

	if (err)
		return err;
	err = overlay_temp_place(&temp, upper_of(dir), name, len);
	if (err)
		overlay_temp_drop(&temp);
	inode_put(temp.inode);
	return err;
}

static int overlay_unlink(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	int err = overlay_own_locked(dir);

	if (err)
		return err;
	err = overlay_shines_through(dir, name, len)
		? place_whiteout(dir, name, len)
		: overlay_layer_remove(upper_of(dir), name, len, upper_of(inode));
	if (!err && (inode_is(inode, S_IFDIR) || !upper_of(inode)))
		node_of(inode)->is_gone = true;
	return err;
}

static int overlay_rmdir(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	int err = overlay_own_locked(dir);

	if (!err)
		err = overlay_check_empty(inode);
	if (!err && upper_of(inode))
		err = overlay_wipe(upper_of(inode));
	return err ? err : overlay_unlink(dir, name, len, inode);
}

/* ---- renaming ---- */

/* A directory with a part below would have to be copied: as between file systems. */
static bool is_bound(const struct inode *inode)
{
	return inode_is(inode, S_IFDIR) && node_of(inode)->lower_count > 0;
}

struct renaming {
	struct inode *from, *to;        /* directories */
	const char *name, *new_name;
	size_t len, new_len;
	struct inode *old, *new;        /* counted; new: NULL if the name is free */
};

/* A moved directory is the upper layer's alone: what lies below its new place is not its. */
static void set_opaque(const struct inode *inode)
{
	if (inode_is(inode, S_IFDIR))
		upper_of(inode)->is_opaque = true;
}

static int rename_exchange(const struct renaming *job)
{
	struct inode *from = upper_of(job->from), *to = upper_of(job->to);

	if (is_bound(job->new))
		return -EXDEV;
	int err = overlay_own_locked(job->new);

	if (err)
		return err;
	set_opaque(job->old);
	set_opaque(job->new);
	write_lock(&from->fs->names_lock);
	err = from->ops->rename(from, job->name, job->len, to, job->new_name, job->new_len,
				RENAME_EXCHANGE);
	write_unlock(&from->fs->names_lock);
	return err;
}

/* The old name leaves a whiteout: it and the file change places, then the file gets its new
 * name. */
static int rename_with_whiteout(const struct renaming *job)
{
	struct overlay_temp temp;
	int err = overlay_temp_create(overlay_of(job->from), S_IFCHR, 0, &temp);

	if (err)
		return err;
	err = overlay_temp_exchange(&temp, upper_of(job->from), job->name, job->len);
	if (!err) {
		err = overlay_temp_place(&temp, upper_of(job->to), job->new_name, job->new_len);
		if (err)                /* back; if the whiteout is gone, the file stays here */
			(void)!overlay_temp_exchange(&temp, upper_of(job->from), job->name,
						     job->len);
	}
	if (err)
		overlay_temp_drop(&temp);
	inode_put(temp.inode);
	return err;
}

static int rename_move(const struct renaming *job)
{
	struct inode *from = upper_of(job->from), *to = upper_of(job->to);

	if (job->new && inode_is(job->new, S_IFDIR)) {
		int err = overlay_check_empty(job->new);

		if (!err && upper_of(job->new))
			err = overlay_wipe(upper_of(job->new));
		if (err)
			return err;
	}
	set_opaque(job->old);
	if (overlay_shines_through(job->from, job->name, job->len))
		return rename_with_whiteout(job);
	write_lock(&from->fs->names_lock);
	int err = from->ops->rename(from, job->name, job->len, to, job->new_name, job->new_len, 0);

	write_unlock(&from->fs->names_lock);
	return err;
}

static int rename_apply(const struct renaming *job, unsigned flags)
{
	int err = is_bound(job->old) ? -EXDEV : overlay_own_locked(job->old);

	if (!err)
		err = overlay_own_locked(job->from);
	if (!err)
		err = overlay_own_locked(job->to);
	if (err)
		return err;
	if (flags & RENAME_EXCHANGE)
		return rename_exchange(job);
	err = rename_move(job);
	if (!err && job->new && (inode_is(job->new, S_IFDIR) || !upper_of(job->new)))
		node_of(job->new)->is_gone = true;
	return err;
}

static int overlay_rename(struct inode *from, const char *name, size_t len, struct inode *to,
			  const char *new_name, size_t new_len, unsigned flags)
{
	struct renaming job = {
		.from = from, .to = to, .name = name, .len = len, .new_name = new_name,
		.new_len = new_len,
	};
	int err = overlay_lookup(from, name, len, &job.old);

	if (err)
		return err;
	err = overlay_lookup(to, new_name, new_len, &job.new);
	if (err == -ENOENT && !(flags & RENAME_EXCHANGE))
		err = 0;
	if (!err)
		err = rename_apply(&job, flags);
	if (job.new)
		inode_put(job.new);
	inode_put(job.old);
	return err;
}

/* ---- attributes ---- */

static int overlay_getattr(struct inode *inode, struct abi_stat *stat)
{
	const struct overlay_node *node = node_of(inode);
	struct inode *real = overlay_real(inode);
	uint64_t device = stat->st_dev;
	int err = inode_stat(real, stat);

	stat->st_dev = device;
	stat->st_ino = overlay_number(real);
	if (inode_is(inode, S_IFDIR) && node->lower_count)
		stat->st_nlink = 1;     /* unknown: nobody counts what is merged */
	return err;
}

/* The real file's too, which has been copied up. */
static int overlay_setattr(struct inode *inode, const struct attr_change *change)
{
	return upper_of(inode) ? inode_change(upper_of(inode), change) : -EROFS;
}

static ssize_t overlay_readlink(struct inode *inode, char *buf, size_t size)
{
	struct inode *real = overlay_real(inode);

	return real->ops->readlink ? real->ops->readlink(real, buf, size) : -EINVAL;
}

const struct inode_ops overlay_dir_ops = {
	.lookup = overlay_lookup,
	.create = overlay_create,
	.symlink = overlay_symlink,
	.link = overlay_link,
	.unlink = overlay_unlink,
	.rmdir = overlay_rmdir,
	.rename = overlay_rename,
	.getattr = overlay_getattr,
	.setattr = overlay_setattr,
	.real = overlay_real,
	.own = overlay_own,
	.destroy = overlay_destroy_inode,
};

const struct inode_ops overlay_inode_ops = {
	.readlink = overlay_readlink,
	.getattr = overlay_getattr,
	.setattr = overlay_setattr,
	.real = overlay_real,
	.own = overlay_own,
	.destroy = overlay_destroy_inode,
};
