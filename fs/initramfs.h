/* SPDX-License-Identifier: MIT */
/*
 * fs/initramfs.h - unpacks the boot archive into the root file system.
 *
 * The archive is newc cpio, as it is or packed by gzip.  Damage is reported on the console, and
 * what was unpacked before it stays.
 */
#pragma once

#include "lib/types.h"

/* If the archive is packed, unpack it into a stretch of RAM of its own.  Before frames_start(), the
 * only time when memory comes in long pieces. */
void initramfs_inflate(void);

/* Fill the root from the archive, give the archive's memory back, see to /dev/console.  After
 * tmpfs_start().  0, or -EINVAL: damaged; -ENOMEM. */
int initramfs_unpack(void);
