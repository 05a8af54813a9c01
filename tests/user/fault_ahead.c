/* SPDX-License-Identifier: MIT */
// cow
// cowbell-only
/*
 * tests/user/fault_ahead.c - who writes page after page has fewer faults, and sees what everybody
 * would.
 */
#include "memory.h"

#include <sys/prctl.h>

enum { RUN = 256 };

static long long work(const char *name)
{
	long long count = proc_number("/proc/self/cow", name);

	CHECK(count >= 0);
	return count;
}

/* Pages that came ahead while so many were written in order, every `stride`-th. */
static long long ahead_of_writing(volatile char *memory, size_t count, size_t stride, char value)
{
	work("pages_ahead ");                   /* what looking needs is ours afterwards */
	long long before = work("pages_ahead ");

	for (size_t i = 0; i < count; i++)
		memory[i * stride * PAGE] = value;
	return work("pages_ahead ") - before;
}

TEST(a_run_of_writes_gets_most_of_its_pages_ahead)
{
	volatile char *memory = tables_new(1);
	long long faults;

	work("faults ");
	faults = work("faults ");
	CHECK(ahead_of_writing(memory, RUN, 1, 'w') > RUN / 2);
	CHECK(work("faults ") - faults < RUN / 2);
	for (size_t i = 0; i < 512; i++)
		CHECK(bytes_are(memory + i * PAGE + 1, PAGE - 1, 0));
}

TEST(no_more_than_an_eighth_is_brought_in_vain)
{
	volatile char *memory = tables_new(1);
	unsigned char there[512];
	int count = 0;

	ahead_of_writing(memory, RUN, 1, 'w');
	CHECK_EQ(mincore((void *)memory, TABLE, there), 0);
	for (int i = 0; i < 512; i++)
		count += there[i] & 1;
	CHECK(count >= RUN && count <= RUN + RUN / 8);
}

TEST(a_child_that_writes_in_order_changes_its_own_memory_only)
{
	volatile char *memory = tables_new(1);

	pages_mark(memory, 512, 1);
	pid_t pid = fork();
	if (pid == 0) {
		long long ahead = ahead_of_writing(memory, RUN, 1, 'c');
		CHECK(fork_shares_one_of("n") ? ahead == 0 : ahead > RUN / 2);
		for (int i = 0; i < 512; i++)
			CHECK_EQ(memory[i * PAGE], i < RUN ? 'c' : (char)(1 + i));
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory, 512, 1));
}

TEST(a_parent_that_writes_in_order_leaves_the_child_its_picture)
{
	struct gate gate = gate_new();
	volatile char *memory = tables_new(1);

	pages_mark(memory, 512, 1);
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		CHECK(pages_have_marks(memory, 512, 1));
		_exit(0);
	}
	ahead_of_writing(memory, RUN, 1, 'p');
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

TEST(writes_out_of_order_get_nothing)
{
	CHECK_EQ(ahead_of_writing(tables_new(1), 128, 2, 'w'), 0);
	CHECK_EQ(ahead_of_writing(tables_new(1), 7, 1, 'w'), 0);
}

TEST(a_range_without_huge_pages_gets_nothing)
{
	volatile char *memory = tables_new(1);

	CHECK_EQ(madvise((void *)memory, TABLE, MADV_NOHUGEPAGE), 0);
	CHECK_EQ(ahead_of_writing(memory, RUN, 1, 'w'), 0);
}

TEST(a_process_without_huge_pages_gets_nothing)
{
	CHECK_EQ(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	CHECK_EQ(ahead_of_writing(tables_new(1), RUN, 1, 'w'), 0);
	CHECK_EQ(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0), 0);
	CHECK(ahead_of_writing(tables_new(1), RUN, 1, 'w') > 0);
}

TEST(a_file_s_pages_are_not_read_ahead_of_a_write)
{
	int fd = memfd_create("file", 0);
	volatile char *memory;

	CHECK_EQ(ftruncate(fd, TABLE), 0);
	memory = mmap(NULL, TABLE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK_EQ(ahead_of_writing(memory, RUN, 1, 'w'), 0);
	memory = mmap(NULL, TABLE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK_EQ(ahead_of_writing(memory, RUN, 1, 's'), 0);
}

TEST(rights_end_where_their_range_does)
{
	volatile char *memory = tables_new(1);

	CHECK_EQ(protect(memory + 64 * PAGE, 64, PROT_READ), 0);
	ahead_of_writing(memory, 64, 1, 'w');
	CHECK_FAULT(memory + 64 * PAGE, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	CHECK_EQ(memory[64 * PAGE], 0);
}

static void set_fault_ahead(const char *value)
{
	int fd = open("/proc/sys/vm/fault_ahead", O_WRONLY | O_CLOEXEC);

	CHECK_EQ(write(fd, value, strlen(value)), (ssize_t)strlen(value));
	close(fd);
}

TEST(the_setting_turns_it_off_and_on)
{
	long long old = proc_number("/proc/sys/vm/fault_ahead", "");
	char text[16];

	snprintf(text, sizeof(text), "%lld", old);
	set_fault_ahead("0");
	long long off = ahead_of_writing(tables_new(1), RUN, 1, 'w');
	set_fault_ahead("2");
	long long two = ahead_of_writing(tables_new(1), RUN, 1, 'w');
	set_fault_ahead("32");
	long long most = ahead_of_writing(tables_new(1), RUN, 1, 'w');
	int fd = open("/proc/sys/vm/fault_ahead", O_WRONLY | O_CLOEXEC);
	CHECK_ERRNO(write(fd, "33", 2), EINVAL);
	close(fd);
	set_fault_ahead(text);
	CHECK_EQ(off, 0);
	CHECK(two > 0 && most > two && two <= RUN * 2 / 3);
}
