/* SPDX-License-Identifier: MIT */
// needs: threads
/*
 * tests/user/threads_end.c - every way to end all threads, whatever each of them is doing: another
 * one exits for all, executes a program, or somebody kills the process.
 */
#include "futex.h"

#include <poll.h>
#include <stdatomic.h>

/* ---- what a thread may be doing ---- */

static atomic_int begun;
static futex_t never;
static int empty_pipe[2], full_pipe[2];

static void *run_for_ever(void *unused)
{
	begun++;
	for (;;)
		;
	return unused;
}

static void *call_for_ever(void *unused)
{
	begun++;
	for (;;)
		getppid();
	return unused;
}

static void *wait_at_futex(void *unused)
{
	begun++;
	for (;;)
		futex_wait(&never, 0);
	return unused;
}

static void *read_pipe(void *unused)
{
	char byte;

	begun++;
	for (;;)
		CHECK(read(empty_pipe[0], &byte, 1) < 0);
	return unused;
}

static void *write_pipe(void *unused)
{
	static char bytes[4096];

	begun++;
	while (write(full_pipe[1], bytes, sizeof(bytes)) != 0)
		;
	return unused;
}

static void *poll_pipe(void *unused)
{
	struct pollfd entry = {.fd = empty_pipe[0], .events = POLLIN};

	begun++;
	for (;;)
		poll(&entry, 1, -1);
	return unused;
}

static void *sleep_long(void *unused)
{
	begun++;
	for (;;)
		sleep(1000);
	return unused;
}

static void *wait_for_signal(void *unused)
{
	sigset_t set;

	begun++;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	for (;;)
		sigwaitinfo(&set, NULL);
	return unused;
}

/* Its child is let go when the pipe ends, which it does with the process. */
static void *suspend_in_vfork(void *unused)
{
	begun++;
	if (vfork() == 0) {
		char byte;
		syscall(SYS_close, empty_pipe[1]);
		syscall(SYS_read, empty_pipe[0], &byte, 1);
		_exit(0);
	}
	for (;;)
		pause();
	return unused;
}

static void *wait_for_child(void *unused)
{
	begun++;
	pid_t pid = fork();
	if (pid == 0) {
		char byte;
		close(empty_pipe[1]);
		_exit(read(empty_pipe[0], &byte, 1) != 0);
	}
	for (;;)
		waitpid(pid, NULL, 0);
	return unused;
}

static void *fault_for_ever(void *unused)
{
	begun++;
	for (;;) {
		volatile char *memory = pages_new(8);
		pages_mark(memory, 8, 1);
		pages_free(memory, 8);
	}
	return unused;
}

static void *fork_for_ever(void *unused)
{
	begun++;
	for (;;) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	return unused;
}

static void *return_at_once(void *argument)
{
	return argument;
}

static void *make_threads_for_ever(void *unused)
{
	pthread_t thread;

	begun++;
	for (;;) {
		if (pthread_create(&thread, NULL, return_at_once, NULL) == 0)
			pthread_join(thread, NULL);
	}
	return unused;
}

static void *(*const activities[])(void *) = {
	run_for_ever, call_for_ever, wait_at_futex, read_pipe, write_pipe, poll_pipe, sleep_long,
	wait_for_signal, suspend_in_vfork, wait_for_child, fault_for_ever, fork_for_ever,
	make_threads_for_ever,
};

enum { ACTIVITIES = sizeof(activities) / sizeof(activities[0]) };

/* A process in which all of it goes on; then its first thread runs `end`. */
static pid_t start_all(void (*end)(void))
{
	CHECK_EQ(pipe(empty_pipe), 0);
	CHECK_EQ(pipe(full_pipe), 0);
	pid_t pid = fork();
	if (pid == 0) {
		for (int i = 0; i < ACTIVITIES; i++)
			thread_new(activities[i], NULL);
		while (begun < ACTIVITIES)
			sched_yield();
		end();
		_exit(99);
	}
	close(empty_pipe[1]);
	close(full_pipe[1]);
	return pid;
}

/* Nobody is left who could write: all children that were under way have ended, too. */
static void check_all_gone(void)
{
	char bytes[4096];

	CHECK_EQ(read(empty_pipe[0], bytes, 1), 0);
	while (read(full_pipe[0], bytes, sizeof(bytes)) > 0)
		;
	close(empty_pipe[0]);
	close(full_pipe[0]);
}

/* ---- the ways to end ---- */

enum { ROUNDS = 5 };

static void exit_for_all(void)
{
	_exit(17);
}

TEST(exit_group_ends_whatever_they_do)
{
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EXIT(start_all(exit_for_all), 17);
		check_all_gone();
	}
}

__attribute__((constructor)) static void play_program(void)
{
	const char *status = getenv("END_WITH");

	if (status)
		_exit(syscall(SYS_gettid) == getpid() ? atoi(status) : 98);
}

/* Several may be at it at once: setenv() is for one. */
static void execute(void)
{
	char *const environment[] = {"END_WITH=13", NULL};

	execle("/proc/self/exe", "self", NULL, environment);
}

TEST(exec_ends_whatever_the_others_do)
{
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EXIT(start_all(execute), 13);
		check_all_gone();
	}
}

static void *execute_in_thread(void *unused)
{
	execute();
	return unused;
}

static void execute_elsewhere(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, execute_in_thread, NULL);
	for (;;)
		pause();
}

TEST(exec_of_a_later_thread_ends_whatever_the_others_do)
{
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EXIT(start_all(execute_elsewhere), 13);
		check_all_gone();
	}
}

static void kill_self(void)
{
	kill(getpid(), SIGKILL);
}

TEST(sigkill_ends_whatever_they_do)
{
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_KILLED(start_all(kill_self), SIGKILL);
		check_all_gone();
	}
}

static void stop_self(void)
{
	kill(getpid(), SIGSTOP);
	for (;;)
		pause();
}

/* The one suspended in vfork stops when its child lets it: so the stop is never complete. */
TEST(sigkill_ends_those_who_are_stopping)
{
	pid_t pid = start_all(stop_self);

	usleep(5000);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_KILLED(pid, SIGKILL);
	check_all_gone();
}

/* ---- races for the end ---- */

static pthread_barrier_t barrier;

static void *exit_together(void *status)
{
	pthread_barrier_wait(&barrier);
	_exit((int)(intptr_t)status);
}

TEST(one_of_many_exit_codes_wins)
{
	enum { THREADS = 6 };

	for (int round = 0; round < 30; round++) {
		pid_t pid = fork();
		if (pid == 0) {
			pthread_barrier_init(&barrier, NULL, THREADS);
			for (intptr_t i = 1; i < THREADS; i++)
				thread_new(exit_together, (void *)(100 + i));
			exit_together((void *)100);
		}
		int status = utest_wait(pid);
		CHECK(status >= 100 && status < 100 + THREADS);
	}
}

static void *leave_together(void *unused)
{
	pthread_barrier_wait(&barrier);
	syscall(SYS_exit, 0);
	return unused;
}

TEST(all_leave_at_once)
{
	enum { THREADS = 6 };

	for (int round = 0; round < 30; round++) {
		pid_t pid = fork();
		if (pid == 0) {
			pthread_barrier_init(&barrier, NULL, THREADS);
			for (int i = 1; i < THREADS; i++)
				thread_new(leave_together, NULL);
			leave_together(NULL);
		}
		CHECK_EXIT(pid, 0);
	}
}

static void *execute_together(void *unused)
{
	pthread_barrier_wait(&barrier);
	execute();
	return unused;
}

TEST(exit_and_exec_at_once)
{
	enum { THREADS = 4 };

	for (int round = 0; round < 20; round++) {
		pid_t pid = fork();
		if (pid == 0) {
			pthread_barrier_init(&barrier, NULL, THREADS);
			for (int i = 2; i < THREADS; i++)
				thread_new(execute_together, NULL);
			thread_new(exit_together, (void *)33);
			execute_together(NULL);
		}
		int status = utest_wait(pid);
		CHECK(status == 33 || status == 13);
	}
}

TEST(killed_while_executing)
{
	for (int round = 0; round < 30; round++) {
		pid_t pid = fork();
		if (pid == 0) {
			pthread_barrier_init(&barrier, NULL, 3);
			thread_new(execute_together, NULL);
			thread_new(execute_together, NULL);
			execute_together(NULL);
		}
		usleep((useconds_t)round * 100);
		CHECK_EQ(kill(pid, SIGKILL), 0);
		int status = utest_wait(pid);
		CHECK(status == 128 + SIGKILL || status == 13);
	}
}
