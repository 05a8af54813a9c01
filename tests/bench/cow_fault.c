/* SPDX-License-Identifier: MIT */
/* A write to a page that a child still holds. */
#include "bench.h"

static char *memory;

static void once(void)
{
	static int next;

	memory[next++ * PAGE] = 2;
}

int main(void)
{
	size_t size = (REPETITIONS + WARM_UP) * PAGE;

	memory = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(memory, 1, size);
	if (fork_raw() == 0)
		for (;;)
			pause();
	syscall(SYS_sched_yield);
	measure(once);
}
