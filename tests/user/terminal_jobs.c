/* SPDX-License-Identifier: MIT */
// needs: threads
/*
 * tests/user/terminal_jobs.c - who reads a terminal in the background.
 */
#include "utest.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>

/* One that is to control our session: a new one, or the only one that there is. */
static int terminal_take(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), fd;

	CHECK(setsid() > 0);
	if (master >= 0) {
		CHECK(grantpt(master) == 0 && unlockpt(master) == 0);
		fd = open(ptsname(master), O_RDWR | O_NONBLOCK);
	} else {
		fd = open("/dev/ttyS0", O_RDWR | O_NONBLOCK);
	}
	CHECK(fd >= 0);
	CHECK_EQ(ioctl(fd, TIOCSCTTY, 1), 0);
	CHECK_EQ(tcgetpgrp(fd), getpid());
	return fd;
}

static void *read_terminal(void *fd)
{
	char byte;

	CHECK_ERRNO(read((int)(intptr_t)fd, &byte, 1), EAGAIN);
	_exit(7);
}

/* The first thread is the one that takes the signal, but the second goes on first. */
static void read_in_background(int fd)
{
	pthread_t thread;

	utest_stay_on_one_cpu();
	setpgid(0, 0);
	CHECK_EQ(pthread_create(&thread, NULL, read_terminal, (void *)(intptr_t)fd), 0);
	for (;;)
		pause();
}

TEST(a_thread_that_reads_in_the_background_reads_again)
{
	int status;
	pid_t leader = fork();

	if (leader == 0) {
		int fd = terminal_take();
		pid_t pid = fork();
		if (pid == 0)
			read_in_background(fd);
		CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
		CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
		CHECK_EQ(tcsetpgrp(fd, pid), 0);
		CHECK_EQ(kill(-pid, SIGCONT), 0);
		CHECK_EXIT(pid, 7);
		_exit(0);
	}
	CHECK_EXIT(leader, 0);
}
