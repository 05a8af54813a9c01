/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/bench.c - chooses metrics and runs each in a child.
 *
 *	bench [-s table|curves|locks|latency] [-o GLOB[,GLOB...]] [-p]
 *
 *	-s  which set; the table when none is named
 *	-o  only metrics whose name, or one of whose lines, matches
 *	-p  few rounds and marks, for tools/profile; the one metric of exactly that name
 *
 * As process 1 it prints what booting cost, runs, and switches the machine off.
 */
#include "bench.h"
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { PROFILE_ROUNDS = 12 };

static const struct metric *const parts[] = {
	switch_metrics, fork_metrics, program_metrics, fault_metrics, shared_metrics, range_metrics,
	memory_metrics, lock_metrics, latency_metrics,
};

const char *program_path;

static const char *only = "*";
static enum set chosen_set = SET_TABLE;
static bool wants_profile;

/* ---- which ---- */

/* A metric may print several lines, whose names begin with its own: live_100 prints
 * live_100_leak. */
static bool is_chosen_by(const char *glob, const char *name)
{
	size_t len = strlen(name);

	return fnmatch(glob, name, 0) == 0 || (strncmp(glob, name, len) == 0 && glob[len] == '_');
}

static bool is_chosen(const struct metric *metric)
{
	char globs[512];
	char *rest = globs;

	if (metric->set != chosen_set)
		return false;
	if (wants_profile)
		return strcmp(metric->name, only) == 0;
	snprintf(globs, sizeof(globs), "%s", only);
	for (char *glob; (glob = strsep(&rest, ",")) != NULL;) {
		if (is_chosen_by(glob, metric->name))
			return true;
	}
	return false;
}

/* ---- one ---- */

static void run_in_child(const struct metric *metric)
{
	struct metric mine = *metric;

	is_profiled = wants_profile;
	if (is_profiled && mine.rounds > PROFILE_ROUNDS)
		mine.rounds = PROFILE_ROUNDS;
	mine.measure(&mine);
	leave(0);
}

static void run(const struct metric *metric)
{
	int status;
	pid_t pid = fork_raw();

	if (pid == 0)
		run_in_child(metric);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		dprintf(1, "%s failed: no child\n", metric->name);
	else if (WIFSIGNALED(status))
		dprintf(1, "%s failed: signal %d\n", metric->name, WTERMSIG(status));
}

static void run_all(void)
{
	for (size_t part = 0; part < COUNT(parts); part++) {
		for (const struct metric *metric = parts[part]; metric->name; metric++) {
			if (is_chosen(metric))
				run(metric);
		}
	}
	dprintf(1, "done\n");
}

/* ---- start ---- */

static void calibrate(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 100; i++) {
		uint64_t ticks = clock_stop(clock_start());
		if (ticks < least)
			least = ticks;
	}
	clock_empty = least;
}

static enum set set_named(const char *name)
{
	return strcmp(name, "curves") == 0 ? SET_CURVES
		: strcmp(name, "locks") == 0 ? SET_LOCKS
		: strcmp(name, "latency") == 0 ? SET_LATENCY : SET_TABLE;
}

static bool parse(int argc, char **argv)
{
	for (int option; (option = getopt(argc, argv, "s:o:p")) != -1;) {
		if (option == 's')
			chosen_set = set_named(optarg);
		else if (option == 'o')
			only = optarg;
		else if (option == 'p')
			wants_profile = true;
		else
			return false;
	}
	return true;
}

static void report_boot(uint64_t ticks)
{
	dprintf(1, "\nboot_to_user %lu ticks\n", ticks);
	dprintf(1, "boot_mem_used %lu KiB\n", total_kib() - free_kib());
}

int main(int argc, char **argv)
{
	uint64_t started = ticks_now();
	bool is_first = getpid() == 1;

	program_path = argv[0];
	if (!parse(argc, argv)) {
		dprintf(2, "usage: bench [-s table|curves|locks|latency] "
			   "[-o GLOB[,GLOB...]] [-p]\n");
		return 2;
	}
	if (is_first) {
		report_boot(started);
		mkdir("/proc", 0755);
		mount("proc", "/proc", "proc", 0, NULL);
	}
	calibrate();
	run_all();
	if (is_first) {
		sleep_ms(100);          /* what was printed leaves the machine */
		reboot(RB_POWER_OFF);
	}
	return 0;
}
