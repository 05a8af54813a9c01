/* SPDX-License-Identifier: MIT */
/*
 * mm/hugetlb_range.h - MAP_HUGETLB: private ranges whose pages are 2 MiB or 1 GiB, from the pool.
 *
 * Such a range begins and ends at multiples of its page size, and what would cut it elsewhere is
 * refused with -EINVAL.  Its pages are never written down as smaller ones: a write to a shared one
 * copies all of it.  mmap() promises a page for each that will be touched first, to this space
 * alone; a child, and a copy after fork, take what the pool has left.  When it has none, the
 * program gets SIGBUS.
 *
 * Not built: MAP_SHARED with MAP_HUGETLB, and mremap() other than to shrink; both are -EINVAL.
 *
 * Locks: as their callers in mm/mmap.c and mm/fault.c.
 * See: mmap(2); Documentation/admin-guide/mm/hugetlbpage of Linux.
 */
#pragma once

#include "kernel/upcall.h"
#include "mm/mmap.h"

/* What MAP_HUGETLB and its size mean.  -EINVAL: no such size, not private and anonymous, or the
 * address does not fit.  *len is rounded up; -ENOMEM: beyond all addresses. */
MUST_CHECK int hugetlb_check_request(const struct map_request *request, uint64_t *len);

/* VMA_ flags of what was checked. */
uint32_t hugetlb_vma_flags(const struct map_request *request);

/* Would a cut at start or end go through a huge page of such a range? */
bool hugetlb_is_cut_among(const struct vmas *vmas, virt_t start, virt_t end);
static inline bool hugetlb_is_cut(const struct vmas *vmas, virt_t start, virt_t end)
{
	return unlikely(vmas->has_hugetlb) && hugetlb_is_cut_among(vmas, start, end);
}

struct hugetlb_promises {
	uint64_t pages[2];              /* of 2 MiB, of 1 GiB */
};

/* Most ranges are of ordinary pages, and nothing is promised for them here.  These are for the
 * others: the slow halves of the functions below. */
struct hugetlb_promises hugetlb_promises_of_range(const struct vma *vma);
MUST_CHECK int hugetlb_promise_some(struct hugetlb_promises promises);
struct hugetlb_promises hugetlb_promised_among(struct space *space, virt_t start, virt_t end)
	REQUIRES(space->lock);
void hugetlb_unpromise_some(struct space *space, struct hugetlb_promises promises);

static inline bool hugetlb_promises_any(struct hugetlb_promises promises)
{
	return promises.pages[0] | promises.pages[1];
}

/* What a new range is to be promised: a page for each, if it is such a range without VMA_NORESERVE.
 * Reserve it; -ENOMEM: there are not so many.  The space has it only once it keeps it, when the
 * range is there; else it is given back. */
static inline struct hugetlb_promises hugetlb_promises_of(const struct vma *vma)
{
	return unlikely(vma->flags & VMA_HUGETLB) ? hugetlb_promises_of_range(vma)
						  : (struct hugetlb_promises){ { 0 } };
}
MUST_CHECK static inline int hugetlb_promise(struct hugetlb_promises promises)
{
	return unlikely(hugetlb_promises_any(promises)) ? hugetlb_promise_some(promises) : 0;
}
void hugetlb_promise_back(struct hugetlb_promises promises);
static inline void hugetlb_promise_keep(struct space *space, struct hugetlb_promises promises)
	REQUIRES(space->lock);
static inline void hugetlb_promise_keep(struct space *space, struct hugetlb_promises promises)
{
	if (unlikely(hugetlb_promises_any(promises)))
		for (unsigned i = 0; i < COUNT(promises.pages); i++)
			space->promised_huge[i] += promises.pages[i];
}

/* Promises that nobody could claim any more if [start, end) went; and to give so many back. */
static inline struct hugetlb_promises hugetlb_promised_in(
	struct space *space, virt_t start, virt_t end) REQUIRES(space->lock);
static inline struct hugetlb_promises hugetlb_promised_in(
	struct space *space, virt_t start, virt_t end)
{
	return unlikely(space->vmas->has_hugetlb) ? hugetlb_promised_among(space, start, end)
						  : (struct hugetlb_promises){ { 0 } };
}
static inline void hugetlb_unpromise(struct space *space, struct hugetlb_promises promises)
{
	if (unlikely(hugetlb_promises_any(promises)))
		hugetlb_unpromise_some(space, promises);
}

/* The space goes, with all it was promised. */
void hugetlb_unpromise_all(struct space *space);

enum { HUGETLB_ALONE = 2 };             /* begin again with the space's lock for writing */

/* A fault in such a range.  0, -ENOMEM, -EAGAIN (begin again), HUGETLB_ALONE, or -ENXIO: no page is
 * left; that only with the lock for writing. */
MUST_CHECK int hugetlb_fault(struct space *space, const struct vma *vma, virt_t addr,
			     enum access access) REQUIRES_SHARED(space->lock);
