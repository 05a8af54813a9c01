/* SPDX-License-Identifier: MIT */
/*
 * kernel/oom.h - out of memory: who has to go.
 */
#pragma once

#include "lib/types.h"

/*
 * The running task's fault found no memory.  Give back what the kernel only keeps, or else kill the
 * process with the largest resident set (never init) and wait for it to be gone.  May sleep.
 * 0: try again.  -ENOMEM: it is us who die, or nobody is left to be killed.
 */
int oom_relieve(void);
