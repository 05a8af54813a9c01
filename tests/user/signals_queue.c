/* SPDX-License-Identifier: MIT */
/*
 * tests/user/signals_queue.c - real-time signals, sigqueue, sigtimedwait.
 */
#include "utest.h"
#include "memory.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

enum { SEEN_MAX = 64 };

static volatile int seen[SEEN_MAX], values[SEEN_MAX], codes[SEEN_MAX];
static volatile int count;

static void note(int signal, siginfo_t *info, void *context)
{
	(void)context;
	if (count < SEEN_MAX) {
		seen[count] = signal;
		values[count] = info->si_value.sival_int;
		codes[count] = info->si_code;
	}
	count++;
}

static void handle(int signal)
{
	struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};

	sigfillset(&action.sa_mask);
	CHECK_EQ(sigaction(signal, &action, NULL), 0);
}

static sigset_t set_of(int first, int last)
{
	sigset_t set;

	sigemptyset(&set);
	for (int signal = first; signal <= last; signal++)
		sigaddset(&set, signal);
	return set;
}

static void block(int how, int first, int last)
{
	sigset_t set = set_of(first, last);

	CHECK_EQ(sigprocmask(how, &set, NULL), 0);
}

static void queue(int signal, int value)
{
	CHECK_EQ(sigqueue(getpid(), signal, (union sigval){.sival_int = value}), 0);
}

TEST(every_instance_arrives_in_order)
{
	handle(SIGRTMIN);
	block(SIG_BLOCK, SIGRTMIN, SIGRTMIN);
	for (int i = 0; i < 10; i++)
		queue(SIGRTMIN, 100 + i);
	CHECK_EQ(count, 0);
	block(SIG_UNBLOCK, SIGRTMIN, SIGRTMIN);
	CHECK_EQ(count, 10);
	for (int i = 0; i < 10; i++)
		CHECK(values[i] == 100 + i && codes[i] == SI_QUEUE);
}

TEST(lower_numbers_come_first)
{
	for (int i = 0; i < 4; i++)
		handle(SIGRTMIN + i);
	block(SIG_BLOCK, SIGRTMIN, SIGRTMIN + 3);
	queue(SIGRTMIN + 2, 2);
	queue(SIGRTMIN + 3, 3);
	queue(SIGRTMIN + 1, 1);
	queue(SIGRTMIN + 0, 0);
	sigset_t set = set_of(SIGRTMIN, SIGRTMIN + 3);
	for (int i = 0; i < 4; i++) {
		siginfo_t info;
		CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN + i);
		CHECK_EQ(info.si_value.sival_int, i);
	}
	CHECK_EQ(count, 0);
}

TEST(standard_signals_do_not_queue)
{
	handle(SIGUSR1);
	block(SIG_BLOCK, SIGUSR1, SIGUSR1);
	for (int i = 0; i < 5; i++)
		queue(SIGUSR1, i);
	block(SIG_UNBLOCK, SIGUSR1, SIGUSR1);
	CHECK_EQ(count, 1);
	CHECK_EQ(values[0], 0);
}

TEST(timedwait_times_out)
{
	sigset_t set = set_of(SIGUSR1, SIGUSR1);
	struct timespec none = {0}, little = {.tv_nsec = 10000000}, wrong = {.tv_nsec = -1};

	block(SIG_BLOCK, SIGUSR1, SIGUSR1);
	CHECK_ERRNO(sigtimedwait(&set, NULL, &none), EAGAIN);
	CHECK_ERRNO(sigtimedwait(&set, NULL, &little), EAGAIN);
	CHECK_ERRNO(sigtimedwait(&set, NULL, &wrong), EINVAL);
}

static pid_t send_to_sleeper(int signal)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		child_settle(parent);
		kill(parent, signal);
		_exit(0);
	}
	return pid;
}

TEST(timedwait_is_woken)
{
	sigset_t set = set_of(SIGUSR1, SIGUSR1);
	struct timespec long_time = {.tv_sec = 20};
	siginfo_t info;

	block(SIG_BLOCK, SIGUSR1, SIGUSR1);
	pid_t pid = send_to_sleeper(SIGUSR1);
	CHECK_EQ(sigtimedwait(&set, &info, &long_time), SIGUSR1);
	CHECK(info.si_pid == pid && info.si_code == SI_USER);
	CHECK_EXIT(pid, 0);
}

TEST(timedwait_is_interrupted_by_others)
{
	sigset_t set = set_of(SIGUSR1, SIGUSR1);
	struct timespec long_time = {.tv_sec = 20};

	block(SIG_BLOCK, SIGUSR1, SIGUSR1);
	handle(SIGUSR2);
	pid_t pid = send_to_sleeper(SIGUSR2);
	CHECK_ERRNO(syscall(SYS_rt_sigtimedwait, &set, NULL, &long_time, 8), EINTR);
	CHECK_EQ(count, 1);
	CHECK_EXIT(pid, 0);
}

TEST(awaiting_a_child_by_signal)
{
	sigset_t set = set_of(SIGCHLD, SIGCHLD);
	siginfo_t info;

	block(SIG_BLOCK, SIGCHLD, SIGCHLD);
	pid_t pid = fork();
	if (pid == 0)
		_exit(3);
	CHECK_EQ(sigwaitinfo(&set, &info), SIGCHLD);
	CHECK(info.si_pid == pid && info.si_code == CLD_EXITED && info.si_status == 3);
	CHECK_EXIT(pid, 3);
}

TEST(nobody_pretends_to_be_the_kernel)
{
	siginfo_t info = {.si_code = SI_USER};

	CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, getppid(), SIGUSR1, &info), EPERM);
	info.si_code = SI_TKILL;
	CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, getppid(), SIGUSR1, &info), EPERM);
	CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, (void *)8), EFAULT);
	info.si_code = SI_QUEUE;
	CHECK_EQ(syscall(SYS_rt_sigqueueinfo, getpid(), 0, &info), 0);
	CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, getpid(), 65, &info), EINVAL);
}

TEST(queue_has_a_limit)
{
	struct rlimit limit = {.rlim_cur = 8, .rlim_max = 8};
	int queued = 0;

	CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &limit), 0);
	handle(SIGRTMIN);
	block(SIG_BLOCK, SIGRTMIN, SIGRTMIN);
	while (queued < 100 && sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 0}) == 0)
		queued++;
	CHECK_EQ(errno, EAGAIN);
	CHECK(queued <= 8);
	CHECK_EQ(kill(getpid(), SIGRTMIN), 0);
	block(SIG_UNBLOCK, SIGRTMIN, SIGRTMIN);
	CHECK(count >= queued);
}
