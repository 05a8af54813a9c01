/* SPDX-License-Identifier: MIT */
/*
 * tests/user/temp_dir.h - tests that work on files, each in an empty directory of its own.
 *
 *   DIR_TEST(new_file_is_empty) { ... CHECK(...); }
 */
#pragma once

#include "utest.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/types.h>

#define DIR_TEST(name_) \
	static void in_dir_##name_(void); \
	TEST(name_) \
	{ \
		temp_enter(); \
		in_dir_##name_(); \
		temp_leave(); \
	} \
	static void in_dir_##name_(void)

static char temp_name[32];

static inline void temp_choose_name(pid_t test)
{
	snprintf(temp_name, sizeof(temp_name), "/tmp/utest-%d", (int)test);
}

static inline int temp_remove(const char *name, const struct stat *stat, int kind, struct FTW *at)
{
	(void)stat;
	(void)kind;
	(void)at;
	return remove(name);
}

static inline int temp_tree_remove(void)
{
	return nftw(temp_name, temp_remove, 256, FTW_DEPTH | FTW_PHYS);
}

/* What a test leaves that does not come to its end, with all that it mounted. */
static inline void temp_clean(pid_t test)
{
	temp_choose_name(test);
	if (access(temp_name, F_OK) < 0)
		return;
	while (umount2(temp_name, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	(void)temp_tree_remove();
}

__attribute__((constructor)) static void temp_register(void)
{
	utest_clean = temp_clean;
}

static inline void temp_enter(void)
{
	temp_clean(getpid());
	CHECK_EQ(mkdir(temp_name, 0700), 0);
	CHECK_EQ(chdir(temp_name), 0);
	umask(022);
}

static inline void temp_leave(void)
{
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(temp_tree_remove(), 0);
}

/* A file with this text; its descriptor, open for both. */
static inline int file_with(const char *name, const char *text)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static inline void file_make(const char *name, const char *text)
{
	CHECK_EQ(close(file_with(name, text)), 0);
}

/* Does the file hold exactly this text? */
static inline bool file_holds(const char *name, const char *text)
{
	char bytes[4096];
	int fd = open(name, O_RDONLY);
	ssize_t len = read(fd, bytes, sizeof(bytes));

	close(fd);
	return fd >= 0 && len == (ssize_t)strlen(text) && memcmp(bytes, text, (size_t)len) == 0;
}

static inline bool file_exists(const char *name)
{
	struct stat stat;

	return lstat(name, &stat) == 0;
}

static inline struct stat stat_of(const char *name)
{
	struct stat stat;

	CHECK_EQ(lstat(name, &stat), 0);
	return stat;
}
