/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/switch.c - into the kernel and back, and from one process to another.
 */
#include "bench.h"

enum { WARM_UP = 20, YIELDS = 2000 };

/* Is a tick an instruction?  What sets up the loop is lost in rounding. */
static void calibrate(const struct metric *metric)
{
	for (unsigned i = 0; i < metric->rounds; i++)
		sample_add(clock_of_loop(50000) / 100);
	report(metric, "", 1, "ticks/1000instr");
}

static void null_syscall(const struct metric *metric)
{
	for (unsigned i = 0; i < metric->rounds; i++) {
		uint64_t start = clock_start();
		call0(SYS_getppid);
		sample_add(clock_stop(start));
	}
	report(metric, "", 1, "ticks");
}

/* ---- pipes ---- */

/* Written and read by the same process.  Size: bytes. */
static void pipe_self(const struct metric *metric)
{
	static char bytes[PAGE];
	struct pipe_ends ends = pipe_make(metric);

	bytes[0] = 1;
	for (unsigned i = 0; i < metric->rounds; i++) {
		uint64_t start = clock_start();
		call3(SYS_write, ends.in, (long)bytes, (long)metric->size);
		call3(SYS_read, ends.out, (long)bytes, (long)metric->size);
		sample_add(clock_stop(start));
	}
	report(metric, "", 1, "ticks");
}

static void echo(const struct pipe_ends *there, const struct pipe_ends *back)
{
	char byte;

	close(there->in);
	while (call3(SYS_read, there->out, (long)&byte, 1) == 1)
		call3(SYS_write, back->in, (long)&byte, 1);
	leave(0);
}

static void pipe_round_trip(const struct metric *metric)
{
	struct pipe_ends there = pipe_make(metric), back = pipe_make(metric);
	int pid = (int)must(metric, fork_raw());
	char byte = 0;

	if (pid == 0)
		echo(&there, &back);
	for (unsigned i = 0; i < metric->rounds + WARM_UP; i++) {
		uint64_t start = clock_start();
		call3(SYS_write, there.in, (long)&byte, 1);
		call3(SYS_read, back.out, (long)&byte, 1);
		uint64_t ticks = clock_stop(start);
		if (i >= WARM_UP)
			sample_add(ticks);
	}
	pipe_close(&there);
	wait_for(pid);
	report(metric, "", 1, "ticks");
}

/* ---- sched_yield ---- */

static void yield_alone(const struct metric *metric)
{
	for (unsigned i = 0; i < metric->rounds; i++) {
		uint64_t start = clock_start();
		call0(SYS_sched_yield);
		sample_add(clock_stop(start));
	}
	report(metric, "", 1, "ticks");
}

struct turns {
	volatile uint64_t taken, is_over;
};

static void take_turns(struct turns *turns)
{
	while (!turns->is_over) {
		turns->taken++;
		call0(SYS_sched_yield);
	}
	leave(0);
}

/* Two yields and two switches.  A fair scheduler may let a new child wait for a while, so it has
 * had some turns before the clock starts. */
static void yield_pingpong(const struct metric *metric)
{
	struct turns *turns = (struct turns *)must(metric, map_raw(PAGE, MAP_SHARED));
	int pid = (int)must(metric, fork_raw());

	if (pid == 0)
		take_turns(turns);
	while (turns->taken < WARM_UP)
		call0(SYS_sched_yield);
	uint64_t before = turns->taken, start = clock_start();
	for (unsigned i = 0; i < metric->rounds; i++)
		call0(SYS_sched_yield);
	uint64_t ticks = clock_stop(start), taken = turns->taken - before;
	turns->is_over = 1;
	wait_for(pid);
	if (taken == 0)
		fail(metric, "the other had no turn");
	report_value(metric, "", (int64_t)(ticks * 100 / taken), "ticks/pair");
}

const struct metric switch_metrics[] = {
	{ "calib_instr_x1000", calibrate, 0, 21, SET_TABLE },
	{ "null_syscall", null_syscall, 0, 501, SET_TABLE },
	{ "pipe_self_1b", pipe_self, 1, 201, SET_TABLE },
	{ "pipe_self_4096b", pipe_self, 4096, 201, SET_TABLE },
	{ "pipe_round_trip", pipe_round_trip, 0, 401, SET_TABLE },
	{ "sched_yield_alone", yield_alone, 0, 201, SET_TABLE },
	{ "sched_yield_pingpong", yield_pingpong, 0, YIELDS, SET_TABLE },
	{ 0 },
};
