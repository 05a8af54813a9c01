/* SPDX-License-Identifier: MIT */
/*
 * tests/host/fuzz/operations.h - bytes as operations on several spaces, CPUs and ways to fork.
 *
 * Six bytes are one operation, whatever they are: so a fuzzer may change and cut them as it likes.
 *
 *     06 12 03 05 00 00   cpu 2, space 1: store to spots 3..8
 *
 * After each operation every page of every space is compared with the model, which copies eagerly,
 * and everything is recounted (world_check).  CPUs keep what they have cached from operation to
 * operation, until they are told.
 */
#pragma once

#include "lib/types.h"

enum { OPERATION_BYTES = 6, OPERATIONS_MAX = 400 };

/* Do them on a fresh machine, or on the one that the last call left, which must be whole. */
void operations_run(const uint8_t *bytes, size_t size);

/* A line for each: its bytes in hex, and what they mean. */
void operations_print(const uint8_t *bytes, size_t size);

/* Bytes from such lines: what stands before `#` counts.  Their number. */
size_t operations_parse(const char *text, uint8_t *bytes, size_t max);
