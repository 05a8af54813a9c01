/* SPDX-License-Identifier: MIT */
/*
 * fs/text.h - text of any length, as generated files have it.
 *
 * Grows page by page, so that a long one needs no memory in one piece.  After a failed allocation
 * what is written is dropped and err says so.
 *
 * What programs can make as long as they like comes in parts, so that nobody holds all of it: who
 * makes it begins at `from` and asks text_pause() before each line.
 */
#pragma once

#include "lib/format.h"
#include "lib/types.h"
#include "mm/buffer.h"

enum { TEXT_PART = 32768 };             /* where a part ends, but for its last line */

struct text {
	struct sink sink;
	char **pages;
	uint32_t page_count, page_capacity;
	size_t len;
	int err;
	uint64_t from, next;            /* what this part and the next begin with; 0: no other */
};

/* Make it empty, and fit for use: also a zeroed structure. */
void text_clear(struct text *text);

void text_print(struct text *text, const char *fmt, ...) PRINTF_LIKE(2, 3);
void text_put(struct text *text, const char *bytes, size_t len);

/* Is this part long enough?  Then the next one begins with `from`, which is not 0. */
static inline bool text_pause(struct text *text, uint64_t from)
{
	if (text->len < TEXT_PART)
		return false;
	text->next = from;
	return true;
}

/* Up to `len` bytes from *offset on, which advances.  How many, 0 at the end, or -EFAULT. */
ssize_t text_read(const struct text *text, buffer_t to, size_t len, uint64_t *offset);

/* What a program wrote to such a file: a decimal number in [low, high]; -EINVAL. */
MUST_CHECK int text_parse_number(const char *text, int64_t low, int64_t high, int64_t *number);
