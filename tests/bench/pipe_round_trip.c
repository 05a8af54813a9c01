/* SPDX-License-Identifier: MIT */
/* A byte to another process and back. */
#include "bench.h"

static int there[2], back[2];
static char byte;

static void once(void)
{
	syscall(SYS_write, there[1], &byte, 1);
	syscall(SYS_read, back[0], &byte, 1);
}

static void echo(void)
{
	for (;;) {
		syscall(SYS_read, there[0], &byte, 1);
		syscall(SYS_write, back[1], &byte, 1);
	}
}

int main(void)
{
	syscall(SYS_pipe2, there, 0);
	syscall(SYS_pipe2, back, 0);
	if (fork_raw() == 0)
		echo();
	measure(once);
}
