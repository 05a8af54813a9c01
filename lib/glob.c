/* SPDX-License-Identifier: MIT */
/*
 * lib/glob.c - shell patterns.
 *
 * A star first matches nothing; whenever the text behind it does not fit, the last star takes one
 * character more.  Earlier stars need never be tried again, so the work is at most the product of
 * the two lengths.
 */

#include "lib/glob.h"
#include "lib/string.h"

/* A pattern without terminator: the list has commas instead. */
struct pattern {
	const char *next;
	const char *end;
};

/* Where the set that begins at `set` with its bracket ends, or NULL if it never does. */
static const char *set_end(const char *set, const char *end)
{
	const char *p = set + 1;

	if (p < end && (*p == '!' || *p == '^'))
		p++;
	if (p < end && *p == ']')
		p++;
	while (p < end && *p != ']')
		p++;
	return p < end ? p : NULL;
}

/* Whether `c` is in the set between `set`, the opening bracket, and `end`, the closing one. */
static bool set_has(const char *set, const char *end, char c)
{
	bool is_negated = set[1] == '!' || set[1] == '^';
	const char *p = set + 1 + is_negated;
	bool is_found = false;

	while (p < end) {
		char low = *p;
		char high = low;

		if (p + 2 < end && p[1] == '-') {
			high = p[2];
			p += 2;
		}
		is_found |= low <= c && c <= high;
		p++;
	}
	return is_found != is_negated;
}

/*
 * Match one character of the pattern, which is not at its end nor at a star, against `c`, and
 * move past it.
 */
static bool pattern_take(struct pattern *pattern, char c)
{
	const char *p = pattern->next++;
	const char *closing;

	if (*p == '?')
		return true;
	if (*p == '[' && (closing = set_end(p, pattern->end)) != NULL) {
		pattern->next = closing + 1;
		return set_has(p, closing, c);
	}
	if (*p == '\\' && pattern->next < pattern->end)
		p = pattern->next++;
	return *p == c;
}

static bool pattern_matches(struct pattern pattern, const char *text)
{
	const char *star = NULL;	/* behind the last star */
	const char *star_text = NULL;	/* what it leaves over */

	while (*text != '\0') {
		if (pattern.next < pattern.end && *pattern.next == '*') {
			star = ++pattern.next;
			star_text = text;
			continue;
		}
		if (pattern.next < pattern.end && pattern_take(&pattern, *text)) {
			text++;
			continue;
		}
		if (star == NULL)
			return false;
		pattern.next = star;
		text = ++star_text;
	}
	while (pattern.next < pattern.end && *pattern.next == '*')
		pattern.next++;
	return pattern.next == pattern.end;
}

bool glob_matches(const char *pattern, const char *text)
{
	return pattern_matches((struct pattern){ pattern, pattern + strlen(pattern) }, text);
}

bool glob_list_matches(const char *list, const char *text)
{
	for (;;) {
		const char *comma = strchr(list, ',');
		const char *end = comma == NULL ? list + strlen(list) : comma;

		if (pattern_matches((struct pattern){ list, end }, text))
			return true;
		if (comma == NULL)
			return false;
		list = comma + 1;
	}
}
