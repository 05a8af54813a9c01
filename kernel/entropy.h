/* SPDX-License-Identifier: MIT */
/*
 * kernel/entropy.h - numbers nobody can guess.
 *
 * For programs (getrandom, /dev/urandom, AT_RANDOM) and for placing them.  With seed= on the
 * command line they are the same in every boot, so that a test can be run again.
 */
#pragma once

#include "lib/types.h"

/* Seed the generator.  Once, after the command line was parsed and the CPU's features are known. */
void entropy_start(void);

/* Neither sleeps nor fails.  Not from interrupt handlers. */
void entropy_fill(void *buf, size_t len);
uint64_t entropy_u64(void);

/* Stir in what may be unknown to others. */
void entropy_mix(const void *bytes, size_t len);
