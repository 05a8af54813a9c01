/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/bench.h - what the measuring programs share.
 *
 * Each of them does one thing over and over, as the only program there is: process 1.  getppid(2),
 * which does next to nothing, is the mark between two repetitions; tools/profile counts from the
 * first mark to the last.  Calls are made without the C library's additions.
 */
#pragma once

#define _GNU_SOURCE

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, WARM_UP = 20, REPETITIONS = 100 };

static inline void mark(void)
{
	syscall(SYS_getppid);
}

static inline void leave(int status)
{
	syscall(SYS_exit_group, status);
}

static inline int fork_raw(void)
{
	return (int)syscall(SYS_fork);
}

static inline void wait_for(int pid)
{
	syscall(SYS_wait4, pid, 0, 0, 0);
}

/* Caches are full after some repetitions; then it counts. */
static inline void measure(void (*once)(void))
{
	for (int i = 0; i < WARM_UP; i++)
		once();
	mark();
	for (int i = 0; i < REPETITIONS; i++) {
		once();
		mark();
	}
	reboot(RB_POWER_OFF);
}
