/* SPDX-License-Identifier: MIT */
/*
 * lib/format.c - the printf engine: splits the format into plain text and specifications, and
 *   writes each through the sink.
 *
 * Invariants: a number's digits are made in a fixed buffer long enough for 64 bits in octal;
 * padding, which has no bound, is written piece by piece.  Width and precision beyond
 * FIELD_MAX count as FIELD_MAX.
 */

#include "lib/format.h"
#include "lib/string.h"

#define FIELD_MAX 4096
#define DIGITS_MAX 22
#define PRECISION_NONE (-1)

/* One format under way. */
struct format {
	struct sink *sink;
	const char *next;	/* not yet read */
	size_t written;
	va_list args;
};

/* One specification, taken apart. */
struct spec {
	bool is_left;
	bool is_zero;
	bool is_signed_plus;
	bool is_signed_space;
	bool is_alternate;
	int width;
	int precision;		/* or PRECISION_NONE */
	unsigned size;		/* of the argument, in bytes */
	char conversion;
};

static void spec_read(struct format *format, struct spec *spec);
static void spec_write(struct format *format, const struct spec *spec);

static void format_put(struct format *format, const char *bytes, size_t len)
{
	if (len > 0)
		format->sink->put(format->sink, bytes, len);
	format->written += len;
}

int format_to(struct sink *sink, const char *fmt, va_list args)
{
	struct format format = { .sink = sink, .next = fmt };
	struct spec spec;

	va_copy(format.args, args);
	while (*format.next != '\0') {
		const char *text = format.next;

		while (*format.next != '\0' && *format.next != '%')
			format.next++;
		format_put(&format, text, (size_t)(format.next - text));
		if (*format.next == '\0')
			break;
		spec_read(&format, &spec);
		spec_write(&format, &spec);
	}
	va_end(format.args);
	return (int)MIN(format.written, (size_t)INT32_MAX);
}

int format_sink(struct sink *sink, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = format_to(sink, fmt, args);
	va_end(args);
	return len;
}

/* A sink that fills a buffer and drops the rest. */
struct buffer_sink {
	struct sink sink;
	char *next;
	size_t left;
};

static void buffer_put(struct sink *sink, const char *bytes, size_t len)
{
	struct buffer_sink *buffer = container_of(sink, struct buffer_sink, sink);

	len = MIN(len, buffer->left);
	if (len == 0)
		return;
	memcpy(buffer->next, bytes, len);
	buffer->next += len;
	buffer->left -= len;
}

int format_buffer_va(char *buf, size_t size, const char *fmt, va_list args)
{
	struct buffer_sink buffer = {
		.sink = { .put = buffer_put },
		.next = buf,
		.left = size == 0 ? 0 : size - 1,
	};
	int len = format_to(&buffer.sink, fmt, args);

	if (size > 0)
		*buffer.next = '\0';
	return len;
}

int format_buffer(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = format_buffer_va(buf, size, fmt, args);
	va_end(args);
	return len;
}

/* ---- reading a specification ---- */

static bool flag_read(struct spec *spec, char c)
{
	switch (c) {
	case '-':
		spec->is_left = true;
		return true;
	case '0':
		spec->is_zero = true;
		return true;
	case '+':
		spec->is_signed_plus = true;
		return true;
	case ' ':
		spec->is_signed_space = true;
		return true;
	case '#':
		spec->is_alternate = true;
		return true;
	default:
		return false;
	}
}

/* A width or precision: digits, or an argument; 0 if there is neither. */
static int field_read(struct format *format)
{
	int n = 0;

	if (*format->next == '*') {
		format->next++;
		n = va_arg(format->args, int);
		return MAX(-FIELD_MAX, MIN(n, FIELD_MAX));
	}
	for (; *format->next >= '0' && *format->next <= '9'; format->next++)
		n = MIN(n * 10 + (*format->next - '0'), FIELD_MAX);
	return n;
}

static unsigned length_read(struct format *format)
{
	char c = *format->next;

	if (c != 'h' && c != 'l' && c != 'z' && c != 't' && c != 'j')
		return sizeof(int);
	format->next++;
	if (c == *format->next && (c == 'h' || c == 'l')) {
		format->next++;
		return c == 'h' ? sizeof(char) : sizeof(long long);
	}
	return c == 'h' ? sizeof(short) : sizeof(long);
}

/* Read the specification that begins at format->next with its percent sign. */
static void spec_read(struct format *format, struct spec *spec)
{
	*spec = (struct spec){ .precision = PRECISION_NONE };
	format->next++;
	while (flag_read(spec, *format->next))
		format->next++;
	spec->width = field_read(format);
	if (spec->width < 0) {
		spec->is_left = true;
		spec->width = -spec->width;
	}
	if (*format->next == '.') {
		format->next++;
		spec->precision = MAX(field_read(format), PRECISION_NONE);
	}
	spec->size = length_read(format);
	spec->conversion = *format->next;
	if (spec->conversion != '\0')
		format->next++;
}

/* ---- writing one ---- */

static void pad_write(struct format *format, char c, int count)
{
	static const char spaces[] = "                ";
	static const char zeros[] = "0000000000000000";

	while (count > 0) {
		int piece = MIN(count, (int)sizeof(spaces) - 1);

		format_put(format, c == '0' ? zeros : spaces, (size_t)piece);
		count -= piece;
	}
}

static void text_write(struct format *format, const struct spec *spec, const char *text, size_t len)
{
	int pad = spec->width - (int)MIN(len, (size_t)FIELD_MAX);

	if (!spec->is_left)
		pad_write(format, ' ', pad);
	format_put(format, text, len);
	if (spec->is_left)
		pad_write(format, ' ', pad);
}

/* The digits of `n`, ending at `end`; returns where they begin. */
static char *digits_make(char *end, uint64_t n, unsigned base, bool is_upper)
{
	const char *letters = is_upper ? "0123456789ABCDEF" : "0123456789abcdef";

	for (; n > 0; n /= base)
		*--end = letters[n % base];
	return end;
}

/*
 * A number is, left to right: spaces, its prefix (sign or 0x), zeros, digits, spaces.
 */
static void number_write(struct format *format, const struct spec *spec, const char *prefix,
			 uint64_t n)
{
	char digits[DIGITS_MAX];
	char *end = digits + DIGITS_MAX;
	bool is_hex = spec->conversion == 'x' || spec->conversion == 'X' || spec->conversion == 'p';
	unsigned base = is_hex ? 16 : spec->conversion == 'o' ? 8 : 10;
	char *first = digits_make(end, n, base, spec->conversion == 'X');
	int length = (int)(end - first);
	int prefix_length = (int)strlen(prefix);
	int zeros = (spec->precision == PRECISION_NONE ? 1 : spec->precision) - length;
	int pad;

	if (spec->is_alternate && base == 8)
		zeros = MAX(zeros, 1);
	if (spec->is_zero && !spec->is_left && spec->precision == PRECISION_NONE)
		zeros = MAX(zeros, spec->width - prefix_length - length);
	zeros = MAX(zeros, 0);
	pad = spec->width - prefix_length - zeros - length;
	if (!spec->is_left)
		pad_write(format, ' ', pad);
	format_put(format, prefix, (size_t)prefix_length);
	pad_write(format, '0', zeros);
	format_put(format, first, (size_t)length);
	if (spec->is_left)
		pad_write(format, ' ', pad);
}

static void signed_write(struct format *format, const struct spec *spec)
{
	const char *prefix = spec->is_signed_plus ? "+" : spec->is_signed_space ? " " : "";
	int64_t n;

	if (spec->size == sizeof(int64_t))
		n = va_arg(format->args, int64_t);
	else
		n = va_arg(format->args, int);
	if (spec->size == sizeof(int16_t))
		n = (int16_t)n;
	else if (spec->size == sizeof(int8_t))
		n = (int8_t)n;
	if (n < 0)
		number_write(format, spec, "-", -(uint64_t)n);
	else
		number_write(format, spec, prefix, (uint64_t)n);
}

static void unsigned_write(struct format *format, const struct spec *spec)
{
	const char *prefix = "";
	uint64_t n;

	if (spec->size == sizeof(uint64_t))
		n = va_arg(format->args, uint64_t);
	else
		n = va_arg(format->args, unsigned);
	if (spec->size == sizeof(uint16_t))
		n = (uint16_t)n;
	else if (spec->size == sizeof(uint8_t))
		n = (uint8_t)n;
	if (spec->is_alternate && n != 0 && spec->conversion == 'x')
		prefix = "0x";
	else if (spec->is_alternate && n != 0 && spec->conversion == 'X')
		prefix = "0X";
	number_write(format, spec, prefix, n);
}

static void string_write(struct format *format, const struct spec *spec)
{
	const char *s = va_arg(format->args, const char *);
	size_t max = spec->precision == PRECISION_NONE ? SIZE_MAX : (size_t)spec->precision;

	if (s == NULL)
		s = "(null)";
	text_write(format, spec, s, strnlen(s, max));
}

static void spec_write(struct format *format, const struct spec *spec)
{
	char c;

	switch (spec->conversion) {
	case 'd':
	case 'i':
		signed_write(format, spec);
		break;
	case 'u':
	case 'x':
	case 'X':
	case 'o':
		unsigned_write(format, spec);
		break;
	case 'p':
		number_write(format, spec, "0x", (uintptr_t)va_arg(format->args, void *));
		break;
	case 's':
		string_write(format, spec);
		break;
	case 'c':
		c = (char)va_arg(format->args, int);
		text_write(format, spec, &c, 1);
		break;
	case '%':
		format_put(format, "%", 1);
		break;
	default:
		format_put(format, "%", 1);
		format_put(format, &spec->conversion, spec->conversion != '\0');
		break;
	}
}
