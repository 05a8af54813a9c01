/* SPDX-License-Identifier: MIT */
/*
 * tests/user/process_groups.c - groups, sessions, and signals to many.
 */
#include "utest.h"

#include <fcntl.h>
#include <time.h>

static pid_t start_sleeper(pid_t group)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	CHECK_EQ(setpgid(pid, group ? group : pid), 0);
	return pid;
}

TEST(child_is_in_its_parents_group)
{
	pid_t group = getpgrp(), session = getsid(0), pid = fork();

	if (pid == 0)
		_exit(getpgrp() == group && getsid(0) == session ? 0 : 1);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(getpgid(0), group);
	CHECK_EQ(getpgid(getpid()), group);
}

TEST(groups_can_be_made_and_joined)
{
	pid_t first = start_sleeper(0), second = start_sleeper(first);

	CHECK_EQ(getpgid(first), first);
	CHECK_EQ(getpgid(second), first);
	CHECK_ERRNO(setpgid(second, -1), EINVAL);
	CHECK_ERRNO(setpgid(second, 0x7ffffff0), EPERM);
	CHECK_ERRNO(setpgid(0x7ffffff0, 0), ESRCH);
	CHECK_ERRNO(setpgid(getppid(), 0), ESRCH);
	kill(-first, SIGKILL);
	CHECK_KILLED(first, SIGKILL);
	CHECK_KILLED(second, SIGKILL);
}

TEST(group_outlives_its_leader)
{
	pid_t first = start_sleeper(0), second = start_sleeper(first);

	kill(first, SIGKILL);
	CHECK_KILLED(first, SIGKILL);
	CHECK_EQ(kill(-first, 0), 0);
	CHECK_EQ(getpgid(second), first);
	CHECK_EQ(kill(-first, SIGTERM), 0);
	CHECK_KILLED(second, SIGTERM);
	CHECK_ERRNO(kill(-first, 0), ESRCH);
}

TEST(session_is_made_by_who_leads_no_group)
{
	pid_t pid = fork();

	if (pid == 0) {
		pid_t self = getpid();
		CHECK_EQ(setsid(), self);
		CHECK(getsid(0) == self && getpgrp() == self);
		CHECK_ERRNO(setsid(), EPERM);
		CHECK_ERRNO(setpgid(0, 0), EPERM);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);

	pid = fork();
	if (pid == 0) {
		CHECK_EQ(setpgid(0, 0), 0);
		CHECK_ERRNO(setsid(), EPERM);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
}

TEST(new_session_has_no_terminal)
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
}

TEST(after_exec_a_child_keeps_its_group)
{
	int fds[2];
	char byte;

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(fcntl(fds[1], F_SETFD, FD_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		setenv("SLEEP", "1", 1);
		execl("/proc/self/exe", "self", NULL);
		_exit(1);
	}
	close(fds[1]);
	CHECK_EQ(read(fds[0], &byte, 1), 0);    /* closed by exec */
	CHECK_ERRNO(setpgid(pid, pid), EACCES);
	kill(pid, SIGKILL);
	CHECK_KILLED(pid, SIGKILL);
}

__attribute__((constructor)) static void play_sleeper(void)
{
	while (getenv("SLEEP"))
		pause();
}

TEST(zero_means_the_own_group)
{
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		pid_t child = fork();
		if (child == 0) {
			for (;;)
				pause();
		}
		signal(SIGTERM, SIG_IGN);
		CHECK_EQ(kill(0, SIGTERM), 0);
		CHECK_KILLED(child, SIGTERM);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
}

TEST(orphaned_stopped_group_is_hung_up)
{
	int fds[2];
	char what = 0;

	CHECK_EQ(pipe(fds), 0);
	pid_t middle = fork();
	if (middle == 0) {
		setpgid(0, 0);
		pid_t inner = fork();
		if (inner == 0) {
			setpgid(0, 0);
			signal(SIGHUP, SIG_IGN);
			raise(SIGSTOP);
			write(fds[1], "c", 1);
			_exit(0);
		}
		int status;
		CHECK_EQ(waitpid(inner, &status, WUNTRACED), inner);
		_exit(0);       /* whereby the inner group loses its keeper */
	}
	CHECK_EXIT(middle, 0);
	CHECK_EQ(read(fds[0], &what, 1), 1);
	CHECK_EQ(what, 'c');
}
