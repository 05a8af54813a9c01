/* SPDX-License-Identifier: MIT */
/*
 * kernel/exec.h - replace a program.
 *
 * The new space is built unpublished, its stack written through the direct map; only when all of it
 * stands does the point of no return come: other threads die, the space is switched, the old one is
 * put.
 */
#pragma once

#include "fs/path.h"
#include "kernel/process.h"

/* Once at boot, after slabs. */
void programs_start(void);

/* Argument strings in kernel memory: NULL-terminated vectors.  0 or a negative errno; after success
 * the running task returns into the new program. */
MUST_CHECK int program_exec(const struct path *start, const char *name,
			    char *const argv[], char *const envp[]);

/* execve(2), execveat(2): the same with vectors in the running program's memory.  flags:
 * AT_EMPTY_PATH (an empty name means `start` itself), AT_SYMLINK_NOFOLLOW. */
struct exec_request {
	virt_t argv, envp;
	int flags;
};
MUST_CHECK int program_exec_user(const struct path *start, const char *name,
				 const struct exec_request *request);
