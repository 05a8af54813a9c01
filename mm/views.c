/* SPDX-License-Identifier: MIT */
/*
 * mm/views.c - take an object's pages away from the spaces that see them.
 *
 * There is no way back from a frame to the entries that name it.  So whoever truncates a file,
 * punches a hole or takes a snapshot visits every space, looks for ranges of the object, and takes
 * the entries out.  A private range keeps its copies: a leaf that is a view says so (pte_is_view).
 *
 * Locks: each space's for writing, one after the other.  A fault that has fetched the object's page
 *        holds it for reading until the view is installed, and is found.
 */
#include "mm/mmap.h"
#include "lib/bits.h"
#include "kernel/panic.h"
#include "mm/cursor.h"

struct views {
	struct object *object;
	uint64_t first_page, last_page;
	enum view_kind kind;
	int err;
};

static void space_remove_views(struct space *space, void *argument);
static int vma_remove_views(struct space *space, const struct vma *vma, const struct views *what)
	REQUIRES(space->lock);
static int range_remove_views(struct space *space, virt_t start, virt_t end, int level)
	REQUIRES(space->lock);

int spaces_remove_views(struct object *object, uint64_t first_page, uint64_t last_page,
			enum view_kind kind)
{
	struct views what = { object, first_page, last_page, kind, 0 };

	space_for_each(space_remove_views, &what);
	return what.err;
}

/* Where a table cannot be owned for lack of memory, the others get on with it: to try again is to
 * visit all, and to find little. */
static void space_remove_views(struct space *space, void *argument)
{
	struct views *what = argument;
	int err = 0;

	write_lock(&space->lock);
	for (uint32_t i = 0; i < space->vmas->count && !err; i++)
		err = vma_remove_views(space, &space->vmas->at[i], what);
	write_unlock(&space->lock);
	if (err)
		what->err = err;
}

static int vma_remove_views(struct space *space, const struct vma *vma, const struct views *what)
{
	uint64_t page = vma->offset >> PAGE_SHIFT;
	uint64_t first = MAX(page, what->first_page);
	uint64_t last = MIN(page + vma_pages(vma), what->last_page);
	if (vma->object != what->object || first >= last)
		return 0;

	virt_t start = vma->start + ((first - page) << PAGE_SHIFT);
	virt_t end = start + ((last - first) << PAGE_SHIFT);
	if (!vma_is_private(vma) || what->kind == VIEWS_AND_COPIES)
		return space_drop_pages(space, start, end);
	return what->kind == VIEWS_SHARED ? 0 : range_remove_views(space, start, end, PTE_LEVELS);
}

/* What a table's entries lead to, as bits: where there are views. */
struct view_map {
	virt_t start;
	uint64_t span;                  /* of one entry */
	uint64_t bits[PTE_PER_TABLE / 64];
};

static void view_mark(const struct leaf_visit *leaf, void *argument)
{
	struct view_map *map = argument;
	uint64_t i = (leaf->addr - map->start) / map->span;

	if (pte_is_view(leaf->leaf))
		map->bits[i / 64] |= 1ull << i % 64;
}

static bool view_is_marked(const struct view_map *map, unsigned i)
{
	return i < PTE_PER_TABLE && map->bits[i / 64] >> i % 64 & 1;
}

/* Of a private range within one table of `level`: the views go, the copies stay.  What has none is
 * passed over, so that only the number of pages counts. */
static int range_remove_views(struct space *space, virt_t start, virt_t end, int level)
{
	uint64_t span = pte_span(level);
	struct view_map map = { .start = align_down(start, span), .span = span };
	int err = 0;

	cursor_for_each(space, start, end, view_mark, &map);
	for (unsigned i = 0, next; i < PTE_PER_TABLE && !err; i = next) {
		next = i + 1;
		if (!view_is_marked(&map, i))
			continue;
		while (level == 1 && view_is_marked(&map, next))
			next++;                 /* pages go in runs */
		virt_t at = MAX(start, (virt_t)(map.start + i * span));
		virt_t to = MIN(end, (virt_t)(map.start + next * span));
		err = level == 1 ? space_drop_pages(space, at, to)
				 : range_remove_views(space, at, to, level - 1);
	}
	return err;
}
