/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/fork.c - what a fork costs, at once and over the child's whole life.
 *
 * The parent writes all of its memory before each fork: whatever sharing the last child left behind
 * is gone.  The curves ask what happens when the child then writes a part of it, spread out so that
 * every STRIDE-th page is written, or in one run.
 */
#include "bench.h"

enum { LIFE_MIB = 64 };

struct work {
	const struct area *area;
	uint64_t stride, pages;         /* write every stride-th page, so many in all */
};

/* ---- no use of memory ---- */

static void fork_alone(const struct metric *metric)
{
	struct area area = area_map(metric, metric->size, MAP_PRIVATE);

	for (unsigned i = 0; i <= metric->rounds; i++) {
		area_write(&area);
		uint64_t start = clock_start();
		int pid = fork_raw();
		if (pid == 0)
			leave(0);
		uint64_t ticks = clock_stop(start);
		wait_for((int)must(metric, pid));
		if (i > 0)
			sample_add(ticks);
	}
	report(metric, "", 1, "ticks");
}

/* ---- a whole life ---- */

static inline void child_writes(const struct work *work)
{
	volatile char *at = work->area->base;

	for (uint64_t i = 0; i < work->pages; i++, at += work->stride * PAGE)
		*at = 2;
}

static inline uint64_t life(const struct metric *metric, const struct work *work, bool reads)
{
	uint64_t start = clock_start();
	int pid = fork_raw();

	if (pid == 0) {
		if (reads)
			area_read(work->area);
		child_writes(work);
		leave(0);
	}
	wait_for((int)must(metric, pid));
	return clock_stop(start);
}

static void measure_lives(const struct metric *metric, const struct work *work, bool reads)
{
	for (unsigned i = 0; i <= metric->rounds; i++) {
		area_write(work->area);
		uint64_t ticks = life(metric, work, reads);
		if (i > 0)
			sample_add(ticks);
	}
	report(metric, "", 1, "ticks");
}

static void fork_exit_wait(const struct metric *metric)
{
	struct area area = area_map(metric, metric->size, MAP_PRIVATE);

	measure_lives(metric, &(struct work){ .area = &area }, false);
}

static void fork_readall_wait(const struct metric *metric)
{
	struct area area = area_map(metric, metric->size, MAP_PRIVATE);

	measure_lives(metric, &(struct work){ .area = &area }, true);
}

static void fork_writeall_wait(const struct metric *metric)
{
	struct area area = area_map(metric, metric->size, MAP_PRIVATE);

	measure_lives(metric, &(struct work){ &area, 1, area.pages }, false);
}

/* Size: the stride.  512 pages are what one table maps: one page of each is the worst case of
 * sharing tables, all of them are copied for the sake of little. */
static void life_spread(const struct metric *metric)
{
	struct area area = area_map(metric, LIFE_MIB, MAP_PRIVATE);
	struct work work = { &area, metric->size, area.pages / metric->size };

	measure_lives(metric, &work, false);
}

/* Size: pages written, one beside the other. */
static void life_run(const struct metric *metric)
{
	struct area area = area_map(metric, LIFE_MIB, MAP_PRIVATE);

	measure_lives(metric, &(struct work){ &area, 1, metric->size }, false);
}

const struct metric fork_metrics[] = {
	{ "fork_0m", fork_alone, 0, 101, SET_TABLE },
	{ "fork_16m", fork_alone, 16, 31, SET_TABLE },
	{ "fork_64m", fork_alone, 64, 15, SET_TABLE },
	{ "fork_256m", fork_alone, 256, 7, SET_TABLE },
	{ "fork_exit_wait_0m", fork_exit_wait, 0, 101, SET_TABLE },
	{ "fork_exit_wait_16m", fork_exit_wait, 16, 31, SET_TABLE },
	{ "fork_exit_wait_64m", fork_exit_wait, 64, 15, SET_TABLE },
	{ "fork_exit_wait_256m", fork_exit_wait, 256, 7, SET_TABLE },
	{ "fork_readall_wait_64m", fork_readall_wait, 64, 7, SET_TABLE },
	{ "fork_writeall_wait_64m", fork_writeall_wait, 64, 7, SET_TABLE },

	{ "curve_fork_1m", fork_alone, 1, 15, SET_CURVES },
	{ "curve_fork_4m", fork_alone, 4, 15, SET_CURVES },
	{ "curve_fork_16m", fork_alone, 16, 7, SET_CURVES },
	{ "curve_fork_64m", fork_alone, 64, 7, SET_CURVES },
	{ "curve_fork_256m", fork_alone, 256, 5, SET_CURVES },
	{ "curve_life_0", life_run, 0, 5, SET_CURVES },
	{ "curve_life_spread_32", life_spread, 512, 5, SET_CURVES },
	{ "curve_life_spread_128", life_spread, 128, 5, SET_CURVES },
	{ "curve_life_spread_512", life_spread, 32, 5, SET_CURVES },
	{ "curve_life_spread_2048", life_spread, 8, 5, SET_CURVES },
	{ "curve_life_spread_8192", life_spread, 2, 5, SET_CURVES },
	{ "curve_life_spread_16384", life_spread, 1, 5, SET_CURVES },
	{ "curve_life_run_32", life_run, 32, 5, SET_CURVES },
	{ "curve_life_run_512", life_run, 512, 5, SET_CURVES },
	{ "curve_life_run_2048", life_run, 2048, 5, SET_CURVES },
	{ "curve_life_run_8192", life_run, 8192, 5, SET_CURVES },
	{ 0 },
};
