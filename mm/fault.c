/* SPDX-License-Identifier: MIT */
/*
 * mm/fault.c - one fault: refuse, fill, own or accept.
 *
 *   trap -> upcall_page_fault -> fault_resolve -> fault_once -> page_own
 *
 *                         what the range allows
 *   leaf is              read                        write
 *   ------------------   -------------------------   -------------------------------------------
 *   none, anonymous      the zero frame              a zeroed frame
 *   none, private file   the object's frame          a copy of the object's frame
 *   none, shared         the object's frame, SHARED  the same, with the write bit
 *   parked               unpark, then as below
 *   the zero frame       nothing to do               a zeroed frame             (replace)
 *   held by us alone     nothing to do               the write bit              (reuse)
 *   held by others too   nothing to do               a copy                     (replace)
 *   SHARED               nothing to do               the write bit
 *   huge, or none where  mm/huge.c
 *   one may come to be
 *
 * "Nothing to do" means that another thread was here first, or that this CPU remembered less than
 * the entry allows: run the instruction again.
 *
 * Invariants:  opening the cursor has owned every table on the path, so the frame's count alone
 *              tells whether a page is ours.  Reads own the path too: shared tables are never
 *              filled in place.
 * Locks:       the space's for reading, so that faults of many threads run side by side; the cursor
 *              holds the leaf's table.  An object's page is fetched between two looks, because it
 *              may sleep.
 */
#include "mm/fault.h"
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "kernel/event.h"
#include "kernel/panic.h"
#include "mm/cursor.h"
#include "mm/huge.h"
#include "mm/hugetlb_range.h"
#include "mm/mmap.h"

/* One fault: what is known of it. */
struct fault {
	struct space *space;
	const struct vma *vma;
	virt_t addr;                    /* page aligned */
	enum access access;
	pfn_t page;                     /* of the object, held for us; FRAME_NONE: none */
};

static int fault_once(struct space *space, virt_t addr, enum access access)
	REQUIRES_SHARED(space->lock);
static bool vma_allows(const struct vma *vma, enum access access);
static int fault_fetch(struct fault *fault);
static int fault_leaf(struct fault *fault, struct cursor *cursor);
static int page_fill(struct fault *fault, struct cursor *cursor);
static int page_own(struct fault *fault, struct cursor *cursor, pte_t leaf);

int fault_resolve(struct space *space, virt_t addr, enum access access)
{
	work_add(&space->work, faults, 1);
	event(fault, space->mmu.id, addr, access);

	int err;
	do {
		read_lock(&space->lock);
		err = fault_once(space, page_floor(addr), access);
		read_unlock(&space->lock);
		if (err == -EFAULT)             /* nothing there: may the stack grow? */
			err = space_grow_stack(space, addr) ?: -EAGAIN;
		if (err == -EAGAIN)
			task_yield();           /* to who takes the snapshot */
	} while (err == -EAGAIN);

	if (err && err != -ENOMEM)
		work_add(&space->work, faults_refused, 1);
	event(fault_done, space->mmu.id, addr, err);
	return err;
}

static int fault_once(struct space *space, virt_t addr, enum access access)
{
	struct fault fault = { .space = space, .addr = addr, .access = access, .page = FRAME_NONE };
	fault.vma = vma_find_near(space->vmas, addr, &space->fault_range);
	if (!fault.vma)
		return -EFAULT;
	if (!vma_allows(fault.vma, access))
		return -EACCES;

	if (unlikely(fault.vma->flags & VMA_HUGETLB))
		return hugetlb_fault(space, fault.vma, addr, access);

	struct cursor cursor;
	int err = cursor_open_leaf(&cursor, space, addr);
	if (!err && unlikely(cursor.level > 1)) {
		err = huge_fault(&cursor, fault.vma, access);
		if (err != HUGE_NOT)
			return err;
		err = 0;
	}
	if (!err && fault.vma->object && pte_is_none(cursor_get(&cursor))) {
		cursor_close(&cursor);          /* the object may sleep */
		err = fault_fetch(&fault);
		if (!err)
			err = cursor_open(&cursor, space, addr);
	}
	if (!err) {
		err = fault_leaf(&fault, &cursor);
		cursor_close(&cursor);
	}
	if (fault.page != FRAME_NONE)
		frame_put(fault.page);
	return err;
}

static bool vma_allows(const struct vma *vma, enum access access)
{
	switch (access) {
	case ACCESS_WRITE:
		return vma->prot & PROT_WRITE;
	case ACCESS_EXEC:
		return vma->prot & PROT_EXEC;
	default:
		/* x86 cannot refuse less */
		return vma->prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
	}
}

/* The leaf is missing: get its page from the object, while no spinlock is held. */
static int fault_fetch(struct fault *fault)
{
	const struct vma *vma = fault->vma;
	uint64_t index = (vma->offset + (fault->addr - vma->start)) >> PAGE_SHIFT;
	int err = object_page(vma->object, index, vma_is_private(vma) ? OBJECT_VIEW : OBJECT_WRITE,
			      &fault->page);
	return err == -ENOSPC ? -ENXIO : err;   /* a promise refused is SIGBUS, nobody's death */
}

static int fault_leaf(struct fault *fault, struct cursor *cursor)
{
	pte_t leaf = cursor_get(cursor);
	if (pte_is_none(leaf))
		return page_fill(fault, cursor);

	if (pte_is_parked(leaf)) {
		leaf = pte_unpark(leaf);
		cursor_set(cursor, leaf);
	}
	if (fault->access == ACCESS_WRITE && !pte_is_writable(leaf))
		return page_own(fault, cursor, leaf);
	if (fault->access == ACCESS_EXEC && !pte_is_executable(leaf)) {
		cursor_set(cursor, pte_with_exec(leaf));        /* more rights: no flush */
		return 0;
	}
	work_add(&fault->space->work, faults_spurious, 1);
	tlb_flush_local_page(fault->addr);
	return 0;
}

/* A frame of the program's own for this page: zeroed, or a copy of `from`. */
static pfn_t page_alloc(struct fault *fault, pfn_t from)
{
	pfn_t fresh = frame_alloc(FRAME_DATA);
	if (fresh == FRAME_NONE)
		return FRAME_NONE;

	if (from == FRAME_NONE || from == zero_frame) {
		page_zero(frame_bytes(fresh));
		work_add(&fault->space->work, frames_zeroed, 1);
	} else {
		page_copy(frame_bytes(fresh), frame_bytes(from));
		work_add(&fault->space->work, frames_copied, 1);
		event(frame_copy, from, fresh, fault->addr);
	}
	return fresh;
}

static int page_fill(struct fault *fault, struct cursor *cursor)
{
	const struct vma *vma = fault->vma;
	struct work_counts *work = &fault->space->work;
	bool can_execute = vma->prot & PROT_EXEC, is_write = fault->access == ACCESS_WRITE;

	assert(!vma->object || fault->page != FRAME_NONE);
	if (vma->object && (!vma_is_private(vma) || !is_write)) {
		pte_t leaf = pte_as_view(pte_to_frame(fault->page, can_execute));
		if (!vma_is_private(vma))
			leaf = pte_as_shared(vma->prot & PROT_WRITE ? pte_with_write(leaf) : leaf);
		fault->page = FRAME_NONE;       /* our hold is now the entry's */
		cursor_set(cursor, leaf);
		work_add(work, faults_file, 1);
		return 0;
	}
	if (!is_write) {
		cursor_set(cursor, pte_as_uncounted(pte_to_frame(zero_frame, can_execute)));
		work_add(work, faults_zero_read, 1);
		return 0;
	}

	pfn_t fresh = page_alloc(fault, fault->page);
	if (fresh == FRAME_NONE)
		return -ENOMEM;
	cursor_set(cursor, pte_with_write(pte_to_frame(fresh, can_execute)));
	if (vma->object)
		work_add(work, faults_copy, 1);
	else
		work_add(work, faults_zero_write, 1);
	return 0;
}

/* Make a present leaf writable, giving it a frame of its own if anyone else holds the present
 * one. */
static int page_own(struct fault *fault, struct cursor *cursor, pte_t leaf)
{
	struct work_counts *work = &fault->space->work;
	pfn_t old = pte_pfn(leaf);

	if (pte_is_shared(leaf)) {
		cursor_set(cursor, pte_with_write(leaf));
		work_add(work, faults_shared_write, 1);
		return 0;
	}
	if (!pte_is_uncounted(leaf) && frame_is_exclusive(old)) {
		/* More rights: no flush.  What an object has dropped meanwhile is our own. */
		cursor_set(cursor, pte_with_write(pte_without_view(leaf)));
		work_add(work, faults_reuse, 1);
		event(frame_reuse, old, fault->addr, 0);
		return 0;
	}

	pfn_t fresh = page_alloc(fault, old);
	if (fresh == FRAME_NONE)
		return -ENOMEM;
	cursor_replace(cursor, pte_with_write(pte_to_frame(fresh, fault->vma->prot & PROT_EXEC)));
	if (pte_is_uncounted(leaf))
		work_add(work, faults_zero_write, 1);
	else
		work_add(work, faults_copy, 1);
	return 0;
}
