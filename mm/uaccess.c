/* SPDX-License-Identifier: MIT */
/*
 * mm/uaccess.c - memory of a space that is not the running one.
 *
 * Invariants:  what is written goes through an entry with the write bit, so copy-on-write is
 *              obeyed: no other space sees it.  Decision and access happen under one hold of the
 *              space's lock; nothing is remembered across a retry.
 */
#include "mm/uaccess.h"
#include "lib/abi/errno.h"
#include "lib/string.h"
#include "mm/cursor.h"
#include "mm/fault.h"

/* The bytes at `addr` for this access, or NULL: fault first.  The answer stays true while the space
 * is locked for writing. */
static char *bytes_now(struct space *space, virt_t addr, enum access access)
	REQUIRES(space->lock)
{
	pte_t leaf = cursor_peek(space, addr);
	if (!pte_is_present(leaf) || (access == ACCESS_WRITE && !pte_is_writable(leaf)))
		return NULL;
	return (char *)frame_bytes(pte_pfn(leaf)) + addr % PAGE_SIZE;
}

static int space_move(struct space *space, virt_t at, char *buf, size_t len, enum access access)
{
	if (at >= USER_END || len > USER_END - at)
		return -EFAULT;

	while (len) {
		size_t piece = MIN((size_t)(PAGE_SIZE - at % PAGE_SIZE), len);
		write_lock(&space->lock);       /* no fault puts the page elsewhere meanwhile */
		char *bytes = bytes_now(space, at, access);
		if (bytes && access == ACCESS_WRITE)
			memcpy(bytes, buf, piece);
		else if (bytes)
			memcpy(buf, bytes, piece);
		write_unlock(&space->lock);
		if (!bytes) {
			int err = fault_resolve(space, at, access);
			if (err)
				return err == -ENOMEM ? -ENOMEM : -EFAULT;
			continue;
		}
		at += piece;
		buf += piece;
		len -= piece;
	}
	return 0;
}

int space_read(struct space *space, virt_t from, void *to, size_t len)
{
	return space_move(space, from, to, len, ACCESS_READ);
}

int space_write(struct space *space, virt_t to, const void *from, size_t len)
{
	return space_move(space, to, (char *)from, len, ACCESS_WRITE);
}
