// sources: lib/format.c lib/string.c
/* SPDX-License-Identifier: MIT */

/* The printf engine against the C library's. */

#include <limits.h>
#include <stdlib.h>
#include "tap.h"
#include "lib/format.h"
#include "lib/types.h"

/* Both engines must give the same text and length. */
#define SAME(...)                                                                                  \
	do {                                                                                       \
		char ours[512];                                                                    \
		char theirs[512];                                                                  \
		int our_len = format_buffer(ours, sizeof(ours), __VA_ARGS__);                      \
		int their_len = snprintf(theirs, sizeof(theirs), __VA_ARGS__);                     \
		EXPECT(our_len == their_len);                                                      \
		EXPECT(strcmp(ours, theirs) == 0);                                                 \
		if (strcmp(ours, theirs) != 0)                                                     \
			printf("# \"%s\" should be \"%s\"\n", ours, theirs);                       \
	} while (0)

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-truncation"
#pragma GCC diagnostic ignored "-Wformat-overflow"

TEST(plain_text_passes)
{
	SAME("hello");
	SAME("100%% sure %%");
}

TEST(integers_of_every_length)
{
	SAME("%d %i %u", INT_MIN, INT_MAX, UINT_MAX);
	SAME("%ld %lu %lld %llu", LONG_MIN, ULONG_MAX, LLONG_MIN, ULLONG_MAX);
	SAME("%hd %hu %hhd %hhu", 0x18000, 0x1ffff, 0x180, 0x1ff);
	SAME("%zu %zd %td %jd %ju", SIZE_MAX, (ssize_t)-1, (ptrdiff_t)-5, INTMAX_MIN, UINTMAX_MAX);
	SAME("%x %X %lx %llX %o %lo", 0xbeef, 0xBEEF, ULONG_MAX, ULLONG_MAX, 0777, ULONG_MAX);
	SAME("%hx %hhx %ho", 0x12345, 0x123, 0x12345);
}

TEST(flags_width_and_precision)
{
	static const char *const flags[] = {
		"", "-", "0", "+", " ", "#", "-0", "+0", " 0", "#0",
		"-#", "-+", "+ ", "#-0", "-+ #0",
	};
	static const char *const fields[] = {
		"", "1", "5", "12", ".0", ".1", ".5", "8.3", "3.8", "12.", "20.12", "70", ".40",
	};
	static const long values[] = { 0, 1, -1, 42, -12345, 0x7fffffff };

	for (size_t f = 0; f < COUNT(flags); f++) {
		for (size_t w = 0; w < COUNT(fields); w++) {
			for (size_t v = 0; v < COUNT(values); v++) {
				char fmt[64];

				snprintf(fmt, sizeof(fmt), "<%%%s%sld|%%%s%slx|%%%s%slo>", flags[f],
					 fields[w], flags[f], fields[w], flags[f], fields[w]);
				SAME(fmt, values[v], values[v], values[v]);
			}
		}
	}
}

TEST(stars_take_arguments)
{
	SAME("<%*d>", 6, 42);
	SAME("<%*d>", -6, 42);
	SAME("<%.*d>", 6, 42);
	SAME("<%.*d>", -6, 42);
	SAME("<%*.*s>", 8, 3, "abcdef");
	SAME("<%-*.*s>", 8, 3, "abcdef");
}

TEST(strings_and_characters)
{
	SAME("<%s> <%10s> <%-10s> <%.2s> <%.0s>", "abc", "abc", "abc", "abc", "abc");
	SAME("<%c> <%5c> <%-5c>", 'x', 'y', 'z');
	SAME("%s", (char *)NULL);
}

TEST(precision_bounds_an_unterminated_string)
{
	char *bytes = malloc(3);
	char buf[16];

	memcpy(bytes, "abc", 3);
	EXPECT(format_buffer(buf, sizeof(buf), "%.3s|", bytes) == 4);
	EXPECT(strcmp(buf, "abc|") == 0);
	free(bytes);
}

TEST(pointers_are_hexadecimal)
{
	char buf[64];

	SAME("%p", (void *)0xdeadbeef);
	SAME("<%20p|%-20p>", (void *)0x1000, (void *)0x1000);
	format_buffer(buf, sizeof(buf), "%p", NULL);
	EXPECT(strcmp(buf, "0x0") == 0);
}

TEST(buffers_are_cut_and_terminated)
{
	char buf[8] = "zzzzzzz";

	EXPECT(format_buffer(buf, 0, "%d", 12345) == 5 && buf[0] == 'z');
	EXPECT(format_buffer(NULL, 0, "%d", 12345) == 5);
	EXPECT(format_buffer(buf, 1, "%d", 12345) == 5 && buf[0] == '\0' && buf[1] == 'z');
	EXPECT(format_buffer(buf, 4, "%d", 12345) == 5 && strcmp(buf, "123") == 0);
	EXPECT(buf[4] == 'z');
}

TEST(unknown_conversions_stand_as_they_are)
{
	char buf[16];

	EXPECT(format_buffer(buf, sizeof(buf), "a%qb") == 4);
	EXPECT(strcmp(buf, "a%qb") == 0);
	EXPECT(format_buffer(buf, sizeof(buf), "a%") == 2);
	EXPECT(strcmp(buf, "a%") == 0);
}

TEST(huge_widths_are_bounded)
{
	char buf[16];

	EXPECT(format_buffer(buf, sizeof(buf), "%99999999999d", 1) == 4096);
	EXPECT(format_buffer(buf, sizeof(buf), "%.*d", INT_MAX, 1) == 4096);
	EXPECT(format_buffer(buf, sizeof(buf), "%*d", INT_MIN, 1) == 4096);
}

struct counting_sink {
	struct sink sink;
	size_t bytes;
	int calls;
};

static void counting_put(struct sink *sink, const char *bytes, size_t len)
{
	struct counting_sink *counting = container_of(sink, struct counting_sink, sink);

	EXPECT(bytes != NULL && len > 0);
	counting->bytes += len;
	counting->calls++;
}

TEST(a_sink_sees_every_byte_once)
{
	struct counting_sink counting = { .sink = { .put = counting_put } };

	EXPECT(format_sink(&counting.sink, "%s%5d%s", "ab", 7, "") == 7);
	EXPECT(counting.bytes == 7);
}
