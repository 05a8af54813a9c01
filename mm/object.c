/* SPDX-License-Identifier: MIT */
/*
 * mm/object.c - pages by index, behind files and shared memory.
 *
 * Owns:        every object, its tree and its size.
 * Invariants:  the tree has no pages at or beyond the size's last page; `resident` is their number.
 *              W4  MAP_SHARED shows only pages that the object owns, from its root down.
 * Locks:       object->lock.  A frame found under it stays alive outside by the count given to the
 *              caller.  Bytes are copied with no lock held: the copy may fault, also on a page of
 *              this very object.
 * See:         mm/tree.h: the same rule as for spaces, walked by software, so nothing is
 *              flushed here.
 */
#include "mm/object.h"
#include "arch/x86_64/usercopy.h"
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "kernel/panic.h"
#include "kernel/upcall.h"
#include "mm/commit.h"
#include "mm/detach.h"
#include "mm/slab.h"

static int object_find(struct object *object, uint64_t index, enum object_use use, pfn_t *frame);
static int hole_fill(struct object *object, pte_t *slot, pfn_t *frame);
static bool page_promise(struct object *object);
static void object_unpromise(struct object *object, uint64_t pages);
static int object_grow_tree(struct object *object, uint64_t index);

static struct slab_cache object_cache;
static struct spinlock objects_lock = SPINLOCK_INIT(RANK_OBJECTS);
static struct list objects = LIST_INIT(objects);
static uint64_t object_count;
int (*object_views_remove)(struct object *object, uint64_t first_page, uint64_t last_page,
			   enum view_kind kind);

void objects_start(void)
{
	slab_cache_init(&object_cache, "object", sizeof(struct object), 8);
}

struct object *object_create(uint64_t size, bool is_anonymous)
{
	struct object *object = slab_alloc_zeroed(&object_cache);
	if (!object)
		return NULL;

	object->refs = 1;
	object->size = size;
	object->is_anonymous = is_anonymous;
	rwlock_init(&object->lock, RANK_OBJECT);
	mutex_init(&object->holder, RANK_HOLD);
	spin_lock(&objects_lock);
	list_push_back(&objects, &object->all);
	object_count++;
	spin_unlock(&objects_lock);
	return object;
}

int object_reserve(struct object *object)
{
	uint64_t pages = div_round_up(object->size, PAGE_SIZE);
	int err = commit_charge(pages, 0);

	if (!err)
		object->reserved = pages;
	return err;
}

bool budget_take(struct budget *budget, uint64_t more)
{
	if (!budget || !more)
		return true;

	uint64_t used = atomic_load_relaxed(&budget->used), limit;
	do {
		limit = atomic_load_relaxed(&budget->limit);
		if (limit && (used >= limit || more > limit - used))
			return false;
	} while (!atomic_cmpxchg(&budget->used, &used, used + more));
	return true;
}

void budget_return(struct budget *budget, uint64_t fewer)
{
	if (!budget || !fewer)
		return;

	uint64_t before = atomic_fetch_add_relaxed(&budget->used, -fewer);
	assert(before >= fewer);
}

void object_get(struct object *object)
{
	jitter();
	atomic_inc(&object->refs);
}

bool object_try_get(struct object *object)
{
	return atomic_inc_unless_zero(&object->refs);
}

void object_put(struct object *object)
{
	jitter();
	if (!atomic_dec_and_test(&object->refs))
		return;

	spin_lock(&objects_lock);
	list_remove(&object->all);
	object_count--;
	spin_unlock(&objects_lock);
	entry_put(object->root, object->height + 1, NULL);
	commit_uncharge(object->reserved ? object->reserved : object->resident);
	budget_return(object->budget, object->resident);
	if (object->on_free)
		object->on_free(object->owner);
	slab_free(&object_cache, object);
}

/* A fault must wait; who holds the inode's lock need not. */
static bool object_is_held(const struct object *object, enum object_use use)
{
	return object->is_held && (use == OBJECT_VIEW || use == OBJECT_WRITE);
}

int object_page(struct object *object, uint64_t index, enum object_use use, pfn_t *frame)
{
	read_lock(&object->lock);
	bool is_held = object_is_held(object, use);
	int err = is_held ? -EAGAIN : object_find(object, index, use, frame);
	read_unlock(&object->lock);
	if (err != -EAGAIN || is_held)
		return err;

	write_lock(&object->lock);
	err = -ENXIO;
	if (object_is_held(object, use))
		err = -EAGAIN;
	else if (use == OBJECT_EXTEND || index < div_round_up(object->size, PAGE_SIZE))
		err = object_make(object, index, frame);
	write_unlock(&object->lock);
	return err;
}

/* The slot that holds the page's leaf, and whether every entry above it has the write bit.  NULL:
 * there is no table for it. */
static pte_t *object_slot(const struct object *object, uint64_t index, bool *is_owned)
{
	pte_t entry = object->root;
	virt_t addr = index << PAGE_SHIFT;

	*is_owned = true;
	if (!object->height || addr >> PAGE_SHIFT >> PTE_INDEX_BITS * object->height)
		return NULL;
	for (int level = object->height;; level--) {
		*is_owned = *is_owned && pte_is_writable(entry);
		pte_t *slot = &frame_entries(pte_pfn(entry))[pte_index(addr, level)];
		if (level == 1)
			return slot;
		entry = pte_load(slot);
		if (pte_is_none(entry))
			return NULL;
	}
}

/* Look, or fill a hole in a table that is there.  -EAGAIN: more must be made first.  object->lock
 * for reading. */
static int object_find(struct object *object, uint64_t index, enum object_use use, pfn_t *frame)
{
	if (use != OBJECT_EXTEND && index >= div_round_up(object->size, PAGE_SIZE))
		return -ENXIO;

	bool is_owned;
	pte_t *slot = object_slot(object, index, &is_owned);
	pte_t leaf = slot ? pte_load(slot) : PTE_NONE;
	if (pte_is_none(leaf)) {
		if (use != OBJECT_READ)
			return slot && is_owned ? hole_fill(object, slot, frame) : -EAGAIN;
		*frame = zero_frame;
		return 0;
	}
	if (use >= OBJECT_WRITE && !(is_owned && pte_is_writable(leaf)))
		return -EAGAIN;

	*frame = pte_pfn(leaf);
	frame_get(*frame);
	return 0;
}

/* A page of zeros, promised and counted, as the leaf that a hole gets. */
static int hole_promised(struct object *object, pte_t *leaf)
{
	if (!page_promise(object))
		return -ENOSPC;
	pfn_t fresh = frame_alloc_data();
	if (fresh == FRAME_NONE) {
		object_unpromise(object, 1);
		return -ENOMEM;
	}
	page_zero(frame_bytes(fresh));
	(void)atomic_fetch_add_relaxed(&object->resident, 1);
	*leaf = pte_with_write(pte_to_frame(fresh, false));
	return 0;
}

/* A page for a hole of the object's own table: others may be at it, too. */
static int hole_fill(struct object *object, pte_t *slot, pfn_t *frame)
{
	struct frame *table = &frames[slot_table(slot)];
	int err = 0;

	spin_lock_byte(&table->lock);
	pte_t leaf = pte_load(slot);
	if (pte_is_none(leaf)) {
		err = hole_promised(object, &leaf);
		if (!err) {
			/* The entry before its count: mm/census.c reads both, and has no byte. */
			pte_store(slot, leaf);
			atomic_store_release(&table->used, table->used + 1);
			table->resident++;
		}
	} else if (!pte_is_writable(leaf)) {
		err = -EAGAIN;
	}
	if (!err) {
		*frame = pte_pfn(leaf);
		frame_get(*frame);
	}
	spin_unlock_byte(&table->lock);
	return err;
}

/* One page more: may it be? */
static bool page_promise(struct object *object)
{
	if (!budget_take(object->budget, 1))
		return false;
	if (object->reserved || !commit_charge(1, 0))
		return true;
	budget_return(object->budget, 1);
	return false;
}

static void object_unpromise(struct object *object, uint64_t pages)
{
	budget_return(object->budget, pages);
	commit_uncharge(object->reserved ? 0 : pages);
}

/* A frame of the object's own behind the slot: zeros for a hole, which is a page more, else a copy
 * of what it shares. */
static int object_fill(struct object *object, pte_t *slot, struct gather *gather)
{
	pte_t leaf = pte_load(slot);
	bool is_hole = pte_is_none(leaf);

	if (is_hole && !page_promise(object))
		return -ENOSPC;
	pfn_t fresh = is_hole ? frame_alloc_zeroed(FRAME_DATA) : frame_alloc(FRAME_DATA);
	if (fresh == FRAME_NONE) {
		if (is_hole)
			object_unpromise(object, 1);
		return -ENOMEM;
	}
	if (is_hole) {
		object->resident++;
	} else {
		page_copy(frame_bytes(fresh), frame_bytes(pte_pfn(leaf)));
		gather_add(gather, leaf, 1);
	}
	entry_store(slot, pte_with_write(pte_to_frame(fresh, false)));
	return 0;
}

int object_make(struct object *object, uint64_t index, pfn_t *frame)
{
	struct gather gather;
	gather_init(&gather);
	pte_t *slot;
	int err = object_path(object, index, 1, &gather, &slot);

	if (!err && !pte_is_writable(pte_load(slot)))
		err = object_fill(object, slot, &gather);
	if (!err) {
		*frame = pte_pfn(pte_load(slot));
		frame_get(*frame);
	}
	gather_put(&gather, NULL);
	return err;
}

int object_path(
	struct object *object, uint64_t index, int to_level, struct gather *gather, pte_t **slot)
{
	int err = object_grow_tree(object, index);
	*slot = &object->root;

	for (int level = object->height + 1; !err && level > to_level; level--) {
		err = table_own(*slot, level, gather, NULL);
		if (!err)
			*slot = &frame_entries(pte_pfn(pte_load(*slot)))
				[pte_index(index << PAGE_SHIFT, level - 1)];
	}
	gather->must_flush = false;     /* no CPU walks an object's tree */
	return err;
}

/* Make the tree high enough for the index: what was the root becomes the new root's first entry. */
static int object_grow_tree(struct object *object, uint64_t index)
{
	while (!object->height || index >> PTE_INDEX_BITS * object->height) {
		pfn_t table = table_alloc(object->height + 1, NULL);
		if (table == FRAME_NONE)
			return -ENOMEM;
		if (object->height)
			entry_store(frame_entries(table), object->root);
		object->root = pte_to_table(table);
		object->height++;
	}
	return 0;
}

ssize_t object_read(struct object *object, uint64_t offset, struct object_io to, size_t len)
{
	uint64_t size = object_size(object);
	if (offset >= size)
		return 0;
	len = MIN(len, size - offset);

	size_t done = 0;
	while (done < len) {
		uint64_t at = offset + done;
		size_t piece = MIN((size_t)(PAGE_SIZE - at % PAGE_SIZE), len - done);
		pfn_t frame;
		int err = object_page(object, at / PAGE_SIZE, OBJECT_READ, &frame);
		if (err)
			return done || err == -ENXIO ? (ssize_t)done : err;

		const char *from = (char *)frame_bytes(frame) + at % PAGE_SIZE;
		size_t copied = buffer_put_partial(to, done, from, piece);
		if (frame != zero_frame)
			frame_put(frame);
		done += copied;
		if (copied < piece)
			return done ? (ssize_t)done : -EFAULT;
	}
	return done;
}

/* Let the object reach at least to `size`: a write beyond the end. */
static void object_extend(struct object *object, uint64_t size)
{
	write_lock(&object->lock);
	if (object->size < size)
		object->size = size;
	write_unlock(&object->lock);
}

/* A page made for bytes that did not come: it must not stay beyond the end, where nobody would find
 * it. */
static void object_forget_beyond(struct object *object)
{
	write_lock(&object->lock);
	(void)!object_drop(object, div_round_up(object->size, PAGE_SIZE), OBJECT_PAGES_MAX);
	write_unlock(&object->lock);
}

ssize_t object_write(struct object *object, uint64_t offset, struct object_io from, size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint64_t at = offset + done;
		size_t piece = MIN((size_t)(PAGE_SIZE - at % PAGE_SIZE), len - done);
		pfn_t frame;
		int err = object_page(object, at / PAGE_SIZE, OBJECT_EXTEND, &frame);
		if (err)
			return done ? (ssize_t)done : err;

		char *to = (char *)frame_bytes(frame) + at % PAGE_SIZE;
		size_t copied = buffer_get_partial(from, done, to, piece);
		frame_put(frame);
		done += copied;
		if (copied && at + copied > object_size(object))
			object_extend(object, at + copied);
		if (!copied)
			object_forget_beyond(object);
		if (copied < piece)
			return done ? (ssize_t)done : -EFAULT;
	}
	return done;
}

/* ---- for mm/cut.c and mm/clone.c ---- */

static void object_drain(struct detach *detach)
{
	detach->gather->must_flush = false;     /* no CPU walks an object's tree */
	gather_put(detach->gather, NULL);
}

int object_drop(struct object *object, uint64_t first_page, uint64_t last_page)
{
	uint64_t reach = 1ull << PTE_INDEX_BITS * object->height;
	last_page = MIN(last_page, reach);
	if (!object->height || first_page >= last_page)
		return 0;

	struct gather gather;
	gather_init(&gather);
	virt_t start = first_page << PAGE_SHIFT, end = last_page << PAGE_SHIFT;
	struct detach detach = {
		.start = start, .end = end, .floor = start, .ceiling = end,
		.gather = &gather, .drain = object_drain,
	};

	int err = table_own(&object->root, object->height + 1, &gather, NULL);
	if (!err)
		err = detach_prepare(&detach, pte_pfn(object->root), 0);
	if (!err)
		detach_commit(&detach, pte_pfn(object->root), 0);
	object->resident -= detach.resident;
	object_unpromise(object, detach.resident);
	object_drain(&detach);
	return err;
}

int object_hold(struct object *object, uint64_t first_page, uint64_t last_page,
		enum view_kind kind) NO_LOCK_ANALYSIS
{
	mutex_lock(&object->holder);
	write_lock(&object->lock);
	object->is_held = true;
	write_unlock(&object->lock);
	if (!object_views_remove || !atomic_load_acquire(&object->mapped))
		return 0;

	int err = object_views_remove(object, first_page, last_page, kind);
	if (err)
		object_release(object);
	return err;
}

void object_release(struct object *object)
{
	write_lock(&object->lock);
	assert(object->is_held);
	object->is_held = false;
	write_unlock(&object->lock);
	mutex_unlock(&object->holder);
}

void object_unshow(struct object *object, uint64_t first_page, uint64_t last_page,
		   enum view_kind kind)
{
	int err;

	do {
		bool is_mapped = object_views_remove && atomic_load_acquire(&object->mapped);
		err = is_mapped ? object_views_remove(object, first_page, last_page, kind) : 0;
	} while (object_find_memory(err));
}

bool object_find_memory(int err)
{
	return err == -ENOMEM && upcall_find_memory() == 0;
}

bool object_has_page(const struct object *object, uint64_t index)
{
	bool is_owned;
	const pte_t *slot = object_slot(object, index, &is_owned);

	return slot && !pte_is_none(pte_load(slot));
}

bool object_owns(const struct object *object, uint64_t index, pfn_t frame)
{
	bool is_owned;
	const pte_t *slot = object_slot(object, index, &is_owned);
	pte_t leaf = slot ? pte_load(slot) : PTE_NONE;

	return is_owned && pte_is_writable(leaf) && pte_pfn(leaf) == frame;
}

uint64_t object_size(struct object *object)
{
	return atomic_load_acquire(&object->size);
}

uint64_t object_resident_pages(struct object *object)
{
	return atomic_load_relaxed(&object->resident);
}

const struct list *objects_freeze(void)
{
	spin_lock(&objects_lock);
	return &objects;
}

void objects_thaw(void)
{
	spin_unlock(&objects_lock);
}

uint64_t objects_count(void)
{
	return atomic_load_relaxed(&object_count);
}
