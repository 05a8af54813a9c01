/* SPDX-License-Identifier: MIT */
// cow
// needs: threads
/*
 * tests/user/threads_fork.c - the picture that fork takes while a thread on every CPU writes.
 *
 * The writers pass numbers along a chain of pages.  At every instant the number on a page is not
 * smaller than that on the next one.  A child whose pages are of different instants may see
 * otherwise.
 */
#include "futex.h"

#include <stdatomic.h>
#include <sys/time.h>

enum { WRITERS = 4, FORKS = 150, SLOWER_ON_ONE_CPU = 10, CHILDREN = 200 };

struct chain {
	_Atomic uint64_t *links[WRITERS + 1];
};

static struct chain chain;
static atomic_bool must_stop;

static int forks(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) == 1 ? FORKS / SLOWER_ON_ONE_CPU : FORKS;
}

/* Pages `stride` apart: in one table, or each in its own. */
static void chain_new(volatile char *memory, size_t stride)
{
	for (int i = 0; i <= WRITERS; i++)
		chain.links[i] = (_Atomic uint64_t *)(memory + i * stride);
}

/* The first counts; each other takes over what stands on the page before its own. */
static void *write_link(void *argument)
{
	intptr_t i = (intptr_t)argument;

	while (!atomic_load_explicit(&must_stop, memory_order_relaxed)) {
		uint64_t next = i == 0 ? atomic_load(chain.links[0]) + 1
				       : atomic_load(chain.links[i - 1]);
		atomic_store(chain.links[i], next);
	}
	return NULL;
}

/* 0: all of one instant, and standing still. */
static int check_picture(void)
{
	uint64_t seen[WRITERS];

	for (int i = 0; i < WRITERS; i++)
		seen[i] = atomic_load(chain.links[i]);
	for (int i = 1; i < WRITERS; i++) {
		if (seen[i] > seen[i - 1])
			return 1;
	}
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < WRITERS; i++) {
			if (atomic_load(chain.links[i]) != seen[i])
				return 2;
		}
	}
	/* what the child writes is its own, too */
	for (int i = 0; i < WRITERS; i++)
		atomic_store(chain.links[i], UINT64_MAX);
	return 0;
}

static void take_pictures(void)
{
	pthread_t writers[WRITERS];

	for (intptr_t i = 0; i < WRITERS; i++)
		writers[i] = thread_new(write_link, (void *)i);
	while (atomic_load(chain.links[WRITERS - 1]) == 0)
		sched_yield();
	for (int i = forks(); i > 0; i--) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(check_picture());
		CHECK_EXIT(pid, 0);
	}
	must_stop = true;
	for (int i = 0; i < WRITERS; i++)
		thread_join(writers[i]);
	CHECK(atomic_load(chain.links[0]) < UINT64_MAX / 2);
}

TEST(pages_of_one_table_are_of_one_instant)
{
	chain_new(pages_new(WRITERS + 1), PAGE);
	take_pictures();
}

TEST(pages_of_many_tables_are_of_one_instant)
{
	chain_new(tables_new(WRITERS + 1), TABLE);
	take_pictures();
}

/* ---- many who fork, many who write ---- */

static void *fork_often(void *unused)
{
	for (int i = forks() / 5; i > 0; i--) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(check_picture());
		CHECK_EXIT(pid, 0);
	}
	return unused;
}

TEST(pictures_from_several_threads_at_once)
{
	pthread_t writers[2], takers[3];

	chain_new(pages_new(WRITERS + 1), PAGE);
	for (intptr_t i = 0; i < 2; i++)
		writers[i] = thread_new(write_link, (void *)i);
	for (int i = 0; i < 3; i++)
		takers[i] = thread_new(fork_often, NULL);
	for (int i = 0; i < 3; i++)
		thread_join(takers[i]);
	must_stop = true;
	for (int i = 0; i < 2; i++)
		thread_join(writers[i]);
}

/* The child goes on with what its parent's other threads were in the middle of. */
static void *lock_often(void *mutex)
{
	while (!must_stop) {
		pthread_mutex_lock(mutex);
		atomic_fetch_add(chain.links[0], 1);
		atomic_fetch_add(chain.links[1], 1);
		pthread_mutex_unlock(mutex);
	}
	return NULL;
}

TEST(who_holds_the_lock_has_a_consistent_child)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_t threads[2];

	chain_new(tables_new(2), TABLE);
	for (int i = 0; i < 2; i++)
		threads[i] = thread_new(lock_often, &mutex);
	for (int i = forks(); i > 0; i--) {
		pthread_mutex_lock(&mutex);
		pid_t pid = fork();
		if (pid == 0)
			_exit(atomic_load(chain.links[0]) != atomic_load(chain.links[1]));
		pthread_mutex_unlock(&mutex);
		CHECK_EXIT(pid, 0);
	}
	must_stop = true;
	for (int i = 0; i < 2; i++)
		thread_join(threads[i]);
}

/* ---- signals meanwhile ---- */

static volatile sig_atomic_t ticks;

static void count_tick(int number)
{
	(void)number;
	ticks++;
}

/* The signal waits until the child is there, however often it comes. */
TEST(a_fast_timer_does_not_keep_fork_from_happening)
{
	enum { PAGES = 2048 };
	struct itimerval fast = {{0, 500}, {0, 500}}, none = {{0, 0}, {0, 0}};
	volatile char *memory = pages_new(PAGES);

	pages_mark(memory, PAGES, 1);
	signal(SIGALRM, count_tick);
	CHECK_EQ(setitimer(ITIMER_REAL, &fast, NULL), 0);
	for (int i = 0; i < 10 || ticks < 10; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		CHECK_EXIT(pid, 0);
	}
	CHECK_EQ(setitimer(ITIMER_REAL, &none, NULL), 0);
}

static void fork_sleepers(void)
{
	for (int i = 0; i < CHILDREN && fork() > 0; i++)
		;
	for (;;)
		pause();
}

/* A child that is being made when its group is killed dies with it. */
TEST(nobody_is_born_past_a_signal_to_the_group)
{
	for (int round = 0; round < 10; round++) {
		int fds[2];
		char byte;

		CHECK_EQ(pipe(fds), 0);
		pid_t pid = fork();
		if (pid == 0) {
			setpgid(0, 0);
			if (fork() == 0)
				fork_sleepers();
			CHECK_EQ(write(fds[1], "b", 1), 1);
			fork_sleepers();
		}
		close(fds[1]);
		CHECK_EQ(read(fds[0], &byte, 1), 1);
		usleep(3000);
		CHECK_EQ(kill(-pid, SIGKILL), 0);
		CHECK_KILLED(pid, SIGKILL);
		/* the pipe ends with the last one */
		CHECK_EQ(read(fds[0], &byte, 1), 0);
		close(fds[0]);
	}
}
