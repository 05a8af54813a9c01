/* SPDX-License-Identifier: MIT */
/*
 * kernel/sanitizer.h - what sanitizers do once they have found something.
 *
 * A report is the end: a few lines that say what happened, then a panic.  A test that goes wrong on
 * purpose catches reports instead; the step that was reported is then taken all the same, so it
 * must be one that does no harm.  Only in builds made with SAN=1.
 */
#pragma once

#include "lib/types.h"

/* Who did something: a task, and the innermost return addresses of it then; 0: no more. */
struct sanitizer_calls {
	int32_t task;
	virt_t at[5];
};

void sanitizer_note_calls(struct sanitizer_calls *calls);
void sanitizer_print_calls(const char *what, const struct sanitizer_calls *calls);

/* Something was found.  True: the caller prints what it knows and ends with sanitizer_die().
 * False: say nothing and go on; a test wants it, or the kernel is dying already.  `kind` is a
 * string constant. */
MUST_CHECK bool sanitizer_found(const char *kind);

NORETURN void sanitizer_die(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Between the two, reports of all tasks are counted.  The end returns how many there were; `kind`,
 * if it is not NULL, is set to that of the first, or to NULL. */
void sanitizer_catch(void);
uint32_t sanitizer_caught(const char **kind);
