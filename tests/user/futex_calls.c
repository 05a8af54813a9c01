/* SPDX-License-Identifier: MIT */
/*
 * tests/user/futex_calls.c - each operation of futex(2), what it refuses, and many words at once.
 */
#include "futex.h"

#include <stdatomic.h>

static futex_t words[200];

static void *wait_at(void *word)
{
	while (futex_wait(word, 0) < 0 && errno == EINTR)
		;
	return NULL;
}

/* ---- counts ---- */

TEST(waking_none_wakes_one)
{
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		threads[i] = thread_new(wait_at, (void *)words);
	for (int i = 0; i < 2; i++) {
		while (futex(words, FUTEX_WAKE, i == 0 ? 0 : (uint32_t)-5, NULL, NULL, 0) == 0)
			sched_yield();
	}
	thread_join(threads[0]);
	thread_join(threads[1]);
	CHECK_EQ(futex_wake(words, INT_MAX), 0);
}

TEST(requeue_moves_without_looking)
{
	enum { THREADS = 3 };
	pthread_t threads[THREADS];
	long moved = 0, woken = 0;

	for (int i = 0; i < THREADS; i++)
		threads[i] = thread_new(wait_at, (void *)words);
	while (moved < THREADS)
		moved += futex(words, FUTEX_REQUEUE, 0, (void *)1, &words[1], 0);
	CHECK_EQ(futex_wake(words, INT_MAX), 0);
	while (woken < THREADS)
		woken += futex_wake(&words[1], 1);
	for (int i = 0; i < THREADS; i++)
		thread_join(threads[i]);
}

TEST(requeue_counts_are_not_negative)
{
	CHECK_ERRNO(futex(words, FUTEX_REQUEUE, -1u, (void *)1, &words[1], 0), EINVAL);
	CHECK_ERRNO(futex(words, FUTEX_CMP_REQUEUE, 1, (void *)-1ul, &words[1], 0), EINVAL);
	CHECK_ERRNO(futex(words, FUTEX_CMP_REQUEUE, 1, (void *)1, &words[1], 1), EAGAIN);
	CHECK_ERRNO(futex(words, FUTEX_REQUEUE, 1, (void *)1, (futex_t *)3, 0), EINVAL);
}

TEST(requeue_to_itself_keeps_everybody)
{
	pthread_t thread = thread_new(wait_at, (void *)words);

	while (futex(words, FUTEX_REQUEUE, 0, (void *)9, words, 0) == 0)
		sched_yield();
	CHECK_EQ(futex_wake(words, 1), 1);
	thread_join(thread);
}

/* ---- times ---- */

TEST(times_that_are_none)
{
	struct timespec late = {0, 1000000000}, negative = {-1, 0};

	CHECK_ERRNO(futex(words, FUTEX_WAIT, 0, &late, NULL, 0), EINVAL);
	CHECK_ERRNO(futex(words, FUTEX_WAIT, 0, &negative, NULL, 0), EINVAL);
	CHECK_ERRNO(futex(words, FUTEX_WAIT, 0, (void *)8, NULL, 0), EFAULT);
	CHECK_EQ(futex(words, FUTEX_WAKE, 1, (void *)8, NULL, 0), 0);
}

TEST(only_some_operations_have_a_choice_of_clock)
{
	struct timespec time = {0, 0};

	CHECK_ERRNO(futex(words, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 0, &time, NULL, 0), ENOSYS);
	CHECK_ERRNO(futex(words, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 0, &time, NULL, 0), ENOSYS);
	CHECK_ERRNO(futex(words, 63, 0, NULL, NULL, 0), ENOSYS);
}

TEST(absolute_times_are_absolute)
{
	static const struct { int flag; clockid_t clock; } clocks[] = {
		{0, CLOCK_MONOTONIC}, {FUTEX_CLOCK_REALTIME, CLOCK_REALTIME},
	};

	for (int i = 0; i < 2; i++) {
		struct timespec until = time_from_now(clocks[i].clock, 30), now;
		int operation = FUTEX_WAIT_BITSET | clocks[i].flag;

		CHECK_ERRNO(futex(words, operation, 0, &until, NULL, ~0u), ETIMEDOUT);
		clock_gettime(clocks[i].clock, &now);
		CHECK(now.tv_sec > until.tv_sec ||
			(now.tv_sec == until.tv_sec && now.tv_nsec >= until.tv_nsec));
		CHECK_ERRNO(futex(words, operation, 0, &until, NULL, ~0u), ETIMEDOUT);
		CHECK_ERRNO(futex(words, operation, 1, &until, NULL, ~0u), EAGAIN);
	}
}

/* ---- signals ---- */

static atomic_int handled;
static atomic_bool is_waiting;
static volatile long wait_result;
static volatile int wait_error;

static void note(int number)
{
	(void)number;
	handled++;
}

static void *wait_timed(void *timeout)
{
	is_waiting = true;
	wait_result = futex(words, FUTEX_WAIT_BITSET, 0, timeout, NULL, ~0u);
	wait_error = errno;
	return NULL;
}

static void interrupt_waiter(pthread_t thread, int times)
{
	while (!is_waiting)
		sched_yield();
	for (int i = 1; i <= times; i++) {
		CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
		while (handled < i)
			sched_yield();
	}
}

/* The handler must meet it asleep to prove something; so it is sent more often than once. */
TEST(a_handler_ends_a_timed_wait)
{
	struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
	struct timespec until = time_from_now(CLOCK_MONOTONIC, 3600 * 1000);

	sigaction(SIGUSR1, &action, NULL);
	pthread_t thread = thread_new(wait_timed, &until);
	while (!is_waiting)
		sched_yield();
	while (!wait_error) {
		CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
		usleep(1000);
	}
	thread_join(thread);
	CHECK_EQ(wait_result, -1);
	CHECK_EQ(wait_error, EINTR);
}

TEST(an_untimed_wait_goes_on_after_a_handler)
{
	struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};

	sigaction(SIGUSR1, &action, NULL);
	pthread_t thread = thread_new(wait_timed, NULL);
	interrupt_waiter(thread, 20);
	wake_surely(words, FUTEX_WAKE, 1);
	thread_join(thread);
	CHECK_EQ(wait_result, 0);
}

/* ---- FUTEX_WAKE_OP ---- */

enum { SET, ADD, OR, ANDN, XOR, SHIFTED = 8 };
enum { EQUAL, DIFFERENT, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL };

static uint32_t operation(uint32_t op, uint32_t number, uint32_t compare, uint32_t with)
{
	return op << 28 | compare << 24 | (number & 0xfff) << 12 | (with & 0xfff);
}

TEST(wake_op_knows_five_operations)
{
	static const struct { uint32_t op, number, before, after; } cases[] = {
		{SET, 7, 3, 7}, {ADD, 5, 3, 8}, {OR, 12, 3, 15}, {ANDN, 1, 3, 2}, {XOR, 6, 3, 5},
		{SET, -1u, 3, -1u}, {SET | SHIFTED, 31, 3, 1u << 31}, {OR | SHIFTED, 4, 3, 19},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		words[1] = cases[i].before;
		uint32_t op = operation(cases[i].op, cases[i].number, EQUAL, 0);
		CHECK_EQ(futex(words, FUTEX_WAKE_OP, 1, (void *)1, &words[1], op), 0);
		CHECK_EQ(words[1], cases[i].after);
	}
	CHECK_ERRNO(futex(words, FUTEX_WAKE_OP, 1, (void *)1, &words[1], operation(5, 0, 0, 0)),
		ENOSYS);
	CHECK_ERRNO(futex(words, FUTEX_WAKE_OP, 1, (void *)1, (futex_t *)8, 0), EFAULT);
}

TEST(wake_op_knows_six_comparisons)
{
	static const struct { uint32_t compare, with; bool holds; } cases[] = {
		{EQUAL, 5, true}, {EQUAL, 4, false}, {DIFFERENT, 4, true}, {DIFFERENT, 5, false},
		{LESS, 6, true}, {LESS, 5, false}, {LESS_EQUAL, 5, true}, {LESS_EQUAL, 4, false},
		{GREATER, 4, true}, {GREATER, 5, false}, {GREATER_EQUAL, 5, true},
		{GREATER_EQUAL, 6, false}, {GREATER, -3u, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* one sleeps at the second word, which keeps its value of 5 */
		words[0] = 0;
		words[1] = 0;
		pthread_t thread = thread_new(wait_at, (void *)&words[1]);
		while (futex(&words[1], FUTEX_REQUEUE, 0, (void *)1, &words[1], 0) == 0)
			sched_yield();
		words[1] = 5;
		uint32_t op = operation(SET, 5, cases[i].compare, cases[i].with);
		CHECK_EQ(futex(words, FUTEX_WAKE_OP, 1, (void *)1, &words[1], op), cases[i].holds);
		CHECK_EQ(futex_wake(&words[1], 1), !cases[i].holds);
		thread_join(thread);
	}
}

/* ---- no wake-up is lost ---- */

static atomic_bool must_stop;
static atomic_int rounds_done;

/* Never sleeps, because the word is not what it asks for: then it must not take a wake-up. */
static void *ask_in_vain(void *unused)
{
	while (!must_stop)
		futex_wait(words, 0);
	return unused;
}

static void *be_woken(void *rounds)
{
	for (int i = 0; i < (int)(intptr_t)rounds; i++) {
		while (futex_wait(words, 1) < 0)
			;
		rounds_done++;
	}
	return NULL;
}

TEST(who_would_not_sleep_takes_no_wake_up)
{
	enum { ROUNDS = 300, ASKERS = 3 };
	pthread_t askers[ASKERS];

	words[0] = 1;
	for (int i = 0; i < ASKERS; i++)
		askers[i] = thread_new(ask_in_vain, NULL);
	pthread_t sleeper = thread_new(be_woken, (void *)ROUNDS);
	for (int i = 0; i < ROUNDS; i++) {
		struct timespec limit = time_from_now(CLOCK_MONOTONIC, 20000), now;

		while (rounds_done == i && futex_wake(words, 1) == 0)
			sched_yield();
		while (rounds_done == i) {
			clock_gettime(CLOCK_MONOTONIC, &now);
			CHECK(now.tv_sec < limit.tv_sec);
			sched_yield();
		}
	}
	must_stop = true;
	thread_join(sleeper);
	for (int i = 0; i < ASKERS; i++)
		thread_join(askers[i]);
}
