/* SPDX-License-Identifier: MIT */
/*
 * tests/user/sched_slices.c - one CPU, a program that computes, and two that answer each other: it
 * neither keeps them waiting for a slice each time, nor do they keep it away.
 */
#include "utest.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

enum { ROUNDS = 400, MS = 1000000 };

/* How long each has run, as it says itself, in nanoseconds. */
static struct { _Atomic long long hog, ping, pong; } *ran;

static long long own_time(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static void prepare(void)
{
	cpu_set_t set;

	ran = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(ran != MAP_FAILED);
	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	CHECK_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
}

/* It has a slice behind it when this returns. */
static pid_t start_hog(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			ran->hog = own_time();
	}
	while (ran->hog < 4 * MS)
		sched_yield();
	return pid;
}

/* Ask and answer, until `is_enough` says so after an answer.  How many times. */
static int play(bool (*is_enough)(int rounds))
{
	int question[2], answer[2], rounds = 0;
	char byte = 0;

	CHECK(pipe(question) == 0 && pipe(answer) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(question[1]);
		while (read(question[0], &byte, 1) == 1 && write(answer[1], &byte, 1) == 1)
			ran->pong = own_time();
		_exit(0);
	}
	long long start = own_time();
	do {
		CHECK(write(question[1], &byte, 1) == 1 && read(answer[0], &byte, 1) == 1);
		ran->ping = own_time() - start;
		rounds++;
	} while (!is_enough(rounds));
	close(question[1]);
	CHECK_EXIT(pid, 0);
	return rounds;
}

static bool all_rounds_are_over(int rounds)
{
	return rounds == ROUNDS;
}

static long long hog_before;

static bool hog_has_its_share(void)
{
	return 4 * (ran->hog - hog_before) > ran->ping + ran->pong;
}

/* A host that stops us for a while lets it look as if one of us ran: in the end that evens out. */
static bool have_run_long(int rounds)
{
	long long both = ran->ping + ran->pong;

	(void)rounds;
	return both > 200 * MS && (hog_has_its_share() || both > 20000ll * MS);
}

/* If each byte had to wait for the other's slice to end, it would have 800 slices. */
TEST(answers_do_not_wait_for_a_slice_each)
{
	prepare();
	pid_t hog = start_hog();
	bool was_quick = false;

	for (int i = 0; i < 5 && !was_quick; i++) {
		hog_before = ran->hog;
		play(all_rounds_are_over);
		was_quick = ran->hog - hog_before < 2 * (ran->ping + ran->pong) + 400 * MS;
	}
	CHECK(was_quick);
	kill(hog, SIGKILL);
	CHECK_KILLED(hog, SIGKILL);
}

TEST(who_computes_has_its_share)
{
	prepare();
	pid_t hog = start_hog();

	hog_before = ran->hog;
	CHECK(play(have_run_long) > 0);
	CHECK(hog_has_its_share());
	kill(hog, SIGKILL);
	CHECK_KILLED(hog, SIGKILL);
}
