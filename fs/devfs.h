/* SPDX-License-Identifier: MIT */
/*
 * fs/devfs.h - the simple devices, and a directory of all.
 */
#pragma once

/* Register null, zero, full, random, urandom and kmsg, and the file system type "devtmpfs": a tmpfs
 * that is born with a node for every device.  Once, after tmpfs is registered. */
void devfs_start(void);
