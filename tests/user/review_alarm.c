/* SPDX-License-Identifier: MIT */
/*
 * tests/user/review_alarm.c - an interval timer whose interval is longer than time.
 *
 * The sum of deadline and interval wrapped, and the next alarm was due in the past, for ever.
 */
#include "utest.h"

#include <sys/time.h>
#include <time.h>

static volatile int alarms;

static void count_alarm(int signal)
{
	alarms += signal == SIGALRM;
}

TEST(endless_interval_rings_once)
{
	struct itimerval timer = {
		.it_interval.tv_sec = INT64_MAX / 2,
		.it_value.tv_usec = 1000,
	};
	struct timespec left = { .tv_nsec = 200000000 };

	signal(SIGALRM, count_alarm);
	CHECK_EQ(setitimer(ITIMER_REAL, &timer, NULL), 0);
	while (alarms < 1)
		usleep(1000);
	while (nanosleep(&left, &left) != 0)
		CHECK(alarms < 100);
	CHECK_EQ(alarms, 1);
}
