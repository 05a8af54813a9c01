/* SPDX-License-Identifier: MIT */
/*
 * mm/cut.c - take bytes out of an object: truncate, punch a hole.
 *
 *      hold       views of what goes are taken away, and none come back          may fail
 *      prepare    the pages of which a part stays, and the tables on the edges,
 *                 become the object's own                                        may fail
 *      commit     pages go, parts become zeros, the size changes
 *      release
 *      unshow     truncation only: copies in private ranges go, too
 *
 * Invariants:  what fails has changed nothing but views, and those come back by the next fault.
 *              W4: between the commit and the release no view of the pages exists.
 * Locks:       the object is held from before its views go until after the commit, which has
 *              object->lock.  Nothing of this is held while memory is looked for.
 */
#include "mm/object.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "kernel/panic.h"

/* What goes: bytes, and the pages wholly among them. */
struct cut {
	uint64_t start, end;            /* bytes */
	uint64_t first, last;           /* pages: none if first >= last */
	uint64_t size;                  /* the object has at most that, afterwards */
	bool takes_copies;              /* of private ranges */
};

/* Bytes of a page, some of which stay; NULL: nothing to be done. */
struct edge {
	char *bytes;
	uint64_t len;
};

static int cut_once(struct object *object, const struct cut *cut);
static int cut_locked(struct object *object, const struct cut *cut) REQUIRES(object->lock);
static int edge_own(struct object *object, uint64_t start, uint64_t end, struct edge *edge)
	REQUIRES(object->lock);

/* Until it is done, or the end of the running program gives back what it takes. */
static int object_cut(struct object *object, const struct cut *cut)
{
	int err;

	do {
		err = cut_once(object, cut);
	} while (object_find_memory(err));
	if (!err && cut->takes_copies)
		object_unshow(object, cut->first, cut->last, VIEWS_AND_COPIES);
	return err;
}

int object_resize(struct object *object, uint64_t size)
{
	uint64_t kept_pages = div_round_up(size, PAGE_SIZE);

	if (size < object_size(object))
		return object_cut(object, &(struct cut){
			.start = size, .end = OBJECT_PAGES_MAX * PAGE_SIZE,
			.first = kept_pages, .last = OBJECT_PAGES_MAX,
			.size = size, .takes_copies = true,
		});
	write_lock(&object->lock);
	object->size = size;
	write_unlock(&object->lock);
	return 0;
}

int object_punch(struct object *object, uint64_t start, uint64_t end)
{
	end = MIN(end, align_up(object_size(object), PAGE_SIZE));
	if (start >= end)
		return 0;
	return object_cut(object, &(struct cut){
		.start = start, .end = end,
		.first = div_round_up(start, PAGE_SIZE), .last = end / PAGE_SIZE,
		.size = UINT64_MAX,
	});
}

static int cut_once(struct object *object, const struct cut *cut)
{
	int err = object_hold(object, cut->first, cut->last, VIEWS_ONLY);
	if (err)
		return err;

	write_lock(&object->lock);
	err = cut_locked(object, cut);
	write_unlock(&object->lock);
	object_release(object);
	return err;
}

static int cut_locked(struct object *object, const struct cut *cut)
{
	uint64_t head_end = MIN(cut->end, (uint64_t)(cut->first * PAGE_SIZE));
	struct edge head = { 0 }, tail = { 0 };
	int err = edge_own(object, cut->start, head_end, &head);

	if (!err && cut->first <= cut->last)
		err = edge_own(object, cut->last * PAGE_SIZE, cut->end, &tail);
	if (!err)
		err = object_drop(object, cut->first, cut->last);
	if (err)
		return err;

	if (head.bytes)
		memset(head.bytes, 0, head.len);
	if (tail.bytes)
		memset(tail.bytes, 0, tail.len);
	object->size = MIN(object->size, cut->size);
	return 0;
}

/* Bytes [start, end) of one page, where the object may write them.  A hole has none. */
static int edge_own(struct object *object, uint64_t start, uint64_t end, struct edge *edge)
{
	if (start >= end || !object_has_page(object, start / PAGE_SIZE))
		return 0;

	pfn_t frame;
	int err = object_make(object, start / PAGE_SIZE, &frame);
	if (err)
		return err;
	edge->bytes = (char *)frame_bytes(frame) + start % PAGE_SIZE;
	edge->len = end - start;
	frame_put(frame);               /* the object keeps it */
	return 0;
}
