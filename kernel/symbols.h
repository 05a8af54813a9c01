/* SPDX-License-Identifier: MIT */
/*
 * kernel/symbols.h - addresses to names.
 *
 * The build links the image twice: tools/make-symbols turns the first link's functions into the
 * table that stands in the second.  A first link has an empty table.
 */
#pragma once

#include "lib/types.h"

enum { SYMBOL_NAME_SIZE = 96 };

struct symbol {
	char name[SYMBOL_NAME_SIZE];    /* a longer one is cut off */
	uint64_t offset;                /* how far into the function */
};

/* The function that contains `addr`.  False outside the kernel's code, or without a table.  Any
 * context: it takes no lock, and only the stack for memory. */
bool symbol_find(virt_t addr, struct symbol *symbol);
