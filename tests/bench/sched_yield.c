/* SPDX-License-Identifier: MIT */
/* Another process and back, by sched_yield. */
#include "bench.h"

static void once(void)
{
	syscall(SYS_sched_yield);
}

int main(void)
{
	if (fork_raw() == 0)
		for (;;)
			syscall(SYS_sched_yield);
	measure(once);
}
