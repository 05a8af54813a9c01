/* SPDX-License-Identifier: MIT */
/* The same, the child on its parent's memory until it has its own. */
#include "bench.h"

static char stack[4096] __attribute__((aligned(16)));

static int child(void *unused)
{
	static char *const arguments[] = { "/init", "nop", 0 };
	static char *const environment[] = { 0 };

	(void)unused;
	syscall(SYS_execve, arguments[0], arguments, environment);
	leave(1);
	return 0;
}

static void once(void)
{
	wait_for(clone(child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, 0));
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "nop") == 0)
		leave(0);
	measure(once);
}
