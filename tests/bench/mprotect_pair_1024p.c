/* SPDX-License-Identifier: MIT */
/* Rights taken and given back, on 1024 touched pages. */
#include "bench.h"

enum { PAGES = 1024 };

static char *memory;

static void once(void)
{
	syscall(SYS_mprotect, memory, PAGES * PAGE, PROT_READ);
	syscall(SYS_mprotect, memory, PAGES * PAGE, PROT_READ | PROT_WRITE);
}

int main(void)
{
	memory = mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < PAGES; i++)
		memory[i * PAGE] = 1;
	measure(once);
}
