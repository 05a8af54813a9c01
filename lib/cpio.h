/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Reads a cpio archive of the newc format (magic 070701; 070702 with a sum over the data) that
 * lies in memory.  Archives may follow one another, padded with zeros.  No input makes the
 * reader touch a byte outside the buffer.
 *
 *	header 110 bytes | name, 0 | pad to 4 | data | pad to 4 | header ...
 */

#include "lib/types.h"

struct cpio_reader {
	const uint8_t *bytes;
	size_t len;
	size_t offset;		/* where the next header, or padding before it, begins */
	bool is_open;		/* inside an archive: the trailer has still to come */
	size_t archives;	/* trailers passed: inode numbers mean something only between two */
};

struct cpio_entry {
	uint32_t ino;
	uint32_t mode;		/* S_IF* and permissions */
	uint32_t uid;
	uint32_t gid;
	uint32_t nlink;
	uint32_t mtime;		/* seconds since 1970 */
	uint32_t dev_major;	/* the device it came from: with ino tells hard links */
	uint32_t dev_minor;
	uint32_t rdev_major;	/* the device it is */
	uint32_t rdev_minor;
	uint32_t name_size;	/* with the terminating zero */
	const char *name;	/* terminated; points into the archive, like data */
	const uint8_t *data;
	uint32_t size;
};

void cpio_init(struct cpio_reader *reader, const void *bytes, size_t len);

/*
 * Yield the next entry.  Returns 1, or 0 at the end of the last archive, or -EINVAL if what
 * stands at reader->offset is torn, damaged or no cpio archive.
 */
int cpio_next(struct cpio_reader *reader, struct cpio_entry *entry) MUST_CHECK;
