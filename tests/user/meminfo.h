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

/* A child that has been waited for may still be giving its memory back. */
static inline void spaces_settle(long long spaces)
{
	while (proc_number("/proc/ledger", "spaces ") != spaces)
		sched_yield();
}
