/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/huge.c - pages of 2 MiB that programs did not know they had.
 *
 * What is in them must be what would be in small pages, whatever happens to a part of them; only
 * AnonHugePages tells where they are.  What they cost is known on Cowbell only, by
 * /proc/self/cow.
 */
#include "memory.h"
#include <pthread.h>

enum { HUGE = 512 * PAGE };

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* Huge pages in use by this program, of all its memory. */
static long long huge_count(void)
{
	return proc_number("/proc/self/smaps_rollup", "AnonHugePages:") / 2048;
}

/* Looking costs a copy of where it is read to; so the first look does not count. */
static long long work(const char *name)
{
	(void)proc_number("/proc/self/cow", name);
	return proc_number("/proc/self/cow", name);
}

/* With fork_share=none the child has copied everything: nothing is left to copy. */
static bool fork_is_naive(void)
{
	return fork_shares_one_of("n");
}

static int advise(volatile char *memory, size_t pages, int advice)
{
	return madvise((void *)memory, pages * PAGE, advice);
}

/* Another kernel may be told to have none, or have no memory in one piece just now. */
static bool has_huge(int how)
{
	volatile char *memory = tables_new(1);
	long long before = huge_count();
	bool has = advise(memory, 512, MADV_HUGEPAGE) == 0;

	if (how == MADV_COLLAPSE)
		advise(memory, 512, MADV_NOHUGEPAGE);
	memory[0] = 'x';
	if (how == MADV_COLLAPSE)
		has = advise(memory, 512, MADV_HUGEPAGE) == 0 && advise(memory, 512, how) == 0;
	has = has && huge_count() == before + 1;
	munmap((void *)memory, HUGE);
	return has;
}

#define NEED_HUGE(how) \
	do { \
		if (!is_cowbell() && !has_huge(how)) \
			SKIP("no huge pages here"); \
	} while (0)

/* So many huge pages, each page of them marked. */
static volatile char *huge_new(size_t count)
{
	volatile char *memory = tables_new(count);

	CHECK_EQ(advise(memory, count * 512, MADV_HUGEPAGE), 0);
	pages_mark(memory, count * 512, 1);
	return memory;
}

/* The same, but a write to one that is shared may not copy all of it. */
static volatile char *huge_to_split(size_t count)
{
	volatile char *memory = huge_new(count);

	CHECK_EQ(advise(memory, count * 512, MADV_NOHUGEPAGE), 0);
	return memory;
}

TEST(one_store_brings_two_mebibytes)
{
	NEED_HUGE(MADV_HUGEPAGE);
	volatile char *memory = tables_new(4);
	long long before = huge_count();

	CHECK_EQ(advise(memory, 2048, MADV_HUGEPAGE), 0);
	memory[HUGE + 5 * PAGE] = 'x';
	CHECK_EQ(huge_count(), before + 1);
	CHECK(bytes_are(memory + HUGE, 5 * PAGE, 0));
	CHECK_EQ(memory[HUGE + 5 * PAGE], 'x');
	CHECK(bytes_are(memory + HUGE + 6 * PAGE, 506 * PAGE, 0));
}

TEST(only_whole_pieces_of_a_range_are_huge)
{
	NEED_HUGE(MADV_HUGEPAGE);
	volatile char *memory = tables_new(2);
	long long before = huge_count();

	CHECK_EQ(munmap((void *)memory, PAGE), 0);
	CHECK_EQ(advise(memory + PAGE, 1023, MADV_HUGEPAGE), 0);
	memory[PAGE] = 'x';
	CHECK_EQ(huge_count(), before);
	memory[HUGE] = 'x';
	CHECK_EQ(huge_count(), before + 1);
}

TEST(who_does_not_want_them_gets_none)
{
	volatile char *memory = tables_new(1);
	long long before = huge_count();

	CHECK_EQ(advise(memory, 512, MADV_HUGEPAGE), 0);
	CHECK_EQ(advise(memory, 512, MADV_NOHUGEPAGE), 0);
	pages_mark(memory, 512, 1);
	CHECK_EQ(huge_count(), before);
	CHECK(pages_have_marks(memory, 512, 1));
}

TEST(reading_first_finds_zeros_and_may_write_later)
{
	volatile char *memory = tables_new(2);

	CHECK_EQ(advise(memory, 512, MADV_HUGEPAGE), 0);
	for (int i = 0; i < 1024; i++)
		CHECK_EQ(memory[i * PAGE], 0);
	memory[7 * PAGE] = 'x';
	memory[HUGE + 7 * PAGE] = 'y';
	for (int i = 0; i < 1024; i++)
		CHECK_EQ(memory[i * PAGE], i == 7 ? 'x' : i == 519 ? 'y' : 0);
}

TEST(parent_and_child_part)
{
	struct gate gate = gate_new();
	volatile char *memory = huge_new(2);

	pid_t pid = fork();
	if (pid == 0) {
		memory[3 * PAGE] = 'c';
		CHECK(pages_have_marks(memory, 3, 1));
		gate_pass(gate);
		CHECK(pages_have_marks(memory + 4 * PAGE, 508, 5));
		CHECK(pages_have_marks(memory + HUGE, 512, 1));
		CHECK_EQ(memory[3 * PAGE], 'c');
		_exit(0);
	}
	memory[HUGE] = 'p';
	memory[100 * PAGE] = 'p';
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(memory[3 * PAGE], 4);
	CHECK_EQ(memory[100 * PAGE], 'p');
	CHECK(pages_have_marks(memory + HUGE + PAGE, 511, 2));
}

/* The child writes down what it shares with its parent; the grandchild shares single pages of
 * it. */
TEST(three_generations_of_one_huge_page)
{
	struct gate gate = gate_new();
	volatile char *memory = huge_to_split(1);

	pid_t pid = fork();
	if (pid == 0) {
		memory[1 * PAGE] = 'c';
		pid_t grandchild = fork();
		if (grandchild == 0) {
			gate_pass(gate);
			CHECK_EQ(memory[0], 1);
			CHECK_EQ(memory[1 * PAGE], 'c');
			CHECK(pages_have_marks(memory + 2 * PAGE, 510, 3));
			_exit(0);
		}
		gate_open(gate);
		CHECK_EXIT(grandchild, 0);
		_exit(0);
	}
	for (int i = 2; i < 512; i++)
		memory[i * PAGE] = 'p';
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(memory[0], 1);
	CHECK_EQ(memory[1 * PAGE], 2);
}

TEST(each_boundary_can_be_unmapped)
{
	static const struct { int from, count; } holes[] = {
		{ 0, 1 }, { 511, 1 }, { 1, 1 }, { 255, 2 }, { 0, 511 }, { 1, 511 }, { 510, 4 },
	};

	for (size_t i = 0; i < sizeof(holes) / sizeof(holes[0]); i++) {
		volatile char *memory = huge_new(2);
		int from = holes[i].from, past = from + holes[i].count;

		CHECK_EQ(munmap((void *)(memory + from * PAGE), holes[i].count * PAGE), 0);
		CHECK(pages_have_marks(memory, from, 1));
		CHECK(pages_have_marks(memory + past * PAGE, 1024 - past, (char)(1 + past)));
		CHECK_FAULT(memory + from * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
		CHECK_FAULT(memory + past * PAGE - 1, TO_READ, SIGSEGV, SEGV_MAPERR);
		CHECK_EQ(munmap((void *)memory, 2 * HUGE), 0);
	}
}

TEST(rights_of_a_part_are_its_own)
{
	volatile char *memory = huge_new(1);

	CHECK_EQ(protect(memory + 100 * PAGE, 50, PROT_READ), 0);
	CHECK_FAULT(memory + 100 * PAGE, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	CHECK_FAULT(memory + 149 * PAGE, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	memory[99 * PAGE] = memory[150 * PAGE] = 'x';
	CHECK_EQ(protect(memory + 100 * PAGE, 50, PROT_READ | PROT_WRITE), 0);
	CHECK(pages_have_marks(memory + 100 * PAGE, 50, 101));
	memory[120 * PAGE] = 'y';
	CHECK(pages_have_marks(memory, 99, 1));
	CHECK(pages_have_marks(memory + 151 * PAGE, 361, (char)152));
}

/* A range that gains rights cuts a huge page which does not: it must not gain them, too. */
TEST(gained_rights_end_where_the_range_ends)
{
	volatile char *memory = huge_new(1);

	CHECK_EQ(protect(memory, 512, PROT_READ), 0);
	CHECK_EQ(protect(memory, 256, PROT_READ | PROT_WRITE), 0);
	memory[5 * PAGE] = 'x';
	CHECK_FAULT(memory + 256 * PAGE, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	CHECK_FAULT(memory + 511 * PAGE, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	CHECK(pages_have_marks(memory + 6 * PAGE, 506, 7));
}

TEST(a_guard_of_two_mebibytes_keeps_what_it_hides)
{
	NEED_HUGE(MADV_HUGEPAGE);
	volatile char *memory = huge_new(3);
	long long before = huge_count();

	CHECK_EQ(protect(memory + HUGE, 512, PROT_NONE), 0);
	CHECK_FAULT(memory + HUGE + 77 * PAGE, TO_READ, SIGSEGV, SEGV_ACCERR);
	CHECK_EQ(protect(memory + HUGE, 512, PROT_READ | PROT_WRITE), 0);
	CHECK(pages_have_marks(memory, 1536, 1));
	memory[HUGE] = 'x';
	CHECK_EQ(huge_count(), before);
}

TEST(dropped_pages_are_zero_their_neighbours_stay)
{
	volatile char *memory = huge_new(1);

	CHECK_EQ(advise(memory + 10 * PAGE, 20, MADV_DONTNEED), 0);
	CHECK(bytes_are(memory + 10 * PAGE, 20 * PAGE, 0));
	CHECK(pages_have_marks(memory, 10, 1));
	CHECK(pages_have_marks(memory + 30 * PAGE, 482, 31));
}

TEST(moves_take_huge_pages_along)
{
	NEED_HUGE(MADV_HUGEPAGE);
	volatile char *memory = huge_new(2), *to = tables_new(4);
	long long before = huge_count();

	to = mremap((void *)memory, 2 * HUGE, 2 * HUGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		    (void *)(to + HUGE));
	CHECK(to != MAP_FAILED);
	CHECK_EQ(huge_count(), before);
	CHECK(pages_have_marks(to, 1024, 1));
}

TEST(moves_to_odd_places_take_the_pages_along)
{
	volatile char *memory = huge_new(1), *to = tables_new(3);

	to = mremap((void *)memory, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		    (void *)(to + 3 * PAGE));
	CHECK(to != MAP_FAILED);
	CHECK(pages_have_marks(to, 512, 1));
	to[9 * PAGE] = 'x';
	CHECK(pages_have_marks(to + 10 * PAGE, 502, 11));
}

TEST(the_kernel_writes_into_a_copy)
{
	struct gate gate = gate_new();
	volatile char *memory = huge_to_split(1);
	int fd[2];

	CHECK_EQ(pipe(fd), 0);
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		CHECK(pages_have_marks(memory, 512, 1));
		_exit(0);
	}
	CHECK_EQ(write(fd[1], "kernel", 6), 6);
	CHECK_EQ(read(fd[0], (void *)(memory + 200 * PAGE - 3), 6), 6);
	CHECK(memcmp((void *)(memory + 200 * PAGE - 3), "kernel", 6) == 0);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

/* ---- collapse ---- */

TEST(pages_become_a_huge_page)
{
	NEED_HUGE(MADV_COLLAPSE);
	volatile char *memory = tables_new(2);
	long long before = huge_count();

	for (int i = 0; i < 1024; i += 3)
		memory[i * PAGE] = (char)(i + 1);
	CHECK_EQ(advise(memory, 1024, MADV_COLLAPSE), 0);
	CHECK_EQ(huge_count(), before + 2);
	for (int i = 0; i < 1024; i++)
		CHECK_EQ(memory[i * PAGE], i % 3 ? 0 : (char)(i + 1));
	memory[PAGE] = 'x';
	CHECK_EQ(advise(memory, 1024, MADV_COLLAPSE), 0);
}

TEST(a_collapse_is_the_callers_alone)
{
	NEED_HUGE(MADV_COLLAPSE);
	struct gate gate = gate_new();
	volatile char *memory = tables_new(1);

	pages_mark(memory, 512, 1);
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		CHECK(pages_have_marks(memory, 512, 1));
		_exit(0);
	}
	CHECK_EQ(advise(memory, 512, MADV_COLLAPSE), 0);
	CHECK(pages_have_marks(memory, 512, 1));
	pages_mark(memory, 512, 9);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

TEST(some_places_cannot_collapse)
{
	NEED_HUGE(MADV_COLLAPSE);
	volatile char *memory = tables_new(2);

	CHECK_ERRNO(advise(memory, 512, MADV_COLLAPSE), EINVAL);        /* nothing there */
	memory[0] = memory[HUGE] = 'x';
	CHECK_EQ(advise(memory + HUGE, 512, MADV_NOHUGEPAGE), 0);
	CHECK_ERRNO(advise(memory + HUGE, 512, MADV_COLLAPSE), EINVAL);
	CHECK_ERRNO(advise(memory + PAGE, 510, MADV_COLLAPSE), EINVAL); /* no whole piece */
	CHECK_EQ(memory[0], 'x');
}

/* ---- threads ---- */

struct storm {
	volatile char *memory;
	int number;
};

static void *store_everywhere(void *argument)
{
	struct storm *storm = argument;

	for (int i = 0; i < 1024; i++)
		storm->memory[i * PAGE + storm->number] = (char)storm->number;
	return NULL;
}

TEST(threads_that_meet_lose_nothing)
{
	enum { THREADS = 4 };

	for (int round = 0; round < 8; round++) {
		volatile char *memory = tables_new(2);
		struct storm storms[THREADS];
		pthread_t threads[THREADS];

		CHECK_EQ(advise(memory, 1024, MADV_HUGEPAGE), 0);
		if (round % 2)
			memory[0] = memory[HUGE] = 9;
		pid_t pid = fork();
		if (pid == 0)
			_exit(round % 2 ? memory[HUGE] - 9 : 0);
		for (int i = 0; i < THREADS; i++) {
			struct storm *storm = &storms[i];

			*storm = (struct storm){ memory, i + 1 };
			CHECK_EQ(pthread_create(&threads[i], NULL, store_everywhere, storm), 0);
		}
		for (int i = 0; i < THREADS; i++)
			CHECK_EQ(pthread_join(threads[i], NULL), 0);
		for (int i = 0; i < 1024 * THREADS; i++)
			CHECK_EQ(memory[i / THREADS * PAGE + i % THREADS + 1], i % THREADS + 1);
		CHECK_EXIT(pid, 0);
		CHECK_EQ(munmap((void *)memory, 2 * HUGE), 0);
	}
}

/* ---- what it costs ---- */

/* Nothing is copied where a bit was to be set. */
TEST(the_last_holder_keeps_it)
{
	if (!is_cowbell())
		SKIP("only Cowbell counts this");
	volatile char *memory = huge_new(2);
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	CHECK_EXIT(pid, 0);
	long long copied = work("frames_copied"), reuses = work("huge_reuses");
	for (int i = 0; i < 1024; i++)
		memory[i * PAGE] = 'x';
	CHECK_EQ(work("frames_copied"), copied);
	CHECK_EQ(work("huge_splits"), 0);
	CHECK(work("huge_reuses") <= reuses + 2);
	CHECK_EQ(huge_count(), 2);
}

TEST(a_write_splits_and_copies_one_page)
{
	struct gate gate = gate_new();

	if (!is_cowbell())
		SKIP("only Cowbell counts this");
	volatile char *memory = huge_to_split(1);
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		_exit(0);
	}
	child_settle(pid);
	long long copied = work("frames_copied"), splits = work("huge_splits");
	CHECK_EQ(huge_count(), 1);
	memory[PAGE] = 'x';
	CHECK_EQ(work("frames_copied"), copied + !fork_is_naive());
	CHECK_EQ(work("huge_splits"), splits + !fork_is_naive());
	CHECK_EQ(huge_count(), fork_is_naive());
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

TEST(who_asked_for_huge_pages_gets_a_huge_copy)
{
	struct gate gate = gate_new();

	if (!is_cowbell())
		SKIP("only Cowbell counts this");
	volatile char *memory = huge_new(1);
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		_exit(0);
	}
	child_settle(pid);
	long long copied = work("frames_copied"), copies = work("huge_copies");
	memory[PAGE] = 'x';
	CHECK_EQ(work("frames_copied"), copied + (fork_is_naive() ? 0 : 512));
	CHECK_EQ(work("huge_copies"), copies + !fork_is_naive());
	CHECK_EQ(huge_count(), 1);
	CHECK(pages_have_marks(memory + 2 * PAGE, 510, 3));
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

/* What was written down and is alone again needs no copy to become a huge page. */
TEST(frames_side_by_side_collapse_in_place)
{
	if (!is_cowbell())
		SKIP("only Cowbell counts this");
	volatile char *memory = huge_new(1);
	CHECK_EQ(protect(memory, 1, PROT_READ), 0);
	CHECK_EQ(protect(memory, 1, PROT_READ | PROT_WRITE), 0);
	CHECK_EQ(huge_count(), 0);
	long long copied = work("frames_copied");
	CHECK_EQ(advise(memory, 512, MADV_COLLAPSE), 0);
	CHECK_EQ(work("frames_copied"), copied);
	CHECK_EQ(huge_count(), 1);
	CHECK(pages_have_marks(memory, 512, 1));
}
