/* SPDX-License-Identifier: MIT */
/*
 * tests/differ/observe.c - what /proc says, as far as it is exact on both systems.
 *
 * Linux keeps neighbours apart that Cowbell merges (their anon_vma differs), so ranges that look
 * alike are added up before they are printed.  Of files, Linux maps pages around a fault, and how
 * many is its affair: their resident sizes are not compared.  Nor are those of shared memory, of
 * which Linux gives a child no page before it touches it, and Cowbell all, with their table.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/differ/differ.h"

enum { TEXT_MAX = 1 << 18 };

static char text[TEXT_MAX];

struct range {
	unsigned long start, end, offset;
	char rights[8], flags[32];
	bool is_file;
	long rss, shared, private, anonymous, locked;
};

static char *file_text(const char *path)
{
	int fd = open(path, O_RDONLY);
	size_t len = 0;

	for (ssize_t n; fd >= 0 && (n = read(fd, text + len, TEXT_MAX - 1 - len)) > 0;)
		len += n;
	close(fd);
	text[len] = '\0';
	return text;
}

static bool continues(const struct range *last, const struct range *next)
{
	return last->end == next->start && strcmp(last->rights, next->rights) == 0 &&
	       strcmp(last->flags, next->flags) == 0 && last->is_file == next->is_file &&
	       (!last->is_file || last->offset + (last->end - last->start) == next->offset);
}

static void range_add(struct range *sum, const struct range *next)
{
	sum->end = next->end;
	sum->rss += next->rss;
	sum->shared += next->shared;
	sum->private += next->private;
	sum->anonymous += next->anonymous;
	sum->locked += next->locked;
}

static void range_print(const struct range *range)
{
	if (range->end == 0)
		return;
	say("    %lu-%lu %s%s flags%s", (range->start - WINDOW) / PAGE,
	    (range->end - WINDOW) / PAGE, range->rights, range->is_file ? " file" : "",
	    range->flags);
	if (range->is_file)
		say(" offset %lu anonymous %ld\n", range->offset / PAGE, range->anonymous);
	else if (range->rights[3] == 's')
		say("\n");
	else
		say(" rss %ld shared %ld private %ld anonymous %ld locked %ld\n", range->rss,
		    range->shared, range->private, range->anonymous, range->locked);
}

static void field(struct range *range, const char *line)
{
	static const char *const wanted[] = { "lo", "dc", "wf" };
	long kib;

	if (sscanf(line, "Rss: %ld", &kib) == 1)
		range->rss = kib;
	else if (sscanf(line, "Shared_Clean: %ld", &kib) == 1 ||
		 sscanf(line, "Shared_Dirty: %ld", &kib) == 1)
		range->shared += kib;
	else if (sscanf(line, "Private_Clean: %ld", &kib) == 1 ||
		 sscanf(line, "Private_Dirty: %ld", &kib) == 1)
		range->private += kib;
	else if (sscanf(line, "Anonymous: %ld", &kib) == 1)
		range->anonymous = kib;
	else if (sscanf(line, "Locked: %ld", &kib) == 1)
		range->locked = kib;
	else if (strncmp(line, "VmFlags:", 8) == 0)
		for (unsigned i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
			if (strstr(line, wanted[i]))
				strcat(strcat(range->flags, " "), wanted[i]);
}

static bool head(struct range *range, const char *line)
{
	unsigned long start, end, offset;
	char rights[8], name[64] = "";

	if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %63s", &start, &end, rights, &offset, name) < 4)
		return false;
	*range = (struct range){ .start = start, .end = end, .offset = offset,
				 .is_file = strstr(name, "memory") != NULL };
	strcpy(range->rights, rights);
	return true;
}

void observe_window(void)
{
	struct range sum = { .end = 0 }, next = { .end = 0 };
	char *rest = file_text("/proc/self/smaps");

	for (char *line; (line = strsep(&rest, "\n"));) {
		if (!head(&next, line)) {
			field(&next, line);
			if (strncmp(line, "VmFlags:", 8) != 0 || next.start < WINDOW ||
			    next.start >= WINDOW + WINDOW_PAGES * PAGE)
				continue;
			if (continues(&sum, &next)) {
				range_add(&sum, &next);
			} else {
				range_print(&sum);
				sum = next;
			}
		}
	}
	range_print(&sum);
}

long observe_status(const char *name)
{
	const char *at = strstr(file_text("/proc/self/status"), name);

	return at ? strtol(at + strlen(name), NULL, 10) : -1;
}
