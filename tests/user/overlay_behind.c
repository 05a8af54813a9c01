/* SPDX-License-Identifier: MIT */
// cowbell-only
// needs: threads
/*
 * tests/user/overlay_behind.c - layers that are changed behind an overlay's back.
 *
 * What is seen then is nobody's promise; that the kernel goes on is.
 */
#include "overlay_tree.h"
#include "futex.h"

#include <sched.h>
#include <stdatomic.h>

/* A row of directories of the lower layer, each known to the overlay by its place in the one
 * before it, and moved out. */
OVERLAY_TEST(a_row_of_moved_lower_directories_ends)
{
	enum { ROW = 500 };
	char lower[32] = "../base/0", inner[48], name[32] = "0";

	make_dir(lower);
	int fd = open(name, O_PATH);

	CHECK(fd >= 0);
	for (int i = 1; i < ROW; i++) {
		snprintf(inner, sizeof(inner), "../base/%s/%d", name, i);
		make_dir(inner);
		int next = open(inner + strlen("../base/"), O_PATH);
		CHECK(next >= 0);
		snprintf(name, sizeof(name), "%d", i);
		snprintf(lower, sizeof(lower), "../base/%d", i);
		CHECK_EQ(rename(inner, lower), 0);
		CHECK_EQ(close(fd), 0);
		fd = open(name, O_PATH);
		CHECK(fd >= 0);
		CHECK_EQ(close(next), 0);
	}
	CHECK_EQ(close(fd), 0);
}

/* ---- overlays over overlays ---- */

OVERLAY_TEST(overlays_do_not_stack_without_end)
{
	CHECK_EQ(chdir(temp_name), 0);
	make_dir("second");
	make_dir("third");
	CHECK_EQ(mount("overlay", "second", "overlay", 0, "lowerdir=merged:base"), 0);
	CHECK(file_holds("second/file", "file"));
	CHECK_ERRNO(mount("overlay", "third", "overlay", 0, "lowerdir=second:base"), EINVAL);
	CHECK_EQ(umount("second"), 0);
	make_dir("merged/upper");
	make_dir("merged/work");
	CHECK_ERRNO(mount("overlay", "second", "overlay", 0,
			  "lowerdir=base,upperdir=merged/upper,workdir=merged/work"), EINVAL);
}

/* ---- side by side ---- */

enum { ROUNDS = 30, DISTURBERS = 3 };

static atomic_bool is_over;

static bool goes_on(void)
{
	sched_yield();
	return !atomic_load(&is_over);
}

/* Remove all that is in a directory, as far as that goes. */
static void empty_dir(const char *name)
{
	DIR *dir = opendir(name);

	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_name[0] == '.')
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) < 0)
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	}
	if (dir)
		closedir(dir);
}

static void *change_upper(void *unused)
{
	while (goes_on()) {
		unlink("../upper/d/a");
		mkdir("../upper/d", 0755);
		mkdir("../upper/d/x", 0755);
		mkdir("../upper/d/x/y", 0755);
		rmdir("../upper/d/x/y");
		rmdir("../upper/d/x");
		rename("../upper/d", "../upper/e");
		unlink("../upper/full/new");
		unlink("../upper/gone");
		unlink("../upper/moved");
	}
	return unused;
}

static void *empty_work(void *unused)
{
	while (goes_on())
		empty_dir("../work");
	return unused;
}

static void *empty_upper(void *unused)
{
	while (goes_on()) {
		empty_dir("../upper/full");
		empty_dir("../upper");
	}
	return unused;
}

static void change_merged(void)
{
	mkdir("d", 0755);
	mknod("d/a", S_IFREG | 0644, 0);
	rename("d/a", "d/b");
	mknod("d/a", S_IFREG | 0644, 0);
	rename_how("d/a", "d/b", EXCHANGE);
	rename("gone", "moved");
	mkdir("full/new", 0755);
	rename_how("full/new", "d", EXCHANGE);
	rename("moved", "full/1");
	rename("d", "e");
	link("file", "d/link");
	symlink("file", "d/symlink");
	empty_dir("full");
	rmdir("full");
	empty_dir("d");
	rmdir("d");
	empty_dir("e");
	rmdir("e");
}

static void change_beside(void *(*const *disturb)(void *), int count)
{
	pthread_t others[DISTURBERS];

	for (int i = 0; i < count; i++)
		others[i] = thread_new(disturb[i], NULL);
	for (int i = 0; i < ROUNDS; i++)
		change_merged();
	atomic_store(&is_over, true);
	for (int i = 0; i < count; i++)
		thread_join(others[i]);
	file_make("after", "all");
	CHECK(file_holds("after", "all"));
}

OVERLAY_TEST(upper_layer_is_changed)
{
	static void *(*const disturb[])(void *) = { change_upper };

	change_beside(disturb, 1);
}

OVERLAY_TEST(everything_is_emptied)
{
	static void *(*const disturb[])(void *) = { change_upper, empty_work, empty_upper };

	change_beside(disturb, 3);
}
