/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/program.c - a program started in a child, and a child on its parent's memory.
 */
#include "bench.h"
#include <stdio.h>
#include <string.h>

static char *const environment[] = { NULL };

static char *arguments[2];

/* In a child of vfork: nothing is written. */
static void exec_nop(void)
{
	call3(SYS_execve, (long)arguments[0], (long)arguments, (long)environment);
	leave(1);
}

/* The other program lies beside this one. */
static void find_nop(void)
{
	static char path[256];
	const char *name = strrchr(program_path, '/');

	snprintf(path, sizeof(path), "%.*s/nop", name ? (int)(name - program_path) : 1,
		 name ? program_path : ".");
	arguments[0] = path;
}

static void check_exec(const struct metric *metric)
{
	int status = -1, pid;

	find_nop();
	pid = (int)must(metric, fork_raw());
	if (pid == 0)
		exec_nop();
	call6(SYS_wait4, pid, (long)&status, 0, 0, 0, 0);
	if (status != 0)
		fail(metric, "exec does not work");
}

/* ---- vfork: the child leaves, or runs another program, before its parent goes on ---- */

/* Functions of their own: a child of vfork may spoil what its parent keeps in registers. */
static __attribute__((noinline)) void vfork_leave(void)
{
	int pid = vfork();

	if (pid == 0)
		leave(0);
	wait_for(pid);
}

static __attribute__((noinline)) void vfork_exec(void)
{
	int pid = vfork();

	if (pid == 0)
		exec_nop();
	wait_for(pid);
}

static void vfork_exit_wait(const struct metric *metric)
{
	for (unsigned i = 0; i <= metric->rounds; i++) {
		uint64_t start = clock_start();
		vfork_leave();
		uint64_t ticks = clock_stop(start);
		if (i > 0)
			sample_add(ticks);
	}
	report(metric, "", 1, "ticks");
}

static void spawn_exec_wait(const struct metric *metric)
{
	check_exec(metric);
	for (unsigned i = 0; i <= metric->rounds; i++) {
		uint64_t start = clock_start();
		vfork_exec();
		uint64_t ticks = clock_stop(start);
		if (i > 0)
			sample_add(ticks);
	}
	report(metric, "", 1, "ticks");
}

/* ---- fork, as a shell does it ---- */

static void fork_exec_wait(const struct metric *metric)
{
	struct area area = area_map(metric, metric->size, MAP_PRIVATE);

	check_exec(metric);
	for (unsigned i = 0; i <= metric->rounds; i++) {
		area_write(&area);
		uint64_t start = clock_start();
		int pid = fork_raw();
		if (pid == 0)
			exec_nop();
		wait_for((int)must(metric, pid));
		uint64_t ticks = clock_stop(start);
		if (i > 0)
			sample_add(ticks);
	}
	report(metric, "", 1, "ticks");
}

const struct metric program_metrics[] = {
	{ "vfork_exit_wait", vfork_exit_wait, 0, 101, SET_TABLE },
	{ "fork_exec_wait", fork_exec_wait, 0, 101, SET_TABLE },
	{ "fork_exec_wait_64m", fork_exec_wait, 64, 15, SET_TABLE },
	{ "spawn_exec_wait", spawn_exec_wait, 0, 101, SET_TABLE },
	{ 0 },
};
