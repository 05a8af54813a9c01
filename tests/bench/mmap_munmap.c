/* SPDX-License-Identifier: MIT */
/* A page of address space that nobody touches. */
#include "bench.h"

static void once(void)
{
	long at = syscall(SYS_mmap, 0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	syscall(SYS_munmap, at, PAGE);
}

int main(void)
{
	measure(once);
}
