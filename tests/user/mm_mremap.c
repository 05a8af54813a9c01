/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/mm_mremap.c - memory that changes its size and its place keeps its contents.
 */
#include "memory.h"

static volatile char *remap(volatile char *old, size_t old_pages, size_t new_pages, int flags,
	volatile char *to)
{
	void *new = mremap((void *)old, old_pages * PAGE, new_pages * PAGE, flags, to);

	CHECK(new != MAP_FAILED);
	return new;
}

TEST(shrinking_keeps_the_place)
{
	volatile char *memory = pages_new(8);

	pages_mark(memory, 8, 1);
	CHECK(remap(memory, 8, 3, 0, NULL) == memory);
	CHECK(pages_have_marks(memory, 3, 1));
	CHECK_FAULT(memory + 3 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
}

TEST(growing_in_place_where_there_is_room)
{
	volatile char *memory = pages_new(16);

	pages_mark(memory, 4, 1);
	pages_free(memory + 4 * PAGE, 12);
	CHECK(remap(memory, 4, 8, 0, NULL) == memory);
	CHECK(pages_have_marks(memory, 4, 1));
	CHECK(bytes_are(memory + 4 * PAGE, 4 * PAGE, 0));
}

TEST(growing_where_there_is_no_room_needs_leave_to_move)
{
	volatile char *memory = pages_new(8);

	pages_mark(memory, 8, 1);
	CHECK_EQ(protect(memory + 4 * PAGE, 4, PROT_READ), 0);
	CHECK(mremap((void *)memory, 4 * PAGE, 6 * PAGE, 0) == MAP_FAILED);
	CHECK_EQ(errno, ENOMEM);
	volatile char *moved = remap(memory, 4, 6, MREMAP_MAYMOVE, NULL);
	CHECK(moved != memory);
	CHECK(pages_have_marks(moved, 4, 1));
	CHECK(bytes_are(moved + 4 * PAGE, 2 * PAGE, 0));
	CHECK_FAULT(memory, TO_READ, SIGSEGV, SEGV_MAPERR);
	CHECK(pages_have_marks(memory + 4 * PAGE, 4, 5));
}

TEST(fixed_goes_where_it_is_told)
{
	volatile char *memory = pages_new(4), *to = pages_new(8);

	pages_mark(memory, 4, 1);
	pages_mark(to, 8, 50);
	CHECK(remap(memory, 4, 4, MREMAP_MAYMOVE | MREMAP_FIXED, to + 2 * PAGE) == to + 2 * PAGE);
	CHECK(pages_have_marks(to, 2, 50));
	CHECK(pages_have_marks(to + 2 * PAGE, 4, 1));
	CHECK(pages_have_marks(to + 6 * PAGE, 2, 56));
	CHECK_FAULT(memory, TO_READ, SIGSEGV, SEGV_MAPERR);
}

TEST(fixed_may_shrink_and_grow)
{
	volatile char *memory = pages_new(4), *to = pages_new(8);

	pages_mark(memory, 4, 1);
	remap(memory, 4, 2, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK(pages_have_marks(to, 2, 1));
	CHECK_FAULT(memory + 3 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
	memory = pages_new(8);
	remap(to, 2, 5, MREMAP_MAYMOVE | MREMAP_FIXED, memory);
	CHECK(pages_have_marks(memory, 2, 1));
	CHECK(bytes_are(memory + 2 * PAGE, 3 * PAGE, 0));
}

/* Congruent places: whole tables move.  Others: one page after the other. */
TEST(many_tables_move)
{
	enum { PAGES = 1536 };
	volatile char *from = tables_new(3), *even = tables_new(3);
	volatile char *odd = pages_new(PAGES + 512);

	pages_mark(from, PAGES, 1);
	remap(from, PAGES, PAGES, MREMAP_MAYMOVE | MREMAP_FIXED, even);
	CHECK(pages_have_marks(even, PAGES, 1));
	volatile char *to = (uintptr_t)odd % TABLE ? odd : odd + PAGE;
	remap(even, PAGES, PAGES, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK(pages_have_marks(to, PAGES, 1));
	pages_mark(to, PAGES, 2);
	CHECK_FAULT(from + 600 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
	CHECK_FAULT(even + 600 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
}

TEST(moving_what_is_shared_leaves_the_other_alone)
{
	struct gate gate = gate_new();
	volatile char *from = tables_new(2), *to = tables_new(2);

	pages_mark(from, 1024, 1);
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		CHECK(pages_have_marks(from, 1024, 1));
		CHECK(bytes_are(to, PAGE, 0));
		remap(from, 700, 700, MREMAP_MAYMOVE | MREMAP_FIXED, to + 5 * PAGE);
		CHECK(pages_have_marks(to + 5 * PAGE, 700, 1));
		CHECK(pages_have_marks(from + 700 * PAGE, 324, (char)701));
		_exit(0);
	}
	remap(from, 1024, 1024, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK(pages_have_marks(to, 1024, 1));
	pages_mark(to, 1024, 2);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(to, 1024, 2));
}

TEST(rights_move_along)
{
	volatile char *memory = pages_new(4), *to = pages_new(4);

	pages_mark(memory, 4, 1);
	CHECK_EQ(protect(memory, 4, PROT_READ), 0);
	remap(memory, 4, 4, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK_FAULT(to, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	CHECK_EQ(protect(to, 4, PROT_NONE), 0);
	remap(to, 4, 4, MREMAP_MAYMOVE | MREMAP_FIXED, memory);
	CHECK_FAULT(memory, TO_READ, SIGSEGV, SEGV_ACCERR);
	CHECK_EQ(protect(memory, 4, PROT_READ), 0);
	CHECK(pages_have_marks(memory, 4, 1));
}

TEST(shared_memory_stays_shared_after_a_move)
{
	volatile char *memory = memory_map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	volatile char *to = pages_new(8);

	memory[PAGE] = 1;
	pid_t pid = fork();
	if (pid == 0) {
		remap(memory, 4, 4, MREMAP_MAYMOVE | MREMAP_FIXED, to);
		CHECK_EQ(to[PAGE], 1);
		to[2 * PAGE] = 2;
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(memory[2 * PAGE], 2);
}

/* What an allocator does: a block that grows and grows. */
TEST(a_block_grows_step_by_step)
{
	size_t pages = 1;
	volatile char *memory = pages_new(1);

	memory[0] = 1;
	while (pages < 2048) {
		size_t more = pages + 1 + pages / 2;
		memory = remap(memory, pages, more, MREMAP_MAYMOVE, NULL);
		CHECK(pages_have_marks(memory, pages, 1));
		CHECK_EQ(memory[(more - 1) * PAGE], 0);
		pages_mark(memory, more, 1);
		pages = more;
	}
}

TEST(dontunmap_leaves_an_empty_range)
{
	volatile char *memory = pages_new(4);

	pages_mark(memory, 4, 1);
	volatile char *moved = remap(memory, 4, 4, MREMAP_MAYMOVE | 4 /* DONTUNMAP */, NULL);
	CHECK(moved != memory);
	CHECK(pages_have_marks(moved, 4, 1));
	CHECK(bytes_are(memory, 4 * PAGE, 0));
	pages_mark(memory, 4, 9);
	CHECK(pages_have_marks(moved, 4, 1));
}

TEST(sparse_memory_moves_with_its_holes)
{
	volatile char *from = tables_new(4), *to = tables_new(4);

	from[0] = 1;
	from[700 * PAGE] = 2;
	from[2047 * PAGE] = 3;
	CHECK_EQ(from[100 * PAGE], 0);
	to[1200 * PAGE] = 9;
	remap(from, 2048, 2048, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK_EQ(to[0], 1);
	CHECK_EQ(to[700 * PAGE], 2);
	CHECK_EQ(to[1200 * PAGE], 0);
	CHECK_EQ(to[2047 * PAGE], 3);
	CHECK_EQ(to[100 * PAGE], 0);
	to[100 * PAGE] = 1;
}
