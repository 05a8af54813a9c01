/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/locks.c - how much of their work several processors spend spinning for locks.
 *
 * As many workers as there are processors do the same at once.  /proc/lockstat, a file that only
 * Cowbell has, tells for each rank of locks how often somebody waited and looked, and for how long.
 * Where ticks are instructions the share is of all instructions executed: processors take turns
 * there, and who spins gives way.  Elsewhere it is of the time of all processors.
 *
 * A kernel that measures it (TAIL=1) tells in /proc/tail how long the locks of each rank were held.
 * With one processor, where nothing else disturbs, that share of its work says how many processors
 * could do the same before they wait for each other: tests/harness/scaling.py.
 */
#include "bench.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS_MAX = 64, RANKS_MAX = 64, WORKER_MIB = 4 };

/* What spin_wait() in kernel/spinlock.c executes for each wait, and for each look. */
enum { WAIT_INSTRUCTIONS = 28, LOOK_INSTRUCTIONS = 6 };

static unsigned worker_count(void)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	return processors > WORKERS_MAX ? WORKERS_MAX : (unsigned)processors;
}

/* ---- /proc/lockstat ---- */

struct rank {
	char name[24];
	uint64_t waits, looks, ticks;
	uint64_t held;                  /* ticks */
};

struct lockstat {
	struct rank ranks[RANKS_MAX];
	unsigned count;
	uint64_t elapsed;               /* ticks by which `held` was measured; 0: it was not */
};

static struct rank *rank_named(struct lockstat *stat, const char *name)
{
	for (unsigned i = 0; i < stat->count; i++) {
		if (strcmp(stat->ranks[i].name, name) == 0)
			return &stat->ranks[i];
	}
	return NULL;
}

static void tail_restart(void)
{
	FILE *file = fopen("/proc/tail", "w");

	if (file) {
		fputs("restart\n", file);
		fclose(file);
	}
}

static void tail_read(struct lockstat *stat)
{
	FILE *file = fopen("/proc/tail", "r");
	char line[512], name[24];
	uint64_t held;

	stat->elapsed = 0;
	while (file && fgets(line, sizeof(line), file)) {
		struct rank *rank = sscanf(line, "held %23s %*u %lu", name, &held) == 2
			? rank_named(stat, name) : NULL;
		if (rank)
			rank->held = held;
		sscanf(line, "elapsed %lu", &stat->elapsed);
	}
	if (file)
		fclose(file);
}

static void lockstat_read(const struct metric *metric, struct lockstat *stat)
{
	FILE *file = fopen("/proc/lockstat", "r");
	char line[128];

	stat->count = 0;
	if (!file) {
		dprintf(1, "%s unsupported\n", metric->name);
		leave(0);
	}
	while (fgets(line, sizeof(line), file) && stat->count < RANKS_MAX) {
		struct rank *rank = &stat->ranks[stat->count];
		rank->held = 0;
		if (sscanf(line, "%23s %lu %lu %lu", rank->name, &rank->waits, &rank->looks,
			   &rank->ticks) == 4)
			stat->count++;
	}
	fclose(file);
	tail_read(stat);
}

/* What waiting for locks of one rank took, in ticks that all processors share, or in those of
 * each. */
static uint64_t spent(const struct rank *before, const struct rank *after)
{
	if (!clock_counts_instructions())
		return after->ticks - before->ticks;
	return (after->waits - before->waits) * WAIT_INSTRUCTIONS
		+ (after->looks - before->looks) * LOOK_INSTRUCTIONS;
}

static void held_report(const struct metric *metric, const struct lockstat *before,
			const struct lockstat *after)
{
	char suffix[48];

	for (unsigned i = 0; i < after->count && before->elapsed; i++) {
		uint64_t held = after->ranks[i].held - before->ranks[i].held;
		snprintf(suffix, sizeof(suffix), "_held_%s", after->ranks[i].name);
		if (held > 0)
			report_value(metric, suffix, (int64_t)(held * 10000
				/ (after->elapsed - before->elapsed)), "%");
	}
}

static void lockstat_report(const struct metric *metric, const struct lockstat *before,
			    const struct lockstat *after, uint64_t ticks)
{
	uint64_t whole = clock_counts_instructions() ? ticks : ticks * worker_count();
	uint64_t total = 0, waits = 0;
	char suffix[32];

	for (unsigned i = 0; i < after->count; i++) {
		uint64_t part = spent(&before->ranks[i], &after->ranks[i]) * 10000 / whole;
		snprintf(suffix, sizeof(suffix), "_%s", after->ranks[i].name);
		if (part > 0)
			report_value(metric, suffix, (int64_t)part, "%");
		total += spent(&before->ranks[i], &after->ranks[i]);
		waits += after->ranks[i].waits - before->ranks[i].waits;
	}
	report_value(metric, "_waits", (int64_t)waits * 100, "waits");
	report_value(metric, "", (int64_t)(total * 10000 / whole), "%");
}

/* ---- workers that start together ---- */

static void worker_run(const struct metric *metric, const struct pipe_ends *gate,
		       void (*work)(const struct metric *metric))
{
	char byte;

	close(gate->in);
	call3(SYS_read, gate->out, (long)&byte, 1);     /* until the gate opens */
	work(metric);
	leave(0);
}

static void run_workers(const struct metric *metric, unsigned count,
			void (*work)(const struct metric *metric))
{
	static struct lockstat before, after;
	struct pipe_ends gate = pipe_make(metric);

	for (unsigned i = 0; i < count; i++) {
		if (must(metric, fork_raw()) == 0)
			worker_run(metric, &gate, work);
	}
	tail_restart();
	lockstat_read(metric, &before);
	uint64_t start = clock_start();
	pipe_close(&gate);
	for (unsigned i = 0; i < count; i++)
		wait_for(-1);
	uint64_t ticks = clock_stop(start);
	lockstat_read(metric, &after);
	report_value(metric, "_ticks", (int64_t)(ticks * 100), "ticks");
	lockstat_report(metric, &before, &after, ticks);
	held_report(metric, &before, &after);
}

/* ---- what they do ---- */

static void fault_often(const struct metric *metric)
{
	for (unsigned i = 0; i < metric->rounds; i++) {
		struct area area = area_map(metric, WORKER_MIB, MAP_PRIVATE);
		area_write(&area);
		area_unmap(&area);
	}
}

static void private_faults(const struct metric *metric)
{
	run_workers(metric, worker_count(), fault_often);
}

static void fork_often(const struct metric *metric)
{
	struct area area = area_map(metric, WORKER_MIB, MAP_PRIVATE);

	for (unsigned i = 0; i < metric->rounds; i++) {
		area_write(&area);
		int pid = (int)must(metric, fork_raw());
		if (pid == 0) {
			area_write(&area);
			leave(0);
		}
		wait_for(pid);
	}
}

static void fork_storm(const struct metric *metric)
{
	run_workers(metric, worker_count(), fork_often);
}

/* Nothing but processes that come and go. */
static void fork_and_leave_often(const struct metric *metric)
{
	for (unsigned i = 0; i < metric->rounds; i++) {
		int pid = (int)must(metric, fork_raw());
		if (pid == 0)
			leave(0);
		wait_for(pid);
	}
}

static void fork_exit(const struct metric *metric)
{
	run_workers(metric, worker_count(), fork_and_leave_often);
}

static void talk_often(const struct metric *metric)
{
	struct pipe_ends there = pipe_make(metric), back = pipe_make(metric);
	int pid = (int)must(metric, fork_raw());
	bool is_first = pid != 0;
	char byte = 0;

	for (unsigned i = 0; i < metric->rounds; i++) {
		if (is_first)
			call3(SYS_write, there.in, (long)&byte, 1);
		call3(SYS_read, is_first ? back.out : there.out, (long)&byte, 1);
		if (!is_first)
			call3(SYS_write, back.in, (long)&byte, 1);
	}
	if (!is_first)
		leave(0);
	wait_for(pid);
}

static void pipe_pairs(const struct metric *metric)
{
	run_workers(metric, worker_count(), talk_often);
}

/* ---- threads: the faults of one space ---- */

static void *thread_faults(void *area)
{
	area_write(area);
	return NULL;
}

/* Each thread its own part of one range. */
static void thread_faults_often(const struct metric *metric)
{
	unsigned count = worker_count();
	pthread_t threads[WORKERS_MAX];
	struct area parts[WORKERS_MAX];

	for (unsigned round = 0; round < metric->rounds; round++) {
		struct area area = area_map(metric, (uint64_t)WORKER_MIB * count, MAP_PRIVATE);
		for (unsigned i = 0; i < count; i++) {
			parts[i].pages = area.pages / count;
			parts[i].base = area.base + i * parts[i].pages * PAGE;
			if (pthread_create(&threads[i], NULL, thread_faults, &parts[i]) != 0)
				fail(metric, "no thread");
		}
		for (unsigned i = 0; i < count; i++)
			pthread_join(threads[i], NULL);
		area_unmap(&area);
	}
}

static void thread_storm(const struct metric *metric)
{
	run_workers(metric, 1, thread_faults_often);
}

const struct metric lock_metrics[] = {
	{ "spin_private_faults", private_faults, 0, 60, SET_LOCKS },
	{ "spin_fork_storm", fork_storm, 0, 100, SET_LOCKS },
	{ "spin_fork_exit", fork_exit, 0, 1000, SET_LOCKS },
	{ "spin_pipe_pairs", pipe_pairs, 0, 5000, SET_LOCKS },
	{ "spin_thread_faults", thread_storm, 0, 40, SET_LOCKS },
	{ 0 },
};
