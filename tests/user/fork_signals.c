/* SPDX-License-Identifier: MIT */
/*
 * tests/user/fork_signals.c - a fork goes on whatever is sent to everybody meanwhile, and the child
 * has it, too.
 */
#include "credentials.h"

#include <sched.h>
#include <sys/syscall.h>
#include <time.h>

enum { FORKS = 200, NOBODY = 65534 };

static volatile sig_atomic_t has_handled;

static void note_signal(int number)
{
	has_handled = number;
}

static void become_nobody(void)
{
	CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
}

/* Signals them all until it is killed. */
static pid_t start_sender(pid_t target, int number)
{
	pid_t pid = fork();

	if (pid == 0) {
		become_nobody();
		for (;;)
			kill(target, number);
	}
	return pid;
}

static void end_sender(pid_t pid)
{
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_KILLED(pid, SIGKILL);
}

/* The C library's own fork blocks all signals meanwhile, the bare call does not. */
static void fork_often(void)
{
	for (int i = 0; i < FORKS; i++) {
		pid_t pid = i % 2 ? fork() : (pid_t)syscall(SYS_fork);
		if (pid == 0)
			_exit(0);
		CHECK(pid > 0);
		CHECK_EXIT(pid, 0);
	}
}

TEST(who_may_signal_nobody_makes_no_fork_fail)
{
	SUPERUSER_ONLY();
	pid_t asks = start_sender(-1, 0), sends = start_sender(-1, SIGURG);

	fork_often();
	end_sender(asks);
	end_sender(sends);
}

TEST(signals_to_the_group_make_no_fork_fail)
{
	SUPERUSER_ONLY();
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		become_nobody();
		signal(SIGUSR1, note_signal);
		pid_t ignored = start_sender(-getpid(), SIGURG);
		pid_t handled = start_sender(-getpid(), SIGUSR1);
		while (!has_handled)
			sched_yield();
		fork_often();
		end_sender(ignored);
		end_sender(handled);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
}

/* Sooner or later one is born while the signal is sent, and has it.  From whom is not told, as it
 * is of one that comes later. */
TEST(who_is_born_during_a_signal_to_the_group_has_it)
{
	sigset_t set;
	bool is_born_with_it = false;

	SUPERUSER_ONLY();
	if (sysconf(_SC_NPROCESSORS_ONLN) == 1)
		SKIP("nobody sends while another forks");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	setpgid(0, 0);
	become_nobody();
	pid_t sender = start_sender(-getpid(), SIGUSR1);
	while (!is_born_with_it) {
		siginfo_t info;
		sigtimedwait(&set, NULL, &(struct timespec){0});        /* Linux needs it new */
		pid_t pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			int number = sigtimedwait(&set, &info, &(struct timespec){0});
			_exit(number == SIGUSR1 && info.si_pid == 0);
		}
		is_born_with_it = utest_wait(pid) == 1;
	}
	end_sender(sender);
}
