/* SPDX-License-Identifier: MIT */
// cowbell-only
/*
 * tests/user/fail_nth.c - the first, second, third... allocation or copy in a call fails.
 *
 * A call that failed has changed nothing, and one that succeeded is whole; nothing is leaked, which
 * the runner checks.  Only test builds (HOOKS=1) have fault points; elsewhere each call simply
 * works.
 */
#include "utest.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { TRIES_MAX = 400 };

static int control = -1;

/* Open it early, so that the opening itself is not what fails. */
static void prepare(void)
{
	control = open("/proc/self/fail-nth", O_RDWR);
	if (control < 0)
		SKIP("no fault points here");
}

/* What was armed before may strike this very call; then once more. */
static void arm(int nth)
{
	char text[12];
	int len = snprintf(text, sizeof(text), "%d", nth);

	if (pwrite(control, text, (size_t)len, 0) != len)
		CHECK_EQ(pwrite(control, text, (size_t)len, 0), len);
}

/* True: the failure was still to come when we were done. */
static bool disarm(void)
{
	char text[12] = "";
	int saved = errno, fd = open("/proc/self/fail-nth", O_RDONLY);

	if (fd < 0)             /* the failure came now */
		fd = open("/proc/self/fail-nth", O_RDONLY);
	CHECK(fd >= 0);
	ssize_t len = read(fd, text, sizeof(text) - 1);
	close(fd);
	arm(0);
	errno = saved;
	return len > 0 && atoi(text) > 0;
}

static void check_error(void)
{
	CHECK(errno == ENOMEM || errno == EAGAIN || errno == EFAULT);
}

TEST(fork_fails_whole_or_not_at_all)
{
	static int data;
	int failed = 0;

	prepare();
	for (int nth = 1; nth < TRIES_MAX; nth++) {
		data = nth;
		arm(nth);
		pid_t pid = (pid_t)syscall(SYS_fork);
		if (pid == 0)
			_exit(data == nth ? 5 : 6);
		bool is_over = disarm();
		if (pid > 0)
			CHECK_EXIT(pid, 5);
		else
			check_error();
		failed += pid < 0;
		CHECK_EQ(data, nth);
		if (is_over && nth > failed + 20)
			return;
	}
	CHECK_EQ(failed, 0);            /* no end: a kernel without fault points */
}

TEST(vfork_fails_whole_or_not_at_all)
{
	static int nth, failed;

	prepare();
	for (nth = 1; nth < TRIES_MAX; nth++) {
		arm(nth);
		pid_t pid = vfork();
		if (pid == 0)
			_exit(5);
		bool is_over = disarm();
		if (pid > 0)
			CHECK_EXIT(pid, 5);
		else
			check_error();
		failed += pid < 0;
		if (is_over && nth > failed + 20)
			return;
	}
	CHECK_EQ(failed, 0);            /* no end: a kernel without fault points */
}

__attribute__((constructor)) static void play_program(void)
{
	const char *status = getenv("END_WITH");

	if (status)
		_exit(atoi(status));
}

TEST(exec_fails_before_the_old_program_is_gone)
{
	int executed = 0;

	prepare();
	for (int nth = 1; nth < TRIES_MAX && executed < 20; nth++) {
		pid_t pid = fork();
		if (pid == 0) {
			char *argv[] = {"self", NULL}, *environment[] = {"END_WITH=9", NULL};
			prepare();
			arm(nth);
			execve("/proc/self/exe", argv, environment);
			disarm();
			check_error();
			_exit(8);
		}
		int status = utest_wait(pid);
		/* A fault of the new program that finds no memory may kill it. */
		bool is_killed = status == 128 + SIGKILL || status == 128 + SIGSEGV;
		CHECK(status == 8 || status == 9 || is_killed);
		executed += status == 9;
	}
	CHECK(executed >= 20);
}

static int come_and_go(void *unused)
{
	(void)unused;
	return 0;
}

/* Not by the C library, which relies on CLONE_PARENT_SETTID: whoever gives a bad place for that is
 * not told so. */
TEST(thread_creation_fails_whole_or_not_at_all)
{
	enum { STACK = 16384 };
	static _Alignas(16) char stack[STACK];
	static volatile pid_t lives;
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			  CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
	int failed = 0;

	prepare();
	for (int nth = 1; nth < TRIES_MAX; nth++) {
		lives = 1;
		arm(nth);
		int tid = clone(come_and_go, stack + STACK, flags, NULL, NULL, NULL, &lives);
		bool is_over = disarm();
		if (tid < 0)
			check_error();
		while (tid > 0 && lives)
			sched_yield();
		failed += tid < 0;
		if (is_over && nth > failed + 20)
			return;
	}
	CHECK_EQ(failed, 0);            /* no end: a kernel without fault points */
}

TEST(signals_survive_failure)
{
	sigset_t set;

	prepare();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int nth = 1; nth < 20; nth++) {
		siginfo_t info;
		arm(nth);
		int err = kill(getpid(), SIGUSR1);
		disarm();
		CHECK_EQ(err, 0);
		CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
	}
}
