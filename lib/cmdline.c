/* SPDX-License-Identifier: MIT */
/*
 * lib/cmdline.c - splits the kernel command line.
 *
 * Invariants: a word never grows while its quotes are taken out, so it is rewritten where it
 * stands; value, if any, begins one byte behind the key's end.
 * Locks: none; the text belongs to the caller.
 */

#include "lib/cmdline.h"
#include "lib/string.h"

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

void cmdline_init(struct cmdline *cmdline, char *text)
{
	cmdline->next = text;
	cmdline->rest = NULL;
}

/*
 * Take the quotes out of the word at `word` and terminate it.  Returns the first byte behind it.
 */
static char *word_unquote(char *word)
{
	const char *from = word;
	char *to = word;
	bool is_quoted = false;

	for (; *from != '\0' && (is_quoted || !is_space(*from)); from++) {
		if (*from == '"')
			is_quoted = !is_quoted;
		else
			*to++ = *from;
	}
	if (*from != '\0')
		from++;
	*to = '\0';
	return word + (from - word);
}

bool cmdline_next(struct cmdline *cmdline, struct cmdline_word *word)
{
	char *text = cmdline->next;
	bool is_bare;

	while (is_space(*text))
		text++;
	cmdline->next = text;
	if (*text == '\0' || cmdline->rest != NULL)
		return false;
	is_bare = *text != '"';
	cmdline->next = word_unquote(text);
	if (is_bare && string_equals(text, "--")) {
		cmdline->rest = cmdline->next;
		return false;
	}
	word->key = text;
	word->value = strchr(text, '=');
	if (word->value != NULL)
		*word->value++ = '\0';
	return true;
}

char *cmdline_word_raw(struct cmdline_word *word)
{
	if (word->value != NULL)
		word->value[-1] = '=';
	return word->key;
}

static char key_letter(char c)
{
	return c == '-' ? '_' : c;
}

bool cmdline_word_is(const struct cmdline_word *word, const char *name)
{
	const char *key = word->key;

	while (*key != '\0' && key_letter(*key) == key_letter(*name)) {
		key++;
		name++;
	}
	return *key == '\0' && *name == '\0';
}
