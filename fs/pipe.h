/* SPDX-License-Identifier: MIT */
/*
 * fs/pipe.h - pipes and FIFOs.
 *
 * A ring of bytes between those who write and those who read.  pipe(2) makes a nameless one; a FIFO
 * is a name at which the same thing is met, and its ring lives while somebody has it open.
 */
#pragma once

#include "fs/file.h"

/* How an open file of a FIFO behaves: for inodes of kind S_IFIFO. */
extern const struct file_ops pipe_file_ops;

/* Pages that a user, not the superuser, may have in pipes; 0: any number.  Beyond the soft limit
 * new pipes are small and none can grow, beyond the hard one there are no new ones. */
extern struct pipe_limits {
	int64_t soft, hard;
} pipe_limits;

/* Both ends of a new pipe; flags may hold O_NONBLOCK.  0; -ENFILE: the user has too many;
 * -ENOMEM. */
int pipe_create(uint32_t flags, struct file **reader, struct file **writer);

/* F_GETPIPE_SZ and F_SETPIPE_SZ: the capacity in bytes.  -EBADF: no pipe; -EBUSY: it holds more;
 * -EPERM: too large, for any pipe or for all of the user's; -ENOMEM. */
long pipe_get_size(struct file *file);
long pipe_set_size(struct file *file, uint64_t size);

/* Make the home of nameless pipes.  Once, at boot. */
void pipes_start(void);
