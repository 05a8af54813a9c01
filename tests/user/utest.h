/* SPDX-License-Identifier: MIT */
/*
 * tests/user/utest.h - tests as ordinary Linux programs.
 *
 *   TEST(child_sees_what_parent_wrote) { ... CHECK(x == y); }
 *
 * A program of TESTs needs no main().  Each test runs in a process of its own, so that a crash is
 * one failure and nothing is left for the next.  Output, one line each:
 *
 *   ok - name          ok - name # SKIP          not ok - name: killed by signal 11
 *
 * A failed CHECK says where and which errno on a line that starts with #, and ends its process with
 * status 1.  Whoever forks in a test collects the child with CHECK_EXIT(pid, 0).  The program
 * exits with 0 when all tests passed.  Arguments are shell patterns that choose tests.
 *
 * The first lines of a program may hold marks for the harness:
 *   // cow             run under every value of fork_share
 *   // cowbell-only    uses what Linux does not have; not run on the build machine
 *   // needs: threads  for the reader
 */
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fnmatch.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { UTEST_MAX = 256, UTEST_SKIPPED = 77 };

struct utest {
	const char *name;
	void (*run)(void);
};

static struct utest utests[UTEST_MAX];
static int utest_count;

#define TEST(name_) \
	static void test_##name_(void); \
	__attribute__((constructor)) static void utest_register_##name_(void) \
	{ \
		utest_register(#name_, test_##name_); \
	} \
	static void test_##name_(void)

/* The test, and the process it is in, ends here unless the condition holds. */
#define CHECK(condition) \
	do { \
		if (!(condition)) \
			utest_fail(__FILE__, __LINE__, #condition); \
	} while (0)

/* Two numbers are equal; both are shown when they are not. */
#define CHECK_EQ(a_, b_) \
	do { \
		long long check_a_ = (long long)(a_), check_b_ = (long long)(b_); \
		if (check_a_ != check_b_) \
			utest_fail_values(__FILE__, __LINE__, #a_ " == " #b_, check_a_, check_b_); \
	} while (0)

/* The call fails with this errno. */
#define CHECK_ERRNO(call, error_) \
	do { \
		errno = 0; \
		long long check_result_ = (long long)(call); \
		if (check_result_ != -1 || errno != (error_)) \
			utest_fail_values(__FILE__, __LINE__, #call " fails with " #error_, \
				errno, (error_)); \
	} while (0)

/* The child `pid` ends, by itself with `status` or by `signal_`. */
#define CHECK_EXIT(pid, status) CHECK_EQ(utest_wait(pid), (status))
#define CHECK_KILLED(pid, signal_) CHECK_EQ(utest_wait(pid), 128 + (signal_))

/* This test does not apply here. */
#define SKIP(reason) \
	do { \
		dprintf(STDOUT_FILENO, "# skipped: %s\n", reason); \
		_exit(UTEST_SKIPPED); \
	} while (0)

static inline void utest_register(const char *name, void (*run)(void))
{
	if (utest_count == UTEST_MAX)
		abort();
	utests[utest_count++] = (struct utest){name, run};
}

__attribute__((noreturn)) static inline void utest_fail(
	const char *file, int line, const char *condition)
{
	int error = errno;

	dprintf(STDOUT_FILENO, "# %s:%d: %s, errno %d (%s)\n", file, line, condition, error,
		strerror(error));
	_exit(EXIT_FAILURE);
}

__attribute__((noreturn)) static inline void utest_fail_values(
	const char *file, int line, const char *condition, long long a, long long b)
{
	int error = errno;

	dprintf(STDOUT_FILENO, "# %s:%d: %s: %lld (%#llx), not %lld (%#llx), errno %d (%s)\n", file,
		line, condition, a, a, b, b, error, strerror(error));
	_exit(EXIT_FAILURE);
}

/* The exit status of a child, 128 + signal when it was killed, -1 when there is no such child. */
static inline int utest_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Run where nothing runs beside us. */
static inline void utest_stay_on_one_cpu(void)
{
	cpu_set_t set;
	int first = 0;

	CHECK_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	while (!CPU_ISSET(first, &set))
		first++;
	CPU_ZERO(&set);
	CPU_SET(first, &set);
	CHECK_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
}

/* Take away what a test has left that skipped the rest, or failed.  NULL: it has nothing. */
static void (*utest_clean)(pid_t test);

/* Run one test in a child and print its line.  True unless it failed. */
static inline bool utest_run(const struct utest *test)
{
	pid_t pid = fork();

	if (pid == 0) {
		test->run();
		_exit(EXIT_SUCCESS);
	}
	int status = pid < 0 ? -1 : utest_wait(pid);

	if (pid > 0 && utest_clean)
		utest_clean(pid);
	if (status == 0)
		dprintf(STDOUT_FILENO, "ok - %s\n", test->name);
	else if (status == UTEST_SKIPPED)
		dprintf(STDOUT_FILENO, "ok - %s # SKIP\n", test->name);
	else if (pid < 0)
		dprintf(STDOUT_FILENO, "not ok - %s: cannot fork\n", test->name);
	else if (status > 128)
		dprintf(STDOUT_FILENO, "not ok - %s: killed by signal %d\n", test->name,
			status - 128);
	else
		dprintf(STDOUT_FILENO, "not ok - %s: exit status %d\n", test->name, status);
	return status == 0 || status == UTEST_SKIPPED;
}

static inline bool utest_is_chosen(const struct utest *test, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (fnmatch(argv[i], test->name, 0) == 0)
			return true;
	}
	return argc <= 1;
}

int main(int argc, char **argv)
{
	int failures = 0;

	for (int i = 0; i < utest_count; i++) {
		if (utest_is_chosen(&utests[i], argc, argv))
			failures += !utest_run(&utests[i]);
	}
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
