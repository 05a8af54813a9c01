/* SPDX-License-Identifier: MIT */
/*
 * fs/clone.c - bytes that two files share until one of them is written.
 *
 * See: ioctl_ficlonerange(2), copy_file_range(2); mm/clone.c, where it is done.
 */
#include "fs/clone.h"

static int clone_check(const struct file *to, const struct file *from)
{
	if (inode_is(from->inode, S_IFDIR) || inode_is(to->inode, S_IFDIR))
		return -EISDIR;
	if (!inode_is(from->inode, S_IFREG) || !inode_is(to->inode, S_IFREG))
		return -EINVAL;
	if (!file_can_read(from) || !file_can_write(to) || (to->flags & O_APPEND))
		return -EBADF;
	return 0;
}

int file_clone(struct file *to, struct file *from, const struct clone_range *range)
{
	int err = from->inode->fs != to->inode->fs ? -EXDEV : clone_check(to, from);

	if (err)
		return err;
	if (!to->ops->clone || to->ops->clone != from->ops->clone)
		return -EOPNOTSUPP;
	int64_t done = to->ops->clone(to, from, range);

	return done < 0 ? (int)done : 0;
}

uint64_t file_share(struct file *to, struct file *from, const struct clone_range *range)
{
	bool is_whole_pages = range->from_at % PAGE_SIZE == 0 && range->to_at % PAGE_SIZE == 0;

	if (!is_whole_pages || !range->len || !to->ops->clone || to->ops->clone != from->ops->clone)
		return 0;
	int64_t done = to->ops->clone(to, from, range);

	return done > 0 ? (uint64_t)done : 0;
}
