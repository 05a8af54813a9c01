/* SPDX-License-Identifier: MIT */
// needs: threads
/*
 * tests/user/threads_signals.c - signals of one thread, of all, and who takes them.
 */
#include "futex.h"

#include <sys/resource.h>
#include <stdatomic.h>
#include <ucontext.h>

enum { THREADS = 4, LARGE = 8 << 20 };

#ifndef CLOSE_RANGE_UNSHARE
enum { CLOSE_RANGE_UNSHARE = 2 };
#endif

static pid_t thread_id(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static sigset_t set_of(int number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	return set;
}

static void block(int number)
{
	sigset_t set = set_of(number);

	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
}

static bool is_pending(int number)
{
	sigset_t set;

	CHECK_EQ(sigpending(&set), 0);
	return sigismember(&set, number);
}

/* ---- masks and pending signals are each thread's own ---- */

static void *look_at_mask(void *unused)
{
	sigset_t set;

	pthread_sigmask(SIG_BLOCK, NULL, &set);
	CHECK(sigismember(&set, SIGUSR1) && !sigismember(&set, SIGUSR2));
	block(SIGUSR2);
	return unused;
}

TEST(masks_are_inherited_and_then_ones_own)
{
	sigset_t set;

	block(SIGUSR1);
	thread_join(thread_new(look_at_mask, NULL));
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	CHECK(!sigismember(&set, SIGUSR2));
}

static void *look_at_pending(void *unused)
{
	CHECK(!is_pending(SIGUSR1));
	CHECK(is_pending(SIGUSR2));
	return unused;
}

TEST(pending_for_a_thread_and_for_all)
{
	block(SIGUSR1);
	block(SIGUSR2);
	CHECK_EQ(syscall(SYS_tgkill, getpid(), thread_id(), SIGUSR1), 0);
	CHECK_EQ(kill(getpid(), SIGUSR2), 0);
	CHECK(is_pending(SIGUSR1) && is_pending(SIGUSR2));
	thread_join(thread_new(look_at_pending, NULL));
	pid_t pid = fork();
	if (pid == 0)
		_exit(is_pending(SIGUSR1) || is_pending(SIGUSR2));
	CHECK_EXIT(pid, 0);
}

TEST(whom_tkill_does_not_find)
{
	pid_t self = getpid();

	CHECK_ERRNO(syscall(SYS_tgkill, 0, self, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_tgkill, self, -1, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_tgkill, self, self, 65), EINVAL);
	CHECK_ERRNO(syscall(SYS_tgkill, self, getppid(), 0), ESRCH);
	CHECK_ERRNO(syscall(SYS_tkill, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_tkill, INT_MAX, 0), ESRCH);
	CHECK_EQ(syscall(SYS_tkill, self, 0), 0);
}

static void *queue_some_and_leave(void *unused)
{
	siginfo_t info = {.si_code = SI_QUEUE};

	for (int i = 0; i < 10; i++) {
		CHECK_EQ(syscall(SYS_rt_tgsigqueueinfo, getpid(), thread_id(), SIGRTMIN + 3, &info),
			 0);
	}
	return unused;
}

/* What was for a thread alone goes with it. */
TEST(pending_signals_end_with_their_thread)
{
	struct rlimit limit = {100, 100};

	CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &limit), 0);
	block(SIGRTMIN + 3);
	for (int i = 0; i < 30; i++)
		thread_join(thread_new(queue_some_and_leave, NULL));
}

/* ---- faults ---- */

static int *volatile nowhere = (int *)16;
static volatile pid_t faulted;
static sigjmp_buf back;

static void note_fault(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	faulted = info->si_addr == (void *)nowhere ? thread_id() : -1;
	siglongjmp(back, 1);
}

static void *fault(void *unused)
{
	if (sigsetjmp(back, 1) == 0)
		*nowhere = 1;
	CHECK_EQ(faulted, thread_id());
	return unused;
}

TEST(a_fault_is_its_threads_own)
{
	struct sigaction action = {.sa_sigaction = note_fault, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &action, NULL);
	thread_join(thread_new(fault, NULL));
	CHECK(faulted != thread_id());
}

static void *fault_blocked(void *unused)
{
	block(SIGSEGV);
	*nowhere = 1;
	return unused;
}

TEST(a_blocked_fault_ends_all)
{
	struct sigaction action = {.sa_sigaction = note_fault, .sa_flags = SA_SIGINFO};
	pid_t pid = fork();

	if (pid == 0) {
		sigaction(SIGSEGV, &action, NULL);
		thread_join(thread_new(fault_blocked, NULL));
		_exit(0);
	}
	CHECK_KILLED(pid, SIGSEGV);
}

/* ---- stacks ---- */

static atomic_int on_own_stack;

static void look_at_stack(int number, siginfo_t *info, void *context)
{
	const ucontext_t *user = context;
	const char *here = (const char *)&number, *stack = user->uc_stack.ss_sp;

	(void)info;
	on_own_stack += here >= stack && here < stack + user->uc_stack.ss_size;
}

static void *handle_on_own_stack(void *unused)
{
	stack_t stack = {.ss_sp = malloc(SIGSTKSZ * 4), .ss_size = SIGSTKSZ * 4}, old;

	CHECK_EQ(sigaltstack(NULL, &old), 0);
	CHECK(old.ss_flags & SS_DISABLE);
	CHECK_EQ(sigaltstack(&stack, NULL), 0);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(raise(SIGUSR1), 0);
	return unused;
}

TEST(each_handles_on_its_own_stack)
{
	struct sigaction action = {.sa_sigaction = look_at_stack,
		.sa_flags = SA_SIGINFO | SA_ONSTACK};
	pthread_t threads[THREADS];

	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < THREADS; i++)
		threads[i] = thread_new(handle_on_own_stack, NULL);
	for (int i = 0; i < THREADS; i++)
		thread_join(threads[i]);
	CHECK_EQ(on_own_stack, 20 * THREADS);
}

/* ---- who takes it ---- */

static atomic_int taken;

static void *take_until_zero(void *unused)
{
	sigset_t set = set_of(SIGRTMIN);
	siginfo_t info;

	for (;;) {
		CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN);
		if (info.si_value.sival_int == 0)
			return unused;
		taken += info.si_value.sival_int;
	}
}

TEST(each_queued_signal_is_taken_once)
{
	enum { SIGNALS = 200 };
	pthread_t threads[THREADS];

	block(SIGRTMIN);
	for (int i = 0; i < THREADS; i++)
		threads[i] = thread_new(take_until_zero, NULL);
	for (int i = 1; i <= SIGNALS; i++)
		CHECK_EQ(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i}), 0);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(sigqueue(getpid(), SIGRTMIN, (union sigval){0}), 0);
	for (int i = 0; i < THREADS; i++)
		thread_join(threads[i]);
	CHECK_EQ(taken, SIGNALS * (SIGNALS + 1) / 2);
}

static void count(int number)
{
	(void)number;
	taken++;
}

static void *spin_until_taken(void *number)
{
	while (taken < (int)(intptr_t)number)
		;
	return NULL;
}

TEST(running_threads_handle_each_signal_once)
{
	enum { SIGNALS = 100 };
	pthread_t threads[THREADS];

	signal(SIGRTMIN, count);
	for (int i = 0; i < THREADS; i++)
		threads[i] = thread_new(spin_until_taken, (void *)SIGNALS);
	for (int i = 0; i < SIGNALS; i++)
		CHECK_EQ(sigqueue(getpid(), SIGRTMIN, (union sigval){0}), 0);
	for (int i = 0; i < THREADS; i++)
		thread_join(threads[i]);
	CHECK_EQ(taken, SIGNALS);
}

static atomic_bool is_waiting, is_done;

static void *wait_in_vain(void *unused)
{
	sigset_t set = set_of(SIGUSR2);
	struct timespec long_time = {3600, 0}, no_time = {0, 0};

	CHECK_ERRNO(sigtimedwait(&set, NULL, &no_time), EAGAIN);
	is_waiting = true;
	/* the C library's would begin anew */
	CHECK_ERRNO(syscall(SYS_rt_sigtimedwait, &set, NULL, &long_time, 8), EINTR);
	is_done = true;
	return unused;
}

TEST(a_handler_interrupts_sigtimedwait)
{
	signal(SIGUSR1, count);
	block(SIGUSR2);
	pthread_t thread = thread_new(wait_in_vain, NULL);
	while (!is_waiting)
		sched_yield();
	while (!is_done) {
		CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
		usleep(1000);
	}
	thread_join(thread);
}

/* Whoever had been chosen for the signal may block it before taking it: then another must. */
static void *block_and_unblock(void *unused)
{
	sigset_t set = set_of(SIGUSR1);

	while (!is_done) {
		pthread_sigmask(SIG_BLOCK, &set, NULL);
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	}
	return unused;
}

TEST(no_signal_is_lost_between_masks)
{
	pthread_t threads[THREADS];

	signal(SIGUSR1, count);
	for (int i = 0; i < THREADS; i++)
		threads[i] = thread_new(block_and_unblock, NULL);
	block(SIGUSR1);
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(kill(getpid(), SIGUSR1), 0);
		while (is_pending(SIGUSR1))
			sched_yield();
	}
	is_done = true;
	for (int i = 0; i < THREADS; i++)
		thread_join(threads[i]);
	CHECK_EQ(taken, 50);
}

static void *wait_for_either(void *unused)
{
	sigset_t set = set_of(SIGUSR1);

	(void)unused;
	sigaddset(&set, SIGUSR2);
	return (void *)(intptr_t)sigwaitinfo(&set, NULL);
}

static void *wait_for_second(void *unused)
{
	sigset_t set = set_of(SIGUSR2);

	(void)unused;
	return (void *)(intptr_t)sigwaitinfo(&set, NULL);
}

/* The one that is woken for both takes one, and leaves the other to who waits for it. */
TEST(a_signal_that_its_waiter_leaves_is_taken_by_another)
{
	utest_stay_on_one_cpu();        /* both are sent before it runs */
	block(SIGUSR1);
	block(SIGUSR2);
	for (int round = 0; round < 50; round++) {
		pthread_t first = thread_new(wait_for_either, NULL);
		pthread_t second = thread_new(wait_for_second, NULL);
		for (int i = 0; i < 10; i++)
			sched_yield();
		CHECK_EQ(kill(getpid(), SIGUSR2), 0);
		CHECK_EQ(kill(getpid(), SIGUSR1), 0);
		if ((intptr_t)thread_join(first) == SIGUSR2)
			CHECK_EQ(kill(getpid(), SIGUSR2), 0);
		CHECK_EQ((intptr_t)thread_join(second), SIGUSR2);
		sigset_t set = set_of(SIGUSR1);
		sigtimedwait(&set, NULL, &(struct timespec){0});
	}
}

/* ---- after the first thread has gone ---- */

static void *be_signalled(void *unused)
{
	while (!taken)
		sched_yield();
	_exit(unused == NULL ? 7 : 0);
}

TEST(signals_reach_a_process_without_its_first_thread)
{
	volatile int *is_there = (volatile int *)shared_words();

	*is_there = 1;
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGUSR1, count);
		thread_new(be_signalled, NULL);
		syscall(SYS_set_tid_address, is_there);
		syscall(SYS_exit, 0);
	}
	while (*is_there)
		sched_yield();
	CHECK_EQ(kill(pid, SIGUSR1), 0);
	CHECK_EXIT(pid, 7);
}

/* ---- stops ---- */

struct counters {
	volatile uint64_t count[THREADS];
};

static struct counters *counters;

static void *count_for_ever(void *number)
{
	for (;;)
		counters->count[(intptr_t)number]++;
	return NULL;
}

static bool all_moved(const struct counters *before)
{
	for (int i = 0; i < THREADS; i++) {
		if (counters->count[i] == before->count[i])
			return false;
	}
	return true;
}

TEST(a_stop_stops_every_thread)
{
	int status;

	counters = (struct counters *)shared_words();
	pid_t pid = fork();
	if (pid == 0) {
		for (intptr_t i = 1; i < THREADS; i++)
			thread_new(count_for_ever, (void *)i);
		count_for_ever(0);
	}
	for (int round = 0; round < 10; round++) {
		struct counters before = *counters;
		while (!all_moved(&before))
			sched_yield();
		CHECK_EQ(kill(pid, SIGSTOP), 0);
		CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
		CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
		CHECK_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
		before = *counters;
		usleep(2000);
		CHECK(memcmp(&before, counters, sizeof(before)) == 0);
		CHECK_EQ(kill(pid, SIGCONT), 0);
		CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
		CHECK(WIFCONTINUED(status));
	}
	CHECK_EQ(kill(pid, SIGSTOP), 0);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_KILLED(pid, SIGKILL);
}

/* Its end takes a while: with it goes a file that only this thread has. */
static void *leave_slowly(void *unused)
{
	CHECK_EQ(syscall(SYS_close_range, INT_MAX, INT_MAX, CLOSE_RANGE_UNSHARE), 0);
	int fd = (int)syscall(SYS_memfd_create, "large", 0);
	CHECK_EQ(fallocate(fd, 0, 0, LARGE), 0);
	return unused;
}

/* Who leaves may be the last one that still ran. */
TEST(every_stop_is_told_whoever_leaves)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			thread_join(thread_new(leave_slowly, NULL));
	}
	for (int round = 0; round < 100; round++) {
		CHECK_EQ(kill(pid, SIGSTOP), 0);
		CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
		CHECK(WIFSTOPPED(status));
		CHECK_EQ(kill(pid, SIGCONT), 0);
	}
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_KILLED(pid, SIGKILL);
}
