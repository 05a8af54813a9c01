/* SPDX-License-Identifier: MIT */
// cow
// cowbell-only
/*
 * tests/user/reflink.c - files that share their pages: FICLONE, FICLONERANGE, copy_file_range.
 */
#include "temp_dir.h"
#include "memory.h"

#include <sys/ioctl.h>
#include <sys/mount.h>

enum { READ_WRITE = PROT_READ | PROT_WRITE };

struct clone_range {
	int64_t from_fd;
	uint64_t from, len, to;
};

enum { CLONE = 0x40049409, CLONE_RANGE = 0x4020940d };

static int clone_part(int from, uint64_t at, uint64_t len, int to, uint64_t to_at)
{
	struct clone_range range = {from, at, len, to_at};

	return ioctl(to, CLONE_RANGE, &range);
}

static int file_new(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0);
	return fd;
}

static int file_of_pages(const char *name, size_t pages, char first)
{
	int fd = file_new(name);

	CHECK_EQ(ftruncate(fd, pages * PAGE), 0);
	for (size_t i = 0; i < pages; i++) {
		char mark = (char)(first + i);
		CHECK_EQ(pwrite(fd, &mark, 1, i * PAGE), 1);
	}
	return fd;
}

static char byte_at(int fd, off_t at)
{
	char byte = '?';

	CHECK_EQ(pread(fd, &byte, 1, at), 1);
	return byte;
}

static void byte_put(int fd, off_t at, char byte)
{
	CHECK_EQ(pwrite(fd, &byte, 1, at), 1);
}

static bool file_has_marks(int fd, size_t page, size_t pages, char first)
{
	for (size_t i = 0; i < pages; i++) {
		if (byte_at(fd, (page + i) * PAGE) != (char)(first + i))
			return false;
	}
	return true;
}

static long free_frames(void)
{
	char text[1024] = "";
	int fd = open("/proc/ledger", O_RDONLY);
	long frames = -1;

	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	char *at = strstr(text, "free_frames");
	CHECK(at && sscanf(at, "free_frames %ld", &frames) == 1);
	return frames;
}

DIR_TEST(clone_is_equal_and_apart)
{
	int a = file_of_pages("a", 700, 1), b = file_new("b");

	CHECK_EQ(ioctl(b, CLONE, a), 0);
	CHECK_EQ(stat_of("b").st_size, 700 * PAGE);
	CHECK_EQ(stat_of("b").st_blocks, stat_of("a").st_blocks);
	CHECK(file_has_marks(b, 0, 700, 1));
	byte_put(a, 5 * PAGE, 'a');
	byte_put(b, 6 * PAGE, 'b');
	CHECK_EQ(byte_at(b, 5 * PAGE), 6);
	CHECK_EQ(byte_at(a, 6 * PAGE), 7);
	CHECK_EQ(unlink("a"), 0);
	close(a);
	CHECK(file_has_marks(b, 7, 693, 8));
}

/* 16 MiB cost what nothing costs: a slab now and then. */
DIR_TEST(clone_takes_no_memory)
{
	int a = file_of_pages("a", 4096, 1), b[8];
	long before = free_frames();

	for (int i = 0; i < 8; i++) {
		char name[8];
		snprintf(name, sizeof(name), "b%d", i);
		b[i] = file_new(name);
		CHECK_EQ(ioctl(b[i], CLONE, a), 0);
	}
	CHECK(before - free_frames() < 24);
	byte_put(b[0], 0, 'x');
	CHECK_EQ(byte_at(b[7], 0), 1);
	CHECK(before - free_frames() < 32);
}

DIR_TEST(clone_of_an_empty_file_changes_nothing)
{
	int a = file_new("a"), b = file_with("b", "text");

	CHECK_EQ(ioctl(b, CLONE, a), 0);
	CHECK(file_holds("b", "text"));
}

/* Bytes beyond the source stay; a file that does not end on a page can only replace an end. */
DIR_TEST(clone_into_a_longer_file)
{
	int a = file_of_pages("a", 2, 'a'), b = file_of_pages("b", 4, 'A');
	int c = file_with("c", "text"), d = file_with("d", "longer text");

	CHECK_EQ(ioctl(b, CLONE, a), 0);
	CHECK(file_has_marks(b, 0, 2, 'a'));
	CHECK(file_has_marks(b, 2, 2, 'C'));
	CHECK_EQ(stat_of("b").st_size, 4 * PAGE);
	CHECK_ERRNO(ioctl(d, CLONE, c), EINVAL);
	CHECK_EQ(ioctl(c, CLONE, d), 0);
	CHECK(file_holds("c", "longer text"));
}

DIR_TEST(clone_of_parts)
{
	int a = file_of_pages("a", 1500, 1), b = file_of_pages("b", 20, 'A');

	CHECK_EQ(clone_part(a, 3 * PAGE, 5 * PAGE, b, 2 * PAGE), 0);
	CHECK(file_has_marks(b, 0, 2, 'A'));
	CHECK(file_has_marks(b, 2, 5, 4));
	CHECK(file_has_marks(b, 7, 13, 'H'));
	CHECK_EQ(clone_part(a, 512 * PAGE, 600 * PAGE, b, 1024 * PAGE), 0);
	CHECK_EQ(stat_of("b").st_size, 1624 * PAGE);
	CHECK(file_has_marks(b, 1024, 600, (char)513));
	CHECK_EQ(byte_at(b, 500 * PAGE), 0);
	for (int i = 0; i < 1500; i++)
		byte_put(a, i * PAGE, 'x');
	CHECK(file_has_marks(b, 1024, 600, (char)513));
	CHECK(file_has_marks(b, 2, 5, 4));
}

DIR_TEST(clone_within_a_file)
{
	int a = file_of_pages("a", 4, 'A');

	CHECK_ERRNO(clone_part(a, 0, 2 * PAGE, a, PAGE), EINVAL);
	CHECK_ERRNO(ioctl(a, CLONE, a), EINVAL);
	CHECK_EQ(clone_part(a, 0, 2 * PAGE, a, 2 * PAGE), 0);
	CHECK(file_has_marks(a, 2, 2, 'A'));
	byte_put(a, 0, 'x');
	CHECK_EQ(byte_at(a, 2 * PAGE), 'A');
}

DIR_TEST(what_is_refused)
{
	int a = file_of_pages("a", 4, 'A'), b = file_new("b");
	int reader = open("b", O_RDONLY), writer = open("a", O_WRONLY);
	int appender = open("b", O_WRONLY | O_APPEND), dir = open(".", O_RDONLY), fds[2];

	CHECK_ERRNO(ioctl(reader, CLONE, a), EBADF);
	CHECK_ERRNO(ioctl(b, CLONE, writer), EBADF);
	CHECK_ERRNO(ioctl(appender, CLONE, a), EBADF);
	CHECK_ERRNO(ioctl(b, CLONE, 1000), EBADF);
	CHECK_ERRNO(ioctl(b, CLONE, dir), EISDIR);
	CHECK_EQ(pipe(fds), 0);
	CHECK_ERRNO(ioctl(b, CLONE, fds[0]), EXDEV);
	CHECK_ERRNO(clone_part(a, 1, PAGE, b, 0), EINVAL);
	CHECK_ERRNO(clone_part(a, 0, PAGE, b, 1), EINVAL);
	CHECK_ERRNO(clone_part(a, 0, 100, b, 0), EINVAL);
	CHECK_ERRNO(clone_part(a, 0, 5 * PAGE, b, 0), EINVAL);
	CHECK_ERRNO(clone_part(a, 8 * PAGE, PAGE, b, 0), EINVAL);
	CHECK_ERRNO(ioctl(b, CLONE_RANGE, (void *)8), EFAULT);
	CHECK_EQ(stat_of("b").st_size, 0);
	int sealed = memfd_create("s", MFD_ALLOW_SEALING), other = memfd_create("o", 0);
	CHECK_EQ(write(other, "x", 1), 1);
	CHECK_EQ(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE), 0);
	CHECK_ERRNO(ioctl(sealed, CLONE, other), EPERM);
	CHECK_ERRNO(ioctl(b, CLONE, other), EXDEV);
}

/* ---- mappings ---- */

DIR_TEST(snapshot_stands_still_while_a_mapping_is_written)
{
	int a = file_of_pages("a", 4, 'A'), b = file_new("b");
	volatile char *memory = mmap(NULL, 4 * PAGE, READ_WRITE, MAP_SHARED, a, 0);
	volatile int *count = (volatile int *)(memory + 100);

	CHECK(memory != MAP_FAILED);
	pid_t pid = fork();
	if (pid == 0) {
		for (;;)
			__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
	}
	while (!*count)
		usleep(100);
	for (int i = 0; i < 200; i++) {
		int first, second;

		CHECK_EQ(ioctl(b, CLONE, a), 0);
		CHECK_EQ(pread(b, &first, 4, 100), 4);
		int now = *count;
		while (*count == now)
			;
		CHECK_EQ(pread(b, &second, 4, 100), 4);
		CHECK_EQ(first, second);
		CHECK(first <= now);
	}
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_KILLED(pid, SIGKILL);
	int last = *count, in_file;
	CHECK_EQ(pread(a, &in_file, 4, 100), 4);
	CHECK_EQ(in_file, last);
}

/* a[0] is raised before a[1]: no snapshot may show it the other way round. */
DIR_TEST(snapshot_is_of_one_instant)
{
	int a = file_of_pages("a", 2, 0), b = file_new("b");
	volatile int *memory = mmap(NULL, 2 * PAGE, READ_WRITE, MAP_SHARED, a, 0);
	enum { SECOND = PAGE / sizeof(int) };

	memory[0] = memory[SECOND] = 0;
	pid_t pid = fork();
	if (pid == 0) {
		for (;;) {
			memory[0]++;
			memory[SECOND]++;
		}
	}
	for (int i = 0; i < 300; i++) {
		int first, second;

		CHECK_EQ(ioctl(b, CLONE, a), 0);
		CHECK_EQ(pread(b, &first, 4, 0), 4);
		CHECK_EQ(pread(b, &second, 4, PAGE), 4);
		CHECK(first - second == 0 || first - second == 1);
	}
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_KILLED(pid, SIGKILL);
}

DIR_TEST(clone_shows_in_mappings_of_the_destination)
{
	int a = file_of_pages("a", 3, 'A'), b = file_of_pages("b", 3, 'x');
	volatile char *shared = mmap(NULL, 3 * PAGE, READ_WRITE, MAP_SHARED, b, 0);
	volatile char *private = mmap(NULL, 3 * PAGE, READ_WRITE, MAP_PRIVATE, b, 0);

	CHECK(pages_have_marks(shared, 3, 'x'));
	CHECK(pages_have_marks(private, 3, 'x'));
	private[PAGE] = 'p';
	CHECK_EQ(ioctl(b, CLONE, a), 0);
	CHECK(pages_have_marks(shared, 3, 'A'));
	CHECK_EQ(private[0], 'A');
	CHECK_EQ(private[PAGE], 'p');
	shared[0] = 's';
	CHECK_EQ(byte_at(a, 0), 'A');
	CHECK_EQ(byte_at(b, 0), 's');
	CHECK_EQ(private[2 * PAGE], 'C');
}

/* ---- copy_file_range ---- */

DIR_TEST(copying_whole_pages_shares_them)
{
	int a = file_of_pages("a", 4096, 1), b = file_new("b");

	CHECK_EQ(pwrite(a, "end", 3, 4096 * PAGE), 3);
	long before = free_frames();
	CHECK_EQ(copy_file_range(a, NULL, b, NULL, 1 << 30, 0), 4096 * PAGE + 3);
	CHECK(before - free_frames() < 16);
	CHECK_EQ(stat_of("b").st_size, 4096 * PAGE + 3);
	CHECK(file_has_marks(b, 0, 4096, 1));
	CHECK_EQ(byte_at(b, 4096 * PAGE + 2), 'd');
	CHECK_EQ(lseek(a, 0, SEEK_CUR), 4096 * PAGE + 3);
	CHECK_EQ(copy_file_range(a, NULL, b, NULL, 1 << 30, 0), 0);
	byte_put(b, 0, 'b');
	CHECK_EQ(byte_at(a, 0), 1);
}

DIR_TEST(copying_odd_parts_copies_them)
{
	int a = file_of_pages("a", 4, 'A'), b = file_of_pages("b", 8, 'a');
	off_t from = 0, to = PAGE;

	CHECK_EQ(copy_file_range(a, &from, b, &to, PAGE + 100, 0), PAGE + 100);
	CHECK_EQ(from, PAGE + 100);
	CHECK_EQ(to, 2 * PAGE + 100);
	CHECK(file_has_marks(b, 1, 2, 'A'));
	CHECK_EQ(byte_at(b, 3 * PAGE), 'd');
	from = 1;
	to = 0;
	CHECK_EQ(copy_file_range(a, &from, b, &to, 2 * PAGE, 0), 2 * PAGE);
	CHECK_EQ(byte_at(b, PAGE - 1), 'B');
	CHECK_EQ(stat_of("b").st_size, 8 * PAGE);
}
