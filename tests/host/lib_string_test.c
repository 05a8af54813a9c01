// sources: lib/string.c
/* SPDX-License-Identifier: MIT */

/* Our memory and string functions against the C library's, byte for byte. */

#include <errno.h>
#include <stdlib.h>
#include "tap.h"

/* The C library's, under names that stay its own once ours take theirs. */
static void *(*const libc_memmove)(void *, const void *, size_t) = memmove;
static int (*const libc_memcmp)(const void *, const void *, size_t) = memcmp;
static int (*const libc_strcmp)(const char *, const char *) = strcmp;

#define STRING_OWN_NAMES
#include "lib/string.h"

#define ARENA 640

static uint8_t ours[ARENA];
static uint8_t theirs[ARENA];

static void arenas_fill(void)
{
	for (int i = 0; i < ARENA; i++)
		ours[i] = theirs[i] = (uint8_t)(i * 37 + i / 256);
}

static bool arenas_agree(void)
{
	return libc_memcmp(ours, theirs, ARENA) == 0;
}

static const size_t sizes[] = {
	0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 64, 120, 127, 128, 129, 136, 255,
};

TEST(memmove_copies_at_every_overlap)
{
	for (size_t i = 0; i < COUNT(sizes); i++) {
		for (size_t from = 100; from < 108; from++) {
			for (size_t to = 0; to + sizes[i] <= ARENA && to < 380; to++) {
				arenas_fill();
				EXPECT(memmove(ours + to, ours + from, sizes[i]) == ours + to);
				libc_memmove(theirs + to, theirs + from, sizes[i]);
				EXPECT(arenas_agree());
			}
		}
	}
}

TEST(memcpy_touches_only_its_bytes)
{
	for (size_t i = 0; i < COUNT(sizes); i++) {
		for (size_t shift = 0; shift < 16; shift++) {
			arenas_fill();
			EXPECT(memcpy(ours + 300 + shift, ours + shift / 2, sizes[i]) ==
			       ours + 300 + shift);
			libc_memmove(theirs + 300 + shift, theirs + shift / 2, sizes[i]);
			EXPECT(arenas_agree());
		}
	}
}

TEST(memset_touches_only_its_bytes)
{
	for (size_t i = 0; i < COUNT(sizes); i++) {
		for (size_t shift = 0; shift < 16; shift++) {
			arenas_fill();
			EXPECT(memset(ours + shift, 0x1a5, sizes[i]) == ours + shift);
			for (size_t at = 0; at < sizes[i]; at++)
				theirs[shift + at] = 0xa5;
			EXPECT(arenas_agree());
		}
	}
}

TEST(memcmp_compares_bytes_as_unsigned)
{
	arenas_fill();
	for (size_t at = 0; at < 40; at++) {
		EXPECT(memcmp(ours, theirs, 40) == 0);
		ours[at] ^= 0x80;
		EXPECT((memcmp(ours, theirs, 40) < 0) == (libc_memcmp(ours, theirs, 40) < 0));
		EXPECT(memcmp(ours, theirs, 40) != 0);
		EXPECT(memcmp(ours, theirs, at) == 0);
		ours[at] ^= 0x80;
	}
}

TEST(memcmp_reads_no_further_than_asked)
{
	char *a = malloc(11);
	char *b = malloc(11);

	memset(a, 'x', 11);
	memset(b, 'x', 11);
	for (size_t size = 0; size <= 11; size++)
		EXPECT(memcmp(a + 11 - size, b + 11 - size, size) == 0);
	free(a);
	free(b);
}

TEST(memchr_finds_the_first)
{
	static const char bytes[] = { 'a', 'b', (char)0xff, 'b' };

	EXPECT(memchr(bytes, 'b', 4) == bytes + 1);
	EXPECT(memchr(bytes, 0xff, 4) == bytes + 2);
	EXPECT(memchr(bytes, 'b', 1) == NULL);
	EXPECT(memchr(bytes, 'a', 0) == NULL);
}

TEST(strings_are_measured_and_compared)
{
	EXPECT(strlen("") == 0 && strlen("abc") == 3);
	EXPECT(strnlen("abc", 2) == 2 && strnlen("abc", 9) == 3);
	EXPECT(strcmp("abc", "abc") == 0 && strcmp("ab", "abc") < 0);
	EXPECT((strcmp("\xff", "a") > 0) == (libc_strcmp("\xff", "a") > 0));
	EXPECT(strncmp("abcd", "abxx", 2) == 0 && strncmp("abc", "abd", 3) < 0);
	EXPECT(strncmp("ab", "ab", 100) == 0 && strncmp("a", "b", 0) == 0);
	EXPECT(string_starts_with("abc", "ab") && string_starts_with("abc", ""));
	EXPECT(!string_starts_with("ab", "abc"));
	EXPECT(string_equals("", "") && !string_equals("", "a"));
}

TEST(characters_are_found_from_both_ends)
{
	const char *s = "a/b/c";

	EXPECT(strchr(s, '/') == s + 1 && strrchr(s, '/') == s + 3);
	EXPECT(strchr(s, 'x') == NULL && strrchr(s, 'x') == NULL);
	EXPECT(strchr(s, '\0') == s + 5 && strrchr(s, '\0') == s + 5);
	EXPECT(strrchr("", 'a') == NULL);
}

TEST(bounded_copies_are_cut_and_terminated)
{
	char buf[4] = "zzz";

	EXPECT(strlcpy(buf, "hello", 0) == 5 && buf[0] == 'z');
	EXPECT(strlcpy(buf, "hello", sizeof(buf)) == 5 && string_equals(buf, "hel"));
	EXPECT(strlcpy(buf, "a", sizeof(buf)) == 1 && string_equals(buf, "a"));
	EXPECT(strlcat(buf, "b", sizeof(buf)) == 2 && string_equals(buf, "ab"));
	EXPECT(strlcat(buf, "cdef", sizeof(buf)) == 6 && string_equals(buf, "abc"));
	EXPECT(strlcat(buf, "x", 2) == 3 && string_equals(buf, "abc"));
}

TEST(numbers_are_parsed_whole)
{
	uint64_t n = 77;

	EXPECT(number_parse("0", &n, NULL) == 0 && n == 0);
	EXPECT(number_parse("18446744073709551615", &n, NULL) == 0 && n == UINT64_MAX);
	EXPECT(number_parse("0xffffFFFFffffffff", &n, NULL) == 0 && n == UINT64_MAX);
	EXPECT(number_parse("007", &n, NULL) == 0 && n == 7);
	EXPECT(number_parse("18446744073709551616", &n, NULL) == -ERANGE);
	EXPECT(number_parse("0x10000000000000000", &n, NULL) == -ERANGE);
	EXPECT(number_parse("", &n, NULL) == -EINVAL);
	EXPECT(number_parse("-1", &n, NULL) == -EINVAL);
	EXPECT(number_parse("12x", &n, NULL) == -EINVAL);
	EXPECT(number_parse("0x", &n, NULL) == -EINVAL);
	EXPECT(n == 7);
}

TEST(parsing_may_stop_early_if_the_caller_takes_the_rest)
{
	const char *text = "12,34";
	const char *end;
	uint64_t n;

	EXPECT(number_parse(text, &n, &end) == 0 && n == 12 && end == text + 2);
	EXPECT(number_parse("0xg", &n, &end) == 0 && n == 0 && *end == 'x');
	EXPECT(size_parse("4k@8", &n, &end) == 0 && n == 4096 && *end == '@');
}

TEST(sizes_know_their_suffixes)
{
	uint64_t n = 77;

	EXPECT(size_parse("5", &n, NULL) == 0 && n == 5);
	EXPECT(size_parse("5k", &n, NULL) == 0 && n == 5 * KIB);
	EXPECT(size_parse("5M", &n, NULL) == 0 && n == 5 * MIB);
	EXPECT(size_parse("0x10g", &n, NULL) == 0 && n == 16 * GIB);
	EXPECT(size_parse("1t", &n, NULL) == 0 && n == 1024 * GIB);
	EXPECT(size_parse("16777216t", &n, NULL) == -ERANGE);
	EXPECT(size_parse("5kk", &n, NULL) == -EINVAL);
	EXPECT(size_parse("k", &n, NULL) == -EINVAL);
	EXPECT(n == 1024 * GIB);
}
