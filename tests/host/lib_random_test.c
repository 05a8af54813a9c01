// sources: lib/random.c lib/string.c
/* SPDX-License-Identifier: MIT */

/* The generators against published values and each other. */

#include "tap.h"
#include "lib/random.h"

TEST(same_seed_same_numbers)
{
	struct random a;
	struct random b;
	struct random c;

	random_seed(&a, 1);
	random_seed(&b, 1);
	random_seed(&c, 2);
	for (int i = 0; i < 100; i++) {
		uint64_t n = random_next(&a);

		EXPECT(n == random_next(&b));
		EXPECT(n != random_next(&c));
	}
}

TEST(xoshiro_gives_the_published_numbers)
{
	struct random random = { { 1, 2, 3, 4 } };

	EXPECT(random_next(&random) == 11520);
	EXPECT(random_next(&random) == 0);
	EXPECT(random_next(&random) == 1509978240);
	EXPECT(random_next(&random) == 1215971899390074240);
}

TEST(splitmix_fills_the_state)
{
	struct random random;

	random_seed(&random, 0);
	EXPECT(random.s[0] == 0xe220a8397b1dcdaf);
	EXPECT(random.s[1] == 0x6e789e6aa1b965f4);
}

TEST(random_below_stays_below_and_reaches_all)
{
	struct random random;
	int counts[7] = { 0 };

	random_seed(&random, 3);
	for (int i = 0; i < 7000; i++)
		counts[random_below(&random, 7)]++;
	for (size_t i = 0; i < COUNT(counts); i++)
		EXPECT(counts[i] > 850 && counts[i] < 1150);
	EXPECT(random_below(&random, 1) == 0);
	for (int i = 0; i < 100; i++)
		EXPECT(random_below(&random, (1ull << 63) + 1) <= 1ull << 63);
}

/* The stream of an all-zero key begins 76b8...; its first half block becomes the next key. */
TEST(csprng_gives_the_published_stream)
{
	static const uint8_t seed[CSPRNG_SEED_SIZE];
	static const uint8_t key[] = { 0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90 };
	static const uint8_t first[] = { 0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d };
	static const uint8_t second[] = { 0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a };
	struct csprng csprng;
	uint8_t bytes[96];

	csprng_seed(&csprng, seed);
	csprng_fill(&csprng, bytes, sizeof(bytes));
	EXPECT(memcmp(bytes, first, sizeof(first)) == 0);
	EXPECT(memcmp(bytes + 32, second, sizeof(second)) == 0);
	EXPECT(memcmp(csprng.key, key, sizeof(key)) == 0);
}

TEST(csprng_changes_its_key_every_time)
{
	static const uint8_t seed[CSPRNG_SEED_SIZE] = { 1 };
	struct csprng csprng;
	uint8_t a[40];
	uint8_t b[40];

	csprng_seed(&csprng, seed);
	csprng_fill(&csprng, a, sizeof(a));
	csprng_fill(&csprng, b, sizeof(b));
	EXPECT(memcmp(a, b, sizeof(a)) != 0);
	csprng_fill(&csprng, a, 0);
}

TEST(csprng_fill_writes_exactly_what_is_asked)
{
	static const uint8_t seed[CSPRNG_SEED_SIZE] = { 2 };
	uint8_t whole[300];

	for (size_t len = 0; len < 200; len++) {
		struct csprng csprng;
		uint8_t part[300];

		memset(part, 0xee, sizeof(part));
		csprng_seed(&csprng, seed);
		csprng_fill(&csprng, whole, sizeof(whole));
		csprng_seed(&csprng, seed);
		csprng_fill(&csprng, part, len);
		EXPECT(memcmp(part, whole, len) == 0);
		EXPECT(part[len] == 0xee);
	}
}

TEST(mixing_changes_the_stream)
{
	static const uint8_t seed[CSPRNG_SEED_SIZE] = { 3 };
	struct csprng a;
	struct csprng b;
	uint8_t from_a[16];
	uint8_t from_b[16];

	csprng_seed(&a, seed);
	csprng_seed(&b, seed);
	csprng_mix(&a, "one", 3);
	csprng_mix(&b, "two", 3);
	csprng_fill(&a, from_a, sizeof(from_a));
	csprng_fill(&b, from_b, sizeof(from_b));
	EXPECT(memcmp(from_a, from_b, sizeof(from_a)) != 0);
	csprng_mix(&a, from_b, 0);
	csprng_mix(&a, from_b, 16);
}
