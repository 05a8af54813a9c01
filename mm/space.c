/* SPDX-License-Identifier: MIT */
/*
 * mm/space.c - an address space: create, share at fork, destroy.
 *
 * Owns:   roots, and the list of all spaces.
 * Locks:  space->lock; the list under RANK_SPACES.
 *
 *   fork:   write-lock the parent -> share its root's entries -> shoot down -> take one more count
 *           on its ranges -> unlock.  The instant when the last CPU acknowledges is the snapshot:
 *           every other thread of the parent is either before it (its writes are in the child's
 *           memory) or blocked at its next write.
 *   exit:   nobody runs here any more, so nothing is shot down: put the root, then the ranges
 *           (views die before the objects they view).
 *
 * See:    mm/tree.c for what sharing is, section 4 of docs/COW.md.
 */
#include "mm/space.h"
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "kernel/event.h"
#include "kernel/panic.h"
#include "mm/cursor.h"
#include "mm/hugetlb_range.h"
#include "mm/mmap.h"
#include "mm/slab.h"
#include "mm/tree.h"

static int space_promise_child(struct space *child, struct space *parent);
static void space_inherit(struct space *child, struct space *parent);
static int space_share_tree(struct space *child, struct space *parent, enum fork_share share);
static int space_forget_unforkable(struct space *child);
static int space_forget_locks(struct space *child);
static int space_copy_everything(struct space *child);

static struct slab_cache space_cache;
static struct spinlock spaces_lock = SPINLOCK_INIT(RANK_SPACES);
static struct list spaces = LIST_INIT(spaces);
static uint32_t doomed;                 /* atomic */
static uint64_t space_count, next_space_id;

void spaces_start(void)
{
	slab_cache_init(&space_cache, "space", sizeof(struct space), 8);
	tree_start();
}

/* A space without ranges and pages, not on the list. */
static struct space *space_alloc(void)
{
	struct space *space = slab_alloc_zeroed(&space_cache);
	if (!space)
		return NULL;

	pfn_t root = table_alloc(PTE_LEVELS, &space->work);
	if (root == FRAME_NONE) {
		slab_free(&space_cache, space);
		return NULL;
	}
	root_init(root);
	space->mmu.root = root << PAGE_SHIFT;
	space->mmu.id = atomic_add_return_relaxed(&next_space_id, 1);
	space->users = 1;
	rwlock_init(&space->lock, RANK_SPACE);
	return space;
}

static void root_put(pfn_t root)
{
	root_clear(root);
	table_put(root, NULL);
}

/* One that never was on the list, nor had ranges. */
static void space_free(struct space *space)
{
	root_put(space->mmu.root >> PAGE_SHIFT);
	slab_free(&space_cache, space);
}

static void space_publish(struct space *space)
{
	spin_lock(&spaces_lock);
	list_push_back(&spaces, &space->all);
	space_count++;
	spin_unlock(&spaces_lock);
}

struct space *space_create(void)
{
	struct space *space = space_alloc();
	if (!space)
		return NULL;

	space->vmas = vmas_create(0);
	if (!space->vmas) {
		space_free(space);
		return NULL;
	}
	space_publish(space);
	event(space_create, space->mmu.id, 0, space->mmu.root >> PAGE_SHIFT);
	return space;
}

int space_fork(struct space *parent, struct space **out)
{
	struct space *child = space_alloc();
	if (!child)
		return -ENOMEM;

	enum fork_share share = atomic_load_relaxed(&options.fork_share);       /* may change */
	write_lock(&parent->lock);
	int err = space_promise_child(child, parent);
	if (err) {
		write_unlock(&parent->lock);
		space_free(child);
		return err;
	}
	err = space_share_tree(child, parent, share);
	space_flush(parent, 0, USER_END);               /* the snapshot instant */
	space_inherit(child, parent);
	/* whoever visits all spaces meets the parent later, or the child too */
	space_publish(child);
	write_unlock(&parent->lock);

	work_add(&parent->work, forks, 1);
	event(space_create, child->mmu.id, parent->mmu.id, child->mmu.root >> PAGE_SHIFT);
	if (!err)
		err = space_forget_locks(child);        /* first: locked memory cannot be wiped */
	if (!err)
		err = space_forget_unforkable(child);
	if (!err && share == FORK_SHARE_NONE)
		err = space_copy_everything(child);
	if (err) {
		space_put(child);
		return err;
	}
	*out = child;
	return 0;
}

/* The child may have to copy all that its parent was promised, and the tables for it.  Only where
 * promises are kept can it be refused: in mode 0 each part of the sum was asked for by itself. */
static int space_promise_child(struct space *child, struct space *parent)
	REQUIRES(parent->lock)
{
	uint64_t pages = parent->promised_pages, tables = 0;

	if (commit_mode() == COMMIT_NEVER) {
		tables = commit_tables(pages);
		int err = commit_charge(pages + tables, parent->mapped_pages);
		if (err)
			return err;
	} else {
		commit_take(pages);
	}
	child->promised_pages = pages;
	child->promised_tables = tables;
	return 0;
}

/* What fork copies besides the tree.  The ranges are shared: one count, whatever their number. */
static void space_inherit(struct space *child, struct space *parent)
{
	vmas_get(parent->vmas);
	child->vmas = parent->vmas;
	child->resident = child->resident_peak = atomic_load_relaxed(&parent->resident);
	child->mapped_pages = child->mapped_peak = parent->mapped_pages;
	child->locked_pages = parent->locked_pages;
	child->brk_start = parent->brk_start;
	child->brk = parent->brk;
	child->stack_top = parent->stack_top;
	child->stack_room = parent->stack_room;
	child->mmap_low = parent->mmap_low;
	child->mmap_high = parent->mmap_high;
	child->program = parent->program;
	child->is_exact = READ_ONCE(parent->is_exact);
}

static int space_share_tree(struct space *child, struct space *parent, enum fork_share share)
{
	static const int share_levels[] = {
		[FORK_SHARE_NONE] = 0,          /* then space_copy_everything() */
		[FORK_SHARE_PAGE] = 0,
		[FORK_SHARE_TABLE] = 1,
		[FORK_SHARE_DIR] = 2,
		[FORK_SHARE_ROOT] = 3,
	};
	return table_share(child->mmu.root >> PAGE_SHIFT, parent->mmu.root >> PAGE_SHIFT,
			   share_levels[share], true, &child->work);
}

/* MADV_DONTFORK ranges are not there for the child, MADV_WIPEONFORK ranges are empty.  Nobody runs
 * in the child yet; only who visits all spaces meets it. */
static int space_forget_unforkable(struct space *child)
{
	for (uint32_t i = 0; i < child->vmas->count; i++) {
		struct vma vma = child->vmas->at[i];
		int err = 0;
		if (vma.flags & VMA_DONTFORK) {
			err = space_unmap(child, vma.start, vma.end - vma.start);
			i--;
		} else if (vma.flags & VMA_WIPEONFORK) {
			err = space_advise(child, vma.start, vma.end - vma.start, MADV_DONTNEED);
		}
		if (err)
			return err;
	}
	return 0;
}

/* Locks are not inherited. */
static int space_forget_locks(struct space *child)
{
	if (!child->locked_pages)
		return 0;
	write_lock(&child->lock);
	int err = vmas_own(&child->vmas, 0);
	for (uint32_t i = 0; !err && i < child->vmas->count; i++)
		child->vmas->at[i].flags &= ~(VMA_LOCKED | VMA_LOCKONFAULT);
	if (!err) {
		vmas_merge(child->vmas, 0, child->vmas->count);
		child->locked_pages = 0;
	}
	write_unlock(&child->lock);
	return err;
}

struct copy_all {
	struct space *space;
	bool may_write;                 /* the range that is copied now */
	int err;
};

static void copy_leaf(const struct leaf_visit *leaf, void *argument) NO_LOCK_ANALYSIS;
static void copy_leaf(const struct leaf_visit *leaf, void *argument)
{
	struct copy_all *all = argument;
	if (all->err || pte_is_shared(leaf->leaf) || !pte_is_counted(leaf->leaf))
		return;
	if (pte_is_view(leaf->leaf))            /* the file's, until somebody writes */
		return;
	if (frames[pte_pfn(leaf->leaf)].kind == FRAME_HUGETLB)  /* may not be to be had */
		return;

	pfn_t fresh = frame_alloc(FRAME_DATA);
	struct cursor cursor;
	all->err = fresh == FRAME_NONE ? -ENOMEM : cursor_open(&cursor, all->space, leaf->addr);
	if (all->err) {
		if (fresh != FRAME_NONE)
			frame_put(fresh);
		return;
	}
	pte_t old = cursor_get(&cursor);
	page_copy(frame_bytes(fresh), frame_bytes(pte_pfn(old)));
	work_add(&all->space->work, frames_copied, 1);
	pte_t copy = pte_to_frame(fresh, pte_is_executable(old));
	if (pte_is_parked(old))
		copy = pte_park(copy);
	else if (all->may_write)
		copy = pte_with_write(copy);
	entry_store(cursor.slot, copy);         /* the child has never run: nothing to flush */
	gather_add(&cursor.gather, old, 1);
	cursor_close(&cursor);
}

/* fork_share=none: the naive fork of early Unix.  A program's own pages are copied at once,
 * while they cannot change: the parent's entries are read-only until somebody owns them. */
static int space_copy_everything(struct space *child)
{
	struct copy_all all = { .space = child };

	write_lock(&child->lock);
	for (uint32_t i = 0; i < child->vmas->count && !all.err; i++) {
		const struct vma *vma = &child->vmas->at[i];
		all.may_write = vma->prot & PROT_WRITE;
		if (vma_is_private(vma))
			cursor_for_each(child, vma->start, vma->end, copy_leaf, &all);
	}
	write_unlock(&child->lock);
	return all.err;
}

void space_get(struct space *space)
{
	jitter();
	atomic_inc(&space->users);
}

void space_put(struct space *space)
{
	jitter();
	if (!atomic_dec_and_test(&space->users))
		return;

	assert(atomic_load_relaxed(&space->mmu.cpus) == 0);
	spin_lock(&spaces_lock);
	list_remove(&space->all);
	space_count--;
	spin_unlock(&spaces_lock);
	event(space_destroy, space->mmu.id, space->mmu.root >> PAGE_SHIFT, 0);

	root_put(space->mmu.root >> PAGE_SHIFT);
	vmas_put(space->vmas);
	commit_uncharge(space->promised_pages + space->promised_tables);
	hugetlb_unpromise_all(space);
	if (unlikely(atomic_load_relaxed(&space->is_doomed)))
		atomic_dec(&doomed);
	slab_free(&space_cache, space);
}

void space_doom(struct space *space)
{
	if (!atomic_xchg(&space->is_doomed, true))
		atomic_inc(&doomed);
}

uint32_t spaces_doomed(void)
{
	return atomic_load_relaxed(&doomed);
}

void space_flush(struct space *space, virt_t start, virt_t end)
{
	work_add(&space->work, shootdowns, 1);
	if (end - start > TLB_RANGE_PAGES * PAGE_SIZE)
		tlb_flush_all(&space->mmu);
	else
		tlb_flush_range(&space->mmu, start, end);
}

void space_gather_finish(struct space *space, struct gather *gather, virt_t start, virt_t end)
{
	if (gather->must_flush)
		space_flush(space, start, end);
	gather->must_flush = false;
	if (gather->count)
		gather_put(gather, &space->work);
}

/*
 * The compact layout: program, heap, mappings and stack of an ordinary process share the first GiB,
 * so that it needs one directory, and each forked child that runs copies few tables.
 *
 *   0      4 MiB          128 MiB+        512 MiB                          1 GiB        128 TiB
 *   | none | ET_EXEC, heap | PIE, heap ...| mappings, downward ... | gap | stack | large ones |
 *
 * The gap is what the stack may grow to by its limit when the program starts, within bounds.
 */
#define STACK_ROOM_MIN ((uint64_t)(128 * MIB))
#define STACK_ROOM_MAX ((uint64_t)(256 * MIB))

void space_layout(struct space *space, uint64_t aslr, uint64_t stack_limit)
{
	uint64_t stack_shift = (aslr & 0x7ff) << PAGE_SHIFT;            /* up to 8 MiB */
	uint64_t mmap_shift = (aslr >> 11 & 0x3fff) << PAGE_SHIFT;      /* up to 64 MiB */
	uint64_t room = align_down(MIN(stack_limit, STACK_ROOM_MAX), PAGE_SIZE);

	space->stack_room = MAX(room, STACK_ROOM_MIN);
	space->stack_top = GIB - stack_shift;
	space->mmap_low = 512 * MIB;
	space->mmap_high = GIB - 8 * MIB - STACK_GAP - space->stack_room - mmap_shift;
}

void space_for_each(void (*visit)(struct space *space, void *argument), void *argument)
{
	struct space *held = NULL;

	spin_lock(&spaces_lock);
	struct list_node *node = spaces.head.next;
	while (node != &spaces.head) {
		struct space *space = list_entry(node, struct space, all);
		node = node->next;
		if (!atomic_inc_unless_zero(&space->users))
			continue;               /* on its way out */
		spin_unlock(&spaces_lock);
		if (held)
			space_put(held);
		visit(space, argument);
		held = space;
		spin_lock(&spaces_lock);
		node = space->all.next;
	}
	spin_unlock(&spaces_lock);
	if (held)
		space_put(held);
}

const struct list *spaces_freeze(void)
{
	spin_lock(&spaces_lock);
	return &spaces;
}

void spaces_thaw(void)
{
	spin_unlock(&spaces_lock);
}

uint64_t spaces_count(void)
{
	return atomic_load_relaxed(&space_count);
}
