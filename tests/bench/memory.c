/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/memory.c - what processes weigh, and a database that saves itself in a child.
 */
#include "bench.h"
#include <string.h>
#include <sys/wait.h>

/* ---- many children at once, each asleep in read(2) ---- */

enum { PARENT_MIB = 64, SPARE_KIB = 100 * 1024, SETTLE_MS = 300, WARM_UP = 20 };

#define MIN(a, b) ((a) < (b) ? (a) : (b))

static void child_sleeps(const struct pipe_ends *ready, const struct pipe_ends *gate)
{
	char byte = 1;

	close(gate->in);
	call3(SYS_write, ready->in, (long)&byte, 1);
	call3(SYS_read, gate->out, (long)&byte, 1);     /* until the parent closes its end */
	leave(0);
}

/* How many there are in the end: fewer than asked for when memory would not do for more. */
static uint64_t children_make(const struct metric *metric, const struct pipe_ends *ready,
			      const struct pipe_ends *gate)
{
	uint64_t made = 0, step = (metric->size + SAMPLES_MAX - 1) / SAMPLES_MAX;
	char byte;

	for (; made < metric->size && free_kib() > SPARE_KIB; made++) {
		uint64_t start = clock_start();
		int pid = fork_raw();
		if (pid == 0)
			child_sleeps(ready, gate);
		uint64_t ticks = clock_stop(start);
		if (pid < 0)
			break;
		if (made % step == 0)
			sample_add(ticks);
		must(metric, call3(SYS_read, ready->out, (long)&byte, 1));
	}
	return made;
}

static uint64_t children_reap(const struct pipe_ends *gate, uint64_t count)
{
	uint64_t start = clock_start();

	close(gate->in);
	while (count-- > 0)
		wait_for(-1);
	return clock_stop(start);
}

struct weights {
	uint64_t made, before, with_children, after, reap_ticks;
};

static struct weights live_round(const struct metric *metric)
{
	struct pipe_ends ready = pipe_make(metric), gate = pipe_make(metric);
	struct weights weights;

	sleep_ms(SETTLE_MS);
	weights.before = free_kib();
	weights.made = children_make(metric, &ready, &gate);
	sleep_ms(SETTLE_MS);
	weights.with_children = free_kib();
	weights.reap_ticks = children_reap(&gate, weights.made);
	close(gate.out);
	pipe_close(&ready);             /* which may keep room for what it carries */
	sleep_ms(SETTLE_MS);
	weights.after = free_kib();
	return weights;
}

static void live(const struct metric *metric)
{
	const struct metric few = { .name = metric->name, .size = MIN(metric->size, WARM_UP) };

	live_round(&few);               /* what the first children leave in caches is no leak */
	samples_forget();
	struct weights weights = live_round(metric);
	if (weights.made < metric->size)
		skip(metric, "no memory for so many");
	report(metric, "_fork", 1, "ticks");
	report_value(metric, "_per_child",
		     (int64_t)((weights.before - weights.with_children) * 100 / metric->size),
		     "KiB");
	report_value(metric, "_reap", (int64_t)(weights.reap_ticks * 100 / metric->size),
		     "ticks/child");
	report_value(metric, "_leak", (int64_t)(weights.before - weights.after) * 100, "KiB");
}

static void live_of_large_parent(const struct metric *metric)
{
	struct area area = area_map(metric, PARENT_MIB, MAP_PRIVATE);

	area_write(&area);
	live(metric);
}

/* ---- the database: a child saves a snapshot while its parent goes on writing ---- */

enum { DATABASE_MIB = 64, WRITTEN_PART = 20 };

struct writes {
	uint64_t ticks, most, pages;
};

static volatile uint64_t *page_word(const struct area *area, uint64_t page)
{
	return (volatile uint64_t *)(area->base + page * PAGE);
}

static void save_when_told(const struct area *area, const struct pipe_ends *go)
{
	bool is_snapshot = true;
	char byte;

	call3(SYS_read, go->out, (long)&byte, 1);
	for (uint64_t page = 0; page < area->pages; page++)
		is_snapshot &= *page_word(area, page) == page;
	leave(!is_snapshot);
}

/* So that the one fork that counts finds what it needs in the kernel's caches. */
static void warm_up(const struct metric *metric)
{
	for (int i = 0; i < WARM_UP; i++) {
		int pid = (int)must(metric, fork_raw());
		if (pid == 0)
			leave(0);
		wait_for(pid);
	}
}

/* One page in twenty, anywhere, some of them twice. */
static struct writes write_randomly(const struct area *area)
{
	struct writes writes = { 0 };
	uint64_t random = 88172645463325252;

	for (uint64_t i = 0; i < area->pages / WRITTEN_PART; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		uint64_t page = random % area->pages;
		bool is_first = *page_word(area, page) == page;
		uint64_t start = clock_start();
		*page_word(area, page) = UINT64_MAX;
		uint64_t ticks = clock_stop(start);
		writes.ticks += ticks;
		writes.pages += is_first;
		if (ticks > writes.most)
			writes.most = ticks;
	}
	return writes;
}

static void redis(const struct metric *metric)
{
	struct area area = area_map(metric, DATABASE_MIB, MAP_PRIVATE);
	struct pipe_ends go = pipe_make(metric);
	int status;

	warm_up(metric);
	for (uint64_t page = 0; page < area.pages; page++)
		*page_word(&area, page) = page;
	sleep_ms(SETTLE_MS);
	uint64_t before = free_kib(), start = clock_start();
	int pid = fork_raw();
	if (pid == 0)
		save_when_told(&area, &go);
	uint64_t fork_ticks = clock_stop(start);
	must(metric, pid);
	uint64_t with_child = free_kib();
	struct writes writes = write_randomly(&area);
	uint64_t with_copies = free_kib();
	must(metric, call3(SYS_write, go.in, (long)"x", 1));
	call6(SYS_wait4, pid, (long)&status, 0, 0, 0, 0);

	report_value(metric, "_fork", (int64_t)fork_ticks * 100, "ticks");
	report_value(metric, "_write_mean", (int64_t)(writes.ticks * 100 / writes.pages), "ticks");
	report_value(metric, "_write_max", (int64_t)writes.most * 100, "ticks");
	report_value(metric, "_fork_memory", (int64_t)(before - with_child) * 100, "KiB");
	report_value(metric, "_write_memory_per_page",
		     (int64_t)((with_child - with_copies) * 100 / writes.pages), "KiB/page");
	report_value(&(struct metric){ .name = "check_redis_snapshot" }, "",
		     status == 0 ? 100 : 0, "bool");
}

const struct metric memory_metrics[] = {
	{ "redis", redis, 0, 1, SET_TABLE },
	{ "live_100", live, 100, 1, SET_TABLE },
	{ "live_1000", live, 1000, 1, SET_TABLE },
	{ "live_10000", live, 10000, 1, SET_TABLE },
	{ "live_again_1000", live, 1000, 1, SET_TABLE },
	{ "live_64m_100", live_of_large_parent, 100, 1, SET_TABLE },

	{ "curve_live_1", live_of_large_parent, 1, 1, SET_CURVES },
	{ "curve_live_3", live_of_large_parent, 3, 1, SET_CURVES },
	{ "curve_live_10", live_of_large_parent, 10, 1, SET_CURVES },
	{ "curve_live_25", live_of_large_parent, 25, 1, SET_CURVES },
	{ "curve_live_100", live_of_large_parent, 100, 1, SET_CURVES },
	{ "curve_live_300", live_of_large_parent, 300, 1, SET_CURVES },
	{ "curve_live_1000", live_of_large_parent, 1000, 1, SET_CURVES },
	{ 0 },
};
