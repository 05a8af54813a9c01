/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/file_holes.c - holes in files: found, made, seen through mappings.
 */
#include "temp_dir.h"
#include "memory.h"

enum { READ_WRITE = PROT_READ | PROT_WRITE, PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };

static int memory_file(void)
{
	int fd = memfd_create("holes", 0);

	CHECK(fd >= 0);
	return fd;
}

static int marked_file(size_t pages)
{
	int fd = memory_file();

	for (size_t i = 0; i < pages; i++) {
		char mark = (char)('A' + i);
		CHECK_EQ(pwrite(fd, &mark, 1, i * PAGE), 1);
	}
	CHECK_EQ(ftruncate(fd, pages * PAGE), 0);
	return fd;
}

static volatile char *map(int fd, size_t pages, int flags)
{
	void *memory = mmap(NULL, pages * PAGE, READ_WRITE, flags, fd, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

TEST(bytes_that_cannot_be_read_leave_nothing_behind)
{
	int fd = memory_file();
	struct stat stat;

	for (int i = 0; i < 64; i++)
		CHECK_ERRNO(pwrite(fd, (void *)8, 1, i * PAGE), EFAULT);
	CHECK_EQ(ftruncate(fd, 0), 0);          /* some kernels have made it longer */
	CHECK_EQ(fstat(fd, &stat), 0);
	CHECK_EQ(stat.st_blocks, 0);
}

TEST(data_and_holes_are_found)
{
	int fd = memory_file();
	off_t far = 5ll << 30;

	CHECK_EQ(pwrite(fd, "x", 1, 2 * PAGE + 7), 1);
	CHECK_EQ(pwrite(fd, "x", 1, far), 1);
	CHECK_EQ(lseek(fd, 0, SEEK_DATA), 2 * PAGE);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 0);
	CHECK_EQ(lseek(fd, 2 * PAGE + 9, SEEK_DATA), 2 * PAGE + 9);
	CHECK_EQ(lseek(fd, 2 * PAGE + 9, SEEK_HOLE), 3 * PAGE);
	CHECK_EQ(lseek(fd, 3 * PAGE, SEEK_DATA), far);
	CHECK_EQ(lseek(fd, far, SEEK_HOLE), far + 1);
	CHECK_ERRNO(lseek(fd, far + 1, SEEK_DATA), ENXIO);
	CHECK_ERRNO(lseek(fd, far + 1, SEEK_HOLE), ENXIO);
	CHECK_EQ(ftruncate(fd, far + 10 * PAGE), 0);
	CHECK_ERRNO(lseek(fd, far + PAGE, SEEK_DATA), ENXIO);
	CHECK_EQ(lseek(fd, far + PAGE, SEEK_HOLE), far + PAGE);
}

TEST(punching_gives_memory_back)
{
	int fd = marked_file(6);
	struct stat stat;

	CHECK_EQ(fallocate(fd, PUNCH, PAGE + 100, 3 * PAGE), 0);
	CHECK_EQ(fstat(fd, &stat), 0);
	CHECK_EQ(stat.st_blocks, 4 * PAGE / 512);
	CHECK_EQ(stat.st_size, 6 * PAGE);
	CHECK_EQ(lseek(fd, PAGE, SEEK_HOLE), 2 * PAGE);
	CHECK_EQ(lseek(fd, 2 * PAGE, SEEK_DATA), 4 * PAGE);
	char byte;
	CHECK_EQ(pread(fd, &byte, 1, PAGE), 1);
	CHECK_EQ(byte, 'B');
	CHECK_EQ(pread(fd, &byte, 1, 4 * PAGE), 1);
	CHECK_EQ(byte, 0);
}

/* Views see the hole; copies that were made before do not. */
TEST(punching_under_mappings)
{
	int fd = marked_file(4);
	volatile char *shared = map(fd, 4, MAP_SHARED), *private = map(fd, 4, MAP_PRIVATE);

	CHECK(pages_have_marks(shared, 4, 'A'));
	CHECK(pages_have_marks(private, 4, 'A'));
	private[PAGE] = 'p';
	pid_t pid = fork();
	if (pid > 0) {
		CHECK_EQ(fallocate(fd, PUNCH, 0, 3 * PAGE), 0);
		CHECK_EXIT(pid, 0);
	}
	while (pid == 0 && shared[0])
		usleep(1000);
	CHECK_EQ(shared[PAGE], 0);
	CHECK_EQ(private[0], 0);
	CHECK_EQ(private[PAGE], 'p');
	CHECK_EQ(private[3 * PAGE], 'D');
}

TEST(truncation_takes_copies_too)
{
	int fd = marked_file(4);
	volatile char *private = map(fd, 4, MAP_PRIVATE);

	private[2 * PAGE] = 'p';
	private[10] = 'q';
	CHECK_EQ(ftruncate(fd, PAGE), 0);
	CHECK_FAULT(private + 2 * PAGE, TO_READ, SIGBUS, BUS_ADRERR);
	CHECK_EQ(ftruncate(fd, 4 * PAGE), 0);
	CHECK_EQ(private[2 * PAGE], 0);
	CHECK_EQ(private[10], 'q');
}

TEST(msync_judges_its_arguments)
{
	int fd = marked_file(3);
	volatile char *shared = map(fd, 3, MAP_SHARED);

	CHECK_EQ(msync((void *)shared, 3 * PAGE, MS_SYNC), 0);
	CHECK_EQ(msync((void *)shared, 1, MS_ASYNC | MS_INVALIDATE), 0);
	CHECK_ERRNO(msync((void *)(shared + 1), PAGE, MS_SYNC), EINVAL);
	CHECK_ERRNO(msync((void *)shared, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	CHECK_ERRNO(msync((void *)shared, PAGE, 0x100), EINVAL);
	pages_free(shared + PAGE, 1);
	CHECK_ERRNO(msync((void *)shared, 3 * PAGE, MS_SYNC), ENOMEM);
}

/* A fault and a truncation of the same page, again and again: no old page stays. */
TEST(faults_race_with_truncation)
{
	int fd = memory_file();
	volatile int *stop = (volatile int *)memory_map(PAGE, READ_WRITE, MAP_SHARED);
	volatile char *shared;

	CHECK_EQ(ftruncate(fd, PAGE), 0);
	shared = map(fd, 1, MAP_SHARED);
	pid_t pid = fork();
	if (pid == 0) {
		char byte = 'x';
		int fds[2];
		CHECK_EQ(pipe(fds), 0);
		while (!*stop) {                /* a kernel copy: no signal when it fails */
			if (write(fds[1], (const void *)shared, 1) == 1)
				CHECK_EQ(read(fds[0], &byte, 1), 1);
		}
		_exit(0);
	}
	for (int i = 0; i < 2000; i++) {
		CHECK_EQ(ftruncate(fd, 0), 0);
		CHECK_EQ(ftruncate(fd, PAGE), 0);
		CHECK_EQ(pwrite(fd, "y", 1, 0), 1);
	}
	CHECK_EQ(ftruncate(fd, 0), 0);
	CHECK_FAULT(shared, TO_READ, SIGBUS, BUS_ADRERR);
	*stop = 1;
	CHECK_EXIT(pid, 0);
}
