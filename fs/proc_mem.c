/* SPDX-License-Identifier: MIT */
/*
 * fs/proc_mem.c - /proc/PID/mem: bytes of a process, at their addresses.
 *
 * A write is forced: it reaches what the process itself may only read, as a debugger must when it
 * sets a breakpoint.  But never what others see: the process gets a page of its own first, and
 * nobody gets rights.  A view that is shared and read-only refuses, and so do ranges without any
 * rights.
 *
 * Invariants: the space is the one that was there when the file was opened.  Who has become another
 *   program since, with the file still open, is not what was asked for.
 * See: proc(5); mm/uaccess.h.
 */
#include "fs/procfs.h"
#include "lib/abi/errno.h"
#include "mm/slab.h"
#include "mm/space.h"
#include "mm/uaccess.h"

/* One page's part of a transfer, through `page`.  0 or what is wrong. */
typedef int move_t(struct space *space, virt_t at, void *page, size_t len, buffer_t buffer);

static int move_out(struct space *space, virt_t at, void *page, size_t len, buffer_t to)
{
	if (space_read(space, at, page, len))
		return -EIO;
	return buffer_put(to, 0, page, len);
}

static int move_in(struct space *space, virt_t at, void *page, size_t len, buffer_t from)
{
	int err = buffer_get(from, 0, page, len);

	if (err)
		return err;
	return space_force(space, at, page, len) ? -EIO : 0;
}

/* A program that has gone has no bytes. */
static ssize_t memory_move(
	const struct text_node *node, buffer_t buffer, size_t len, uint64_t *offset, move_t *move)
{
	struct space *space = proc_space(node);
	void *page = space ? kmalloc(PAGE_SIZE) : NULL;
	int err = space && !page ? -ENOMEM : 0;
	size_t done = 0;

	while (page && !err && done < len) {
		size_t part = MIN(len - done, (size_t)(PAGE_SIZE - *offset % PAGE_SIZE));

		err = move(space, *offset, page, part, buffer_advance(buffer, done));
		if (err)
			break;
		*offset += part;
		done += part;
	}
	kfree(page);
	if (space)
		space_put(space);
	return done ? (ssize_t)done : err;
}

ssize_t proc_read_mem(const struct text_node *node, buffer_t to, size_t len, uint64_t *offset)
{
	return memory_move(node, to, len, offset, move_out);
}

ssize_t proc_write_mem(const struct text_node *node, buffer_t from, size_t len, uint64_t *offset)
{
	return memory_move(node, from, len, offset, move_in);
}
