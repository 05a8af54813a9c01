// sources: lib/elf.c lib/cpio.c lib/inflate.c lib/string.c lib/random.c
/* SPDX-License-Identifier: MIT */

/*
 * Damaged images by the number: programs, archives and packed archives, each spoilt by a seed in a
 * few places, shortened, or lengthened.  Whatever they say, no reader may touch a byte outside the
 * buffer (the address sanitizer watches), take for ever, or call sound what is not.
 *
 * SEED chooses, IMAGES says how many of each kind; 100,000 by night.
 */

#include <stdlib.h>
#include <unistd.h>
#include "tap.h"
#include "lib/abi/elf.h"
#include "lib/cpio.h"
#include "lib/elf.h"
#include "lib/inflate.h"
#include "lib/random.h"

enum { IMAGES = 3000, HEAD = 4096, ARCHIVE_FILES = 12, ARCHIVE_MAX = 8192, DAMAGES_MAX = 6,
       UNPACKED_MAX = 4 * ARCHIVE_MAX };

static struct random numbers;

static unsigned images(void)
{
	const char *wanted = getenv("IMAGES"), *seed = getenv("SEED");

	random_seed(&numbers, seed && *seed ? strtoull(seed, NULL, 0) : 1);
	return wanted ? (unsigned)atoi(wanted) : IMAGES;
}

/* A copy of exactly its size, spoilt; somewhat shorter, one time in four. */
static uint8_t *damaged(const uint8_t *bytes, size_t *len)
{
	static const uint64_t nasty[] = { 0, 1, 0x7fffffff, 0xffffffff, 1ull << 47, 1ull << 63,
					  UINT64_MAX, UINT64_MAX - 4095, 0x3030303030303030,
					  0x4646464646464646, 0x6666666666666666 };
	uint64_t count = 1 + random_below(&numbers, DAMAGES_MAX);
	uint8_t *copy;

	if (random_below(&numbers, 4) == 0)
		*len = random_below(&numbers, *len + 1);
	copy = malloc(*len ? *len : 1);
	memcpy(copy, bytes, *len);
	while (*len >= 8 && count--) {
		bool is_nasty = random_below(&numbers, 2);
		uint64_t word = is_nasty ? nasty[random_below(&numbers, sizeof(nasty) / 8)]
					 : random_next(&numbers);
		size_t size = 1ull << random_below(&numbers, 4);

		memcpy(copy + random_below(&numbers, *len - size + 1), &word, size);
	}
	return copy;
}

/* ---- programs ---- */

/* What the header promises of an image that was called sound. */
static void expect_sound(const struct elf_image *image, uint64_t file_size)
{
	EXPECT(image->load_count > 0 && image->load_count <= ELF_LOADS_MAX);
	EXPECT(image->low < image->high && image->high <= ELF_ADDRESS_END);
	for (unsigned i = 0; i < image->load_count; i++) {
		const struct elf_load *load = &image->loads[i];

		EXPECT(load->file_size <= load->mem_size && load->mem_size > 0);
		EXPECT(!load->file_size || (load->file_offset <= file_size &&
			load->file_size <= file_size - load->file_offset));
		EXPECT(load->vaddr >= image->low && load->mem_size <= image->high - load->vaddr);
	}
}

/* Its tables are all there, so that they are at the front. */
static bool program_is_sound(const uint8_t *head, size_t len, uint64_t file_size)
{
	struct elf_image image;

	if (elf_check_header(&image, head, len, file_size))
		return false;
	if (image.table_offset > len || image.table_size > len - image.table_offset)
		return false;
	uint8_t *table = malloc(image.table_size);
	memcpy(table, head + image.table_offset, image.table_size);
	int err = elf_check_segments(&image, table, file_size);

	free(table);
	if (!err)
		expect_sound(&image, file_size);
	return !err;
}

TEST(damaged_programs)
{
	static uint8_t head[HEAD];
	FILE *self = fopen("/proc/self/exe", "rb");
	unsigned sound = 0, count = images();

	EXPECT(self && fread(head, 1, HEAD, self) == HEAD);
	fseek(self, 0, SEEK_END);
	uint64_t file_size = (uint64_t)ftell(self);
	fclose(self);
	const struct elf64_header *header = (const void *)head;
	size_t tables = header->e_phoff + header->e_phnum * sizeof(struct elf64_program_header);

	EXPECT(program_is_sound(head, HEAD, file_size));
	for (unsigned i = 0; i < count; i++) {
		size_t len = tables;
		uint8_t *copy = damaged(head, &len);

		sound += program_is_sound(copy, len, file_size);
		free(copy);
	}
	EXPECT(sound > 0 && sound < count);
}

/* ---- archives ---- */

static uint8_t archive[ARCHIVE_MAX];
static size_t archive_len;

static void archive_add(const char *name, unsigned mode, const char *data)
{
	size_t name_size = strlen(name) + 1, size = strlen(data);

	archive_len += (size_t)sprintf((char *)archive + archive_len,
		"070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x%s", 7, mode, 0, 0, 1,
		0, size, 0, 0, 0, 0, name_size, 0, name) + 1;
	archive_len = (archive_len + 3) & -4ul;
	memcpy(archive + archive_len, data, size);
	archive_len = (archive_len + size + 3) & -4ul;
}

static void archive_make(void)
{
	memset(archive, 0, sizeof(archive));
	archive_len = 0;
	for (int i = 0; i < ARCHIVE_FILES; i++) {
		char name[32];

		snprintf(name, sizeof(name), "directory/file-%d", i);
		archive_add(name, 0100644, "some bytes, and some more of them");
	}
	archive_add("TRAILER!!!", 0, "");
}

/* Reads all there is.  How many entries; each lies within. */
static unsigned archive_read(const uint8_t *bytes, size_t len)
{
	struct cpio_reader reader;
	struct cpio_entry entry;
	unsigned count = 0;

	cpio_init(&reader, bytes, len);
	while (cpio_next(&reader, &entry) == 1) {
		const uint8_t *name = (const uint8_t *)entry.name;

		EXPECT(name >= bytes && name + entry.name_size <= bytes + len);
		EXPECT(entry.name_size > 0 && name[entry.name_size - 1] == 0);
		EXPECT(!entry.size || (entry.data >= bytes && entry.size <= len &&
				       entry.data + entry.size <= bytes + len));
		if (++count > len / 110)
			break;
	}
	EXPECT(count <= len / 110);
	return count;
}

TEST(damaged_archives)
{
	unsigned whole = 0, count = images();

	archive_make();
	EXPECT(archive_read(archive, archive_len) == ARCHIVE_FILES);
	for (unsigned i = 0; i < count; i++) {
		size_t len = archive_len;
		uint8_t *copy = damaged(archive, &len);

		whole += archive_read(copy, len) == ARCHIVE_FILES;
		free(copy);
	}
	EXPECT(whole > 0 && whole < count);
}

/* ---- packed ---- */

static size_t archive_pack(uint8_t *packed, size_t room)
{
	char name[] = "/tmp/damaged_images_XXXXXX", command[64];
	int fd = mkstemp(name);

	EXPECT(fd >= 0 && write(fd, archive, archive_len) == (ssize_t)archive_len);
	close(fd);
	snprintf(command, sizeof(command), "gzip -9 -c %s", name);
	FILE *pipe = popen(command, "r");
	size_t len = fread(packed, 1, room, pipe);

	EXPECT(pclose(pipe) == 0);
	unlink(name);
	return len;
}

TEST(damaged_packed_archives)
{
	static uint8_t packed[ARCHIVE_MAX];
	uint8_t *out = malloc(UNPACKED_MAX);
	unsigned good = 0, count = images();
	size_t out_len, used, packed_len;

	archive_make();
	packed_len = archive_pack(packed, sizeof(packed));
	EXPECT(gunzip(packed, packed_len, out, UNPACKED_MAX, &out_len, &used) == 0);
	EXPECT(out_len == archive_len && memcmp(out, archive, archive_len) == 0);
	for (unsigned i = 0; i < count; i++) {
		size_t len = packed_len;
		uint8_t *copy = damaged(packed, &len);
		int err = gunzip(copy, len, out, UNPACKED_MAX, &out_len, &used);

		EXPECT(used <= len && out_len <= UNPACKED_MAX);
		if (!err) {
			good++;
			archive_read(out, out_len);
		}
		free(copy);
	}
	EXPECT(good < count);
	free(out);
}
