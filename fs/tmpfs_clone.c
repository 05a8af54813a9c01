/* SPDX-License-Identifier: MIT */
/*
 * fs/tmpfs_clone.c - files in memory that share their bytes: FICLONERANGE and its like.
 *
 * The source is snapshot under its own lock, and the destination changed under its own: never both
 * at once, so a file may be cloned into itself.
 *
 * Locks: the inode's lock, of one file at a time.
 * See: mm/clone.c; ioctl_ficlonerange(2) for what may be asked.
 */
#include "fs/tmpfs_file.h"
#include "lib/bits.h"
#include "fs/seal.h"

/* What is to be done, once both sizes are known. */
struct cloning {
	uint64_t from_at, to_at, len;
	uint64_t from_size, to_size;
	bool may_shorten, is_same;
};

/* Only whole pages can be shared.  The last page of the source may be partial if the destination
 * ends there, too. */
static int cloning_fit(struct cloning *job)
{
	if (job->from_at % PAGE_SIZE || job->to_at % PAGE_SIZE)
		return -EINVAL;
	if (job->from_at + job->len < job->from_at || job->to_at + job->len < job->to_at)
		return -EINVAL;
	if (job->from_at > job->from_size || (job->len && job->from_at == job->from_size)) {
		job->len = 0;
		return job->may_shorten ? 0 : -EINVAL;
	}

	uint64_t left = job->from_size - job->from_at;
	uint64_t asked = job->len ? job->len : left, len = MIN(asked, left);
	bool is_at_end = len == left && job->to_at + len >= job->to_size;

	if (!is_at_end)
		len = align_down(len, PAGE_SIZE);
	if (len != asked && !job->may_shorten)
		return -EINVAL;
	uint64_t span = align_up(len, PAGE_SIZE);

	if (job->is_same && job->from_at < job->to_at + span && job->to_at < job->from_at + span)
		return -EINVAL;
	if (job->to_at + len > TMPFS_SIZE_MAX)
		return -EFBIG;
	job->len = len;
	return 0;
}

static bool is_whole(const struct cloning *job)
{
	return !job->from_at && !job->to_at && job->len == job->from_size;
}

/* Put the snapshot's bytes where they belong. */
static int64_t cloning_apply(struct inode *to, struct object *snapshot, struct cloning *job)
	REQUIRES(to->lock)
{
	job->to_size = object_size(to->object);
	int err = cloning_fit(job);

	if (!err && job->len)
		err = seal_check_write(to, job->to_at, job->len);
	if (err || !job->len)
		return err;
	if (is_whole(job) && job->to_size <= job->len) {
		err = object_adopt(to->object, snapshot);
		return err ? err : (int64_t)job->len;
	}
	struct graft graft = {
		.from = snapshot,
		.from_page = job->from_at / PAGE_SIZE,
		.to_page = job->to_at / PAGE_SIZE,
		.pages = div_round_up(job->len, PAGE_SIZE),
		.end = job->to_at + job->len,
	};

	err = object_graft(to->object, &graft);
	return err ? err : (int64_t)job->len;
}

int64_t tmpfs_clone(struct file *to, struct file *from, const struct clone_range *range)
{
	struct inode *inode = to->inode;
	struct object *snapshot;

	mutex_lock(&from->inode->lock);
	int64_t done = object_snapshot(from->inode->object, &snapshot);

	mutex_unlock(&from->inode->lock);
	if (done)
		return done == -ENOMEM ? -ENOSPC : done;
	struct cloning job = {
		.from_at = range->from_at, .to_at = range->to_at, .len = range->len,
		.from_size = object_size(snapshot), .may_shorten = range->may_shorten,
		.is_same = inode == from->inode,
	};

	mutex_lock(&inode->lock);
	done = cloning_apply(inode, snapshot, &job);
	if (done > 0)
		tmpfs_written(inode);
	mutex_unlock(&inode->lock);
	object_put(snapshot);
	return done == -ENOMEM ? -ENOSPC : done;
}
