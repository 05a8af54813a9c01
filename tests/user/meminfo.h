/* SPDX-License-Identifier: MIT */
/*
 * tests/user/meminfo.h - all of /proc/meminfo at one moment, and what changed until another.
 */
#pragma once

#include "memory.h"

static struct meminfo {
	char text[8192];
} before, after;

static inline void meminfo_read(struct meminfo *info)
{
	int fd = open("/proc/meminfo", O_RDONLY);
	ssize_t len = read(fd, info->text, sizeof(info->text) - 1);

	CHECK(len > 0);
	info->text[len] = '\0';
	close(fd);
}

static inline long long kib(const struct meminfo *info, const char *name)
{
	const char *at = strstr(info->text, name);

	CHECK(at);
	return strtoll(at + strlen(name), NULL, 10);
}

static inline long long growth(const char *name)
{
	return kib(&after, name) - kib(&before, name);
}

/* A child that has been waited for may still be on its stack.  Go and run on every processor: there
 * it has left then. */
static inline void stacks_settle(void)
{
	cpu_set_t allowed;

	CHECK_EQ(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		cpu_set_t one;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		CHECK_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
		CHECK_EQ(sched_getcpu(), cpu);
	}
	CHECK_EQ(sched_setaffinity(0, sizeof(allowed), &allowed), 0);
}

/* A child that has been waited for may still be giving its memory back. */
static inline void spaces_settle(long long spaces)
{
	while (proc_number("/proc/ledger", "spaces ") != spaces)
		sched_yield();
}
