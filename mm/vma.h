/* SPDX-License-Identifier: MIT */
/*
 * mm/vma.h - ranges in a sorted, counted, copy-on-write array.
 *
 * A space's ranges stand in one array, sorted, not overlapping.  The array is shared by fork (one
 * count) and copied by the first change: the same rule as everywhere.
 *
 * Locks: an array with one holder changes under the space's lock (write); a shared one never
 * changes.
 */
#pragma once

#include "lib/atomic.h"
#include "lib/types.h"
#include "lib/abi/mman.h"
#include "mm/object.h"

enum vma_flags {
	VMA_SHARED     = 1 << 0,        /* MAP_SHARED */
	VMA_GROWSDOWN  = 1 << 1,        /* a stack */
	VMA_NORESERVE  = 1 << 2,
	VMA_DONTFORK   = 1 << 3,
	VMA_WIPEONFORK = 1 << 4,
	VMA_DONTDUMP   = 1 << 5,
	VMA_HEAP       = 1 << 6,        /* [heap] in maps */
	VMA_STACK      = 1 << 7,        /* [stack] in maps */
	VMA_MAYWRITE   = 1 << 8,        /* a shared file opened for writing, or private */
	VMA_LOCKED     = 1 << 9,        /* mlock */
	VMA_LOCKONFAULT = 1 << 10,      /* with LOCKED: pages come when they are touched */
	VMA_ACCOUNTED  = 1 << 11,       /* memory was promised for it, see mm/commit.h */
	VMA_HUGEPAGE   = 1 << 12,       /* MADV_HUGEPAGE */
	VMA_NOHUGEPAGE = 1 << 13,       /* MADV_NOHUGEPAGE */
	VMA_HUGETLB    = 1 << 14,       /* MAP_HUGETLB: in pages of 2 MiB, from the pool */
	VMA_HUGETLB_1G = 1 << 15,       /* with HUGETLB: of 1 GiB */
};

struct vma {
	virt_t start, end;              /* page aligned, start < end */
	uint32_t prot;                  /* PROT_ */
	uint32_t flags;                 /* enum vma_flags */
	struct object *object;          /* counted; NULL: private anonymous */
	uint64_t offset;                /* bytes into the object at start */
	struct dentry *name;            /* counted by vma_name_ops; NULL: no file.  For maps. */
};

struct vmas {
	uint32_t refs;                  /* atomic */
	uint32_t count, capacity;
	bool has_hugetlb;               /* a range with VMA_HUGETLB is, or was, among them */
	struct vma at[];
};

enum { VMA_MAX = 65530 };               /* what vm.max_map_count is at first */

/* Ranges that a space may have: vm.max_map_count. */
extern int64_t vmas_limit;              /* atomic */

static inline uint32_t vmas_max(void) { return (uint32_t)READ_ONCE(vmas_limit); }

/* What the name of a range is counted by: set once by the file layer before any is mapped. */
struct vma_name_ops {
	void (*get)(struct dentry *name);
	void (*put)(struct dentry *name);
};
extern struct vma_name_ops vma_name_ops;

struct vmas *vmas_create(uint32_t capacity);
void vmas_get(struct vmas *vmas);
void vmas_put(struct vmas *vmas);               /* the last one puts objects; may sleep */

/* The first range that ends above addr; count if there is none. */
uint32_t vmas_search(const struct vmas *vmas, virt_t addr);

/* For each range that has a part of [from, to), in order; the array must stay as it is. */
#define vmas_for_each_in(each, vmas, from, to) \
	for (const struct vma *each = &(vmas)->at[vmas_search((vmas), (from))]; \
	     each < &(vmas)->at[(vmas)->count] && each->start < (to); each++)

/* The range that contains addr, or NULL. */
struct vma *vma_find(const struct vmas *vmas, virt_t addr);

/* The same, and keeps its index in *guess. */
struct vma *vma_find_anew(const struct vmas *vmas, virt_t addr, uint32_t *guess);

/* The same; looks first at index *guess, which need not be right, and keeps there what it found. */
static inline struct vma *vma_find_near(const struct vmas *vmas, virt_t addr, uint32_t *guess)
{
	uint32_t i = READ_ONCE(*guess);
	const struct vma *vma = &vmas->at[i];

	if (likely(i < vmas->count && vma->start <= addr && addr < vma->end))
		return (struct vma *)vma;
	return vma_find_anew(vmas, addr, guess);
}

static inline bool vma_is_private(const struct vma *vma)   { return !(vma->flags & VMA_SHARED); }
static inline uint64_t vma_pages(const struct vma *vma)
{
	return (vma->end - vma->start) >> PAGE_SHIFT;
}

/* Pages that were promised for the range. */
static inline uint64_t vma_promise(const struct vma *vma)
{
	return vma->flags & VMA_ACCOUNTED ? vma_pages(vma) : 0;
}

/* Must memory be promised for it once it is writable?  Its pages will be its own then. */
static inline bool vma_is_accountable(const struct vma *vma)
{
	return !(vma->flags & (VMA_SHARED | VMA_NORESERVE | VMA_ACCOUNTED | VMA_HUGETLB));
}

/* Of the tables in which its leaves stand: 1, or with MAP_HUGETLB 2 or 3. */
static inline int vma_leaf_level(const struct vma *vma)
{
	return vma->flags & VMA_HUGETLB ? vma->flags & VMA_HUGETLB_1G ? 3 : 2 : 1;
}

static inline bool vma_is_anonymous(const struct vma *vma) { return !vma->object; }

/* What an array for so many ranges takes. */
static inline size_t vmas_bytes(uint32_t capacity)
{
	return sizeof(struct vmas) + capacity * sizeof(struct vma);
}

/* The slow half of vmas_own(): a copy, or a larger array. */
MUST_CHECK int vmas_replace(struct vmas **vmas, uint32_t room);

/* Make *vmas the caller's own, with room for `room` more ranges.  -ENOMEM: nothing changed. */
MUST_CHECK static inline int vmas_own(struct vmas **vmas, uint32_t room)
{
	const struct vmas *now = *vmas;

	if (likely(atomic_load_acquire(&now->refs) == 1
		   && now->count + room <= now->capacity))
		return 0;
	return vmas_replace(vmas, room);
}

/* On an owned array with room.  insert merges with its neighbours where all properties agree and
 * takes over the caller's references; i is what vmas_search() says of its start.  split cuts the
 * range so that one begins at addr. */
void vmas_insert_at(struct vmas *vmas, uint32_t i, const struct vma *vma);
static inline void vmas_insert(struct vmas *vmas, const struct vma *vma)
{
	vmas_insert_at(vmas, vmas_search(vmas, vma->start), vma);
}
void vmas_cut(struct vmas *vmas, uint32_t i, virt_t addr);      /* range i, which has it inside */

/* Range i, if addr is inside; true: the range that begins there is i + 1 now. */
static inline bool vmas_split_at(struct vmas *vmas, uint32_t i, virt_t addr)
{
	if (i == vmas->count || vmas->at[i].start >= addr || vmas->at[i].end <= addr)
		return false;
	vmas_cut(vmas, i, addr);
	return true;
}

static inline void vmas_split(struct vmas *vmas, virt_t addr)
{
	(void)vmas_split_at(vmas, vmas_search(vmas, addr), addr);
}

/* Is there room for the ranges that cuts at start and end would make? */
bool vmas_has_room_for_cuts(const struct vmas *vmas, virt_t start, virt_t end);

/* May ranges be cut at start and end, or would there be too many? */
static inline bool vmas_may_cut(const struct vmas *vmas, virt_t start, virt_t end)
{
	return likely(vmas->count + 2 <= vmas_max()) || vmas_has_room_for_cuts(vmas, start, end);
}

/* Remove [start, end), of which the ranges from..to-1 (indexes) have all a part, and no others.
 * Those that have all theirs in it go, with their references; the first and the last may only be
 * trimmed; a hole in one range makes it two, for which there is room. */
void vmas_remove(struct vmas *vmas, uint32_t from, uint32_t to, virt_t start, virt_t end);

/* The ranges from..to-1 (indexes) have changed: what can now be one of them and their neighbours
 * becomes one. */
void vmas_merge(struct vmas *vmas, uint32_t from, uint32_t to);

/* A free place: its address (0: there is none), and the range that is next above it. */
struct vma_place {
	virt_t start;
	uint32_t next;
};

/* The highest free gap of `len` bytes inside [low, high), aligned. */
struct vma_place vmas_find_gap(
	const struct vmas *vmas, uint64_t len, uint64_t align, virt_t low, virt_t high);
