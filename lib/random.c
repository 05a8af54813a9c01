/* SPDX-License-Identifier: MIT */
/*
 * lib/random.c - the two generators.
 *
 * Invariants: the state of a struct random is never all zero; the key of a struct csprng is
 * replaced before the bytes made with it reach the caller's buffer whole, and nothing of the old
 * one stays behind.
 * See: Blackman and Vigna, "Scrambled linear pseudorandom number generators"; RFC 8439.
 */

#include "lib/random.h"
#include "lib/atomic.h"
#include "lib/string.h"

static uint64_t rotate_left64(uint64_t n, unsigned bits)
{
	return n << bits | n >> (64 - bits);
}

static uint32_t rotate_left32(uint32_t n, unsigned bits)
{
	return n << bits | n >> (32 - bits);
}

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

void random_seed(struct random *random, uint64_t seed)
{
	for (unsigned i = 0; i < COUNT(random->s); i++)
		random->s[i] = splitmix64(&seed);
}

uint64_t random_next(struct random *random)
{
	uint64_t *s = random->s;
	uint64_t result = rotate_left64(s[1] * 5, 7) * 9;
	uint64_t shifted = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = rotate_left64(s[3], 45);
	return result;
}

uint64_t random_below(struct random *random, uint64_t n)
{
	/* The 2^64 mod n lowest numbers are thrown away: what is left divides evenly. */
	uint64_t unfair = -n % n;
	uint64_t x;

	do {
		x = random_next(random);
	} while (x < unfair);
	return x % n;
}

/* ---- ChaCha20 ---- */

#define BLOCK_WORDS 16
#define BLOCK_SIZE (BLOCK_WORDS * 4)

/* Overwrite secrets so that the compiler cannot think it useless. */
static void wipe(void *bytes, size_t len)
{
	memset(bytes, 0, len);
	compiler_barrier();
}

static ALWAYS_INLINE void quarter_round(uint32_t *x, unsigned a, unsigned b, unsigned c, unsigned d)
{
	x[a] += x[b];
	x[d] = rotate_left32(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotate_left32(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotate_left32(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotate_left32(x[b] ^ x[c], 7);
}

/* Block number `counter` of the stream that `key` makes, with a nonce of zeros. */
static void chacha20_block(const uint32_t *key, uint64_t counter, uint32_t *block)
{
	uint32_t start[BLOCK_WORDS] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };

	memcpy(start + 4, key, CSPRNG_SEED_SIZE);
	start[12] = (uint32_t)counter;
	start[13] = (uint32_t)(counter >> 32);
	memcpy(block, start, BLOCK_SIZE);
	for (int i = 0; i < 10; i++) {
		for (unsigned column = 0; column < 4; column++)
			quarter_round(block, column, 4 + column, 8 + column, 12 + column);
		for (unsigned row = 0; row < 4; row++)
			quarter_round(block, row, 4 + (row + 1) % 4, 8 + (row + 2) % 4,
				      12 + (row + 3) % 4);
	}
	for (unsigned i = 0; i < BLOCK_WORDS; i++)
		block[i] += start[i];
	wipe(start, sizeof(start));
}

void csprng_seed(struct csprng *csprng, const uint8_t *seed)
{
	memcpy(csprng->key, seed, CSPRNG_SEED_SIZE);
}

void csprng_mix(struct csprng *csprng, const void *bytes, size_t len)
{
	const uint8_t *next = bytes;

	while (len > 0) {
		uint8_t piece[CSPRNG_SEED_SIZE];
		size_t size = MIN(len, sizeof(piece));

		/* Drawing the piece changes the key, so mixing the same twice does not undo it. */
		csprng_fill(csprng, piece, sizeof(piece));
		for (size_t i = 0; i < size; i++)
			piece[i] ^= next[i];
		memcpy(csprng->key, piece, sizeof(piece));
		wipe(piece, sizeof(piece));
		next += size;
		len -= size;
	}
}

/* Half of block 0 is the next key, the other half and all later blocks are output. */
void csprng_fill(struct csprng *csprng, void *buf, size_t len)
{
	uint32_t old_key[COUNT(csprng->key)];
	uint32_t block[BLOCK_WORDS];
	size_t skip = sizeof(old_key);
	uint8_t *next = buf;

	memcpy(old_key, csprng->key, sizeof(old_key));
	chacha20_block(old_key, 0, block);
	memcpy(csprng->key, block, sizeof(csprng->key));
	for (uint64_t counter = 1; len > 0; counter++) {
		size_t size = MIN(len, sizeof(block) - skip);

		memcpy(next, (uint8_t *)block + skip, size);
		next += size;
		len -= size;
		skip = 0;
		if (len > 0)
			chacha20_block(old_key, counter, block);
	}
	wipe(old_key, sizeof(old_key));
	wipe(block, sizeof(block));
}
