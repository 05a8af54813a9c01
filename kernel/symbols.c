/* SPDX-License-Identifier: MIT */
/*
 * kernel/symbols.c - addresses to names.
 *
 * Owns:        nothing; it searches the table that tools/make-symbols makes, sorted by address.
 */
#include "kernel/symbols.h"

#include "arch/x86_64/layout.h"

extern const uint32_t symbol_count;
extern const uint32_t symbol_offsets[];         /* distance from IMAGE_BASE, ascending */
extern const uint32_t symbol_names_at[];        /* where in symbol_names */
extern const char symbol_names[];

bool symbol_find(virt_t addr, const char **name, uint64_t *offset)
{
	uint32_t low = 0, high = symbol_count;

	if (addr < (virt_t)text_start || addr >= (virt_t)text_end)
		return false;

	/* Entries below `low` begin at or before addr, those from `high` on behind it. */
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (symbol_offsets[middle] <= addr - IMAGE_BASE)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return false;
	*name = &symbol_names[symbol_names_at[low - 1]];
	*offset = addr - IMAGE_BASE - symbol_offsets[low - 1];
	return true;
}
