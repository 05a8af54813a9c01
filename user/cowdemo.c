/* SPDX-License-Identifier: MIT */
/*
 * user/cowdemo.c - a guided tour of copy-on-write, in the shell.
 *
 * Forks, writes, and prints from /proc what was shared, copied and reused: real frame numbers, real
 * counts.  An ordinary Linux program; it needs Cowbell's /proc/PID/tree and /proc/PID/cow.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGES = 4, PAGE = 4096, TABLE_SPAN = 2 << 20 };

static char *memory;
static int step;

/* `text` is one paragraph; it is set in lines of at most 76 columns. */
static void say(const char *title, const char *text)
{
	const char *bold = isatty(1) ? "\033[1m" : "", *plain = isatty(1) ? "\033[0m" : "";
	int column = 0;

	printf("\n%s%d. %s%s\n", bold, ++step, title, plain);
	while (*text) {
		int len = strcspn(text, " ");
		if (column + len > 72) {
			printf("\n");
			column = 0;
		}
		column += printf(column ? " %.*s" : "   %.*s", len, text);
		text += len + strspn(text + len, " ");
	}
	printf("\n");
}

/* The lines of /proc/PID/tree that speak of our pages, as they are. */
static void show_pages(const char *who, pid_t pid)
{
	char path[64], line[256];
	snprintf(path, sizeof path, "/proc/%d/tree", (int)pid);
	FILE *tree = fopen(path, "r");
	if (!tree) {
		printf("   (no %s: not running on Cowbell)\n", path);
		return;
	}
	printf("   %s:\n", who);
	while (fgets(line, sizeof line, tree)) {
		unsigned long at = strtoul(line, NULL, 16);
		if (at >= (unsigned long)memory && at < (unsigned long)(memory + PAGES * PAGE))
			printf("     %s", line);
	}
	fclose(tree);
}

static long work(pid_t pid, const char *name)
{
	char path[64], key[64];
	long value, found = 0;
	snprintf(path, sizeof path, "/proc/%d/cow", (int)pid);
	FILE *cow = fopen(path, "r");
	while (cow && fscanf(cow, "%63s %ld", key, &value) == 2) {
		if (!strcmp(key, name))
			found = value;
	}
	if (cow)
		fclose(cow);
	return found;
}

static void show_work(const char *who, pid_t pid)
{
	static const char *const names[] = {
		"faults", "frames_copied", "frames_zeroed", "tables_copied", "tables_regained",
	};

	printf("   %s so far:", who);
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		printf("%s %s %ld", i ? "," : "", names[i], work(pid, names[i]));
	printf("\n");
}

/* Memory with a table of its own, so that nothing else we do disturbs the picture. */
static char *own_table(void)
{
	char *at = mmap(NULL, 2 * TABLE_SPAN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	if (at == MAP_FAILED)
		return NULL;
	return (char *)(((unsigned long)at + TABLE_SPAN - 1) & -TABLE_SPAN);
}

/* Let the child do one thing: it waits for a byte, acts, and answers with a byte. */
static void tell(int to, int from)
{
	char byte = 'x';
	if (write(to, &byte, 1) != 1 || read(from, &byte, 1) != 1)
		exit(1);
}

static void child_main(int in, int out)
{
	char byte;
	if (read(in, &byte, 1) != 1)
		_exit(1);
	memory[0] = 'C';
	if (write(out, &byte, 1) != 1 || read(in, &byte, 1) != 1)
		_exit(1);
	_exit(memory[0] == 'C' && memory[PAGE] == 'A' ? 0 : 1);
}

/* Steps 1 to 3: nothing, zeros, frames. */
static void tour_memory(pid_t self)
{
	say("Memory that nobody touched",
	    "mmap() promised memory. There is no frame behind it, and no entry.");
	show_pages("we", self);

	volatile char sink = memory[3 * PAGE];
	(void)sink;
	say("Reading finds zeros",
	    "We read the fourth page. Its entry now names the one frame of zeros that all "
	    "processes share. It is not counted.");
	show_pages("we", self);

	for (int i = 0; i < 3; i++)
		memory[i * PAGE] = 'A';
	say("Writing finds frames",
	    "We wrote to the first three pages. Each got a frame of its own: count 1, writable.");
	show_pages("we", self);
	show_work("we", self);
}

/* Steps 4 to 6: sharing, and each side's first write. */
static void tour_fork(pid_t self, pid_t child, int to, int from)
{
	say("fork()",
	    "The child has the same memory, and nothing was copied. Both name the same frames, "
	    "even through the same table: its count is 2. The write bit is gone further up, so "
	    "that the first write will be noticed. (The upper tables were copied meanwhile, "
	    "because both processes wrote to their stacks.)");
	show_pages("parent", self);
	show_pages("child", child);

	tell(to, from);
	say("The child writes to the first page",
	    "A page fault. The table was shared, so the child got a copy of it; now every frame "
	    "in it is named by two entries. The frame was held twice, so the child got a copy "
	    "of that too. The other pages stay shared: their count is 2.");
	show_pages("parent", self);
	show_pages("child", child);
	show_work("child", child);

	memory[PAGE] = 'A';
	say("The parent writes to the second page",
	    "The parent has its table to itself again and takes it back: the first page is "
	    "writable at once, without a fault. The second is still held by both, so it is "
	    "copied.");
	show_pages("parent", self);
	show_pages("child", child);
	show_work("parent", self);
}

/* Step 7: alone again.  The child's wait status tells whether its memory stayed as it was. */
static void tour_alone(pid_t self, int status)
{
	long copied = work(self, "frames_copied");
	memory[0] = memory[2 * PAGE] = 'P';
	say("The child is gone",
	    "We write to the first and the third page. We are their last holder: the write bit "
	    "comes back, and nothing is copied.");
	show_pages("we", self);
	show_work("we", self);
	printf("\n   Frames copied by these two writes: %ld. The child saw %s.\n\n",
	       work(self, "frames_copied") - copied,
	       status ? "something WRONG" : "exactly its snapshot");
}

int main(void)
{
	int down[2], up[2], status;
	pid_t self = getpid();

	setvbuf(stdout, NULL, _IOLBF, 0);
	memory = own_table();
	if (!memory || pipe(down) || pipe(up)) {
		perror("cowdemo");
		return 1;
	}
	printf("Each line below is a page: address, frame number, how many entries name the\n"
	       "frame, how many name each table on the path (level 1, 2, 3), and the rights.\n");
	tour_memory(self);

	fflush(stdout);
	pid_t child = fork();
	if (child < 0) {
		perror("cowdemo: fork");
		return 1;
	}
	if (!child)
		child_main(down[0], up[1]);
	tour_fork(self, child, down[1], up[0]);

	if (write(down[1], "x", 1) != 1 || waitpid(child, &status, 0) != child)
		return 1;
	tour_alone(self, status);
	return status != 0;
}
