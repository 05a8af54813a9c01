/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/range.c - ranges of memory: mapped, changed and given back, most of it untouched.
 */
#include "bench.h"

static void mmap_munmap(const struct metric *metric)
{
	size_t bytes = metric->size * PAGE;

	unmap_raw(must(metric, map_raw(bytes, MAP_PRIVATE)), bytes);
	for (unsigned i = 0; i < metric->rounds; i++) {
		uint64_t start = clock_start();
		unmap_raw(map_raw(bytes, MAP_PRIVATE), bytes);
		sample_add(clock_stop(start));
	}
	report(metric, "", 1, "ticks");
}

/* Rights taken and given back, on touched pages. */
static void mprotect_pair(const struct metric *metric)
{
	long bytes = (long)metric->size * PAGE;
	long at = must(metric, map_raw((size_t)bytes, MAP_PRIVATE));

	area_write(&(struct area){ .base = (volatile char *)at, .pages = metric->size });
	for (unsigned i = 0; i <= metric->rounds; i++) {
		uint64_t start = clock_start();
		call3(SYS_mprotect, at, bytes, PROT_READ);
		call3(SYS_mprotect, at, bytes, PROT_READ | PROT_WRITE);
		uint64_t ticks = clock_stop(start);
		if (i > 0)
			sample_add(ticks);
	}
	report(metric, "", 1, "ticks");
}

/* ---- the heap ---- */

static long brk_raw(long top)
{
	return call3(SYS_brk, top, 0, 0);
}

static long heap_top(const struct metric *metric)
{
	return (must(metric, brk_raw(0)) + PAGE - 1) & -(long)PAGE;
}

static void brk_grow(const struct metric *metric)
{
	long top = heap_top(metric);

	for (unsigned i = 0; i < metric->rounds; i++) {
		top += PAGE;
		uint64_t start = clock_start();
		brk_raw(top);
		sample_add(clock_stop(start));
	}
	if (brk_raw(0) != top)
		fail(metric, "the heap did not grow");
	report(metric, "", 1, "ticks");
}

static void brk_shrink(const struct metric *metric)
{
	long bottom = heap_top(metric), top = bottom + (long)metric->rounds * PAGE;

	brk_raw(top);
	while (top > bottom) {
		top -= PAGE;
		uint64_t start = clock_start();
		brk_raw(top);
		sample_add(clock_stop(start));
	}
	if (brk_raw(0) != bottom)
		fail(metric, "the heap did not shrink");
	report(metric, "", 1, "ticks");
}

/* ---- much more than there is ---- */

static const size_t TERABYTE = (size_t)1 << 40;

static long terabyte_map(const struct metric *metric)
{
	return must(metric, map_raw(TERABYTE, MAP_PRIVATE | MAP_NORESERVE));
}

static void reserve_mmap(const struct metric *metric)
{
	for (unsigned i = 0; i <= metric->rounds; i++) {
		uint64_t start = clock_start();
		long at = terabyte_map(metric);
		uint64_t ticks = clock_stop(start);
		unmap_raw(at, TERABYTE);
		if (i > 0)
			sample_add(ticks);
	}
	report(metric, "", 1, "ticks");
}

static void reserve_memory(const struct metric *metric)
{
	uint64_t before = free_kib();
	long at = terabyte_map(metric);

	report_value(metric, "", (int64_t)(before - free_kib()) * 100, "KiB");
	unmap_raw(at, TERABYTE);
}

/* With a page at each end and one in the middle. */
static volatile char *terabyte_touch(const struct metric *metric)
{
	volatile char *memory = (volatile char *)terabyte_map(metric);

	memory[0] = 1;
	memory[TERABYTE / 2] = 2;
	memory[TERABYTE - PAGE] = 3;
	return memory;
}

static void reserve_fork(const struct metric *metric)
{
	terabyte_touch(metric);
	for (unsigned i = 0; i <= metric->rounds; i++) {
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

static void check_reserve(const struct metric *metric)
{
	volatile char *memory = terabyte_touch(metric);
	bool is_right = memory[0] == 1 && memory[TERABYTE / 2] == 2
		&& memory[TERABYTE - PAGE] == 3 && memory[PAGE] == 0;

	report_value(metric, "", is_right ? 100 : 0, "bool");
}

const struct metric range_metrics[] = {
	{ "mmap_munmap_1p", mmap_munmap, 1, 201, SET_TABLE },
	{ "mmap_munmap_1024p", mmap_munmap, 1024, 201, SET_TABLE },
	{ "mprotect_pair_1p", mprotect_pair, 1, 201, SET_TABLE },
	{ "mprotect_pair_1024p", mprotect_pair, 1024, 201, SET_TABLE },
	{ "brk_grow_1p", brk_grow, 0, 201, SET_TABLE },
	{ "brk_shrink_1p", brk_shrink, 0, 201, SET_TABLE },
	{ "reserve_1t_mmap", reserve_mmap, 0, 21, SET_TABLE },
	{ "reserve_1t_memory", reserve_memory, 0, 1, SET_TABLE },
	{ "reserve_1t_fork", reserve_fork, 0, 21, SET_TABLE },
	{ "check_reserve_1t", check_reserve, 0, 1, SET_TABLE },
	{ 0 },
};
