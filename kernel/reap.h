/* SPDX-License-Identifier: MIT */
/*
 * kernel/reap.h - wait for children.
 */
#pragma once

#include "kernel/process.h"

struct wait_request {
	int which;                      /* P_ALL, P_PID, P_PGID, P_PIDFD */
	int32_t id;
	struct process *process;        /* P_PIDFD: this one; the caller counts it */
	uint32_t options;               /* WEXITED, WSTOPPED, WCONTINUED, WNOHANG, WNOWAIT... */
	bool wants_usage;
	struct thread *reaped;          /* while it is searched: of whom nobody will hear again */
	/* results */
	int32_t pid, status, code;      /* status as wait4 encodes it; code: CLD_ */
	uint32_t uid;
	struct abi_rusage usage;        /* if wanted */
};

/* The child's pid, 0 (WNOHANG and none ready), or -ECHILD, -ERESTARTSYS. */
long process_wait(struct wait_request *request);

/* What getrusage says of times; its other fields are zero. */
void usage_fill(struct abi_rusage *usage, const struct process_times *times);
