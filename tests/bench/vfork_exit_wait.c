/* SPDX-License-Identifier: MIT */
/* A child on its parent's memory that ends at once, waited for. */
#include "bench.h"

static char stack[4096] __attribute__((aligned(16)));

static int child(void *unused)
{
	(void)unused;
	leave(0);
	return 0;
}

static void once(void)
{
	wait_for(clone(child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, 0));
}

int main(void)
{
	measure(once);
}
