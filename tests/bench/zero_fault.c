/* SPDX-License-Identifier: MIT */
/* A first write to a page. */
#include "bench.h"

static char *memory;

static void once(void)
{
	static int next;

	memory[next++ * PAGE] = 1;
}

int main(void)
{
	size_t size = (REPETITIONS + WARM_UP) * PAGE;

	memory = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	measure(once);
}
