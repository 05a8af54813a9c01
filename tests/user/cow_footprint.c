/* SPDX-License-Identifier: MIT */
// cow
// cowbell-only
/*
 * tests/user/cow_footprint.c - what a child costs: the pages that are written after the fork, the
 * tables by which they are found, and a stack.
 *
 * Nobody else runs meanwhile, so that all numbers are exact.
 */
#include "meminfo.h"

enum { TABLES = 4, WRITTEN = 500 };     /* pages, spread over all tables */

static void write_some(volatile char *memory, char value)
{
	for (int i = 0; i < WRITTEN; i++)
		memory[i * (TABLES * 512 / WRITTEN) * PAGE] = value;
}

/*
 * The rule of thumb: peak extra memory after fork is the pages written, times 4 KiB.  The tables by
 * which the copies are found come to it where fork shared them: here those of the last level, for
 * what stands above has been copied by the first write.
 */
static void check_cost_of_writing(volatile char *memory)
{
	long long pages = fork_shares_one_of("n") ? 0 : WRITTEN;
	long long tables = fork_shares_one_of("np") ? 0 : TABLES;

	stacks_settle();
	meminfo_read(&after);                   /* what looking takes is there already */
	meminfo_read(&before);
	meminfo_read(&before);
	write_some(memory, 'w');
	meminfo_read(&after);
	CHECK_EQ(growth("AnonPages:"), pages * 4);
	CHECK_EQ(growth("PageTables:"), tables * 4);
	CHECK_EQ(growth("MemFree:"), -(pages + tables) * 4 - growth("Slab:"));
}

TEST(a_parent_that_writes_pays_for_what_it_writes)
{
	struct gate gate = gate_new();
	volatile char *memory = tables_new(TABLES);

	pages_mark(memory, TABLES * 512, 1);
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		_exit(0);
	}
	child_settle(pid);
	check_cost_of_writing(memory);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

TEST(a_child_that_writes_pays_for_what_it_writes)
{
	volatile char *memory = tables_new(TABLES);

	pages_mark(memory, TABLES * 512, 1);
	pid_t pid = fork();
	if (pid == 0) {
		child_settle(getppid());
		check_cost_of_writing(memory);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
}

static void fork_and_collect(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	CHECK_EXIT(pid, 0);
}

/* Both write all of it: then there are two of everything, and no more. */
TEST(the_peak_is_two_of_everything)
{
	struct gate gate = gate_new();
	volatile char *memory = tables_new(TABLES);
	long long spaces = proc_number("/proc/ledger", "spaces ");
	int done[2];
	char byte = 0;

	CHECK_EQ(pipe(done), 0);
	pages_mark(memory, TABLES * 512, 1);
	meminfo_read(&after);                   /* what looking and forking takes is there */
	fork_and_collect();
	spaces_settle(spaces);
	meminfo_read(&before);
	meminfo_read(&before);
	pid_t pid = fork();
	if (pid == 0) {
		pages_mark(memory, TABLES * 512, 2);
		CHECK_EQ(write(done[1], &byte, 1), 1);
		gate_pass(gate);
		_exit(0);
	}
	CHECK_EQ(read(done[0], &byte, 1), 1);
	child_settle(pid);
	pages_mark(memory, TABLES * 512, 3);
	meminfo_read(&after);
	CHECK(growth("AnonPages:") >= TABLES * 512 * 4);
	CHECK(growth("AnonPages:") <= (TABLES * 512 + 64) * 4);         /* the program itself */
	CHECK(growth("PageTables:") >= TABLES * 4);
	CHECK(growth("PageTables:") <= (TABLES + 8) * 4);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	spaces_settle(spaces);
	meminfo_read(&after);
	CHECK_EQ(growth("AnonPages:"), 0);
	CHECK_EQ(growth("PageTables:"), 0);
}

TEST(a_sleeping_child_costs_one_stack)
{
	enum { CHILDREN = 12 };
	struct gate gate = gate_new();
	pid_t pids[CHILDREN];
	long long one = 0;

	stacks_settle();
	meminfo_read(&before);
	for (int i = 0; i < CHILDREN; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			gate_pass(gate);
			_exit(0);
		}
		child_settle(pids[i]);
		meminfo_read(&after);
		one = one ? one : growth("KernelStack:");
		CHECK(one > 0);
		CHECK_EQ(growth("KernelStack:"), (i + 1) * one);
	}
	gate_open(gate);
	for (int i = 0; i < CHILDREN; i++)
		CHECK_EXIT(pids[i], 0);
}
