/* SPDX-License-Identifier: MIT */
/*
 * tests/user/trace.h - choosing what is traced, reading it, and somebody who copies pages.
 */
#pragma once

#include "memory.h"

#include <stdarg.h>

#define TRACE  "/proc/trace"
#define BINARY "/proc/trace_binary"
#define FILTER "/proc/trace_filter"
#define HIST   "/proc/trace_hist"

enum { PAGES = 100 };

static char text[4 * MIB];              /* what slurp() read */

static inline int try_to_write(const char *path, const char *words)
{
	int fd = open(path, O_WRONLY);

	CHECK(fd >= 0);
	ssize_t n = write(fd, words, strlen(words));
	int error = errno;
	close(fd);
	errno = error;
	return n < 0 ? -1 : 0;
}

static inline void tell(const char *path, const char *words)
{
	CHECK_EQ(try_to_write(path, words), 0);
}

static inline size_t slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	size_t len = 0;
	ssize_t n;

	CHECK(fd >= 0);
	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	CHECK_EQ(n, 0);
	close(fd);
	text[len] = '\0';
	return len;
}

/* Record this, and nothing from before. */
__attribute__((format(printf, 1, 2))) static inline void trace(const char *format, ...)
{
	char words[512];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	tell(TRACE, "off clear");
	tell(TRACE, words);
}

/* ---- somebody who copies ---- */

/* The one place in this program where shared pages are written: a section of its own, so that the
 * linker says where it begins and ends. */
__attribute__((noinline, noclone, section("writer"))) static void write_pages(
	volatile char *memory, size_t count)
{
	for (size_t i = 0; i < count; i++)
		memory[i * PAGE] = 'c';
}
extern const char __start_writer[], __stop_writer[];

/* A child that waits for the gate and then writes `count` pages. */
static inline pid_t writer_new(struct gate gate, volatile char *memory, size_t count)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		gate_pass(gate);
		write_pages(memory, count);
		_exit(0);
	}
	return pid;
}

static inline volatile char *pages_filled(size_t count)
{
	volatile char *memory = pages_new(count);

	pages_mark(memory, count, 1);
	return memory;
}

#define RANGE "range=%#lx-%#lx"
#define RANGE_OF(memory, count) (unsigned long)(memory), (unsigned long)(memory) + (count) * PAGE
