/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/mm_madvise.c - advice that changes what a program, or its child, finds.
 */
#include "temp_dir.h"
#include "memory.h"

static int advise(volatile char *memory, size_t pages, int advice)
{
	return madvise((void *)memory, pages * PAGE, advice);
}

TEST(dontneed_makes_zeros)
{
	volatile char *memory = pages_new(8);

	memset((char *)memory, 'A', 8 * PAGE);
	CHECK_EQ(advise(memory + 2 * PAGE, 3, MADV_DONTNEED), 0);
	CHECK(bytes_are(memory, 2 * PAGE, 'A'));
	CHECK(bytes_are(memory + 2 * PAGE, 3 * PAGE, 0));
	CHECK(bytes_are(memory + 5 * PAGE, 3 * PAGE, 'A'));
	memory[3 * PAGE] = 'B';
	CHECK_EQ(memory[3 * PAGE], 'B');
}

TEST(dontneed_of_tables_and_parts_of_tables)
{
	volatile char *memory = tables_new(3);

	pages_mark(memory, 1536, 1);
	CHECK_EQ(advise(memory + 100 * PAGE, 1100, MADV_DONTNEED), 0);
	CHECK(pages_have_marks(memory, 100, 1));
	for (int i = 100; i < 1200; i++)
		CHECK_EQ(memory[i * PAGE], 0);
	CHECK(pages_have_marks(memory + 1200 * PAGE, 336, (char)1201));
}

TEST(dontneed_is_the_callers_alone)
{
	struct gate gate = gate_new();
	volatile char *memory = tables_new(1);

	pages_mark(memory, 512, 1);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(advise(memory + 256 * PAGE, 256, MADV_DONTNEED), 0);
		CHECK_EQ(memory[300 * PAGE], 0);
		gate_pass(gate);
		CHECK(pages_have_marks(memory, 256, 1));
		_exit(0);
	}
	CHECK_EQ(advise(memory, 256, MADV_DONTNEED), 0);
	CHECK_EQ(memory[100 * PAGE], 0);
	CHECK(pages_have_marks(memory + 256 * PAGE, 256, (char)257));
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

TEST(dontneed_of_shared_memory_forgets_nothing)
{
	volatile char *memory = memory_map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);

	pages_mark(memory, 4, 1);
	CHECK_EQ(advise(memory, 4, MADV_DONTNEED), 0);
	CHECK(pages_have_marks(memory, 4, 1));
}

DIR_TEST(dontneed_of_a_private_file_shows_the_file_again)
{
	int fd = file_with("f", "text");
	volatile char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	CHECK(memory != MAP_FAILED);
	memory[0] = 'T';
	CHECK_EQ(advise(memory, 1, MADV_DONTNEED), 0);
	CHECK_EQ(memory[0], 't');
}

TEST(dontfork_is_not_there_for_the_child)
{
	volatile char *memory = pages_new(8);

	pages_mark(memory, 8, 1);
	CHECK_EQ(advise(memory + 2 * PAGE, 3, MADV_DONTFORK), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(pages_have_marks(memory, 2, 1));
		for (int i = 2; i < 5; i++)
			CHECK_FAULT(memory + i * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
		CHECK(pages_have_marks(memory + 5 * PAGE, 3, 6));
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory, 8, 1));
	pages_mark(memory, 8, 2);
}

TEST(dofork_undoes_dontfork)
{
	volatile char *memory = pages_new(4);

	pages_mark(memory, 4, 1);
	CHECK_EQ(advise(memory, 4, MADV_DONTFORK), 0);
	CHECK_EQ(advise(memory + PAGE, 2, MADV_DOFORK), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(pages_have_marks(memory + PAGE, 2, 2));
		CHECK_FAULT(memory, TO_READ, SIGSEGV, SEGV_MAPERR);
		CHECK_FAULT(memory + 3 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
}

/* The child's child: what the child has put there is not inherited either. */
TEST(wipeonfork_is_zero_in_every_generation)
{
	volatile char *memory = pages_new(4);

	pages_mark(memory, 4, 1);
	CHECK_EQ(advise(memory + PAGE, 2, MADV_WIPEONFORK), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(memory[0], 1);
		CHECK(bytes_are(memory + PAGE, 2 * PAGE, 0));
		CHECK_EQ(memory[3 * PAGE], 4);
		pages_mark(memory, 4, 'c');
		pid = fork();
		if (pid == 0) {
			CHECK_EQ(memory[0], 'c');
			CHECK(bytes_are(memory + PAGE, 2 * PAGE, 0));
			CHECK_EQ(memory[3 * PAGE], 'c' + 3);
			_exit(0);
		}
		CHECK_EXIT(pid, 0);
		CHECK(pages_have_marks(memory, 4, 'c'));
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory, 4, 1));
}

TEST(keeponfork_undoes_wipeonfork)
{
	volatile char *memory = pages_new(4);

	pages_mark(memory, 4, 1);
	CHECK_EQ(advise(memory, 4, MADV_WIPEONFORK), 0);
	CHECK_EQ(advise(memory, 2, MADV_KEEPONFORK), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(pages_have_marks(memory, 2, 1));
		CHECK(bytes_are(memory + 2 * PAGE, 2 * PAGE, 0));
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
}

/* Wiped and missing ranges end inside tables that are shared otherwise. */
TEST(wipe_and_dontfork_across_tables)
{
	volatile char *memory = tables_new(4);

	pages_mark(memory, 2048, 1);
	CHECK_EQ(advise(memory + 400 * PAGE, 300, MADV_WIPEONFORK), 0);
	CHECK_EQ(advise(memory + 1000 * PAGE, 600, MADV_DONTFORK), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(pages_have_marks(memory, 400, 1));
		for (int i = 400; i < 700; i++)
			CHECK_EQ(memory[i * PAGE], 0);
		CHECK(pages_have_marks(memory + 700 * PAGE, 300, (char)701));
		CHECK_FAULT(memory + 1000 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
		CHECK_FAULT(memory + 1599 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
		CHECK(pages_have_marks(memory + 1600 * PAGE, 448, (char)1601));
		pages_mark(memory, 1000, 2);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory, 2048, 1));
}

DIR_TEST(wipeonfork_is_for_private_anonymous_memory)
{
	volatile char *shared = memory_map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	int fd = file_with("f", "text");
	volatile char *file = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

	CHECK(file != MAP_FAILED);
	CHECK_ERRNO(advise(shared, 1, MADV_WIPEONFORK), EINVAL);
	CHECK_ERRNO(advise(file, 1, MADV_WIPEONFORK), EINVAL);
	CHECK_EQ(advise(file, 1, MADV_DONTFORK), 0);
}

TEST(populate_fills_pages)
{
	volatile char *memory = pages_new(8);
	unsigned char present[8] = {0};

	if (advise(memory, 4, 23 /* MADV_POPULATE_WRITE */) < 0 && errno == EINVAL)
		SKIP("no MADV_POPULATE_WRITE");
	CHECK_EQ(mincore((void *)memory, 4 * PAGE, present), 0);
	CHECK(present[0] & present[1] & present[2] & present[3] & 1);
	CHECK_EQ(memory[0], 0);
}

TEST(advice_that_only_helps_changes_nothing)
{
	static const int advices[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
		MADV_DONTDUMP, MADV_DODUMP};
	volatile char *memory = pages_new(4);

	pages_mark(memory, 4, 1);
	for (size_t i = 0; i < sizeof(advices) / sizeof(*advices); i++) {
		CHECK_EQ(advise(memory, 4, advices[i]), 0);
		CHECK(pages_have_marks(memory, 4, 1));
	}
}
