/* SPDX-License-Identifier: MIT */
/*
 * tests/user/open_races.c - what open(2) makes is what it opens, whoever takes the name meanwhile.
 */
#include "credentials.h"
#include "overlay_tree.h"

#include <sched.h>
#include <sys/sysmacros.h>

enum { FILES = 400 };

static pid_t mover;

/* Another process moves "theirs" to "name", so that what stood there is gone, and back.  It may
 * begin wherever the one before it left off. */
static void mover_start(void)
{
	mover = fork();
	CHECK(mover >= 0);
	if (mover > 0)
		return;
	CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
	for (;;) {
		rename("theirs", "name");
		rename("name", "theirs");
		sched_yield();
	}
}

static void mover_end(void)
{
	CHECK_EQ(kill(mover, SIGKILL), 0);
	CHECK_KILLED(mover, SIGKILL);
}

/* Open the name again and again: it is our own new file, or refused with this. */
static void open_often(int count, int flags, int error)
{
	struct stat stat;
	int made = 0;

	while (made < count) {
		int fd = open("name", flags | O_CREAT, 0600);

		if (fd < 0) {
			CHECK_EQ(errno, error);
			sched_yield();
			continue;
		}
		CHECK_EQ(fstat(fd, &stat), 0);
		CHECK_EQ(stat.st_uid, SOMEBODY);
		CHECK(S_ISREG(stat.st_mode));
		CHECK_EQ(close(fd), 0);
		made++;
	}
}

static void open_often_as_somebody(int count, int flags, int error)
{
	AS(SOMEBODY, {
		mover_start();
		open_often(count, flags, error);
		mover_end();
	});
}

static void secret_make(const char *name)
{
	SUPERUSER_ONLY();
	file_make(name, "secret");
	CHECK_EQ(chmod(name, 0600), 0);
	CHECK_EQ(chown(".", SOMEBODY, SOMEBODY), 0);
}

DIR_TEST(a_file_moved_over_a_new_one_stays_closed)
{
	secret_make("theirs");
	open_often_as_somebody(FILES, O_RDONLY, EACCES);
	open_often_as_somebody(FILES, O_RDWR | O_TRUNC, EACCES);
	open_often_as_somebody(FILES, O_RDWR | O_EXCL, EEXIST);
}

DIR_TEST(a_link_moved_over_a_new_file_is_followed_or_not_there)
{
	secret_make("secret");
	CHECK_EQ(symlink("secret", "theirs"), 0);
	open_often_as_somebody(FILES, O_RDWR, EACCES);
	open_often_as_somebody(FILES, O_RDWR | O_EXCL, EEXIST);
	open_often_as_somebody(FILES, O_RDWR | O_NOFOLLOW, ELOOP);
}

/* A device that its mount does not let anybody open. */
DIR_TEST(a_device_moved_over_a_new_file_stays_closed)
{
	SUPERUSER_ONLY();
	CHECK_EQ(mkdir("m", 0777), 0);
	if (mount("none", "m", "tmpfs", MS_NODEV, NULL) != 0)
		SKIP("no file system can be mounted");
	CHECK_EQ(chdir("m"), 0);
	CHECK_EQ(mknod("theirs", S_IFCHR | 0666, makedev(1, 3)), 0);
	CHECK_EQ(chmod("theirs", 0666), 0);
	CHECK_EQ(chown(".", SOMEBODY, SOMEBODY), 0);
	open_often_as_somebody(FILES, O_RDWR, EACCES);
	CHECK_EQ(chdir(".."), 0);
	CHECK_EQ(umount("m"), 0);
}

OVERLAY_TEST(a_file_of_a_layer_moved_over_a_new_one_stays_closed)
{
	CHECK_EQ(rename("file", "theirs"), 0);
	CHECK_EQ(chown(".", SOMEBODY, SOMEBODY), 0);
	open_often_as_somebody(FILES / 10, O_RDWR, EACCES);
	open_often_as_somebody(FILES / 10, O_RDWR | O_EXCL, EEXIST);
}

/* What the layer has lost behind the overlay's back is still there, for who has it open. */
OVERLAY_TEST(a_file_that_a_layer_lost_stays_closed)
{
	int fd = file_with("name", "secret");

	CHECK_EQ(fchmod(fd, 0600), 0);
	CHECK_EQ(unlink("../upper/name"), 0);
	CHECK_EQ(chown(".", SOMEBODY, SOMEBODY), 0);
	AS(SOMEBODY, {
		CHECK_ERRNO(open("name", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
		CHECK_ERRNO(open("name", O_RDWR | O_CREAT, 0600), EACCES);
	});
	CHECK_EQ(close(fd), 0);
}
