/* SPDX-License-Identifier: MIT */
/*
 * fs/clone.h - bytes that two files share until one of them is written.
 */
#pragma once

#include "fs/file.h"

/* FICLONE, FICLONERANGE: both in one file system, open for what is done with them, and regular. */
MUST_CHECK int file_clone(struct file *to, struct file *from, const struct clone_range *range);

/* The part of copy_file_range(2) that needs no copying: bytes shared, 0 if none can be. */
uint64_t file_share(struct file *to, struct file *from, const struct clone_range *range);
