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
	struct gather gather;
};

/* A huge leaf of which the range has all: it is limited as it is. */
static bool is_huge_whole(const struct protect *protect, pte_t entry, int level, virt_t at)
{
	return pte_is_huge(entry) && at >= protect->start && at + pte_span(level) <= protect->end;
}

/* Own every table under `table` that has a part of the range. */
static int protect_prepare(struct protect *protect, pfn_t table, virt_t base)
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
		if (gather_is_full(&protect->gather))
			space_gather_finish(
				protect->space, &protect->gather, protect->start, protect->end);
		int err = table_own(slot, level, &protect->gather, &protect->space->work);
		if (!err && level > 2)
			err = protect_prepare(protect, pte_pfn(pte_load(slot)), at);
		if (err)
			return err;
	}
	return 0;
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

static void protect_commit(struct protect *protect, pfn_t table, virt_t base)
{
	int level = frames[table].level;
	uint64_t span = pte_span(level);
	virt_t from = MAX(base, protect->start),
	       to = MIN(base + span * PTE_PER_TABLE, protect->end);

	for (virt_t at = from - from % span; at < to; at += span) {
		pte_t *slot = &frame_entries(table)[pte_index(at, level)];
		pte_t entry = pte_load(slot);
		if (pte_is_none(entry))
			continue;
		bool is_huge = pte_is_huge(entry), has_lost = false;
		assert(is_huge || pte_is_writable(entry));      /* prepared: it is ours */
		if (is_huge)
			has_lost = leaves_protect(slot, slot + 1, protect->prot);
		else if (level > 2)
			protect_commit(protect, pte_present_pfn(entry), at);
		else
			has_lost = protect_pages(protect, pte_present_pfn(entry), at);
		protect->gather.must_flush |= has_lost;
	}
}

/* May every range in [start, end) have these rights?  And does any of them lose one? */
static int protect_check(const struct space *space, struct protect *protect, bool *is_tighter)
	REQUIRES(space->lock)
{
	const struct vmas *vmas = space->vmas;
	uint32_t i = vmas_search(vmas, protect->start);
	virt_t mapped = protect->start;
	int err = vmas_may_cut(vmas, protect->start, protect->end) ? 0 : -ENOMEM;

	if (hugetlb_is_cut(vmas, protect->start, protect->end))
		return -EINVAL;
	*is_tighter = false;
	protect->promise = 0;
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
			*is_tighter = true;
	}
	return err;
}

static void protect_ranges(struct space *space, const struct protect *protect) REQUIRES(space->lock)
{
	struct vmas *vmas = space->vmas;
	uint32_t i = protect->first;

	i += vmas_split_at(vmas, i, protect->start);
	for (; i < vmas->count && vmas->at[i].start < protect->end; i++) {
		(void)vmas_split_at(vmas, i, protect->end);
		struct vma *vma = &vmas->at[i];
		if (protect->prot & PROT_WRITE && vma_is_accountable(vma))
			vma->flags |= VMA_ACCOUNTED;    /* and stays so: its pages do, too */
		vma->prot = protect->prot;
	}
	vmas_merge_around(vmas, protect->start, protect->end);
	event(vma_protect, space->mmu.id, protect->start, protect->prot);
}

int space_protect(struct space *space, virt_t addr, uint64_t len, uint32_t prot)
{
	struct protect protect = { .space = space, .start = addr };
	protect.prot = prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
	int err = range_check(addr, len, &protect.end);
	if (err || !len)
		return err;
	if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC))
		return -EINVAL;

	gather_init(&protect.gather);
	pfn_t root = space->mmu.root >> PAGE_SHIFT;
	bool is_tighter;

	write_lock(&space->lock);
	err = protect_check(space, &protect, &is_tighter);
	if (!err)
		err = vmas_own(&space->vmas, 2);
	if (!err && is_tighter)
		err = protect_prepare(&protect, root, 0);
	if (!err)
		err = space_charge(space, protect.promise);
	if (!err) {
		protect_ranges(space, &protect);
		if (is_tighter)
			protect_commit(&protect, root, 0);
	}
	space_gather_finish(space, &protect.gather, protect.start, protect.end);
	bool is_locked = !err && prot & PROT_WRITE && space->locked_pages;
	write_unlock(&space->lock);

	if (is_locked)
		(void)!space_populate_locked(space, protect.start, protect.end);
	return err;
}
