/* SPDX-License-Identifier: MIT */
/* fs/sysfs.h - /sys: settings and facts, one to a file. */
#pragma once

/* Register the file system type "sysfs".  Once. */
void sysfs_start(void);
