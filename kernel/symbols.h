/* SPDX-License-Identifier: MIT */
/*
 * kernel/symbols.h - addresses to names.
 *
 * The build links the image twice: tools/make-symbols turns the first link's functions into the
 * table that stands in the second.  A first link has an empty table.
 */
#pragma once

#include "lib/types.h"

/* The function that contains `addr`, and how far into it that is.  False outside the kernel's code,
 * or without a table. */
bool symbol_find(virt_t addr, const char **name, uint64_t *offset);
