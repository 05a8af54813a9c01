/* SPDX-License-Identifier: MIT */
/*
 * fs/seal.c - what may no longer be done to a file in memory.
 *
 * Locks: the inode's lock for the seals.
 * See: memfd_create(2), fcntl(2) under "File Sealing".
 */
#include "fs/seal.h"
#include "lib/abi/mman.h"
#include "lib/atomic.h"
#include "mm/mmap.h"

enum {
	SEALS_ALL = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE,
	SEALS_WRITE = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE,
};

int seals_add(struct file *file, uint64_t seals)
{
	struct inode *inode = file->inode;
	int err = 0;

	if (!inode->object)
		return -EINVAL;
	if (!file_can_write(file))
		return -EPERM;
	if (seals & ~(uint64_t)SEALS_ALL)
		return -EINVAL;
	mutex_lock(&inode->lock);
	if (inode->seals & F_SEAL_SEAL)
		err = -EPERM;
	else if (seals & F_SEAL_WRITE && !(inode->seals & F_SEAL_WRITE) &&
		 atomic_load_acquire(&inode->object->writers))
		err = -EBUSY;
	else
		inode->seals |= (uint32_t)seals;
	mutex_unlock(&inode->lock);
	return err;
}

int seals_get(struct file *file)
{
	return file->inode->object ? (int)atomic_load_relaxed(&file->inode->seals) : -EINVAL;
}

int seal_check_write(struct inode *inode, uint64_t at, uint64_t len)
{
	if (inode->seals & SEALS_WRITE)
		return -EPERM;
	return inode->seals & F_SEAL_GROW && at + len > object_size(inode->object) ? -EPERM : 0;
}

int seal_check_resize(struct inode *inode, uint64_t size)
{
	uint64_t old = object_size(inode->object);
	uint32_t forbidden = size < old ? F_SEAL_SHRINK : size > old ? F_SEAL_GROW : 0;

	return inode->seals & forbidden ? -EPERM : 0;
}

int seal_check_map(struct inode *inode, struct map_request *request)
{
	bool is_shared = (request->flags & MAP_TYPE) != MAP_PRIVATE;

	if (!is_shared || !(atomic_load_relaxed(&inode->seals) & SEALS_WRITE))
		return 0;
	if (request->prot & PROT_WRITE)
		return -EPERM;
	request->vma_flags &= ~(uint32_t)VMA_MAYWRITE;
	return 0;
}

bool seals_may_come(const struct inode *inode)
{
	return inode->object && !(atomic_load_relaxed(&inode->seals) & F_SEAL_SEAL);
}
