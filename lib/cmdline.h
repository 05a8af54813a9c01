/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Takes a kernel command line apart, in place:
 *
 *	console=ttyS0 quiet init="/bin/sh" -- -c "echo hello"
 *
 * Words are separated by white space; double quotes hold a word together and vanish.  A word is
 * a key, or a key, `=` and a value.  The word `--` ends the kernel's part; what follows is for
 * init and can be walked with a second struct cmdline.
 */

#include "lib/types.h"

struct cmdline {
	char *next;	/* where to go on */
	char *rest;	/* what stands behind `--`, or NULL */
};

struct cmdline_word {
	char *key;
	char *value;	/* NULL if there is no `=` */
};

/* Begin with `text`, which the walk writes into and the words point into. */
void cmdline_init(struct cmdline *cmdline, char *text);

/* Yield the next word; false at the end or at `--`, which sets `rest`. */
bool cmdline_next(struct cmdline *cmdline, struct cmdline_word *word);

/* Join key and value again and return the whole word.  Afterwards the key is the whole word. */
char *cmdline_word_raw(struct cmdline_word *word);

/* Whether the word's key is `name`; `-` and `_` count as the same letter. */
bool cmdline_word_is(const struct cmdline_word *word, const char *name);
