/* SPDX-License-Identifier: MIT */
/* Listing directories: every name once, in pieces of any size, while names come and go. */
#include "temp_dir.h"

#include <dirent.h>
#include <sys/syscall.h>

enum { NAMES = 500 };

static void name_make(int i)
{
	char name[32];

	snprintf(name, sizeof(name), "name-%d", i);
	file_make(name, "");
}

static void name_remove(int i)
{
	char name[32];

	snprintf(name, sizeof(name), "name-%d", i);
	CHECK_EQ(unlink(name), 0);
}

DIR_TEST(every_name_comes_once)
{
	static int seen[NAMES];
	int others = 0;

	for (int i = 0; i < NAMES; i++)
		name_make(i);
	DIR *dir = opendir(".");
	struct dirent *entry;

	CHECK(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		int i;

		if (sscanf(entry->d_name, "name-%d", &i) == 1) {
			seen[i]++;
			CHECK_EQ(entry->d_type, DT_REG);
		} else {
			others++;
			CHECK_EQ(entry->d_type, DT_DIR);
		}
	}
	for (int i = 0; i < NAMES; i++)
		CHECK_EQ(seen[i], 1);
	CHECK_EQ(others, 2);
	CHECK_EQ(closedir(dir), 0);
}

DIR_TEST(removing_while_listing_skips_nobody)
{
	int removed = 0;

	for (int i = 0; i < NAMES; i++)
		name_make(i);
	DIR *dir = opendir(".");
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		CHECK_EQ(unlink(entry->d_name), 0);
		removed++;
	}
	CHECK_EQ(removed, NAMES);
	CHECK_EQ(closedir(dir), 0);
}

DIR_TEST(rewinding_shows_the_present)
{
	for (int i = 0; i < 5; i++)
		name_make(i);
	DIR *dir = opendir(".");
	int count = 0;

	while (readdir(dir) != NULL)
		count++;
	CHECK_EQ(count, 7);
	name_remove(3);
	rewinddir(dir);
	for (count = 0; readdir(dir) != NULL;)
		count++;
	CHECK_EQ(count, 6);
	CHECK_EQ(closedir(dir), 0);
}

DIR_TEST(telldir_comes_back_to_the_same_name)
{
	for (int i = 0; i < 20; i++)
		name_make(i);
	DIR *dir = opendir(".");
	char name[256];

	for (int i = 0; i < 10; i++)
		CHECK(readdir(dir) != NULL);
	long at = telldir(dir);
	struct dirent *entry = readdir(dir);

	CHECK(entry != NULL);
	snprintf(name, sizeof(name), "%s", entry->d_name);
	while (readdir(dir) != NULL)
		;
	seekdir(dir, at);
	entry = readdir(dir);
	CHECK(entry != NULL && strcmp(entry->d_name, name) == 0);
	CHECK_EQ(closedir(dir), 0);
}

DIR_TEST(types_and_numbers_agree_with_stat)
{
	file_make("file", "");
	CHECK_EQ(mkdir("dir", 0755), 0);
	CHECK_EQ(symlink("file", "link"), 0);
	CHECK_EQ(mkfifo("fifo", 0644), 0);
	DIR *dir = opendir(".");
	struct dirent *entry;
	int count = 0;

	while ((entry = readdir(dir)) != NULL) {
		struct stat stat = stat_of(entry->d_name);

		if (strcmp(entry->d_name, "..") != 0)
			CHECK_EQ(entry->d_ino, stat.st_ino);
		CHECK_EQ(entry->d_type, (stat.st_mode & S_IFMT) >> 12);
		count++;
	}
	CHECK_EQ(count, 6);
	CHECK_EQ(closedir(dir), 0);
}

DIR_TEST(too_small_a_buffer_is_refused)
{
	char buf[1024];
	int fd = open(".", O_RDONLY | O_DIRECTORY);

	CHECK_ERRNO(syscall(SYS_getdents64, fd, buf, 10), EINVAL);
	CHECK_EQ(syscall(SYS_getdents64, fd, buf, 24), 24);
	CHECK_EQ(syscall(SYS_getdents64, fd, buf, 24), 24);
	CHECK_EQ(syscall(SYS_getdents64, fd, buf, sizeof(buf)), 0);
	CHECK_EQ(close(fd), 0);
	fd = file_with("f", "");
	CHECK_ERRNO(syscall(SYS_getdents64, fd, buf, sizeof(buf)), ENOTDIR);
	CHECK_EQ(close(fd), 0);
}
