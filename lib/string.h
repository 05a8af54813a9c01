/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Memory and strings.  The functions of the C library behave as the standard says; their
 * definitions are our own.  In the kernel the common ones go through the compiler's builtins, so
 * that a copy of constant size costs no call.
 *
 * On the build machine the C library keeps its names; a test that wants ours defines
 * STRING_OWN_NAMES before it includes this header.
 */

#include "lib/types.h"

#ifdef STRING_OWN_NAMES
#define memcpy cowbell_memcpy
#define memmove cowbell_memmove
#define memset cowbell_memset
#define memcmp cowbell_memcmp
#define memchr cowbell_memchr
#define strlen cowbell_strlen
#define strnlen cowbell_strnlen
#define strcmp cowbell_strcmp
#define strncmp cowbell_strncmp
#define strchr cowbell_strchr
#define strrchr cowbell_strrchr
#endif

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
void *memchr(const void *bytes, int byte, size_t size);

size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t max);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);

/*
 * Copy or append a string into a buffer of `size` bytes in all, cutting it if need be; the
 * result is terminated unless `size` is 0.  Returns the length it would have had: not less than
 * `size` means it was cut.
 */
size_t strlcpy(char *restrict to, const char *restrict from, size_t size);
size_t strlcat(char *restrict to, const char *restrict from, size_t size);

static inline bool string_equals(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

bool string_starts_with(const char *s, const char *prefix);

/*
 * Read an unsigned number: decimal, or hexadecimal after 0x.  `*end`, if asked for, is where it
 * stopped; without `end` the number must be the whole string.  Returns 0, -EINVAL if there is no
 * number (or more than one), -ERANGE if it is too large; `*out` is set only on success.
 */
int number_parse(const char *s, uint64_t *out, const char **end) MUST_CHECK;

/* The same, with an optional factor k, m, g or t (either case; powers of 1024) behind it. */
int size_parse(const char *s, uint64_t *out, const char **end) MUST_CHECK;

#if !defined(HOST) && !defined(STRING_PLAIN_NAMES)
#define memcpy(to, from, size) __builtin_memcpy(to, from, size)
#define memmove(to, from, size) __builtin_memmove(to, from, size)
#define memset(to, byte, size) __builtin_memset(to, byte, size)
#define memcmp(a, b, size) __builtin_memcmp(a, b, size)
#define strlen(s) __builtin_strlen(s)
#define strcmp(a, b) __builtin_strcmp(a, b)
#endif
