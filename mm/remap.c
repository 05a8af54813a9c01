/* SPDX-License-Identifier: MIT */
/*
 * mm/remap.c - mremap: grow, shrink, move entries, never bytes.
 *
 * Tables do not know their address, so where source and target are congruent modulo 2 MiB a whole
 * table moves as one entry, even a shared one.  The old place is flushed before an entry appears at
 * the new one: a thread with an old translation could otherwise write to a page that is already the
 * new place's, or no longer anybody's.
 *
 * Locks: the space's, for writing.
 */
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "mm/cursor.h"
#include "mm/mmap.h"

enum { MOVE_BATCH = 16 };

struct move {
	struct space *space;
	virt_t from, to;
	uint64_t len;
	struct gather gather;
};

static int remap_move(struct space *space, virt_t old, uint64_t old_len, uint64_t new_len,
		      uint32_t flags, virt_t *addr) REQUIRES(space->lock);

/* The level whose entries can move as a whole at this place. */
static int move_level(const struct move *move, uint64_t at)
{
	uint64_t span = pte_span(2);
	bool is_congruent = is_aligned((move->from + at) | (move->to + at), span);
	return is_congruent && move->len - at >= span ? 2 : 1;
}

/* How far until there can be an entry again, if the source has no table at `at`: 0 if it has. */
static uint64_t move_hole(const struct move *move, uint64_t at)
{
	pfn_t table = move->space->mmu.root >> PAGE_SHIFT;
	virt_t addr = move->from + at;

	for (int level = PTE_LEVELS; level > 1; level--) {
		pte_t entry = pte_load(&frame_entries(table)[pte_index(addr, level)]);
		if (pte_is_none(entry))
			return align_up(addr + 1, pte_span(level)) - addr;
		if (pte_is_huge(entry))
			return 0;
		table = pte_pfn(entry);
	}
	return 0;
}

/* Own both paths everywhere there is something to move. */
static int move_prepare(struct move *move) NO_LOCK_ANALYSIS /* move->space's, by the caller */
{
	uint64_t step;
	for (uint64_t at = 0; at < move->len; at += step) {
		step = move_hole(move, at);
		if (step)
			continue;
		int level = move_level(move, at);
		if (move->gather.count + 2 * PTE_LEVELS > GATHER_MAX)
			space_gather_finish(
				move->space, &move->gather, move->from, move->from + move->len);
		if (!cursor_path(move->space, move->from + at, level, &move->gather)
		    || !cursor_path(move->space, move->to + at, level, &move->gather))
			return -ENOMEM;
		step = pte_span(level);
		if (level == 1) {       /* the rest of both tables is owned by now */
			virt_t from = move->from + at, to = move->to + at;
			uint64_t span = pte_span(2);
			step = MIN(span - from % span, span - to % span);
		}
	}
	return 0;
}

/* Everything on the way is owned: just walk. */
static pte_t *owned_slot(const struct move *move, virt_t addr, int to_level)
{
	pfn_t table = move->space->mmu.root >> PAGE_SHIFT;
	for (int level = PTE_LEVELS; level > to_level; level--)
		table = pte_pfn(pte_load(&frame_entries(table)[pte_index(addr, level)]));
	return &frame_entries(table)[pte_index(addr, to_level)];
}

static void move_commit(struct move *move)
{
	struct { pte_t entry, *to; int level; } batch[MOVE_BATCH];
	uint64_t at = 0, step;

	while (at < move->len) {
		unsigned count = 0;
		for (; at < move->len && count < MOVE_BATCH; at += step) {
			step = move_hole(move, at);
			if (step)
				continue;
			int level = move_level(move, at);
			step = pte_span(level);
			pte_t *from = owned_slot(move, move->from + at, level);
			pte_t entry = pte_load(from);
			if (pte_is_none(entry))
				continue;
			entry_store(from, PTE_NONE);
			batch[count].entry = entry;
			batch[count].level = level;
			batch[count++].to = owned_slot(move, move->to + at, level);
		}
		if (!count)
			continue;
		space_flush(move->space, move->from, move->from + move->len);
		for (unsigned i = 0; i < count; i++) {
			pte_t empty = pte_load(batch[i].to);
			entry_store(batch[i].to, batch[i].entry);
			if (pte_is_none(empty))
				continue;
			/* a table without pages */
			gather_add(&move->gather, empty, batch[i].level);
			move->gather.must_flush = true;
		}
		space_gather_finish(move->space, &move->gather, move->to, move->to + move->len);
	}
}

/* What can be said without a look at what is there: -EINVAL, -EFAULT, -EPERM. */
static int remap_check_numbers(
	virt_t old, uint64_t old_len, uint64_t new_len, uint32_t flags, virt_t addr)
{
	virt_t end;
	if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP) || !new_len)
		return -EINVAL;
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) && !(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if (flags & MREMAP_DONTUNMAP && old_len != new_len)
		return -EINVAL;
	if (!is_aligned(old, PAGE_SIZE))
		return -EINVAL;
	if (!(flags & MREMAP_FIXED))
		return 0;
	if (range_check(addr, new_len, &end) || (addr < old + old_len && old < end))
		return -EINVAL;
	if (addr == old)                        /* of length 0: it would be unmapped first */
		return -EFAULT;
	return addr < MMAP_MIN_ADDR ? -EPERM : 0;
}

static int remap_check(
	struct space *space, virt_t old, uint64_t old_len, uint64_t new_len, uint32_t flags)
{
	virt_t end;
	const struct vma *vma = vma_find(space->vmas, old);
	bool is_cut = new_len <= old_len && !(flags & (MREMAP_FIXED | MREMAP_DONTUNMAP));
	if (range_check(old, old_len, &end) || !vma || (vma->end < end && !is_cut))
		return -EFAULT;
	/* Nothing of the old range: a second view, of what can have two. */
	if (!old_len && vma_is_private(vma))
		return -EINVAL;
	if (vma->flags & VMA_HUGETLB && (new_len > old_len || flags & ~MREMAP_MAYMOVE))
		return -EINVAL;
	uint64_t offset = vma->offset + (old - vma->start);
	return !vma_is_anonymous(vma) && offset + new_len < offset ? -EINVAL : 0;
}

/* Pages that the space has more when all is done. */
static uint64_t remap_growth(uint64_t old_len, uint64_t new_len, uint32_t flags)
{
	uint64_t kept = flags & MREMAP_DONTUNMAP ? 0 : old_len;

	return new_len > kept ? (new_len - kept) >> PAGE_SHIFT : 0;
}

/* And those that are promised, of them. */
static uint64_t remap_promise(
	const struct vma *vma, uint64_t old_len, uint64_t new_len, uint32_t flags)
{
	return vma->flags & VMA_ACCOUNTED ? remap_growth(old_len, new_len, flags) : 0;
}

/* May it?  Then what it takes is promised.  -EAGAIN: so much cannot be locked.  -ENOMEM. */
static int remap_allow(struct space *space, const struct vma *vma, uint64_t old_len,
		       uint64_t new_len, uint32_t flags) REQUIRES(space->lock)
{
	if (vma->flags & VMA_LOCKED && new_len > old_len
	    && !space_may_lock(space, (new_len - old_len) >> PAGE_SHIFT))
		return -EAGAIN;
	uint64_t growth = remap_growth(old_len, new_len, flags);
	if (growth && !space_may_grow(space, growth))
		return -ENOMEM;
	return space_charge(space, remap_promise(vma, old_len, new_len, flags));
}

/* Make the range longer where it stands.  False: there is no room. */
static bool remap_grow(struct space *space, virt_t old_end, uint64_t more) REQUIRES(space->lock)
{
	struct vma *vma = vma_find(space->vmas, old_end - 1);
	if (vma->end != old_end || more > USER_END - old_end
	    || !vmas_find_gap(space->vmas, more, PAGE_SIZE, old_end, old_end + more).start
	    || vmas_own(&space->vmas, 0))
		return false;

	vma = vma_find(space->vmas, old_end - 1);
	vma->end += more;
	space_account(space, vma->flags, (int64_t)(more >> PAGE_SHIFT));
	uint32_t grown = vma - space->vmas->at;
	vmas_merge(space->vmas, grown, grown + 1);
	return true;
}

/* All checked and promised: do it. */
static int remap_do(struct space *space, virt_t old, uint64_t old_len, uint64_t new_len,
		    uint32_t flags, virt_t *addr) REQUIRES(space->lock)
{
	int err = 0;

	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
		err = remap_move(space, old, old_len, new_len, flags, addr);
	} else if (new_len <= old_len) {
		if (new_len < old_len)
			err = space_unmap_locked(space, old + new_len, old + old_len);
		*addr = old;
	} else if (old_len && remap_grow(space, old + old_len, new_len - old_len)) {
		*addr = old;
	} else if (flags & MREMAP_MAYMOVE) {
		*addr = 0;
		err = remap_move(space, old, old_len, new_len, flags, addr);
	} else {
		err = -ENOMEM;
	}
	return err;
}

int space_remap(struct space *space, virt_t old, uint64_t old_len, uint64_t new_len, uint32_t flags,
		virt_t *addr)
{
	if (old_len > USER_END || new_len > USER_END)
		return -EINVAL;
	old_len = page_ceil(old_len);
	new_len = page_ceil(new_len);
	int err = remap_check_numbers(old, old_len, new_len, flags, *addr);
	if (err)
		return err;

	write_lock(&space->lock);
	bool is_locked = false;
	err = remap_check(space, old, old_len, new_len, flags);
	if (!err) {
		const struct vma vma = *vma_find(space->vmas, old);
		is_locked = vma.flags & VMA_LOCKED;
		err = remap_allow(space, &vma, old_len, new_len, flags);
		if (!err) {
			err = remap_do(space, old, old_len, new_len, flags, addr);
			if (err)
				space_uncharge(space, remap_promise(&vma, old_len, new_len, flags));
		}
	}
	write_unlock(&space->lock);

	if (!err && is_locked && new_len > old_len)
		(void)!space_populate_mlocked(space, *addr + old_len, *addr + new_len);
	return err;
}

/* Where it goes: the caller's choice, which is to be made free, or a gap. */
static int remap_place(struct space *space, uint64_t new_len, uint32_t flags, virt_t *addr)
	REQUIRES(space->lock)
{
	if (flags & MREMAP_FIXED)
		return 0;
	*addr = space_find_place(space, 0, new_len, PAGE_SIZE).start;
	return *addr ? 0 : -ENOMEM;
}

/* The range at `old` as it will stand at `new`, with references of its own. */
static struct vma range_moved(struct space *space, virt_t old, virt_t new, uint64_t new_len)
	REQUIRES(space->lock)
{
	struct vma moved = *vma_find(space->vmas, old);

	if (moved.object) {
		moved.offset += old - moved.start;
		object_get(moved.object);
	}
	if (moved.name)
		vma_name_ops.get(moved.name);
	moved.start = new;
	moved.end = new + new_len;
	return moved;
}

static int remap_move(struct space *space, virt_t old, uint64_t old_len, uint64_t new_len,
		      uint32_t flags, virt_t *addr)
{
	int err = remap_place(space, new_len, flags, addr);
	/* A tail or a hole, the new range, two cuts to unlock the old one. */
	if (!err && space->vmas->count + 4 > vmas_max())
		err = -ENOMEM;
	if (!err)
		err = vmas_own(&space->vmas, 6);
	if (!err && new_len < old_len)
		err = space_unmap_locked(space, old + new_len, old + old_len);
	if (!err && flags & MREMAP_FIXED)
		err = space_unmap_locked(space, *addr, *addr + new_len);
	if (err)
		return err;
	old_len = MIN(old_len, new_len);

	struct move move = { .space = space, .from = old, .to = *addr, .len = old_len };
	gather_init(&move.gather);
	err = move_prepare(&move);
	space_gather_finish(space, &move.gather, old, old + old_len);
	if (err)
		return err;

	struct vma moved = range_moved(space, old, *addr, new_len);
	move_commit(&move);
	space_account(space, moved.flags, (int64_t)vma_pages(&moved));
	uint64_t still_old = vma_promise(&moved) - remap_promise(&moved, old_len, new_len, flags);
	commit_take(still_old);
	space->promised_pages += still_old;
	vmas_insert(space->vmas, &moved);
	if (!(flags & MREMAP_DONTUNMAP) && old_len)
		space_remove_ranges(space, vmas_search(space->vmas, old), old, old + old_len);
	else if (flags & MREMAP_DONTUNMAP && moved.flags & VMA_LOCKED)
		space_mark_mlocked(space, old, old + old_len, 0);
	return 0;
}
