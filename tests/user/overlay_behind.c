/* SPDX-License-Identifier: MIT */
// cowbell-only
// needs: threads
/*
 * tests/user/overlay_behind.c - layers that are changed behind an overlay's back.
 *
 * What is seen then is nobody's promise; that the kernel goes on is.
 */
#include "overlay_tree.h"

#include <sys/sysmacros.h>

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
