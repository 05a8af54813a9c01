/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/text.c - lists as text, and back: see tests/fuzz/fuzz.h for what it looks like.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

const char *const class_names[CLASSES] = {
#define CLASS_NAME(name) #name,
	EACH_CLASS(CLASS_NAME)
#undef CLASS_NAME
};

const char *const place_names[PLACES] = {
	"good", "odd", "end", "nowhere", "kernel", "noncanonical", "readonly", "arena",
};

/* ---- printing ---- */

static void argument_print(const struct argument *argument)
{
	unsigned long value = argument->value;

	switch (argument->kind) {
	case AS_MAPPED:
		printf("MAPPED%u+%#lx", argument->slot, value);
		break;
	case AS_RESULT:
		printf("RESULT%u", argument->slot);
		break;
	case AS_PATH:
		printf("\"%s\"", paths[value % paths_count]);
		break;
	case AS_STRUCTURE:
		printf("%s:%#lx", class_names[argument->class], value);
		if (argument->place != GOOD)
			printf("@%s", place_names[argument->place]);
		break;
	default:
		printf("%#lx", value);
	}
}

static void call_print(const struct call *call)
{
	const struct takes *what = &takes[call->what];

	printf("%u %s%s(", call->thread, call->in_child ? "& " : "", what->name);
	for (unsigned i = 0; i < ARGUMENTS && what->classes[i] != NONE; i++) {
		printf("%s", i > 0 ? ", " : "");
		argument_print(&call->arguments[i]);
	}
	printf(")\n");
}

void round_print(const struct round *round)
{
	printf("setup threads=%u user=%u fork_share=%s huge=%s\n", round->threads, round->user,
	       round->fork_share, round->huge);
	for (unsigned i = 0; i < round->count; i++)
		call_print(&round->calls[i]);
	fflush(stdout);
}

/* ---- reading ---- */

static int find(const char *const *names, unsigned count, const char *text, size_t len)
{
	for (unsigned i = 0; i < count; i++)
		if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0)
			return (int)i;
	return -1;
}

static bool parse_path(char **at, struct argument *argument)
{
	size_t len = strcspn(*at + 1, "\"");
	int index = find(paths, paths_count, *at + 1, len);

	*at += len + 2;
	argument->kind = AS_PATH;
	argument->value = index;
	return index >= 0;
}

static bool parse_structure(char **at, struct argument *argument)
{
	size_t len = strcspn(*at, ":");
	int class = find(class_names, CLASSES, *at, len), place = GOOD;

	if (class < 0 || (*at)[len] != ':')
		return false;
	argument->kind = AS_STRUCTURE;
	argument->class = class;
	argument->value = strtoull(*at + len + 1, at, 0);
	if (**at == '@') {
		len = strcspn(*at, ",)");
		place = find(place_names, PLACES, *at + 1, len - 1);
		*at += len;
	}
	argument->place = place;
	return place >= 0;
}

static bool parse_argument(char **at, struct argument *argument)
{
	*at += strspn(*at, ", ");
	if (**at == '"')
		return parse_path(at, argument);
	if (strncmp(*at, "MAPPED", 6) == 0 || strncmp(*at, "RESULT", 6) == 0) {
		argument->kind = **at == 'M' ? AS_MAPPED : AS_RESULT;
		argument->slot = strtoul(*at + 6, at, 10);
		argument->value = **at == '+' ? strtoull(*at + 1, at, 0) : 0;
		return true;
	}
	if (**at >= 'A' && **at <= 'Z')
		return parse_structure(at, argument);
	argument->kind = AS_NUMBER;
	argument->value = strtoull(*at, at, 0);
	return **at == ',' || **at == ')';
}

static bool parse_call(struct call *call, char *line)
{
	char *at;

	*call = (struct call){ .thread = strtoul(line, &at, 10) };
	if (at == line || call->thread >= THREADS_MAX)
		return false;
	call->in_child = strncmp(at, " & ", 3) == 0;
	at += call->in_child ? 3 : 1;

	size_t len = strcspn(at, "(");
	for (call->what = 0; call->what < takes_count; call->what++)
		if (strlen(takes[call->what].name) == len &&
		    memcmp(takes[call->what].name, at, len) == 0)
			break;
	if (call->what == takes_count || at[len] != '(')
		return false;
	at += len + 1;
	for (unsigned i = 0; i < ARGUMENTS && *at != ')'; i++)
		if (!parse_argument(&at, &call->arguments[i]))
			return false;
	return *at == ')';
}

static bool parse_setup(struct round *round, const char *line)
{
	static char share[16], huge[16];

	round->fork_share = share;
	round->huge = huge;
	return sscanf(line, "setup threads=%u user=%u fork_share=%15s huge=%15s", &round->threads,
		      &round->user, share, huge) == 4 &&
	       round->threads >= 1 && round->threads <= THREADS_MAX;
}

bool round_parse(struct round *round, char *text)
{
	round->count = round->threads = 0;
	for (char *at; (at = strsep(&text, "\n"));) {
		if (*at == '\0' || *at == '#')
			continue;
		if (round->threads == 0) {
			if (!parse_setup(round, at))
				return false;
		} else if (round->count == CALLS_MAX ||
			   !parse_call(&round->calls[round->count++], at)) {
			return false;
		}
	}
	return round->threads > 0;
}
