/* SPDX-License-Identifier: MIT */
/*
 * tests/user/init/known.c - a process of which one knows exactly what tools should say of it.
 *
 * A mapping of 1000 pages, all touched; a child that shares 300 of them, for the parent has written
 * to the other 700 since; three threads; everybody asleep.  Prints its number, the child's and
 * where the mapping is.  The child goes when the parent does.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 1000, SHARED = 300, THREADS = 3 };

static void *sleep_for_ever(void *argument)
{
	for (;;)
		pause();
	return argument;
}

static void check(int condition, const char *what)
{
	if (condition)
		return;
	perror(what);
	exit(1);
}

/* A page without rights stands on both sides, so that nothing merges with it. */
static volatile char *island_new(void)
{
	char *sea = mmap(NULL, (PAGES + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(sea != MAP_FAILED, "mmap");
	check(mprotect(sea + PAGE, PAGES * PAGE, PROT_READ | PROT_WRITE) == 0, "mprotect");
	check(madvise(sea + PAGE, PAGES * PAGE, MADV_NOHUGEPAGE) == 0, "madvise");
	return sea + PAGE;
}

int main(void)
{
	volatile char *island = island_new();
	pthread_t thread;
	int life[2];
	char byte;

	check(pipe(life) == 0, "pipe");
	for (int i = 0; i < PAGES; i++)
		island[i * PAGE] = 'a';
	pid_t child = fork();
	check(child >= 0, "fork");
	if (child == 0) {
		close(life[1]);
		check(read(life[0], &byte, 1) == 0, "read");
		_exit(0);
	}
	for (int i = SHARED; i < PAGES; i++)
		island[i * PAGE] = 'b';
	for (int i = 1; i < THREADS; i++)
		check(pthread_create(&thread, NULL, sleep_for_ever, NULL) == 0, "pthread_create");
	printf("%d %d %08lx\n", (int)getpid(), (int)child, (unsigned long)(uintptr_t)island);
	fflush(stdout);
	sleep_for_ever(NULL);
}
