/* SPDX-License-Identifier: MIT */
// cow
// cowbell-only
/*
 * tests/user/cow_oom.c - no memory left: in a fault, in fork, in both.
 *
 * Somebody may have to go, but never who did not ask for memory; and what he had comes back.
 */
#include "memory.h"

#include <time.h>

static long long free_kib(void)
{
	return proc_number("/proc/meminfo", "MemFree:");
}

/* Until no more than this is free. */
static volatile size_t *fill_memory(long long leave_kib, size_t *pages)
{
	*pages = free_kib() / 4;
	volatile char *memory = pages_new(*pages);
	size_t used = 0;

	for (; used < *pages; used++) {
		if (used % 256 == 0 && free_kib() <= leave_kib)
			break;
		*(volatile size_t *)(memory + used * PAGE) = used;
	}
	*pages = used;
	return (volatile size_t *)memory;
}

static void check_filled(volatile size_t *memory, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		CHECK_EQ(memory[i * (PAGE / sizeof(size_t))], i);
}

/* A process gives its memory back when it ends; a descendant may end a moment later. */
static bool memory_comes_back(long long before_kib)
{
	for (int i = 0; i < 1000; i++) {
		if (free_kib() >= before_kib - 1024)
			return true;
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	return false;
}

TEST(who_takes_everything_is_killed)
{
	volatile char *mine = pages_new(16);
	long long before = free_kib();

	pages_mark(mine, 16, 'A');
	pid_t pid = fork();
	if (pid == 0) {
		for (;;)
			pages_mark(pages_new(1024), 1024, 1);
	}
	CHECK_KILLED(pid, SIGKILL);
	CHECK(memory_comes_back(before));
	pages_mark(mine, 16, 'p');
	CHECK(pages_have_marks(mine, 16, 'p'));
}

/* The kernel meets the missing page: in the middle of read(2). */
TEST(who_lets_the_kernel_take_everything_is_killed)
{
	long long before = free_kib();
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open("/dev/zero", O_RDONLY);
		while (read(fd, (char *)pages_new(256), 256 * PAGE) > 0)
			;
		_exit(1);
	}
	CHECK_KILLED(pid, SIGKILL);
	CHECK(memory_comes_back(before));
}

/* Children that stay, until there is no memory for another.  The number of them. */
static int fork_until_refused(struct gate gate)
{
	int children = 0;

	for (;;) {
		pid_t pid = fork();
		if (pid == 0) {
			gate_pass(gate);
			_exit(0);
		}
		if (pid < 0)
			return children;
		children++;
	}
}

/* It ends well, or was chosen to make room for a fault of one of its children. */
TEST(fork_is_refused_when_memory_is_out)
{
	long long before = free_kib();
	pid_t pid = fork();

	if (pid == 0) {
		size_t pages;
		setpgid(0, 0);
		volatile size_t *memory = fill_memory(4096, &pages);
		struct gate gate = gate_new();
		int children = fork_until_refused(gate);
		CHECK(errno == ENOMEM || errno == EAGAIN);
		check_filled(memory, pages);
		gate_open(gate);
		while (children-- > 0)
			CHECK(wait(NULL) > 0);
		check_filled(memory, pages);
		_exit(0);
	}
	setpgid(pid, pid);
	int end = utest_wait(pid);
	CHECK(end == 0 || end == 128 + SIGKILL);
	kill(-pid, SIGKILL);
	CHECK(memory_comes_back(before));
}

/* Sharing was free; breaking it is not. */
TEST(copying_what_is_shared_may_kill_but_not_change)
{
	long long before = free_kib();
	pid_t pid = fork();

	if (pid == 0) {
		size_t pages;
		setpgid(0, 0);
		volatile size_t *memory = fill_memory(before / 3, &pages);
		pid_t child = fork();
		if (child == 0) {
			for (size_t i = 0; i < pages; i++)
				memory[i * (PAGE / sizeof(size_t))] = 0;
			_exit(0);
		}
		if (child < 0)
			CHECK_EQ(errno, ENOMEM);        /* fork_share=none */
		else
			CHECK(utest_wait(child) == 128 + SIGKILL);
		check_filled(memory, pages);
		_exit(0);
	}
	setpgid(pid, pid);
	int end = utest_wait(pid);
	CHECK(end == 0 || end == 128 + SIGKILL);
	kill(-pid, SIGKILL);
	CHECK(memory_comes_back(before));
}

TEST(one_after_the_other_may_take_everything)
{
	long long before = free_kib();

	for (int round = 0; round < 3; round++) {
		pid_t pid = fork();
		if (pid == 0) {
			for (;;)
				pages_mark(pages_new(1024), 1024, 1);
		}
		CHECK_KILLED(pid, SIGKILL);
		CHECK(memory_comes_back(before));
	}
}
