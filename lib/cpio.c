/* SPDX-License-Identifier: MIT */
/*
 * lib/cpio.c - reads newc archives.
 *
 * Invariants: offset <= len at all times; every sum is of a size_t and 32-bit fields and so
 * cannot overflow; a part of an entry is looked at only after reader_has() said it is there.
 * Locks: none; the reader belongs to the caller, the archive is only read.
 */

#include "lib/cpio.h"
#include "lib/abi/errno.h"
#include "lib/abi/fcntl.h"
#include "lib/bits.h"
#include "lib/string.h"

#define MAGIC "070701"
#define MAGIC_SUMMED "070702"
#define MAGIC_SIZE 6
#define TRAILER "TRAILER!!!"

/* Behind the magic stand 13 numbers of 8 hexadecimal digits. */
enum field {
	FIELD_INO,
	FIELD_MODE,
	FIELD_UID,
	FIELD_GID,
	FIELD_NLINK,
	FIELD_MTIME,
	FIELD_SIZE,
	FIELD_DEV_MAJOR,
	FIELD_DEV_MINOR,
	FIELD_RDEV_MAJOR,
	FIELD_RDEV_MINOR,
	FIELD_NAME_SIZE,
	FIELD_SUM,
	FIELD_COUNT,
};

#define FIELD_DIGITS 8
#define HEADER_SIZE (MAGIC_SIZE + FIELD_COUNT * FIELD_DIGITS)

static int entry_read(struct cpio_reader *reader, struct cpio_entry *entry);

void cpio_init(struct cpio_reader *reader, const void *bytes, size_t len)
{
	*reader = (struct cpio_reader){ .bytes = bytes, .len = len };
}

static bool entry_is_trailer(const struct cpio_entry *entry)
{
	return entry->name_size == sizeof(TRAILER) && string_equals(entry->name, TRAILER);
}

int cpio_next(struct cpio_reader *reader, struct cpio_entry *entry)
{
	for (;;) {
		int error;

		while (!reader->is_open && reader->offset < reader->len &&
		       reader->bytes[reader->offset] == 0)
			reader->offset++;
		if (!reader->is_open && reader->offset == reader->len)
			return 0;
		error = entry_read(reader, entry);
		if (error != 0)
			return error;
		reader->is_open = !entry_is_trailer(entry);
		if (reader->is_open)
			return 1;
		reader->archives++;
	}
}

/* Whether the bytes [offset, offset + size) are in the buffer. */
static bool reader_has(const struct cpio_reader *reader, size_t offset, size_t size)
{
	return offset <= reader->len && size <= reader->len - offset;
}

static bool number_read(const uint8_t *digits, uint32_t *number)
{
	uint32_t n = 0;

	for (int i = 0; i < FIELD_DIGITS; i++) {
		uint8_t c = digits[i];

		if (c >= '0' && c <= '9')
			n = n << 4 | (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			n = n << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	*number = n;
	return true;
}

static bool header_read(const uint8_t *header, uint32_t *fields)
{
	if (memcmp(header, MAGIC, MAGIC_SIZE) != 0 && memcmp(header, MAGIC_SUMMED, MAGIC_SIZE) != 0)
		return false;
	for (int i = 0; i < FIELD_COUNT; i++) {
		if (!number_read(header + MAGIC_SIZE + i * FIELD_DIGITS, &fields[i]))
			return false;
	}
	return true;
}

static void entry_fill(struct cpio_entry *entry, const uint32_t *fields)
{
	entry->ino = fields[FIELD_INO];
	entry->mode = fields[FIELD_MODE];
	entry->uid = fields[FIELD_UID];
	entry->gid = fields[FIELD_GID];
	entry->nlink = fields[FIELD_NLINK];
	entry->mtime = fields[FIELD_MTIME];
	entry->size = fields[FIELD_SIZE];
	entry->dev_major = fields[FIELD_DEV_MAJOR];
	entry->dev_minor = fields[FIELD_DEV_MINOR];
	entry->rdev_major = fields[FIELD_RDEV_MAJOR];
	entry->rdev_minor = fields[FIELD_RDEV_MINOR];
	entry->name_size = fields[FIELD_NAME_SIZE];
}

/* Only plain files carry a sum, and of several links only the one with the data. */
static bool sum_is_right(const uint8_t *header, const struct cpio_entry *entry, uint32_t expected)
{
	uint32_t sum = 0;

	if (memcmp(header, MAGIC_SUMMED, MAGIC_SIZE) != 0 || !S_ISREG(entry->mode) ||
	    entry->size == 0)
		return true;
	for (uint32_t i = 0; i < entry->size; i++)
		sum += entry->data[i];
	return sum == expected;
}

/* Read the entry at reader->offset and move behind it; on failure the reader stays. */
static int entry_read(struct cpio_reader *reader, struct cpio_entry *entry)
{
	const uint8_t *header = reader->bytes + reader->offset;
	size_t left = reader->len - reader->offset;
	uint32_t fields[FIELD_COUNT];
	size_t data_at;

	if (!reader_has(reader, reader->offset, HEADER_SIZE) || !header_read(header, fields))
		return -EINVAL;
	entry_fill(entry, fields);
	if (entry->name_size == 0 || entry->name_size > PATH_MAX)
		return -EINVAL;
	if (!reader_has(reader, reader->offset, HEADER_SIZE + entry->name_size))
		return -EINVAL;
	/*
	 * Archives are padded from their own start, which may be anywhere in the buffer; the very
	 * last padding may be missing.
	 */
	data_at = MIN(align_up(HEADER_SIZE + entry->name_size, 4), left);
	if (!reader_has(reader, reader->offset + data_at, entry->size))
		return -EINVAL;
	entry->name = (const char *)header + HEADER_SIZE;
	entry->data = header + data_at;
	if (strnlen(entry->name, entry->name_size) != entry->name_size - 1)
		return -EINVAL;
	if (!sum_is_right(header, entry, fields[FIELD_SUM]))
		return -EINVAL;
	reader->offset += MIN(align_up(data_at + entry->size, 4), left);
	return 0;
}
