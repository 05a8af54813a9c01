/* SPDX-License-Identifier: MIT */
/*
 * mm/mmap.c - mmap, munmap, brk, stack growth.
 *
 * Each change of a space has three parts: check everything, reserve all memory (own the tables that
 * are only partly concerned, own the array of ranges), then commit what cannot fail.
 *
 * Locks: the space's, for writing.  Entries first, then ranges: a range outlives what it allowed.
 */
#include "mm/mmap.h"
#include "lib/abi/errno.h"
#include "lib/abi/sched.h"
#include "lib/bits.h"
#include "kernel/event.h"
#include "kernel/panic.h"
#include "mm/cursor.h"
#include "mm/detach.h"
#include "mm/fault.h"
#include "mm/hugetlb_range.h"

/* Mappings below this size live in the compact window of space_layout(). */
#define LARGE_MAPPING (16 * MIB)

static int map_check(const struct map_request *request, uint64_t *len);
static int map_describe(const struct map_request *request, uint64_t len, struct vma *vma);
static int map_reserve(struct vma *vma);
static int map_insert(struct space *space, const struct map_request *request, struct vma *vma)
	REQUIRES(space->lock);
static int map_place(struct space *space, const struct map_request *request, uint64_t len,
		     uint64_t unit, struct vma_place *place) REQUIRES(space->lock);
static struct vma_place find_below_2_gib(struct space *space, virt_t hint, uint64_t len,
					 uint64_t unit) REQUIRES(space->lock);

void mmap_start(void)
{
	object_views_remove = spaces_remove_views;
}

void space_account(struct space *space, uint32_t vma_flags, int64_t pages)
{
	space->mapped_pages += pages;
	space->mapped_peak = MAX(space->mapped_peak, space->mapped_pages);
	if (vma_flags & VMA_LOCKED)
		space->locked_pages += pages;
}

int space_map(struct space *space, const struct map_request *request, virt_t *out)
{
	uint64_t len;
	struct vma vma;
	int err = map_check(request, &len);
	if (!err)
		err = map_describe(request, len, &vma);
	if (err)
		return err;

	write_lock(&space->lock);
	err = map_insert(space, request, &vma);
	write_unlock(&space->lock);
	if (err) {
		if (vma.object)
			object_put(vma.object);
		return err;
	}

	*out = vma.start;
	if (vma.flags & VMA_LOCKED)
		(void)!space_populate_mlocked(space, vma.start, vma.end);
	else if (request->flags & MAP_POPULATE && !(request->flags & MAP_NONBLOCK))
		(void)!space_populate(space, vma.start, len,
				      vma.prot & PROT_WRITE ? ACCESS_WRITE : ACCESS_READ);
	return 0;
}

/* The range asked for, without a place; it holds a reference on its object, which is made here for
 * shared anonymous memory. */
static int map_describe(const struct map_request *request, uint64_t len, struct vma *vma)
{
	bool is_shared = (request->flags & MAP_TYPE) != MAP_PRIVATE;

	*vma = (struct vma){
		.start = request->addr,
		.end = request->addr + len,
		.prot = request->prot & (PROT_READ | PROT_WRITE | PROT_EXEC),
		.flags = request->vma_flags,
		.object = request->object,
		.offset = request->offset,
		.name = request->name,
	};
	vma->flags |= is_shared ? VMA_SHARED : VMA_MAYWRITE;
	vma->flags |= request->flags & MAP_GROWSDOWN ? VMA_GROWSDOWN : 0;
	vma->flags |= request->flags & MAP_HUGETLB ? hugetlb_vma_flags(request) : 0;
	if (request->flags & MAP_NORESERVE && commit_mode() != COMMIT_NEVER)
		vma->flags |= VMA_NORESERVE;
	if (vma->prot & PROT_WRITE && vma_is_accountable(vma))
		vma->flags |= VMA_ACCOUNTED;
	vma->flags |= request->flags & MAP_LOCKED ? VMA_LOCKED : 0;
	if (vma->object) {
		object_get(vma->object);
	} else if (is_shared) {
		vma->object = object_create(len, true);
		vma->flags |= VMA_MAYWRITE;
		return vma->object ? map_reserve(vma) : -ENOMEM;
	}
	return 0;
}

/* Memory that will be shared is promised once, as the object's. */
static int map_reserve(struct vma *vma)
{
	int err = vma->flags & VMA_NORESERVE ? 0 : object_reserve(vma->object);
	if (err)
		object_put(vma->object);
	return err;
}

bool space_may_grow(const struct space *space, uint64_t pages)
{
	uint64_t limit = upcall_rlimit(RLIMIT_AS);

	return limit == RLIM_INFINITY || space->mapped_pages + pages <= limit >> PAGE_SHIFT;
}

/* Pages of [start, end) in ranges with all of these flags; 0: in any. */
static uint64_t pages_in(const struct space *space, virt_t start, virt_t end, uint32_t flags)
{
	uint64_t pages = 0;

	vmas_for_each_in(vma, space->vmas, start, end) {
		if ((vma->flags & flags) == flags)
			pages += (MIN(vma->end, end) - MAX(vma->start, start)) >> PAGE_SHIFT;
	}
	return pages;
}

/* What is replaced makes room. */
static bool map_may_grow(const struct space *space, const struct map_request *request,
			 const struct vma *vma) REQUIRES_SHARED(space->lock)
{
	if (likely(space_may_grow(space, vma_pages(vma))))
		return true;
	return request->flags & MAP_FIXED
	       && space_may_grow(space, vma_pages(vma) - pages_in(space, vma->start, vma->end, 0));
}

/* The ranges that have a part of [start, end), by their indexes first..past-1, and whether the
 * first and the last of them have more. */
struct run {
	uint32_t first, past;
	bool cuts_first, cuts_last;
};

static inline struct run run_find(const struct vmas *vmas, virt_t start, virt_t end)
{
	uint32_t first = vmas_search(vmas, start), past = first;

	while (past < vmas->count && vmas->at[past].start < end)
		past++;
	if (first == past)
		return (struct run){ first, past, false, false };
	return (struct run){
		first, past, vmas->at[first].start < start, vmas->at[past - 1].end > end,
	};
}

/* Ranges there are once it is gone. */
static uint32_t count_without(const struct vmas *vmas, struct run run)
{
	return vmas->count - (run.past - run.first) + run.cuts_first + run.cuts_last;
}

/* Find its place and put it there.  On failure its reference is still the caller's. */
static int map_insert(struct space *space, const struct map_request *request, struct vma *vma)
{
	uint64_t len = vma->end - vma->start;
	uint64_t promise = vma_promise(vma);
	bool replaces = request->flags & MAP_FIXED;
	uint64_t replaced = replaces ? pages_in(space, vma->start, vma->end, VMA_ACCOUNTED) : 0;
	uint64_t more = promise > replaced ? promise - replaced : 0;

	vma->flags |= space->lock_future;
	if (vma->flags & VMA_LOCKED && !space_may_lock(space, len >> PAGE_SHIFT))
		return -EAGAIN;
	if (!map_may_grow(space, request, vma))
		return -ENOMEM;
	int err = vmas_own(&space->vmas, 2);    /* a hole takes one, the new range another */
	if (!err)
		err = space_charge(space, more);
	if (err)
		return err;
	struct hugetlb_promises huge = hugetlb_promises_of(vma);
	struct vma_place place = { .start = vma->start };
	err = hugetlb_promise(huge);
	if (!err) {
		err = map_place(space, request, len, pte_span(vma_leaf_level(vma)), &place);
		if (err)
			hugetlb_promise_back(huge);
	}
	if (err) {
		space_uncharge(space, more);
		return err;
	}
	if (promise > more) {                   /* it was the replaced ranges' */
		commit_take(promise - more);
		space->promised_pages += promise - more;
	}
	hugetlb_promise_keep(space, huge);

	vma->start = place.start;
	vma->end = place.start + len;
	if (vma->name)
		vma_name_ops.get(vma->name);
	space_account(space, vma->flags, (int64_t)(len >> PAGE_SHIFT));
	vmas_insert_at(space->vmas, place.next, vma);
	event(vma_map, space->mmu.id, vma->start, vma->end);
	return 0;
}

static int map_check(const struct map_request *request, uint64_t *len)
{
	unsigned type = request->flags & MAP_TYPE;
	bool is_type = type == MAP_PRIVATE || type == MAP_SHARED
		       || (type == MAP_SHARED_VALIDATE && request->object);
	if (!request->len || !is_type)
		return -EINVAL;
	if (request->flags & MAP_GROWSDOWN && (type != MAP_PRIVATE || request->object))
		return -EINVAL;
	if (request->len > USER_END)
		return -ENOMEM;
	*len = page_ceil(request->len);
	int err = request->flags & MAP_HUGETLB ? hugetlb_check_request(request, len) : 0;
	if (err)
		return err;
	if (request->object && request->offset + *len < request->offset)
		return -EOVERFLOW;
	if (request->flags & MAP_LOCKED && mlock_permission())
		return -EPERM;
	if (!(request->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)))
		return 0;
	if (!is_aligned(request->addr, PAGE_SIZE))
		return -EINVAL;
	if (request->addr > USER_END - *len)
		return -ENOMEM;
	return request->addr < MMAP_MIN_ADDR ? -EPERM : 0;
}

/* Choose the place, and make room there for MAP_FIXED: the last that can fail. */
static int map_place(struct space *space, const struct map_request *request, uint64_t len,
		     uint64_t unit, struct vma_place *place)
{
	virt_t start = request->addr;

	if (!(request->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))) {
		*place = request->flags & MAP_32BIT ? find_below_2_gib(space, start, len, unit)
						    : space_find_place(space, start, len, unit);
		return !place->start || space->vmas->count >= vmas_max() ? -ENOMEM : 0;
	}

	struct run taken = run_find(space->vmas, start, start + len);
	bool is_taken = taken.first < taken.past;
	if (is_taken && request->flags & MAP_FIXED_NOREPLACE)
		return -EEXIST;
	if (count_without(space->vmas, taken) >= vmas_max())
		return -ENOMEM;
	*place = (struct vma_place){ start, taken.first + taken.cuts_first };
	return is_taken ? space_unmap_locked(space, start, start + len) : 0;
}

/* In the lowest window with room, so that few directories are in use. */
static struct vma_place find_outside_window(struct space *space, uint64_t len, uint64_t unit)
	REQUIRES(space->lock)
{
	const struct { virt_t low, high; } windows[] = {
		{ GIB, 4 * GIB },
		{ 4 * GIB, 512 * GIB },
		{ 512 * GIB, USER_END },
		{ MMAP_MIN_ADDR, space->mmap_low },
	};
	uint64_t align = len >= 2 * MIB ? MAX(unit, (uint64_t)(2 * MIB)) : unit;
	struct vma_place place = { 0 };

	for (unsigned i = 0; i < COUNT(windows) && !place.start; i++)
		place = vmas_find_gap(space->vmas, len, align, windows[i].low, windows[i].high);
	return place;
}

/* Just where the program would like it, if that is free and ends at or below `end`. */
static struct vma_place find_at_hint(struct space *space, virt_t hint, uint64_t len, virt_t end)
	REQUIRES(space->lock)
{
	if (hint < MMAP_MIN_ADDR || len > end || hint > end - len)
		return (struct vma_place){ 0 };
	return vmas_find_gap(space->vmas, len, PAGE_SIZE, hint, hint + len);
}

/* MAP_32BIT: where addresses have 31 bits, or nowhere. */
static struct vma_place find_below_2_gib(struct space *space, virt_t hint, uint64_t len,
					 uint64_t unit)
{
	struct vma_place place = find_at_hint(space, align_down(hint, unit), len, 2 * GIB);

	if (!place.start)
		place = vmas_find_gap(space->vmas, len, unit, space->mmap_low, space->mmap_high);
	if (!place.start)
		place = vmas_find_gap(space->vmas, len, unit, GIB, 2 * GIB);
	return place;
}

/* Small mappings share the program's GiB, as long as it has room. */
struct vma_place space_find_place(struct space *space, virt_t hint, uint64_t len, uint64_t unit)
{
	struct vma_place place = find_at_hint(space, align_down(hint, unit), len, USER_END);

	if (!place.start && len < LARGE_MAPPING)
		place = vmas_find_gap(space->vmas, len, unit, space->mmap_low, space->mmap_high);
	return place.start ? place : find_outside_window(space, len, unit);
}

int space_unmap(struct space *space, virt_t addr, uint64_t len)
{
	virt_t end;
	if (!len || range_check(addr, len, &end))
		return -EINVAL;

	write_lock(&space->lock);
	int err = space_unmap_locked(space, addr, end);
	write_unlock(&space->lock);
	return err;
}

static void space_drain(struct detach *detach)
{
	space_gather_finish(detach->owner, detach->gather, detach->start, detach->end);
}

/* Take the entries of [start, end) out; subtrees inside [floor, ceiling) as a whole. */
static int space_detach(struct space *space, virt_t start, virt_t end, virt_t floor, virt_t ceiling)
	REQUIRES(space->lock)
{
	if (cursor_range_is_empty(space, start, end))
		return 0;

	struct gather gather;
	gather_init(&gather);
	struct detach detach = {
		.start = start, .end = end, .floor = floor, .ceiling = ceiling,
		.work = &space->work, .gather = &gather, .drain = space_drain, .owner = space,
	};
	pfn_t root = space->mmu.root >> PAGE_SHIFT;

	int err = detach_prepare(&detach, root, 0);
	if (!err) {
		int64_t resident = atomic_load_relaxed(&space->resident);
		space->resident_peak = MAX(space->resident_peak, resident);
		detach_commit(&detach, root, 0);
		space_count_resident(space, -(int64_t)detach.resident);
	}
	space_drain(&detach);
	return err;
}

int space_drop_pages(struct space *space, virt_t start, virt_t end)
{
	return space_detach(space, start, end, start, end);
}

int space_unmap_locked(struct space *space, virt_t start, virt_t end)
{
	struct run run = run_find(space->vmas, start, end);
	if (run.first == run.past)
		return 0;
	int err = hugetlb_is_cut(space->vmas, start, end) ? -EINVAL : vmas_own(&space->vmas, 1);
	if (err)
		return err;

	const struct vmas *vmas = space->vmas;
	if (count_without(vmas, run) > vmas->count && vmas->count >= vmas_max())
		return -ENOMEM;

	virt_t floor = run.cuts_first ? start : run.first ? vmas->at[run.first - 1].end : 0;
	virt_t ceiling = run.cuts_last ? end
		: run.past < vmas->count ? vmas->at[run.past].start : USER_END;
	struct hugetlb_promises unclaimed = hugetlb_promised_in(space, start, end);
	err = space_detach(space, start, end, floor, ceiling);
	if (!err) {
		space_remove_ranges(space, run.first, start, end);
		hugetlb_unpromise(space, unclaimed);
	}
	return err;
}

void space_remove_ranges(struct space *space, uint32_t first, virt_t start, virt_t end)
{
	struct vmas *vmas = space->vmas;
	uint32_t past = first;

	for (; past < vmas->count && vmas->at[past].start < end; past++) {
		const struct vma *vma = &vmas->at[past];
		uint64_t pages = (MIN(vma->end, end) - MAX(vma->start, start)) >> PAGE_SHIFT;
		space_account(space, vma->flags, -(int64_t)pages);
		if (vma->flags & VMA_ACCOUNTED)
			space_uncharge(space, pages);
	}
	vmas_remove(vmas, first, past, start, end);
	event(vma_unmap, space->mmu.id, start, end);
}

bool space_range_is_mapped(const struct space *space, virt_t start, virt_t end)
{
	const struct vmas *vmas = space->vmas;
	for (uint32_t i = vmas_search(vmas, start); start < end; i++) {
		if (i == vmas->count || vmas->at[i].start > start)
			return false;
		start = vmas->at[i].end;
	}
	return true;
}

int space_populate(struct space *space, virt_t addr, uint64_t len, enum access access)
{
	for (virt_t at = addr; at < addr + len; at += PAGE_SIZE) {
		int err = upcall_is_dying() ? -EINTR : fault_resolve(space, at, access);
		if (err)
			return err;
	}
	return 0;
}

/* Make the heap longer.  False: there is no room, or it may not be. */
static bool heap_grow(struct space *space, virt_t start, virt_t end) REQUIRES(space->lock)
{
	struct vma heap = {
		.start = start, .end = end, .prot = PROT_READ | PROT_WRITE,
		.flags = VMA_HEAP | VMA_MAYWRITE | VMA_ACCOUNTED | space->lock_future,
	};

	uint32_t i = vmas_search(space->vmas, start);
	bool is_free = i == space->vmas->count || space->vmas->at[i].start >= end;

	if (!is_free || space->vmas->count >= vmas_max() || vmas_own(&space->vmas, 1))
		return false;
	if (heap.flags & VMA_LOCKED && !space_may_lock(space, vma_pages(&heap)))
		return false;
	if (!space_may_grow(space, vma_pages(&heap)))
		return false;
	if (space_charge(space, vma_pages(&heap)))
		return false;
	space_account(space, heap.flags, (int64_t)vma_pages(&heap));
	vmas_insert_at(space->vmas, i, &heap);
	return true;
}

virt_t space_brk(struct space *space, virt_t brk)
{
	write_lock(&space->lock);
	virt_t old_end = page_ceil(space->brk), new_end = page_ceil(brk);
	bool is_done = false, is_locked = space->lock_future;

	if (brk < space->brk_start || brk > USER_END || !space->brk_start)
		is_done = false;
	else if (new_end <= old_end)
		is_done = new_end == old_end || !space_unmap_locked(space, new_end, old_end);
	else
		is_done = heap_grow(space, old_end, new_end);
	if (is_done)
		space->brk = brk;
	brk = space->brk;
	write_unlock(&space->lock);

	if (is_locked && old_end < new_end)
		(void)!space_populate_mlocked(space, old_end, new_end);
	return brk;
}

/* May range `i` begin at `start` instead of where it does now? */
static bool may_grow_down(const struct space *space, uint32_t i, virt_t start)
{
	const struct vma *stack = &space->vmas->at[i];
	virt_t below = i ? space->vmas->at[i - 1].end : 0;

	return stack->flags & VMA_GROWSDOWN && vma_is_anonymous(stack) && start >= MMAP_MIN_ADDR
	       && start >= below + STACK_GAP
	       && stack->end - start <= space->stack_room
	       && stack->end - start <= upcall_rlimit(RLIMIT_STACK);
}

/* The stack's range begins at `start` from now on. */
static int stack_extend(struct space *space, struct vma *stack, virt_t start) REQUIRES(space->lock)
{
	uint64_t more = (stack->start - start) >> PAGE_SHIFT;

	if (stack->flags & VMA_LOCKED && !space_may_lock(space, more))
		return -EFAULT;
	if (!space_may_grow(space, more))
		return -EFAULT;
	if (stack->flags & VMA_ACCOUNTED && space_charge(space, more))
		return -EFAULT;
	space_account(space, stack->flags, (int64_t)more);
	stack->start = start;
	return 0;
}

int space_grow_stack(struct space *space, virt_t addr)
{
	virt_t start = page_floor(addr);
	int err = -EFAULT;

	write_lock(&space->lock);
	uint32_t i = vmas_search(space->vmas, addr);
	if (i == space->vmas->count)
		goto out;
	if (space->vmas->at[i].start <= addr) {
		err = 0;                        /* another thread was here first */
		goto out;
	}
	if (!may_grow_down(space, i, start))
		goto out;
	err = vmas_own(&space->vmas, 0);
	if (err && vmas_bytes(space->vmas->count) > PAGE_SIZE)
		err = -EFAULT;                  /* for frames side by side one may wait for ever */
	if (!err)
		err = stack_extend(space, &space->vmas->at[i], start);
out:
	write_unlock(&space->lock);
	return err;
}
