/* SPDX-License-Identifier: MIT */
/*
 * mm/fault.c - one fault: refuse, fill, own or accept.
 *
 *   trap_user_page_fault -> upcall_page_fault -> fault_resolve -> write_on_own_path -> fault_leaf
 *   -> page_own
 *
 *                         what the range allows
 *   leaf is              read                        write
 *   ------------------   -------------------------   -------------------------------------------
 *   none, anonymous      the zero frame              a zeroed frame
 *   none, private file   the object's frame          a copy of the object's frame
 *   none, shared         the object's frame, SHARED, with the write bit if the range may write
 *   parked               unpark, then as below
 *   the zero frame       nothing to do               a zeroed frame             (replace)
 *   held by us alone     nothing to do               the write bit              (reuse)
 *   held by others too   nothing to do               a copy                     (replace)
 *   SHARED               nothing to do               the write bit
 *   huge, or none where  mm/huge.c
 *   one may come to be
 *
 * Most faults are writes that find every table on the way their own: write_on_own_path is for
 * them.  All others go by fault_by_descent, which owns what is not, knows huge pages, and waits for
 * objects.  Between them write_of_object gets a page from an object for a table that is the
 * space's own.  All end in fault_leaf, which is compiled into the first.
 *
 * "Nothing to do" means that another thread was here first, or that this CPU remembered less than
 * the entry allows: run the instruction again.
 *
 * A frame that a write made the space's own may be followed by more of them: mm/ahead.h.
 *
 * A write by force, where the range does not allow it, takes the same ways, but its leaf gets no
 * write bit.
 *
 * Invariants:  opening the cursor has owned every table on the path, so the frame's count alone
 *              tells whether a page is ours.  Reads own the path too: shared tables are never
 *              filled in place.
 * Locks:       the space's for reading, so that faults of many threads run side by side (for
 *              writing only in fault_alone); the cursor holds the leaf's table.  An object's page
 *              is fetched between two looks, because it may sleep.
 */
#include "mm/fault.h"
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "kernel/event.h"
#include "kernel/panic.h"
#include "mm/ahead.h"
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

enum { FAULT_NOT_THAT_EASY = 1 };       /* nothing was done */

static ALWAYS_INLINE int write_on_own_path(struct space *space, virt_t addr)
	REQUIRES_SHARED(space->lock);
static int write_of_object(struct space *space, const struct vma *vma, virt_t addr, pfn_t table)
	REQUIRES_SHARED(space->lock);
static int fault_by_descent(struct space *space, virt_t addr, enum access access)
	REQUIRES_SHARED(space->lock);
static int fault_again(struct space *space, virt_t addr, enum access access, int err);
static ALWAYS_INLINE bool vma_allows(const struct vma *vma, enum access access);
static bool fault_must_fetch(const struct fault *fault, pte_t leaf);
static int fault_fetch(struct fault *fault);
static ALWAYS_INLINE int fault_leaf(struct fault *fault, struct cursor *cursor, pte_t leaf);
static int fault_leaf_after_all(struct fault *fault, struct cursor *cursor);
static ALWAYS_INLINE int page_fill(struct fault *fault, struct cursor *cursor);
static ALWAYS_INLINE int page_own(struct fault *fault, struct cursor *cursor, pte_t leaf);

int fault_resolve(struct space *space, virt_t addr, enum access access)
{
	work_add(&space->work, faults, 1);
	event(fault, space->mmu.id, addr, access);

	read_lock(&space->lock);
	int err = FAULT_NOT_THAT_EASY;
	if (likely(access == ACCESS_WRITE))
		err = write_on_own_path(space, page_floor(addr));
	if (unlikely(err == FAULT_NOT_THAT_EASY))
		err = fault_by_descent(space, page_floor(addr), access);
	read_unlock(&space->lock);
	if (unlikely(err))
		err = fault_again(space, addr, access, err);
	event(fault_done, space->mmu.id, addr, err);
	return err;
}

static int fault_later(struct space *space, virt_t addr, enum access access)
{
	task_yield();
	read_lock(&space->lock);
	int err = fault_by_descent(space, addr, access);

	read_unlock(&space->lock);
	return err;
}

/* While no other thread of the space faults. */
static int fault_alone(struct space *space, virt_t addr, enum access access)
{
	write_lock(&space->lock);
	int err = fault_by_descent(space, addr, access);

	write_unlock(&space->lock);
	return err;
}

/* Nothing was there: may the stack grow?  Or somebody holds the object: a snapshot, a hole, a
 * truncation.  Or a page of a pool may be on its way back. */
__attribute__((noinline))
static int fault_again(struct space *space, virt_t addr, enum access access, int err)
{
	while (err == -EFAULT || err == -EAGAIN || err == HUGETLB_ALONE) {
		if (err == -EFAULT)
			err = space_grow_stack(space, addr);
		if (err < 0 && err != -EAGAIN)
			break;
		err = err == HUGETLB_ALONE ? fault_alone(space, page_floor(addr), access)
					   : fault_later(space, page_floor(addr), access);
	}
	if (err && err != -ENOMEM)
		work_add(&space->work, faults_refused, 1);
	return err;
}

static int write_on_own_path(struct space *space, virt_t addr)
{
	const struct vma *vma = vma_find_near(space->vmas, addr, &space->fault_range);
	if (unlikely(!vma || !vma_allows(vma, ACCESS_WRITE) || vma->flags & VMA_HUGETLB))
		return FAULT_NOT_THAT_EASY;

	struct cursor cursor;
	if (unlikely(!cursor_open_own(&cursor, space, addr)))
		return FAULT_NOT_THAT_EASY;
	struct fault fault = { space, vma, addr, ACCESS_WRITE, FRAME_NONE };
	pte_t leaf = cursor_get(&cursor);
	if (unlikely(fault_must_fetch(&fault, leaf))) {
		cursor_close_own(&cursor);
		return write_of_object(space, vma, addr, slot_table(cursor.slot));
	}
	int err = fault_leaf(&fault, &cursor, leaf);
	cursor_close_own(&cursor);
	return err;
}

/* The same where the page is the object's to give.  Nobody takes the table away meanwhile, nor
 * shares it: that needs the space's lock for writing. */
__attribute__((noinline))
static int write_of_object(struct space *space, const struct vma *vma, virt_t addr, pfn_t table)
{
	struct fault fault = { space, vma, addr, ACCESS_WRITE, FRAME_NONE };
	struct cursor cursor;
	int err = fault_fetch(&fault);
	if (err)
		return err;

	cursor.space = space;
	cursor.addr = addr;
	cursor_lock_leaf(&cursor, table);
	err = fault_leaf_after_all(&fault, &cursor);
	cursor_close_own(&cursor);
	if (fault.page != FRAME_NONE)
		frame_put(fault.page);
	return err;
}

__attribute__((noinline))
static int fault_by_descent(struct space *space, virt_t addr, enum access access)
{
	struct fault fault = { .space = space, .addr = addr, .access = access, .page = FRAME_NONE };
	fault.vma = vma_find_near(space->vmas, addr, &space->fault_range);
	if (!fault.vma)
		return -EFAULT;
	if (!vma_allows(fault.vma, access))
		return -EACCES;
	if (fault.vma->flags & VMA_HUGETLB)
		return hugetlb_fault(space, fault.vma, addr, access);

	struct cursor cursor;
	int err = access == ACCESS_FORCE ? cursor_open(&cursor, space, addr)
					 : cursor_open_leaf(&cursor, space, addr);
	if (!err && cursor.level > 1) {
		err = huge_fault(&cursor, fault.vma, access);
		if (err != HUGE_NOT)
			return err;
		err = 0;
	}
	if (!err && fault_must_fetch(&fault, cursor_get(&cursor))) {
		cursor_close(&cursor);          /* the object may sleep */
		err = fault_fetch(&fault);
		if (!err)
			err = cursor_open(&cursor, space, addr);
	}
	if (!err) {
		err = fault_leaf_after_all(&fault, &cursor);
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
	case ACCESS_FORCE:
		return vma->prot && vma_is_private(vma) && !(vma->flags & VMA_HUGETLB);
	default:
		/* x86 cannot refuse less */
		return vma->prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
	}
}

static bool fault_must_fetch(const struct fault *fault, pte_t leaf)
{
	return pte_is_none(leaf) && fault->vma->object;
}

static inline bool fault_is_write(const struct fault *fault)
{
	return fault->access == ACCESS_WRITE || fault->access == ACCESS_FORCE;
}

/* The leaf of a frame that is the space's own.  A write by force gives the program no right. */
static inline pte_t leaf_own(const struct fault *fault, pte_t leaf)
{
	return likely(fault->access != ACCESS_FORCE) ? pte_with_write(leaf) : leaf;
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

static int fault_leaf(struct fault *fault, struct cursor *cursor, pte_t leaf)
{
	if (pte_is_none(leaf))
		return page_fill(fault, cursor);

	if (pte_is_parked(leaf)) {
		leaf = pte_unpark(leaf);
		cursor_set(cursor, leaf);
	}
	if (fault_is_write(fault) && !pte_is_writable(leaf))
		return page_own(fault, cursor, leaf);
	if (fault->access == ACCESS_EXEC && !pte_is_executable(leaf)) {
		cursor_set(cursor, pte_with_exec(leaf));        /* more rights: no flush */
		return 0;
	}
	work_add(&fault->space->work, faults_spurious, 1);
	tlb_flush_local_page(fault->addr);
	return 0;
}

/* The same, once for all who come here by another way than most. */
__attribute__((noinline))
static int fault_leaf_after_all(struct fault *fault, struct cursor *cursor)
{
	return fault_leaf(fault, cursor, cursor_get(cursor));
}

/* A frame of the program's own for the page at addr, zeroed or a copy of `from`.  Preemption is
 * off: a cursor is open.  FRAME_NONE: no memory. */
static ALWAYS_INLINE pfn_t page_alloc(struct work_counts *work, virt_t addr, bool is_zeros,
				      pfn_t from)
{
	pfn_t fresh = frame_alloc_data();
	if (unlikely(fresh == FRAME_NONE))
		return FRAME_NONE;

	if (is_zeros) {
		page_zero(frame_bytes(fresh));
		work_add(work, frames_zeroed, 1);
	} else {
		page_copy(frame_bytes(fresh), frame_bytes(from));
		work_add(work, frames_copied, 1);
		event(frame_copy, from, fresh, addr);
	}
	return fresh;
}

static int page_fill(struct fault *fault, struct cursor *cursor)
{
	const struct vma *vma = fault->vma;
	struct work_counts *work = &fault->space->work;
	bool can_execute = vma->prot & PROT_EXEC, is_write = fault_is_write(fault);

	assert(!vma->object || fault->page != FRAME_NONE);
	if (vma->object && (!vma_is_private(vma) || !is_write)) {
		pte_t leaf = pte_as_view(pte_to_frame(fault->page, can_execute));
		if (!vma_is_private(vma))
			leaf = pte_as_shared(vma->prot & PROT_WRITE ? pte_with_write(leaf) : leaf);
		fault->page = FRAME_NONE;       /* our hold is now the entry's */
		cursor_change(cursor, PTE_NONE, leaf);
		work_add(work, faults_file, 1);
		return 0;
	}
	if (!is_write) {
		cursor_change(cursor, PTE_NONE,
			      pte_as_uncounted(pte_to_frame(zero_frame, can_execute)));
		work_add(work, faults_zero_read, 1);
		return 0;
	}

	bool is_zeros = fault->page == FRAME_NONE;
	pfn_t fresh = page_alloc(work, fault->addr, is_zeros, fault->page);
	if (fresh == FRAME_NONE)
		return -ENOMEM;
	cursor_change(cursor, PTE_NONE, leaf_own(fault, pte_to_frame(fresh, can_execute)));
	if (vma->object)
		work_add(work, faults_copy, 1);
	else
		work_add(work, faults_zero_write, 1);
	ahead_note(cursor, vma);
	return 0;
}

/* Make a present leaf writable, giving it a frame of its own if anyone else holds the present
 * one. */
static int page_own(struct fault *fault, struct cursor *cursor, pte_t leaf)
{
	struct work_counts *work = &fault->space->work;
	pfn_t old = pte_pfn(leaf);

	if (pte_is_shared(leaf)) {
		cursor_change(cursor, leaf, pte_with_write(leaf));
		work_add(work, faults_shared_write, 1);
		return 0;
	}
	if (!pte_is_uncounted(leaf) && frame_is_exclusive(old)) {
		/* More rights: no flush.  What an object has dropped meanwhile is our own. */
		cursor_change(cursor, leaf, leaf_own(fault, pte_without_view(leaf)));
		work_add(work, faults_reuse, 1);
		event(frame_reuse, old, fault->addr, 0);
		return 0;
	}

	pfn_t fresh = page_alloc(work, fault->addr, pte_is_uncounted(leaf), old);
	if (fresh == FRAME_NONE)
		return -ENOMEM;
	pte_t own = pte_to_frame(fresh, fault->vma->prot & PROT_EXEC);
	cursor_replace(cursor, leaf, leaf_own(fault, own));
	if (pte_is_uncounted(leaf))
		work_add(work, faults_zero_write, 1);
	else
		work_add(work, faults_copy, 1);
	ahead_note(cursor, fault->vma);
	return 0;
}
