/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/shared.c - memory that parent and child share for good.
 */
#include "bench.h"

enum { AREA_MIB = 4 };

/* Each round its own range, as large as one sees it: nothing may be there beforehand. */
static struct area range_map(const struct metric *metric)
{
	size_t bytes = (size_t)AREA_MIB << 20;
	long at = must(metric, map_raw(bytes, MAP_SHARED));

	return (struct area){ (volatile char *)at, bytes / PAGE, at, bytes };
}

static void shared_fault_write(const struct metric *metric)
{
	for (unsigned i = 0; i < metric->rounds; i++) {
		struct area area = range_map(metric);
		uint64_t start = clock_start();
		area_write(&area);
		sample_add(clock_stop(start));
		area_unmap(&area);
	}
	report(metric, "", AREA_MIB * (LARGE_PAGES / 2), "ticks/page");
}

static void answer_read(void *argument, uint64_t *ticks)
{
	uint64_t start = clock_start();

	area_read(argument);
	*ticks = clock_stop(start);
}

static void shared_child_read(const struct metric *metric)
{
	uint64_t ticks;

	for (unsigned i = 0; i < metric->rounds; i++) {
		struct area area = range_map(metric);
		area_write(&area);
		ask_child(metric, answer_read, &area, &ticks, 1);
		sample_add(ticks);
		area_unmap(&area);
	}
	report(metric, "", AREA_MIB * (LARGE_PAGES / 2), "ticks/page");
}

/* ---- is it shared? ---- */

static void answer_exchange(void *argument, uint64_t *is_right)
{
	struct area *area = argument;

	*is_right = area_holds(area, 1);
	for (uint64_t page = 0; page < area->pages; page++)
		area->base[page * PAGE] = 7;
}

static void check_shared(const struct metric *metric)
{
	struct area area = range_map(metric);
	uint64_t is_right;

	area_write(&area);
	ask_child(metric, answer_exchange, &area, &is_right, 1);
	report_value(metric, "_child_sees_parent", is_right ? 100 : 0, "bool");
	report_value(metric, "_parent_sees_child", area_holds(&area, 7) ? 100 : 0, "bool");
}

const struct metric shared_metrics[] = {
	{ "shared_fault_write", shared_fault_write, 0, 9, SET_TABLE },
	{ "shared_child_read", shared_child_read, 0, 9, SET_TABLE },
	{ "check_shared", check_shared, 0, 1, SET_TABLE },
	{ 0 },
};
