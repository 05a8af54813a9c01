/* SPDX-License-Identifier: MIT */
/*
 * user/copies.c - forks, and has the child write: something to be traced, see docs/TRACE.md.
 *
 *   copies [-t] [PAGES]     -t: the child first asks /proc/trace for its own copies of the pages
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES_MAX = 1 << 18 };

/* Each page is new, and filled with zeros before this byte is written. */
__attribute__((noinline, noclone)) static void fill(volatile char *memory, int pages)
{
	for (int i = 0; i < pages; i++)
		memory[i * PAGE] = 'p';
}

/* Each page is shared with the parent, and copied before this byte is written. */
__attribute__((noinline, noclone)) static void overwrite(volatile char *memory, int pages)
{
	for (int i = 0; i < pages; i++)
		memory[i * PAGE] = 'c';
}

static void trace_myself(const char *memory, int pages)
{
	char words[128];
	int len = snprintf(words, sizeof words, "off clear frame_copy pid=%d range=%#lx-%#lx",
			   (int)getpid(), (long)memory, (long)memory + (long)pages * PAGE);
	int fd = open("/proc/trace", O_WRONLY);

	if (fd < 0 || write(fd, words, len) != len)
		perror("/proc/trace");
}

int main(int argc, char **argv)
{
	int is_traced = argc > 1 && strcmp(argv[1], "-t") == 0;
	int pages = argc > 1 + is_traced ? atoi(argv[1 + is_traced]) : 100;

	if (pages < 1 || pages > PAGES_MAX) {
		fprintf(stderr, "copies [-t] [PAGES]\n");
		return 2;
	}
	char *memory = mmap(NULL, (size_t)pages * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		perror("copies");
		return 1;
	}
	madvise(memory, (size_t)pages * PAGE, MADV_NOHUGEPAGE);  /* one page, one fault */
	fill(memory, pages);
	pid_t child = fork();
	if (child == 0) {
		if (is_traced)
			trace_myself(memory, pages);
		overwrite(memory, pages);
		_exit(0);
	}
	if (child < 0 || waitpid(child, NULL, 0) != child) {
		perror("copies");
		return 1;
	}
	printf("child %d wrote %d pages at %p\n", (int)child, pages, memory);
	return 0;
}
