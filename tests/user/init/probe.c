/* SPDX-License-Identifier: MIT */
/*
 * tests/user/init/probe.c - a first program that tells what it was given.
 *
 * Prints its arguments, its environment, the number of CPUs and the memory, then switches the
 * machine off; with PROBE=exit in its environment it ends instead, which the kernel must not
 * survive.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

extern char **environ;

static int cpu_count(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	return sched_getaffinity(0, sizeof(set), &set) < 0 ? -1 : CPU_COUNT(&set);
}

static long memory_mib(void)
{
	struct sysinfo info;

	return sysinfo(&info) < 0 ? -1 : (long)(info.totalram * info.mem_unit >> 20);
}

int main(int argc, char **argv)
{
	struct utsname name;
	const char *task = getenv("PROBE");

	printf("probe: pid %d\n", (int)getpid());
	for (int i = 1; i < argc; i++)
		printf("probe: argument %s\n", argv[i]);
	for (char **word = environ; *word; word++)
		printf("probe: environment %s\n", *word);
	if (uname(&name) == 0)
		printf("probe: machine %s\n", name.machine);
	printf("probe: cpus %d\n", cpu_count());
	printf("probe: memory %ld\n", memory_mib());
	fflush(stdout);

	if (task && strcmp(task, "exit") == 0)
		return 3;
	reboot(RB_POWER_OFF);
	return 1;
}
