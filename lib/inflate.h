/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Unpacks gzip (RFC 1952) into one contiguous buffer.  Bounded: reads only `in`, writes only
 * `out`, ends for every input.  Working space is static, so one caller at a time: the boot CPU.
 */

#include "lib/types.h"

/* Whether `in` begins like a gzip file. */
bool gzip_is(const uint8_t *in, size_t in_len);

/*
 * The unpacked size that the last member's trailer states, modulo 4 GiB: a size to try first,
 * nothing to rely on.  0 if `in` is too short to have one.
 */
size_t gzip_size_hint(const uint8_t *in, size_t in_len);

/*
 * Unpack every member that `in` begins with.  `*out_len` is how much came out, `*in_used` how
 * much of `in` was read; both are set on failure, too.  Returns 0, -EINVAL if the input is
 * damaged or cut short (the sums are checked), -ENOSPC if `out_cap` bytes are not enough.
 */
int gunzip(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_cap, size_t *out_len,
	   size_t *in_used) MUST_CHECK;
