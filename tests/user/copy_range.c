/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/copy_range.c - copy_file_range and its errors, and what every file system answers to
 * FICLONE.
 *
 * See: copy_file_range(2), ioctl_ficlonerange(2).  reflink.c has what only files that can share do.
 */
#include "temp_dir.h"
#include "memory.h"

#include <sys/ioctl.h>

enum { CLONE = 0x40049409 };

static int file_new(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0);
	return fd;
}

static ssize_t copy(int in, off_t from, int out, off_t to, size_t len)
{
	return copy_file_range(in, &from, out, &to, len, 0);
}

DIR_TEST(positions_move_or_do_not)
{
	int a = file_with("a", "0123456789"), b = file_new("b");
	off_t from = 2, to = 5;

	CHECK_EQ(copy_file_range(a, &from, b, &to, 4, 0), 4);
	CHECK_EQ(from, 6);
	CHECK_EQ(to, 9);
	CHECK_EQ(lseek(a, 0, SEEK_CUR), 10);
	CHECK_EQ(lseek(b, 0, SEEK_CUR), 0);
	CHECK_EQ(lseek(a, 1, SEEK_SET), 1);
	CHECK_EQ(copy_file_range(a, NULL, b, NULL, 3, 0), 3);
	CHECK_EQ(lseek(a, 0, SEEK_CUR), 4);
	CHECK_EQ(lseek(b, 0, SEEK_CUR), 3);
	char bytes[9];
	CHECK_EQ(pread(b, bytes, 9, 0), 9);
	CHECK_EQ(memcmp(bytes, "123\0\0" "2345", 9), 0);
}

DIR_TEST(the_end_of_the_source_ends_the_copy)
{
	int a = file_with("a", "text"), b = file_new("b");

	CHECK_EQ(copy(a, 0, b, 0, 1000000), 4);
	CHECK_EQ(copy(a, 4, b, 0, 10), 0);
	CHECK_EQ(copy(a, 100, b, 0, 10), 0);
	CHECK_EQ(copy(a, 0, b, 0, 0), 0);
	CHECK(file_holds("b", "text"));
}

DIR_TEST(within_one_file)
{
	int a = file_with("a", "0123456789");

	CHECK_ERRNO(copy(a, 0, a, 2, 5), EINVAL);
	CHECK_ERRNO(copy(a, 2, a, 0, 5), EINVAL);
	CHECK_ERRNO(copy(a, 3, a, 3, 1), EINVAL);
	CHECK_EQ(copy(a, 0, a, 5, 5), 5);
	CHECK(file_holds("a", "0123401234"));
}

DIR_TEST(what_is_refused)
{
	int a = file_with("a", "text"), b = file_new("b"), fds[2];
	int reader = open("b", O_RDONLY), writer = open("a", O_WRONLY), dir = open(".", O_RDONLY);
	int appender = open("b", O_WRONLY | O_APPEND);

	CHECK_EQ(pipe(fds), 0);
	CHECK_ERRNO(copy(a, 0, reader, 0, 1), EBADF);
	CHECK_ERRNO(copy(writer, 0, b, 0, 1), EBADF);
	CHECK_ERRNO(copy(a, 0, appender, 0, 1), EBADF);
	CHECK_ERRNO(copy(1000, 0, b, 0, 1), EBADF);
	CHECK_ERRNO(copy(a, 0, 1000, 0, 1), EBADF);
	CHECK_ERRNO(copy(dir, 0, b, 0, 1), EISDIR);
	CHECK_ERRNO(copy(a, 0, dir, 0, 1), EISDIR);
	CHECK_ERRNO(copy_file_range(fds[0], NULL, b, NULL, 1, 0), EINVAL);
	CHECK_ERRNO(copy_file_range(a, NULL, fds[1], NULL, 1, 0), EINVAL);
	CHECK_ERRNO(copy_file_range(a, NULL, b, NULL, 1, 1), EINVAL);
	CHECK_ERRNO(copy(a, -2, b, 0, 1), EINVAL);
	CHECK_ERRNO(copy(a, 0, b, -2, 1), EINVAL);
	CHECK_ERRNO(copy_file_range(a, (off_t *)8, b, NULL, 1, 0), EFAULT);
	CHECK_EQ(stat_of("b").st_size, 0);
}

/* What is seen through mappings is copied, and shown by them. */
DIR_TEST(mappings_take_part)
{
	int a = file_new("a"), b = file_new("b"), wrong = 0;

	CHECK_EQ(ftruncate(a, 600 * PAGE), 0);
	CHECK_EQ(ftruncate(b, 600 * PAGE), 0);
	volatile char *from = mmap(NULL, 600 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, a, 0);
	volatile char *to = mmap(NULL, 600 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, b, 0);
	CHECK(from != MAP_FAILED && to != MAP_FAILED);
	pages_mark(from, 600, 1);
	pages_mark(to, 600, 9);
	pid_t pid = fork();
	if (pid == 0) {
		for (off_t at = 0; at < 600 * PAGE;)
			at += copy(a, at, b, at, 600 * PAGE - at);
		from[0] = 'f';
		to[PAGE] = 't';
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	for (int i = 2; i < 600; i++)
		wrong += to[i * PAGE] != (char)(1 + i) || from[i * PAGE] != (char)(1 + i);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(to[0], 1);
	CHECK_EQ(from[PAGE], 2);
	CHECK(from[0] == 'f' && to[PAGE] == 't');
}

/* ---- FICLONE, before a file system is asked ---- */

DIR_TEST(no_file_system_clones_these)
{
	int a = file_with("a", "text"), b = file_new("b"), dir = open(".", O_RDONLY), fds[2];

	CHECK_ERRNO(ioctl(b, CLONE, 1000), EBADF);
	CHECK_ERRNO(ioctl(b, CLONE, dir), EISDIR);
	CHECK_EQ(pipe(fds), 0);
	CHECK_ERRNO(ioctl(b, CLONE, fds[0]), EXDEV);
	int memory = memfd_create("m", 0);
	CHECK_ERRNO(ioctl(memory, CLONE, a), EXDEV);
}
