/* SPDX-License-Identifier: MIT */
/*
 * tests/host/frame_machine.h - what the tests of the frame allocator share: machines to run it on,
 * and the shape of free memory, which must be the same again when everything was given back.
 */
#pragma once

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/types.h"
#include "kernel/options.h"
#include "mm/buddy.h"
#include "mm/frame.h"
#include "tests/host/machine.h"

/* How many free blocks there are of each order. */
struct shape {
	uint64_t blocks[FRAME_ORDER_MAX + 1];
};

/* A machine before its frames are taken over, and the step after that. */
static inline void start(uint64_t bytes)
{
	host_machine_start(bytes);
	options.mem_bytes = 0;
	frames_early_start();
}

static inline void start_frames(void)
{
	frames_start();
	for (unsigned i = 1; i < HOST_CPUS; i++)
		frames_start_cpu(cpus[i]);
}

static inline void drain_all(void)
{
	for (unsigned i = 0; i < HOST_CPUS; i++) {
		host_become_cpu(i);
		frames_drain_caches();
	}
	host_become_cpu(0);
}

/* Of the greatest order, those that nobody has touched yet count as well. */
static inline struct shape shape_now(void)
{
	struct shape shape = { { 0 } };
	uint64_t smaller = 0;

	drain_all();
	for (pfn_t pfn = 0; pfn < frame_count; pfn++) {
		if (frames[pfn].kind != FRAME_FREE || frames[pfn].used != FREE_HEAD
		    || frames[pfn].level == BUDDY_ORDER_MAX)
			continue;
		shape.blocks[frames[pfn].level]++;
		smaller += BIT(frames[pfn].level);
	}
	shape.blocks[BUDDY_ORDER_MAX] = (buddy_free_frames() - smaller) / BIT(BUDDY_ORDER_MAX);
	return shape;
}

static inline bool shape_is(struct shape before)
{
	struct shape now = shape_now();

	return memcmp(&now, &before, sizeof(now)) == 0;
}

static inline bool is_sound(void)
{
	const char *wrong = frames_check();

	if (wrong != NULL)
		printf("# %s\n", wrong);
	return wrong == NULL && host_is_quiet();
}

/* Does the function end in a panic? */
static inline bool panics(void (*function)(void))
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		fclose(stdout);
		function();
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* SEED=n in the environment, or 1. */
static inline uint64_t first_seed(void)
{
	const char *seed = getenv("SEED");

	return seed != NULL ? strtoull(seed, NULL, 0) : 1;
}
