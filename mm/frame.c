/* SPDX-License-Identifier: MIT */
/*
 * mm/frame.c - physical frames: metadata, counts, per-CPU caches.
 *
 * Owns: frames[], frame_refs[], the zero frame and one small cache of single frames per CPU.  A
 * frame goes round like this:
 *
 *              refill, 16 at once           frame_alloc
 *   free lists ------------------> cache ------------------> held, count 1, 2, ...
 *   (buddy.c)  <------------------       <------------------   |
 *       ^      drain, 16 at once            frame_free_block   |
 *       |                                   the last put       |
 *       +------------------------------------------------------+
 *              frames_free_run: many that lie side by side
 *
 * What the free lists gave the cache is a run: frames side by side, used from its start on.  What
 * came back one by one is used first.
 *
 * Frames that are known to be zero (tables, mostly: their holder empties them entry by entry) lie
 * apart in the cache and go to who wants zeros; to others only when there is nothing else.
 *
 * Invariants: a frame of kind FREE is in exactly one free block or one cache; every other has
 * somebody who will free it, except RESERVED and ZERO.  Metadata of a frame changes hands with the
 * frame.
 *
 * Locks: a cache belongs to its CPU and is used with preemption off.  Counts are atomic.
 *
 * See: mm/buddy.c for blocks, mm/frame_early.c for the time before.
 */
#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/kasan.h"
#include "lib/list.h"
#include "lib/types.h"
#include "arch/x86_64/cpu.h"
#include "kernel/event.h"
#include "kernel/hooks.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/spinlock.h"
#include "mm/buddy.h"
#include "mm/frame.h"
#include "mm/frame_early.h"
#include "mm/mmu.h"
#include "mm/quarantine.h"

enum { CACHE_BATCH = 16, CACHE_RUN_ORDER = 4 };

struct frame *frames;
uint32_t *frame_refs;
pfn_t frame_count;
pfn_t zero_frame;

struct frame_cache frame_caches[CPU_MAX];
static uint64_t total_frames;
uint64_t kept_frames;
static uint64_t huge_blocks;            /* atomic: of kind DATA */

static void metadata_place(void);
static uint64_t metadata_bytes(void);
static void metadata_fill(const struct phys_range *ranges, size_t count);
static void metadata_mark(pfn_t start, pfn_t end, enum frame_kind kind);
static void metadata_set(pfn_t start, pfn_t end, struct frame metadata);
static void refs_set(pfn_t first, uint64_t count, uint32_t refs);
static pfn_t cache_pop(struct frame_cache *cache);
static bool cache_refill(struct frame_cache *cache);
static void cache_push(struct frame_cache *cache, pfn_t pfn);
static void cache_drain(struct frame_cache *cache, unsigned count);
static inline void frame_hand_out(pfn_t pfn, enum frame_kind kind);
static pfn_t block_find(enum frame_kind kind, unsigned order);
static void block_hand_out(pfn_t pfn, enum frame_kind kind, unsigned order);
static void block_take_back(pfn_t pfn, unsigned order);
static bool block_may_be_freed(pfn_t pfn, unsigned order);
static void poison_write(pfn_t pfn);
static void poison_check(pfn_t pfn);
static void zeros_check(pfn_t pfn);

void frames_start(void)
{
	const struct phys_range *ranges;
	size_t count;

	buddy_start();
	metadata_place();
	ranges = frames_early_finish(&count);
	metadata_fill(ranges, count);
	total_frames = 0;
	for (size_t i = 0; i < count; i++) {
		kasan_poison_pages(phys_to_virt(ranges[i].start),
				   (ranges[i].end - ranges[i].start) >> PAGE_SHIFT);
		buddy_give_range(ranges[i].start >> PAGE_SHIFT, ranges[i].end >> PAGE_SHIFT);
		total_frames += (ranges[i].end - ranges[i].start) >> PAGE_SHIFT;
	}
	frames_start_cpu(this_cpu());
	zero_frame = frame_alloc_zeroed(FRAME_ZERO);
	if (zero_frame == FRAME_NONE)
		panic("no usable memory");
	frame_refs[zero_frame] = 0;
	log_info("memory: %llu MiB free, %llu KiB describe it", frames_free() * PAGE_SIZE / MIB,
		 metadata_bytes() / KIB);
}

void frames_start_cpu(struct cpu *cpu)
{
	struct frame_cache *cache = &frame_caches[cpu->id];

	cache->count = cache->zeroed_count = cache->run_start = cache->run_end = 0;
	cpu->frame_cache = cache;
}

/* Both arrays in one piece of RAM, by far the largest that is ever taken. */
static void metadata_place(void)
{
	phys_t phys;

	frame_count = frames_usable_end() >> PAGE_SHIFT;
	assert(frame_count <= UINT32_MAX);
	phys = frames_early_take(metadata_bytes());
	if (phys == 0)
		panic("no memory in one piece for %llu KiB of metadata", metadata_bytes() / KIB);
	frames = phys_to_virt(phys);
	frame_refs = (uint32_t *)(frames + frame_count);
}

static uint64_t metadata_bytes(void)
{
	return frame_count * (sizeof(*frames) + sizeof(*frame_refs));
}

/* Each quadword is written once: this is most of what boot does here. */
static void metadata_fill(const struct phys_range *ranges, size_t count)
{
	pfn_t at = 0;

	for (size_t i = 0; i < count; i++) {
		metadata_mark(at, ranges[i].start >> PAGE_SHIFT, FRAME_RESERVED);
		at = ranges[i].end >> PAGE_SHIFT;
		metadata_mark(ranges[i].start >> PAGE_SHIFT, at, FRAME_FREE);
	}
	metadata_mark(at, frame_count, FRAME_RESERVED);
	stosq(frame_refs, 0, frame_count / 2);
	frame_refs[frame_count - 1] = 0;
}

static void metadata_mark(pfn_t start, pfn_t end, enum frame_kind kind)
{
	metadata_set(start, end, (struct frame){ .kind = kind });
}

static void metadata_set(pfn_t start, pfn_t end, struct frame metadata)
{
	union {
		struct frame frame;
		uint64_t quadword;
	} fresh = { .frame = metadata };

	stosq(&frames[start], fresh.quadword, end - start);
}

/* The counts of frames side by side that nobody else looks at, two at once. */
static void refs_set(pfn_t first, uint64_t count, uint32_t refs)
{
	if (first % 2 && count) {
		frame_refs[first++] = refs;
		count--;
	}
	stosq(&frame_refs[first], refs * EACH_ONE, count / 2);
	if (count % 2)
		frame_refs[first + count - 1] = refs;
}

void frames_add(phys_t start, phys_t end)
{
	pfn_t first = page_ceil(start) >> PAGE_SHIFT;
	pfn_t past = MIN(end >> PAGE_SHIFT, frame_count);

	if (first >= past)
		return;
	for (pfn_t pfn = first; pfn < past; pfn++)
		assert(frames[pfn].kind == FRAME_RESERVED);
	metadata_mark(first, past, FRAME_FREE);
	kasan_poison_pages(frame_bytes(first), past - first);
	buddy_give_range(first, past);
	atomic_store_relaxed(&total_frames, total_frames + past - first);
}

/* Other CPUs' caches do not count: they cannot be had. */
static uint64_t frames_at_hand(void)
{
	return buddy_free_frames() + quarantined_frames();
}

static bool is_kept_from(enum frame_kind kind, unsigned order)
{
	uint64_t kept = atomic_load_relaxed(&kept_frames);

	return unlikely(kind == FRAME_DATA && frames_at_hand() < kept + BIT(order)) && kept;
}

static inline pfn_t frame_take(enum frame_kind kind)
{
	pfn_t pfn;

	if (is_kept_from(kind, 0))
		return FRAME_NONE;
	preempt_disable();
	pfn = cache_pop(this_cpu()->frame_cache);
	preempt_enable();
	if (likely(pfn != FRAME_NONE))
		frame_hand_out(pfn, kind);
	return pfn;
}

pfn_t frame_alloc(enum frame_kind kind)
{
	return FAULT_POINT("frame") ? FRAME_NONE : frame_take(kind);
}

/* One of those that are zero already, or FRAME_NONE. */
static pfn_t cache_pop_zeroed(void)
{
	struct frame_cache *cache;
	pfn_t pfn = FRAME_NONE;

	preempt_disable();
	cache = this_cpu()->frame_cache;
	if (likely(cache->zeroed_count > 0))
		pfn = cache->zeroed[--cache->zeroed_count];
	preempt_enable();
	return pfn;
}

pfn_t frame_alloc_zeroed(enum frame_kind kind)
{
	pfn_t pfn;

	if (FAULT_POINT("frame") || is_kept_from(kind, 0))
		return FRAME_NONE;
	pfn = cache_pop_zeroed();
	if (likely(pfn != FRAME_NONE)) {
		frame_hand_out(pfn, kind);
		zeros_check(pfn);
		return pfn;
	}
	pfn = frame_take(kind);
	if (pfn != FRAME_NONE)
		page_zero(frame_bytes(pfn));
	return pfn;
}

pfn_t frame_alloc_block(enum frame_kind kind, unsigned order)
{
	pfn_t pfn;

	if (order == 0)
		return frame_alloc(kind);
	pfn = block_find(kind, order);
	if (pfn != FRAME_NONE)
		block_hand_out(pfn, kind, order);
	return pfn;
}

/* The frame that is missing to a large block may be in our own cache. */
static pfn_t block_find(enum frame_kind kind, unsigned order)
{
	pfn_t pfn;

	assert(order <= FRAME_ORDER_MAX);
	if (FAULT_POINT("frame_block") || is_kept_from(kind, order))
		return FRAME_NONE;
	pfn = buddy_take(order);
	if (pfn == FRAME_NONE) {
		frames_drain_caches();
		pfn = buddy_take(order);
	}
	return pfn;
}

static unsigned huge_order(int level)
{
	return PTE_INDEX_BITS * (level - 1);
}

pfn_t frame_alloc_huge(enum frame_kind kind, int level)
{
	unsigned order = huge_order(level);
	pfn_t pfn = block_find(kind, order);

	if (pfn == FRAME_NONE)
		return FRAME_NONE;
	if (FRAMES_ARE_CHECKED || unlikely(event_mask)) {
		for (pfn_t each = pfn; each < pfn + BIT(order); each++)
			frame_hand_out(each, kind);
	} else {
		assert(frames[pfn].kind == FRAME_FREE && frame_refs[pfn] == 0);
		metadata_mark(pfn, pfn + BIT(order), kind);
		refs_set(pfn, BIT(order), 1);
	}
	frames[pfn].huge_refs = 1;
	if (kind == FRAME_DATA)
		atomic_inc(&huge_blocks);
	return pfn;
}

void frame_free_huge(pfn_t pfn, int level)
{
	unsigned order = huge_order(level);

	assert(frames[pfn].huge_refs <= 1 && !frames[pfn].stale);
	event(frame_free, pfn, frames[pfn].kind, order);
	if (frames[pfn].kind == FRAME_DATA)
		atomic_dec(&huge_blocks);
	block_take_back(pfn, order);
	buddy_give(pfn, order);
}

void frame_dissolve_huge(pfn_t pfn)
{
	assert(frames[pfn].kind == FRAME_DATA && frames[pfn].huge_refs <= 1);
	frames[pfn].huge_refs = 0;
	frames[pfn].stale = 0;
	atomic_dec(&huge_blocks);
}

void frame_unite_huge(pfn_t pfn)
{
	assert(frames[pfn].kind == FRAME_DATA && frames[pfn].huge_refs == 0);
	frames[pfn].huge_refs = 1;
	frames[pfn].stale = 0;
	atomic_inc(&huge_blocks);
}

uint64_t frames_huge(void)
{
	return atomic_load_relaxed(&huge_blocks);
}

void frame_free_block(pfn_t pfn, unsigned order)
{
	assert(pfn < frame_count && block_may_be_freed(pfn, order));
	event(frame_free, pfn, frames[pfn].kind, order);
	if (unlikely(order > 0)) {
		block_take_back(pfn, order);
		buddy_give(pfn, order);
		return;
	}
	frame_refs[pfn] = 0;
	frames[pfn] = (struct frame){ .kind = FRAME_FREE };
	poison_write(pfn);
	if (quarantine_takes_frame(&pfn))
		return;
	preempt_disable();
	cache_push(this_cpu()->frame_cache, pfn);
	preempt_enable();
}

static bool cache_push_zeroed(struct frame_cache *cache, pfn_t pfn)
{
	if (cache->zeroed_count == FRAME_CACHE_ZEROED)
		return false;
	event(frame_free, pfn, frames[pfn].kind, 0);
	zeros_check(pfn);
	kasan_poison_pages(frame_bytes(pfn), 1);
	frame_refs[pfn] = 0;
	frames[pfn] = (struct frame){ .kind = FRAME_FREE, .used = FREE_CACHED };
	cache->zeroed[cache->zeroed_count++] = pfn;
	return true;
}

void frame_free_zeroed(pfn_t pfn)
{
	bool is_kept;

	assert(pfn < frame_count && block_may_be_freed(pfn, 0));
	preempt_disable();
	is_kept = cache_push_zeroed(this_cpu()->frame_cache, pfn);
	preempt_enable();
	if (!is_kept)
		frame_free_block(pfn, 0);
}

static void run_put_singly(pfn_t first, unsigned count)
{
	for (pfn_t pfn = first; pfn < first + count; pfn++)
		frame_put(pfn);
}

void frames_free_run(pfn_t first, unsigned count)
{
	if (count < CACHE_BATCH || FRAMES_WAIT || unlikely(event_mask)) {
		run_put_singly(first, count);
		return;
	}
	assert(first + count <= frame_count);
	metadata_mark(first, first + count, FRAME_FREE);
	refs_set(first, count, 0);
	for (pfn_t pfn = first; pfn < first + count; pfn++)
		poison_write(pfn);
	buddy_give_range(first, first + count);
}

void frame_put(pfn_t pfn)
{
	assert(frames[pfn].kind == FRAME_DATA || frames[pfn].kind == FRAME_KERNEL);
	frame_put_shared(pfn);
}

static pfn_t cache_pop(struct frame_cache *cache)
{
	pfn_t pfn = frame_cache_pop(cache);

	if (pfn == FRAME_NONE && cache_refill(cache))
		pfn = frame_cache_pop(cache);
	if (pfn == FRAME_NONE && cache->zeroed_count > 0)
		pfn = cache->zeroed[--cache->zeroed_count];
	return pfn;
}

/* Another run for an empty cache. */
static bool cache_refill(struct frame_cache *cache)
{
	unsigned order = CACHE_RUN_ORDER;
	pfn_t pfn;

	quarantine_relieve(CACHE_BATCH);
	pfn = buddy_take_up_to(&order);
	if (pfn == FRAME_NONE)
		return false;
	cache->run_start = pfn;
	cache->run_end = pfn + BIT(order);
	return true;
}

static void cache_push(struct frame_cache *cache, pfn_t pfn)
{
	if (unlikely(cache->count == FRAME_CACHE_MAX))
		cache_drain(cache, CACHE_BATCH);
	frames[pfn].used = FREE_CACHED;
	cache->pfns[cache->count++] = pfn;
}

static void cache_drain(struct frame_cache *cache, unsigned count)
{
	cache->count -= count;
	buddy_give_singles(&cache->pfns[cache->count], count);
}

void frames_drain_caches(void)
{
	struct frame_cache *cache;

	preempt_disable();
	cache = this_cpu()->frame_cache;
	cache_drain(cache, cache->count);
	buddy_give_singles(cache->zeroed, cache->zeroed_count);
	cache->zeroed_count = 0;
	buddy_give_range(cache->run_start, cache->run_end);
	cache->run_start = cache->run_end = 0;
	preempt_enable();
	quarantine_relieve(UINT64_MAX);
}

/* A block of one. */
static inline void frame_hand_out(pfn_t pfn, enum frame_kind kind)
{
	assert(frames[pfn].kind == FRAME_FREE && frame_refs[pfn] == 0);
	kasan_unpoison(frame_bytes(pfn), PAGE_SIZE);
	poison_check(pfn);
	frames[pfn] = (struct frame){ .kind = kind };
	frame_refs[pfn] = 1;
	event(frame_alloc, pfn, kind, 0);
}

/* Nobody else can see the frames: from FREE to held they pass through the caller's hands. */
static void block_hand_out(pfn_t pfn, enum frame_kind kind, unsigned order)
{
	assert(frames[pfn].kind == FRAME_FREE && frame_refs[pfn] == 0);
	kasan_unpoison(frame_bytes(pfn), PAGE_SIZE << order);
	for (pfn_t each = pfn; each < pfn + BIT(order); each++)
		poison_check(each);
	metadata_set(pfn, pfn + BIT(order), (struct frame){ .kind = kind, .level = order });
	frame_refs[pfn] = 1;
	event(frame_alloc, pfn, kind, order);
}

static void block_take_back(pfn_t pfn, unsigned order)
{
	metadata_mark(pfn, pfn + BIT(order), FRAME_FREE);
	refs_set(pfn, BIT(order), 0);
	for (pfn_t each = pfn; each < pfn + BIT(order); each++)
		poison_write(each);
}

static bool block_may_be_freed(pfn_t pfn, unsigned order)
{
	const unsigned freeable = 1u << FRAME_TABLE | 1u << FRAME_KERNEL | 1u << FRAME_SLAB
				  | 1u << FRAME_DATA;
	const struct frame *frame = &frames[pfn];
	unsigned own_order = frame->kind == FRAME_TABLE ? 0 : frame->level;

	return freeable >> frame->kind & 1 && order == own_order && frame_refs[pfn] <= 1;
}

/* Its CPU may be between the two. */
static uint64_t run_length(const struct frame_cache *cache)
{
	uint64_t length = atomic_load_relaxed(&cache->run_end)
			  - atomic_load_relaxed(&cache->run_start);

	return length <= CACHE_BATCH ? length : 0;
}

uint64_t frames_free(void)
{
	uint64_t count = frames_at_hand();

	for (unsigned i = 0; i < CPU_MAX; i++)
		count += atomic_load_relaxed(&frame_caches[i].count)
			 + atomic_load_relaxed(&frame_caches[i].zeroed_count)
			 + run_length(&frame_caches[i]);
	return count;
}

void frames_keep(uint64_t pages)
{
	atomic_store_relaxed(&kept_frames, pages);
}

uint64_t frames_kept(void)
{
	return atomic_load_relaxed(&kept_frames);
}

uint64_t frames_spare(void)
{
	uint64_t free = frames_at_hand(), kept = frames_kept();

	return free > kept ? free - kept : 0;
}

uint64_t frames_total(void)
{
	return atomic_load_relaxed(&total_frames);
}

/*
 * Debug builds fill frames with POISON when they are freed and look whether it is still there when
 * they are handed out again: whoever wrote meanwhile did so through a pointer or a TLB entry that
 * should be gone.  The first words are left out, free blocks keep their links there.  Frames that
 * were never in use are not poisoned; `stale` remembers which are.
 */
#ifdef COWBELL_DEBUG
#define POISON 0x6b6b6b6b6b6b6b6bull
enum { POISON_FIRST = sizeof(struct list_node) / 8, POISON_PAST = PAGE_SIZE / 8 };

static void poison_write(pfn_t pfn)
{
	stosq(frame_bytes(pfn), POISON, PAGE_SIZE / 8);
	kasan_poison_pages(frame_bytes(pfn), 1);
	frames[pfn].stale = 1;
}

static void poison_check(pfn_t pfn)
{
	const uint64_t *words = frame_bytes(pfn);

	if (!frames[pfn].stale)
		return;
	for (unsigned i = POISON_FIRST; i < POISON_PAST; i++)
		if (words[i] != POISON)
			panic("free frame %lx was written: %lx at %x", pfn, words[i], i * 8);
}

static void zeros_check(pfn_t pfn)
{
	const uint64_t *words = frame_bytes(pfn);

	for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
		if (words[i] != 0)
			panic("frame %lx is not zero: %lx at %x", pfn, words[i], i * 8);
}
#else
static void poison_write(pfn_t pfn)
{
}

static void poison_check(pfn_t pfn)
{
}

static void zeros_check(pfn_t pfn)
{
}
#endif
