/* SPDX-License-Identifier: MIT */
/*
 * kernel/symbols.c - addresses to names.
 *
 * Owns:        nothing; it searches the table that tools/make-symbols makes, sorted by address.
 *
 * Functions stand in blocks of SYMBOL_BLOCK.  A block says where its first function begins and
 * where its names do; each function, how far it is from there.
 *
 *     symbol_blocks   { offset from IMAGE_BASE, place in symbol_names }
 *     symbol_steps    0, 0x40, 0x1b0, ...
 *     symbol_names    bytes up to a 0: a character, or a word, 128 + n, or one of the rarer
 *                     words, 255 and n - 127
 */
#include "kernel/symbols.h"

#include "arch/x86_64/layout.h"

enum { SYMBOL_BLOCK = 16, WORD_FIRST = 128, WORD_RARE = 255 };

struct symbol_block {
	uint32_t offset, names_at;
};

extern const uint32_t symbol_count;
extern const struct symbol_block symbol_blocks[];
#ifdef COWBELL_SAN
extern const uint32_t symbol_steps[];
#else
extern const uint16_t symbol_steps[];
#endif
extern const uint8_t symbol_names[];
extern const uint16_t symbol_words_at[];        /* where in symbol_words */
extern const char symbol_words[];

/* How many blocks begin at or before an offset. */
static uint32_t blocks_up_to(uint64_t offset)
{
	uint32_t low = 0, high = (symbol_count + SYMBOL_BLOCK - 1) / SYMBOL_BLOCK;

	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (symbol_blocks[middle].offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t append(char *name, size_t len, char c)
{
	if (len + 1 < SYMBOL_NAME_SIZE)
		name[len++] = c;
	return len;
}

static size_t append_word(char *name, size_t len, uint32_t word)
{
	for (const char *c = &symbol_words[symbol_words_at[word]]; *c; c++)
		len = append(name, len, *c);
	return len;
}

static void name_write(const uint8_t *code, char *name)
{
	size_t len = 0;

	for (; *code; code++) {
		if (*code < WORD_FIRST)
			len = append(name, len, (char)*code);
		else if (*code < WORD_RARE)
			len = append_word(name, len, *code - WORD_FIRST);
		else
			len = append_word(name, len, WORD_RARE - WORD_FIRST + *++code);
	}
	name[len] = '\0';
}

/* The rare words' number may be 0, too. */
static const uint8_t *name_skip(const uint8_t *code)
{
	while (*code)
		code += *code == WORD_RARE ? 2 : 1;
	return code + 1;
}

bool symbol_find(virt_t addr, struct symbol *symbol)
{
	uint64_t offset = addr - IMAGE_BASE;

	if (addr < (virt_t)text_start || addr >= (virt_t)text_end)
		return false;
	uint32_t blocks = blocks_up_to(offset);
	if (blocks == 0)
		return false;

	const struct symbol_block *block = &symbol_blocks[blocks - 1];
	const uint8_t *code = &symbol_names[block->names_at];
	uint32_t at = (blocks - 1) * SYMBOL_BLOCK, end = MIN(at + SYMBOL_BLOCK, symbol_count);

	while (at + 1 < end && block->offset + symbol_steps[at + 1] <= offset) {
		code = name_skip(code);
		at++;
	}
	name_write(code, symbol->name);
	symbol->offset = offset - block->offset - symbol_steps[at];
	return true;
}
