/* SPDX-License-Identifier: MIT */
/*
 * lib/string.c - memory and string functions.
 *
 * Invariants: only the bytes asked for are touched; long runs move eight bytes at a time.
 * The compiler knows these functions by the shape of their loops and would call them from within
 * themselves; a compiler_barrier() in a loop hides the shape.
 */

#ifdef HOST
#define STRING_OWN_NAMES
#endif
#define STRING_PLAIN_NAMES

#include "lib/string.h"
#include "lib/abi/errno.h"
#include "lib/atomic.h"
#include "lib/kasan.h"

/* Eight bytes at any address, of any type. */
typedef uint64_t word_t __attribute__((may_alias, aligned(1)));

/* From here on the string instructions pay for their start. */
#define REP_WORDS_MIN 16

static void *copy_forward(void *to, const void *from, size_t size)
{
	uint8_t *byte_to = to;
	const uint8_t *byte_from = from;
	size_t words = size / sizeof(word_t);
	word_t last;

	if (size < sizeof(word_t)) {
		for (; size > 0; size--) {
			*byte_to++ = *byte_from++;
			compiler_barrier();
		}
		return to;
	}
	/* The last eight bytes go as one word, whatever they overlap. */
	last = *(const word_t *)(byte_from + size - sizeof(word_t));
	if (words >= REP_WORDS_MIN) {
		kasan_check_write(to, size);
		kasan_check_read(from, size);
		__asm__ volatile("rep movsq"
				 : "+D"(byte_to), "+S"(byte_from), "+c"(words)
				 :
				 : "memory");
	}
	for (; words > 0; words--) {
		*(word_t *)byte_to = *(const word_t *)byte_from;
		byte_to += sizeof(word_t);
		byte_from += sizeof(word_t);
		compiler_barrier();
	}
	*(word_t *)((uint8_t *)to + size - sizeof(word_t)) = last;
	return to;
}

static void *copy_backward(void *to, const void *from, size_t size)
{
	uint8_t *byte_to = to;
	const uint8_t *byte_from = from;

	while (size >= sizeof(word_t)) {
		size -= sizeof(word_t);
		*(word_t *)(byte_to + size) = *(const word_t *)(byte_from + size);
		compiler_barrier();
	}
	while (size > 0) {
		size--;
		byte_to[size] = byte_from[size];
		compiler_barrier();
	}
	return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	return copy_forward(to, from, size);
}

void *memmove(void *to, const void *from, size_t size)
{
	/* Going forward is wrong only if `to` lies inside what is yet to be read. */
	if ((uintptr_t)to - (uintptr_t)from >= size)
		return copy_forward(to, from, size);
	return copy_backward(to, from, size);
}

void *memset(void *to, int byte, size_t size)
{
	uint8_t *byte_to = to;
	word_t pattern = (uint8_t)byte * 0x0101010101010101ull;
	size_t words = size / sizeof(word_t);

	if (size < sizeof(word_t)) {
		for (; size > 0; size--) {
			*byte_to++ = (uint8_t)byte;
			compiler_barrier();
		}
		return to;
	}
	if (words >= REP_WORDS_MIN) {
		kasan_check_write(to, size);
		__asm__ volatile("rep stosq"
				 : "+D"(byte_to), "+c"(words)
				 : "a"(pattern)
				 : "memory");
	}
	for (; words > 0; words--) {
		*(word_t *)byte_to = pattern;
		byte_to += sizeof(word_t);
		compiler_barrier();
	}
	*(word_t *)((uint8_t *)to + size - sizeof(word_t)) = pattern;
	return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *byte_a = a;
	const uint8_t *byte_b = b;

	while (size >= sizeof(word_t) && *(const word_t *)byte_a == *(const word_t *)byte_b) {
		byte_a += sizeof(word_t);
		byte_b += sizeof(word_t);
		size -= sizeof(word_t);
	}
	for (; size > 0; size--, byte_a++, byte_b++) {
		if (*byte_a != *byte_b)
			return *byte_a - *byte_b;
	}
	return 0;
}

void *memchr(const void *bytes, int byte, size_t size)
{
	const uint8_t *p = bytes;

	for (; size > 0; size--, p++) {
		if (*p == (uint8_t)byte)
			return (void *)(uintptr_t)p;
	}
	return NULL;
}

size_t strlen(const char *s)
{
	const char *end = s;

	while (*end != '\0') {
		end++;
		compiler_barrier();
	}
	return (size_t)(end - s);
}

size_t strnlen(const char *s, size_t max)
{
	size_t len = 0;

	while (len < max && s[len] != '\0')
		len++;
	return len;
}

int strcmp(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t max)
{
	for (; max > 0; max--, a++, b++) {
		if (*a != *b || *a == '\0')
			return (uint8_t)*a - (uint8_t)*b;
	}
	return 0;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++) {
		if (*s == '\0')
			return NULL;
	}
	return (char *)(uintptr_t)s;
}

char *strrchr(const char *s, int c)
{
	char *found = NULL;

	for (; (s = strchr(s, c)) != NULL; s++) {
		found = (char *)(uintptr_t)s;
		if (c == '\0')
			break;
	}
	return found;
}

size_t strlcpy(char *restrict to, const char *restrict from, size_t size)
{
	size_t len = strlen(from);
	size_t copied;

	if (size == 0)
		return len;
	copied = MIN(len, size - 1);
	memcpy(to, from, copied);
	to[copied] = '\0';
	return len;
}

size_t strlcat(char *restrict to, const char *restrict from, size_t size)
{
	size_t len = strnlen(to, size);

	return len + strlcpy(to + len, from, size - len);
}

bool string_starts_with(const char *s, const char *prefix)
{
	for (; *prefix != '\0'; prefix++, s++) {
		if (*s != *prefix)
			return false;
	}
	return true;
}

/* The value of a digit in any base up to 16, or 16 if it is none. */
static unsigned digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned)(c - 'A') + 10;
	return 16;
}

/* The longest number at `s`; `*end` is behind it. */
static int digits_parse(const char *s, uint64_t *out, const char **end)
{
	unsigned base = 10;
	uint64_t n = 0;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit_value(s[2]) < 16) {
		base = 16;
		s += 2;
	}
	if (digit_value(*s) >= base)
		return -EINVAL;
	for (; digit_value(*s) < base; s++) {
		if (__builtin_mul_overflow(n, base, &n) ||
		    __builtin_add_overflow(n, digit_value(*s), &n))
			return -ERANGE;
	}
	*out = n;
	*end = s;
	return 0;
}

/* Where a parser stops: at `stop` if the caller takes the rest, else it must be the end. */
static int parse_finish(const char *stop, const char **end)
{
	if (end != NULL)
		*end = stop;
	else if (*stop != '\0')
		return -EINVAL;
	return 0;
}

int number_parse(const char *s, uint64_t *out, const char **end)
{
	const char *stop;
	uint64_t n;
	int error = digits_parse(s, &n, &stop);

	if (error == 0)
		error = parse_finish(stop, end);
	if (error == 0)
		*out = n;
	return error;
}

int size_parse(const char *s, uint64_t *out, const char **end)
{
	static const char letters[] = "kmgt";
	const char *letter;
	const char *stop;
	uint64_t n;
	int error = digits_parse(s, &n, &stop);

	if (error != 0)
		return error;
	letter = *stop == '\0' ? NULL : strchr(letters, *stop | 0x20);
	if (letter != NULL) {
		if (__builtin_mul_overflow(n, 1ull << 10 * (letter - letters + 1), &n))
			return -ERANGE;
		stop++;
	}
	error = parse_finish(stop, end);
	if (error == 0)
		*out = n;
	return error;
}
