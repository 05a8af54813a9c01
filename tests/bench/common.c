/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/common.c - samples, lines, memory and children of the bench; see bench.h.
 */
#include "bench.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>

enum { MIB = 1 << 20 };

uint64_t clock_empty;
bool is_profiled;

uint64_t clock_of_loop(uint64_t rounds)
{
	uint64_t start = clock_start();

	__asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(rounds) : : "cc");
	return clock_stop(start);
}

/* ---- samples ---- */

static uint64_t samples[SAMPLES_MAX];
static unsigned sample_count;

void sample_add(uint64_t ticks)
{
	if (sample_count < SAMPLES_MAX)
		samples[sample_count++] = ticks;
}

/* All of the array is there from then on: a long run takes no more memory than a short one. */
void samples_forget(void)
{
	memset(samples, 0, sizeof(samples));
	sample_count = 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* ---- lines ---- */

/* A console that is drained by interrupts must not disturb what is measured next. */
static void settle(void)
{
	sleep_ms(20);
}

static void print_hundredths(int64_t value)
{
	uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;

	dprintf(1, " %s%lu.%02lu", value < 0 ? "-" : "", size / 100, size % 100);
}

void report(const struct metric *metric, const char *suffix, uint64_t operations, const char *unit)
{
	if (sample_count == 0)
		fail(metric, "no samples");
	qsort(samples, sample_count, sizeof(samples[0]), compare);
	dprintf(1, "%s%s", metric->name, suffix);
	print_hundredths((int64_t)(samples[sample_count / 2] * 100 / operations));
	dprintf(1, " %s", unit);
	print_hundredths((int64_t)(samples[0] * 100 / operations));
	print_hundredths((int64_t)(samples[sample_count - 1] * 100 / operations));
	dprintf(1, "\n");
	samples_forget();
	settle();
}

void report_value(const struct metric *metric, const char *suffix, int64_t hundredths,
		  const char *unit)
{
	dprintf(1, "%s%s", metric->name, suffix);
	print_hundredths(hundredths);
	dprintf(1, " %s\n", unit);
	settle();
}

void fail(const struct metric *metric, const char *why)
{
	dprintf(1, "%s failed: %s\n", metric->name, why);
	leave(1);
}

void skip(const struct metric *metric, const char *why)
{
	dprintf(1, "%s skipped: %s\n", metric->name, why);
	leave(0);
}

long must(const struct metric *metric, long result)
{
	if (result == -ENOSYS) {
		dprintf(1, "%s unsupported\n", metric->name);
		leave(1);
	}
	if (result < 0 && result >= -4095)
		fail(metric, strerror((int)-result));
	return result;
}

/* ---- memory ---- */

struct area area_map(const struct metric *metric, uint64_t mib, int flags)
{
	if (mib == 0)
		return (struct area){ 0 };
	size_t bytes = mib * MIB + LARGE;
	long at = must(metric, map_raw(bytes, flags));

	return (struct area){
		.base = (volatile char *)((at + LARGE - 1) & -(long)LARGE),
		.pages = mib * MIB / PAGE,
		.mapped_at = at,
		.mapped_bytes = bytes,
	};
}

void area_unmap(const struct area *area)
{
	unmap_raw(area->mapped_at, area->mapped_bytes);
}

bool area_holds(const struct area *area, char value)
{
	for (uint64_t page = 0; page < area->pages; page++) {
		if (area->base[page * PAGE] != value)
			return false;
	}
	return true;
}

uint64_t free_kib(void)
{
	struct sysinfo info;

	sysinfo(&info);
	return (uint64_t)info.freeram * info.mem_unit / 1024;
}

uint64_t total_kib(void)
{
	struct sysinfo info;

	sysinfo(&info);
	return (uint64_t)info.totalram * info.mem_unit / 1024;
}

/* ---- other processes ---- */

struct pipe_ends pipe_make(const struct metric *metric)
{
	int ends[2];

	must(metric, call3(SYS_pipe2, (long)ends, 0, 0));
	return (struct pipe_ends){ .out = ends[0], .in = ends[1] };
}

void pipe_close(const struct pipe_ends *ends)
{
	close(ends->out);
	close(ends->in);
}

void ask_child(const struct metric *metric, void (*work)(void *argument, uint64_t *answers),
	       void *argument, uint64_t *answers, unsigned count)
{
	struct pipe_ends ends = pipe_make(metric);
	ssize_t size = (ssize_t)(count * sizeof(*answers));
	int pid = (int)must(metric, fork_raw());

	if (pid == 0) {
		work(argument, answers);
		leave(write(ends.in, answers, (size_t)size) != size);
	}
	if (read(ends.out, answers, (size_t)size) != size)
		fail(metric, "the child did not answer");
	wait_for(pid);
	pipe_close(&ends);
}

void sleep_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000L }, NULL);
}
