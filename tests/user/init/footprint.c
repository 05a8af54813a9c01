/* SPDX-License-Identifier: MIT */
/*
 * tests/user/init/footprint.c - the first program of a boot that measures what a live child costs.
 *
 * Arguments: how many MiB of its own this program touches first; how many children at most.
 * Forks 100 children that sleep, then 1000 and so on, and prints what became of the memory:
 *
 *   footprint: children 100 MemFree -4012 AnonPages 800 PageTables 1600 ... (KiB)
 *   footprint: children 100 slab task objects 100 bytes 140800
 *
 * The second line once for each cache that grew.  Then the machine is switched off.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CACHES_MAX = 64, LINES = 6 };

static const char *const lines[LINES] = { "MemFree:", "AnonPages:", "PageTables:", "KernelStack:",
	"Slab:", "Committed_AS:" };

struct cache {
	char name[32];
	long objects, size;
};

static struct look {
	long kib[LINES];
	struct cache caches[CACHES_MAX];
	int cache_count;
} before, after;

static void fail(const char *what)
{
	printf("footprint: %s: %s\n", what, strerror(errno));
	reboot(RB_POWER_OFF);
}

static char *read_all(const char *path)
{
	static char text[64 * 1024];
	size_t len = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		fail(path);
	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	text[len] = '\0';
	return text;
}

static void look_at_slabs(struct look *look)
{
	char *line = read_all("/proc/slabinfo");

	look->cache_count = 0;
	for (; line && look->cache_count < CACHES_MAX; line = strchr(line, '\n')) {
		struct cache *cache = &look->caches[look->cache_count];

		line += *line == '\n';
		if (sscanf(line, "%31s %ld %*d %ld", cache->name, &cache->objects,
			    &cache->size) == 3)
			look->cache_count++;
	}
}

static void look_around(struct look *look)
{
	look_at_slabs(look);
	char *text = read_all("/proc/meminfo");
	for (int i = 0; i < LINES; i++)
		look->kib[i] = atol(strstr(text, lines[i]) + strlen(lines[i]));
}

static void tell(int children)
{
	printf("footprint: children %d", children);
	for (int i = 0; i < LINES; i++)
		printf(" %.*s %ld", (int)strlen(lines[i]) - 1, lines[i],
			after.kib[i] - before.kib[i]);
	printf("\n");
	for (int i = 0; i < after.cache_count; i++) {
		const struct cache *cache = &after.caches[i];
		long objects = cache->objects - before.caches[i].objects;

		if (objects >= children)
			printf("footprint: children %d slab %s objects %ld bytes %ld\n", children,
				cache->name, objects, objects * cache->size);
	}
}

/* Each child says that it has come to where it sleeps, by a byte; that it sleeps is soon true. */
static void fork_children(int children, int *gate)
{
	int ready[2];
	char byte = 0;

	if (pipe(ready) < 0)
		fail("pipe");
	for (int i = 0; i < children; i++) {
		pid_t pid = fork();

		if (pid < 0)
			fail("fork");
		if (pid == 0) {
			close(gate[1]);
			if (write(ready[1], &byte, 1) != 1 || read(gate[0], &byte, 1) != 0)
				_exit(1);
			_exit(0);
		}
		if (read(ready[0], &byte, 1) != 1)
			fail("read");
	}
	close(ready[0]);
	close(ready[1]);
}

static void measure(int children)
{
	int gate[2];

	look_around(&after);                    /* what looking takes is there already */
	look_around(&before);
	look_around(&before);
	if (pipe(gate) < 0)
		fail("pipe");
	fork_children(children, gate);
	look_around(&after);
	tell(children);
	close(gate[1]);
	close(gate[0]);
	while (wait(NULL) > 0)
		;
}

static void touch(size_t mebibytes)
{
	volatile char *memory = malloc(mebibytes << 20);

	if (!memory)
		fail("malloc");
	for (size_t at = 0; at < mebibytes << 20; at += 4096)
		memory[at] = 'x';
}

int main(int argc, char **argv)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	int most = argc > 2 ? atoi(argv[2]) : 10000;

	mkdir("/proc", 0755);
	if (mount("proc", "/proc", "proc", 0, NULL) < 0)
		fail("/proc");
	setrlimit(RLIMIT_NPROC, &all);
	if (argc > 1 && atoi(argv[1]) > 0)
		touch((size_t)atoi(argv[1]));
	for (int children = 100; children <= most; children *= 10)
		measure(children);
	reboot(RB_POWER_OFF);
}
