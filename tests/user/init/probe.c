/* SPDX-License-Identifier: MIT */
/*
 * tests/user/init/probe.c - a first program that tells what it was given.
 *
 * Prints its arguments, its environment, the number of CPUs and the memory, then switches the
 * machine off; with PROBE=exit in its environment it ends instead, which the kernel must not
 * survive.  With PROBE=huge it first uses a page of 1 GiB, and lets a child see it; with
 * PROBE=audit it has all of memory recounted.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
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

static const char *use_huge_page(void)
{
	size_t size = (size_t)1 << 30;
	volatile char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 30 << 26, -1, 0);
	int status;

	if (memory == MAP_FAILED)
		return "none";
	memory[0] = 'a';
	memory[size - 1] = 'z';
	if (memory[size / 2] != 0 || (uintptr_t)memory % size != 0)
		return "wrong";
	pid_t child = fork();
	if (child == 0)
		_exit(memory[0] == 'a' && memory[size - 1] == 'z' ? 0 : 1);
	if (waitpid(child, &status, 0) != child || status != 0)
		return "lost";
	memory[1] = 'b';                /* ours again: there is no page for a copy */
	return munmap((void *)memory, size) == 0 ? "used" : "stuck";
}

static const char *audit(void)
{
	static char text[400];

	if (mount("proc", "/proc", "proc", 0, NULL) < 0)
		return "cannot mount /proc";
	FILE *file = fopen("/proc/audit", "r");
	if (!file || !fgets(text, sizeof(text), file))
		return "cannot read /proc/audit";
	text[strcspn(text, "\n")] = 0;
	fclose(file);
	return text;
}

static volatile sig_atomic_t heard;

static void hear(int number)
{
	heard = number;
}

/* It is the first of the group that it signals. */
static const char *signal_own_group(void)
{
	signal(SIGUSR1, hear);
	return kill(0, SIGUSR1) == 0 && heard ? "heard" : "lost";
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
	printf("probe: signal to its group %s\n", signal_own_group());
	printf("probe: memory %ld\n", memory_mib());
	if (task && strcmp(task, "huge") == 0)
		printf("probe: huge page %s\n", use_huge_page());
	if (task && strcmp(task, "audit") == 0)
		printf("probe: audit %s\n", audit());
	fflush(stdout);

	if (task && strcmp(task, "exit") == 0)
		return 3;
	reboot(RB_POWER_OFF);
	return 1;
}
