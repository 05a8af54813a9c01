/* SPDX-License-Identifier: MIT */
/*
 * tests/kernel/names_fixture.h - tests on files, each in a directory that it must leave empty.
 */
#pragma once

#include "kernel/ktest.h"
#include "fs/names.h"
#include "fs/tmpfs.h"

struct fixture {
	struct path root, dir;
};

static inline void fixture_begin(struct fixture *at)
{
	mount_root_path(&at->root);
	EXPECT_EQ(path_create(&at->root, "ktest", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_walk(&at->root, "ktest", PATH_DIRECTORY, &at->dir), 0);
}

static inline void fixture_end(struct fixture *at)
{
	path_put(&at->dir);
	EXPECT_EQ(path_unlink(&at->root, "ktest", true), 0);
	path_put(&at->root);
}

/* A new tmpfs there.  (A mount that fails takes its file system with it.) */
static inline int tmpfs_mount_on(const struct path *path)
{
	struct file_system *fs;
	int err = tmpfs_create("tmpfs", 0755, &fs);

	return err ? err : mount_add(path, fs, "test", 0);
}
