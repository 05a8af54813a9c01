/* SPDX-License-Identifier: MIT */
// cow
// cowbell-only
/*
 * tests/user/cow_counts.c - how much work copy-on-write was, counted by the kernel.
 *
 * Only this process's work is looked at: /proc/self/cow.
 */
#include "memory.h"

PAGES_ARE_COUNTED

static long long work(const char *name)
{
	long long count = proc_number("/proc/self/cow", name);

	CHECK(count >= 0);
	return count;
}

static void fork_and_collect(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	CHECK_EXIT(pid, 0);
}

TEST(last_holder_copies_nothing)
{
	volatile char *page = pages_new(64);

	pages_mark(page, 64, 1);
	fork_and_collect();
	work("frames_copied ");                 /* what looking needs is ours afterwards */
	long long copied = work("frames_copied ");
	pages_mark(page, 64, 2);
	CHECK_EQ(work("frames_copied "), copied);
}

/* None at all, when a write elsewhere has taken back what stands above. */
TEST(at_most_one_fault_takes_a_whole_table_back)
{
	if (fork_shares_one_of("np"))
		SKIP("fork shares no tables");
	volatile char *page = tables_new(1);

	pages_mark(page, 512, 1);
	fork_and_collect();
	work("faults ");
	long long faults = work("faults ");
	pages_mark(page, 512, 2);
	CHECK(work("faults ") - faults <= 1);
}

TEST(a_write_copies_one_page_while_the_child_lives)
{
	struct gate gate = gate_new();
	volatile char *page = pages_new(8);

	pages_mark(page, 8, 'A');
	work("frames_copied ");
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		_exit(0);
	}
	work("frames_copied ");
	long long copied = work("frames_copied ");
	page[3 * PAGE] = 'p';
	CHECK_EQ(work("frames_copied "), copied + (fork_shares_one_of("n") ? 0 : 1));
	page[3 * PAGE + 1] = 'p';
	CHECK_EQ(work("frames_copied "), copied + (fork_shares_one_of("n") ? 0 : 1));
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

/* The copy comes with the right to write: the instruction is not refused again.  Where fork copied
 * everything the one fault only takes back the way to the page. */
TEST(a_write_takes_one_fault_while_the_child_lives)
{
	struct gate gate = gate_new();
	volatile char *page = pages_new(8);

	pages_mark(page, 8, 'A');
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		_exit(0);
	}
	work("faults ");
	long long faults = work("faults ");
	page[3 * PAGE] = 'p';
	CHECK_EQ(work("faults ") - faults, 1);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

TEST(reading_copies_nothing)
{
	struct gate gate = gate_new();
	volatile char *page = pages_new(64);

	pages_mark(page, 64, 'A');
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		_exit(0);
	}
	work("frames_copied ");
	long long copied = work("frames_copied ");
	CHECK(pages_have_marks(page, 64, 'A'));
	CHECK_EQ(work("frames_copied "), copied);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

TEST(untouched_memory_costs_no_frame_until_it_is_written)
{
	volatile char *page = pages_new(64);

	work("frames_zeroed ");
	long long zeroed = work("frames_zeroed ");
	CHECK(bytes_are(page, 64 * PAGE, 0));
	CHECK_EQ(work("frames_zeroed "), zeroed);
	pages_mark(page, 8, 1);
	CHECK_EQ(work("frames_zeroed "), zeroed + 8);
}

TEST(fork_under_root_is_as_cheap_for_much_as_for_little)
{
	if (!fork_shares_one_of("r"))
		SKIP("fork_share is not root");
	volatile char *page = pages_new(4096);
	long long entries[2];

	for (int i = 0; i < 2; i++) {
		int fds[2];
		CHECK_EQ(pipe(fds), 0);
		pid_t pid = fork();
		if (pid == 0) {
			/* what the fork itself shared is what the child begins with */
			long long count = work("entries_shared ");
			CHECK_EQ(write(fds[1], &count, sizeof(count)), sizeof(count));
			_exit(0);
		}
		CHECK_EQ(read(fds[0], &entries[i], sizeof(entries[i])), sizeof(entries[i]));
		CHECK_EXIT(pid, 0);
		pages_mark(page, 4096, 1);
	}
	CHECK(entries[1] <= entries[0] + 512);
}
