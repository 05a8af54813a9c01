/* SPDX-License-Identifier: MIT */
/*
 * kernel/load.c - load averages: how many tasks ran or could run, lately.
 *
 * Owns: the averages, written only by the timer.  Nobody waits for disks here, so that who sleeps
 *   never counts.
 */
#include "kernel/load.h"
#include "lib/atomic.h"
#include "kernel/clock.h"
#include "kernel/sched.h"

#define SAMPLE_NS (5 * NS_PER_SECOND)

static uint64_t current_averages[LOAD_AVERAGES];        /* atomic */
static struct timer sampler;

/* e to the power of -5 s / 1, 5, 15 min. */
static const uint64_t decay[LOAD_AVERAGES] = { 1884, 2014, 2037 };

/* Rounds up while it rises, so that it arrives. */
uint64_t load_next(unsigned which, uint64_t average, uint32_t running)
{
	uint64_t now = (uint64_t)running * LOAD_ONE;
	uint64_t next = average * decay[which] + now * (LOAD_ONE - decay[which]);

	if (now >= average)
		next += LOAD_ONE - 1;
	return next / LOAD_ONE;
}

static void sample(struct timer *timer)
{
	struct sched_totals totals;

	sched_totals_get(&totals);
	for (unsigned i = 0; i < LOAD_AVERAGES; i++)
		atomic_store_relaxed(&current_averages[i],
			load_next(i, current_averages[i], totals.runnable));
	timer_set(timer, clock_now_ns() + SAMPLE_NS);
}

void load_start(void)
{
	timer_init(&sampler, sample);
	timer_set(&sampler, clock_now_ns() + SAMPLE_NS);
}

void load_averages(uint64_t averages[LOAD_AVERAGES])
{
	for (unsigned i = 0; i < LOAD_AVERAGES; i++)
		averages[i] = atomic_load_relaxed(&current_averages[i]);
}
