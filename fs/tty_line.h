/* SPDX-License-Identifier: MIT */
/*
 * fs/tty_line.h - what a terminal does with bytes: lines, editing, echo.
 *
 * Input goes through a buffer in which the positions only grow:
 *
 *	tail             whole            head
 *	 | lines to read   | being edited   |
 *
 * In canonical mode (ICANON) programs read up to `whole`, and a line at a time; else up to `head`.
 * What is echoed, and what programs write, goes to `screen` after output processing.  Pure: it
 * knows no processes and takes no lock; whoever owns the structure serialises.
 * See: termios(3).
 */
#pragma once

#include "lib/abi/termios.h"
#include "lib/format.h"
#include "lib/types.h"

enum { LINE_BYTES = 4096, LINE_OUT_BYTES = 128, LINE_HELD_BYTES = 1024 };

struct tty_line {
	struct abi_termios termios;
	struct sink *screen;
	uint32_t tail, whole, head;
	bool is_literal;                /* the next byte means nothing special: VLNEXT */
	bool is_stopped;                /* output, by VSTOP: see line_set_stopped() */
	uint32_t column;                /* of the cursor */
	uint32_t edit_column;           /* where the line being edited begins */
	uint32_t out_len;
	char out[LINE_OUT_BYTES];       /* on its way to the screen; empty between calls */
	uint32_t held_len;
	char held[LINE_HELD_BYTES];     /* echoed while output was stopped; more is not shown */
	uint8_t bytes[LINE_BYTES];
	uint64_t ends[LINE_BYTES /
		      64]; /* bit: a line ends with this byte.  A zero there is an end of file. */
};

/* Empty, with the modes of a fresh console. */
void line_init(struct tty_line *line, struct sink *screen);

/* A byte came in.  Returns the signal it means for the foreground group, or 0. */
int line_input(struct tty_line *line, uint8_t byte);

/* How many bytes can be read now; an end of file counts as one. */
uint32_t line_readable(const struct tty_line *line);

/* Take up to len bytes, in canonical mode of one line.  *is_end: the line, or the file, ended. */
size_t line_take(struct tty_line *line, uint8_t *to, size_t len, bool *is_end);

/* Stop output, or let it go on with what was echoed meanwhile. */
void line_set_stopped(struct tty_line *line, bool is_stopped);

/* A program writes.  Not while output is stopped. */
void line_output(struct tty_line *line, const char *bytes, size_t len);

void line_flush_input(struct tty_line *line);
void line_set_termios(struct tty_line *line, const struct abi_termios *termios);
bool line_is_canonical(const struct tty_line *line);
