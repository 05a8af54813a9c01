/* SPDX-License-Identifier: MIT */
/*
 * fs/text.c - text of any length, as generated files have it.
 *
 * Owns: the pages of a text and the list of them.
 * Locks: none; a text belongs to whoever fills it.
 */

#include "fs/text.h"
#include "lib/abi/errno.h"
#include "lib/string.h"
#include "mm/mmu.h"
#include "mm/slab.h"

enum { TEXT_PAGES_FIRST = 8 };

/* One page more.  False: no memory. */
static bool text_grow(struct text *text)
{
	if (text->page_count == text->page_capacity) {
		uint32_t capacity = MAX(2 * text->page_capacity, (uint32_t)TEXT_PAGES_FIRST);
		char **pages = kmalloc(capacity * sizeof(*pages));

		if (!pages)
			return false;
		for (uint32_t i = 0; i < text->page_count; i++)
			pages[i] = text->pages[i];
		kfree(text->pages);
		text->pages = pages;
		text->page_capacity = capacity;
	}
	text->pages[text->page_count] = kmalloc(PAGE_SIZE);
	if (!text->pages[text->page_count])
		return false;
	text->page_count++;
	return true;
}

void text_put(struct text *text, const char *bytes, size_t len)
{
	while (len > 0 && !text->err) {
		size_t in_page = text->len % PAGE_SIZE;
		size_t chunk = MIN(len, (size_t)PAGE_SIZE - in_page);

		if (text->len / PAGE_SIZE == text->page_count && !text_grow(text)) {
			text->err = -ENOMEM;
			return;
		}
		memcpy(text->pages[text->len / PAGE_SIZE] + in_page, bytes, chunk);
		text->len += chunk;
		bytes += chunk;
		len -= chunk;
	}
}

static void text_sink(struct sink *sink, const char *bytes, size_t len)
{
	text_put(container_of(sink, struct text, sink), bytes, len);
}

void text_print(struct text *text, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	format_to(&text->sink, fmt, args);
	va_end(args);
}

void text_clear(struct text *text)
{
	for (uint32_t i = 0; i < text->page_count; i++)
		kfree(text->pages[i]);
	kfree(text->pages);
	*text = (struct text){ .sink = { .put = text_sink } };
}

ssize_t text_read(const struct text *text, buffer_t to, size_t len, uint64_t *offset)
{
	size_t done = 0;

	while (done < len && *offset < text->len) {
		size_t in_page = *offset % PAGE_SIZE;
		size_t left = MIN(len - done, text->len - *offset);
		size_t chunk = MIN(left, (size_t)PAGE_SIZE - in_page);
		size_t n = buffer_put_partial(
			to, done, text->pages[*offset / PAGE_SIZE] + in_page, chunk);

		*offset += n;
		done += n;
		if (n < chunk)
			return done > 0 ? (ssize_t)done : -EFAULT;
	}
	return (ssize_t)done;
}

int text_parse_number(const char *text, int64_t low, int64_t high, int64_t *number)
{
	bool is_negative = *text == '-';
	uint64_t size;
	int64_t value;

	if (number_parse(text + is_negative, &size, NULL) || size > INT64_MAX)
		return -EINVAL;
	value = is_negative ? -(int64_t)size : (int64_t)size;
	if (value < low || value > high)
		return -EINVAL;
	*number = value;
	return 0;
}
