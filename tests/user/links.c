/* SPDX-License-Identifier: MIT */
/* Hard and symbolic links, unlink and rmdir. */
#include "temp_dir.h"

DIR_TEST(hard_links_are_one_file)
{
	file_make("a", "text");
	CHECK_EQ(link("a", "b"), 0);
	CHECK_EQ(stat_of("a").st_nlink, 2);
	CHECK_EQ(stat_of("a").st_ino, stat_of("b").st_ino);
	int fd = open("b", O_WRONLY | O_APPEND);

	CHECK_EQ(write(fd, "!", 1), 1);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(unlink("b"), 0);
	CHECK(file_holds("a", "text!"));
	CHECK_EQ(stat_of("a").st_nlink, 1);
}

DIR_TEST(link_refuses)
{
	file_make("a", "");
	file_make("b", "");
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_ERRNO(link("a", "b"), EEXIST);
	CHECK_ERRNO(link("d", "e"), EPERM);
	CHECK_ERRNO(link("none", "e"), ENOENT);
	CHECK_ERRNO(link("a", "none/e"), ENOENT);
}

DIR_TEST(link_to_a_link)
{
	file_make("a", "text");
	CHECK_EQ(symlink("a", "l"), 0);
	CHECK_EQ(link("l", "m"), 0);
	CHECK(S_ISLNK(stat_of("m").st_mode));
	CHECK_EQ(linkat(AT_FDCWD, "l", AT_FDCWD, "n", AT_SYMLINK_FOLLOW), 0);
	CHECK(S_ISREG(stat_of("n").st_mode));
}

DIR_TEST(unlinked_file_lives_while_it_is_open)
{
	char bytes[8];
	int fd = file_with("a", "text");
	struct stat stat;

	CHECK_EQ(unlink("a"), 0);
	CHECK(!file_exists("a"));
	CHECK_EQ(fstat(fd, &stat), 0);
	CHECK_EQ(stat.st_nlink, 0);
	CHECK_EQ(pread(fd, bytes, sizeof(bytes), 0), 4);
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(unlink_and_rmdir_know_the_difference)
{
	CHECK_EQ(mkdir("d", 0755), 0);
	file_make("f", "");
	file_make("d/f", "");
	CHECK_ERRNO(unlink("d"), EISDIR);
	CHECK_ERRNO(rmdir("f"), ENOTDIR);
	CHECK_ERRNO(rmdir("d"), ENOTEMPTY);
	CHECK_ERRNO(rmdir("d/."), EINVAL);
	CHECK_ERRNO(rmdir("d/.."), ENOTEMPTY);
	CHECK_ERRNO(unlink("f/"), ENOTDIR);
	CHECK_ERRNO(unlink("none"), ENOENT);
	CHECK_EQ(unlink("d/f"), 0);
	CHECK_EQ(rmdir("d/"), 0);
	CHECK_ERRNO(unlinkat(AT_FDCWD, "f", 1), EINVAL);
	CHECK_EQ(unlinkat(AT_FDCWD, "f", 0), 0);
}

DIR_TEST(removed_directory_is_a_dead_end)
{
	char name[256];
	struct stat stat;

	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_EQ(chdir("d"), 0);
	CHECK_EQ(rmdir("../d"), 0);
	CHECK_ERRNO(open("f", O_WRONLY | O_CREAT, 0644), ENOENT);
	CHECK_ERRNO(mkdir("e", 0755), ENOENT);
	CHECK_EQ(fstatat(AT_FDCWD, ".", &stat, 0), 0);
	CHECK_EQ(stat.st_nlink, 0);
	CHECK(getcwd(name, sizeof(name)) == NULL && errno == ENOENT);
	CHECK_EQ(chdir(".."), 0);
}

DIR_TEST(symbolic_link_says_what_it_was_given)
{
	char text[16];

	CHECK_EQ(symlink("some/where", "l"), 0);
	CHECK_EQ(readlink("l", text, sizeof(text)), 10);
	CHECK(memcmp(text, "some/where", 10) == 0);
	CHECK_EQ(readlink("l", text, 4), 4);
	CHECK_EQ(stat_of("l").st_size, 10);
	CHECK_EQ(stat_of("l").st_mode, S_IFLNK | 0777);
	file_make("f", "");
	CHECK_ERRNO(readlink("f", text, sizeof(text)), EINVAL);
	CHECK_ERRNO(readlink("none", text, sizeof(text)), ENOENT);
	CHECK_ERRNO(symlink("x", "l"), EEXIST);
	CHECK_ERRNO(symlink("", "m"), ENOENT);
}

DIR_TEST(symbolic_links_are_followed)
{
	struct stat stat_link;

	CHECK_EQ(mkdir("d", 0755), 0);
	file_make("d/f", "text");
	CHECK_EQ(symlink("d", "to-dir"), 0);
	CHECK_EQ(symlink("to-dir/f", "to-file"), 0);
	CHECK(file_holds("to-file", "text"));
	CHECK_EQ(stat("to-file", &stat_link), 0);
	CHECK_EQ(stat_link.st_ino, stat_of("d/f").st_ino);
	CHECK_EQ(chmod("to-file", 0600), 0);
	CHECK_EQ(stat_of("d/f").st_mode & 0777, 0600);
	CHECK_EQ(unlink("to-file"), 0);
	CHECK(file_exists("d/f"));
	CHECK_ERRNO(rmdir("to-dir"), ENOTDIR);
}

DIR_TEST(forty_links_are_enough)
{
	char name[16], target[16];
	struct stat unused;

	file_make("0", "");
	for (int i = 1; i <= 41; i++) {
		snprintf(name, sizeof(name), "%d", i);
		snprintf(target, sizeof(target), "%d", i - 1);
		CHECK_EQ(symlink(target, name), 0);
	}
	CHECK_EQ(stat("40", &unused), 0);
	CHECK_ERRNO(stat("41", &unused), ELOOP);
}

DIR_TEST(dots_are_there_already)
{
	file_make("f", "");
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_ERRNO(symlink("x", "."), EEXIST);
	CHECK_ERRNO(symlink("x", "d/.."), EEXIST);
	CHECK_ERRNO(symlink("x", "/"), EEXIST);
	CHECK_ERRNO(link("f", "."), EEXIST);
	CHECK_ERRNO(link("f", "d/."), EEXIST);
	CHECK_ERRNO(symlink("x", "d/"), EEXIST);
	CHECK_ERRNO(symlink("x", "new/"), ENOENT);
	CHECK_ERRNO(link("f", "new/"), ENOENT);
	CHECK_EQ(rmdir("d"), 0);
}

DIR_TEST(nothing_has_no_target)
{
	char text[8];

	CHECK_ERRNO(readlink("", text, sizeof(text)), ENOENT);
	CHECK_ERRNO(readlink(".", text, sizeof(text)), EINVAL);
}
