/* SPDX-License-Identifier: MIT */
/*
 * lib/inflate.c - unpacks gzip: members of deflated blocks.
 *
 * Owns: the working space, one static struct inflate.
 * Invariants: next <= end, out_len <= out_cap.  The first error sticks; afterwards bits read as
 * zero and every loop ends, so that reading code need not look at each result.
 * Locks: none; one caller at a time.
 * See: RFC 1951 (deflate), RFC 1952 (gzip).
 */

#include "lib/inflate.h"
#include "lib/abi/errno.h"
#include "lib/string.h"

#define CODE_BITS_MAX 15	/* the longest code */
#define FAST_BITS 9		/* codes up to this length are looked up at once */

#define LITERALS_MAX 288
#define DISTANCES_MAX 32
#define LENGTH_CODES 19		/* codes for the lengths of codes */
#define END_OF_BLOCK 256
#define LENGTH_FIRST 257	/* the symbols from here on are lengths of copies */

/*
 * One Huffman code.  Deflate's are canonical: in order of length, and within a length of symbol.
 * Counts of each length and the symbols in that order say everything.
 */
struct huffman {
	uint16_t counts[CODE_BITS_MAX + 1];
	uint16_t symbols[LITERALS_MAX];
	uint16_t fast[1 << FAST_BITS];	/* symbol << 4 | length by the next bits; 0: longer */
};

struct inflate {
	const uint8_t *next;	/* input */
	const uint8_t *end;
	uint64_t bits;		/* taken from the input but not used: the lowest first */
	unsigned bit_count;
	uint8_t *out;
	size_t out_cap;
	size_t out_len;
	size_t member_start;	/* copies do not reach back behind it */
	int error;
	struct huffman literals;
	struct huffman distances;
	uint8_t lengths[LITERALS_MAX + DISTANCES_MAX];
};

static struct inflate workspace;

static void member_unpack(struct inflate *s);
static void blocks_unpack(struct inflate *s);
static void fixed_block_read(struct inflate *s);
static void dynamic_block_read(struct inflate *s);
static void stored_block_copy(struct inflate *s);
static void symbols_unpack(struct inflate *s);

/* ---- the face ---- */

bool gzip_is(const uint8_t *in, size_t in_len)
{
	return in_len >= 3 && in[0] == 0x1f && in[1] == 0x8b && in[2] == 8;
}

size_t gzip_size_hint(const uint8_t *in, size_t in_len)
{
	const uint8_t *size = in + in_len - 4;

	if (in_len < 18)
		return 0;
	return size[0] | (size_t)size[1] << 8 | (size_t)size[2] << 16 | (size_t)size[3] << 24;
}

int gunzip(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_cap, size_t *out_len,
	   size_t *in_used)
{
	struct inflate *s = &workspace;

	s->next = in;
	s->end = in + in_len;
	s->out = out;
	s->out_cap = out_cap;
	s->out_len = 0;
	s->error = 0;
	do {
		member_unpack(s);
	} while (s->error == 0 && gzip_is(s->next, (size_t)(s->end - s->next)));
	*out_len = s->out_len;
	*in_used = (size_t)(s->next - in);
	return s->error;
}

/* ---- input ---- */

static void inflate_fail(struct inflate *s, int error)
{
	if (s->error == 0)
		s->error = error;
}

/* Have at least `count` bits in s->bits, or as many as are left. */
static void bits_fill(struct inflate *s, unsigned count)
{
	while (s->bit_count < count && s->next < s->end) {
		s->bits |= (uint64_t)*s->next++ << s->bit_count;
		s->bit_count += 8;
	}
}

static void bits_drop(struct inflate *s, unsigned count)
{
	s->bits >>= count;
	s->bit_count -= count;
}

/* The next `count` bits, at most 32, as a number. */
static uint32_t bits_take(struct inflate *s, unsigned count)
{
	uint32_t value;

	bits_fill(s, count);
	if (s->bit_count < count)
		inflate_fail(s, -EINVAL);
	if (s->error != 0)
		return 0;
	value = (uint32_t)(s->bits & ((1ull << count) - 1));
	bits_drop(s, count);
	return value;
}

/* Go on at a whole byte and give the bytes behind it back. */
static void bits_align(struct inflate *s)
{
	s->next -= s->bit_count / 8;
	s->bits = 0;
	s->bit_count = 0;
}

/* ---- gzip ---- */

#define FLAG_HEADER_SUM 0x02
#define FLAG_EXTRA 0x04
#define FLAG_NAME 0x08
#define FLAG_COMMENT 0x10
#define FLAGS_RESERVED 0xe0

#define CRC_POLYNOMIAL 0xedb88320u

static uint32_t crc32(const uint8_t *bytes, size_t len)
{
	static uint32_t table[256];
	uint32_t crc = ~0u;

	for (uint32_t i = 0; i < COUNT(table) && table[255] == 0; i++) {
		uint32_t entry = i;

		for (int bit = 0; bit < 8; bit++)
			entry = entry >> 1 ^ ((entry & 1) != 0 ? CRC_POLYNOMIAL : 0);
		table[i] = entry;
	}
	for (size_t i = 0; i < len; i++)
		crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 0xff];
	return ~crc;
}

static void bytes_skip(struct inflate *s, size_t count)
{
	for (; count > 0 && s->error == 0; count--)
		bits_take(s, 8);
}

static void string_skip(struct inflate *s)
{
	while (bits_take(s, 8) != 0)
		;
}

static void member_header_read(struct inflate *s)
{
	const uint8_t *header = s->next;
	uint32_t flags;

	if (!gzip_is(header, (size_t)(s->end - header))) {
		inflate_fail(s, -EINVAL);
		return;
	}
	bytes_skip(s, 3);
	flags = bits_take(s, 8);
	if ((flags & FLAGS_RESERVED) != 0)
		inflate_fail(s, -EINVAL);
	bytes_skip(s, 6);	/* time, hints, operating system */
	if ((flags & FLAG_EXTRA) != 0)
		bytes_skip(s, bits_take(s, 16));
	if ((flags & FLAG_NAME) != 0)
		string_skip(s);
	if ((flags & FLAG_COMMENT) != 0)
		string_skip(s);
	if ((flags & FLAG_HEADER_SUM) != 0) {
		uint32_t sum = crc32(header, (size_t)(s->next - header)) & 0xffff;

		if (bits_take(s, 16) != sum)
			inflate_fail(s, -EINVAL);
	}
}

static void member_unpack(struct inflate *s)
{
	uint32_t sum;
	uint32_t size;

	s->bits = 0;
	s->bit_count = 0;
	s->member_start = s->out_len;
	member_header_read(s);
	blocks_unpack(s);
	bits_align(s);
	sum = bits_take(s, 32);
	size = bits_take(s, 32);
	if (s->error != 0)
		return;
	if (size != (uint32_t)(s->out_len - s->member_start) ||
	    sum != crc32(s->out + s->member_start, s->out_len - s->member_start))
		inflate_fail(s, -EINVAL);
}

/* ---- blocks ---- */

static void blocks_unpack(struct inflate *s)
{
	bool is_last = false;

	while (s->error == 0 && !is_last) {
		is_last = bits_take(s, 1) != 0;
		switch (bits_take(s, 2)) {
		case 0:
			stored_block_copy(s);
			break;
		case 1:
			fixed_block_read(s);
			break;
		case 2:
			dynamic_block_read(s);
			break;
		default:
			inflate_fail(s, -EINVAL);
			break;
		}
	}
}

static void stored_block_copy(struct inflate *s)
{
	uint32_t size;

	bits_align(s);
	size = bits_take(s, 16);
	if (bits_take(s, 16) != (size ^ 0xffff) || size > (size_t)(s->end - s->next))
		inflate_fail(s, -EINVAL);
	else if (size > s->out_cap - s->out_len)
		inflate_fail(s, -ENOSPC);
	if (s->error != 0)
		return;
	memcpy(s->out + s->out_len, s->next, size);
	s->next += size;
	s->out_len += size;
}

/* ---- Huffman codes ---- */

/* Enter a code of `length` bits, first bit highest, into the fast table: last bits vary. */
static void fast_enter(struct huffman *huffman, unsigned code, unsigned length, unsigned symbol)
{
	unsigned reversed = 0;

	for (unsigned bit = 0; bit < length; bit++)
		reversed |= (code >> bit & 1) << (length - 1 - bit);
	for (; reversed < COUNT(huffman->fast); reversed += 1u << length)
		huffman->fast[reversed] = (uint16_t)(symbol << 4 | length);
}

/*
 * Count the lengths.  Returns how much of the code space they leave unused, in units of the
 * longest code; negative if they need more than there is.
 */
static int lengths_count(struct huffman *huffman, const uint8_t *lengths, unsigned count)
{
	int unused = 1;

	memset(huffman->counts, 0, sizeof(huffman->counts));
	for (unsigned symbol = 0; symbol < count; symbol++)
		huffman->counts[lengths[symbol]]++;
	for (unsigned length = 1; length <= CODE_BITS_MAX; length++) {
		unused = unused * 2 - huffman->counts[length];
		if (unused < 0)
			break;
	}
	return unused;
}

/*
 * Build a code from the length of each symbol's, 0 for symbols that do not occur.  A code must
 * use all of its space, except that one with a single symbol, or none, is let pass.
 */
static void huffman_build(struct inflate *s, struct huffman *huffman, const uint8_t *lengths,
			  unsigned count)
{
	uint16_t places[CODE_BITS_MAX + 1];
	uint16_t codes[CODE_BITS_MAX + 1];
	int unused = lengths_count(huffman, lengths, count);

	if (unused < 0 || (unused > 0 && huffman->counts[0] + huffman->counts[1] < (int)count))
		inflate_fail(s, -EINVAL);
	if (s->error != 0)
		return;
	places[1] = 0;
	codes[1] = 0;
	for (unsigned length = 1; length < CODE_BITS_MAX; length++) {
		places[length + 1] = (uint16_t)(places[length] + huffman->counts[length]);
		codes[length + 1] = (uint16_t)((codes[length] + huffman->counts[length]) << 1);
	}
	memset(huffman->fast, 0, sizeof(huffman->fast));
	for (unsigned symbol = 0; symbol < count; symbol++) {
		unsigned length = lengths[symbol];

		if (length == 0)
			continue;
		huffman->symbols[places[length]++] = (uint16_t)symbol;
		if (length <= FAST_BITS)
			fast_enter(huffman, codes[length], length, symbol);
		codes[length]++;
	}
}

/* Decode bit by bit: at each length, is the code among those of that length? */
static unsigned symbol_walk(struct inflate *s, const struct huffman *huffman)
{
	unsigned code = 0;
	unsigned first = 0;	/* the first code of this length */
	unsigned place = 0;	/* and its symbol's place */

	for (unsigned length = 1; length <= CODE_BITS_MAX && length <= s->bit_count; length++) {
		unsigned count = huffman->counts[length];

		code |= (unsigned)(s->bits >> (length - 1) & 1);
		if (code - first < count) {
			bits_drop(s, length);
			return huffman->symbols[place + (code - first)];
		}
		place += count;
		first = (first + count) << 1;
		code <<= 1;
	}
	inflate_fail(s, -EINVAL);
	return 0;
}

static unsigned symbol_take(struct inflate *s, const struct huffman *huffman)
{
	unsigned entry;
	unsigned length;

	bits_fill(s, CODE_BITS_MAX);
	entry = huffman->fast[s->bits & (COUNT(huffman->fast) - 1)];
	length = entry & 15;
	if (length == 0 || length > s->bit_count)
		return symbol_walk(s, huffman);
	bits_drop(s, length);
	return entry >> 4;
}

static void fixed_block_read(struct inflate *s)
{
	memset(s->lengths, 8, 144);
	memset(s->lengths + 144, 9, 112);
	memset(s->lengths + 256, 7, 24);
	memset(s->lengths + 280, 8, 8);
	huffman_build(s, &s->literals, s->lengths, LITERALS_MAX);
	memset(s->lengths, 5, DISTANCES_MAX);
	huffman_build(s, &s->distances, s->lengths, DISTANCES_MAX);
	symbols_unpack(s);
}

/* Read `count` lengths, which are themselves coded, with runs, in the code at s->literals. */
static void lengths_read(struct inflate *s, unsigned count)
{
	unsigned done = 0;

	while (done < count && s->error == 0) {
		unsigned symbol = symbol_take(s, &s->literals);
		unsigned repeat = 1;
		uint8_t length = (uint8_t)symbol;

		if (symbol == 16) {
			if (done == 0)
				inflate_fail(s, -EINVAL);
			length = done == 0 ? 0 : s->lengths[done - 1];
			repeat = 3 + bits_take(s, 2);
		} else if (symbol == 17) {
			length = 0;
			repeat = 3 + bits_take(s, 3);
		} else if (symbol == 18) {
			length = 0;
			repeat = 11 + bits_take(s, 7);
		}
		if (repeat > count - done) {
			inflate_fail(s, -EINVAL);
			return;
		}
		memset(s->lengths + done, length, repeat);
		done += repeat;
	}
}

static void dynamic_block_read(struct inflate *s)
{
	static const uint8_t order[LENGTH_CODES] = {
		16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
	};
	unsigned literals = 257 + bits_take(s, 5);
	unsigned distances = 1 + bits_take(s, 5);
	unsigned codes = 4 + bits_take(s, 4);

	memset(s->lengths, 0, LENGTH_CODES);
	for (unsigned i = 0; i < codes; i++)
		s->lengths[order[i]] = (uint8_t)bits_take(s, 3);
	huffman_build(s, &s->literals, s->lengths, LENGTH_CODES);
	if (literals > 286 || distances > 30)
		inflate_fail(s, -EINVAL);
	lengths_read(s, literals + distances);
	if (s->lengths[END_OF_BLOCK] == 0)
		inflate_fail(s, -EINVAL);
	huffman_build(s, &s->literals, s->lengths, literals);
	huffman_build(s, &s->distances, s->lengths + literals, distances);
	symbols_unpack(s);
}

/* ---- literals and copies ---- */

static void byte_put(struct inflate *s, uint8_t byte)
{
	if (s->out_len == s->out_cap) {
		inflate_fail(s, -ENOSPC);
		return;
	}
	s->out[s->out_len++] = byte;
}

/* Repeat `length` bytes from `distance` back; the two may overlap, that makes runs. */
static void copy_put(struct inflate *s, size_t length, size_t distance)
{
	uint8_t *to = s->out + s->out_len;

	if (distance > s->out_len - s->member_start) {
		inflate_fail(s, -EINVAL);
		return;
	}
	if (length > s->out_cap - s->out_len) {
		inflate_fail(s, -ENOSPC);
		return;
	}
	s->out_len += length;
	if (distance >= length) {
		memcpy(to, to - distance, length);
		return;
	}
	for (; length > 0; length--, to++)
		*to = to[-(ptrdiff_t)distance];
}

/*
 * The length behind symbol LENGTH_FIRST + n.  Each group of four adds a bit; the first two groups
 * have none, and the last symbol means 258.
 */
static uint32_t length_take(struct inflate *s, unsigned n)
{
	unsigned extra = n < 8 ? 0 : n / 4 - 1;

	if (n > 28)
		inflate_fail(s, -EINVAL);
	if (n >= 28)
		return 258;
	if (n < 8)
		return 3 + n;
	return 3 + ((4 + n % 4) << extra) + bits_take(s, extra);
}

/* The distance that symbol n stands for: the same with groups of two. */
static uint32_t distance_take(struct inflate *s, unsigned n)
{
	unsigned extra = n < 4 ? 0 : n / 2 - 1;

	if (n >= 30) {
		inflate_fail(s, -EINVAL);
		return 1;
	}
	if (n < 4)
		return 1 + n;
	return 1 + ((2 + n % 2) << extra) + bits_take(s, extra);
}

static void symbols_unpack(struct inflate *s)
{
	while (s->error == 0) {
		unsigned symbol = symbol_take(s, &s->literals);
		uint32_t length;
		uint32_t distance;

		if (s->error != 0 || symbol == END_OF_BLOCK)
			return;
		if (symbol < END_OF_BLOCK) {
			byte_put(s, (uint8_t)symbol);
			continue;
		}
		length = length_take(s, symbol - LENGTH_FIRST);
		distance = distance_take(s, symbol_take(s, &s->distances));
		if (s->error == 0)
			copy_put(s, length, distance);
	}
}
