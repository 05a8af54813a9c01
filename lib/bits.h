/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Alignment, rounding and bit scans on 64-bit numbers.  Alignments are powers of two.  Rounding
 * up wraps to 0 at the end of the number line; who rounds what a program gave checks first.
 */

#include "lib/types.h"

#define BIT(n) (1ull << (n))

static inline bool is_power_of_two(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static inline uint64_t align_down(uint64_t n, uint64_t alignment)
{
	return n & ~(alignment - 1);
}

static inline uint64_t align_up(uint64_t n, uint64_t alignment)
{
	return (n + alignment - 1) & ~(alignment - 1);
}

static inline bool is_aligned(uint64_t n, uint64_t alignment)
{
	return (n & (alignment - 1)) == 0;
}

static inline virt_t page_floor(virt_t address)
{
	return align_down(address, PAGE_SIZE);
}

static inline virt_t page_ceil(virt_t address)
{
	return align_up(address, PAGE_SIZE);
}

static inline bool is_page_aligned(uint64_t n)
{
	return is_aligned(n, PAGE_SIZE);
}

/* How many pages `bytes` bytes need. */
static inline uint64_t page_count(uint64_t bytes)
{
	return (bytes >> PAGE_SHIFT) + ((bytes & (PAGE_SIZE - 1)) != 0);
}

/* The quotient rounded up; does not overflow. */
static inline uint64_t div_round_up(uint64_t n, uint64_t divisor)
{
	return n / divisor + (n % divisor != 0);
}

/* How many bits it takes to write `n`: 0 for 0, 1 for 1, 64 for the largest. */
static inline unsigned bit_length(uint64_t n)
{
	return n == 0 ? 0 : 64 - (unsigned)__builtin_clzll(n);
}

/* The largest k with 2^k <= n.  `n` is not 0. */
static inline unsigned log2_floor(uint64_t n)
{
	return bit_length(n) - 1;
}

/* The smallest k with 2^k >= n.  `n` is not 0. */
static inline unsigned log2_ceil(uint64_t n)
{
	return bit_length(n - 1);
}

/* Number of the lowest set bit.  `n` is not 0. */
static inline unsigned bit_lowest(uint64_t n)
{
	return (unsigned)__builtin_ctzll(n);
}

/* Number of the highest set bit.  `n` is not 0. */
static inline unsigned bit_highest(uint64_t n)
{
	return log2_floor(n);
}

static inline unsigned bit_count(uint64_t n)
{
	return (unsigned)__builtin_popcountll(n);
}
