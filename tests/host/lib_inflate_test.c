// sources: lib/inflate.c lib/string.c lib/random.c
/* SPDX-License-Identifier: MIT */

/*
 * The unpacker against the build machine's gzip, on data of several kinds; then cut, damaged and
 * with too little room.  Input and output are buffers of exactly their size.
 */

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "tap.h"
#include "lib/inflate.h"
#include "lib/random.h"
#include "lib/types.h"

#define DATA_MAX 300000

struct data {
	uint8_t bytes[DATA_MAX];
	size_t len;
};

static struct data plain;
static struct data packed;

enum kind { EMPTY, ONE_BYTE, ZEROS, TEXT, NOISE, MIXED, KINDS };

static void data_make(struct data *data, enum kind kind)
{
	static const size_t lengths[KINDS] = { 0, 1, 200000, 100000, 70000, 150000 };
	struct random random;

	random_seed(&random, kind + 1);
	data->len = lengths[kind];
	for (size_t i = 0; i < data->len; i++) {
		uint64_t n = random_next(&random);

		if (kind == NOISE || (kind == MIXED && i / 5000 % 3 == 0))
			data->bytes[i] = (uint8_t)n;
		else if (kind == MIXED && i > 40000 && i % 3 != 0)
			data->bytes[i] = data->bytes[i - 30000];
		else
			data->bytes[i] = kind == ZEROS ? 0 : "etaoin shrdlu"[n % 169 / 13 * n % 13];
	}
}

/* Pack `from` with `command`, through files because a pipe would need two processes. */
static bool data_pack(const struct data *from, struct data *to, const char *command)
{
	char name[] = "/tmp/inflate_test_XXXXXX";
	char line[128];
	int fd = mkstemp(name);
	FILE *pipe;
	bool is_written = write(fd, from->bytes, from->len) == (ssize_t)from->len;

	close(fd);
	snprintf(line, sizeof(line), "%s <%s", command, name);
	pipe = popen(line, "r");
	to->len = fread(to->bytes, 1, DATA_MAX, pipe);
	unlink(name);
	return pclose(pipe) == 0 && is_written;
}

/* Unpack with buffers of exactly these sizes and compare what came out with `expected`. */
static int unpack(const struct data *from, size_t in_len, size_t out_cap,
		  const struct data *expected)
{
	uint8_t *in = malloc(in_len + (in_len == 0));
	uint8_t *out = malloc(out_cap + (out_cap == 0));
	size_t out_len;
	size_t used;
	int result;

	memcpy(in, from->bytes, in_len);
	result = gunzip(in, in_len, out, out_cap, &out_len, &used);
	EXPECT(out_len <= out_cap && used <= in_len);
	if (result == 0 && expected != NULL)
		EXPECT(out_len == expected->len && memcmp(out, expected->bytes, out_len) == 0);
	free(in);
	free(out);
	return result;
}

TEST(all_kinds_of_data_come_back)
{
	static const char *const commands[] = { "gzip -1c", "gzip -6c", "gzip -9c" };

	for (enum kind kind = EMPTY; kind < KINDS; kind++) {
		for (size_t i = 0; i < COUNT(commands); i++) {
			data_make(&plain, kind);
			EXPECT(data_pack(&plain, &packed, commands[i]));
			EXPECT(gzip_is(packed.bytes, packed.len));
			EXPECT(gzip_size_hint(packed.bytes, packed.len) == plain.len);
			EXPECT(unpack(&packed, packed.len, plain.len, &plain) == 0);
		}
	}
}

TEST(too_little_room_is_told)
{
	for (enum kind kind = ONE_BYTE; kind < KINDS; kind++) {
		data_make(&plain, kind);
		EXPECT(data_pack(&plain, &packed, "gzip -6c"));
		EXPECT(unpack(&packed, packed.len, plain.len - 1, NULL) == -ENOSPC);
		EXPECT(unpack(&packed, packed.len, plain.len / 2, NULL) == -ENOSPC);
		EXPECT(unpack(&packed, packed.len, 0, NULL) == -ENOSPC);
	}
}

TEST(members_follow_one_another)
{
	static struct data twice;
	size_t out_len;
	size_t used;

	data_make(&plain, TEXT);
	EXPECT(data_pack(&plain, &packed, "gzip -6c"));
	memcpy(packed.bytes + packed.len, packed.bytes, packed.len);
	packed.len *= 2;
	twice.len = 2 * plain.len;
	memcpy(twice.bytes, plain.bytes, plain.len);
	memcpy(twice.bytes + plain.len, plain.bytes, plain.len);
	EXPECT(unpack(&packed, packed.len, twice.len, &twice) == 0);
	/* What is no member ends the file. */
	memcpy(packed.bytes + packed.len, "070701", 6);
	EXPECT(gunzip(packed.bytes, packed.len + 6, plain.bytes, DATA_MAX, &out_len, &used) == 0);
	EXPECT(used == packed.len && out_len == twice.len);
}

/* Two stored blocks with a name, a comment, an extra field and a header sum. */
TEST(every_optional_header_field_is_skipped)
{
	static const struct data file = {
		.bytes = {
			0x1f, 0x8b, 8, 0x1e, 0, 0, 0, 0, 0, 3,
			3, 0, 'x', 'y', 'z', 'n', 'a', 0, 'c', 0, 0x44, 0x41,
			0, 2, 0, 0xfd, 0xff, 'h', 'e',
			1, 3, 0, 0xfc, 0xff, 'l', 'l', 'o',
			0x86, 0xa6, 0x10, 0x36, 5, 0, 0, 0,
		},
		.len = 45,
	};
	static const struct data hello = { .bytes = "hello", .len = 5 };

	EXPECT(unpack(&file, file.len, 5, &hello) == 0);
	for (size_t len = 0; len < file.len; len++)
		EXPECT(unpack(&file, len, 5, NULL) == -EINVAL);
}

TEST(every_truncation_is_noticed)
{
	data_make(&plain, TEXT);
	plain.len = 3000;
	EXPECT(data_pack(&plain, &packed, "gzip -9c"));
	for (size_t len = 0; len < packed.len; len++)
		EXPECT(unpack(&packed, len, plain.len, NULL) == -EINVAL);
	EXPECT(unpack(&packed, packed.len, plain.len, &plain) == 0);
}

TEST(every_flipped_bit_is_noticed_or_harmless)
{
	int harmless = 0;

	data_make(&plain, TEXT);
	plain.len = 400;
	EXPECT(data_pack(&plain, &packed, "gzip -9nc"));
	for (size_t bit = 0; bit < packed.len * 8; bit++) {
		packed.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		harmless += unpack(&packed, packed.len, plain.len, &plain) == 0;
		packed.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	/* Time, hints, system, the text flag, and up to 7 bits behind the last block. */
	EXPECT(harmless >= 49 && harmless <= 49 + 7);
}

TEST(random_damage_does_no_harm)
{
	struct random random;

	random_seed(&random, 7);
	data_make(&plain, MIXED);
	plain.len = 20000;
	EXPECT(data_pack(&plain, &packed, "gzip -6c"));
	for (int round = 0; round < 2000; round++) {
		uint64_t at = 10 + random_below(&random, packed.len - 10);
		uint8_t old = packed.bytes[at];

		packed.bytes[at] ^= (uint8_t)(1 + random_below(&random, 255));
		EXPECT(unpack(&packed, packed.len, plain.len, NULL) < 0);
		packed.bytes[at] = old;
	}
}

TEST(noise_after_a_good_header_ends)
{
	static const uint8_t header[10] = { 0x1f, 0x8b, 8 };
	struct random random;

	random_seed(&random, 8);
	for (int round = 0; round < 20000; round++) {
		memcpy(packed.bytes, header, sizeof(header));
		packed.len = sizeof(header) + random_below(&random, 100);
		for (size_t i = sizeof(header); i < packed.len; i++)
			packed.bytes[i] = (uint8_t)random_next(&random);
		/* Most of the time a block with codes of its own. */
		if (round % 4 != 0)
			packed.bytes[10] = (uint8_t)((packed.bytes[10] & ~7) | 5);
		EXPECT(unpack(&packed, packed.len, 1000, NULL) < 0);
	}
}

TEST(other_files_are_not_gzip)
{
	EXPECT(!gzip_is((const uint8_t *)"070701", 6));
	EXPECT(!gzip_is((const uint8_t *)"\x1f\x8b", 2));
	EXPECT(gzip_size_hint((const uint8_t *)"\x1f\x8b", 2) == 0);
	data_make(&plain, TEXT);
	EXPECT(unpack(&plain, plain.len, 100, NULL) == -EINVAL);
	EXPECT(unpack(&plain, 0, 0, NULL) == -EINVAL);
}
