/* SPDX-License-Identifier: MIT */
/*
 * mm/uaccess.c - memory of a space that is not the running one.
 *
 * Invariants:  what is written goes through an entry with the write bit, or, when it is forced, to
 *              a page that no other space and no object can reach, so copy-on-write is obeyed.
 *              Decision and access happen under one hold of the space's lock; nothing is remembered
 *              across a retry.
 */
#include "mm/uaccess.h"
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/cursor.h"
#include "mm/fault.h"

static void note_own(const struct leaf_visit *leaf, void *is_own)
{
	*(bool *)is_own = leaf->is_exclusive && pte_is_counted(leaf->leaf);
}

/* Is the page in nobody's reach but this space's, whatever its entry's write bit says? */
static bool is_own_page(const struct space *space, virt_t addr) REQUIRES(space->lock)
{
	bool is_own = false;

	cursor_for_each(space, page_floor(addr), page_floor(addr) + PAGE_SIZE, note_own, &is_own);
	return is_own;
}

/* The bytes at `addr` for this access, or NULL: fault first.  The answer stays true while the space
 * is locked for writing. */
static char *bytes_now(struct space *space, virt_t addr, enum access access)
	REQUIRES(space->lock)
{
	pte_t leaf = cursor_peek(space, addr);
	bool is_write = access != ACCESS_READ;

	if (!pte_is_present(leaf))
		return NULL;
	if (is_write && !pte_is_writable(leaf) &&
	    !(access == ACCESS_FORCE && is_own_page(space, addr)))
		return NULL;
	return (char *)frame_bytes(pte_pfn(leaf)) + addr % PAGE_SIZE;
}

/* A forced write first asks like any other, so that it is one where it may be. */
static int fault_for(struct space *space, virt_t at, enum access access)
{
	int err = fault_resolve(space, at, access == ACCESS_FORCE ? ACCESS_WRITE : access);

	return err == -EACCES && access == ACCESS_FORCE ? fault_resolve(space, at, access) : err;
}

static int space_move(struct space *space, virt_t at, char *buf, size_t len, enum access access)
{
	if (at >= USER_END || len > USER_END - at)
		return -EFAULT;

	while (len) {
		size_t piece = MIN((size_t)(PAGE_SIZE - at % PAGE_SIZE), len);
		write_lock(&space->lock);       /* no fault puts the page elsewhere meanwhile */
		char *bytes = bytes_now(space, at, access);
		if (bytes && access != ACCESS_READ)
			memcpy(bytes, buf, piece);
		else if (bytes)
			memcpy(buf, bytes, piece);
		write_unlock(&space->lock);
		if (!bytes) {
			int err = fault_for(space, at, access);
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

int space_force(struct space *space, virt_t to, const void *from, size_t len)
{
	return space_move(space, to, (char *)from, len, ACCESS_FORCE);
}
