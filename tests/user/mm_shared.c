/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/mm_shared.c - memory that is one for all, and files seen as memory.
 */
#include "temp_dir.h"
#include "memory.h"

enum { READ_WRITE = PROT_READ | PROT_WRITE };

static volatile char *file_map(int fd, size_t pages, int prot, int flags)
{
	void *memory = mmap(NULL, pages * PAGE, prot, flags, fd, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

/* A file of whole pages; byte 0 of each is a mark. */
static int file_of_pages(const char *name, size_t pages, char first)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, pages * PAGE), 0);
	for (size_t i = 0; i < pages; i++) {
		char mark = (char)(first + i);
		CHECK_EQ(pwrite(fd, &mark, 1, i * PAGE), 1);
	}
	return fd;
}

static char file_byte(int fd, off_t at)
{
	char byte;

	CHECK_EQ(pread(fd, &byte, 1, at), 1);
	return byte;
}

/* ---- anonymous ---- */

TEST(anonymous_is_one_memory_for_both)
{
	struct gate gate = gate_new();
	volatile char *memory = memory_map(4 * PAGE, READ_WRITE, MAP_SHARED);

	memory[0] = 'A';
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(memory[0], 'A');
		memory[PAGE] = 'c';
		gate_pass(gate);
		CHECK_EQ(memory[2 * PAGE], 'p');
		memory[0] = 'c';
		_exit(0);
	}
	memory[2 * PAGE] = 'p';
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(memory[0], 'c');
	CHECK_EQ(memory[PAGE], 'c');
}

/* Zeros that were read before are not the private kind. */
TEST(what_was_read_as_zero_shows_later_writes)
{
	volatile char *memory = memory_map(600 * PAGE, READ_WRITE, MAP_SHARED);

	CHECK(bytes_are(memory, PAGE, 0));
	CHECK_EQ(memory[599 * PAGE], 0);
	pid_t pid = fork();
	if (pid == 0) {
		memory[0] = 'c';
		memory[599 * PAGE] = 'd';
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(memory[0], 'c');
	CHECK_EQ(memory[599 * PAGE], 'd');
}

TEST(shared_beside_private_in_one_table)
{
	volatile char *memory = tables_new(1);
	volatile char *middle = memory + 200 * PAGE;

	pages_mark(memory, 512, 1);
	CHECK(mmap((void *)middle, 100 * PAGE, READ_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
		-1, 0) == middle);
	pages_mark(middle, 50, 'S');
	pid_t pid = fork();
	if (pid == 0) {
		pages_mark(memory, 200, 'c');
		pages_mark(middle, 100, 'c');
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory, 200, 1));
	CHECK(pages_have_marks(middle, 100, 'c'));
	CHECK(pages_have_marks(memory + 300 * PAGE, 212, (char)301));
}

TEST(three_generations_count_together)
{
	volatile int *count = (volatile int *)memory_map(PAGE, READ_WRITE, MAP_SHARED);
	pid_t pids[8];

	for (int i = 0; i < 8; i++) {
		pids[i] = fork();
		CHECK(pids[i] >= 0);
		if (pids[i] == 0) {
			pid_t pid = fork();
			for (int n = 0; n < 1000; n++)
				__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
			if (pid == 0)
				_exit(0);
			CHECK_EXIT(pid, 0);
			_exit(0);
		}
	}
	for (int i = 0; i < 8; i++)
		CHECK_EXIT(pids[i], 0);
	CHECK_EQ(*count, 16000);
}

TEST(rights_of_shared_memory_are_each_ones_own)
{
	volatile char *memory = memory_map(PAGE, READ_WRITE, MAP_SHARED);

	memory[0] = 'A';
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(protect(memory, 1, PROT_READ), 0);
		CHECK_FAULT(memory, TO_WRITE, SIGSEGV, SEGV_ACCERR);
		CHECK_EQ(protect(memory, 1, PROT_NONE), 0);
		CHECK_FAULT(memory, TO_READ, SIGSEGV, SEGV_ACCERR);
		CHECK_EQ(protect(memory, 1, READ_WRITE), 0);
		memory[1] = 'c';
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	memory[2] = 'p';
	CHECK_EQ(memory[1], 'c');
}

TEST(unmapping_shared_memory_leaves_it_to_the_others)
{
	volatile char *memory = memory_map(4 * PAGE, READ_WRITE, MAP_SHARED);

	pages_mark(memory, 4, 1);
	pid_t pid = fork();
	if (pid == 0) {
		pages_free(memory, 4);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory, 4, 1));
}

/* ---- shared files ---- */

DIR_TEST(shared_file_and_memory_are_the_same)
{
	int fd = file_of_pages("f", 3, 'A');
	volatile char *memory = file_map(fd, 3, READ_WRITE, MAP_SHARED);

	CHECK(pages_have_marks(memory, 3, 'A'));
	memory[PAGE] = 'm';
	CHECK_EQ(file_byte(fd, PAGE), 'm');
	CHECK_EQ(pwrite(fd, "w", 1, 2 * PAGE + 7), 1);
	CHECK_EQ(memory[2 * PAGE + 7], 'w');
	volatile char *second = file_map(fd, 3, PROT_READ, MAP_SHARED);
	memory[5] = 's';
	CHECK_EQ(second[5], 's');
}

DIR_TEST(shared_file_is_shared_by_fork)
{
	int fd = file_of_pages("f", 3, 'A');
	volatile char *memory = file_map(fd, 3, READ_WRITE, MAP_SHARED);

	memory[0] = 'p';
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(memory[0], 'p');
		memory[PAGE] = 'c';
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(memory[PAGE], 'c');
	CHECK_EQ(file_byte(fd, PAGE), 'c');
}

DIR_TEST(mapping_outlives_descriptor_and_name)
{
	int fd = file_of_pages("f", 2, 'A');
	volatile char *memory = file_map(fd, 2, READ_WRITE, MAP_SHARED);

	close(fd);
	CHECK_EQ(unlink("f"), 0);
	CHECK(pages_have_marks(memory, 2, 'A'));
	memory[PAGE] = 'm';
	pid_t pid = fork();
	if (pid == 0)
		_exit(memory[PAGE] == 'm' ? 0 : 1);
	CHECK_EXIT(pid, 0);
}

DIR_TEST(offset_chooses_the_page)
{
	int fd = file_of_pages("f", 4, 'A');
	volatile char *memory = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE);

	CHECK(memory != MAP_FAILED);
	CHECK_EQ(memory[0], 'C');
}

/* ---- private files ---- */

DIR_TEST(private_writes_do_not_reach_the_file)
{
	int fd = file_of_pages("f", 3, 'A');
	volatile char *memory = file_map(fd, 3, READ_WRITE, MAP_PRIVATE);
	volatile char *other = file_map(fd, 3, READ_WRITE, MAP_PRIVATE);

	CHECK_EQ(memory[0], 'A');
	memory[0] = 'm';
	memory[PAGE] = 'm';                     /* never read before */
	CHECK_EQ(file_byte(fd, 0), 'A');
	CHECK_EQ(file_byte(fd, PAGE), 'B');
	CHECK(pages_have_marks(other, 3, 'A'));
	CHECK_EQ(memory[1], 0);
	CHECK_EQ(memory[2 * PAGE], 'C');
}

DIR_TEST(private_copy_is_not_changed_by_the_file)
{
	int fd = file_of_pages("f", 2, 'A');
	volatile char *memory = file_map(fd, 2, READ_WRITE, MAP_PRIVATE);

	memory[0] = 'm';
	CHECK_EQ(pwrite(fd, "w", 1, 0), 1);
	CHECK_EQ(pwrite(fd, "w", 1, 1), 1);
	CHECK_EQ(memory[0], 'm');
	CHECK_EQ(memory[1], 0);
}

/* Written private pages of a file are copied on write by fork like others. */
DIR_TEST(private_file_pages_after_fork)
{
	struct gate gate = gate_new();
	int fd = file_of_pages("f", 4, 'A');
	volatile char *memory = file_map(fd, 4, READ_WRITE, MAP_PRIVATE);

	memory[0] = 'm';
	CHECK_EQ(memory[PAGE], 'B');
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		CHECK_EQ(memory[0], 'm');
		CHECK(pages_have_marks(memory + PAGE, 3, 'B'));
		pages_mark(memory, 4, 'c');
		_exit(0);
	}
	pages_mark(memory, 3, 'p');
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory, 3, 'p'));
	CHECK_EQ(memory[3 * PAGE], 'D');
	for (int i = 0; i < 4; i++)
		CHECK_EQ(file_byte(fd, i * PAGE), 'A' + i);
}

DIR_TEST(private_mapping_of_a_file_open_for_reading_can_be_written)
{
	file_make("f", "text");
	int fd = open("f", O_RDONLY);
	volatile char *memory = file_map(fd, 1, READ_WRITE, MAP_PRIVATE);

	memory[0] = 'T';
	CHECK(file_holds("f", "text"));
}

/* ---- ends of files ---- */

DIR_TEST(behind_the_end_is_zero_to_the_end_of_the_page)
{
	int fd = file_with("f", "text");
	volatile char *shared = file_map(fd, 2, PROT_READ, MAP_SHARED);
	volatile char *private = file_map(fd, 2, READ_WRITE, MAP_PRIVATE);

	CHECK_EQ(memcmp((char *)shared, "text", 4), 0);
	CHECK(bytes_are(shared + 4, PAGE - 4, 0));
	private[1] = 'E';
	CHECK(bytes_are(private + 4, PAGE - 4, 0));
}

DIR_TEST(pages_behind_the_end_raise_sigbus)
{
	int fd = file_with("f", "text");
	volatile char *shared = file_map(fd, 3, READ_WRITE, MAP_SHARED);
	volatile char *private = file_map(fd, 3, READ_WRITE, MAP_PRIVATE);

	CHECK_FAULT(shared + PAGE, TO_READ, SIGBUS, BUS_ADRERR);
	CHECK_FAULT(shared + 2 * PAGE, TO_WRITE, SIGBUS, BUS_ADRERR);
	CHECK_FAULT(private + PAGE, TO_READ, SIGBUS, BUS_ADRERR);
	CHECK_FAULT(private + PAGE, TO_WRITE, SIGBUS, BUS_ADRERR);
	int fds[2];
	CHECK_EQ(pipe(fds), 0);
	CHECK_ERRNO(write(fds[1], (char *)shared + PAGE, 1), EFAULT);
	CHECK_EQ(ftruncate(fd, 2 * PAGE), 0);
	CHECK_NO_FAULT(shared + PAGE, TO_WRITE);
	CHECK_EQ(private[PAGE + 1], 0);
}

DIR_TEST(truncation_takes_pages_away_from_everybody)
{
	struct gate gate = gate_new();
	int fd = file_of_pages("f", 3, 'A');
	volatile char *shared = file_map(fd, 3, READ_WRITE, MAP_SHARED);
	volatile char *private = file_map(fd, 3, READ_WRITE, MAP_PRIVATE);

	CHECK(pages_have_marks(shared, 3, 'A'));
	CHECK(pages_have_marks(private, 3, 'A'));
	private[2 * PAGE] = 'x';
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		CHECK_FAULT(shared + 2 * PAGE, TO_READ, SIGBUS, BUS_ADRERR);
		CHECK_FAULT(private + PAGE, TO_READ, SIGBUS, BUS_ADRERR);
		CHECK_FAULT(private + 2 * PAGE, TO_READ, SIGBUS, BUS_ADRERR);
		CHECK_EQ(shared[0], 'A');
		_exit(0);
	}
	CHECK_EQ(ftruncate(fd, PAGE), 0);
	CHECK_FAULT(shared + PAGE, TO_READ, SIGBUS, BUS_ADRERR);
	CHECK_FAULT(private + 2 * PAGE, TO_WRITE, SIGBUS, BUS_ADRERR);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(shared[0], 'A');
}

DIR_TEST(what_was_cut_off_comes_back_as_zeros)
{
	int fd = file_of_pages("f", 2, 'A');
	volatile char *shared = file_map(fd, 2, READ_WRITE, MAP_SHARED);

	shared[200] = 'x';
	CHECK_EQ(ftruncate(fd, 100), 0);
	CHECK_EQ(ftruncate(fd, 2 * PAGE), 0);
	CHECK_EQ(shared[0], 'A');
	CHECK(bytes_are(shared + 1, 2 * PAGE - 1, 0));
}

/* ---- the kernel in between ---- */

/* The page that is read into is the page that is read from. */
DIR_TEST(read_of_a_file_into_its_own_mapping)
{
	int fd = file_of_pages("f", 2, 'A');
	volatile char *shared = file_map(fd, 2, READ_WRITE, MAP_SHARED);

	CHECK_EQ(pread(fd, (char *)shared + PAGE, PAGE, 0), PAGE);
	CHECK_EQ(shared[PAGE], 'A');
	CHECK_EQ(pwrite(fd, (char *)shared + PAGE, PAGE, PAGE), PAGE);
	CHECK_EQ(file_byte(fd, PAGE), 'A');
	volatile char *fresh = file_map(fd, 2, PROT_READ, MAP_SHARED);
	CHECK_EQ(pwrite(fd, (char *)fresh, 1, PAGE + 1), 1);
	CHECK_EQ(shared[PAGE + 1], 'A');
}

DIR_TEST(file_written_from_private_memory_of_the_same_file)
{
	int fd = file_of_pages("f", 2, 'A');
	volatile char *private = file_map(fd, 2, READ_WRITE, MAP_PRIVATE);

	private[0] = 'm';
	CHECK_EQ(pwrite(fd, (char *)private, 1, PAGE), 1);
	CHECK_EQ(file_byte(fd, 0), 'A');
	CHECK_EQ(file_byte(fd, PAGE), 'm');
}
