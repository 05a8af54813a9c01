/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The one printf engine.  It writes to a sink and so serves the console, the log ring, buffers
 * and generated files alike.  It takes no lock and allocates nothing; it may run anywhere the
 * sink may.
 *
 *	%[flags][width][.precision][length]conversion
 *
 *	flags		- left   0 zeros   + sign   space for plus   # with 0x or 0
 *	width, precision	digits or *
 *	length		hh h l ll z t j
 *	conversion	d i u x X o c s p %
 */

#include "lib/types.h"

/* Where bytes go.  Embed it in what the receiver needs and use container_of in `put`. */
struct sink {
	void (*put)(struct sink *sink, const char *bytes, size_t len);
};

/*
 * Write the formatted text to `sink`.  Returns how many bytes that were.  An unknown conversion
 * is written as it stands.
 */
int format_to(struct sink *sink, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

/* The same with the arguments in place. */
int format_sink(struct sink *sink, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * Write into a buffer of `size` bytes, cutting what does not fit; the result is terminated
 * unless `size` is 0.  Returns the length of the whole text: not less than `size` means cut.
 */
int format_buffer(char *buf, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);
int format_buffer_va(char *buf, size_t size, const char *fmt, va_list args) PRINTF_LIKE(3, 0);
