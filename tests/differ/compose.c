/* SPDX-License-Identifier: MIT */
/*
 * tests/differ/compose.c - programs from seeds, and from text.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "tests/differ/differ.h"

enum { LINES_LEAST = 12, LINES_MORE = 50 };

static const char *const names[OPERATIONS] = {
#define OPERATION(name) #name,
	EACH_OPERATION(OPERATION)
#undef OPERATION
};

/* Of all lines, so many of each. */
static const uint8_t shares[OPERATIONS] = {
	[DO_load] = 14, [DO_store] = 22, [DO_map] = 9, [DO_map_shared] = 4, [DO_map_file] = 5,
	[DO_map_file_shared] = 4, [DO_unmap] = 5, [DO_protect] = 9, [DO_resize] = 3, [DO_move] = 5,
	[DO_advise] = 9, [DO_fork] = 5, [DO_exit] = 2, [DO_mincore] = 3, [DO_smaps] = 4,
	[DO_brk] = 3, [DO_heap_load] = 2, [DO_heap_store] = 3, [DO_lock] = 3, [DO_unlock] = 2,
	[DO_file_store] = 3,
	[DO_file_load] = 2, [DO_truncate] = 2, [DO_punch] = 1, [DO_sync] = 1, [DO_write_from] = 3,
	[DO_read_to] = 3, [DO_locked] = 1, [DO_look] = 1,
};

const char *line_name(const struct line *line)
{
	return names[line->what];
}

static uint64_t state;

static unsigned below(unsigned n)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (unsigned)((z ^ z >> 31) >> 20) % n;
}

static enum operation choose(void)
{
	unsigned all = 0, pick, what;

	for (unsigned i = 0; i < OPERATIONS; i++)
		all += shares[i];
	pick = below(all);
	for (what = 0; pick >= shares[what]; what++)
		pick -= shares[what];
	return what;
}

/* Mostly near the border, so that operations meet. */
void compose(struct program *program, uint64_t seed)
{
	unsigned actors = 1;

	state = seed * 0x2545f4914f6cdd1dull;
	program->count = LINES_LEAST + below(LINES_MORE);
	program->lines[0] = (struct line){ 0, DO_map, 0, WINDOW_PAGES - 1, 0, 0 };
	for (unsigned i = 1; i < program->count; i++) {
		struct line *line = &program->lines[i];
		unsigned page = below(3) ? 12 + below(8) : below(WINDOW_PAGES);

		*line = (struct line){ below(actors), choose(), page, below(below(3) ? 4 : 20),
				       below(16), below(WINDOW_PAGES) };
		if (line->what == DO_exit && line->actor == 0)
			line->what = DO_look;
		if (line->what == DO_fork && actors < ACTORS_MAX)
			actors++;
	}
}

void program_print(const struct program *program)
{
	for (unsigned i = 0; i < program->count; i++) {
		const struct line *line = &program->lines[i];

		say("%u %s %u %u %u %u\n", line->actor, names[line->what], line->a, line->b,
		    line->c, line->d);
	}
}

static bool line_parse(struct line *line, const char *text)
{
	unsigned actor, a, b, c, d;
	char name[32];

	if (sscanf(text, "%u %31s %u %u %u %u", &actor, name, &a, &b, &c, &d) != 6)
		return false;
	for (unsigned what = 0; what < OPERATIONS; what++) {
		if (strcmp(names[what], name) == 0) {
			*line = (struct line){ actor % ACTORS_MAX, what, a, b, c, d };
			return true;
		}
	}
	return false;
}

char *program_parse(struct program *program, char **text)
{
	char *name = NULL;

	program->count = 0;
	while (*text) {
		if (name && strncmp(*text, "== ", 3) == 0)
			break;
		char *at = strsep(text, "\n");
		if (strncmp(at, "== ", 3) == 0)
			name = at + 3;
		else if (program->count < LINES_MAX &&
			 line_parse(&program->lines[program->count], at))
			program->count++;
	}
	return name;
}
