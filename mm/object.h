/* SPDX-License-Identifier: MIT */
/*
 * mm/object.h - pages by index, behind files and shared memory.
 *
 * An object keeps its pages in a counted tree like a space's, walked by software, as high as its
 * size needs.  A leaf's write bit means: the object may be written in place here; private views
 * raise the frame's count and do not take that right away, because they never write.
 *
 * Of a file in tmpfs it is the page cache and the only home; absent pages are holes and read as
 * zeros.
 *
 * A snapshot shares the object's root and costs the same for every size (mm/clone.c).  W4:
 * MAP_SHARED views exist only of pages that the object owns alone, so a snapshot takes them all
 * away first, and holds the object meanwhile: no page is given out to be seen.  Private views may
 * name a page that the object has replaced since; they are read-only and keep what they showed.
 *
 * Locks: `lock` guards tree, size and is_held.  Rank above the space's: a fault takes the space
 * first.  With it for reading, holes of a table that the object owns are filled under the table's
 * lock, so that many faults fill one object side by side.
 */
#pragma once

#include "lib/types.h"
#include "kernel/mutex.h"
#include "mm/buffer.h"
#include "mm/tree.h"

/* How much of a thing a family may have: pages, the files of a file system. */
struct budget {
	uint64_t used;                  /* atomic */
	uint64_t limit;                 /* atomic; 0: none */
};

struct object {
	uint32_t refs;                  /* atomic: inode, VMA arrays, transient users */
	uint32_t mapped;                /* atomic: VMA entries in all arrays that name it */
	uint32_t writers;               /* atomic: those of them that may write: MAP_SHARED */
	struct rwlock lock;
	pte_t root;                     /* [lock] none: no pages */
	uint8_t height;                 /* [lock] level of the root table; 0: none yet */
	uint64_t size;                  /* [lock] bytes; beyond the last page: SIGBUS */
	uint64_t resident;              /* [lock]; atomic under it for reading: pages present */
	uint64_t reserved;              /* pages promised at birth; 0: each as it comes */
	struct budget *budget;          /* constant once it is shown to others: its pages count
	                                 * there, also those it shares; or NULL */
	struct list_node all;           /* [RANK_OBJECTS] every object */
	struct mutex holder;            /* RANK_HOLD: who changes many pages at once */
	bool is_held;                   /* [lock] while it grows no views: see object_page */
	void (*on_free)(void *owner);   /* constant: nobody has it, its pages are gone; or NULL */
	void *owner;
	bool is_anonymous;              /* MAP_SHARED|MAP_ANONYMOUS: size is fixed, no name */
};

/* Once at boot, after slabs. */
void objects_start(void);

/* How pages [first_page, last_page) lose their views in all spaces: set by mm/mmap.c, which stands
 * above.  Private ranges keep the copies they have made, unless copies are to go as well.  -ENOMEM:
 * some are left. */
enum view_kind { VIEWS_SHARED, VIEWS_ONLY, VIEWS_AND_COPIES };
extern int (*object_views_remove)(struct object *object, uint64_t first_page, uint64_t last_page,
				  enum view_kind kind);

/* A page number beyond all others. */
#define OBJECT_PAGES_MAX (UINT64_MAX >> PAGE_SHIFT)

/* An empty object of `size` bytes with one reference.  NULL: no memory. */
struct object *object_create(uint64_t size, bool is_anonymous);

/* Promise memory for its whole size at once, as MAP_SHARED|MAP_ANONYMOUS does: for an object nobody
 * else knows yet.  -ENOMEM. */
MUST_CHECK int object_reserve(struct object *object);

/* More, or fewer, in a budget (NULL: nobody counts).  False: there is no room for it. */
MUST_CHECK bool budget_take(struct budget *budget, uint64_t more);
void budget_return(struct budget *budget, uint64_t fewer);

void object_get(struct object *object);
bool object_try_get(struct object *object);     /* false: the last reference is gone already */
void object_put(struct object *object);         /* the last one frees all pages; may sleep */

/*
 * The frame of page `index`, with one more count on it for the caller, who puts it.  May sleep.
 *   OBJECT_READ   a hole gives the zero frame, uncounted: compare with zero_frame before putting
 *   OBJECT_VIEW   as READ, but a hole gets a page: for mapping
 *   OBJECT_WRITE  a page the object may write in place: created or made the object's own if need be
 *   OBJECT_EXTEND as WRITE, also beyond the size, which the caller raises once bytes are there
 * 0; -ENXIO: beyond the size; -ENOMEM; -ENOSPC: the promise of one page more is refused, or the
 * budget is spent; -EAGAIN: the object is held, and VIEW and WRITE (a fault) must let who holds it
 * have the space's lock.
 */
enum object_use { OBJECT_READ, OBJECT_VIEW, OBJECT_WRITE, OBJECT_EXTEND };
MUST_CHECK int object_page(
	struct object *object, uint64_t index, enum object_use use, pfn_t *frame);

/* Bytes between an object and kernel memory or the running program's.  May sleep, fault and be cut
 * short: bytes done, or a negative errno if none.  Writing extends the size; the caller
 * keeps writers and resizers of one object apart (the inode's lock). */
ssize_t object_read(struct object *object, uint64_t offset, struct object_io to, size_t len);
ssize_t object_write(struct object *object, uint64_t offset, struct object_io from, size_t len);

/*
 * Taking bytes out (mm/cut.c).
 *
 * object_resize: change the size.  Shrinking frees whole pages beyond it, zeroes the rest of the
 *                last page, and takes all views and copies beyond it away from every space.
 * object_punch:  free the pages wholly inside [start, end) bytes, zero partial ones:
 *                FALLOC_FL_PUNCH_HOLE.  Copies stay.
 *
 * May sleep.  To give memory back may take some: they wait for it, as faults do.  -ENOMEM: there is
 * none even so, the running program ends, and nothing has changed.
 */
MUST_CHECK int object_resize(struct object *object, uint64_t size);
MUST_CHECK int object_punch(struct object *object, uint64_t start, uint64_t end);

/*
 * Snapshots.  Whoever takes or uses one keeps writers and resizers of the object away (the inode's
 * lock); programs that have it mapped are kept away here.
 *
 * object_snapshot: an object of its own with what `object` holds now.  O(1): they share the root.
 * object_adopt:    `object` becomes what `snapshot` is, and the other way round.
 * object_graft:    `pages` pages of the snapshot replace those of `object` from `to_page` on; the
 *                  size grows to hold `end` bytes.  Aligned subtrees are shared as a whole.
 *
 * -ENOMEM, -ENOSPC: nothing changed.
 */
struct graft {
	struct object *from;            /* a snapshot */
	uint64_t from_page, to_page, pages;
	uint64_t end;
};
MUST_CHECK int object_snapshot(struct object *object, struct object **snapshot);
MUST_CHECK int object_adopt(struct object *object, struct object *snapshot);
MUST_CHECK int object_graft(struct object *object, const struct graft *graft);

/* The first page from `index` on that is there (or: that is a hole); OBJECT_PAGES_MAX: none. */
uint64_t object_next(struct object *object, uint64_t index, bool is_hole);

/*
 * For mm/cut.c and mm/clone.c, which change more than one page at once.
 *
 * object_hold:     views of the pages go, and until the release no page is given out to be seen or
 *                  stored to.  Nobody else holds it: madvise(MADV_REMOVE) knows no inode and its
 *                  lock.  May sleep, with no space's lock.  -ENOMEM: it is not held.
 * object_unshow:   the same afterwards, for what private ranges have: waits for memory.  What stays
 *                  when there is none shows its owner an old page.
 * object_find_memory: was the error want of memory, and may it be tried again?  Nothing is held.
 */
MUST_CHECK int object_hold(struct object *object, uint64_t first_page, uint64_t last_page,
			   enum view_kind kind) TRY_ACQUIRES(0, object->holder);
void object_release(struct object *object) RELEASES(object->holder);
void object_unshow(struct object *object, uint64_t first_page, uint64_t last_page,
		   enum view_kind kind);
bool object_find_memory(int err);

/*
 * The same, with the lock for writing.
 *
 * object_path:     the slot for the page in the table of `to_level`, all tables above it owned.
 * object_make:     as object_page() with OBJECT_EXTEND.
 * object_has_page: or is there a hole?
 * object_drop:     free pages [first_page, last_page).  -ENOMEM: nothing changed.
 */
MUST_CHECK int object_path(struct object *object, uint64_t index, int to_level,
			   struct gather *gather, pte_t **slot) REQUIRES(object->lock);
MUST_CHECK int object_make(struct object *object, uint64_t index, pfn_t *frame)
	REQUIRES(object->lock);
bool object_has_page(const struct object *object, uint64_t index) REQUIRES(object->lock);
MUST_CHECK int object_drop(struct object *object, uint64_t first_page, uint64_t last_page)
	REQUIRES(object->lock);

/* Does it own the page, all the way from its root, and is it that frame?  For audit(). */
bool object_owns(const struct object *object, uint64_t index, pfn_t frame);

uint64_t object_size(struct object *object);
uint64_t object_resident_pages(struct object *object);

/* The list of all objects, kept as it is until objects_thaw(): for audit().  Before
 * spaces_freeze(). */
const struct list *objects_freeze(void) NO_LOCK_ANALYSIS;
void objects_thaw(void) NO_LOCK_ANALYSIS;

/* Objects that exist: for the ledger. */
uint64_t objects_count(void);
