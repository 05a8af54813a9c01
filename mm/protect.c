/* SPDX-License-Identifier: MIT */
/*
 * mm/protect.c - mprotect: rights of ranges and leaves.
 *
 * Adding rights edits only the range: the next fault does the rest, copying where copying is due.
 * Taking rights away must reach every leaf now: a table that the last owner takes back later would
 * otherwise bring old write bits to life again.  So the tables of the range are owned first (may
 * fail, changes nothing), then their leaves lose what the range no longer allows.
 *
 * Locks: the space's, for writing.
 */
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "kernel/event.h"
#include "kernel/panic.h"
#include "mm/cursor.h"
#include "mm/hugetlb_range.h"
#include "mm/mmap.h"

struct protect {
	struct space *space;
	virt_t start, end;
	uint32_t prot;
	uint32_t first;                 /* the range that has `start` in it */
	uint64_t promise;               /* pages that become writable for the first time */
	bool is_tighter;                /* some range loses a right */
	pfn_t table;                    /* the lowest that has all of the range; prepared */
	struct gather *gather;
	virt_t bring_start, bring_end;  /* from the first to the last of private ranges that are
	                                 * locked, and become writable now */
};

/* A huge leaf of which the range has all: it is limited as it is. */
static bool is_huge_whole(const struct protect *protect, pte_t entry, int level, virt_t at)
{
	return pte_is_huge(entry) && at >= protect->start && at + pte_span(level) <= protect->end;
}

/* Where the part of the tree begins that a table which has all of the range covers. */
static virt_t table_base(const struct protect *protect)
{
	return align_down(protect->start, pte_span(frames[protect->table].level + 1));
}

/* Own every table under `table` that has a part of the range. */
static int protect_own(struct protect *protect, pfn_t table, virt_t base)
{
	int level = frames[table].level;
	uint64_t span = pte_span(level);
	virt_t from = MAX(base, protect->start),
	       to = MIN(base + span * PTE_PER_TABLE, protect->end);

	for (virt_t at = from - from % span; at < to; at += span) {
		pte_t *slot = &frame_entries(table)[pte_index(at, level)];
		pte_t entry = pte_load(slot);
		if (pte_is_none(entry) || is_huge_whole(protect, entry, level, at))
			continue;
		if (gather_is_full(protect->gather))
			space_gather_finish(
				protect->space, protect->gather, protect->start, protect->end);
		int err = table_own(slot, level, protect->gather, &protect->space->work);
		if (!err && level > 2)
			err = protect_own(protect, pte_pfn(pte_load(slot)), at);
		if (err)
			return err;
	}
	return 0;
}

/* Own every table that has a part of the range: first those that have all of it, on one way down.
 * What is below the last of them is all that commit has to visit. */
static int protect_prepare(struct space *space, struct protect *protect) REQUIRES(space->lock)
{
	protect->table = cursor_path_of_range(
		space, protect->start, protect->end, protect->gather);
	if (protect->table == FRAME_NONE)
		return -ENOMEM;
	if (frames[protect->table].level == 1)
		return 0;
	return protect_own(protect, protect->table, table_base(protect));
}

/* No rights at all: frames are kept, out of the hardware's sight.  Was there any? */
static bool leaves_park(pte_t *slot, const pte_t *past)
{
	bool has_changed = false;

	for (; slot < past; slot++) {
		pte_t leaf = pte_load(slot);
		if (!pte_is_present(leaf))
			continue;
		entry_store(slot, pte_is_counted(leaf) ? pte_park(leaf) : PTE_NONE);
		has_changed = true;
	}
	return has_changed;
}

/* No more rights than these; the table's totals stay.  Has any leaf lost one? */
static bool leaves_limit(pte_t *slot, const pte_t *past, struct pte_rights rights)
{
	bool has_changed = false;

#pragma GCC unroll 4
	for (; slot < past; slot++) {
		pte_t leaf = pte_load(slot), limited = pte_limited(leaf, rights);
		if (!pte_is_present(leaf) || limited.bits == leaf.bits)
			continue;
		pte_store(slot, limited);
		has_changed = true;
	}
	return has_changed;
}

/* Some leaves of one table. */
static bool leaves_protect(pte_t *slot, const pte_t *past, uint32_t prot)
{
	if (!(prot & (PROT_READ | PROT_WRITE | PROT_EXEC)))
		return leaves_park(slot, past);
	return leaves_limit(slot, past, pte_rights(prot & PROT_WRITE, prot & PROT_EXEC));
}

/* The leaves of a table of pages. */
static bool protect_pages(const struct protect *protect, pfn_t table, virt_t base)
{
	virt_t from = MAX(base, protect->start), to = MIN(base + pte_span(2), protect->end);
	pte_t *slot = &frame_entries(table)[pte_index(from, 1)];

	return leaves_protect(slot, slot + ((to - from) >> PAGE_SHIFT), protect->prot);
}

static void protect_commit(const struct protect *protect, pfn_t table, virt_t base)
{
	int level = frames[table].level;
	if (level == 1) {
		protect->gather->must_flush |= protect_pages(protect, table, base);
		return;
	}

	uint64_t span = pte_span(level);
	virt_t from = MAX(base, protect->start),
	       to = MIN(base + span * PTE_PER_TABLE, protect->end);

	for (virt_t at = from - from % span; at < to; at += span) {
		pte_t *slot = &frame_entries(table)[pte_index(at, level)];
		pte_t entry = pte_load(slot);
		if (pte_is_none(entry))
			continue;
		if (pte_is_huge(entry)) {
			protect->gather->must_flush |=
				leaves_protect(slot, slot + 1, protect->prot);
			continue;
		}
		assert(pte_is_writable(entry));         /* prepared: it is ours */
		protect_commit(protect, pte_present_pfn(entry), at);
	}
}

/* May every range in [start, end) have these rights?  And does any of them lose one? */
static int protect_check(const struct space *space, struct protect *protect)
	REQUIRES(space->lock)
{
	const struct vmas *vmas = space->vmas;
	uint32_t i = vmas_search(vmas, protect->start);
	virt_t mapped = protect->start;
	int err = vmas_may_cut(vmas, protect->start, protect->end) ? 0 : -ENOMEM;

	if (hugetlb_is_cut(vmas, protect->start, protect->end))
		return -EINVAL;
	for (protect->first = i; mapped < protect->end; i++) {
		const struct vma *vma = &vmas->at[i];
		if (i == vmas->count || vma->start > mapped)
			return -ENOMEM;
		mapped = vma->end;
		if (protect->prot & PROT_WRITE && !(vma->flags & VMA_MAYWRITE))
			err = -EACCES;
		if (protect->prot & PROT_WRITE && vma_is_accountable(vma))
			protect->promise += (MIN(vma->end, protect->end)
					     - MAX(vma->start, protect->start)) >> PAGE_SHIFT;
		if (vma->prot & ~protect->prot)
			protect->is_tighter = true;
	}
	return err;
}

/* What was locked before it could be written shares its pages still: they are copied now, not
 * later.  Who could write it has seen to that when it was locked. */
static bool must_bring(const struct protect *protect, const struct vma *vma)
{
	return (vma->flags & (VMA_LOCKED | VMA_LOCKONFAULT)) == VMA_LOCKED
	       && vma_is_private(vma) && protect->prot & ~vma->prot & PROT_WRITE;
}

static void protect_ranges(struct space *space, struct protect *protect) REQUIRES(space->lock)
{
	struct vmas *vmas = space->vmas;
	uint32_t first = protect->first;

	first += vmas_split_at(vmas, first, protect->start);
	uint32_t i = first;
	for (; i < vmas->count && vmas->at[i].start < protect->end; i++) {
		(void)vmas_split_at(vmas, i, protect->end);
		struct vma *vma = &vmas->at[i];
		if (protect->prot & PROT_WRITE && vma_is_accountable(vma))
			vma->flags |= VMA_ACCOUNTED;    /* and stays so: its pages do, too */
		if (must_bring(protect, vma)) {
			if (!protect->bring_end)
				protect->bring_start = vma->start;
			protect->bring_end = vma->end;
		}
		vma->prot = protect->prot;
	}
	vmas_merge(vmas, first, i);
	event(vma_protect, space->mmu.id, protect->start, protect->prot);
}

int space_protect(struct space *space, virt_t addr, uint64_t len, uint32_t prot)
{
	struct gather gather;
	struct protect protect = {
		.space = space, .start = addr, .prot = prot, .gather = &gather,
	};
	int err = range_check(addr, len, &protect.end);
	if (err || !len)
		return err;
	if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC))
		return -EINVAL;

	gather_init(&gather);
	write_lock(&space->lock);
	err = protect_check(space, &protect);
	if (!err)
		err = vmas_own(&space->vmas, 2);
	if (!err && protect.is_tighter)
		err = protect_prepare(space, &protect);
	if (!err)
		err = space_charge(space, protect.promise);
	if (!err) {
		protect_ranges(space, &protect);
		if (protect.is_tighter)
			protect_commit(&protect, protect.table, table_base(&protect));
	}
	space_gather_finish(space, &gather, protect.start, protect.end);
	write_unlock(&space->lock);

	if (unlikely(protect.bring_end))
		(void)!space_populate_mlocked(space, protect.bring_start, protect.bring_end);
	return err;
}
