/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/mm_brk.c - the program break.  The system call itself: the C library hides it.
 */
#include "memory.h"

#include <sys/resource.h>
#include <sys/syscall.h>

static char *brk_set(const volatile char *to)
{
	return (char *)syscall(SYS_brk, to);
}

/* The first page boundary that no heap page lies behind. */
static volatile char *brk_page(void)
{
	uintptr_t now = (uintptr_t)brk_set(NULL);
	char *page = (char *)((now + PAGE - 1) / PAGE * PAGE);

	CHECK(brk_set(page) == page);
	return page;
}

TEST(asking_changes_nothing)
{
	char *now = brk_set(NULL);

	CHECK(now != NULL);
	CHECK(brk_set(NULL) == now);
	CHECK(brk_set(now) == now);
	CHECK(brk_set((char *)1) == now);
}

TEST(new_heap_is_zero)
{
	volatile char *heap = brk_page();

	CHECK(brk_set(heap + 8 * PAGE) == heap + 8 * PAGE);
	CHECK(bytes_are(heap, 8 * PAGE, 0));
	pages_mark(heap, 8, 1);
	CHECK(pages_have_marks(heap, 8, 1));
}

TEST(shrinking_gives_back_and_growing_finds_zeros)
{
	volatile char *heap = brk_page();

	CHECK(brk_set(heap + 8 * PAGE) == heap + 8 * PAGE);
	pages_mark(heap, 8, 1);
	CHECK(brk_set(heap + 2 * PAGE) == heap + 2 * PAGE);
	CHECK_FAULT(heap + 2 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
	CHECK(pages_have_marks(heap, 2, 1));
	CHECK(brk_set(heap + 8 * PAGE) == heap + 8 * PAGE);
	CHECK(bytes_are(heap + 2 * PAGE, 6 * PAGE, 0));
}

/* The break is a byte, the memory behind it whole pages. */
TEST(a_break_inside_a_page_keeps_the_page)
{
	volatile char *heap = brk_page();

	CHECK(brk_set(heap + 10) == heap + 10);
	heap[PAGE - 1] = 1;
	CHECK(brk_set(heap + 5) == heap + 5);
	CHECK_EQ(heap[PAGE - 1], 1);
	CHECK(brk_set(heap) == heap);
	CHECK_FAULT(heap, TO_READ, SIGSEGV, SEGV_MAPERR);
}

TEST(parent_and_child_have_breaks_of_their_own)
{
	struct gate gate = gate_new();
	volatile char *heap = brk_page();

	CHECK(brk_set(heap + 4 * PAGE) == heap + 4 * PAGE);
	pages_mark(heap, 4, 1);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(brk_set(NULL) == heap + 4 * PAGE);
		CHECK(brk_set(heap + 600 * PAGE) == heap + 600 * PAGE);
		pages_mark(heap + 4 * PAGE, 596, 5);
		gate_pass(gate);
		CHECK(pages_have_marks(heap, 600, 1));
		_exit(0);
	}
	CHECK(brk_set(heap + PAGE) == heap + PAGE);
	CHECK_FAULT(heap + PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK(brk_set(NULL) == heap + PAGE);
	CHECK_EQ(heap[0], 1);
}

TEST(a_mapping_in_the_way_stops_the_heap)
{
	volatile char *heap = brk_page();
	void *wall = (void *)(heap + 16 * PAGE);

	CHECK(mmap(wall, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == wall);
	CHECK(brk_set(heap + 64 * PAGE) == heap);
	CHECK(brk_set(heap + 4 * PAGE) == heap + 4 * PAGE);
}

TEST(the_data_limit_stops_the_heap)
{
	volatile char *heap = brk_page();
	struct rlimit limit = {.rlim_cur = 16 * MIB, .rlim_max = RLIM_INFINITY};

	CHECK_EQ(setrlimit(RLIMIT_DATA, &limit), 0);
	CHECK(brk_set(heap + 32 * MIB) == heap);
	CHECK(brk_set(heap + 4 * PAGE) == heap + 4 * PAGE);
}
