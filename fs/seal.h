/* SPDX-License-Identifier: MIT */
/*
 * fs/seal.h - what may no longer be done to a file in memory.
 *
 * A program that gets a file from another one can rely on a seal: nobody takes it off.  Files are
 * born with F_SEAL_SEAL, so that none can be put on; memfd_create(2) makes others on request.
 */
#pragma once

#include "fs/file.h"

/* fcntl(2): F_ADD_SEALS and F_GET_SEALS.  -EINVAL: no such file, or no such seal; -EPERM: sealed,
 * or not open for writing; -EBUSY: F_SEAL_WRITE while somebody may write a mapping. */
MUST_CHECK int seals_add(struct file *file, uint64_t seals);
int seals_get(struct file *file);

/* -EPERM if a seal forbids it: writing bytes, another size, a mapping (which may lose the right to
 * become writable). */
MUST_CHECK int seal_check_write(struct inode *inode, uint64_t at, uint64_t len)
	REQUIRES(inode->lock);
MUST_CHECK int seal_check_resize(struct inode *inode, uint64_t size) REQUIRES(inode->lock);
MUST_CHECK int seal_check_map(struct inode *inode, struct map_request *request);

/* May seals still come?  Then who maps it to write holds the inode's lock until the range is there,
 * so that F_SEAL_WRITE sees it. */
bool seals_may_come(const struct inode *inode);
