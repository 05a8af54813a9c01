/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/cow_basic.c - after fork, each has its own memory, whatever is shared below.
 */
#include "memory.h"

static char in_data[3 * PAGE] = "data";
static char in_bss[3 * PAGE];

TEST(writes_of_the_child_stay_with_it)
{
	volatile char *page = pages_new(2);

	pages_mark(page, 2, 'A');
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(pages_have_marks(page, 2, 'A'));
		page[0] = 'c';
		CHECK_EQ(page[0], 'c');
		CHECK_EQ(page[PAGE], 'B');
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(page, 2, 'A'));
}

TEST(writes_of_the_parent_stay_with_it)
{
	struct gate gate = gate_new();
	volatile char *page = pages_new(2);

	pages_mark(page, 2, 'A');
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		_exit(pages_have_marks(page, 2, 'A') ? 0 : 1);
	}
	pages_mark(page, 2, 'p');
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(page, 2, 'p'));
}

/* Bytes beside the one that is written come along: the page is copied as a whole. */
TEST(a_copy_is_complete)
{
	volatile char *page = pages_new(1);

	for (int i = 0; i < PAGE; i++)
		page[i] = (char)(i * 7);
	pid_t pid = fork();
	if (pid == 0) {
		page[1000] = 'c';
		for (int i = 0; i < PAGE; i++)
			CHECK_EQ(page[i], i == 1000 ? 'c' : (char)(i * 7));
		_exit(0);
	}
	page[2000] = 'p';
	for (int i = 0; i < PAGE; i++)
		CHECK_EQ(page[i], i == 2000 ? 'p' : (char)(i * 7));
	CHECK_EXIT(pid, 0);
}

/* Each generation writes a page of its own and sees those of its forebears; all write the first. */
static void generation(volatile char *page, int number, int last)
{
	page[0] = (char)('a' + number);
	page[(1 + number) * PAGE] = (char)('A' + number);
	if (number < last) {
		pid_t pid = fork();
		if (pid == 0) {
			generation(page, number + 1, last);
			_exit(0);
		}
		CHECK_EXIT(pid, 0);
	}
	CHECK_EQ(page[0], 'a' + number);
	for (int i = 0; i <= last; i++)
		CHECK_EQ(page[(1 + i) * PAGE], i <= number ? 'A' + i : 0);
}

TEST(three_generations_differ)
{
	volatile char *page = pages_new(8);

	generation(page, 0, 3);
}

TEST(three_generations_fork_again_and_again)
{
	volatile char *page = pages_new(8);

	for (int round = 0; round < 20; round++) {
		pages_mark(page, 8, 0);
		pid_t pid = fork();
		if (pid == 0) {
			for (int i = 1; i < 8; i++)
				page[i * PAGE] = 0;
			generation(page, 0, 3);
			_exit(0);
		}
		page[5 * PAGE] = 'p';
		CHECK_EXIT(pid, 0);
		CHECK_EQ(page[5 * PAGE], 'p');
		CHECK(pages_have_marks(page, 5, 0));
	}
}

TEST(grandchild_keeps_its_view_after_the_middle_has_gone)
{
	struct gate gate = gate_new();
	volatile char *page = pages_new(4);
	int fds[2];
	char verdict;

	CHECK_EQ(pipe(fds), 0);
	pages_mark(page, 4, 'A');
	pid_t middle = fork();
	if (middle == 0) {
		page[0] = 'm';
		if (fork() == 0) {
			gate_pass(gate);
			bool is_right = page[0] == 'm' && pages_have_marks(page + PAGE, 3, 'B');
			page[PAGE] = 'g';
			CHECK_EQ(write(fds[1], is_right ? "y" : "n", 1), 1);
		}
		_exit(0);
	}
	CHECK_EXIT(middle, 0);
	pages_mark(page, 4, 'p');
	gate_open(gate);
	CHECK_EQ(read(fds[0], &verdict, 1), 1);
	CHECK_EQ(verdict, 'y');
	CHECK(pages_have_marks(page, 4, 'p'));
}

/* The middle writes a page and leaves it to its child; then the first takes its table back. */
TEST(old_write_rights_do_not_come_back)
{
	struct gate gate = gate_new();
	volatile char *page = tables_new(1);
	int fds[2];
	char verdict;

	CHECK_EQ(pipe(fds), 0);
	pages_mark(page, 16, 'A');
	pid_t middle = fork();
	if (middle == 0) {
		page[3 * PAGE] = 'm';
		if (fork() == 0) {
			gate_pass(gate);
			page[3 * PAGE] = 'D';
			CHECK_EQ(write(fds[1], pages_have_marks(page, 16, 'A') ? "y" : "n", 1), 1);
		}
		_exit(0);
	}
	CHECK_EXIT(middle, 0);
	pages_mark(page, 16, 'a');
	gate_open(gate);
	CHECK_EQ(read(fds[0], &verdict, 1), 1);
	CHECK_EQ(verdict, 'y');
	CHECK(pages_have_marks(page, 16, 'a'));
}

TEST(last_holder_goes_on_writing)
{
	volatile char *page = pages_new(64);

	pages_mark(page, 64, 1);
	for (int round = 0; round < 50; round++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		CHECK_EXIT(pid, 0);
		CHECK(pages_have_marks(page, 64, (char)(1 + round)));
		pages_mark(page, 64, (char)(2 + round));
	}
}

/* The child outlives the parent's memory: the parent is replaced or gone before it looks. */
TEST(child_keeps_everything_when_the_parent_exits_first)
{
	struct gate gate = gate_new();
	volatile char *page = pages_new(600);
	int fds[2];
	char verdict;

	CHECK_EQ(pipe(fds), 0);
	pages_mark(page, 600, 'A');
	pid_t parent = fork();
	if (parent == 0) {
		if (fork() == 0) {
			gate_pass(gate);
			bool is_right = pages_have_marks(page, 600, 'A');
			pages_mark(page, 600, 'c');
			is_right = is_right && pages_have_marks(page, 600, 'c');
			CHECK_EQ(write(fds[1], is_right ? "y" : "n", 1), 1);
		}
		_exit(0);
	}
	CHECK_EXIT(parent, 0);
	pages_free(page, 600);
	gate_open(gate);
	CHECK_EQ(read(fds[0], &verdict, 1), 1);
	CHECK_EQ(verdict, 'y');
}

/* Zeros stay zeros, however many read them and whoever writes beside them. */
TEST(untouched_memory_is_zero_for_everybody)
{
	enum { CHILDREN = 100, PAGES = 2048 };
	volatile char *memory = pages_new(PAGES);

	for (size_t i = 0; i < PAGES; i += 64)
		CHECK_EQ(memory[i * PAGE], 0);
	for (int child = 0; child < CHILDREN; child++) {
		pid_t pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			size_t mine = (size_t)child * 20;
			memory[mine * PAGE + 5] = 'x';
			for (size_t i = mine % 16; i < PAGES; i += 16)
				CHECK_EQ(memory[i * PAGE + 5], i == mine ? 'x' : 0);
			CHECK(bytes_are(memory + mine * PAGE + 6, PAGE - 6, 0));
			_exit(0);
		}
	}
	for (int child = 0; child < CHILDREN; child++) {
		int status;
		CHECK(wait(&status) > 0);
		CHECK_EQ(status, 0);
	}
	CHECK(bytes_are(memory, 64 * PAGE, 0));
}

TEST(stack_heap_data_and_bss_are_private)
{
	struct gate gate = gate_new();
	char on_stack[64] = "stack";
	char *on_heap = malloc(64);

	strcpy(on_heap, "heap");
	strcpy(in_bss + PAGE, "bss");
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		CHECK_EQ(strcmp(on_stack, "stack"), 0);
		CHECK_EQ(strcmp(on_heap, "heap"), 0);
		CHECK_EQ(strcmp(in_data, "data"), 0);
		CHECK_EQ(strcmp(in_bss + PAGE, "bss"), 0);
		strcpy(on_stack, "theirs");
		strcpy(in_data, "theirs");
		_exit(0);
	}
	strcpy(on_stack, "mine");
	strcpy(on_heap, "mine");
	strcpy(in_data, "mine");
	strcpy(in_bss + PAGE, "mine");
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(strcmp(on_stack, "mine"), 0);
	CHECK_EQ(strcmp(in_data, "mine"), 0);
}

/* One page of each table, over more than one directory. */
TEST(child_writes_to_every_table_of_a_big_region)
{
	enum { TABLES = 700 };
	volatile char *memory = memory_map((size_t)TABLES * TABLE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_NORESERVE);

	madvise((void *)memory, (size_t)TABLES * TABLE, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < TABLES; i++)
		memory[i * TABLE] = (char)i;
	pid_t pid = fork();
	if (pid == 0) {
		for (size_t i = 0; i < TABLES; i++) {
			CHECK_EQ(memory[i * TABLE], (char)i);
			memory[i * TABLE] = (char)~i;
			memory[i * TABLE + PAGE] = 1;
		}
		for (size_t i = 0; i < TABLES; i++)
			CHECK_EQ(memory[i * TABLE], (char)~i);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	for (size_t i = 0; i < TABLES; i++) {
		CHECK_EQ(memory[i * TABLE], (char)i);
		CHECK_EQ(memory[i * TABLE + PAGE], 0);
	}
}

TEST(text_stays_unwritable)
{
	volatile char *text = (volatile char *)(uintptr_t)test_text_stays_unwritable;

	pid_t pid = fork();
	if (pid == 0) {
		CHECK_FAULT(text, TO_WRITE, SIGSEGV, SEGV_ACCERR);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_FAULT(text, TO_WRITE, SIGSEGV, SEGV_ACCERR);
}

TEST(rights_taken_while_shared_are_gone_for_the_taker_only)
{
	struct gate gate = gate_new();
	volatile char *page = pages_new(8);

	pages_mark(page, 8, 'A');
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		CHECK_NO_FAULT(page, TO_WRITE);
		_exit(0);
	}
	CHECK_EQ(protect(page, 4, PROT_READ), 0);
	for (int i = 0; i < 4; i++)
		CHECK_FAULT(page + i * PAGE, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	CHECK_NO_FAULT(page + 4 * PAGE, TO_WRITE);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(page, 4, 'A'));
}

/* Before the first write after the child has gone: taking a table back must not bring them back. */
TEST(rights_taken_by_the_last_holder_stay_gone)
{
	volatile char *page = pages_new(8);

	pages_mark(page, 8, 'A');
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(protect(page, 4, PROT_READ), 0);
	CHECK_NO_FAULT(page + 4 * PAGE, TO_WRITE);
	for (int i = 0; i < 4; i++)
		CHECK_FAULT(page + i * PAGE, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	CHECK_EQ(protect(page, 2, PROT_READ | PROT_WRITE), 0);
	CHECK_NO_FAULT(page, TO_WRITE);
	CHECK_FAULT(page + 2 * PAGE, TO_WRITE, SIGSEGV, SEGV_ACCERR);
}

/* Read-only at the fork, made writable again later: still a copy, not the other's page. */
TEST(rights_given_back_after_fork_do_not_reach_the_other)
{
	struct gate gate = gate_new();
	volatile char *page = pages_new(4);

	pages_mark(page, 4, 'A');
	CHECK_EQ(protect(page, 4, PROT_READ), 0);
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		CHECK(pages_have_marks(page, 4, 'A'));
		CHECK_FAULT(page, TO_WRITE, SIGSEGV, SEGV_ACCERR);
		CHECK_EQ(protect(page, 4, PROT_READ | PROT_WRITE), 0);
		pages_mark(page, 4, 'c');
		_exit(0);
	}
	CHECK_EQ(protect(page, 4, PROT_READ | PROT_WRITE), 0);
	pages_mark(page, 4, 'p');
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(page, 4, 'p'));
}

TEST(unmapping_a_part_of_a_table_keeps_the_neighbours)
{
	enum { PAGES = 512 };
	volatile char *page = tables_new(1);

	pages_mark(page, PAGES, 0);
	pid_t pid = fork();
	if (pid == 0) {
		pages_free(page + 100 * PAGE, 50);
		CHECK(pages_have_marks(page, 100, 0));
		CHECK(pages_have_marks(page + 150 * PAGE, PAGES - 150, (char)150));
		CHECK_FAULT(page + 100 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
		CHECK_FAULT(page + 149 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
		pages_mark(page, 100, 'c');
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(page, PAGES, 0));
}

/* Two mappings in one table; one of them goes as a whole. */
TEST(unmapping_one_of_two_ranges_in_a_table_keeps_the_other)
{
	volatile char *page = tables_new(1);

	pages_mark(page, 512, 0);
	CHECK_EQ(protect(page + 256 * PAGE, 256, PROT_READ), 0);
	pid_t pid = fork();
	if (pid == 0) {
		pages_free(page, 256);
		CHECK(pages_have_marks(page + 256 * PAGE, 256, (char)256));
		_exit(0);
	}
	pages_free(page + 256 * PAGE, 256);
	CHECK(pages_have_marks(page, 256, 0));
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(page, 256, 0));
}

TEST(contents_survive_no_rights_at_all)
{
	struct gate gate = gate_new();
	volatile char *page = pages_new(3);

	pages_mark(page, 2, 'A');
	CHECK_EQ(protect(page, 3, PROT_NONE), 0);
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		CHECK_FAULT(page, TO_READ, SIGSEGV, SEGV_ACCERR);
		CHECK_EQ(protect(page, 3, PROT_READ), 0);
		CHECK(pages_have_marks(page, 2, 'A'));
		CHECK_EQ(page[2 * PAGE], 0);
		_exit(0);
	}
	CHECK_FAULT(page, TO_READ, SIGSEGV, SEGV_ACCERR);
	CHECK_EQ(protect(page, 3, PROT_READ | PROT_WRITE), 0);
	CHECK(pages_have_marks(page, 2, 'A'));
	pages_mark(page, 3, 'p');
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(page, 3, 'p'));
}

/* Each node of the tree sees its own path from the root, and nothing of its siblings. */
static void tree(volatile char *page, int depth, unsigned path)
{
	enum { DEPTH = 5 };
	pid_t pids[2];

	for (int i = 0; i < DEPTH; i++)
		CHECK_EQ(page[i * PAGE], i < depth ? 1 + (path >> i & 1) : 0);
	if (depth == DEPTH)
		return;
	for (unsigned side = 0; side < 2; side++) {
		pids[side] = fork();
		CHECK(pids[side] >= 0);
		if (pids[side] == 0) {
			page[depth * PAGE] = (char)(1 + side);
			tree(page, depth + 1, path | side << depth);
			_exit(0);
		}
	}
	CHECK_EQ(page[depth * PAGE], 0);
	CHECK_EXIT(pids[0], 0);
	CHECK_EXIT(pids[1], 0);
	CHECK_EQ(page[depth * PAGE], 0);
}

TEST(a_tree_of_forks)
{
	tree(pages_new(5), 0, 0);
}
