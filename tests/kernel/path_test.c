/* SPDX-License-Identifier: MIT */
/* Names to places: walking, links, mounts, and names in use that follow their files. */
#include "lib/string.h"
#include "kernel/hooks.h"
#include "fs/file.h"
#include "fs/tmpfs.h"
#include "tests/kernel/names_fixture.h"

/* Too long to lie inside the dentry. */
static const char long_name[] = "a-name-that-is-too-long-to-lie-inside-the-dentry";

/* Walk, and say only how it went. */
static int walk(const struct path *start, const char *name, unsigned flags)
{
	struct path path;
	int err = path_walk(start, name, flags, &path);

	if (!err)
		path_put(&path);
	return err;
}

static bool is_same_place(const struct path *start, const char *a, const char *b)
{
	struct path path_a, path_b;

	if (path_walk(start, a, PATH_FOLLOW, &path_a) != 0)
		return false;
	if (path_walk(start, b, PATH_FOLLOW, &path_b) != 0) {
		path_put(&path_a);
		return false;
	}
	bool is_same = path_a.dentry == path_b.dentry && path_a.mount == path_b.mount;

	path_put(&path_a);
	path_put(&path_b);
	return is_same;
}

static bool has_name(const struct path *path, const char *expected)
{
	char name[128];

	return path_name(path, NULL, false, name, sizeof(name)) == (ssize_t)strlen(expected) + 1 &&
	       string_equals(name, expected);
}

KTEST(path, slashes_and_dots_mean_the_same_place)
{
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "a", S_IFDIR | 0755, 0), 0);
	EXPECT(is_same_place(&at.dir, "a", "./a/"));
	EXPECT(is_same_place(&at.dir, "a", "a/../a/."));
	EXPECT(is_same_place(&at.dir, "a", "/ktest//a"));
	EXPECT(is_same_place(&at.dir, "/", "/../../.."));
	EXPECT_EQ(path_unlink(&at.dir, "a", true), 0);
	fixture_end(&at);
}

KTEST(path, walk_says_why_it_stopped)
{
	char name[NAME_MAX + 2];
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "file", S_IFREG | 0644, 0), 0);
	EXPECT_EQ(walk(&at.dir, "", 0), -ENOENT);
	EXPECT_EQ(walk(&at.dir, "missing", 0), -ENOENT);
	EXPECT_EQ(walk(&at.dir, "missing/below", 0), -ENOENT);
	EXPECT_EQ(walk(&at.dir, "file/below", 0), -ENOTDIR);
	EXPECT_EQ(walk(&at.dir, "file/", 0), -ENOTDIR);
	EXPECT_EQ(walk(&at.dir, "file/..", 0), -ENOTDIR);
	EXPECT_EQ(walk(&at.dir, "file", PATH_DIRECTORY), -ENOTDIR);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	EXPECT_EQ(walk(&at.dir, name, 0), -ENAMETOOLONG);
	EXPECT_EQ(path_create(&at.dir, name, S_IFREG, 0), -ENAMETOOLONG);
	EXPECT_EQ(path_unlink(&at.dir, "file", false), 0);
	fixture_end(&at);
}

KTEST(path, links_are_followed_where_they_should_be)
{
	struct fixture at;
	struct path path;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "d", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_create(&at.dir, "d/f", S_IFREG | 0644, 0), 0);
	EXPECT_EQ(path_symlink(&at.dir, "l", "d"), 0);
	EXPECT_EQ(path_symlink(&at.dir, "m", "/ktest/l/f"), 0);
	EXPECT(is_same_place(&at.dir, "m", "d/f"));
	EXPECT(is_same_place(&at.dir, "l/f", "d/f"));
	EXPECT(is_same_place(&at.dir, "l/..", "."));
	EXPECT_EQ(path_walk(&at.dir, "l", 0, &path), 0);
	EXPECT(inode_is(path_inode(&path), S_IFLNK));
	path_put(&path);
	EXPECT_EQ(path_walk(&at.dir, "l/", 0, &path), 0);
	EXPECT(inode_is(path_inode(&path), S_IFDIR));
	path_put(&path);
	EXPECT_EQ(path_unlink(&at.dir, "m", false), 0);
	EXPECT_EQ(path_unlink(&at.dir, "l", false), 0);
	EXPECT_EQ(path_unlink(&at.dir, "d/f", false), 0);
	EXPECT_EQ(path_unlink(&at.dir, "d", true), 0);
	fixture_end(&at);
}

KTEST(path, circle_of_links_ends)
{
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_symlink(&at.dir, "a", "b"), 0);
	EXPECT_EQ(path_symlink(&at.dir, "b", "a"), 0);
	EXPECT_EQ(walk(&at.dir, "a", PATH_FOLLOW), -ELOOP);
	EXPECT_EQ(walk(&at.dir, "a/x", 0), -ELOOP);
	EXPECT_EQ(walk(&at.dir, "a", 0), 0);
	EXPECT_EQ(path_unlink(&at.dir, "a", false), 0);
	EXPECT_EQ(path_unlink(&at.dir, "b", false), 0);
	fixture_end(&at);
}

KTEST(path, there_is_one_dentry_per_name)
{
	struct path first, second;
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "a", S_IFREG | 0644, 0), 0);
	EXPECT_EQ(path_walk(&at.dir, "a", 0, &first), 0);
	EXPECT_EQ(path_walk(&at.dir, "a", 0, &second), 0);
	EXPECT(first.dentry == second.dentry);
	path_put(&first);
	path_put(&second);
	EXPECT_EQ(path_unlink(&at.dir, "a", false), 0);
	fixture_end(&at);
}

KTEST(path, name_follows_a_rename)
{
	struct path path;
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "a", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_create(&at.dir, "a/b", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_walk(&at.dir, "a/b", 0, &path), 0);
	EXPECT(has_name(&path, "/ktest/a/b"));
	EXPECT_EQ(path_rename(&at.dir, "a", &at.dir, long_name, 0), 0);
	EXPECT(has_name(&path, "/ktest/a-name-that-is-too-long-to-lie-inside-the-dentry/b"));
	EXPECT_EQ(path_rename(&at.dir, long_name, &path, "../../c", 0), 0);
	EXPECT(has_name(&path, "/ktest/c/b"));
	EXPECT_EQ(walk(&path, "../../c/b", 0), 0);
	path_put(&path);
	EXPECT_EQ(path_unlink(&at.dir, "c/b", true), 0);
	EXPECT_EQ(path_unlink(&at.dir, "c", true), 0);
	fixture_end(&at);
}

KTEST(path, deleted_place_has_no_name)
{
	char name[64];
	struct path path;
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "a", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_walk(&at.dir, "a", 0, &path), 0);
	EXPECT_EQ(path_unlink(&at.dir, "a", true), 0);
	EXPECT_EQ(path_name(&path, NULL, false, name, sizeof(name)), -ENOENT);
	EXPECT(path_name(&path, NULL, true, name, sizeof(name)) > 0);
	EXPECT(string_equals(name, "/ktest/a (deleted)"));
	EXPECT_EQ(path_create(&path, "b", S_IFREG, 0), -ENOENT);
	EXPECT_EQ(walk(&path, "..", 0), 0);
	EXPECT_EQ(walk(&path, "b", 0), -ENOENT);
	path_put(&path);
	fixture_end(&at);
}

KTEST(path, name_that_does_not_fit_is_refused)
{
	char name[sizeof("/ktest")];
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_name(&at.dir, NULL, false, name, sizeof(name)), sizeof(name));
	EXPECT_EQ(path_name(&at.dir, NULL, false, name, sizeof(name) - 1), -ENAMETOOLONG);
	fixture_end(&at);
}

/* A tmpfs at `name`. */
static void mount_at(const struct fixture *at, const char *name)
{
	struct path path;

	EXPECT_EQ(path_walk(&at->dir, name, 0, &path), 0);
	EXPECT_EQ(tmpfs_mount_on(&path), 0);
	path_put(&path);
}

static int unmount_at(const struct fixture *at, const char *name, unsigned long flags)
{
	struct path path;
	int err = path_walk(&at->dir, name, 0, &path);

	if (!err) {
		err = mount_remove(&path, flags);
		path_put(&path);
	}
	return err;
}

KTEST(path, mount_covers_and_uncovers)
{
	struct path path;
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "m", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_create(&at.dir, "m/below", S_IFREG, 0), 0);
	mount_at(&at, "m");
	EXPECT_EQ(walk(&at.dir, "m/below", 0), -ENOENT);
	EXPECT_EQ(path_create(&at.dir, "m/above", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_walk(&at.dir, "m/above", 0, &path), 0);
	EXPECT(has_name(&path, "/ktest/m/above"));
	EXPECT(is_same_place(&path, "../..", "/ktest"));
	EXPECT_EQ(path_unlink(&at.dir, "m", true), -EBUSY);
	EXPECT_EQ(path_rename(&at.dir, "m", &at.dir, "n", 0), -EBUSY);
	EXPECT_EQ(path_rename(&at.dir, "m/above", &at.dir, "above", 0), -EXDEV);
	EXPECT_EQ(unmount_at(&at, "m", 0), -EBUSY);
	EXPECT_EQ(unmount_at(&at, "m/above", 0), -EINVAL);
	path_put(&path);
	EXPECT_EQ(unmount_at(&at, "m", 0), 0);
	EXPECT_EQ(walk(&at.dir, "m/above", 0), -ENOENT);
	EXPECT_EQ(path_unlink(&at.dir, "m/below", false), 0);
	EXPECT_EQ(path_unlink(&at.dir, "m", true), 0);
	fixture_end(&at);
}

KTEST(path, mounts_pile_up)
{
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "m", S_IFDIR | 0755, 0), 0);
	mount_at(&at, "m");
	EXPECT_EQ(path_create(&at.dir, "m/first", S_IFDIR | 0755, 0), 0);
	mount_at(&at, "m");
	EXPECT_EQ(walk(&at.dir, "m/first", 0), -ENOENT);
	EXPECT(is_same_place(&at.dir, "m/..", "."));
	EXPECT_EQ(unmount_at(&at, "m", 0), 0);
	EXPECT_EQ(walk(&at.dir, "m/first", 0), 0);
	mount_at(&at, "m/first");
	EXPECT_EQ(unmount_at(&at, "m", 0), -EBUSY);
	EXPECT_EQ(unmount_at(&at, "m", MNT_DETACH), 0);
	EXPECT_EQ(walk(&at.dir, "m/first", 0), -ENOENT);
	EXPECT_EQ(path_unlink(&at.dir, "m", true), 0);
	fixture_end(&at);
}

KTEST(path, detached_mount_lives_while_somebody_is_in_it)
{
	struct path path;
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "m", S_IFDIR | 0755, 0), 0);
	mount_at(&at, "m");
	EXPECT_EQ(path_create(&at.dir, "m/a", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_walk(&at.dir, "m/a", 0, &path), 0);
	EXPECT_EQ(unmount_at(&at, "m", MNT_DETACH), 0);
	EXPECT_EQ(path_create(&path, "b", S_IFREG, 0), 0);
	EXPECT(is_same_place(&path, "../..", ".."));
	path_put(&path);
	EXPECT_EQ(path_unlink(&at.dir, "m", true), 0);
	fixture_end(&at);
}

KTEST(path, read_only_mount_stays_as_it_is)
{
	struct path path;
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "m", S_IFDIR | 0755, 0), 0);
	mount_at(&at, "m");
	EXPECT_EQ(path_create(&at.dir, "m/a", S_IFREG, 0), 0);
	EXPECT_EQ(path_walk(&at.dir, "m", 0, &path), 0);
	EXPECT_EQ(mount_change(&path, MS_RDONLY, NULL), 0);
	EXPECT_EQ(path_create(&path, "b", S_IFREG, 0), -EROFS);
	EXPECT_EQ(path_create(&path, "a", S_IFREG, 0), -EEXIST);
	EXPECT_EQ(path_unlink(&path, "a", false), -EROFS);
	EXPECT_EQ(path_rename(&path, "a", &path, "b", 0), -EROFS);
	EXPECT_EQ(path_symlink(&path, "l", "a"), -EROFS);
	path_put(&path);
	EXPECT_EQ(unmount_at(&at, "m", 0), 0);
	EXPECT_EQ(path_unlink(&at.dir, "m", true), 0);
	fixture_end(&at);
}

KTEST(path, bind_shows_the_same_files)
{
	struct path a, b;
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "a", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_create(&at.dir, "b", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_create(&at.dir, "a/f", S_IFREG, 0), 0);
	EXPECT_EQ(path_walk(&at.dir, "a", 0, &a), 0);
	EXPECT_EQ(path_walk(&at.dir, "b", 0, &b), 0);
	EXPECT_EQ(mount_bind(&b, &a), 0);
	path_put(&b);
	EXPECT_EQ(path_walk(&at.dir, "b/f", 0, &b), 0);
	EXPECT(has_name(&b, "/ktest/b/f"));
	EXPECT(is_same_place(&at.dir, "b/..", "."));
	path_put(&b);
	path_put(&a);
	EXPECT_EQ(unmount_at(&at, "b", 0), 0);
	EXPECT_EQ(path_unlink(&at.dir, "a/f", false), 0);
	EXPECT_EQ(path_unlink(&at.dir, "a", true), 0);
	EXPECT_EQ(path_unlink(&at.dir, "b", true), 0);
	fixture_end(&at);
}

/* ---- no memory ---- */

/* A bit of everything; what fails is passed over. */
static void do_everything(const struct fixture *at)
{
	struct path path;
	struct file *file;

	path_create(&at->dir, "d", S_IFDIR | 0755, 0);
	if (path_walk(&at->dir, "d", 0, &path) == 0) {
		tmpfs_mount_on(&path);
		path_put(&path);
	}
	if (file_open(&at->dir, "f", O_RDWR | O_CREAT, 0600, &file) == 0) {
		file_write(file, buffer_kernel("text"), 4, NULL);
		path_link(&file->path, &at->dir, "g");
		file_put(file);
	}
	path_symlink(&at->dir, "l", "d");
	walk(&at->dir, "l/..", PATH_FOLLOW);
	if (path_walk(&at->dir, "f", 0, &path) == 0) {
		path_rename(&at->dir, "f", &at->dir, long_name, 0);
		path_put(&path);
	}
}

static void undo_everything(const struct fixture *at)
{
	unmount_at(at, "d", 0);
	path_unlink(&at->dir, "d", true);
	path_unlink(&at->dir, "f", false);
	path_unlink(&at->dir, "g", false);
	path_unlink(&at->dir, "l", false);
	path_unlink(&at->dir, long_name, false);
}

KTEST(path, failed_allocations_leave_nothing_behind)
{
	enum { POINTS = 80 };
	struct fixture at;

	fixture_begin(&at);
	for (uint64_t nth = 1; nth <= POINTS; nth++) {
		fault_points_arm(nth);
		do_everything(&at);
		fault_points_arm(0);
		undo_everything(&at);
	}
	fixture_end(&at);
}
