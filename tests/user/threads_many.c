/* SPDX-License-Identifier: MIT */
// needs: threads
/*
 * tests/user/threads_many.c - many threads at once, what they leave behind, and where it ends.
 */
#include "futex.h"

#include <spawn.h>
#include <stdatomic.h>
#include <sys/resource.h>

enum { MANY = 1000 };

static pthread_t threads[MANY];
static atomic_int arrived;
static futex_t gate_word;

static void *stay_until_told(void *argument)
{
	arrived++;
	while (!gate_word)
		futex_wait(&gate_word, 0);
	return argument;
}

static void let_all_go(void)
{
	gate_word = 1;
	futex_wake(&gate_word, INT_MAX);
}

TEST(a_thousand_at_once)
{
	long long before = proc_number("/proc/self/status", "VmSize:");

	for (intptr_t i = 0; i < MANY; i++)
		threads[i] = thread_new(stay_until_told, (void *)i);
	while (arrived < MANY)
		sched_yield();
	CHECK_EQ(proc_number("/proc/self/status", "Threads:"), MANY + 1);
	let_all_go();
	for (intptr_t i = 0; i < MANY; i++)
		CHECK_EQ((intptr_t)thread_join(threads[i]), i);
	/* their stacks have been unmapped; the C library's heap may have grown */
	CHECK(proc_number("/proc/self/status", "VmSize:") < before + 2048);
}

TEST(a_thousand_end_together)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (intptr_t i = 0; i < MANY; i++)
			thread_new(stay_until_told, NULL);
		_exit(23);
	}
	CHECK_EXIT(pid, 23);
}

TEST(a_fork_of_a_thousand_has_one)
{
	for (intptr_t i = 0; i < MANY; i++)
		threads[i] = thread_new(stay_until_told, NULL);
	pid_t pid = fork();
	if (pid == 0)
		_exit(proc_number("/proc/self/status", "Threads:") == 1 ? 0 : 1);
	CHECK_EXIT(pid, 0);
	let_all_go();
	for (int i = 0; i < MANY; i++)
		thread_join(threads[i]);
}

/* It unmaps the stack that it stands on as its last act. */
TEST(detached_threads_leave_nothing)
{
	pthread_attr_t attributes;
	pthread_t thread;
	struct timespec limit = time_from_now(CLOCK_MONOTONIC, 30000), now;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	gate_word = 1;
	long long before = proc_number("/proc/self/status", "VmSize:");
	for (int i = 0; i < 300; i++)
		CHECK_EQ(pthread_create(&thread, &attributes, stay_until_told, NULL), 0);
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
		CHECK(now.tv_sec <= limit.tv_sec);
		sched_yield();
	} while (proc_number("/proc/self/status", "Threads:") > 1);
	CHECK(proc_number("/proc/self/status", "VmSize:") < before + 2048);
}

TEST(threads_count_against_the_limit_of_processes)
{
	struct rlimit limit = {20, 20};
	pthread_t thread;
	int made = 0;

	if (geteuid() != 0)
		SKIP("needs privileges to become nobody else");
	uid_t nobody_else = 64000 + (uid_t)getpid() % 1000;
	CHECK_EQ(setresuid(nobody_else, nobody_else, nobody_else), 0);
	CHECK_EQ(setrlimit(RLIMIT_NPROC, &limit), 0);
	while (pthread_create(&thread, NULL, stay_until_told, NULL) == 0)
		made++;
	CHECK_EQ(made, 19);
	CHECK_ERRNO(fork(), EAGAIN);
	CHECK_ERRNO(vfork(), EAGAIN);
	let_all_go();
}

/* ---- a limit that many come to at once ---- */

enum { FORKERS = 12, NPROC = 16 };

static atomic_int forked;
static atomic_bool are_all_there;

static void *fork_one(void *gate)
{
	while (!are_all_there)
		sched_yield();
	pid_t pid = fork();
	if (pid == 0)
		gate_pass(*(struct gate *)gate);
	if (pid == 0)
		_exit(0);
	forked += pid > 0;
	return stay_until_told(NULL);
}

/* They are checked one after the other, whoever looks at once. */
TEST(threads_that_fork_at_once_keep_to_the_limit)
{
	struct rlimit limit = {NPROC, NPROC};
	struct gate gate = gate_new();
	pthread_t thread;

	if (geteuid() != 0)
		SKIP("needs privileges to become nobody else");
	uid_t nobody_else = 65000 + (uid_t)getpid() % 500;
	CHECK_EQ(setresuid(nobody_else, nobody_else, nobody_else), 0);
	CHECK_EQ(setrlimit(RLIMIT_NPROC, &limit), 0);
	for (int i = 0; i < FORKERS; i++)
		CHECK_EQ(pthread_create(&thread, NULL, fork_one, &gate), 0);
	are_all_there = true;
	while (arrived < FORKERS)
		sched_yield();
	CHECK(1 + FORKERS + forked <= NPROC);
	gate_open(gate);
	let_all_go();
	while (wait(NULL) > 0)
		;
}

/* ---- programs started from many threads ---- */

__attribute__((constructor)) static void play_program(void)
{
	const char *status = getenv("END_WITH");

	if (status)
		_exit(atoi(status));
}

enum { STARTERS = 4, STARTS = 25 };

static void *spawn_often(void *unused)
{
	static char *argv[] = {"self", NULL}, *environment[] = {"END_WITH=29", NULL};

	for (int i = 0; i < STARTS; i++) {
		pid_t pid;
		CHECK_EQ(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environment), 0);
		CHECK_EXIT(pid, 29);
		CHECK_EQ(posix_spawn(&pid, "/nowhere", NULL, NULL, argv, environment), ENOENT);
	}
	return unused;
}

static void *command_often(void *unused)
{
	for (int i = 0; i < STARTS / 5; i++)
		CHECK_EQ(WEXITSTATUS(system("exit 31")), 31);
	return unused;
}

/* The C library's list of open pipes does not bear one being opened while another is closed. */
static pthread_mutex_t pipes = PTHREAD_MUTEX_INITIALIZER;

static void *pipe_often(void *unused)
{
	for (int i = 0; i < STARTS / 5; i++) {
		char line[32] = "";
		pthread_mutex_lock(&pipes);
		FILE *stream = popen("echo hello", "r");
		pthread_mutex_unlock(&pipes);
		CHECK(stream != NULL);
		CHECK(fgets(line, sizeof(line), stream) && strcmp(line, "hello\n") == 0);
		pthread_mutex_lock(&pipes);
		CHECK_EQ(pclose(stream), 0);
		pthread_mutex_unlock(&pipes);
	}
	return unused;
}

static void *write_for_ever(void *unused)
{
	volatile char *memory = pages_new(64);

	while (!gate_word)
		pages_mark(memory, 64, (char)++arrived);
	return unused;
}

static void start_from_all(void *(*start)(void *))
{
	pthread_t starters[STARTERS], writer = thread_new(write_for_ever, NULL);

	for (int i = 0; i < STARTERS; i++)
		starters[i] = thread_new(start, NULL);
	for (int i = 0; i < STARTERS; i++)
		thread_join(starters[i]);
	gate_word = 1;
	thread_join(writer);
	CHECK_ERRNO(waitpid(-1, NULL, WNOHANG), ECHILD);
}

TEST(spawning_from_many_threads)
{
	start_from_all(spawn_often);
}

TEST(commands_from_many_threads)
{
	start_from_all(command_often);
}

TEST(pipes_to_commands_from_many_threads)
{
	start_from_all(pipe_often);
}
