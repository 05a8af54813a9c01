/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/file_views.c - one file seen by read(2), write(2), shared and private mappings.
 *
 * See: mmap(2), msync(2), truncate(2), fallocate(2).
 */
#include "temp_dir.h"
#include "memory.h"

#include <sys/uio.h>

enum {
	READ_WRITE = PROT_READ | PROT_WRITE,
	PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
};

static int memory_file(size_t size)
{
	int fd = memfd_create("views", 0);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, size), 0);
	return fd;
}

static volatile char *view(int fd, size_t pages, int prot, int flags)
{
	void *memory = mmap(NULL, pages * PAGE, prot, flags, fd, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static int byte_at(int fd, off_t at)
{
	char byte;

	return pread(fd, &byte, 1, at) == 1 ? byte : -1;
}

static void byte_put(int fd, off_t at, char byte)
{
	CHECK_EQ(pwrite(fd, &byte, 1, at), 1);
}

/* ---- coherence ---- */

DIR_TEST(stores_and_calls_see_each_other_at_once)
{
	int fds[] = {memory_file(4 * PAGE), file_with("f", "")};

	CHECK_EQ(ftruncate(fds[1], 4 * PAGE), 0);
	for (int i = 0; i < 2; i++) {
		volatile char *a = view(fds[i], 4, READ_WRITE, MAP_SHARED);
		volatile char *b = view(fds[i], 4, PROT_READ, MAP_SHARED);

		for (int n = 1; n < 100; n++) {
			int at = n * 131 % (4 * PAGE);
			a[at] = (char)n;
			CHECK_EQ(byte_at(fds[i], at), n);
			byte_put(fds[i], at, (char)(n + 1));
			CHECK_EQ(a[at], n + 1);
			CHECK_EQ(b[at], n + 1);
		}
	}
}

/* What nobody wrote yet is the file's, for private mappings as well; what was written is not. */
DIR_TEST(private_pages_follow_the_file_until_they_are_written)
{
	int fd = memory_file(4 * PAGE);
	volatile char *private = view(fd, 4, READ_WRITE, MAP_PRIVATE);

	private[PAGE] = 'p';
	for (int i = 0; i < 4; i++)
		byte_put(fd, i * PAGE + 1, 'f');
	CHECK_EQ(private[1], 'f');
	CHECK_EQ(private[PAGE + 1], 0);
	CHECK_EQ(private[2 * PAGE + 1], 'f');
	CHECK_EQ(byte_at(fd, PAGE), 0);
	byte_put(fd, 2 * PAGE + 1, 'g');
	CHECK_EQ(private[2 * PAGE + 1], 'g');
}

DIR_TEST(a_call_writes_a_private_page_like_a_store)
{
	int fd = memory_file(2 * PAGE), from = file_with("from", "bytes");
	volatile char *private = view(fd, 2, READ_WRITE, MAP_PRIVATE);
	struct iovec parts[2] = {{(char *)private + PAGE - 2, 2}, {(char *)private + PAGE, 3}};

	CHECK_EQ(private[0], 0);
	CHECK_EQ(preadv(from, parts, 2, 0), 5);
	CHECK_EQ(memcmp((char *)private + PAGE - 2, "bytes", 5), 0);
	for (int i = PAGE - 2; i < PAGE + 3; i++)
		CHECK_EQ(byte_at(fd, i), 0);
}

/* Three views of one file in three processes, and a fork between the writes. */
DIR_TEST(after_fork_private_views_part_and_shared_ones_do_not)
{
	struct gate gate = gate_new();
	int fd = memory_file(1024 * PAGE);
	volatile char *shared = view(fd, 1024, READ_WRITE, MAP_SHARED);
	volatile char *private = view(fd, 1024, READ_WRITE, MAP_PRIVATE);

	pages_mark(shared, 1024, 1);
	CHECK(pages_have_marks(private, 1024, 1));
	pages_mark(private, 512, 2);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(pages_have_marks(private, 512, 2));
		private[5 * PAGE] = 'c';
		private[600 * PAGE] = 'c';
		gate_pass(gate);
		CHECK_EQ(shared[7 * PAGE], 's');
		CHECK_EQ(private[7 * PAGE], (char)9);
		CHECK_EQ(private[600 * PAGE], 'c');
		CHECK_EQ(private[601 * PAGE], 's');
		shared[8 * PAGE] = 'C';
		_exit(0);
	}
	shared[7 * PAGE] = 's';
	shared[601 * PAGE] = 's';
	private[7 * PAGE] = 'p';
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(private[5 * PAGE], (char)7);
	CHECK_EQ(private[600 * PAGE], (char)601);
	CHECK_EQ(byte_at(fd, 8 * PAGE), 'C');
	CHECK_EQ(byte_at(fd, 600 * PAGE), (char)601);
}

/* ---- the end of the file ---- */

/* The rest of the last page can be stored to, but is not the file's. */
DIR_TEST(stores_behind_the_end_are_not_in_the_file)
{
	int fd = file_with("f", "text");
	volatile char *shared = view(fd, 1, READ_WRITE, MAP_SHARED);

	shared[100] = 'x';
	CHECK_EQ(stat_of("f").st_size, 4);
	CHECK_EQ(byte_at(fd, 100), -1);
	CHECK(file_holds("f", "text"));
}

/* A file that is cut within a page and made longer again has zeros there. */
DIR_TEST(a_longer_file_is_zero_from_its_old_end)
{
	int fd = memory_file(2 * PAGE);
	volatile char *shared = view(fd, 2, READ_WRITE, MAP_SHARED);

	memset((char *)shared, 'A', 2 * PAGE);
	CHECK_EQ(ftruncate(fd, 100), 0);
	CHECK(bytes_are(shared, 100, 'A'));
	CHECK(bytes_are(shared + 100, PAGE - 100, 0));
	CHECK_EQ(ftruncate(fd, 2 * PAGE), 0);
	CHECK(bytes_are(shared + 100, 2 * PAGE - 100, 0));
	CHECK_EQ(ftruncate(fd, 100), 0);
	byte_put(fd, PAGE + 5, 'w');
	CHECK(bytes_are(shared + 100, PAGE - 95, 0));
	CHECK_EQ(shared[PAGE + 5], 'w');
}

/* The end may move under a mapping: what is beyond it raises SIGBUS, in parent and child. */
DIR_TEST(the_end_moves_under_mappings_of_parent_and_child)
{
	struct gate gate = gate_new(), back = gate_new();
	int fd = memory_file(3 * PAGE);
	volatile char *shared = view(fd, 3, READ_WRITE, MAP_SHARED);
	volatile char *private = view(fd, 3, READ_WRITE, MAP_PRIVATE);

	pages_mark(shared, 3, 'A');
	private[2 * PAGE] = 'p';
	pid_t pid = fork();
	if (pid == 0) {
		close(back.fd[0]);
		gate_pass(gate);
		CHECK_EQ(ftruncate(fd, 2 * PAGE + 1), 0);
		CHECK_NO_FAULT(shared + 2 * PAGE, TO_READ);
		CHECK_EQ(ftruncate(fd, 2 * PAGE), 0);
		CHECK_FAULT(shared + 2 * PAGE, TO_WRITE, SIGBUS, BUS_ADRERR);
		CHECK_FAULT(private + 2 * PAGE, TO_READ, SIGBUS, BUS_ADRERR);
		_exit(0);
	}
	gate_open(gate);
	gate_pass(back);
	CHECK_EXIT(pid, 0);
	CHECK_FAULT(shared + 2 * PAGE, TO_READ, SIGBUS, BUS_ADRERR);
	CHECK_FAULT(private + 2 * PAGE, TO_WRITE, SIGBUS, BUS_ADRERR);
	CHECK_EQ(ftruncate(fd, 3 * PAGE), 0);
	CHECK_EQ(shared[2 * PAGE], 0);
	CHECK_EQ(private[2 * PAGE], 0);
	CHECK_EQ(private[PAGE], 'B');
}

/* A hole takes the file's pages only: copies that were made before stay, in all processes. */
DIR_TEST(copies_outlive_a_hole_but_not_the_end)
{
	struct gate gate = gate_new();
	int fd = memory_file(600 * PAGE);
	volatile char *private = view(fd, 600, READ_WRITE, MAP_PRIVATE);
	volatile char *reader = view(fd, 600, PROT_READ, MAP_SHARED);

	for (int i = 0; i < 600; i++)
		byte_put(fd, i * PAGE, 'f');
	private[3 * PAGE] = 'p';
	private[599 * PAGE] = 'p';
	CHECK_EQ(private[4 * PAGE], 'f');
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		CHECK_EQ(private[3 * PAGE], 'p');
		CHECK_EQ(private[4 * PAGE], 0);
		CHECK_EQ(private[599 * PAGE], 'p');
		CHECK_EQ(reader[3 * PAGE], 0);
		_exit(0);
	}
	CHECK_EQ(fallocate(fd, PUNCH, 0, 600 * PAGE), 0);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(private[3 * PAGE], 'p');
	CHECK_EQ(private[4 * PAGE], 0);
	CHECK_EQ(ftruncate(fd, PAGE), 0);
	CHECK_EQ(ftruncate(fd, 600 * PAGE), 0);
	CHECK_EQ(private[3 * PAGE], 0);
	CHECK_EQ(private[599 * PAGE], 0);
}

/* A call that meets the end of a file in its buffer has done the part before it. */
DIR_TEST(a_call_across_the_end_is_cut_short)
{
	int fd = memory_file(PAGE), fds[2];
	volatile char *shared = view(fd, 2, READ_WRITE, MAP_SHARED);

	CHECK_EQ(pipe(fds), 0);
	CHECK_ERRNO(write(fds[1], (char *)shared + PAGE, 10), EFAULT);
	CHECK_EQ(write(fds[1], "0123456789", 10), 10);
	ssize_t n = read(fds[0], (char *)shared + PAGE - 4, 10);
	CHECK(n == 4 || (n == -1 && errno == EFAULT));
	CHECK_ERRNO(pread(fd, (char *)shared + PAGE, 10, 0), EFAULT);
}

/* ---- mapping and unmapping ---- */

DIR_TEST(one_page_at_many_offsets)
{
	int fd = memory_file(64 * PAGE);
	volatile char *shared = view(fd, 64, READ_WRITE, MAP_SHARED), *window;

	pages_mark(shared, 64, 1);
	for (int i = 63; i >= 0; i -= 7) {
		int flags = i % 2 ? MAP_SHARED : MAP_PRIVATE;
		window = mmap(NULL, PAGE, READ_WRITE, flags, fd, i * PAGE);
		CHECK(window != MAP_FAILED);
		CHECK_EQ(window[0], i + 1);
		window[1] = 'w';
		CHECK_EQ(shared[i * PAGE + 1], i % 2 ? 'w' : 0);
		pages_free(window, 1);
	}
	CHECK(pages_have_marks(shared, 64, 1));
}

/* The last mapping of a file without a name gives its memory back. */
DIR_TEST(stores_stay_after_the_mapping_went)
{
	int fd = memory_file(2 * PAGE);
	volatile char *shared = view(fd, 2, READ_WRITE, MAP_SHARED);

	shared[PAGE + 1] = 's';
	pages_free(shared, 2);
	CHECK_EQ(byte_at(fd, PAGE + 1), 's');
	shared = view(fd, 2, PROT_READ, MAP_SHARED);
	CHECK_EQ(shared[PAGE + 1], 's');
}

DIR_TEST(zero_device_mapped_private_is_fresh_memory)
{
	int fd = open("/dev/zero", O_RDONLY);
	volatile char *memory = view(fd, 4, READ_WRITE, MAP_PRIVATE);

	CHECK(bytes_are(memory, 4 * PAGE, 0));
	memory[PAGE] = 'p';
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(memory[PAGE], 'p');
		memory[PAGE] = 'c';
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(memory[PAGE], 'p');
	CHECK(mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
}

DIR_TEST(validated_flags)
{
	int fd = memory_file(PAGE);
	enum { UNKNOWN = 0x200000, SYNC = 0x80000 };

	CHECK(mmap(NULL, PAGE, READ_WRITE, MAP_SHARED_VALIDATE, fd, 0) != MAP_FAILED);
	CHECK(mmap(NULL, PAGE, READ_WRITE, MAP_SHARED_VALIDATE | UNKNOWN, fd, 0) == MAP_FAILED);
	CHECK_EQ(errno, EOPNOTSUPP);
	CHECK(mmap(NULL, PAGE, READ_WRITE, MAP_SHARED_VALIDATE | SYNC, fd, 0) == MAP_FAILED);
	CHECK_EQ(errno, EOPNOTSUPP);
	CHECK(mmap(NULL, PAGE, READ_WRITE, MAP_SHARED | UNKNOWN, fd, 0) != MAP_FAILED);
}

/* ---- msync ---- */

DIR_TEST(flags_of_msync)
{
	int fd = memory_file(2 * PAGE);
	volatile char *shared = view(fd, 2, READ_WRITE, MAP_SHARED);

	shared[0] = 's';
	CHECK_EQ(msync((void *)shared, 2 * PAGE, MS_SYNC), 0);
	CHECK_EQ(msync((void *)shared, 2 * PAGE, MS_ASYNC), 0);
	CHECK_EQ(msync((void *)shared, 2 * PAGE, MS_INVALIDATE), 0);
	CHECK_EQ(msync((void *)shared, 2 * PAGE, 0), 0);
	CHECK_EQ(msync((void *)shared, 0, MS_SYNC), 0);
	CHECK_EQ(shared[0], 's');
	CHECK_ERRNO(msync((void *)shared, (size_t)-PAGE - 1, MS_SYNC), ENOMEM);
}

DIR_TEST(locked_memory_cannot_be_invalidated)
{
	int fd = memory_file(2 * PAGE);
	volatile char *shared = view(fd, 2, READ_WRITE, MAP_SHARED);

	CHECK_EQ(mlock((void *)(shared + PAGE), PAGE), 0);
	CHECK_ERRNO(msync((void *)shared, 2 * PAGE, MS_SYNC | MS_INVALIDATE), EBUSY);
	CHECK_EQ(msync((void *)shared, PAGE, MS_SYNC | MS_INVALIDATE), 0);
	CHECK_EQ(msync((void *)shared, 2 * PAGE, MS_SYNC), 0);
	CHECK_EQ(munlock((void *)shared, 2 * PAGE), 0);
	CHECK_EQ(msync((void *)shared, 2 * PAGE, MS_SYNC | MS_INVALIDATE), 0);
}
