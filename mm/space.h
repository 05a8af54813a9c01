/* SPDX-License-Identifier: MIT */
/*
 * mm/space.h - an address space: create, share at fork, destroy.
 *
 * Owns: a root table, the array of ranges, totals.
 * Locks: `lock` for writing by whoever changes ranges, takes entries away or forks; for reading by
 *   faults and readers.  Order: space -> object -> table -> frame (kernel/spinlock.h).  Two spaces'
 *   locks are never held at once: fork's child is private until published.
 * Invariants: the root is always owned; its entries with the write bit name tables of this space
 *   alone; effective rights of a page never exceed its range's.
 */
#pragma once

#include "lib/list.h"
#include "lib/types.h"
#include "kernel/mutex.h"
#include "kernel/options.h"
#include "kernel/panic.h"
#include "mm/commit.h"
#include "mm/counters.h"
#include "mm/mmu.h"
#include "mm/vma.h"

/* Where the program's parts lie: for /proc/PID/{auxv,cmdline,environ,stat}. */
struct program {
	virt_t code_start, code_end, data_start, data_end;
	virt_t args_start, args_end, env_start, env_end;
	virt_t auxv_start, auxv_end;
};

struct space {
	struct mmu_context mmu;
	struct rwlock lock;
	uint32_t users;                 /* atomic: tasks, and transient users */
	struct vmas *vmas;              /* [lock] */
	uint32_t fault_range;           /* a guess: which of them the next fault is in */
	uint64_t ahead;                 /* atomic; a guess, too: mm/ahead.h */
	int64_t resident;               /* atomic: RSS, pages */
	int64_t resident_peak;          /* atomic: VmHWM, pages; sampled when it may fall */
	uint64_t mapped_pages;          /* [lock] VmSize */
	uint64_t mapped_peak;           /* [lock] VmPeak */
	uint64_t promised_pages;        /* [lock] in accounted ranges, see mm/commit.h */
	uint64_t promised_huge[2];      /* atomic: of 2 MiB, of 1 GiB; see mm/hugetlb_range.h */
	uint64_t promised_tables;       /* constant: what the fork that made it may still copy */
	uint64_t locked_pages;          /* [lock] in locked ranges */
	uint32_t lock_future;           /* [lock] flags of new ranges: VMA_LOCKED... or 0 */
	virt_t brk_start, brk;          /* [lock] */
	virt_t stack_top;               /* constant after exec */
	/* constant after exec: the compact window, see space_layout() */
	virt_t mmap_low, mmap_high;
	struct program program;         /* constant after exec */
	uint64_t stack_room;            /* [lock] bytes its place has; RLIMIT_STACK may be less */
	struct work_counts work;
	bool is_doomed;                 /* atomic: see space_doom() */
	bool is_exact;                  /* atomic: PR_SET_THP_DISABLE, one page for one touch */
	struct list_node all;           /* [RANK_SPACES] */
};

/* Once at boot, after slabs. */
void spaces_start(void);

/* An empty space with one user.  NULL: no memory. */
struct space *space_create(void);

/* A copy-on-write copy, with one user, on the list of spaces, run by nobody.  Returns after the
 * shootdown: the snapshot instant.  fork_share (options) says from which level on entries are
 * shared.  -ENOMEM. */
MUST_CHECK int space_fork(struct space *parent, struct space **child);

void space_get(struct space *space);
/* the last user frees everything; may sleep; not loaded anywhere */
void space_put(struct space *space);

/* Who lives in it was killed for lack of memory.  spaces_doomed(): how many of these have not given
 * back all of theirs. */
void space_doom(struct space *space);
uint32_t spaces_doomed(void);

/* What a stack that grows leaves free below it. */
#define STACK_GAP (256 * PAGE_SIZE)

/* Choose where stack, heap and mappings of a new program go; aslr is random bits, 0 for none. */
void space_layout(struct space *space, uint64_t aslr, uint64_t stack_limit);

static inline void space_count_resident(struct space *space, int64_t pages)
{
	(void)atomic_fetch_add_relaxed(&space->resident, pages);
}

/* The most pages it ever had: now, or when it last shrank. */
static inline int64_t space_resident_peak(const struct space *space)
{
	int64_t now = atomic_load_relaxed(&space->resident);
	int64_t peak = atomic_load_relaxed(&space->resident_peak);

	return MAX(now, peak);
}

/* Shoot down [start, end) on every CPU that runs in the space; counted and traced. */
void space_flush(struct space *space, virt_t start, virt_t end);

static inline void space_flush_page(struct space *space, virt_t addr)
{
	work_add(&space->work, shootdowns, 1);
	tlb_flush_page(&space->mmu, addr);
}

/* Shoot down what the gather speaks of in [start, end), then put it. */
struct gather;
void space_gather_finish(struct space *space, struct gather *gather, virt_t start, virt_t end);

/* The list of all spaces, kept as it is until spaces_thaw(): for audit(). */
const struct list *spaces_freeze(void) NO_LOCK_ANALYSIS;
void spaces_thaw(void) NO_LOCK_ANALYSIS;

/* Every space, with its users raised during the call. */
void space_for_each(void (*visit)(struct space *space, void *argument), void *argument);
uint64_t spaces_count(void);

/* Promise memory for `pages` more of a space's ranges; -ENOMEM: refused.  And back. */
MUST_CHECK static inline int space_charge(struct space *space, uint64_t pages)
	REQUIRES(space->lock);
static inline void space_uncharge(struct space *space, uint64_t pages) REQUIRES(space->lock);

static inline int space_charge(struct space *space, uint64_t pages)
{
	int err = pages ? commit_charge(pages, space->mapped_pages) : 0;

	if (!err)
		space->promised_pages += pages;
	return err;
}

static inline void space_uncharge(struct space *space, uint64_t pages)
{
	assert(space->promised_pages >= pages);
	space->promised_pages -= pages;
	if (pages)
		commit_uncharge(pages);
}
