/* SPDX-License-Identifier: MIT */
/* A child that runs a program which ends at once, waited for. */
#include "bench.h"

static void once(void)
{
	static char *const arguments[] = { "/init", "nop", 0 };
	static char *const environment[] = { 0 };
	int pid = fork_raw();

	if (pid == 0) {
		syscall(SYS_execve, arguments[0], arguments, environment);
		leave(1);
	}
	wait_for(pid);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "nop") == 0)
		leave(0);
	measure(once);
}
