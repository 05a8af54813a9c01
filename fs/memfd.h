/* SPDX-License-Identifier: MIT */
/*
 * fs/memfd.h - files in memory without a name.
 */
#pragma once

#include "fs/file.h"

/* A fresh empty file, open for reading and writing; `name` is for /proc.  Seals may be put on it if
 * it is sealable.  -ENOMEM. */
MUST_CHECK int memfd_create(const char *name, bool is_sealable, struct file **out);

/* Once, after tmpfs is registered. */
void memfd_start(void);
