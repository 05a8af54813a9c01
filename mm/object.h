/* SPDX-License-Identifier: MIT */
/*
 * mm/object.h - pages by index, behind files and shared memory.
 *
 * An object keeps its pages in a counted tree like a space's, walked by software, as high as its
 * size needs.  A leaf's write bit means: the object may be written in place here; private views
 * raise the frame's count and do not take that right away, because they never write.
 *
 * An object of kind FILE is the page cache of a tmpfs inode and its only home; absent pages are
 * holes and read as zeros.
 *
 * Locks: `lock` guards tree, size and mapped.  Rank above the space's: a fault takes the space
 * first.
 */
#pragma once

#include "lib/types.h"
#include "kernel/mutex.h"
#include "mm/buffer.h"
#include "mm/tree.h"

struct object {
	uint32_t refs;                  /* atomic: inode, VMA arrays, transient users */
	uint32_t mapped;                /* atomic: VMA entries in all arrays that name it */
	struct rwlock lock;
	pte_t root;                     /* [lock] none: no pages */
	uint8_t height;                 /* [lock] level of the root table; 0: none yet */
	uint64_t size;                  /* [lock] bytes; beyond the last page: SIGBUS */
	uint64_t resident;              /* [lock] pages present */
	struct list_node all;           /* every object, for audit() */
	bool is_anonymous;              /* MAP_SHARED|MAP_ANONYMOUS: size is fixed, no name */
};

/* Once at boot, after slabs. */
void objects_start(void);

/* How pages [first_page, last_page) lose their views in all spaces: set by mm/mmap.c, which stands
 * above. */
extern void (*object_views_remove)(struct object *object, uint64_t first_page, uint64_t last_page);

/* An empty object of `size` bytes with one reference.  NULL: no memory. */
struct object *object_create(uint64_t size, bool is_anonymous);
void object_get(struct object *object);
void object_put(struct object *object);         /* the last one frees all pages; may sleep */

/*
 * The frame of page `index`, with one more count on it for the caller, who puts it.  May sleep.
 *   OBJECT_READ   a hole gives the zero frame, uncounted: compare with zero_frame before putting
 *   OBJECT_VIEW   as READ, but a hole gets a page: for mapping
 *   OBJECT_WRITE  a page the object may write in place: created or made the object's own if need be
 *   OBJECT_EXTEND as WRITE, also beyond the size, which the caller raises once bytes are there
 * 0; -ENXIO: beyond the size; -ENOMEM.
 */
enum object_use { OBJECT_READ, OBJECT_VIEW, OBJECT_WRITE, OBJECT_EXTEND };
MUST_CHECK int object_page(
	struct object *object, uint64_t index, enum object_use use, pfn_t *frame);

/* Bytes between an object and kernel memory or the running program's (is_user).  May sleep, fault
 * and be cut short: bytes done, or a negative errno if none.  Writing extends the size; the caller
 * keeps writers and resizers of one object apart (the inode's lock). */
ssize_t object_read(struct object *object, uint64_t offset, struct object_io to, size_t len);
ssize_t object_write(struct object *object, uint64_t offset, struct object_io from, size_t len);

/* Change the size.  Shrinking frees whole pages beyond it, zeroes the rest of the last page, and
 * takes all views beyond it away from every space.  May sleep. */
MUST_CHECK int object_resize(struct object *object, uint64_t size);

/* Free the pages wholly inside [start, end) bytes, zero partial ones: FALLOC_FL_PUNCH_HOLE. */
MUST_CHECK int object_punch(struct object *object, uint64_t start, uint64_t end);

uint64_t object_size(struct object *object);
uint64_t object_resident_pages(struct object *object);

/* The list of all objects, kept as it is until objects_thaw(): for audit().  Before
 * spaces_freeze(). */
const struct list *objects_freeze(void) NO_LOCK_ANALYSIS;
void objects_thaw(void) NO_LOCK_ANALYSIS;

/* Objects that exist: for audit() and the ledger. */
void object_for_each(void (*visit)(struct object *object, void *argument), void *argument);
uint64_t objects_count(void);
