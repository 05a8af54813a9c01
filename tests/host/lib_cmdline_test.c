// sources: lib/cmdline.c lib/string.c
/* SPDX-License-Identifier: MIT */

/* The kernel command line. */

#include <stdlib.h>
#include "tap.h"
#include "lib/cmdline.h"
#include "lib/types.h"

static bool word_equals(const struct cmdline_word *word, const char *key, const char *value)
{
	if (strcmp(word->key, key) != 0 || (word->value == NULL) != (value == NULL))
		return false;
	return value == NULL || strcmp(word->value, value) == 0;
}

TEST(words_come_in_order)
{
	char text[] = "  quiet console=ttyS0,115200\tempty=  a==b\n";
	struct cmdline cmdline;
	struct cmdline_word word;

	cmdline_init(&cmdline, text);
	EXPECT(cmdline_next(&cmdline, &word) && word_equals(&word, "quiet", NULL));
	EXPECT(cmdline_next(&cmdline, &word) && word_equals(&word, "console", "ttyS0,115200"));
	EXPECT(cmdline_next(&cmdline, &word) && word_equals(&word, "empty", ""));
	EXPECT(cmdline_next(&cmdline, &word) && word_equals(&word, "a", "=b"));
	EXPECT(!cmdline_next(&cmdline, &word));
	EXPECT(!cmdline_next(&cmdline, &word) && cmdline.rest == NULL);
}

TEST(nothing_yields_nothing)
{
	char empty[] = "";
	char blank[] = " \t ";
	struct cmdline cmdline;
	struct cmdline_word word;

	cmdline_init(&cmdline, empty);
	EXPECT(!cmdline_next(&cmdline, &word));
	cmdline_init(&cmdline, blank);
	EXPECT(!cmdline_next(&cmdline, &word));
}

TEST(quotes_hold_words_together)
{
	char text[] = "init=\"/bin/my sh\" \"key=a b\" x\"y z\"w \"\" \"open end";
	struct cmdline cmdline;
	struct cmdline_word word;

	cmdline_init(&cmdline, text);
	EXPECT(cmdline_next(&cmdline, &word) && word_equals(&word, "init", "/bin/my sh"));
	EXPECT(cmdline_next(&cmdline, &word) && word_equals(&word, "key", "a b"));
	EXPECT(cmdline_next(&cmdline, &word) && word_equals(&word, "xy zw", NULL));
	EXPECT(cmdline_next(&cmdline, &word) && word_equals(&word, "", NULL));
	EXPECT(cmdline_next(&cmdline, &word) && word_equals(&word, "open end", NULL));
	EXPECT(!cmdline_next(&cmdline, &word));
}

TEST(two_dashes_leave_the_rest_to_init)
{
	char text[] = "a=1 -- -c \"echo hello\" --";
	struct cmdline cmdline;
	struct cmdline init;
	struct cmdline_word word;

	cmdline_init(&cmdline, text);
	EXPECT(cmdline_next(&cmdline, &word) && word_equals(&word, "a", "1"));
	EXPECT(!cmdline_next(&cmdline, &word));
	EXPECT(!cmdline_next(&cmdline, &word));
	EXPECT(cmdline.rest != NULL);
	cmdline_init(&init, cmdline.rest);
	EXPECT(cmdline_next(&init, &word) && word_equals(&word, "-c", NULL));
	EXPECT(cmdline_next(&init, &word) && word_equals(&word, "echo hello", NULL));
	EXPECT(!cmdline_next(&init, &word));
}

TEST(two_dashes_at_the_end_leave_an_empty_rest)
{
	char text[] = "a --";
	struct cmdline cmdline;
	struct cmdline_word word;

	cmdline_init(&cmdline, text);
	EXPECT(cmdline_next(&cmdline, &word));
	EXPECT(!cmdline_next(&cmdline, &word) && cmdline.rest != NULL && *cmdline.rest == '\0');
}

TEST(quoted_dashes_are_a_word)
{
	char text[] = "\"--\" ---";
	struct cmdline cmdline;
	struct cmdline_word word;

	cmdline_init(&cmdline, text);
	EXPECT(cmdline_next(&cmdline, &word) && word_equals(&word, "--", NULL));
	EXPECT(cmdline_next(&cmdline, &word) && word_equals(&word, "---", NULL));
}

TEST(a_word_can_be_had_whole)
{
	char text[] = "TERM=\"vt 100\" single";
	struct cmdline cmdline;
	struct cmdline_word word;

	cmdline_init(&cmdline, text);
	EXPECT(cmdline_next(&cmdline, &word));
	EXPECT(strcmp(cmdline_word_raw(&word), "TERM=vt 100") == 0);
	EXPECT(cmdline_next(&cmdline, &word));
	EXPECT(strcmp(cmdline_word_raw(&word), "single") == 0);
}

TEST(dash_and_underscore_are_one_letter)
{
	char text[] = "fork-share=root";
	struct cmdline cmdline;
	struct cmdline_word word;

	cmdline_init(&cmdline, text);
	EXPECT(cmdline_next(&cmdline, &word));
	EXPECT(cmdline_word_is(&word, "fork_share") && cmdline_word_is(&word, "fork-share"));
	EXPECT(!cmdline_word_is(&word, "fork_shar") && !cmdline_word_is(&word, "fork_shares"));
}

/* Every text of a few letters; the sanitizer watches the exact buffer. */
TEST(no_text_leads_outside_the_buffer)
{
	static const char letters[] = "a\"= -";

	for (int n = 0; n < 5 * 5 * 5 * 5 * 5 * 5; n++) {
		char *text = malloc(7);
		struct cmdline cmdline;
		struct cmdline_word word;
		int words = 0;

		for (int i = 0, rest = n; i < 6; i++, rest /= 5)
			text[i] = letters[rest % 5];
		text[6] = '\0';
		cmdline_init(&cmdline, text);
		while (cmdline_next(&cmdline, &word)) {
			words++;
			cmdline_word_raw(&word);
		}
		EXPECT(words <= 3);
		free(text);
	}
}
