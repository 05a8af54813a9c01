/* SPDX-License-Identifier: MIT */
/*
 * mm/vma.c - ranges in a sorted, counted, copy-on-write array.
 *
 * Owns:        arrays of ranges and the references they hold: one on each range's object and name.
 * Invariants:  sorted by address, no two overlap, start < end.  An array with more than one holder
 *              is constant.
 * Locks:       the space's, for writing, around every change.
 */
#include "mm/vma.h"
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "kernel/panic.h"
#include "mm/slab.h"

enum { VMAS_MIN_CAPACITY = 12 };

struct vma_name_ops vma_name_ops;
int64_t vmas_limit = VMA_MAX;

/* Who maps an object, and who may write it by that. */
static void vma_count(const struct vma *vma)
{
	atomic_inc(&vma->object->mapped);
	if (vma->flags & VMA_SHARED && vma->flags & VMA_MAYWRITE)
		atomic_inc(&vma->object->writers);
}

static void vma_uncount(const struct vma *vma)
{
	atomic_dec(&vma->object->mapped);
	if (vma->flags & VMA_SHARED && vma->flags & VMA_MAYWRITE)
		atomic_dec(&vma->object->writers);
}

static void vma_get(const struct vma *vma)
{
	if (vma->object) {
		object_get(vma->object);
		vma_count(vma);
	}
	if (vma->name)
		vma_name_ops.get(vma->name);
}

static void vma_put(const struct vma *vma)
{
	if (vma->object) {
		vma_uncount(vma);
		object_put(vma->object);
	}
	if (vma->name)
		vma_name_ops.put(vma->name);
}

struct vmas *vmas_create(uint32_t capacity)
{
	capacity = MAX(capacity, (uint32_t)VMAS_MIN_CAPACITY);
	struct vmas *vmas = kmalloc(vmas_bytes(capacity));
	if (!vmas)
		return NULL;
	vmas->refs = 1;
	vmas->count = 0;
	vmas->capacity = capacity;
	vmas->has_hugetlb = false;
	return vmas;
}

void vmas_get(struct vmas *vmas)
{
	jitter();
	atomic_inc(&vmas->refs);
}

void vmas_put(struct vmas *vmas)
{
	jitter();
	if (!atomic_dec_and_test(&vmas->refs))
		return;
	for (uint32_t i = 0; i < vmas->count; i++)
		vma_put(&vmas->at[i]);
	kfree(vmas);
}

uint32_t vmas_search(const struct vmas *vmas, virt_t addr)
{
	uint32_t low = 0, high = vmas->count;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (vmas->at[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct vma *vma_find(const struct vmas *vmas, virt_t addr)
{
	uint32_t i = vmas_search(vmas, addr);
	if (i == vmas->count || vmas->at[i].start > addr)
		return NULL;
	return (struct vma *)&vmas->at[i];
}

struct vma *vma_find_anew(const struct vmas *vmas, virt_t addr, uint32_t *guess)
{
	struct vma *vma = vma_find(vmas, addr);

	if (vma)
		WRITE_ONCE(*guess, vma - vmas->at);
	return vma;
}

int vmas_replace(struct vmas **vmas, uint32_t room)
{
	struct vmas *old = *vmas;
	uint32_t need = old->count + room;
	bool is_mine = atomic_load_acquire(&old->refs) == 1;

	/* Half as much again as it needs, but not beyond what there can ever be: kmalloc() has an
	 * end, too.  A shared array that need not grow is copied at most as large as it is. */
	uint32_t grown = MIN(need + need / 2, MAX(need, vmas_max()));
	uint32_t capacity = need <= old->capacity ? MIN(old->capacity, grown) : grown;
	struct vmas *new = vmas_create(capacity);
	if (!new && capacity > need)
		new = vmas_create(need);
	if (!new)
		return -ENOMEM;
	memcpy(new->at, old->at, old->count * sizeof(struct vma));
	new->count = old->count;
	new->has_hugetlb = old->has_hugetlb;
	*vmas = new;
	if (is_mine) {
		kfree(old);             /* its references moved */
		return 0;
	}
	for (uint32_t i = 0; i < new->count; i++)
		vma_get(&new->at[i]);
	vmas_put(old);
	return 0;
}

/* May b follow a in one range? */
static inline bool vma_continues(const struct vma *a, const struct vma *b)
{
	if (a->end != b->start || a->prot != b->prot || a->flags != b->flags)
		return false;
	if (a->object != b->object || a->name != b->name)
		return false;
	return !a->object || a->offset + (a->end - a->start) == b->offset;
}

static void vmas_close_gap(struct vmas *vmas, uint32_t at, uint32_t removed)
{
	memmove(&vmas->at[at], &vmas->at[at + removed],
		(vmas->count - at - removed) * sizeof(struct vma));
	vmas->count -= removed;
}

/* If at[i] and at[i + 1] can be one, make them one. */
static bool vmas_join(struct vmas *vmas, uint32_t i)
{
	if (i + 1 >= vmas->count || !vma_continues(&vmas->at[i], &vmas->at[i + 1]))
		return false;
	vma_put(&vmas->at[i + 1]);
	vmas->at[i].end = vmas->at[i + 1].end;
	vmas_close_gap(vmas, i + 1, 1);
	return true;
}

void vmas_insert_at(struct vmas *vmas, uint32_t i, const struct vma *vma)
{
	assert(vmas->refs == 1 && vmas->count < vmas->capacity && vma->start < vma->end);
	assert(i == vmas->count || vma->end <= vmas->at[i].start);
	assert(!i || vmas->at[i - 1].end <= vma->start);

	if (vma->object)
		vma_count(vma);
	vmas->has_hugetlb |= (vma->flags & VMA_HUGETLB) != 0;
	if (i && vma_continues(&vmas->at[i - 1], vma)) {
		vmas->at[i - 1].end = vma->end;
		vma_put(vma);
		vmas_join(vmas, i - 1);
	} else if (i < vmas->count && vma_continues(vma, &vmas->at[i])) {
		vmas->at[i].start = vma->start;
		vmas->at[i].offset = vma->offset;
		vma_put(vma);
	} else {
		memmove(&vmas->at[i + 1], &vmas->at[i], (vmas->count - i) * sizeof(struct vma));
		vmas->at[i] = *vma;
		vmas->count++;
	}
}

/* The range loses what is below addr. */
static void vma_begin_at(struct vma *vma, virt_t addr)
{
	if (vma->object)
		vma->offset += addr - vma->start;
	vma->start = addr;
}

void vmas_cut(struct vmas *vmas, uint32_t i, virt_t addr)
{
	assert(vmas->refs == 1 && vmas->count < vmas->capacity);
	memmove(&vmas->at[i + 1], &vmas->at[i], (vmas->count - i) * sizeof(struct vma));
	vmas->count++;
	vma_get(&vmas->at[i + 1]);
	vmas->at[i].end = addr;
	vma_begin_at(&vmas->at[i + 1], addr);
}

bool vmas_has_room_for_cuts(const struct vmas *vmas, virt_t start, virt_t end)
{
	uint32_t first = vmas_search(vmas, start), last = vmas_search(vmas, end);
	bool cuts_first = first < vmas->count && vmas->at[first].start < start;
	bool cuts_last = last < vmas->count && vmas->at[last].start < end;
	uint32_t more = cuts_first + cuts_last;

	return !more || vmas->count + more <= vmas_max();
}

void vmas_remove(struct vmas *vmas, uint32_t from, uint32_t to, virt_t start, virt_t end)
{
	assert(vmas->refs == 1 && from < to && to <= vmas->count);
	if (vmas->at[from].start < start) {
		if (vmas->at[from].end > end)
			vmas_cut(vmas, from, end);
		vmas->at[from++].end = start;
	}
	if (from < to && vmas->at[to - 1].end > end)
		vma_begin_at(&vmas->at[--to], end);
	for (uint32_t i = from; i < to; i++)
		vma_put(&vmas->at[i]);
	if (from < to)
		vmas_close_gap(vmas, from, to - from);
}

void vmas_merge(struct vmas *vmas, uint32_t from, uint32_t to)
{
	uint32_t first = from ? from - 1 : 0;

	for (uint32_t i = to; i-- > first;)
		(void)vmas_join(vmas, i);
}

struct vma_place vmas_find_gap(
	const struct vmas *vmas, uint64_t len, uint64_t align, virt_t low, virt_t high)
{
	if (len > high - low)
		return (struct vma_place){ 0 };

	uint32_t i = vmas_search(vmas, high - 1);
	if (i < vmas->count && vmas->at[i].start < high)
		high = vmas->at[i].start;       /* `high` lies inside a range */
	for (;;) {
		virt_t floor = i ? MAX(low, vmas->at[i - 1].end) : low;
		if (high > floor && high - floor >= len) {
			virt_t at = align_down(high - len, align);
			if (at >= floor)
				return (struct vma_place){ at, i };
		}
		if (!i || vmas->at[i - 1].start <= low)
			return (struct vma_place){ 0 };
		high = vmas->at[--i].start;
	}
}
