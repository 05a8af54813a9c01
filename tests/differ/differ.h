/* SPDX-License-Identifier: MIT */
/*
 * tests/differ/differ.h - small programs of memory operations, and all that can be seen of them.
 *
 * The same binary runs on the build machine's Linux and on Cowbell and says, line by line, what
 * each operation answered: errors, signals, bytes, what /proc tells.  The two texts must be equal.
 *
 * A program is a list of lines "ACTOR NAME A B C D".  Actors are processes; fork makes the next
 * one.  One acts at a time, when the conductor says so, so that nothing depends on speed.  All act
 * on a window of pages with the border of a page table in its middle, one file and their heap.
 *
 *   differ.c    which programs; the conductor and the actors
 *   operate.c   what each operation does, and says
 *   observe.c   what /proc/self/smaps says of the window
 *   compose.c   programs from seeds, and from text
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE = 4096, WINDOW_PAGES = 32, FILE_PAGES = 8, HEAP_PAGES = 8, ACTORS_MAX = 6 };
enum { LINES_MAX = 200 };

/* Sixteen pages on each side of a multiple of 2 MiB. */
#define WINDOW (0x20200000ul - 16 * PAGE)

#define EACH_OPERATION(X) \
	X(load) X(store) X(map) X(map_shared) X(map_file) X(map_file_shared) X(unmap) X(protect) \
	X(resize) X(move) X(advise) X(fork) X(exit) X(mincore) X(smaps) X(brk) X(heap_load) \
	X(heap_store) X(lock) X(unlock) X(file_store) X(file_load) X(truncate) X(punch) X(sync) \
	X(write_from) X(read_to) X(locked) X(look)

enum operation {
#define OPERATION(name) DO_##name,
	EACH_OPERATION(OPERATION)
#undef OPERATION
	OPERATIONS
};

struct line {
	uint8_t actor, what;
	uint8_t a, b, c, d;             /* page, pages, and more: see operate.c */
};

struct program {
	unsigned count;
	struct line lines[LINES_MAX];
};

/* EFAULT, say, for the number. */
const char *error_name(int number);

/* One line of text, in one write. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- compose.c ---- */

void compose(struct program *program, uint64_t seed);
void program_print(const struct program *program);
/* The next program of a text, which "== name" lines divide; its name, or NULL at the end. */
char *program_parse(struct program *program, char **text);

const char *line_name(const struct line *line);

/* ---- operate.c ---- */

/* Once, before there are actors: the file and the heap. */
void operate_start(void);
/* All but fork and exit.  Says what came of it, behind what has been said of the line. */
void operate(const struct line *line);
/* In parent and child. */
void operate_forked(void);

/* ---- observe.c ---- */

/* What is mapped in the window, neighbours that look alike taken together. */
void observe_window(void);
/* A number of /proc/self/status, or -1. */
long observe_status(const char *name);
