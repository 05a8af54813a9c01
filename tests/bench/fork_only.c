/* SPDX-License-Identifier: MIT */
/* fork alone: the child, which comes later, is not between two marks of its parent. */
#include "bench.h"

static int children[REPETITIONS + WARM_UP], made;

/* They wait for the end of the pipe's only writer. */
static int gate[2];

static void once(void)
{
	int pid = fork_raw();

	if (pid == 0) {
		char byte;
		syscall(SYS_close, gate[1]);
		syscall(SYS_read, gate[0], &byte, 1);
		leave(0);
	}
	children[made++] = pid;
}

int main(void)
{
	syscall(SYS_pipe2, gate, 0);
	measure(once);
}
