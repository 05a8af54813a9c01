/* SPDX-License-Identifier: MIT */
/*
 * kernel/exec.h - replace a program.
 *
 * The new space is built unpublished, its stack written through the direct map; only when all of it
 * stands does the point of no return come: other threads die, the space is switched, the old one is put.
 */
#pragma once

#include "fs/file.h"
#include "kernel/process.h"

/* Argument strings in kernel memory: NULL-terminated vectors.  0 or a negative errno; after success the
 * running task returns into the new program. */
int program_exec(const struct path *start, const char *name, char *const argv[], char *const envp[]);

/* execve(2), execveat(2): the vectors are the program's. */
long exec_from_user(int dirfd, virt_t name, virt_t argv, virt_t envp, int flags);
