/* SPDX-License-Identifier: MIT */
/*
 * mm/mlock.c - mlock: ranges whose pages are there beforehand.
 *
 * Nothing is ever taken away from a program here, so a lock is two things: a flag of ranges, which
 * limits count and madvise() respects, and pages that are brought at once.  A private writable
 * range is brought by writing: what it shared is copied now, not later.
 *
 * Locks: the space's, for writing, around every change of flags.  Pages are brought without it, as
 *        faults would.
 * See:   mlock(2), getrlimit(2) on RLIMIT_MEMLOCK.
 */
#include "lib/abi/errno.h"
#include "lib/abi/sched.h"
#include "lib/bits.h"
#include "kernel/panic.h"
#include "mm/hugetlb_range.h"
#include "mm/mmap.h"

enum { LOCK_FLAGS = VMA_LOCKED | VMA_LOCKONFAULT };

/* Pages the running program may lock; all, for the superuser. */
static uint64_t lock_limit(void)
{
	uint64_t limit = upcall_rlimit(RLIMIT_MEMLOCK);

	if (limit == RLIM_INFINITY || upcall_is_privileged())
		return UINT64_MAX;
	return limit >> PAGE_SHIFT;
}

int mlock_permission(void)
{
	return upcall_rlimit(RLIMIT_MEMLOCK) || upcall_is_privileged() ? 0 : -EPERM;
}

bool space_may_lock(const struct space *space, uint64_t pages)
{
	uint64_t limit = lock_limit();

	return pages <= limit && space->locked_pages <= limit - pages;
}

/* How far from start on there are ranges without a hole, at most to end; and how many pages of them
 * are locked already. */
static virt_t mapped_until(const struct space *space, virt_t start, virt_t end, uint64_t *locked)
	REQUIRES_SHARED(space->lock)
{
	const struct vmas *vmas = space->vmas;

	*locked = 0;
	for (uint32_t i = vmas_search(vmas, start); start < end && i < vmas->count; i++) {
		const struct vma *vma = &vmas->at[i];
		if (vma->start > start)
			break;
		if (vma->flags & VMA_LOCKED)
			*locked += (MIN(vma->end, end) - start) >> PAGE_SHIFT;
		start = MIN(vma->end, end);
	}
	return start;
}

int space_set_mlocked(struct space *space, virt_t start, virt_t end, uint32_t vma_flags)
{
	if (hugetlb_is_cut(space->vmas, start, end))
		return -EINVAL;
	if (!vmas_may_cut(space->vmas, start, end))
		return -ENOMEM;
	int err = vmas_own(&space->vmas, 2);
	if (!err)
		space_mark_mlocked(space, start, end, vma_flags);
	return err;
}

void space_mark_mlocked(struct space *space, virt_t start, virt_t end, uint32_t vma_flags)
{
	struct vmas *vmas = space->vmas;
	vmas_split(vmas, start);
	vmas_split(vmas, end);
	uint32_t first = vmas_search(vmas, start), i = first;
	for (; i < vmas->count && vmas->at[i].start < end; i++) {
		struct vma *vma = &vmas->at[i];
		if (vma->flags & VMA_LOCKED)
			space->locked_pages -= vma_pages(vma);
		vma->flags = (vma->flags & ~LOCK_FLAGS) | vma_flags;
		if (vma->flags & VMA_LOCKED)
			space->locked_pages += vma_pages(vma);
	}
	vmas_merge(vmas, first, i);
}

/* As far as there are ranges; -ENOMEM tells of a hole, too. */
static int mlock_ranges(struct space *space, virt_t start, virt_t end, uint32_t vma_flags)
	REQUIRES(space->lock)
{
	uint64_t locked;
	virt_t reached = mapped_until(space, start, end, &locked);

	if (vma_flags && !space_may_lock(space, ((end - start) >> PAGE_SHIFT) - locked))
		return -ENOMEM;
	int err = reached > start ? space_set_mlocked(space, start, reached, vma_flags) : 0;
	return err ? err : reached < end ? -ENOMEM : 0;
}

int space_mlock(struct space *space, virt_t addr, uint64_t len, uint32_t vma_flags)
{
	virt_t start = page_floor(addr), end = start + page_ceil(len + addr % PAGE_SIZE);

	if (vma_flags && mlock_permission())
		return -EPERM;
	if (end < start)
		return -EINVAL;
	if (end > USER_END)
		return -ENOMEM;
	if (start == end)
		return 0;

	write_lock(&space->lock);
	int err = mlock_ranges(space, start, end, vma_flags);
	write_unlock(&space->lock);
	if (err || !vma_flags)
		return err;
	err = space_populate_mlocked(space, start, end);
	if (err == -ENOMEM)
		return -EAGAIN;
	return err && err != -EINTR ? -ENOMEM : err;    /* the words of POSIX for what went wrong */
}

/* The flags that MCL_ flags ask for. */
static uint32_t flags_of(uint32_t mcl_flags)
{
	return mcl_flags & MCL_ONFAULT ? LOCK_FLAGS : VMA_LOCKED;
}

int space_mlock_all(struct space *space, uint32_t mcl_flags)
{
	bool is_current = mcl_flags & MCL_CURRENT, is_future = mcl_flags & MCL_FUTURE;
	int err = 0;

	write_lock(&space->lock);
	if (is_current && space->mapped_pages > lock_limit())
		err = -ENOMEM;
	if (!err)
		space->lock_future = is_future ? flags_of(mcl_flags) : 0;
	/* MCL_FUTURE alone leaves what is there as it is; no flag at all unlocks it. */
	if (!err && (is_current || !is_future))
		err = space_set_mlocked(space, 0, USER_END, is_current ? flags_of(mcl_flags) : 0);
	write_unlock(&space->lock);
	if (!err && is_current)
		(void)!space_populate_mlocked(space, 0, USER_END);
	return err;
}

/* The next piece of a locked range at or behind *at whose pages are wanted at once, and how to
 * touch it.  False: none before end. */
static bool next_locked(struct space *space, virt_t *at, virt_t end, uint64_t *len,
			enum access *access)
{
	bool is_found = false;

	read_lock(&space->lock);
	const struct vmas *vmas = space->vmas;
	for (uint32_t i = vmas_search(vmas, *at);
	     *at < end && i < vmas->count && vmas->at[i].start < end && !is_found; i++) {
		const struct vma *vma = &vmas->at[i];
		if ((vma->flags & LOCK_FLAGS) != VMA_LOCKED)
			continue;
		is_found = true;
		*at = MAX(*at, vma->start);
		*len = MIN(vma->end, end) - *at;
		*access = vma_is_private(vma) && vma->prot & PROT_WRITE ? ACCESS_WRITE
		                                                        : ACCESS_READ;
	}
	read_unlock(&space->lock);
	return is_found;
}

int space_populate_mlocked(struct space *space, virt_t start, virt_t end)
{
	enum access access;
	uint64_t len;
	int result = 0;

	for (virt_t at = start; next_locked(space, &at, end, &len, &access); at += len) {
		int err = space_populate(space, at, len, access);
		if (err == -EINTR)
			return err;
		result = result ? result : err;
	}
	return result;
}
