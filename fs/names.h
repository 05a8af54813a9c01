/* SPDX-License-Identifier: MIT */
/*
 * fs/names.h - changes to the tree of names.
 *
 * Each checks permissions, read-only mounts and the rules of the man page, then changes the
 * directory and the names in use together, under the file system's names_lock.
 */
#pragma once

#include "fs/path.h"

/* mknod, mkdir: any kind by the S_IFMT bits; the umask is applied. */
int path_create(const struct path *start, const char *name, uint32_t mode, uint64_t rdev);
int path_unlink(const struct path *start, const char *name, bool is_directory);
int path_symlink(const struct path *start, const char *name, const char *target);
int path_link(const struct path *old, const struct path *start, const char *name);
int path_rename(const struct path *old_start, const char *old_name,
		const struct path *new_start, const char *new_name, unsigned flags);

/* A name in a directory already found: open(2) with O_CREAT.  *made, counted, is the file made here
 * and no other, whatever becomes of the name.  -EEXIST if it is there. */
int name_create(const struct path *dir, const char *name, size_t len, uint32_t mode,
		struct path *made);
