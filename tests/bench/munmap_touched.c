/* SPDX-License-Identifier: MIT */
/* 256 pages mapped, written to and given back. */
#include "bench.h"

enum { PAGES = 256 };

static void once(void)
{
	char *memory = (char *)syscall(SYS_mmap, 0, PAGES * PAGE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < PAGES; i++)
		memory[i * PAGE] = 1;
	syscall(SYS_munmap, memory, PAGES * PAGE);
}

int main(void)
{
	measure(once);
}
