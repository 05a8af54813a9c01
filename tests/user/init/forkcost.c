/* SPDX-License-Identifier: MIT */
/*
 * tests/user/init/forkcost.c - a first program that counts the instructions of fork().
 *
 * Under QEMU's -icount shift=0 the cycle counter advances by one for each instruction.  For several
 * sizes of touched memory prints, in instructions and the least of some rounds,
 *
 *   forkcost: MIB FORK LIFE
 *
 * FORK: fork() as the parent sees it.  LIFE: from before fork() until the child, which exits at
 * once, was waited for.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 5, PAGE = 4096 };

static const size_t sizes_mib[] = {0, 16, 64, 256};

struct cost {
	uint64_t fork, life;
};

static uint64_t instructions(void)
{
	return __builtin_ia32_rdtsc();
}

static struct cost measure(void)
{
	struct cost least = {UINT64_MAX, UINT64_MAX};

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = instructions();
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		uint64_t forked = instructions();
		waitpid(pid, NULL, 0);
		uint64_t waited = instructions();

		if (forked - start < least.fork)
			least.fork = forked - start;
		if (waited - start < least.life)
			least.life = waited - start;
	}
	return least;
}

static void touch(volatile char *memory, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += PAGE)
		memory[at] = 1;
}

static void report(size_t mib)
{
	size_t bytes = mib << 20;
	char *memory = mmap(NULL, bytes + PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		printf("forkcost: no memory for %zu MiB\n", mib);
		return;
	}
	touch(memory, bytes);
	struct cost cost = measure();
	munmap(memory, bytes + PAGE);

	printf("forkcost: %zu %llu %llu\n", mib, (unsigned long long)cost.fork,
		(unsigned long long)cost.life);
}

int main(void)
{
	printf("forkcost: started at %llu\n", (unsigned long long)instructions());
	for (size_t i = 0; i < sizeof(sizes_mib) / sizeof(sizes_mib[0]); i++)
		report(sizes_mib[i]);
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 1;
}
