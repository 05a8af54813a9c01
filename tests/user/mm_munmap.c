/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/mm_munmap.c - what is unmapped is gone, and nothing else.
 */
#include "memory.h"

TEST(gone_after_unmapping)
{
	volatile char *memory = pages_new(4);

	pages_mark(memory, 4, 1);
	pages_free(memory, 4);
	for (int i = 0; i < 4; i++)
		CHECK_FAULT(memory + i * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
}

TEST(head_middle_and_tail_of_a_range)
{
	volatile char *memory = pages_new(16);

	pages_mark(memory, 16, 1);
	pages_free(memory, 2);
	pages_free(memory + 14 * PAGE, 2);
	pages_free(memory + 7 * PAGE, 2);
	CHECK(pages_have_marks(memory + 2 * PAGE, 5, 3));
	CHECK(pages_have_marks(memory + 9 * PAGE, 5, 10));
	CHECK_FAULT(memory + PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
	CHECK_FAULT(memory + 7 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
	CHECK_FAULT(memory + 14 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
}

TEST(holes_do_not_matter)
{
	volatile char *memory = pages_new(16);

	pages_free(memory + 4 * PAGE, 4);
	pages_free(memory, 16);
	pages_free(memory, 16);
	CHECK_FAULT(memory + 15 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
}

TEST(over_several_ranges_of_different_kind)
{
	volatile char *memory = pages_new(16);

	pages_mark(memory, 16, 1);
	CHECK_EQ(protect(memory + 4 * PAGE, 4, PROT_READ), 0);
	CHECK_EQ(protect(memory + 8 * PAGE, 4, PROT_NONE), 0);
	CHECK(mmap((void *)(memory + 6 * PAGE), PAGE, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	pages_free(memory + PAGE, 14);
	CHECK_EQ(memory[0], 1);
	CHECK_EQ(memory[15 * PAGE], 16);
	for (int i = 1; i < 15; i++)
		CHECK_FAULT(memory + i * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
}

/* 2 MiB and more, aligned and not: whole tables go at once, halves of others. */
TEST(whole_tables_and_parts_of_tables)
{
	volatile char *memory = tables_new(4);

	for (int first = 0; first < 600; first += 199) {
		pages_mark(memory, 2048, 1);
		pages_free(memory + first * PAGE, 1025);
		CHECK(pages_have_marks(memory, first, 1));
		CHECK_FAULT(memory + first * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
		CHECK_FAULT(memory + (first + 1024) * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
		CHECK(pages_have_marks(memory + (first + 1025) * PAGE, 2048 - first - 1025,
			(char)(first + 1026)));
		CHECK(mmap((void *)(memory + first * PAGE), 1025 * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	}
}

TEST(parent_and_child_unmap_different_halves)
{
	struct gate gate = gate_new();
	volatile char *memory = tables_new(2);

	pages_mark(memory, 1024, 1);
	pid_t pid = fork();
	if (pid == 0) {
		pages_free(memory, 700);
		gate_pass(gate);
		CHECK(pages_have_marks(memory + 700 * PAGE, 324, (char)701));
		CHECK_FAULT(memory, TO_READ, SIGSEGV, SEGV_MAPERR);
		_exit(0);
	}
	pages_free(memory + 300 * PAGE, 724);
	CHECK(pages_have_marks(memory, 300, 1));
	pages_mark(memory, 300, 2);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory, 300, 2));
	CHECK_FAULT(memory + 300 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
}

/* Both unmap what they share at the same moment. */
TEST(unmapped_by_all_at_once)
{
	enum { CHILDREN = 6 };
	struct gate gate = gate_new();
	volatile char *memory = tables_new(4);
	pid_t pids[CHILDREN];

	pages_mark(memory, 2048, 1);
	for (int i = 0; i < CHILDREN; i++) {
		pids[i] = fork();
		CHECK(pids[i] >= 0);
		if (pids[i] == 0) {
			gate_pass(gate);
			pages_free(memory + i * 50 * PAGE, 1500);
			CHECK(pages_have_marks(memory, i * 50, 1));
			_exit(0);
		}
	}
	gate_open(gate);
	pages_free(memory + 100 * PAGE, 1948);
	CHECK(pages_have_marks(memory, 100, 1));
	for (int i = 0; i < CHILDREN; i++)
		CHECK_EXIT(pids[i], 0);
}

TEST(unmapped_place_is_used_again_and_is_zero)
{
	volatile char *memory = pages_new(32);

	pages_mark(memory, 32, 1);
	pid_t pid = fork();
	if (pid == 0) {
		pages_free(memory, 32);
		CHECK(mmap((void *)memory, 32 * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == memory);
		CHECK(bytes_are(memory, 32 * PAGE, 0));
		pages_mark(memory, 32, 9);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory, 32, 1));
}
