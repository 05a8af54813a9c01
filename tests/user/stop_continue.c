/* SPDX-License-Identifier: MIT */
/*
 * tests/user/stop_continue.c - processes that stop and go on, and parents who are told.
 */
#include "utest.h"

#include <pthread.h>
#include <time.h>

static void sleep_ms(long ms)
{
	struct timespec left = {.tv_nsec = ms * 1000000};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static pid_t start_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	CHECK_KILLED(pid, SIGKILL);
}

static void check_stopped(pid_t pid, int signal)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(WSTOPSIG(status), signal);
}

static void check_continued(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
	CHECK(WIFCONTINUED(status));
}

TEST(stop_is_reported_once)
{
	int status;
	pid_t pid = start_sleeper();

	kill(pid, SIGSTOP);
	check_stopped(pid, SIGSTOP);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
	kill(pid, SIGCONT);
	check_continued(pid);
	CHECK_EQ(waitpid(pid, &status, WCONTINUED | WNOHANG), 0);
	end(pid);
}

TEST(a_plain_wait_does_not_see_stops)
{
	int status;
	pid_t pid = start_sleeper();

	kill(pid, SIGSTOP);
	check_stopped(pid, SIGSTOP);
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	end(pid);
}

TEST(stopped_process_does_not_run)
{
	int fds[2];
	char byte;
	pid_t pid;

	CHECK_EQ(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		for (;;) {
			sleep_ms(1);
			write(fds[1], "x", 1);
		}
	}
	CHECK_EQ(read(fds[0], &byte, 1), 1);
	kill(pid, SIGSTOP);
	check_stopped(pid, SIGSTOP);
	int before, after;
	struct {
		char bytes[65536];
	} *drain = malloc(sizeof(*drain));
	write(fds[1], "y", 1);
	before = (int)read(fds[0], drain->bytes, sizeof(drain->bytes));
	CHECK(before > 0);
	sleep_ms(30);
	write(fds[1], "z", 1);
	after = (int)read(fds[0], drain->bytes, sizeof(drain->bytes));
	CHECK_EQ(after, 1);
	kill(pid, SIGCONT);
	CHECK_EQ(read(fds[0], &byte, 1), 1);
	end(pid);
}

TEST(killed_while_stopped)
{
	pid_t pid = start_sleeper();

	kill(pid, SIGSTOP);
	check_stopped(pid, SIGSTOP);
	end(pid);
}

TEST(term_waits_for_continue)
{
	int status;
	pid_t pid = start_sleeper();

	kill(pid, SIGSTOP);
	check_stopped(pid, SIGSTOP);
	kill(pid, SIGTERM);
	sleep_ms(20);
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGCONT);
	CHECK_KILLED(pid, SIGTERM);
}

TEST(keyboard_stop_can_be_caught)
{
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGTSTP, SIG_IGN);
		raise(SIGTSTP);
		_exit(5);
	}
	CHECK_EXIT(pid, 5);
}

TEST(tstp_stops_a_group_that_has_a_keeper)
{
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		raise(SIGTSTP);
		_exit(6);
	}
	check_stopped(pid, SIGTSTP);
	kill(pid, SIGCONT);
	CHECK_EXIT(pid, 6);
}

TEST(tstp_does_not_stop_an_orphaned_group)
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		raise(SIGTSTP);
		_exit(7);
	}
	CHECK_EXIT(pid, 7);
}

static volatile sig_atomic_t continued;

static void note(int signal)
{
	(void)signal;
	continued++;
}

TEST(continue_runs_its_handler)
{
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGCONT, note);
		raise(SIGSTOP);
		_exit(continued == 1 ? 0 : 1);
	}
	check_stopped(pid, SIGSTOP);
	kill(pid, SIGCONT);
	CHECK_EXIT(pid, 0);
}

TEST(sleep_goes_on_after_a_stop)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	pid_t pid = fork();
	if (pid == 0) {
		struct timespec time = {.tv_nsec = 500000000};
		_exit(nanosleep(&time, NULL) == 0 ? 0 : 1);
	}
	sleep_ms(10);
	kill(pid, SIGSTOP);
	check_stopped(pid, SIGSTOP);
	kill(pid, SIGCONT);
	CHECK_EXIT(pid, 0);
	clock_gettime(CLOCK_MONOTONIC, &now);
	CHECK((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec >= 500000000);
}

static volatile int told_code;
static volatile sig_atomic_t told;

static void note_child(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	told++;
	told_code = info->si_code;
}

TEST(parent_gets_sigchld_for_stops)
{
	struct sigaction action = {.sa_sigaction = note_child, .sa_flags = SA_SIGINFO | SA_RESTART};

	sigaction(SIGCHLD, &action, NULL);
	pid_t pid = start_sleeper();
	kill(pid, SIGSTOP);
	check_stopped(pid, SIGSTOP);
	while (told < 1)
		sleep_ms(1);
	CHECK_EQ(told_code, CLD_STOPPED);
	kill(pid, SIGCONT);
	check_continued(pid);
	while (told < 2)
		sleep_ms(1);
	CHECK_EQ(told_code, CLD_CONTINUED);
	end(pid);
}

TEST(nocldstop_keeps_quiet)
{
	struct sigaction action = {.sa_sigaction = note_child,
		.sa_flags = SA_SIGINFO | SA_NOCLDSTOP | SA_RESTART};

	sigaction(SIGCHLD, &action, NULL);
	pid_t pid = start_sleeper();
	kill(pid, SIGSTOP);
	check_stopped(pid, SIGSTOP);
	sleep_ms(5);
	CHECK_EQ(told, 0);
	end(pid);
	CHECK_EQ(told, 1);
}

static void *spin(void *argument)
{
	volatile int *counter = argument;

	while (*counter >= 0)
		*counter ^= 1;
	return NULL;
}

TEST(all_threads_stop)
{
	pid_t pid = fork();

	if (pid == 0) {
		static int counters[3];
		pthread_t thread;
		for (int i = 0; i < 3; i++)
			pthread_create(&thread, NULL, spin, &counters[i]);
		for (;;)
			pause();
	}
	for (int i = 0; i < 10; i++) {
		sleep_ms(3);
		kill(pid, SIGSTOP);
		check_stopped(pid, SIGSTOP);
		kill(pid, SIGCONT);
		check_continued(pid);
	}
	end(pid);
}
