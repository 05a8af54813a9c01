/* SPDX-License-Identifier: MIT */
/*
 * mm/advise.c - madvise: drop, mark, populate.
 *
 * Advice that only helps a cache or a swap device we do not have is checked and accepted.  Advice
 * for features that are not built answers -EINVAL, as Linux does when they are configured out.
 */
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "mm/huge.h"
#include "mm/hugetlb_range.h"
#include "mm/mmap.h"

/* What an advice does to the flags of ranges; for advice that does nothing else. */
struct advice_flags {
	uint32_t set, clear;
	bool anonymous_only;            /* -EINVAL for anything but private anonymous memory */
};

static bool advice_is_flags(int advice, struct advice_flags *flags)
{
	switch (advice) {
	case MADV_DONTFORK:
		*flags = (struct advice_flags){ .set = VMA_DONTFORK };
		return true;
	case MADV_DOFORK:
		*flags = (struct advice_flags){ .clear = VMA_DONTFORK };
		return true;
	case MADV_WIPEONFORK:
		*flags = (struct advice_flags){ .set = VMA_WIPEONFORK, .anonymous_only = true };
		return true;
	case MADV_KEEPONFORK:
		*flags = (struct advice_flags){ .clear = VMA_WIPEONFORK };
		return true;
	case MADV_HUGEPAGE:
		*flags = (struct advice_flags){ .set = VMA_HUGEPAGE, .clear = VMA_NOHUGEPAGE };
		return true;
	case MADV_NOHUGEPAGE:
		*flags = (struct advice_flags){ .set = VMA_NOHUGEPAGE, .clear = VMA_HUGEPAGE };
		return true;
	case MADV_DONTDUMP:
		*flags = (struct advice_flags){ .set = VMA_DONTDUMP };
		return true;
	case MADV_DODUMP:
		*flags = (struct advice_flags){ .clear = VMA_DONTDUMP };
		return true;
	default:
		return false;
	}
}

static int advise_flags(
	struct space *space, virt_t start, virt_t end, const struct advice_flags *flags)
{
	if (!vmas_may_cut(space->vmas, start, end))
		return -EAGAIN;
	vmas_for_each_in(vma, space->vmas, start, end) {
		if (flags->anonymous_only && (!vma_is_private(vma) || !vma_is_anonymous(vma)))
			return -EINVAL;
	}
	if (vmas_own(&space->vmas, 2))
		return -EAGAIN;

	struct vmas *vmas = space->vmas;
	vmas_split(vmas, start);
	vmas_split(vmas, end);
	uint32_t first = vmas_search(vmas, start), i = first;
	for (; i < vmas->count && vmas->at[i].start < end; i++)
		vmas->at[i].flags = (vmas->at[i].flags | flags->set) & ~flags->clear;
	vmas_merge(vmas, first, i);
	return 0;
}

/* Drop the pages of every range in [start, end); the next access finds zeros, or the object's
 * page. */
static int advise_drop(struct space *space, virt_t start, virt_t end, bool anonymous_only)
	REQUIRES(space->lock)
{
	vmas_for_each_in(vma, space->vmas, start, end) {
		bool is_wrong = anonymous_only && (!vma_is_private(vma) || !vma_is_anonymous(vma));
		if (vma->flags & VMA_LOCKED || is_wrong)
			return -EINVAL;
	}
	vmas_for_each_in(vma, space->vmas, start, end) {
		int err = space_drop_pages(space, MAX(vma->start, start), MIN(vma->end, end));
		if (err)
			return err;
	}
	return 0;
}

/* MADV_COLD and MADV_PAGEOUT: there is nowhere to put pages, but locked ones must not be asked
 * for. */
static int advise_aging(struct space *space, virt_t start, virt_t end) REQUIRES(space->lock)
{
	vmas_for_each_in(vma, space->vmas, start, end) {
		if (vma->flags & VMA_LOCKED)
			return -EINVAL;
	}
	return 0;
}

/* A piece of one range, and what it shows. */
struct removal {
	virt_t start, end;
	struct object *object;          /* counted */
	uint64_t offset;
};

/* The first piece of [start, end).  -ENOMEM: nothing is there; -EINVAL, -EACCES: it may not be. */
static int removal_find(struct space *space, virt_t start, virt_t end, struct removal *removal)
	REQUIRES_SHARED(space->lock)
{
	uint32_t i = vmas_search(space->vmas, start);
	const struct vma *vma = &space->vmas->at[i];

	if (i == space->vmas->count || vma->start >= end)
		return -ENOMEM;
	if (vma->flags & VMA_LOCKED || !vma->object)
		return -EINVAL;
	if (vma_is_private(vma) || !(vma->flags & VMA_MAYWRITE))
		return -EACCES;
	removal->start = MAX(vma->start, start);
	removal->end = MIN(vma->end, end);
	removal->offset = vma->offset + (removal->start - vma->start);
	removal->object = vma->object;
	object_get(vma->object);
	return 0;
}

/* MADV_REMOVE: punch the hole into the objects themselves, which takes the spaces' locks. */
static int advise_remove(struct space *space, virt_t start, virt_t end)
{
	bool has_hole = false;

	while (start < end) {
		struct removal removal;
		read_lock(&space->lock);
		int err = removal_find(space, start, end, &removal);
		read_unlock(&space->lock);
		if (err)
			return err;
		has_hole |= removal.start > start;
		start = removal.end;
		err = object_punch(removal.object, removal.offset,
				   removal.offset + (removal.end - removal.start));
		object_put(removal.object);
		if (err)
			return err;
	}
	return has_hole ? -ENOMEM : 0;
}

static int advise_locked(struct space *space, virt_t start, virt_t end, int advice)
	REQUIRES(space->lock)
{
	struct advice_flags flags;
	if (hugetlb_is_cut(space->vmas, start, end))
		return -EINVAL;
	if (advice_is_flags(advice, &flags))
		return advise_flags(space, start, end, &flags);

	switch (advice) {
	case MADV_DONTNEED:
		return advise_drop(space, start, end, false);
	case MADV_FREE:
		return advise_drop(space, start, end, true);
	case MADV_COLD:
	case MADV_PAGEOUT:
		return advise_aging(space, start, end);
	case MADV_COLLAPSE:
		return space_collapse(space, start, end);
	default:
		return 0;
	}
}

static bool advice_is_known(int advice)
{
	struct advice_flags flags;

	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_DONTNEED:
	case MADV_FREE:
	case MADV_REMOVE:
	case MADV_COLLAPSE:
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		return true;
	default:
		return advice_is_flags(advice, &flags);
	}
}

/* MADV_POPULATE_READ and _WRITE tell what they met in words of their own. */
static int advise_populate(struct space *space, virt_t start, virt_t end, enum access access)
{
	int err = space_populate(space, start, end - start, access);

	switch (err) {
	case -EFAULT:                   /* no range */
		return -ENOMEM;
	case -EACCES:
		return -EINVAL;
	case -ENXIO:                    /* what SIGBUS would tell a program */
		return -EFAULT;
	default:
		return err;
	}
}

int space_advise(struct space *space, virt_t addr, uint64_t len, int advice)
{
	virt_t end;
	if (!advice_is_known(advice) || range_check(addr, len, &end))
		return -EINVAL;
	if (!len)
		return 0;

	switch (advice) {
	case MADV_POPULATE_READ:
		return advise_populate(space, addr, end, ACCESS_READ);
	case MADV_POPULATE_WRITE:
		return advise_populate(space, addr, end, ACCESS_WRITE);
	case MADV_REMOVE:
		return advise_remove(space, addr, end);
	default:
		break;
	}

	write_lock(&space->lock);
	int err = advise_locked(space, addr, end, advice);
	if (!err && !space_range_is_mapped(space, addr, end))
		err = -ENOMEM;	/* done where there was something; told, as Linux does */
	write_unlock(&space->lock);
	return err;
}
