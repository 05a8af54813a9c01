/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/cow_scale.c - many children, many forks, much memory, sudden death.
 */
#include "memory.h"

#include <time.h>

TEST(three_hundred_live_children_share_one_page)
{
	enum { CHILDREN = 300 };
	struct gate gate = gate_new();
	volatile char *page = pages_new(1);
	pid_t pids[CHILDREN];

	page[0] = 'A';
	for (int i = 0; i < CHILDREN; i++) {
		pids[i] = fork();
		CHECK(pids[i] >= 0);
		if (pids[i] == 0) {
			gate_pass(gate);
			if (page[0] != 'A')
				_exit(1);
			page[0] = (char)i;
			_exit(page[0] == (char)i ? 0 : 2);
		}
	}
	page[0] = 'p';
	gate_open(gate);
	for (int i = 0; i < CHILDREN; i++)
		CHECK_EXIT(pids[i], 0);
	CHECK_EQ(page[0], 'p');
}

TEST(ten_thousand_forks_in_a_row)
{
	enum { FORKS = 10000 };
	volatile char *page = pages_new(16);
	struct timespec begin, end;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < FORKS; i++) {
		page[0] = (char)i;
		pid_t pid = fork();
		CHECK(pid >= 0);
		if (pid == 0)
			_exit(page[0] == (char)i ? 0 : 1);
		CHECK_EXIT(pid, 0);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("# %d forks: %lld ms\n", FORKS,
		(end.tv_sec - begin.tv_sec) * 1000ll + (end.tv_nsec - begin.tv_nsec) / 1000000);
	fflush(stdout);
}

/* Of what is free, more than half; on a real machine a small part of it. */
static size_t pages_for_more_than_half(void)
{
	long long available = proc_number("/proc/meminfo", "MemAvailable:");

	CHECK(available > 0);
	return is_cowbell() ? available * KIB / PAGE * 6 / 10 : 64 * MIB / PAGE;
}

TEST(fork_with_more_than_half_of_memory_in_use)
{
	size_t pages = pages_for_more_than_half();
	volatile char *memory = pages_new(pages);

	for (size_t i = 0; i < pages; i++)
		*(volatile size_t *)(memory + i * PAGE) = i;
	pid_t pid = fork();
	if (pid < 0) {
		CHECK(fork_shares_one_of("n"));         /* and there is no room for a copy */
		CHECK_EQ(errno, ENOMEM);
	} else if (pid == 0) {
		for (size_t i = 0; i < pages; i++)
			CHECK_EQ(*(volatile size_t *)(memory + i * PAGE), i);
		for (size_t i = 0; i < pages; i += 97)
			*(volatile size_t *)(memory + i * PAGE) = 0;
		_exit(0);
	} else {
		CHECK(!is_cowbell() || !fork_shares_one_of("n"));
		CHECK_EXIT(pid, 0);
	}
	for (size_t i = 0; i < pages; i++)
		CHECK_EQ(*(volatile size_t *)(memory + i * PAGE), i);
}

/* A process that forks for ever and tells about each round. */
static void fork_for_ever(int news, volatile char *memory)
{
	for (;;) {
		pid_t pid = fork();
		if (pid == 0) {
			memory[7 * PAGE] = 'c';
			_exit(0);
		}
		memory[3 * PAGE] = 'f';
		if (write(news, "f", 1) != 1)
			_exit(1);
		waitpid(pid, NULL, 0);
	}
}

/* Killed after 1, 2, ... rounds, and wherever it happens to be by then. */
TEST(killed_while_it_forks)
{
	enum { KILLS = 100 };
	volatile char *memory = pages_new(16);

	pages_mark(memory, 16, 'A');
	for (int i = 0; i < KILLS; i++) {
		int news[2];
		char byte;
		CHECK_EQ(pipe(news), 0);
		pid_t pid = fork();
		if (pid == 0)
			fork_for_ever(news[1], memory);
		close(news[1]);
		for (int round = 0; round <= i % 5; round++)
			CHECK_EQ(read(news[0], &byte, 1), 1);
		CHECK_EQ(kill(pid, SIGKILL), 0);
		CHECK_KILLED(pid, SIGKILL);
		close(news[0]);
	}
	CHECK(pages_have_marks(memory, 16, 'A'));
}

/* Children and grandchildren that all write at once what all share. */
TEST(many_processes_copy_the_same_tables_at_once)
{
	enum { CHILDREN = 8, PAGES = 1024 };
	struct gate gate = gate_new();
	volatile char *memory = tables_new(2);
	pid_t pids[CHILDREN];

	pages_mark(memory, PAGES, 0);
	for (int i = 0; i < CHILDREN; i++) {
		pids[i] = fork();
		CHECK(pids[i] >= 0);
		if (pids[i] == 0) {
			gate_pass(gate);
			for (int page = i % 4; page < PAGES; page += 4)
				memory[page * PAGE] = (char)i;
			for (int page = 0; page < PAGES; page++)
				CHECK_EQ(memory[page * PAGE], page % 4 == i % 4 ? i : (char)page);
			_exit(0);
		}
	}
	gate_open(gate);
	for (int i = 0; i < CHILDREN; i++)
		CHECK_EXIT(pids[i], 0);
	CHECK(pages_have_marks(memory, PAGES, 0));
}
