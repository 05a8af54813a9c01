/* SPDX-License-Identifier: MIT */
/*
 * kernel/load.h - load averages: how many tasks ran or could run, lately.
 *
 * Decaying averages over 1, 5 and 15 minutes, in parts of LOAD_ONE, from a sample every five
 * seconds: the numbers of Linux and its way of rounding.  See: proc(5), loadavg.
 */
#pragma once

#include "lib/types.h"

enum { LOAD_SHIFT = 11, LOAD_ONE = 1 << LOAD_SHIFT, LOAD_AVERAGES = 3 };

/* Once at boot, when there are timers and tasks. */
void load_start(void);

void load_averages(uint64_t averages[LOAD_AVERAGES]);

/* The average of index `which` after one more sample. */
uint64_t load_next(unsigned which, uint64_t average, uint32_t running);
