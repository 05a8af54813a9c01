/* SPDX-License-Identifier: MIT */
/*
 * kernel/alarm.h - SIGALRM when it is time: alarm(2) and ITIMER_REAL.
 */
#pragma once

#include "kernel/process.h"

struct alarm {
	uint64_t left_ns;               /* until the next SIGALRM; 0: none, or it waits */
	uint64_t interval_ns;           /* from then on; 0: just once */
};

/* The running process's alarm: what is left of it, and another one in its place. */
struct alarm alarm_get(void);
struct alarm alarm_replace(struct alarm alarm);

/* The running process has taken a SIGALRM: the next one may come.  No lock held. */
void alarm_taken(void);

/* Start the task that sends the signals.  Once. */
void alarms_start(void);
