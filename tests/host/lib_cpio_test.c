// sources: lib/cpio.c lib/string.c lib/random.c
/* SPDX-License-Identifier: MIT */

/*
 * The archive reader: archives made here, byte by byte, and by the build machine's cpio; then the
 * same ones cut, shifted and damaged.  Hostile input is read from buffers of exactly its size, so
 * that the address sanitizer sees every byte too many.
 */

#include <errno.h>
#include <stdlib.h>
#include "tap.h"
#include "lib/cpio.h"
#include "lib/random.h"

#define ARCHIVE_MAX 65536

struct archive {
	uint8_t bytes[ARCHIVE_MAX];
	size_t len;
};

static void archive_pad(struct archive *archive)
{
	while (archive->len % 4 != 0)
		archive->bytes[archive->len++] = 0;
}

static void archive_add(struct archive *archive, const char *magic, const char *name,
			uint32_t mode, const char *data)
{
	uint32_t size = (uint32_t)strlen(data);
	uint32_t sum = 0;

	for (uint32_t i = 0; i < size; i++)
		sum += (uint8_t)data[i];
	archive->len += (size_t)sprintf((char *)archive->bytes + archive->len,
					"%s%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08X%08x",
					magic, 0xabcd, mode, 1, 2, 3, 4, size, 5, 6, 7, 8,
					(unsigned)strlen(name) + 1, sum);
	archive->len += (size_t)sprintf((char *)archive->bytes + archive->len, "%s", name) + 1;
	archive_pad(archive);
	memcpy(archive->bytes + archive->len, data, size);
	archive->len += size;
	archive_pad(archive);
}

static void archive_end(struct archive *archive)
{
	archive_add(archive, "070701", "TRAILER!!!", 0, "");
}

static void archive_sample(struct archive *archive)
{
	archive->len = 0;
	archive_add(archive, "070701", ".", 0040755, "");
	archive_add(archive, "070701", "bin", 0040755, "");
	archive_add(archive, "070701", "bin/hello", 0100755, "hello, world");
	archive_add(archive, "070701", "link", 0120777, "bin/hello");
	archive_add(archive, "070701", "odd", 0100644, "x");
	archive_end(archive);
}

/* Read everything from a copy of exactly `len` bytes; the last result, and how many entries. */
static int archive_walk(const uint8_t *bytes, size_t len, int *entries)
{
	uint8_t *copy = malloc(len + 1);
	uint8_t *exact = copy + 1;	/* an odd address, too */
	struct cpio_reader reader;
	struct cpio_entry entry;
	unsigned touched = 0;
	int result;

	memcpy(exact, bytes, len);
	cpio_init(&reader, exact, len);
	*entries = 0;
	while ((result = cpio_next(&reader, &entry)) == 1) {
		++*entries;
		touched += (unsigned)strlen(entry.name);
		for (uint32_t i = 0; i < entry.size; i++)
			touched += entry.data[i];
		EXPECT(*entries <= (int)len);
	}
	EXPECT(reader.offset <= len && touched < UINT32_MAX);
	free(copy);
	return result;
}

static struct archive archive;

TEST(fields_arrive_where_they_belong)
{
	struct cpio_reader reader;
	struct cpio_entry entry;

	archive.len = 0;
	archive_add(&archive, "070701", "dev/console", 0020600, "abc");
	archive_end(&archive);
	cpio_init(&reader, archive.bytes, archive.len);
	EXPECT(cpio_next(&reader, &entry) == 1);
	EXPECT(entry.ino == 0xabcd && entry.mode == 0020600 && entry.uid == 1 && entry.gid == 2);
	EXPECT(entry.nlink == 3 && entry.mtime == 4 && entry.size == 3);
	EXPECT(entry.dev_major == 5 && entry.dev_minor == 6);
	EXPECT(entry.rdev_major == 7 && entry.rdev_minor == 8);
	EXPECT(entry.name_size == 12 && strcmp(entry.name, "dev/console") == 0);
	EXPECT(memcmp(entry.data, "abc", 3) == 0);
	EXPECT(cpio_next(&reader, &entry) == 0);
	EXPECT(cpio_next(&reader, &entry) == 0);
}

TEST(nothing_and_only_zeros_are_empty)
{
	static const uint8_t zeros[64];
	int entries;

	EXPECT(archive_walk(zeros, 0, &entries) == 0 && entries == 0);
	EXPECT(archive_walk(zeros, sizeof(zeros), &entries) == 0 && entries == 0);
}

TEST(archives_may_follow_one_another)
{
	size_t first_len;
	int entries;

	archive_sample(&archive);
	for (size_t padding = 0; padding < 512; padding += 7) {
		archive_sample(&archive);
		first_len = archive.len;
		memset(archive.bytes + first_len, 0, padding);
		memcpy(archive.bytes + first_len + padding, archive.bytes, first_len);
		archive.len = 2 * first_len + padding;
		EXPECT(archive_walk(archive.bytes, archive.len, &entries) == 0);
		EXPECT(entries == 10);
	}
}

TEST(junk_behind_the_trailer_is_refused)
{
	int entries;

	archive_sample(&archive);
	archive.bytes[archive.len++] = 'x';
	EXPECT(archive_walk(archive.bytes, archive.len, &entries) == -EINVAL);
	EXPECT(entries == 5);
}

TEST(a_missing_trailer_is_noticed)
{
	int entries;

	archive.len = 0;
	archive_add(&archive, "070701", "a", 0100644, "data");
	EXPECT(archive_walk(archive.bytes, archive.len, &entries) == -EINVAL);
	EXPECT(entries == 1);
}

TEST(sums_are_checked_for_plain_files)
{
	int entries;

	archive.len = 0;
	archive_add(&archive, "070702", "a", 0100644, "data");
	archive_end(&archive);
	EXPECT(archive_walk(archive.bytes, archive.len, &entries) == 0 && entries == 1);
	archive.bytes[112]++;
	EXPECT(archive_walk(archive.bytes, archive.len, &entries) == -EINVAL);
}

TEST(names_must_be_terminated_exactly)
{
	int entries;

	archive_sample(&archive);
	memcpy(archive.bytes + 94, "00000001", 8);
	EXPECT(archive_walk(archive.bytes, archive.len, &entries) == -EINVAL);
	memcpy(archive.bytes + 94, "00000000", 8);
	EXPECT(archive_walk(archive.bytes, archive.len, &entries) == -EINVAL);
	memcpy(archive.bytes + 94, "ffffffff", 8);
	EXPECT(archive_walk(archive.bytes, archive.len, &entries) == -EINVAL);
	archive_sample(&archive);
	memcpy(archive.bytes + 54, "fffffffd", 8);
	EXPECT(archive_walk(archive.bytes, archive.len, &entries) == -EINVAL);
}

TEST(every_truncation_is_noticed)
{
	int entries;

	archive_sample(&archive);
	for (size_t len = 1; len < archive.len; len++) {
		int result = archive_walk(archive.bytes, len, &entries);

		/* Only the three bytes of padding behind the trailer's name are not missed. */
		EXPECT(result == (len < archive.len - 3 ? -EINVAL : 0));
		EXPECT(entries <= 5);
	}
	EXPECT(archive_walk(archive.bytes, archive.len, &entries) == 0 && entries == 5);
}

TEST(random_damage_does_no_harm)
{
	struct random random;
	int entries;

	random_seed(&random, 42);
	for (int round = 0; round < 20000; round++) {
		archive_sample(&archive);
		for (uint64_t n = random_below(&random, 8) + 1; n > 0; n--) {
			uint64_t at = random_below(&random, archive.len);

			archive.bytes[at] = random_below(&random, 2) == 0 ?
						    "0123456789abcdef"[random_below(&random, 16)] :
						    (uint8_t)random_next(&random);
		}
		archive_walk(archive.bytes, archive.len, &entries);
	}
}

/* Read what `command` writes; false if there is no such program. */
static bool archive_from(const char *command, struct archive *to)
{
	FILE *pipe = popen(command, "r");

	to->len = fread(to->bytes, 1, sizeof(to->bytes), pipe);
	return pclose(pipe) == 0 && to->len > 0;
}

#define TREE "d=$(mktemp -d) && cd $d && mkdir a && echo text >a/f && ln -s a/f s && ln a/f h && "
#define TREE_END "; r=$?; rm -rf $d; exit $r"

TEST(archives_by_other_programs_are_read)
{
	static const char *const commands[] = {
		TREE "find . | cpio -o -H newc 2>/dev/null" TREE_END,
		TREE "find . | cpio -o -H crc 2>/dev/null" TREE_END,
		TREE "find . | busybox cpio -o -H newc 2>/dev/null" TREE_END,
	};

	for (size_t i = 0; i < COUNT(commands); i++) {
		int entries;

		if (!archive_from(commands[i], &archive)) {
			printf("# left out: %s\n", commands[i]);
			continue;
		}
		EXPECT(archive_walk(archive.bytes, archive.len, &entries) == 0);
		EXPECT(entries == 5);
	}
}
