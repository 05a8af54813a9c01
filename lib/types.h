/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The vocabulary everything else is written in: integer types, numbers with a meaning, and the
 * few macros the language lacks.  Compiles in the kernel and, for the host tests, beside a C
 * library.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if __STDC_HOSTED__
#include <sys/types.h>
#else
typedef int64_t ssize_t;	/* a length, or a negative errno */
#endif

typedef uint64_t virt_t;	/* an address as a program or the kernel sees it */
typedef uint64_t phys_t;	/* an address as the memory bus sees it */
typedef uint64_t pfn_t;		/* number of a physical frame: phys_t >> PAGE_SHIFT */

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096ull
#define PAGE_MASK (~(PAGE_SIZE - 1))	/* keeps the page's address, drops the offset in it */

/* How many elements an array has.  Refuses a pointer at compile time. */
#define COUNT(array)                                                                               \
	(sizeof(array) / sizeof((array)[0]) +                                                      \
	 0 * sizeof(char[1 - 2 * __builtin_types_compatible_p(__typeof__(array),                   \
							      __typeof__(&(array)[0]))]))

/* The structure of which `pointer` points to `member`. */
#define container_of(pointer, type, member)                                                        \
	({                                                                                         \
		const __typeof__(((type *)0)->member) *member_of_ = (pointer);                     \
		(type *)((uintptr_t)member_of_ - offsetof(type, member));                          \
	})

/*
 * The smaller and the larger of two numbers of one type; each is evaluated once.  Comparing the
 * pointers makes the compiler refuse two different types.
 */
#undef MIN
#define SWAP(a, b)                                                                                 \
	do {                                                                                       \
		__auto_type swap_ = (a);                                                           \
		(a) = (b);                                                                         \
		(b) = swap_;                                                                       \
	} while (0)

#define MIN(a, b)                                                                                  \
	({                                                                                         \
		__auto_type min_a_ = (a);                                                          \
		__auto_type min_b_ = (b);                                                          \
		(void)(&min_a_ == &min_b_);                                                        \
		min_a_ < min_b_ ? min_a_ : min_b_;                                                 \
	})

#undef MAX
#define MAX(a, b)                                                                                  \
	({                                                                                         \
		__auto_type max_a_ = (a);                                                          \
		__auto_type max_b_ = (b);                                                          \
		(void)(&max_a_ == &max_b_);                                                        \
		max_a_ > max_b_ ? max_a_ : max_b_;                                                 \
	})

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

#define MUST_CHECK __attribute__((warn_unused_result))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NORETURN __attribute__((noreturn))
#define PACKED __attribute__((packed))
#define ALIGNED(bytes) __attribute__((aligned(bytes)))

/* Argument number `fmt` is a printf format for those from number `first` on (0: a va_list). */
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

#ifndef static_assert
#define static_assert _Static_assert
#endif
