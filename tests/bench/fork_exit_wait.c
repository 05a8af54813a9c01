/* SPDX-License-Identifier: MIT */
/* A child that ends at once, waited for. */
#include "bench.h"

static void once(void)
{
	int pid = fork_raw();

	if (pid == 0)
		leave(0);
	wait_for(pid);
}

int main(void)
{
	measure(once);
}
