/* SPDX-License-Identifier: MIT */
/*
 * mm/hugetlb_range.c - MAP_HUGETLB: private ranges whose pages are 2 MiB or 1 GiB, from the pool.
 *
 * Invariants:  a space's promises are never more than the pages of its ranges that it has not
 *              touched: so each of them is in the pool, and a first touch finds one.
 *              Threads of a space bring pages side by side, and one may do so in vain, because
 *              another was faster.  Who lacks what such a one may be about to give back (a page, a
 *              promise, his hold of the page to be copied) comes again when nobody else of the
 *              space faults: HUGETLB_ALONE.  So nobody gets SIGBUS, or takes a page without a
 *              promise, for what he should have had.
 * See:         mm/hugetlb.h for the pool, mm/huge.h for huge pages that nobody asked for.
 */
#include "mm/hugetlb_range.h"
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "kernel/event.h"
#include "kernel/panic.h"
#include "mm/cursor.h"
#include "mm/hugetlb.h"

/* A fault at the slot of one huge page. */
struct hugetlb_touch {
	struct cursor cursor;
	const struct vma *vma;
	pte_t old;                      /* what the slot had; the cursor is closed meanwhile */
	pfn_t fresh;
	bool was_promised;
};

static int page_bring(struct hugetlb_touch *touch);
static int page_install(struct hugetlb_touch *touch);

/* ---- ranges --------------------------------------------------------------------------------- */

/* 0: there is no such size here. */
static int request_level(const struct map_request *request)
{
	switch (request->flags >> MAP_HUGE_SHIFT & MAP_HUGE_MASK) {
	case 0:
		return hugetlb_default_level();
	case 21:
		return 2;
	case 30:
		return hugetlb_has_level(3) ? 3 : 0;
	default:
		return 0;
	}
}

int hugetlb_check_request(const struct map_request *request, uint64_t *len)
{
	bool is_private = (request->flags & MAP_TYPE) == MAP_PRIVATE && !request->object;
	bool is_fixed = request->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
	int level = request_level(request);

	if (!is_private || !level || request->flags & MAP_GROWSDOWN)
		return -EINVAL;
	if (is_fixed && !is_aligned(request->addr, pte_span(level)))
		return -EINVAL;
	*len = align_up(*len, pte_span(level));
	return *len > USER_END ? -ENOMEM : 0;
}

uint32_t hugetlb_vma_flags(const struct map_request *request)
{
	return VMA_HUGETLB | (request_level(request) == 3 ? VMA_HUGETLB_1G : 0);
}

static bool is_cut_at(const struct vmas *vmas, virt_t addr)
{
	const struct vma *vma = vma_find(vmas, addr);

	return vma && vma->start < addr && !is_aligned(addr, pte_span(vma_leaf_level(vma)));
}

bool hugetlb_is_cut_among(const struct vmas *vmas, virt_t start, virt_t end)
{
	return is_cut_at(vmas, start) || is_cut_at(vmas, end);
}

/* ---- promises ------------------------------------------------------------------------------- */

static uint64_t huge_pages(const struct vma *vma)
{
	return (vma->end - vma->start) / pte_span(vma_leaf_level(vma));
}

static uint64_t *promised_at(struct space *space, int level)
{
	return &space->promised_huge[level - HUGETLB_LEVEL_MIN];
}

/* Is it a range whose untouched pages are promised? */
static bool is_promised(const struct vma *vma)
{
	return vma_leaf_level(vma) > 1 && !(vma->flags & VMA_NORESERVE);
}

struct hugetlb_promises hugetlb_promises_of_range(const struct vma *vma)
{
	struct hugetlb_promises promises = { { 0 } };
	int level = vma_leaf_level(vma);

	if (is_promised(vma))
		promises.pages[level - HUGETLB_LEVEL_MIN] = huge_pages(vma);
	return promises;
}

int hugetlb_promise_some(struct hugetlb_promises promises)
{
	int err = 0;

	for (unsigned i = 0; i < COUNT(promises.pages) && !err; i++)
		if (promises.pages[i])
			err = hugetlb_reserve(HUGETLB_LEVEL_MIN + (int)i, promises.pages[i]);
	return err;                     /* a range has pages of one size: nothing is undone */
}

void hugetlb_promise_back(struct hugetlb_promises promises)
{
	for (unsigned i = 0; i < COUNT(promises.pages); i++)
		if (promises.pages[i])
			hugetlb_unreserve(HUGETLB_LEVEL_MIN + (int)i, promises.pages[i]);
}

static uint64_t pages_untouched(struct space *space, int level, virt_t start, virt_t end)
	REQUIRES(space->lock)
{
	uint64_t count = 0;

	for (virt_t at = start; at < end; at += pte_span(level))
		count += pte_is_none(cursor_peek(space, at));
	return count;
}

/* Pages of promised ranges that could still claim one. */
static struct hugetlb_promises untouched_in(struct space *space, virt_t start, virt_t end)
	REQUIRES(space->lock)
{
	struct hugetlb_promises promises = { { 0 } };
	const struct vmas *vmas = space->vmas;

	for (uint32_t i = vmas_search(vmas, start); i < vmas->count; i++) {
		const struct vma *vma = &vmas->at[i];
		int level = vma_leaf_level(vma);
		if (vma->start >= end)
			break;
		if (is_promised(vma))
			promises.pages[level - HUGETLB_LEVEL_MIN] += pages_untouched(
				space, level, MAX(start, vma->start), MIN(end, vma->end));
	}
	return promises;
}

struct hugetlb_promises hugetlb_promised_among(struct space *space, virt_t start, virt_t end)
{
	struct hugetlb_promises promises = { { 0 } };
	struct hugetlb_promises all = untouched_in(space, 0, USER_END);
	struct hugetlb_promises gone = untouched_in(space, start, end);
	for (unsigned i = 0; i < COUNT(promises.pages); i++) {
		uint64_t left = all.pages[i] - gone.pages[i];
		uint64_t promised = space->promised_huge[i];
		promises.pages[i] = promised > left ? promised - left : 0;
	}
	return promises;
}

void hugetlb_unpromise_some(struct space *space, struct hugetlb_promises promises)
{
	for (unsigned i = 0; i < COUNT(promises.pages); i++) {
		if (!promises.pages[i])
			continue;
		space->promised_huge[i] -= promises.pages[i];
		hugetlb_unreserve(HUGETLB_LEVEL_MIN + (int)i, promises.pages[i]);
	}
}

void hugetlb_unpromise_all(struct space *space)
{
	hugetlb_unpromise(space, (struct hugetlb_promises){
		{ space->promised_huge[0], space->promised_huge[1] } });
}

/* One of the space's promises, if it has any left. */
static bool promise_claim(struct space *space, int level)
{
	uint64_t *promised = promised_at(space, level), left = atomic_load_relaxed(promised);

	while (left && !atomic_cmpxchg(promised, &left, left - 1))
		;
	return left;
}

/* ---- faults --------------------------------------------------------------------------------- */

int hugetlb_fault(struct space *space, const struct vma *vma, virt_t addr, enum access access)
{
	struct hugetlb_touch touch = { .vma = vma };
	struct cursor *cursor = &touch.cursor;
	int err = cursor_open_level(cursor, space, addr, vma_leaf_level(vma));
	if (err)
		return err;

	pte_t leaf = cursor_get(cursor);
	if (!pte_is_huge(leaf))
		return page_bring(&touch);
	if (pte_is_parked(leaf)) {
		leaf = pte_unpark(leaf);
		cursor_set_huge(cursor, leaf);
	}
	bool is_write = access == ACCESS_WRITE && !pte_is_writable(leaf);
	if (is_write && !huge_regain(pte_pfn(leaf), cursor->level))
		return page_bring(&touch);

	if (is_write) {
		cursor_set_huge(cursor, pte_with_write(leaf));  /* more rights: no flush */
		work_add(&space->work, huge_reuses, 1);
	} else if (access == ACCESS_EXEC && !pte_is_executable(leaf)) {
		cursor_set_huge(cursor, pte_with_exec(leaf));
	} else {
		work_add(&space->work, faults_spurious, 1);
		tlb_flush_local_page(addr);
	}
	cursor_close(cursor);
	return 0;
}

static void page_prepare(struct hugetlb_touch *touch)
{
	struct work_counts *work = &touch->cursor.space->work;
	uint64_t count = hugetlb_page_frames(touch->cursor.level);

	if (!pte_is_huge(touch->old)) {
		for (uint64_t i = 0; i < count; i++)
			page_zero(frame_bytes(touch->fresh + i));
		work_add(work, frames_zeroed, count);
		return;
	}
	pfn_t old = pte_pfn(touch->old);
	for (uint64_t i = 0; i < count; i++)
		page_copy(frame_bytes(touch->fresh + i), frame_bytes(old + i));
	work_add(work, frames_copied, count);
	event(frame_copy, old, touch->fresh, touch->cursor.addr);
}

/* A page of the pool for the slot.  -ENXIO: there is none; HUGETLB_ALONE: perhaps none. */
static int page_take(struct hugetlb_touch *touch, int level, bool is_copy)
{
	struct space *space = touch->cursor.space;
	bool is_alone = rwlock_is_write_held(&space->lock);
	bool is_due = !is_copy && is_promised(touch->vma);

	touch->was_promised = is_due && promise_claim(space, level);
	if (is_due && !touch->was_promised && !is_alone)
		return HUGETLB_ALONE;
	touch->fresh = hugetlb_take(level, touch->was_promised);
	if (touch->fresh != FRAME_NONE)
		return 0;
	return is_alone ? -ENXIO : HUGETLB_ALONE;
}

/* A page from the pool, with zeros or a copy of the present one, which our hold keeps as it is. */
static int page_bring(struct hugetlb_touch *touch)
{
	struct cursor *cursor = &touch->cursor;
	struct work_counts *work = &cursor->space->work;
	int level = cursor->level;
	bool is_copy = pte_is_huge(cursor_get(cursor));

	touch->old = cursor_get(cursor);
	if (is_copy)
		huge_get(pte_pfn(touch->old));
	cursor_close(cursor);

	int err = page_take(touch, level, is_copy);
	if (!err) {
		page_prepare(touch);
		err = page_install(touch);
	}
	if (is_copy)
		huge_put(pte_pfn(touch->old), level);
	if (!err && is_copy)
		work_add(work, huge_copies, 1);
	else if (!err)
		work_add(work, huge_fills, 1);
	return err;
}

/* Back to the pool, and promised again if it was. */
static void page_return(struct hugetlb_touch *touch, int level)
{
	if (!touch->was_promised) {
		hugetlb_give(touch->fresh, level);
		return;
	}
	hugetlb_return(touch->fresh, level);
	(void)atomic_fetch_add_relaxed(promised_at(touch->cursor.space, level), 1ul);
}

/* Put it there if the slot is what it was. */
static int page_install(struct hugetlb_touch *touch)
	NO_LOCK_ANALYSIS /* the space's, by the caller */
{
	struct cursor *cursor = &touch->cursor;
	const struct vma *vma = touch->vma;
	int level = cursor->level;
	int err = cursor_open_level(cursor, cursor->space, cursor->addr, level);

	if (!err && cursor_get(cursor).bits != touch->old.bits) {
		cursor_close(cursor);
		err = -EAGAIN;
	}
	if (err) {
		page_return(touch, level);
		return err;
	}
	pte_t leaf = pte_as_huge(pte_to_frame(touch->fresh, vma->prot & PROT_EXEC));
	if (vma->prot & PROT_WRITE)
		leaf = pte_with_write(leaf);
	if (pte_is_none(touch->old))
		cursor_set_huge(cursor, leaf);
	else
		cursor_replace_huge(cursor, leaf);      /* the page, or an empty table */
	cursor_close(cursor);
	return 0;
}
