/* SPDX-License-Identifier: MIT */
/*
 * tests/user/overlay.c - one tree made of several: lookups, copies, removals, renames, containers.
 */
#include "overlay_tree.h"
#include "memory.h"

#include <sys/sysmacros.h>

static bool is_whiteout(const char *name)
{
	struct stat stat = stat_of(name);

	return S_ISCHR(stat.st_mode) && stat.st_rdev == makedev(0, 0);
}

/* ---- what is seen ---- */

OVERLAY_TEST(layers_are_merged)
{
	CHECK_LISTING(".", "deep dir file full gone link ");
	CHECK_LISTING("dir", "base both middle ");
	CHECK(file_holds("dir/both", "middle"));
	CHECK(file_holds("dir/base", "base"));
	CHECK(file_holds("link", "file"));
	CHECK(file_holds("deep/er/file", "deep"));
	CHECK_ERRNO(access("nothing", F_OK), ENOENT);
	CHECK_LISTING("../upper", "");
}

OVERLAY_TEST(numbers_stay_the_same)
{
	struct stat before = stat_of("file"), again = stat_of("file"), opened;
	int fd = open("file", O_RDWR);

	CHECK_EQ(before.st_ino, again.st_ino);
	CHECK_EQ(fstat(fd, &opened), 0);
	CHECK_EQ(opened.st_ino, before.st_ino);
	CHECK_EQ(opened.st_dev, before.st_dev);
	close(fd);
	CHECK_EQ(stat_of("file").st_ino, before.st_ino);
	CHECK(stat_of("dir/base").st_ino != before.st_ino);
	CHECK_EQ(stat_of("dir").st_dev, stat_of(".").st_dev);
}

/* ---- copying up ---- */

OVERLAY_TEST(writing_leaves_the_lower_layer_alone)
{
	int fd = open("deep/er/file", O_RDWR | O_APPEND);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "er", 2), 2);
	close(fd);
	CHECK(file_holds("deep/er/file", "deeper"));
	CHECK(file_holds("../base/deep/er/file", "deep"));
	CHECK(file_holds("../upper/deep/er/file", "deeper"));
	CHECK_LISTING("deep/er", "file ");
	CHECK_LISTING("../upper", "deep ");
}

OVERLAY_TEST(reading_copies_nothing)
{
	CHECK(file_holds("file", "file"));
	int fd = open("dir", O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0);
	close(fd);
	CHECK_LISTING("../upper", "");
}

OVERLAY_TEST(attributes_are_copied_before_they_change)
{
	struct stat before = stat_of("file");

	CHECK_EQ(chmod("file", 0600), 0);
	CHECK_EQ(stat_of("file").st_mode & 0777, 0600);
	CHECK_EQ(stat_of("file").st_mtime, before.st_mtime);
	CHECK_EQ(stat_of("../base/file").st_mode & 0777, 0644);
	CHECK(file_holds("../upper/file", "file"));
	CHECK_EQ(truncate("gone", 2), 0);
	CHECK(file_holds("gone", "go"));
	CHECK(file_holds("../base/gone", "gone"));
	CHECK_EQ(chmod("dir", 0711), 0);
	CHECK_EQ(stat_of("dir").st_mode & 0777, 0711);
	CHECK_EQ(stat_of("../middle/dir").st_mode & 0777, 0755);
	CHECK_LISTING("dir", "base both middle ");
	int fd = open("deep/er/file", O_WRONLY | O_TRUNC);
	CHECK(fd >= 0);
	close(fd);
	CHECK(file_holds("deep/er/file", ""));
	CHECK(file_holds("../base/deep/er/file", "deep"));
}

OVERLAY_TEST(mapping_of_a_copied_file)
{
	int fd = open("file", O_RDWR);
	volatile char *memory =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(memory != MAP_FAILED);
	memory[0] = 'F';
	CHECK(file_holds("file", "File"));
	CHECK(file_holds("../base/file", "file"));
	CHECK_EQ(munmap((void *)memory, PAGE), 0);
	close(fd);
}

/* Whoever writes to a program takes its set-id bits, in the merged tree too. */
OVERLAY_TEST(writing_takes_set_id_bits)
{
	int fd = open("file", O_RDWR);

	CHECK_EQ(fchmod(fd, 06777), 0);
	close(fd);
	int dir = open(".", O_RDONLY | O_DIRECTORY);
	CHECK_EQ(stat_of("file").st_mode & 07777, 06777);
	CHECK_EQ(chmod(temp_name, 0755), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(setgid(1000), 0);
		CHECK_EQ(setuid(1000), 0);
		CHECK_EQ(fchdir(dir), 0);
		fd = openat(dir, "file", O_WRONLY);
		CHECK(fd >= 0);
		CHECK_EQ(write(fd, "x", 1), 1);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	close(dir);
	CHECK_EQ(stat_of("file").st_mode & 07777, 0777);
}

/* ---- making and removing ---- */

OVERLAY_TEST(new_files_are_in_the_upper_layer)
{
	file_make("new", "new");
	file_make("dir/new", "new");
	make_dir("dir/sub");
	CHECK_EQ(symlink("x", "full/link"), 0);
	CHECK_LISTING("dir", "base both middle new sub ");
	CHECK_LISTING("../upper", "dir full new ");
	CHECK_LISTING("../upper/dir", "new sub ");
	CHECK_ERRNO(mkdir("dir", 0755), EEXIST);
	CHECK_ERRNO(open("file", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
}

OVERLAY_TEST(removing_leaves_a_whiteout)
{
	CHECK_EQ(unlink("gone"), 0);
	CHECK_ERRNO(access("gone", F_OK), ENOENT);
	CHECK_LISTING(".", "deep dir file full link ");
	CHECK(is_whiteout("../upper/gone"));
	CHECK(file_holds("../base/gone", "gone"));
	file_make("gone", "back");
	CHECK(file_holds("gone", "back"));
	CHECK(file_holds("../upper/gone", "back"));
	CHECK_EQ(unlink("gone"), 0);
	CHECK_ERRNO(access("gone", F_OK), ENOENT);
	file_make("only", "here");
	CHECK_EQ(unlink("only"), 0);
	CHECK_LISTING("../upper", "gone ");
}

OVERLAY_TEST(directories_are_removed_when_nothing_shows)
{
	CHECK_ERRNO(rmdir("full"), ENOTEMPTY);
	CHECK_EQ(unlink("full/1"), 0);
	CHECK_ERRNO(rmdir("full"), ENOTEMPTY);
	CHECK_EQ(unlink("full/2"), 0);
	CHECK_LISTING("full", "");
	CHECK_EQ(rmdir("full"), 0);
	CHECK_ERRNO(access("full", F_OK), ENOENT);
	CHECK(is_whiteout("../upper/full"));
	make_dir("full");
	CHECK_LISTING("full", "");
	file_make("full/3", "3");
	CHECK_LISTING("full", "3 ");
	CHECK_LISTING("../middle/full", "1 2 ");
}

OVERLAY_TEST(open_files_outlive_their_names)
{
	int fd = open("file", O_RDONLY);
	char bytes[8];

	CHECK_EQ(unlink("file"), 0);
	CHECK_EQ(read(fd, bytes, sizeof(bytes)), 4);
	CHECK(file_holds("../base/file", "file"));
	CHECK_EQ(stat_of("../base/file").st_mode & 0777, 0644);
	CHECK_ERRNO(access("file", F_OK), ENOENT);
	close(fd);
}

/* ---- links and renames ---- */

OVERLAY_TEST(files_are_renamed)
{
	CHECK_EQ(rename("gone", "dir/here"), 0);
	CHECK(file_holds("dir/here", "gone"));
	CHECK_ERRNO(access("gone", F_OK), ENOENT);
	CHECK_EQ(rename("file", "dir/both"), 0);
	CHECK(file_holds("dir/both", "file"));
	CHECK_LISTING("dir", "base both here middle ");
	CHECK_LISTING(".", "deep dir full link ");
	CHECK(file_holds("../base/file", "file"));
	CHECK(file_holds("../middle/dir/both", "middle"));
	file_make("a", "a");
	CHECK_EQ(rename("a", "b"), 0);
	CHECK_LISTING("../upper", "b dir file gone ");
	CHECK_EQ(link("b", "c"), 0);
	CHECK_EQ(link("deep/er/file", "linked"), 0);
	CHECK(file_holds("c", "a"));
	CHECK(file_holds("linked", "deep"));
	CHECK_EQ(stat_of("linked").st_nlink, 2);
}

OVERLAY_TEST(directories_of_lower_layers_stay_where_they_are)
{
	CHECK_ERRNO(rename("dir", "other"), EXDEV);
	make_dir("new");
	file_make("new/file", "new");
	CHECK_EQ(rename("new", "moved"), 0);
	CHECK(file_holds("moved/file", "new"));
	CHECK_ERRNO(rename("moved", "full"), ENOTEMPTY);
	CHECK_EQ(unlink("full/1"), 0);
	CHECK_EQ(unlink("full/2"), 0);
	CHECK_EQ(rename("moved", "full"), 0);
	CHECK_LISTING("full", "file ");
}

/* Who stands in a file while others change it sees the change. */
OVERLAY_TEST(a_child_sees_what_the_parent_changed)
{
	struct gate gate = gate_new();
	int dir = open("dir", O_RDONLY | O_DIRECTORY);
	pid_t pid = fork();

	if (pid == 0) {
		gate_pass(gate);
		int fd = openat(dir, "both", O_RDONLY);
		char bytes[8] = "";
		CHECK_EQ(read(fd, bytes, 8), 7);
		CHECK_EQ(strcmp(bytes, "changed"), 0);
		CHECK_EQ(faccessat(dir, "base", F_OK, 0), -1);
		_exit(0);
	}
	file_make("dir/both", "changed");
	CHECK_EQ(unlink("dir/base"), 0);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	close(dir);
}

/* ---- mounting ---- */

DIR_TEST(without_an_upper_layer_nothing_changes)
{
	layers_make();
	if (overlay_try("lowerdir=middle:base") < 0 && errno == EPERM)
		SKIP("no overlays here");
	CHECK_EQ(chdir("merged"), 0);
	CHECK(file_holds("dir/both", "middle"));
	CHECK_ERRNO(open("new", O_CREAT | O_RDWR, 0644), EROFS);
	CHECK_ERRNO(open("file", O_RDWR), EROFS);
	CHECK_ERRNO(unlink("file"), EROFS);
	CHECK_ERRNO(chmod("file", 0600), EROFS);
	CHECK_ERRNO(mkdir("x", 0755), EROFS);
	CHECK_ERRNO(rename("file", "y"), EROFS);
	overlay_end();
}

DIR_TEST(options_are_judged)
{
	layers_make();
	if (overlay_try("lowerdir=middle:base") < 0 && errno == EPERM)
		SKIP("no overlays here");
	CHECK_EQ(umount("merged"), 0);
	CHECK_ERRNO(overlay_try("upperdir=upper,workdir=work"), EINVAL);
	CHECK_ERRNO(overlay_try("lowerdir=base,upperdir=upper"), EINVAL);
	CHECK_ERRNO(overlay_try("lowerdir=base,upperdir=upper,workdir=upper"), EINVAL);
	CHECK_ERRNO(overlay_try("lowerdir=base"), EINVAL);
	CHECK_ERRNO(overlay_try("lowerdir=middle:base,nonsense=1"), EINVAL);
	CHECK_ERRNO(overlay_try("lowerdir=nothing"), ENOENT);
	CHECK_ERRNO(overlay_try("lowerdir=middle:base/file"), EINVAL);
	CHECK_EQ(overlay_try("lowerdir=base:middle"), 0);
	overlay_end();
}

/* What was changed is there again when the same layers are mounted again. */
OVERLAY_TEST(changes_last)
{
	struct stat before;

	file_make("dir/both", "changed");
	CHECK_EQ(unlink("gone"), 0);
	before = stat_of("dir/both");
	CHECK_EQ(chdir(temp_name), 0);
	CHECK_EQ(umount("merged"), 0);
	CHECK_EQ(overlay_try("lowerdir=middle:base,upperdir=upper,workdir=work"), 0);
	CHECK_EQ(chdir("merged"), 0);
	CHECK(file_holds("dir/both", "changed"));
	CHECK_EQ(stat_of("dir/both").st_ino, before.st_ino);
	CHECK_ERRNO(access("gone", F_OK), ENOENT);
}

/* A container: two roots over one base, each with changes of its own. */
OVERLAY_TEST(two_containers_share_a_base)
{
	int status[2];

	CHECK_EQ(chdir(temp_name), 0);
	make_dir("upper2");
	make_dir("work2");
	make_dir("merged2");
	CHECK_EQ(mount("overlay", "merged2", "overlay", 0,
		"lowerdir=middle:base,upperdir=upper2,workdir=work2"), 0);
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			CHECK_EQ(chroot(i ? "merged2" : "merged"), 0);
			CHECK_EQ(chdir("/"), 0);
			CHECK(file_holds("/file", "file"));
			file_make("/file", i ? "two" : "one");
			CHECK_EQ(unlink(i ? "/gone" : "/link"), 0);
			_exit(0);
		}
		status[i] = utest_wait(pid);
	}
	CHECK(status[0] == 0 && status[1] == 0);
	CHECK(file_holds("merged/file", "one"));
	CHECK(file_holds("merged2/file", "two"));
	CHECK(file_holds("base/file", "file"));
	CHECK(file_exists("merged/gone") && !file_exists("merged2/gone"));
	CHECK_EQ(umount("merged2"), 0);
	CHECK_EQ(chdir("merged"), 0);
}
