/* SPDX-License-Identifier: MIT */
/*
 * mm/hugetlb.c - huge pages set aside for MAP_HUGETLB.
 *
 * Owns:        the pools.  The links of a free page lie in its own first bytes.
 * Invariants:  H1  reserved <= free <= total, and surplus <= total.
 *              H2  once a call has returned, a pool with surplus pages has no free page that is
 *                  promised to nobody.
 *              H3  a free page is a block of kind HUGETLB that nobody holds.
 * Locks:       a pool's `lock` for its counts and list; pages come from the frame allocator and go
 *              there without it.  `size_lock` around each change of size.
 */
#include "mm/hugetlb.h"
#include "lib/abi/errno.h"
#include "lib/atomic.h"
#include "lib/list.h"
#include "arch/x86_64/cpu.h"
#include "kernel/mutex.h"
#include "kernel/options.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/sched.h"
#include "kernel/spinlock.h"
#include "mm/mmu.h"

struct pool {
	struct spinlock lock;           /* RANK_HUGETLB */
	int level;                      /* constant */
	struct list pages;              /* [lock] the free ones */
	struct hugetlb_counts counts;   /* [lock] */
	uint64_t overcommit;            /* atomic: how many may be surplus because of promises */
};

static struct pool pools[] = {
	{ .lock = SPINLOCK_INIT(RANK_HUGETLB), .level = 2, .pages = LIST_INIT(pools[0].pages) },
	{ .lock = SPINLOCK_INIT(RANK_HUGETLB), .level = 3, .pages = LIST_INIT(pools[1].pages) },
};
static struct mutex size_lock;          /* RANK_HUGETLB_SIZE */

static_assert(COUNT(pools) == HUGETLB_LEVEL_MAX - HUGETLB_LEVEL_MIN + 1, "a pool for each level");

static void pool_start(struct pool *pool);
static uint64_t pool_resize(struct pool *pool, uint64_t pages);
static uint64_t surplus_adopt(struct pool *pool, uint64_t pages);
static bool pool_grow(struct pool *pool);
static void pool_shrink(struct pool *pool, uint64_t pages);
static bool surplus_grow(struct pool *pool);
static void surplus_shrink(struct pool *pool);
static int reserve_once(struct pool *pool, uint64_t pages);
static pfn_t take_once(struct pool *pool, bool is_reserved);
static pfn_t page_new(int level);
static void page_shelve(struct pool *pool, pfn_t page) REQUIRES(pool->lock);
static pfn_t page_unshelve(struct pool *pool) REQUIRES(pool->lock);

static struct pool *pool_of(int level)
{
	assert(level >= HUGETLB_LEVEL_MIN && level <= HUGETLB_LEVEL_MAX);
	return &pools[level - HUGETLB_LEVEL_MIN];
}

/* The size it was asked to have, or came to. */
static uint64_t size_of(const struct pool *pool) REQUIRES(pool->lock)
{
	return pool->counts.total - pool->counts.surplus;
}

static uint64_t unpromised(const struct pool *pool) REQUIRES(pool->lock)
{
	return pool->counts.free - pool->counts.reserved;
}

/* ---- sizes ---------------------------------------------------------------------------------- */

/* Nobody else is there yet: no lock is needed.  The largest first, while memory is whole. */
void hugetlb_start(void)
{
	mutex_init(&size_lock, RANK_HUGETLB_SIZE);
	for (int level = HUGETLB_LEVEL_MAX; level >= HUGETLB_LEVEL_MIN; level--)
		pool_start(pool_of(level));
}

static void pool_start(struct pool *pool)
{
	uint64_t wanted = options.hugepages[pool->level - HUGETLB_LEVEL_MIN];
	uint64_t mib = hugetlb_page_frames(pool->level) * PAGE_SIZE / MIB;

	if (!wanted)
		return;
	if (!hugetlb_has_level(pool->level))
		log_warn("huge pages: this processor has none of %lu MiB", mib);
	else
		log_info("huge pages: %lu of %lu with %lu MiB each", pool_resize(pool, wanted),
			 wanted, mib);
}

bool hugetlb_has_level(int level)
{
	return level == HUGETLB_LEVEL_MIN || (level == HUGETLB_LEVEL_MAX && cpu_features.page_1g);
}

int hugetlb_default_level(void)
{
	int level = HUGETLB_LEVEL_MIN + (int)options.default_hugepagesz;

	return hugetlb_has_level(level) ? level : (int)HUGETLB_LEVEL_MIN;
}

uint64_t hugetlb_resize(int level, uint64_t pages)
{
	uint64_t size;

	if (!hugetlb_has_level(level))
		return 0;
	mutex_lock(&size_lock);
	size = pool_resize(pool_of(level), pages);
	mutex_unlock(&size_lock);
	return size;
}

static uint64_t pool_resize(struct pool *pool, uint64_t pages)
{
	uint64_t size = surplus_adopt(pool, pages);

	while (size++ < pages && pool_grow(pool))
		reschedule_point();
	pool_shrink(pool, pages);
	surplus_shrink(pool);
	spin_lock(&pool->lock);
	size = size_of(pool);
	spin_unlock(&pool->lock);
	return size;
}

/* What is there already, only not asked for until now.  Returns the size with it. */
static uint64_t surplus_adopt(struct pool *pool, uint64_t pages)
{
	uint64_t size;

	spin_lock(&pool->lock);
	if (pages > size_of(pool))
		pool->counts.surplus -= MIN(pool->counts.surplus, pages - size_of(pool));
	size = size_of(pool);
	spin_unlock(&pool->lock);
	return size;
}

/* One page more.  False: no memory. */
static bool pool_grow(struct pool *pool)
{
	pfn_t page = page_new(pool->level);

	if (page == FRAME_NONE)
		return false;
	spin_lock(&pool->lock);
	page_shelve(pool, page);
	pool->counts.total++;
	spin_unlock(&pool->lock);
	return true;
}

/* What is free and unpromised goes; the rest that is too much is surplus from now on. */
static void pool_shrink(struct pool *pool, uint64_t pages)
{
	pfn_t page;

	do {
		page = FRAME_NONE;
		spin_lock(&pool->lock);
		if (size_of(pool) > pages && unpromised(pool) > 0) {
			page = page_unshelve(pool);
			pool->counts.total--;
		} else if (size_of(pool) > pages) {
			pool->counts.surplus = pool->counts.total - pages;
		}
		spin_unlock(&pool->lock);
		if (page != FRAME_NONE)
			frame_free_huge(page, pool->level);
	} while (page != FRAME_NONE);
}

/* ---- surplus pages -------------------------------------------------------------------------- */

uint64_t hugetlb_overcommit(int level)
{
	return READ_ONCE(pool_of(level)->overcommit);
}

int hugetlb_set_overcommit(int level, uint64_t pages)
{
	if (level != HUGETLB_LEVEL_MIN)
		return -EINVAL;
	WRITE_ONCE(pool_of(level)->overcommit, pages);
	return 0;
}

/* One page more than was asked for.  False: there may not be, or there is no memory. */
static bool surplus_grow(struct pool *pool)
{
	bool is_wanted;
	pfn_t page;

	if (READ_ONCE(pool->counts.surplus) >= READ_ONCE(pool->overcommit))
		return false;
	page = page_new(pool->level);
	if (page == FRAME_NONE)
		return false;
	spin_lock(&pool->lock);
	is_wanted = pool->counts.surplus < READ_ONCE(pool->overcommit);
	if (is_wanted) {
		page_shelve(pool, page);
		pool->counts.total++;
		pool->counts.surplus++;
	}
	spin_unlock(&pool->lock);
	if (!is_wanted)
		frame_free_huge(page, pool->level);
	return is_wanted;
}

/* H2 */
static void surplus_shrink(struct pool *pool)
{
	pfn_t page;

	do {
		page = FRAME_NONE;
		spin_lock(&pool->lock);
		if (pool->counts.surplus > 0 && unpromised(pool) > 0) {
			page = page_unshelve(pool);
			pool->counts.total--;
			pool->counts.surplus--;
		}
		spin_unlock(&pool->lock);
		if (page != FRAME_NONE)
			frame_free_huge(page, pool->level);
	} while (page != FRAME_NONE);
}

/* ---- promises ------------------------------------------------------------------------------- */

int hugetlb_reserve(int level, uint64_t pages)
{
	struct pool *pool = pool_of(level);
	int err;

	do
		err = reserve_once(pool, pages);
	while (err == -EAGAIN && surplus_grow(pool));
	surplus_shrink(pool);
	return err ? -ENOMEM : 0;
}

/* -EAGAIN: it takes surplus pages, and there may be so many. */
static int reserve_once(struct pool *pool, uint64_t pages)
{
	uint64_t overcommit = READ_ONCE(pool->overcommit);
	int err = 0;

	spin_lock(&pool->lock);
	if (pages <= unpromised(pool))
		pool->counts.reserved += pages;
	else if (pool->counts.surplus < overcommit
		 && pages - unpromised(pool) <= overcommit - pool->counts.surplus)
		err = -EAGAIN;
	else
		err = -ENOMEM;
	spin_unlock(&pool->lock);
	return err;
}

void hugetlb_unreserve(int level, uint64_t pages)
{
	struct pool *pool = pool_of(level);

	spin_lock(&pool->lock);
	assert(pages <= pool->counts.reserved);
	pool->counts.reserved -= pages;
	spin_unlock(&pool->lock);
	surplus_shrink(pool);
}

/* ---- pages ---------------------------------------------------------------------------------- */

pfn_t hugetlb_take(int level, bool is_reserved)
{
	struct pool *pool = pool_of(level);
	pfn_t page = take_once(pool, is_reserved);

	if (page != FRAME_NONE)
		return page;
	while (page == FRAME_NONE && surplus_grow(pool))
		page = take_once(pool, false);
	surplus_shrink(pool);
	return page;
}

static pfn_t take_once(struct pool *pool, bool is_reserved)
{
	pfn_t page = FRAME_NONE;

	spin_lock(&pool->lock);
	if (is_reserved) {
		assert(pool->counts.reserved > 0);
		pool->counts.reserved--;
	}
	if (is_reserved || unpromised(pool) > 0)
		page = page_unshelve(pool);
	spin_unlock(&pool->lock);
	if (page != FRAME_NONE)
		frames[page].huge_refs = 1;
	return page;
}

void hugetlb_give(pfn_t page, int level)
{
	struct pool *pool = pool_of(level);
	bool is_surplus;

	assert(is_aligned(page, hugetlb_page_frames(level)) && frames[page].huge_refs <= 1);
	frames[page].huge_refs = 0;
	spin_lock(&pool->lock);
	is_surplus = pool->counts.surplus > 0;
	if (is_surplus) {
		pool->counts.total--;
		pool->counts.surplus--;
	} else {
		page_shelve(pool, page);
	}
	spin_unlock(&pool->lock);
	if (is_surplus)
		frame_free_huge(page, level);
}

void hugetlb_return(pfn_t page, int level)
{
	struct pool *pool = pool_of(level);

	assert(frames[page].huge_refs == 1);
	frames[page].huge_refs = 0;
	spin_lock(&pool->lock);
	page_shelve(pool, page);
	pool->counts.reserved++;
	spin_unlock(&pool->lock);
}

/* Some frames are kept for the kernel: tables and stacks must still be had. */
static pfn_t page_new(int level)
{
	pfn_t page = FRAME_NONE;

	if (frames_spare() >= hugetlb_page_frames(level))
		page = frame_alloc_huge(FRAME_HUGETLB, level);
	if (page != FRAME_NONE)
		frames[page].huge_refs = 0;
	return page;
}

static void page_shelve(struct pool *pool, pfn_t page)
{
	list_push_front(&pool->pages, frame_bytes(page));
	pool->counts.free++;
}

static pfn_t page_unshelve(struct pool *pool)
{
	assert(pool->counts.free > 0);
	pool->counts.free--;
	return frame_of(list_pop_front(&pool->pages));
}

/* ---- for others to know --------------------------------------------------------------------- */

void hugetlb_counts(int level, struct hugetlb_counts *out)
{
	struct pool *pool = pool_of(level);

	spin_lock(&pool->lock);
	*out = pool->counts;
	spin_unlock(&pool->lock);
}

uint64_t hugetlb_frames(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < COUNT(pools); i++)
		sum += READ_ONCE(pools[i].counts.total) * hugetlb_page_frames(pools[i].level);
	return sum;
}

uint64_t hugetlb_pool_frames(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < COUNT(pools); i++)
		sum += READ_ONCE(pools[i].counts.free) * hugetlb_page_frames(pools[i].level);
	return sum;
}

static const char *pool_check(const struct pool *pool) NO_LOCK_ANALYSIS /* all others stand still */
{
	const struct hugetlb_counts *counts = &pool->counts;

	if (counts->reserved > counts->free || counts->free > counts->total
	    || counts->surplus > counts->total)                         /* H1 */
		return "a pool of huge pages: the counts do not fit together";
	if (list_length(&pool->pages) != counts->free)
		return "a pool of huge pages: the list is not as long as its count says";
	list_for_each(node, &pool->pages) {                             /* H3 */
		pfn_t page = frame_of(node);

		if (!is_aligned(page, hugetlb_page_frames(pool->level))
		    || frames[page].kind != FRAME_HUGETLB || frames[page].huge_refs != 0)
			return "a pool of huge pages: what lies there is none, or is in use";
	}
	return NULL;
}

uint64_t hugetlb_reserved(int level)
{
	return READ_ONCE(pool_of(level)->counts.reserved);
}

const char *hugetlb_check(void)
{
	const char *wrong = NULL;

	for (unsigned i = 0; i < COUNT(pools) && !wrong; i++)
		wrong = pool_check(&pools[i]);
	return wrong;
}
