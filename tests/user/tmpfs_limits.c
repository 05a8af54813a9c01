/* SPDX-License-Identifier: MIT */
/*
 * tests/user/tmpfs_limits.c - a tmpfs holds what its options say, and tells so.
 *
 * Each test mounts one of its own.  On a machine where that is not allowed they are skipped.
 */
#include "temp_dir.h"
#include "memory.h"

#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#ifndef FICLONE
#define FICLONE _IOW(0x94, 9, int)
#endif

enum { BLOCKS = 64 };

static void mount_here(const char *options)
{
	if (mount("limits", ".", "tmpfs", 0, options) != 0) {
		CHECK(errno == EPERM);
		SKIP("may not mount");
	}
	CHECK_EQ(chdir(temp_name), 0);
}

static void unmount_here(void)
{
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(umount(temp_name), 0);
	CHECK_EQ(chdir(temp_name), 0);
}

static struct statfs state(void)
{
	struct statfs now;

	CHECK_EQ(statfs(".", &now), 0);
	return now;
}

static int file_open(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT, 0644);

	CHECK(fd >= 0);
	return fd;
}

/* Write whole pages until it fails; how many. */
static long fill(int fd)
{
	static char page[PAGE];
	long pages = 0;

	while (write(fd, page, PAGE) == PAGE)
		pages++;
	return pages;
}

/* ---- options ---- */

static void blocks_are(const char *options, unsigned long blocks)
{
	mount_here(options);
	CHECK_EQ(state().f_blocks, blocks);
	CHECK_EQ(state().f_bsize, PAGE);
	CHECK_EQ(state().f_bfree, blocks);
	unmount_here();
}

DIR_TEST(size_is_given_in_many_ways)
{
	blocks_are("size=262144", 64);
	blocks_are("size=256k", 64);
	blocks_are("size=1m", 256);
	blocks_are("size=1G", 262144);
	blocks_are("size=4097", 2);
	blocks_are("nr_blocks=77", 77);
	blocks_are("nr_blocks=1k,mode=700", 1024);
	blocks_are("size=0", 0);
}

DIR_TEST(half_of_memory_is_the_default)
{
	mount_here(NULL);
	unsigned long half = state().f_blocks;

	CHECK(half > 0);
	CHECK_EQ(state().f_files, half);
	unmount_here();
	mount_here("size=50%");
	CHECK(state().f_blocks - half <= 1);    /* rounded */
	unmount_here();
}

DIR_TEST(wrong_options_are_refused)
{
	static const char *const wrong[] = {
		"size=", "size=x", "size=12q", "nr_inodes=-1", "nr_blocks=10%", "mode=8", "mode=",
		"colour=blue", "size=1m,colour", "uid=x",
	};

	mount_here(NULL);
	unmount_here();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		CHECK_ERRNO(mount("limits", ".", "tmpfs", 0, wrong[i]), EINVAL);
}

DIR_TEST(root_is_as_its_options_say)
{
	struct stat root;

	mount_here("mode=1750,uid=12,gid=34");
	CHECK_EQ(stat(".", &root), 0);
	CHECK_EQ(root.st_mode, S_IFDIR | 01750);
	CHECK_EQ(root.st_uid, 12);
	CHECK_EQ(root.st_gid, 34);
	unmount_here();
	mount_here(NULL);
	CHECK_EQ(stat(".", &root), 0);
	CHECK_EQ(root.st_mode, S_IFDIR | 01777);
	unmount_here();
}

/* ---- blocks ---- */

DIR_TEST(writes_end_where_the_blocks_do)
{
	mount_here("size=256k");
	int fd = file_open("f");

	CHECK_EQ(fill(fd), BLOCKS);
	CHECK_EQ(errno, ENOSPC);
	CHECK_EQ(state().f_bfree, 0);
	CHECK_EQ(state().f_bavail, 0);
	CHECK_EQ(pwrite(fd, "again", 5, 7 * PAGE), 5);  /* what is there can be written */
	CHECK_EQ(ftruncate(fd, 10 * PAGE + 1), 0);
	CHECK_EQ(state().f_bfree, BLOCKS - 11);
	CHECK_EQ(unlink("f"), 0);
	CHECK_EQ(state().f_bfree, BLOCKS - 11);         /* it is still open */
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(state().f_bfree, BLOCKS);
	unmount_here();
}

DIR_TEST(a_write_is_cut_where_the_blocks_end)
{
	static char bytes[4 * PAGE];

	mount_here("nr_blocks=3");
	int fd = file_open("f");

	CHECK_EQ(pwrite(fd, bytes, 4 * PAGE, 100), 3 * PAGE - 100);
	CHECK_ERRNO(pwrite(fd, bytes, 1, 3 * PAGE), ENOSPC);
	CHECK_EQ(pwrite(fd, bytes, 1, 3 * PAGE - 1), 1);
	close(fd);
	unmount_here();
}

DIR_TEST(holes_take_no_blocks_and_reading_them_neither)
{
	static char bytes[PAGE];

	mount_here("nr_blocks=4");
	int fd = file_open("f");

	CHECK_EQ(ftruncate(fd, 1000 * PAGE), 0);
	CHECK_EQ(pread(fd, bytes, PAGE, 500 * PAGE), PAGE);
	CHECK_EQ(state().f_bfree, 4);
	CHECK_EQ(pwrite(fd, "x", 1, 900 * PAGE), 1);
	CHECK_EQ(state().f_bfree, 3);
	CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 900 * PAGE, PAGE), 0);
	CHECK_EQ(state().f_bfree, 4);
	close(fd);
	unmount_here();
}

DIR_TEST(fallocate_takes_all_or_nothing)
{
	struct stat stat;

	mount_here("nr_blocks=64");
	int fd = file_open("f");

	CHECK_EQ(pwrite(fd, "x", 1, 3 * PAGE), 1);
	CHECK_ERRNO(fallocate(fd, 0, 0, 65 * PAGE), ENOSPC);
	CHECK_EQ(fstat(fd, &stat), 0);
	CHECK_EQ(stat.st_size, 3 * PAGE + 1);
	CHECK_EQ(state().f_bfree, 63);
	CHECK_EQ(fallocate(fd, 0, 0, 64 * PAGE), 0);
	CHECK_EQ(state().f_bfree, 0);
	close(fd);
	unmount_here();
}

DIR_TEST(a_store_beyond_the_blocks_is_sigbus)
{
	mount_here("nr_blocks=8");
	int fd = file_open("f");

	CHECK_EQ(ftruncate(fd, 16 * PAGE), 0);
	volatile char *shared = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(shared != MAP_FAILED);
	for (int page = 0; page < 8; page++)
		shared[page * PAGE] = 'x';
	CHECK_FAULT(shared + 8 * PAGE, TO_WRITE, SIGBUS, BUS_ADRERR);
	CHECK_NO_FAULT(shared + 7 * PAGE, TO_WRITE);
	CHECK_EQ(ftruncate(fd, 7 * PAGE), 0);
	CHECK_EQ(ftruncate(fd, 16 * PAGE), 0);
	CHECK_NO_FAULT(shared + 8 * PAGE, TO_WRITE);
	CHECK_EQ(munmap((void *)shared, 16 * PAGE), 0);
	close(fd);
	unmount_here();
}

/* ---- files ---- */

DIR_TEST(files_have_a_limit_of_every_kind)
{
	mount_here("nr_inodes=4");
	CHECK_EQ(state().f_files, 4);
	CHECK_EQ(state().f_ffree, 3);           /* the root is one */
	file_make("f", "");
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_EQ(symlink("f", "l"), 0);
	CHECK_EQ(state().f_ffree, 0);
	CHECK_ERRNO(open("g", O_CREAT | O_RDWR, 0644), ENOSPC);
	CHECK_ERRNO(mkdir("e", 0755), ENOSPC);
	CHECK_ERRNO(symlink("f", "m"), ENOSPC);
	CHECK_ERRNO(mkfifo("p", 0644), ENOSPC);
	CHECK_ERRNO(link("f", "g"), ENOSPC);
	CHECK_EQ(rename("f", "d/f"), 0);
	CHECK_EQ(unlink("l"), 0);
	CHECK_EQ(state().f_ffree, 1);
	CHECK_EQ(link("d/f", "g"), 0);
	CHECK_EQ(state().f_ffree, 0);
	CHECK_EQ(unlink("d/f"), 0);
	CHECK_EQ(state().f_ffree, 1);
	CHECK_EQ(unlink("g"), 0);
	CHECK_EQ(rmdir("d"), 0);
	CHECK_EQ(state().f_ffree, 3);
	unmount_here();
}

DIR_TEST(a_long_link_takes_a_block)
{
	char target[256];

	memset(target, 't', sizeof(target));
	target[255] = '\0';
	mount_here("nr_blocks=2");
	CHECK_EQ(symlink("short", "s"), 0);
	CHECK_EQ(state().f_bfree, 2);
	CHECK_EQ(symlink(target, "l"), 0);
	CHECK_EQ(state().f_bfree, 1);
	CHECK_EQ(symlink(target, "m"), 0);
	CHECK_ERRNO(symlink(target, "n"), ENOSPC);
	CHECK_EQ(unlink("l"), 0);
	CHECK_EQ(state().f_bfree, 1);
	unmount_here();
}

/* ---- sharing ---- */

/* Shared or copied, the second file counts its pages. */
DIR_TEST(copies_count_like_what_they_copy)
{
	mount_here("nr_blocks=10");
	int from = file_open("f"), to = file_open("g");
	static char page[PAGE];

	for (int i = 0; i < 4; i++)
		CHECK_EQ(pwrite(from, page, PAGE, i * PAGE), PAGE);
	CHECK_EQ(copy_file_range(from, NULL, to, NULL, 4 * PAGE, 0), 4 * PAGE);
	CHECK_EQ(state().f_bfree, 2);
	int third = file_open("h");

	CHECK_EQ(lseek(from, 0, SEEK_SET), 0);
	CHECK_EQ(copy_file_range(from, NULL, third, NULL, 4 * PAGE, 0), 2 * PAGE);
	CHECK_ERRNO(copy_file_range(from, NULL, third, NULL, 2 * PAGE, 0), ENOSPC);
	CHECK_EQ(state().f_bfree, 0);
	close(from);
	close(to);
	close(third);
	unmount_here();
}

DIR_TEST(clones_count_like_copies)
{
	mount_here("nr_blocks=10");
	int from = file_open("f"), to = file_open("g"), third = file_open("h");
	static char page[PAGE];

	for (int i = 0; i < 4; i++)
		CHECK_EQ(pwrite(from, page, PAGE, i * PAGE), PAGE);
	if (ioctl(to, FICLONE, from) != 0 && errno == EOPNOTSUPP)
		SKIP("files of this tmpfs cannot share bytes");
	CHECK_EQ(state().f_bfree, 2);
	CHECK_ERRNO(ioctl(third, FICLONE, from), ENOSPC);
	CHECK_EQ(state().f_bfree, 2);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pwrite(to, "own", 3, i * PAGE), 3);
	CHECK_EQ(state().f_bfree, 2);
	CHECK_EQ(ftruncate(to, 0), 0);
	CHECK_EQ(state().f_bfree, 6);
	CHECK_EQ(ioctl(third, FICLONE, from), 0);
	CHECK_EQ(ftruncate(from, PAGE), 0);
	CHECK_EQ(ioctl(third, FICLONE, from), 0);       /* onto what is longer: one page of it */
	CHECK_EQ(state().f_bfree, 10 - 1 - 4);
	close(from);
	close(to);
	close(third);
	unmount_here();
}

/* ---- remounting, unmounting ---- */

static int remount(const char *options)
{
	return mount("limits", temp_name, "tmpfs", MS_REMOUNT, options);
}

DIR_TEST(remounting_changes_limits)
{
	mount_here("nr_blocks=8,nr_inodes=8,mode=700");
	int fd = file_open("f");

	CHECK_EQ(fill(fd), 8);
	CHECK_EQ(remount("nr_blocks=16"), 0);
	CHECK_EQ(state().f_blocks, 16);
	CHECK_EQ(state().f_files, 8);
	CHECK_EQ(fill(fd), 8);
	CHECK_ERRNO(remount("size=60k"), EINVAL);       /* more is in use */
	CHECK_ERRNO(remount("nr_inodes=1"), EINVAL);
	CHECK_ERRNO(remount("colour=blue"), EINVAL);
	CHECK_EQ(state().f_blocks, 16);
	CHECK_EQ(ftruncate(fd, PAGE), 0);
	CHECK_EQ(remount("size=60k,nr_inodes=2"), 0);
	CHECK_EQ(state().f_blocks, 15);
	CHECK_EQ(state().f_files, 2);
	CHECK_ERRNO(open("g", O_CREAT | O_RDWR, 0644), ENOSPC);
	CHECK_EQ(remount(NULL), 0);
	CHECK_EQ(state().f_blocks, 15);
	close(fd);
	unmount_here();
}

DIR_TEST(no_limit_stays_none)
{
	mount_here("size=0,nr_inodes=0");
	CHECK_ERRNO(remount("size=1m"), EINVAL);
	CHECK_ERRNO(remount("nr_inodes=100"), EINVAL);
	file_make("f", "text");
	unmount_here();
}

DIR_TEST(files_in_memory_without_a_name_have_no_limit_of_their_own)
{
	struct statfs memfds;
	int fd = memfd_create("limits", 0);

	CHECK(fd >= 0);
	CHECK_EQ(fstatfs(fd, &memfds), 0);
	CHECK_EQ(memfds.f_blocks, 0);
	CHECK_EQ(memfds.f_files, 0);
	close(fd);
}

/* Who may not touch the limits cannot get around them either. */
DIR_TEST(limits_hold_for_everybody)
{
	mount_here("nr_blocks=8,nr_inodes=4");
	CHECK_EQ(chmod(".", 01777), 0);
	pid_t pid = fork();

	if (pid == 0) {
		CHECK_EQ(setuid(1000), 0);
		CHECK_EQ(fill(file_open("mine")), 8);
		CHECK_EQ(errno, ENOSPC);
		CHECK_ERRNO(remount("size=1g"), EPERM);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	unmount_here();
}
