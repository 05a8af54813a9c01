/* SPDX-License-Identifier: MIT */
/*
 * tests/user/overlay_tree.h - tests in an overlay of two lower layers and an upper one.
 *
 *   OVERLAY_TEST(reading_copies_nothing) { ... }       the current directory is the merged root
 *
 * Skipped where mounting is not allowed.
 */
#pragma once

#include "temp_dir.h"

#include <dirent.h>
#include <sys/mount.h>
#include <sys/syscall.h>

enum { NOREPLACE = 1, EXCHANGE = 2 };

static inline void make_dir(const char *name)
{
	CHECK_EQ(mkdir(name, 0755), 0);
}

/*
 *	base    dir/both (base)   dir/base   gone   file   deep/er/file   link -> file
 *	middle  dir/both (middle) dir/middle        full/1  full/2
 */
static inline void layers_make(void)
{
	if (mount("tmpfs", ".", "tmpfs", 0, NULL) < 0)
		SKIP("mounting is not allowed here");
	CHECK_EQ(chdir(temp_name), 0);
	make_dir("base");
	make_dir("middle");
	make_dir("upper");
	make_dir("work");
	make_dir("merged");
	make_dir("base/dir");
	make_dir("middle/dir");
	make_dir("middle/full");
	make_dir("base/deep");
	make_dir("base/deep/er");
	file_make("base/dir/both", "base");
	file_make("middle/dir/both", "middle");
	file_make("base/dir/base", "base");
	file_make("middle/dir/middle", "middle");
	file_make("base/gone", "gone");
	file_make("base/file", "file");
	file_make("base/deep/er/file", "deep");
	file_make("middle/full/1", "1");
	file_make("middle/full/2", "2");
	CHECK_EQ(symlink("file", "base/link"), 0);
}

static inline int overlay_try(const char *options)
{
	return mount("overlay", "merged", "overlay", 0, options);
}

static inline void overlay_make(void)
{
	layers_make();
	if (overlay_try("lowerdir=middle:base,upperdir=upper,workdir=work") < 0) {
		int error = errno;
		CHECK_EQ(chdir("/"), 0);
		CHECK_EQ(umount2(temp_name, MNT_DETACH), 0);
		errno = error;
		if (error == EPERM || error == ENODEV)
			SKIP("no overlays here");
		CHECK(!"mounted");
	}
	CHECK_EQ(chdir("merged"), 0);
}

static inline void overlay_end(void)
{
	CHECK_EQ(chdir(temp_name), 0);
	CHECK_EQ(umount("merged"), 0);
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(umount(temp_name), 0);
	CHECK_EQ(chdir(temp_name), 0);
}

#define OVERLAY_TEST(name_) \
	static void in_overlay_##name_(void); \
	DIR_TEST(name_) \
	{ \
		overlay_make(); \
		in_overlay_##name_(); \
		overlay_end(); \
	} \
	static void in_overlay_##name_(void)

static inline long rename_how(const char *old, const char *new, unsigned flags)
{
	return syscall(SYS_renameat2, AT_FDCWD, old, AT_FDCWD, new, flags);
}

/* Sorted names, each followed by a space. */
static inline const char *listing(const char *name)
{
	static char text[256];
	struct dirent **entries;
	int count = scandir(name, &entries, NULL, alphasort);

	CHECK(count >= 2);
	text[0] = '\0';
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.') {
			strcat(text, entries[i]->d_name);
			strcat(text, " ");
		}
		free(entries[i]);
	}
	free(entries);
	return text;
}

#define CHECK_LISTING(name_, expected_) CHECK_EQ(strcmp(listing(name_), (expected_)), 0)
