/* SPDX-License-Identifier: MIT */
/*
 * tests/kernel/symbols_test.c - the kernel's table of its own functions.
 */
#include "lib/string.h"
#include "arch/x86_64/layout.h"
#include "kernel/ktest.h"
#include "kernel/symbols.h"

static bool is_called(const void *address, const char *name, uint64_t offset)
{
	struct symbol symbol;

	return symbol_find((virt_t)address + offset, &symbol) && symbol.offset == offset
		&& strcmp(symbol.name, name) == 0;
}

KTEST(symbols, functions_have_their_names)
{
	EXPECT(is_called(symbol_find, "symbol_find", 0));
	EXPECT(is_called(symbol_find, "symbol_find", 1));
	EXPECT(is_called(ktest_run, "ktest_run", 5));
	EXPECT(is_called(strlcpy, "strlcpy", 0));
	EXPECT(is_called(ktest_symbols_functions_have_their_names,
			 "ktest_symbols_functions_have_their_names", 3));
}

/* Every address of the code belongs to a function, and a next one begins where offsets do again. */
KTEST(symbols, offsets_count_up_from_each_start)
{
	struct symbol before, symbol;
	uint32_t functions = 0;

	EXPECT(symbol_find((virt_t)text_start, &before) && before.offset == 0);
	for (virt_t at = (virt_t)text_start + 1; at < (virt_t)text_start + 0x4000; at++) {
		EXPECT(symbol_find(at, &symbol));
		EXPECT_EQ(symbol.offset, symbol.offset == 0 ? 0 : before.offset + 1);
		EXPECT((strcmp(symbol.name, before.name) == 0) == (symbol.offset != 0));
		functions += symbol.offset == 0;
		before = symbol;
	}
	EXPECT(functions > 0);
}

/* All of it, in long steps: no function begins before one that stands below it. */
KTEST(symbols, functions_stand_in_order)
{
	struct symbol symbol, first;
	virt_t last = (virt_t)text_start;

	for (virt_t at = (virt_t)text_start; at < (virt_t)text_end; at += 61) {
		EXPECT(symbol_find(at, &symbol));
		virt_t start = at - symbol.offset;
		EXPECT(start >= last && symbol_find(start, &first));
		EXPECT(first.offset == 0 && strcmp(first.name, symbol.name) == 0);
		last = start;
	}
}

KTEST(symbols, only_code_has_names)
{
	struct symbol symbol;

	EXPECT(!symbol_find(0, &symbol));
	EXPECT(!symbol_find((virt_t)text_start - 1, &symbol));
	EXPECT(!symbol_find((virt_t)text_end, &symbol));
	EXPECT(!symbol_find((virt_t)&symbol, &symbol));
}
