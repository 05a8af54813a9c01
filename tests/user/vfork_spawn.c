/* SPDX-License-Identifier: MIT */
/*
 * tests/user/vfork_spawn.c - children on borrowed memory.
 */
#include "utest.h"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <time.h>

extern char **environ;

/* A program that ends with the status that its environment names. */
__attribute__((constructor)) static void play_child(void)
{
	const char *status = getenv("END_WITH");

	if (status)
		_exit(atoi(status));
}

static char *argv[] = {"self", NULL};

TEST(parent_waits_until_child_exits)
{
	static volatile int written;
	pid_t pid = vfork();

	if (pid == 0) {
		written = 1;
		_exit(3);
	}
	CHECK_EQ(written, 1);
	CHECK_EXIT(pid, 3);
}

TEST(parent_goes_on_when_child_executes)
{
	char *environment[] = {"END_WITH=9", NULL};
	pid_t pid = vfork();

	if (pid == 0) {
		execve("/proc/self/exe", argv, environment);
		_exit(127);
	}
	CHECK_EXIT(pid, 9);
}

TEST(failed_exec_leaves_the_parent_waiting)
{
	static volatile int error;
	pid_t pid = vfork();

	if (pid == 0) {
		execve("/does/not/exist", argv, environ);
		error = errno;
		_exit(4);
	}
	CHECK_EQ(error, ENOENT);
	CHECK_EXIT(pid, 4);
}

TEST(spawn_runs_a_program)
{
	char *environment[] = {"END_WITH=11", NULL};
	pid_t pid;

	CHECK_EQ(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environment), 0);
	CHECK_EXIT(pid, 11);
}

TEST(spawn_reports_failure)
{
	pid_t pid;

	CHECK_EQ(posix_spawn(&pid, "/does/not/exist", NULL, NULL, argv, environ), ENOENT);
}

static volatile sig_atomic_t handled;

static void note(int signal)
{
	handled = signal;
}

TEST(signals_wait_for_the_sleeping_parent)
{
	static volatile int seen_in_child;
	pid_t parent = getpid();

	signal(SIGUSR1, note);
	pid_t pid = vfork();
	if (pid == 0) {
		struct timespec pause = {.tv_nsec = 20000000};
		syscall(SYS_kill, parent, SIGUSR1);
		syscall(SYS_nanosleep, &pause, NULL);
		seen_in_child = handled;
		_exit(0);
	}
	CHECK_EQ(seen_in_child, 0);
	CHECK_EQ(handled, SIGUSR1);
	CHECK_EXIT(pid, 0);
}

TEST(many_in_a_row)
{
	static int i;

	for (i = 0; i < 500; i++) {
		pid_t pid = vfork();
		if (pid == 0)
			_exit(i & 0x3f);
		CHECK_EXIT(pid, i & 0x3f);
	}
}

TEST(parent_can_be_killed_meanwhile)
{
	int told[2], gate[2];
	char byte = 0;

	CHECK_EQ(pipe(told), 0);
	CHECK_EQ(pipe(gate), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (vfork() == 0) {
			syscall(SYS_write, told[1], "x", 1);
			syscall(SYS_close, gate[1]);
			syscall(SYS_read, gate[0], &byte, 1);
			_exit(0);
		}
		_exit(1);
	}
	CHECK_EQ(read(told[0], &byte, 1), 1);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_KILLED(pid, SIGKILL);
	close(gate[1]);
}

/* ---- who may be killed for lack of memory ---- */

/* Without the C library: the child may be on its parent's stack.  0: it is never chosen. */
static bool may_be_chosen(void)
{
	char digit = '0';
	int fd = (int)syscall(SYS_open, "/proc/self/oom_score", O_RDONLY);

	syscall(SYS_read, fd, &digit, 1);
	return digit != '0';
}

TEST(who_keeps_its_parent_waiting_in_its_memory_is_spared)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(may_be_chosen());
	CHECK_EXIT(pid, 0);
}

TEST(who_keeps_its_parent_waiting_alone_is_not)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(!may_be_chosen());
	CHECK_EXIT(pid, 0);
}

TEST(who_is_left_by_its_waiting_parent_is_not)
{
	int fds[2];
	char byte = 0;

	CHECK_EQ(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		pid_t parent = getpid();
		if (vfork() == 0) {
			syscall(SYS_kill, parent, SIGKILL);
			while (syscall(SYS_getppid) == parent)
				syscall(SYS_sched_yield);
			syscall(SYS_write, fds[1], may_be_chosen() ? "y" : "n", 1);
		}
		_exit(0);
	}
	CHECK_KILLED(pid, SIGKILL);
	CHECK_EQ(read(fds[0], &byte, 1), 1);
	CHECK_EQ(byte, 'y');
}
