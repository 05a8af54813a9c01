/* SPDX-License-Identifier: MIT */
/*
 * kernel/selftest.h - the kernel's tests, each followed by the audit.
 */
#pragma once

#include "lib/types.h"

/*
 * Run the tests whose "module.name" matches the glob list, from a task that may sleep, with nothing
 * else going on.  After each, all frames are recounted, and memory, slab objects, spaces and
 * objects must be as many as before.  Returns how many tests failed; -1: this kernel has none.
 */
int selftest_run(const char *globs);

/* selftest= on the command line: run them, then leave QEMU with a status.  A task's function. */
void selftest_and_leave(void *unused);
