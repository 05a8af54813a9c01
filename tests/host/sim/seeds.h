/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/seeds.h - one world after the other, each in a process of its own.
 *
 * SEED=x in the environment runs that seed alone; SEEDS=n that many times the usual number,
 * SEEDS=1/n that part of it; TRACE=1 with SEED tells every step on stderr; SECONDS=n ends a world
 * that works longer.
 */
#pragma once

#include "lib/types.h"

/* A world that ends its process with this status passes, and needs no further seeds. */
enum { SEEDS_NO_MORE = 77 };

/* Run `world(seed, argument)` for seeds 1..count.  False: at least one found a violation or
 * crashed; the command to run it again is printed. */
bool seeds_pass(const char *test, unsigned count,
		void (*world)(uint64_t seed, const void *argument), const void *argument);
