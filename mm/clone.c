/* SPDX-License-Identifier: MIT */
/*
 * mm/clone.c - snapshots of objects: share the root, adopt, graft.
 *
 *   snapshot(A)         A ─r─► T:2 ◄─r─ S         fork of a file: one count, whatever its size
 *   adopt(B, S)         B ─r─► T:2                S leaves with what B had
 *   graft(B, S, range)  entries of S that lie wholly in the range are shared one by one, at the
 *                       highest level that both places allow; done on a snapshot of B, which is
 *                       adopted at the end: what fails half-way has changed nothing
 *
 * Invariants:  W4: when a root is shared, no MAP_SHARED view of the object exists.
 *              A graft takes entries out of the middle of a tree: each table on the way is tagged
 *              stale, so that whoever is its last owner looks at its write bits again.
 * Locks:       the object is held (object_hold) from before its views go until its root is shared:
 *              faults that want a page to show go back and let the space's lock go.  The inode's
 *              lock, the caller's, keeps other writers out.
 * See:         mm/tree.h for sharing and owning, mm/views.c.
 */
#include "mm/object.h"
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "kernel/panic.h"
#include "mm/commit.h"

/* Pages below one entry of a level's table. */
static uint64_t entry_pages(int level)
{
	return pte_span(level) >> PAGE_SHIFT;
}

/* Another object with the same root.  `object` is held. */
static int object_share(struct object *object, struct object **sharer)
{
	struct object *made = object_create(0, false);
	if (!made)
		return -ENOMEM;

	write_lock(&object->lock);
	int err = commit_charge(object->resident, 0) ? -ENOSPC : 0;
	if (!err && object->height) {
		frame_get(pte_pfn(object->root));
		object->root = made->root = pte_without_write(object->root);
		made->height = object->height;
	}
	if (!err) {
		made->resident = object->resident;
		made->size = object->size;
	}
	write_unlock(&object->lock);
	if (err)
		object_put(made);
	else
		*sharer = made;
	return err;
}

/* Each becomes what the other was.  Nobody else knows `other`, whose pages no budget has.  -ENOSPC:
 * there is no room in that of the object. */
static int object_swap(struct object *object, struct object *other)
{
	assert(!object->reserved && !other->mapped && !other->budget);
	write_lock(&object->lock);
	uint64_t now = object->resident, then = other->resident;
	int err = then > now && !budget_take(object->budget, then - now) ? -ENOSPC : 0;
	if (!err) {
		SWAP(object->root, other->root);
		SWAP(object->height, other->height);
		SWAP(object->resident, other->resident);
		SWAP(object->size, other->size);
		budget_return(object->budget, now > then ? now - then : 0);
	}
	write_unlock(&object->lock);
	return err;
}

int object_snapshot(struct object *object, struct object **snapshot)
{
	int err = object_hold(object, 0, OBJECT_PAGES_MAX, VIEWS_SHARED);
	if (err)
		return err;
	err = object_share(object, snapshot);
	object_release(object);
	return err;
}

int object_adopt(struct object *object, struct object *snapshot)
{
	int err = object_hold(object, 0, OBJECT_PAGES_MAX, VIEWS_ONLY);
	if (err)
		return err;
	err = object_swap(object, snapshot);
	object_release(object);
	return err;
}

/* ---- parts ---- */

/* The highest level whose entries fit both places and what is left. */
static int graft_level(const struct graft *graft, uint64_t done, int height)
{
	uint64_t misfit = (graft->from_page + done) | (graft->to_page + done);
	int level = 1;

	while (level < height && misfit % entry_pages(level + 1) == 0
	       && graft->pages - done >= entry_pages(level + 1))
		level++;
	return level;
}

/*
 * The snapshot's entry of `level` for the page.  All tables on the way get the stale tag: what we
 * share of them is no longer theirs alone.  *span: pages that the answer speaks of, from the page
 * on.
 */
static pte_t graft_source(const struct object *from, uint64_t page, int level, uint64_t *span)
{
	pte_t entry = from->root;

	*span = OBJECT_PAGES_MAX;
	if (!from->height || page >> PTE_INDEX_BITS * from->height)
		return PTE_NONE;
	for (int at = from->height; at >= level && !pte_is_none(entry); at--) {
		atomic_store_relaxed(&frames[pte_pfn(entry)].stale, 1);
		entry = pte_load(&frame_entries(pte_pfn(entry))[pte_index(page << PAGE_SHIFT, at)]);
		*span = entry_pages(at) - page % entry_pages(at);
	}
	return entry;
}

/* Share the entry that stands for the next pages. */
static int graft_entry(struct object *object, const struct graft *graft, uint64_t done,
		       uint64_t *step) REQUIRES(object->lock)
{
	int level = graft_level(graft, done, MIN(object->height, graft->from->height));
	pte_t entry = graft_source(graft->from, graft->from_page + done, level, step);
	if (pte_is_none(entry))
		return 0;

	struct gather gather;
	gather_init(&gather);
	pte_t *slot;
	int err = object_path(object, graft->to_page + done, level, &gather, &slot);
	if (!err) {
		uint64_t resident = entry_resident(entry, level);
		assert(pte_is_none(pte_load(slot)));
		frame_get(pte_pfn(entry));
		entry_store(slot, pte_without_write(entry));
		object->resident += resident;
		commit_take(resident);          /* the snapshot was promised as many */
	}
	gather_put(&gather, NULL);
	return err;
}

static int graft_all(struct object *object, const struct graft *graft)
{
	struct gather gather;
	gather_init(&gather);
	pte_t *slot;

	write_lock(&object->lock);
	int err = object_drop(object, graft->to_page, graft->to_page + graft->pages);
	if (!err)                               /* as high as it must become, first */
		err = object_path(object, graft->to_page + graft->pages - 1, PTE_LEVELS + 1,
				  &gather, &slot);
	gather_put(&gather, NULL);
	for (uint64_t done = 0, step; !err && done < graft->pages; done += step)
		err = graft_entry(object, graft, done, &step);
	object->size = MAX(object->size, graft->end);
	write_unlock(&object->lock);
	return err;
}

int object_graft(struct object *object, const struct graft *graft)
{
	struct object *work;

	assert(graft->pages > 0);
	int err = object_hold(object, 0, OBJECT_PAGES_MAX, VIEWS_SHARED);
	if (err)
		return err;
	err = object_share(object, &work);
	if (!err) {
		err = graft_all(work, graft);
		if (!err)
			err = object_swap(object, work);
		object_put(work);
	}
	object_release(object);
	/* Private views of what was replaced: a fault that comes before this finds the new page. */
	if (!err)
		object_unshow(object, graft->to_page, graft->to_page + graft->pages, VIEWS_ONLY);
	return err;
}

/* ---- holes ---- */

uint64_t object_next(struct object *object, uint64_t index, bool is_hole)
{
	read_lock(&object->lock);
	uint64_t reach = object->height ? entry_pages(object->height + 1) : 0;
	while (index < reach) {
		pte_t entry = object->root;
		int level = object->height;
		for (; level > 0; level--) {
			unsigned i = pte_index(index << PAGE_SHIFT, level);
			entry = pte_load(&frame_entries(pte_pfn(entry))[i]);
			if (pte_is_none(entry))
				break;
		}
		if (pte_is_none(entry) == is_hole)
			break;
		uint64_t span = level ? entry_pages(level) : 1;
		index += span - index % span;
	}
	read_unlock(&object->lock);
	return index < reach || is_hole ? index : OBJECT_PAGES_MAX;
}
