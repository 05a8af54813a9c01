/* SPDX-License-Identifier: MIT */
/* A heap that grows by a page. */
#include "bench.h"

static long top;

static void once(void)
{
	top += PAGE;
	syscall(SYS_brk, top);
}

int main(void)
{
	top = (syscall(SYS_brk, 0) + PAGE - 1) & -PAGE;
	measure(once);
}
