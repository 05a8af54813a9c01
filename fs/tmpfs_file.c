/* SPDX-License-Identifier: MIT */
/*
 * fs/tmpfs_file.c - the bytes of files in memory: read, write, truncate, allocate, map.
 *
 * Invariants: a file's size is its object's.
 * Locks: the inode's lock around what changes contents, so that an append finds the end where it
 *   puts its bytes.  Reading takes none: the object has its own.
 * See: pread(2), fallocate(2), mmap(2).
 */
#include "fs/tmpfs_file.h"
#include "lib/bits.h"
#include "kernel/sched.h"
#include "fs/seal.h"
#include "mm/mmap.h"

/* No page to put it on means to a program that the disk is full. */
static ssize_t space_error(ssize_t result)
{
	return result == -ENOMEM ? -ENOSPC : result;
}

static ssize_t read_bytes(struct file *file, buffer_t to, size_t len, uint64_t *offset)
{
	ssize_t done = object_read(file->inode->object, *offset, to, len);

	if (done > 0)
		*offset += (uint64_t)done;
	if (done >= 0 && !(file->flags & O_NOATIME))
		inode_touch_read(file->inode);
	return done;
}

void tmpfs_written(struct inode *inode)
{
	inode_drop_set_ids(inode);
	inode_touch_modified(inode);
}

static ssize_t write_bytes(struct file *file, buffer_t from, size_t len, uint64_t *offset)
{
	struct inode *inode = file->inode;
	ssize_t done = -EFBIG;

	mutex_lock(&inode->lock);
	uint64_t at = file->flags & O_APPEND ? object_size(inode->object) : *offset;

	if (at + len <= TMPFS_SIZE_MAX)
		done = seal_check_write(inode, at, len);
	if (!done)
		done = object_write(inode->object, at, from, len);
	if (done > 0) {
		tmpfs_written(inode);
		*offset = at + (uint64_t)done;
	}
	mutex_unlock(&inode->lock);
	return space_error(done);
}

static int truncate_file(struct file *file, uint64_t size)
{
	return inode_change(file->inode, &(struct attr_change){ .which = ATTR_SIZE, .size = size });
}

/* Where data begins, or a hole: the end of the file is one. */
static int64_t seek_bytes(struct file *file, int64_t offset, int whence)
{
	struct object *object = file->inode->object;
	uint64_t size = object_size(object);

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return file_seek_plain(file, offset, whence);
	if (offset < 0 || (uint64_t)offset >= size)
		return -ENXIO;
	uint64_t page = object_next(object, (uint64_t)offset / PAGE_SIZE, whence == SEEK_HOLE);
	uint64_t at = MAX((uint64_t)(page * PAGE_SIZE), (uint64_t)offset);

	if (at < size)
		return (int64_t)at;
	return whence == SEEK_HOLE ? (int64_t)size : -ENXIO;
}

static int map_file(struct file *file, struct map_request *request)
{
	int err = seal_check_map(file->inode, request);

	if (err)
		return err;
	request->object = file->inode->object;
	request->name = file->path.dentry;
	return 0;
}

static int sync_file(struct file *file)
{
	return 0;
}

/* ---- allocate ---- */

/* Give every page of a range a frame, so that writing it later cannot fail.  The inode's lock is
 * held, so like write() it need not wait where a fault must. */
static int allocate_pages(struct object *object, uint64_t offset, uint64_t end)
{
	for (uint64_t index = offset / PAGE_SIZE; index * PAGE_SIZE < end; index++) {
		pfn_t frame;
		int err = object_page(object, index, OBJECT_EXTEND, &frame);

		if (err)
			return err;
		frame_put(frame);
		reschedule_point();
	}
	return 0;
}

/* Is there room for all that a range lacks?  Asked first, so that what cannot be takes nothing. */
static bool may_allocate(struct object *object, uint64_t offset, uint64_t end)
{
	const struct budget *blocks = object->budget;
	uint64_t limit = atomic_load_relaxed(&blocks->limit), last = div_round_up(end, PAGE_SIZE);
	uint64_t lacks = 0;

	for (uint64_t at = offset / PAGE_SIZE, data; limit && at < last; at = data) {
		uint64_t hole = MIN(object_next(object, at, true), last);
		data = MIN(object_next(object, hole, false), last);
		lacks += data - hole;
	}
	return !limit || atomic_load_relaxed(&blocks->used) + lacks <= limit;
}

static int allocate_range(struct inode *inode, int mode, uint64_t offset, uint64_t end)
	REQUIRES(inode->lock)
{
	struct object *object = inode->object;
	uint64_t old_size = object_size(object);
	uint64_t new_size = mode & FALLOC_FL_KEEP_SIZE ? old_size : MAX(end, old_size);
	int err = seal_check_resize(inode, new_size);

	if (!err && !(mode & FALLOC_FL_PUNCH_HOLE) &&
	    !may_allocate(object, offset, MIN(end, new_size)))
		err = -ENOSPC;
	if (!err && mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		err = seal_check_write(inode, 0, 0);
	if (!err && mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		err = object_punch(object, offset, MIN(end, old_size));
	if (!err && !(mode & FALLOC_FL_KEEP_SIZE) && end > old_size)
		err = object_resize(object, end);
	if (!err && !(mode & FALLOC_FL_PUNCH_HOLE))
		err = allocate_pages(object, offset, MIN(end, object_size(object)));
	if (err && object_size(object) > old_size && object_resize(object, old_size) == 0)
		return err;             /* as it was, but for pages that read as zeros */
	if (!err)
		tmpfs_written(inode);
	return err;
}

static int allocate_file(struct file *file, int mode, uint64_t offset, uint64_t len)
{
	struct inode *inode = file->inode;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) ||
	    (mode & FALLOC_FL_PUNCH_HOLE && mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)))
		return -EOPNOTSUPP;
	if (offset + len > TMPFS_SIZE_MAX)
		return -EFBIG;
	mutex_lock(&inode->lock);
	int err = allocate_range(inode, mode, offset, offset + len);

	mutex_unlock(&inode->lock);
	return (int)space_error(err);
}

const struct file_ops tmpfs_file_ops = {
	.read = read_bytes,
	.write = write_bytes,
	.seek = seek_bytes,
	.map = map_file,
	.truncate = truncate_file,
	.allocate = allocate_file,
	.sync = sync_file,
	.clone = tmpfs_clone,
};
