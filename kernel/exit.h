/* SPDX-License-Identifier: MIT */
/*
 * kernel/exit.h - leave, be waited for.
 */
#pragma once

#include "kernel/process.h"

/* The running thread ends; the last one ends the process with `status` (wait status encoding). */
NORETURN void thread_exit(int status);
/* All threads end. */
NORETURN void process_exit(int status);
/* Make every other thread of the running process die and wait until they have: exec. -EINTR if we are to die ourselves. */
int process_kill_other_threads(void);

struct wait_request {
	int which;                      /* P_ALL, P_PID, P_PGID */
	int32_t id;
	int options;                    /* WEXITED, WSTOPPED, WCONTINUED, WNOHANG, WNOWAIT, __WALL... */
	/* results */
	int32_t pid, uid, status, code; /* status as wait4 encodes it; code: CLD_ */
	struct abi_rusage usage;
};
/* The child's pid, 0 (WNOHANG and none ready), or -ECHILD, -ERESTARTSYS. */
long process_wait(struct wait_request *request);
