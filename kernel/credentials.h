/* SPDX-License-Identifier: MIT */
/*
 * kernel/credentials.h - who somebody is, as far as files and signals care.
 *
 * A process's own are reached by upcall_credentials() from below, so that file systems can ask
 * without knowing what a process is.
 */
#pragma once

#include "lib/types.h"

enum { GROUPS_MAX = 32 };

struct credentials {
	uint32_t uid, euid, suid, fsuid, gid, egid, sgid, fsgid;
	uint32_t group_count;
	uint32_t groups[GROUPS_MAX];
};

/* May it do with files what only the superuser may? */
static inline bool credentials_are_privileged(const struct credentials *who)
{
	return who->fsuid == 0;
}

static inline bool credentials_in_group(const struct credentials *who, uint32_t gid)
{
	if (who->fsgid == gid)
		return true;
	for (uint32_t i = 0; i < who->group_count; i++) {
		if (who->groups[i] == gid)
			return true;
	}
	return false;
}
