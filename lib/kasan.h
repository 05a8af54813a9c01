/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Which memory may be touched, as sanitized builds (make SAN=1) are told.
 *
 * A shadow byte speaks for eight bytes of the kernel's memory: 0, all may be touched; 1 to 7, only
 * so many of the first; above, none, and the number says why.  The compiler puts a look at the
 * shadow before every load and store; whoever hands memory out, or takes it back, says so here.
 * Nothing is left of this file in other builds.
 */

#include "lib/types.h"

/* Those of the compiler's own: left, middle and right of a variable on the stack, behind a global
 * one. */
enum kasan_reason {
	KASAN_STACK_LEFT = 0xf1, KASAN_STACK_MIDDLE = 0xf2, KASAN_STACK_RIGHT = 0xf3,
	KASAN_STACK_SCOPE = 0xf8, KASAN_GLOBAL = 0xf9,
	KASAN_REDZONE = 0xfa,           /* before, between and behind small objects */
	KASAN_OBJECT_FREE = 0xfb,       /* a small object that was freed */
	KASAN_STACK_FREE = 0xfe,        /* a kernel stack that no task has */
	KASAN_FRAME_FREE = 0xff,        /* a frame that nobody holds */
};

/* The first bytes of every free frame stay open: free blocks keep their links there. */
enum { KASAN_FRAME_LINKS = 16 };

#ifdef COWBELL_SAN

/* [at, at + len) must not be touched.  `at` is a multiple of 8; a rest of less than 8 stays. */
void kasan_poison(const void *at, size_t len, enum kasan_reason why);

/* [at, at + len) may be touched, what is left of its last 8 bytes may not.  `at` is a multiple of
 * 8. */
void kasan_unpoison(const void *at, size_t len);

/* For what the compiler does not see: assembly.  Reports if any of it must not be touched. */
void kasan_check_read(const void *at, size_t len);
void kasan_check_write(const void *at, size_t len);

/* The frames from one page's address on are free. */
void kasan_poison_pages(const void *first, size_t pages);

/* Boot, before variables with a red zone are used: close those zones. */
void kasan_start(void);

#else

static inline void kasan_poison(const void *at, size_t len, enum kasan_reason why)
{
}

static inline void kasan_unpoison(const void *at, size_t len)
{
}

static inline void kasan_check_read(const void *at, size_t len)
{
}

static inline void kasan_check_write(const void *at, size_t len)
{
}

static inline void kasan_poison_pages(const void *first, size_t pages)
{
}

static inline void kasan_start(void)
{
}

#endif
