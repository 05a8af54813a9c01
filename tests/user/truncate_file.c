/* SPDX-License-Identifier: MIT */
/* The size of files: truncate, holes, allocation. */
#include "temp_dir.h"

static char zeros[8192], bytes[8192];

DIR_TEST(longer_reads_as_zeros)
{
	int fd = file_with("f", "text");

	CHECK_EQ(ftruncate(fd, 8000), 0);
	CHECK_EQ(stat_of("f").st_size, 8000);
	CHECK_EQ(pread(fd, bytes, sizeof(bytes), 0), 8000);
	CHECK(memcmp(bytes, "text", 4) == 0);
	CHECK(memcmp(bytes + 4, zeros, 7996) == 0);
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(shorter_forgets)
{
	int fd = file_with("f", "secret");

	CHECK_EQ(truncate("f", 2), 0);
	CHECK_EQ(ftruncate(fd, 6), 0);
	CHECK_EQ(pread(fd, bytes, sizeof(bytes), 0), 6);
	CHECK(memcmp(bytes, "se\0\0\0\0", 6) == 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6);
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(writing_beyond_the_end_leaves_a_hole)
{
	int fd = file_with("f", "");

	CHECK_EQ(pwrite(fd, "x", 1, 1 << 20), 1);
	CHECK_EQ(stat_of("f").st_size, (1 << 20) + 1);
	CHECK(stat_of("f").st_blocks < 1 << 10);
	CHECK_EQ(pread(fd, bytes, sizeof(bytes), (1 << 20) - 100), 101);
	CHECK(memcmp(bytes, zeros, 100) == 0 && bytes[100] == 'x');
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(truncate_refuses)
{
	CHECK_EQ(mkdir("d", 0755), 0);
	file_make("f", "text");
	CHECK_ERRNO(truncate("d", 0), EISDIR);
	CHECK_ERRNO(truncate("none", 0), ENOENT);
	CHECK_ERRNO(truncate("f", -1), EINVAL);
	int fd = open("f", O_RDONLY);

	CHECK_ERRNO(ftruncate(fd, 0), EINVAL);
	CHECK_EQ(close(fd), 0);
	CHECK_ERRNO(ftruncate(fd, 0), EBADF);
}

DIR_TEST(allocation_takes_room)
{
	int fd = file_with("f", "text");

	CHECK_EQ(fallocate(fd, 0, 0, 16384), 0);
	CHECK_EQ(stat_of("f").st_size, 16384);
	CHECK(stat_of("f").st_blocks >= 32);
	CHECK_EQ(pread(fd, bytes, 4, 0), 4);
	CHECK(memcmp(bytes, "text", 4) == 0);
	CHECK_ERRNO(fallocate(fd, 0, 0, 0), EINVAL);
	CHECK_ERRNO(fallocate(fd, 0, -1, 1), EINVAL);
	CHECK_EQ(close(fd), 0);
	CHECK_ERRNO(fallocate(open("f", O_RDONLY), 0, 0, 1), EBADF);
}

DIR_TEST(allocation_may_keep_the_size)
{
	int fd = file_with("f", "text");

	CHECK_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 16384), 0);
	CHECK_EQ(stat_of("f").st_size, 4);
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(punched_hole_reads_as_zeros)
{
	int fd = file_with("f", "");

	memset(bytes, 'x', sizeof(bytes));
	CHECK_EQ(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1000, 5000), 0);
	CHECK_EQ(stat_of("f").st_size, 8192);
	CHECK_EQ(pread(fd, bytes, sizeof(bytes), 0), 8192);
	CHECK(bytes[999] == 'x' && bytes[6000] == 'x');
	CHECK(memcmp(bytes + 1000, zeros, 5000) == 0);
	CHECK_EQ(close(fd), 0);
}
