/* SPDX-License-Identifier: MIT */
/* rename(2) and renameat2(2): what takes the place of what. */
#include "temp_dir.h"

#include <sys/syscall.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif

static int rename_with(const char *old, const char *new, unsigned flags)
{
	return (int)syscall(SYS_renameat2, AT_FDCWD, old, AT_FDCWD, new, flags);
}

DIR_TEST(file_takes_the_name_of_another)
{
	file_make("a", "a");
	file_make("b", "b");
	int old = open("b", O_RDONLY);
	char byte;

	CHECK_EQ(rename("a", "b"), 0);
	CHECK(!file_exists("a"));
	CHECK(file_holds("b", "a"));
	CHECK_EQ(read(old, &byte, 1), 1);
	CHECK_EQ(byte, 'b');
	CHECK_EQ(close(old), 0);
}

DIR_TEST(two_names_of_one_file_both_stay)
{
	file_make("a", "text");
	CHECK_EQ(link("a", "b"), 0);
	CHECK_EQ(rename("a", "b"), 0);
	CHECK(file_exists("a") && file_exists("b"));
	CHECK_EQ(rename("a", "a"), 0);
}

DIR_TEST(directory_takes_the_name_of_an_empty_one)
{
	CHECK_EQ(mkdir("a", 0755), 0);
	CHECK_EQ(mkdir("b", 0755), 0);
	file_make("a/f", "text");
	CHECK_ERRNO(rename("b", "a"), ENOTEMPTY);
	CHECK_EQ(rename("a", "b"), 0);
	CHECK(file_holds("b/f", "text"));
	CHECK(!file_exists("a"));
}

DIR_TEST(kinds_must_agree)
{
	CHECK_EQ(mkdir("d", 0755), 0);
	file_make("f", "");
	CHECK_ERRNO(rename("f", "d"), EISDIR);
	CHECK_ERRNO(rename("d", "f"), ENOTDIR);
	CHECK_ERRNO(rename("f", "g/"), ENOTDIR);
	CHECK_EQ(rename("d", "e/"), 0);
}

DIR_TEST(directory_does_not_go_into_itself)
{
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_EQ(mkdir("d/e", 0755), 0);
	CHECK_ERRNO(rename("d", "d/e/f"), EINVAL);
	CHECK_ERRNO(rename("d", "d/f"), EINVAL);
	CHECK_ERRNO(rename("d/e", "d"), ENOTEMPTY);
}

DIR_TEST(dots_are_busy)
{
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_ERRNO(rename("d/.", "e"), EBUSY);
	CHECK_ERRNO(rename("d", "e/.."), ENOENT);
	CHECK_ERRNO(rename("d", ".."), EBUSY);
	CHECK_ERRNO(rename("none", "e"), ENOENT);
}

DIR_TEST(moving_a_directory_changes_its_parent)
{
	struct stat before, after;

	CHECK_EQ(mkdir("a", 0755), 0);
	CHECK_EQ(mkdir("b", 0755), 0);
	CHECK_EQ(mkdir("a/x", 0755), 0);
	CHECK_EQ(stat("b", &before), 0);
	CHECK_EQ(chdir("a/x"), 0);
	CHECK_EQ(rename("../../a/x", "../../b/y"), 0);
	CHECK_EQ(stat("..", &after), 0);
	CHECK_EQ(after.st_ino, before.st_ino);
	char name[256];

	CHECK(getcwd(name, sizeof(name)) != NULL);
	CHECK(strcmp(strrchr(name, '/'), "/y") == 0);
	CHECK_EQ(chdir("../.."), 0);
}

DIR_TEST(noreplace_keeps_what_is_there)
{
	file_make("a", "a");
	file_make("b", "b");
	CHECK_ERRNO(rename_with("a", "b", RENAME_NOREPLACE), EEXIST);
	CHECK(file_holds("b", "b"));
	CHECK_EQ(rename_with("a", "c", RENAME_NOREPLACE), 0);
	CHECK(file_holds("c", "a"));
}

DIR_TEST(exchange_swaps)
{
	CHECK_EQ(mkdir("d", 0755), 0);
	file_make("d/f", "inside");
	file_make("g", "outside");
	CHECK_EQ(rename_with("d", "g", RENAME_EXCHANGE), 0);
	CHECK(file_holds("g/f", "inside"));
	CHECK(file_holds("d", "outside"));
	CHECK_ERRNO(rename_with("d", "none", RENAME_EXCHANGE), ENOENT);
	CHECK_ERRNO(rename_with("g", "g/f", RENAME_EXCHANGE), EINVAL);
	CHECK_ERRNO(rename_with("d", "g", RENAME_EXCHANGE | RENAME_NOREPLACE), EINVAL);
	CHECK_ERRNO(rename_with("d", "g", 64), EINVAL);
}

/* Who is exchanged into another directory gets another "..". */
DIR_TEST(exchanged_directories_must_be_writable)
{
	if (geteuid() != 0)
		SKIP("needs a user without rights");
	CHECK_EQ(chmod(".", 0755), 0);
	CHECK_EQ(mkdir("from", 0777), 0);
	CHECK_EQ(mkdir("to", 0777), 0);
	CHECK_EQ(chmod("from", 0777), 0);
	CHECK_EQ(chmod("to", 0777), 0);
	file_make("from/file", "");
	CHECK_EQ(mkdir("to/dir", 0755), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(setresuid(1234, 1234, 1234), 0);
		CHECK_ERRNO(rename_with("from/file", "to/dir", RENAME_EXCHANGE), EACCES);
		CHECK_ERRNO(rename_with("to/dir", "from/file", RENAME_EXCHANGE), EACCES);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(chmod("to/dir", 0777), 0);
	pid = fork();
	if (pid == 0) {
		CHECK_EQ(setresuid(1234, 1234, 1234), 0);
		CHECK_EQ(rename_with("from/file", "to/dir", RENAME_EXCHANGE), 0);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
}
