/* SPDX-License-Identifier: MIT */
// needs: threads
/* Clocks, sleeping, alarms. */
#include "utest.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

static long long now_ns(clockid_t clock)
{
	struct timespec now;

	CHECK(clock_gettime(clock, &now) == 0);
	CHECK(now.tv_nsec >= 0 && now.tv_nsec < 1000000000);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static volatile int alarms;

static void on_alarm(int signal)
{
	(void)signal;
	alarms++;
}

static void catch_alarm(int flags)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = flags};

	sigaction(SIGALRM, &action, NULL);
}

TEST(monotonic_time_never_goes_back)
{
	long long last = now_ns(CLOCK_MONOTONIC);

	for (int i = 0; i < 10000; i++) {
		long long now = now_ns(CLOCK_MONOTONIC);
		CHECK(now >= last);
		last = now;
	}
}

TEST(all_clocks_tell)
{
	clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW,
		CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME,
		CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
	struct timespec time;

	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		CHECK(now_ns(clocks[i]) >= 0);
		CHECK(clock_getres(clocks[i], &time) == 0 && time.tv_sec == 0 && time.tv_nsec > 0);
	}
	CHECK_ERRNO(clock_gettime(99, &time), EINVAL);
}

TEST(the_ways_to_ask_for_the_time_agree)
{
	struct timeval tv;
	time_t seconds = time(NULL);
	long long ns = now_ns(CLOCK_REALTIME);

	CHECK(gettimeofday(&tv, NULL) == 0);
	long long latest = time(NULL) + 1;      /* that is a tick behind */
	CHECK(seconds <= ns / 1000000000 && ns / 1000000000 <= latest);
	CHECK(seconds <= tv.tv_sec && tv.tv_sec <= latest);
	CHECK(tv.tv_usec >= 0 && tv.tv_usec < 1000000);
}

TEST(nanosleep_lasts_as_long_as_asked)
{
	struct timespec time = {0, 30000000};
	long long start = now_ns(CLOCK_MONOTONIC);

	CHECK(nanosleep(&time, NULL) == 0);
	CHECK(now_ns(CLOCK_MONOTONIC) - start >= 30000000);
	time.tv_nsec = 1000000000;
	CHECK_ERRNO(nanosleep(&time, NULL), EINVAL);
}

TEST(sleeping_until_a_moment)
{
	struct timespec time;
	long long until = now_ns(CLOCK_MONOTONIC) + 30000000;

	time = (struct timespec){until / 1000000000, until % 1000000000};
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL), 0);
	CHECK(now_ns(CLOCK_MONOTONIC) >= until);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL), 0);
	until = now_ns(CLOCK_REALTIME) + 30000000;
	time = (struct timespec){until / 1000000000, until % 1000000000};
	CHECK_EQ(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &time, NULL), 0);
	CHECK(now_ns(CLOCK_REALTIME) >= until);
}

TEST(a_signal_ends_a_sleep_and_tells_the_rest)
{
	struct timespec time = {5, 0}, left = {0, 0};

	catch_alarm(0);
	ualarm(30000, 30000);
	CHECK_ERRNO(nanosleep(&time, &left), EINTR);
	CHECK(left.tv_sec < 5 && (left.tv_sec > 0 || left.tv_nsec > 0));
}

TEST(a_stopped_sleeper_goes_on)
{
	long long start = now_ns(CLOCK_MONOTONIC);
	pid_t pid = fork();

	if (pid == 0) {
		struct timespec time = {0, 150000000};
		_exit(nanosleep(&time, NULL) == 0 ? 0 : 1);
	}
	usleep(30000);
	kill(pid, SIGSTOP);
	usleep(30000);
	kill(pid, SIGCONT);
	CHECK_EXIT(pid, 0);
	CHECK(now_ns(CLOCK_MONOTONIC) - start >= 150000000);
}

TEST(alarm_replaces_the_one_before)
{
	CHECK_EQ(alarm(100), 0);
	unsigned left = alarm(0);
	CHECK(left > 0 && left <= 100);
	CHECK_EQ(alarm(0), 0);
}

TEST(an_alarm_comes)
{
	struct itimerval timer = {.it_value = {0, 20000}}, old;
	sigset_t blocked, empty;

	catch_alarm(0);
	sigemptyset(&empty);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGALRM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	CHECK_ERRNO(sigsuspend(&empty), EINTR);
	CHECK_EQ(alarms, 1);
	CHECK(getitimer(ITIMER_REAL, &old) == 0);
	CHECK(old.it_value.tv_sec == 0 && old.it_value.tv_usec == 0);
}

TEST(an_interval_timer_comes_again)
{
	catch_alarm(0);
	struct itimerval timer = {.it_value = {0, 10000}, .it_interval = {0, 10000}}, old;

	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	while (alarms < 3)
		pause();
	timer = (struct itimerval){0};
	CHECK(setitimer(ITIMER_REAL, &timer, &old) == 0);
	CHECK(old.it_interval.tv_usec == 10000);
}

TEST(an_alarm_is_not_inherited)
{
	alarm(100);
	pid_t pid = fork();

	if (pid == 0)
		_exit(alarm(0) == 0 ? 0 : 1);
	CHECK_EXIT(pid, 0);
	CHECK(alarm(0) > 0);
}

TEST(bad_arguments)
{
	struct itimerval timer = {.it_value = {0, 1000000}};
	struct timespec time = {-1, 0};

	CHECK_ERRNO(setitimer(ITIMER_REAL, &timer, NULL), EINVAL);
	CHECK_ERRNO(setitimer(7, &timer, NULL), EINVAL);
	CHECK_ERRNO(nanosleep(&time, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_gettime, CLOCK_REALTIME, 1), EFAULT);
	CHECK_ERRNO(syscall(SYS_nanosleep, 1, NULL), EFAULT);
}

/* A container may not set it at all. */
static bool is_refused(int result)
{
	return result == -1 && (errno == EINVAL || errno == EPERM);
}

TEST(it_is_never_earlier_than_the_machine_started)
{
	struct timespec start = {0}, never = {.tv_sec = INT64_MAX / 1000000000};
	struct timeval start_us = {0}, never_us = {.tv_sec = INT64_MAX / 1000000000};
	long long before = now_ns(CLOCK_REALTIME);

	CHECK(is_refused(clock_settime(CLOCK_REALTIME, &start)));
	CHECK(is_refused(syscall(SYS_settimeofday, &start_us, NULL)));
	CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &never), EINVAL);
	CHECK_ERRNO(syscall(SYS_settimeofday, &never_us, NULL), EINVAL);
	CHECK(now_ns(CLOCK_REALTIME) >= before);
}

TEST(computing_takes_processor_time)
{
	struct tms tms;
	long long start = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	volatile long sum = 0;

	for (long i = 0; i < 3000000; i++)
		sum += i;
	CHECK(now_ns(CLOCK_PROCESS_CPUTIME_ID) > start);
	CHECK(now_ns(CLOCK_THREAD_CPUTIME_ID) > 0);
	CHECK(times(&tms) != (clock_t)-1);
	CHECK(tms.tms_utime >= 0 && tms.tms_stime >= 0);
}

/* Somebody else runs where we do, and each of us is stopped now and then, wherever it is. */
TEST(processor_time_never_goes_back)
{
	enum { STOPS = 200 };
	struct rusage usage;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	CHECK_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
	pid_t pid = fork();
	for (volatile int i = 0; pid == 0; i++)
		;
	long long last = now_ns(CLOCK_THREAD_CPUTIME_ID), start = now_ns(CLOCK_MONOTONIC);
	do {
		for (int i = 0; i < 1000; i++) {
			long long now = now_ns(CLOCK_THREAD_CPUTIME_ID);
			CHECK(now >= last);
			last = now;
		}
		CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
	} while (usage.ru_nivcsw < STOPS && now_ns(CLOCK_MONOTONIC) - start < 5000000000);
	kill(pid, SIGKILL);
	CHECK_KILLED(pid, SIGKILL);
}

static void *sleep_often(void *is_over)
{
	struct timespec moment = {.tv_nsec = 100000};

	while (!*(volatile bool *)is_over)
		nanosleep(&moment, NULL);
	return NULL;
}

/* What it has slept is not taken for work when it begins to run, not even for a moment. */
TEST(processor_time_of_a_sleeper_never_goes_back)
{
	enum { LOOKS = 50000 };
	long long last = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	volatile bool is_over = false;
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, sleep_often, (void *)&is_over), 0);
	for (int i = 0; i < LOOKS; i++) {
		long long now = now_ns(CLOCK_PROCESS_CPUTIME_ID);
		CHECK(now >= last);
		last = now;
	}
	is_over = true;
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* ---- where the time went ---- */

enum { LONG_ENOUGH_MS = 400 };

struct cpu_time {
	long long user_us, kernel_us;
};

static long long us_of(struct timeval time)
{
	return time.tv_sec * 1000000ll + time.tv_usec;
}

static struct cpu_time cpu_time(int who)
{
	struct rusage usage;

	CHECK_EQ(getrusage(who, &usage), 0);
	return (struct cpu_time){us_of(usage.ru_utime), us_of(usage.ru_stime)};
}

/* Run `work` until the processor has worked long enough for us; neither part ever shrinks. */
static struct cpu_time time_of(void (*work)(void))
{
	struct cpu_time start = cpu_time(RUSAGE_SELF), last = start, now = start;

	while (now.user_us + now.kernel_us - start.user_us - start.kernel_us <
	       LONG_ENOUGH_MS * 1000) {
		work();
		now = cpu_time(RUSAGE_SELF);
		CHECK(now.user_us >= last.user_us && now.kernel_us >= last.kernel_us);
		last = now;
	}
	return (struct cpu_time){now.user_us - start.user_us, now.kernel_us - start.kernel_us};
}

static void compute(void)
{
	for (volatile int i = 0; i < 100000; i++)
		;
}

static int zeros = -1;

static void have_zeros(void)
{
	static char bytes[1 << 20];

	if (zeros < 0)
		zeros = open("/dev/zero", O_RDONLY);
	CHECK_EQ(read(zeros, bytes, sizeof(bytes)), sizeof(bytes));
}

TEST(computing_is_time_of_the_program)
{
	struct cpu_time time = time_of(compute);

	CHECK(time.user_us > 3 * time.kernel_us);
}

TEST(what_the_kernel_does_for_us_is_its_time)
{
	struct cpu_time time = time_of(have_zeros);

	CHECK(time.kernel_us > 3 * time.user_us);
}

/* The same is told by times(2) and /proc, and to the parent. */
TEST(all_who_tell_of_processor_time_agree)
{
	long tick_us = 1000000 / sysconf(_SC_CLK_TCK), user, kernel;
	struct cpu_time before, after;
	struct tms tms;
	pid_t pid = fork();

	if (pid == 0) {
		char text[1024];

		time_of(have_zeros);
		before = cpu_time(RUSAGE_SELF);
		CHECK(times(&tms) != -1);
		int fd = open("/proc/self/stat", O_RDONLY);
		ssize_t len = read(fd, text, sizeof(text) - 1);
		after = cpu_time(RUSAGE_SELF);
		CHECK(len > 0);
		text[len] = '\0';
		CHECK_EQ(sscanf(strrchr(text, ')') + 2,
			"%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &kernel), 2);
		CHECK(tms.tms_stime >= before.kernel_us / tick_us - 1);
		CHECK(tms.tms_stime <= after.kernel_us / tick_us + 1);
		CHECK(kernel >= before.kernel_us / tick_us - 1);
		CHECK(kernel <= after.kernel_us / tick_us + 1);
		CHECK(user <= after.user_us / tick_us + 1);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	after = cpu_time(RUSAGE_CHILDREN);
	CHECK(after.kernel_us > 3 * after.user_us);
}

/* Who does not take the signals is not sent them as fast as it asked for. */
TEST(an_interval_begins_when_the_signal_is_taken)
{
	struct itimerval timer = {.it_value = {0, 1000}, .it_interval = {3600, 0}}, left;
	sigset_t set;
	int number;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK_EQ(setitimer(ITIMER_REAL, &timer, NULL), 0);
	do {
		CHECK_EQ(sigpending(&set), 0);
	} while (!sigismember(&set, SIGALRM));
	CHECK_EQ(getitimer(ITIMER_REAL, &left), 0);
	CHECK(left.it_interval.tv_sec == 3600 && left.it_value.tv_sec == 0);
	CHECK_EQ(left.it_value.tv_usec, 0);
	CHECK(sigwait(&set, &number) == 0 && number == SIGALRM);
	CHECK_EQ(getitimer(ITIMER_REAL, &left), 0);
	CHECK(left.it_value.tv_sec > 3000);
}
