/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/mm_moves.c - mremap of shared memory, files and ranges that share tables, over fork.
 *
 * See: mremap(2).
 */
#include "temp_dir.h"
#include "memory.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

enum {
	READ_WRITE = PROT_READ | PROT_WRITE,
	FIXED = MREMAP_MAYMOVE | MREMAP_FIXED,
	LEAVE = MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
};

static volatile char *remap(volatile char *old, size_t old_pages, size_t new_pages, int flags,
	volatile char *to)
{
	void *new = mremap((void *)old, old_pages * PAGE, new_pages * PAGE, flags, to);

	CHECK(new != MAP_FAILED);
	return new;
}

static int marked_file(size_t pages)
{
	int fd = memfd_create("moves", 0);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, pages * PAGE), 0);
	for (size_t i = 0; i < pages; i++) {
		char mark = (char)(1 + i);
		CHECK_EQ(pwrite(fd, &mark, 1, i * PAGE), 1);
	}
	return fd;
}

static volatile char *view(int fd, size_t pages, int flags)
{
	void *memory = mmap(NULL, pages * PAGE, READ_WRITE, flags, fd, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

/* ---- forms ---- */

/* An old length of zero: the same pages once more. */
TEST(nothing_moved_of_shared_memory_is_a_second_view)
{
	volatile char *memory = memory_map(4 * PAGE, READ_WRITE, MAP_SHARED);

	pages_mark(memory, 4, 1);
	volatile char *twin = remap(memory, 0, 4, MREMAP_MAYMOVE, NULL);
	CHECK(twin != memory);
	CHECK(pages_have_marks(twin, 4, 1));
	twin[PAGE] = 't';
	CHECK_EQ(memory[PAGE], 't');
	pages_free(memory, 4);
	CHECK_EQ(twin[PAGE], 't');
	CHECK(mremap((void *)twin, 0, 4 * PAGE, 0) == MAP_FAILED && errno == ENOMEM);
}

TEST(dontunmap_of_shared_memory_leaves_it_in_both_places)
{
	volatile char *memory = memory_map(4 * PAGE, READ_WRITE, MAP_SHARED);

	pages_mark(memory, 4, 1);
	volatile char *moved = remap(memory, 4, 4, LEAVE, NULL);
	CHECK(moved != memory);
	CHECK(pages_have_marks(memory, 4, 1));
	moved[PAGE] = 'm';
	CHECK_EQ(memory[PAGE], 'm');
}

TEST(dontunmap_of_a_private_file_shows_the_file_in_the_old_place)
{
	int fd = marked_file(4);
	volatile char *memory = view(fd, 4, MAP_PRIVATE);

	memory[PAGE] = 'p';
	volatile char *moved = remap(memory, 4, 4, LEAVE, NULL);
	CHECK_EQ(moved[PAGE], 'p');
	CHECK_EQ(moved[2 * PAGE], 3);
	CHECK(pages_have_marks(memory, 4, 1));
}

TEST(dontunmap_goes_where_it_is_told)
{
	volatile char *memory = tables_new(1), *to = tables_new(1);

	pages_mark(memory, 512, 1);
	pages_mark(to, 512, 7);
	CHECK(remap(memory, 512, 512, LEAVE | MREMAP_FIXED, to) == to);
	CHECK(pages_have_marks(to, 512, 1));
	for (int i = 0; i < 512; i++)
		CHECK_EQ(memory[i * PAGE], 0);
	CHECK(mremap((void *)to, PAGE, 2 * PAGE, LEAVE, NULL) == MAP_FAILED && errno == EINVAL);
	CHECK(mremap((void *)to, PAGE, PAGE, MREMAP_DONTUNMAP, NULL) == MAP_FAILED);
	CHECK_EQ(errno, EINVAL);
}

TEST(a_part_of_a_file_moves_with_its_offset)
{
	int fd = marked_file(16);
	volatile char *shared = view(fd, 16, MAP_SHARED);
	volatile char *to = pages_new(16);

	remap(shared + 4 * PAGE, 4, 4, FIXED, to + PAGE);
	CHECK(pages_have_marks(to + PAGE, 4, 5));
	CHECK(pages_have_marks(shared, 4, 1));
	CHECK(pages_have_marks(shared + 8 * PAGE, 8, 9));
	CHECK_FAULT(shared + 5 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
	to[2 * PAGE] = 's';
	char byte;
	CHECK_EQ(pread(fd, &byte, 1, 5 * PAGE), 1);
	CHECK_EQ(byte, 's');
	CHECK(remap(to + PAGE, 4, 8, MREMAP_MAYMOVE, NULL) != MAP_FAILED);
}

TEST(a_file_range_grows_over_more_of_the_file)
{
	int fd = marked_file(8);
	volatile char *shared = view(fd, 4, MAP_SHARED);

	shared = remap(shared, 4, 10, MREMAP_MAYMOVE, NULL);
	CHECK(pages_have_marks(shared, 8, 1));
	CHECK_FAULT(shared + 8 * PAGE, TO_READ, SIGBUS, BUS_ADRERR);
	CHECK_EQ(ftruncate(fd, 10 * PAGE), 0);
	CHECK_EQ(shared[9 * PAGE], 0);
}

/* To stay where it is and be shorter is only to unmap: however many ranges there are. */
TEST(an_end_of_several_ranges_is_cut_off)
{
	volatile char *memory = pages_new(8);

	pages_mark(memory, 8, 1);
	CHECK_EQ(protect(memory + 3 * PAGE, 2, PROT_READ), 0);
	CHECK(remap(memory, 8, 8, MREMAP_MAYMOVE, NULL) == memory);
	CHECK(remap(memory, 8, 4, 0, NULL) == memory);
	CHECK(pages_have_marks(memory, 4, 1));
	CHECK_FAULT(memory + 4 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
	CHECK_FAULT(memory + 7 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
}

/* ---- over fork ---- */

/* Source and target lie in tables that the other process shares, at each distance from a table's
 * beginning. */
TEST(moves_inside_shared_tables)
{
	static const int steps[] = {0, 1, 511, 512, 513};

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct gate gate = gate_new();
		volatile char *from = tables_new(3), *to = tables_new(4);
		volatile char *target = to + steps[i] * (long)PAGE;

		pages_mark(from, 1536, 1);
		pages_mark(to, 2048, 100);
		pid_t pid = fork();
		if (pid == 0) {
			remap(from, 1024, 1024, FIXED, target);
			CHECK(pages_have_marks(target, 1024, 1));
			CHECK(pages_have_marks(to, steps[i], 100));
			CHECK(pages_have_marks(from + 1024 * PAGE, 512, 1));
			pages_mark(target, 1024, 50);
			gate_pass(gate);
			CHECK(pages_have_marks(target, 1024, 50));
			CHECK(pages_have_marks(to + (steps[i] + 1024l) * PAGE, 1024 - steps[i],
				(char)(100 + steps[i] + 1024)));
			_exit(0);
		}
		CHECK(pages_have_marks(from, 1536, 1));
		pages_mark(from, 1536, 9);
		CHECK(pages_have_marks(to, 2048, 100));
		gate_open(gate);
		CHECK_EXIT(pid, 0);
		CHECK(pages_have_marks(from, 1536, 9));
		pages_free(from, 1536);
		pages_free(to, 2048);
	}
}

/* One table, four ranges: private, a shared file's, private without rights, shared anonymous.  Each
 * process moves another one. */
TEST(one_of_several_ranges_in_a_table_moves)
{
	int fd = marked_file(64);
	volatile char *table = tables_new(1), *to = tables_new(1);
	struct gate gate = gate_new();

	pages_mark(table, 512, 1);
	CHECK(mmap((void *)(table + 64 * PAGE), 64 * PAGE, READ_WRITE, MAP_SHARED | MAP_FIXED, fd,
		0) == table + 64 * PAGE);
	CHECK_EQ(protect(table + 128 * PAGE, 64, PROT_NONE), 0);
	CHECK(mmap((void *)(table + 192 * PAGE), 64 * PAGE, READ_WRITE, MAP_SHARED | MAP_FIXED |
		MAP_ANONYMOUS, -1, 0) == table + 192 * PAGE);
	pages_mark(table + 64 * PAGE, 64, 1);
	pages_mark(table + 192 * PAGE, 64, 33);
	pid_t pid = fork();
	if (pid == 0) {
		remap(table + 64 * PAGE, 64, 64, FIXED, to + 300 * PAGE);
		CHECK(pages_have_marks(to + 300 * PAGE, 64, 1));
		to[300 * PAGE] = 'f';
		remap(table + 128 * PAGE, 64, 64, FIXED, to);
		CHECK_FAULT(to, TO_READ, SIGSEGV, SEGV_ACCERR);
		CHECK_EQ(protect(to, 64, READ_WRITE), 0);
		CHECK(pages_have_marks(to, 64, (char)129));
		gate_pass(gate);
		CHECK_EQ(table[200 * PAGE], 'a');
		CHECK_EQ(table[0], 1);
		_exit(0);
	}
	remap(table + 192 * PAGE, 64, 64, LEAVE | MREMAP_FIXED, to + 64 * PAGE);
	to[72 * PAGE] = 'a';
	CHECK_EQ(table[200 * PAGE], 'a');
	table[0] = 2;
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(table[64 * PAGE], 'f');
	CHECK(pages_have_marks(table + 65 * PAGE, 63, 2));
	CHECK_EQ(protect(table + 128 * PAGE, 64, PROT_READ), 0);
	CHECK(pages_have_marks(table + 128 * PAGE, 64, (char)129));
}

TEST(dontunmap_while_a_child_shares_everything)
{
	struct gate gate = gate_new();
	volatile char *memory = tables_new(2);

	pages_mark(memory, 1024, 1);
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		CHECK(pages_have_marks(memory, 1024, 1));
		volatile char *mine = remap(memory, 1024, 1024, LEAVE, NULL);
		CHECK(pages_have_marks(mine, 1024, 1));
		CHECK_EQ(memory[700 * PAGE], 0);
		_exit(0);
	}
	volatile char *moved = remap(memory, 1024, 1024, LEAVE, NULL);
	CHECK(pages_have_marks(moved, 1024, 1));
	CHECK_EQ(memory[5 * PAGE], 0);
	pages_mark(memory, 1024, 3);
	pages_mark(moved, 1024, 4);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory, 1024, 3));
	CHECK(pages_have_marks(moved, 1024, 4));
}

/* What a child moved and grew, a grandchild finds; the parent finds neither. */
TEST(three_generations_move_one_after_the_other)
{
	volatile char *memory = tables_new(1), *second = tables_new(2), *third = tables_new(2);

	pages_mark(memory, 512, 1);
	pid_t pid = fork();
	if (pid == 0) {
		remap(memory, 512, 600, FIXED, second + PAGE);
		second[600 * PAGE] = 'x';
		pid = fork();
		if (pid == 0) {
			remap(second + PAGE, 600, 600, FIXED, third);
			CHECK(pages_have_marks(third, 512, 1));
			CHECK_EQ(third[599 * PAGE], 'x');
			CHECK_FAULT(second + PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
			_exit(0);
		}
		CHECK_EXIT(pid, 0);
		CHECK(pages_have_marks(second + PAGE, 512, 1));
		CHECK_FAULT(memory, TO_READ, SIGSEGV, SEGV_MAPERR);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory, 512, 1));
	CHECK_EQ(second[600 * PAGE], 0);
}

/* ---- nothing is copied ---- */

TEST(moving_copies_no_page)
{
	volatile char *from = tables_new(4), *to = tables_new(4);
	const char *path = "/proc/self/cow", *name = "frames_copied ";

	if (!is_cowbell())
		SKIP("nobody counts");
	pages_mark(from, 2048, 1);
	pid_t pid = fork();
	if (pid == 0) {
		proc_number(path, name);
		long long before = proc_number(path, name);
		remap(from, 2048, 2048, FIXED, to);
		remap(to, 1024, 1024, FIXED, from + 7 * PAGE);
		CHECK_EQ(proc_number(path, name), before);
		CHECK(pages_have_marks(from + 7 * PAGE, 1024, 1));
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
}
