/* SPDX-License-Identifier: MIT */
/*
 * kernel/oom.h - out of memory: who has to go.
 */
#pragma once

#include "lib/types.h"

struct process;

enum { OOM_ADJUST_MIN = -1000, OOM_ADJUST_MAX = 1000 };

/*
 * The running task's fault found no memory.  Give back what the kernel only keeps, or else kill the
 * process that frees most (see oom_score), tell why on the console, and wait for it to be gone.
 * May sleep.  0: try again.  -ENOMEM: it is us who die.
 */
int oom_relieve(void);

/*
 * 0 to 1000 and more: how ready the killer is to take this process; 0: it never does.  Two thirds
 * of 1000 + adjustment + the thousandths of all memory that its end would free.  May sleep.
 */
int oom_score(struct process *process);

/* How many were killed since boot. */
uint64_t oom_kills(void);

/* Set the adjustment of a process and of those that share its memory.  -EACCES: only the superuser
 * may go below what he has set. */
MUST_CHECK int oom_set_adjust(struct process *process, int adjust);
