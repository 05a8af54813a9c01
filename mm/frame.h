/* SPDX-License-Identifier: MIT */
/*
 * mm/frame.h - physical frames: kinds, counts, and who hands them out.
 *
 * A frame is 4 KiB of RAM, named by its number (pfn).  frame_refs[pfn] counts who holds it: one per
 * table entry that names it, a space's or an object's; one for the space or object whose root it
 * is; one per transient kernel hold.  The counts lie in an array of their own, sixteen to a cache
 * line, because copying a table touches 512 of them.  Twelve bytes of metadata per frame in all.
 *
 * Blocks of 2^order frames, order 0..FRAME_ORDER_MAX (1 GiB), come from a buddy allocator; single
 * frames go through a small cache per CPU.  A block has one count, its first frame's.
 *
 * A huge block is what a huge leaf names.  It holds each of its frames once, as a table would that
 * names them all, and is itself counted apart, by huge leaves: see frame_alloc_huge().
 *
 * Locks: counts are atomic.  Free lists under RANK_FRAME.  Nothing here sleeps.  Never called from
 * interrupt handlers.
 */
#pragma once

#include "lib/atomic.h"
#include "lib/types.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "kernel/event.h"
#include "kernel/hooks.h"
#include "kernel/panic.h"
#include "mm/frame_early.h"

enum { FRAME_ORDER_MAX = 18 };

enum frame_kind {
	FRAME_FREE,                     /* zero, so that metadata of free memory is all zeros */
	FRAME_RESERVED,                 /* never given out: firmware, the image, holes */
	FRAME_KERNEL,                   /* the kernel's own: stacks, large buffers, descriptors */
	FRAME_SLAB,                     /* small objects */
	FRAME_TABLE,                    /* entries; level says of which kind */
	FRAME_DATA,                     /* a program's or a file's bytes */
	FRAME_HUGETLB,                  /* part of a huge page of the pool, see mm/hugetlb.h */
	FRAME_ZERO,                     /* the one frame of zeros: never counted, written, freed */
	FRAME_KINDS
};

struct ALIGNED(8) frame {
	uint8_t kind;                   /* enum frame_kind; fixed while held */
	uint8_t level;                  /* TABLE: 1..4.  Others in use: the order of their block */
	uint8_t stale;                  /* TABLE, huge: copied while shared.  FREE: poisoned */
	uint8_t lock;                   /* TABLE: spin_lock_byte; used only while exclusive */
	union {
		struct {
			uint16_t used;  /* TABLE: entries not none [lock].  FREE: see mm/buddy.h */
			uint16_t resident;      /* TABLE, level 1: those that count in RSS [lock] */
		};
		uint32_t huge_refs;     /* the first of a huge block: leaves that name it */
	};
};

static_assert(sizeof(struct frame) == 8, "the metadata is filled by quadwords");

/* Free single frames that one CPU keeps at hand.  [own CPU, preemption off; the numbers may be read
 * by anyone] */
enum { FRAME_CACHE_MAX = 32, FRAME_CACHE_ZEROED = 16 };

struct ALIGNED(64) frame_cache {
	uint32_t count, zeroed_count;
	pfn_t run_start, run_end;       /* side by side, from a free list; empty: alike */
	uint32_t pfns[FRAME_CACHE_MAX]; /* the last one in is the first one out: it is still warm */
	uint32_t zeroed[FRAME_CACHE_ZEROED];    /* not poisoned, all bytes zero */
};

extern struct frame_cache frame_caches[CPU_MAX];        /* by CPU */
extern uint64_t buddy_free;             /* on the free lists, see mm/buddy.h */
extern uint64_t kept_frames;            /* for the kernel, see frames_keep() */
extern struct frame *frames;            /* by pfn */
extern uint32_t *frame_refs;            /* by pfn */
extern pfn_t frame_count;               /* size of both arrays */
extern pfn_t zero_frame;

/* Take over the machine's memory from bootinfo (usable, below mem=), less the image, the initramfs
 * and what was used so far.  Needs the direct map and this CPU's area.  frames_start_cpu() gives a
 * further CPU its cache, before it first allocates. */
void frames_start(void);
void frames_start_cpu(struct cpu *cpu);

/* Give the whole pages of a reserved physical range to the allocator: the initramfs once it is
 * unpacked. */
void frames_add(phys_t start, phys_t end);

/*
 * One frame with one holder: the caller.  Contents undefined (poisoned in debug builds).
 * FRAME_NONE if there is none to give.
 */
#define FRAME_NONE 0ull
MUST_CHECK pfn_t frame_alloc(enum frame_kind kind);
MUST_CHECK pfn_t frame_alloc_zeroed(enum frame_kind kind);
MUST_CHECK pfn_t frame_alloc_block(enum frame_kind kind, unsigned order);

/* frame_alloc(FRAME_DATA), where preemption is off, as under a table's lock. */
MUST_CHECK static inline pfn_t frame_alloc_data(void);

/* Free a single frame like that which its holder leaves full of zeros: it is handed out again, as
 * it is, to who wants them. */
void frame_free_zeroed(pfn_t pfn);

/* Free single frames side by side, of each of which frame_is_mine_alone() is true. */
void frames_free_run(pfn_t first, unsigned count);

/* Free a block that nobody but the caller holds (count 0 or 1).  The order must be the one it was
 * allocated with. */
void frame_free_block(pfn_t pfn, unsigned order);

/*
 * A huge block of kind DATA or HUGETLB: the frames of one leaf in a table of `level` (2: 2 MiB,
 * 3: 1 GiB).  The block has one holder, the caller; each frame has one, the block.  FRAME_NONE:
 * there is no memory in one piece.
 */
MUST_CHECK pfn_t frame_alloc_huge(enum frame_kind kind, int level);

/* Free a huge block that nobody but the caller holds, and that alone holds its frames. */
void frame_free_huge(pfn_t pfn, int level);

/* The block is one no more: its frames remain, each with the holder that it was, who is now the
 * caller. */
void frame_dissolve_huge(pfn_t pfn);

/* The reverse: frames that the caller alone holds, each once, become a block that it holds. */
void frame_unite_huge(pfn_t pfn);

/* How many huge blocks of kind DATA there are. */
uint64_t frames_huge(void);

/* One holder more.  The caller must already be one, or hold a lock that keeps one. */
static inline void frame_get(pfn_t pfn);

/* One holder fewer.  True: it was the last one, and the caller must dispose of the frame.  Release
 * on the way down, acquire at zero. */
MUST_CHECK static inline bool frame_put_is_last(pfn_t pfn);

/* One holder fewer of a frame (or block) that is not a table; the last one frees it. */
void frame_put(pfn_t pfn);

/* The same, where it is likely not the last. */
static inline void frame_put_shared(pfn_t pfn);

/* Is the caller the only holder?  Acquire: pairs with the release in put. */
static inline bool frame_is_exclusive(pfn_t pfn);

/* frame_get and frame_is_exclusive for an even number of frames side by side: two counts are one
 * quadword. */
static inline void frames_get(pfn_t first, unsigned count);
static inline bool frames_are_exclusive(pfn_t first, unsigned count);

/* Is the caller the only holder, and is it a single frame of kind DATA?  Then nobody else can come
 * to it. */
static inline bool frame_is_mine_alone(pfn_t pfn);

/* frame_get, frame_put_is_last and frame_is_exclusive for a huge block, which is counted apart from
 * its frames. */
static inline void huge_get(pfn_t pfn);
MUST_CHECK static inline bool huge_put_is_last(pfn_t pfn);
static inline bool huge_is_exclusive(pfn_t pfn);

/* How many frames are free now, caches included; how many there are once the image, the metadata
 * and other reserved memory are taken off.  Exact while no CPU is between its cache and the free
 * lists. */
uint64_t frames_free(void);
uint64_t frames_total(void);

/*
 * Keep `pages` frames for the kernel: FRAME_DATA is refused while no more than that are left, so
 * that tables, stacks and small objects can still be had when programs have taken all they may
 * (vm.min_free_kbytes).  spare: how many of FRAME_DATA may still be had.
 */
void frames_keep(uint64_t pages);
uint64_t frames_kept(void);
uint64_t frames_spare(void);

/* Counted by a walk over all frames. */
uint64_t frames_of_kind(enum frame_kind kind);
const char *frame_kind_name(enum frame_kind kind);

/* Give this CPU's cache back, so that larger blocks can form. */
void frames_drain_caches(void);

/* For audit(): free lists disjoint, aligned, complete.  NULL, or what is wrong.  The caller sees to
 * it that nobody allocates or frees meanwhile, nor was stopped in the middle of that. */
const char *frames_check(void);

static inline void frame_get(pfn_t pfn)
{
	jitter();
	event_detail(count_up, pfn, false, 0);
	atomic_inc(&frame_refs[pfn]);
}

static inline bool frame_put_is_last(pfn_t pfn)
{
	jitter();
	event_detail(count_down, pfn, false, 0);
	return atomic_dec_and_test(&frame_refs[pfn]);
}

static inline bool frame_is_exclusive(pfn_t pfn)
{
	jitter();
	return atomic_load_acquire(&frame_refs[pfn]) == 1;
}

#define EACH_ONE 0x0000000100000001ull

/* Pairs are added to where they are aligned: with an odd first frame, all but the first and the
 * last count. */
static inline void frames_get(pfn_t first, unsigned count)
{
	bool is_odd = first % 2;
	uint64_t *pairs = (uint64_t *)&frame_refs[first + is_odd];

	jitter();
	for (unsigned each = 0; each < count; each++)
		event_detail(count_up, first + each, false, 0);
#pragma GCC unroll 4
	for (unsigned i = 0; i < count / 2 - 1; i++)
		(void)atomic_fetch_add_relaxed(&pairs[i], EACH_ONE);
	if (is_odd) {
		atomic_inc(&frame_refs[first]);
		atomic_inc(&frame_refs[first + count - 1]);
	} else {
		(void)atomic_fetch_add_relaxed(&pairs[count / 2 - 1], EACH_ONE);
	}
}

/* Where a pair of counts straddles two lines of the cache, the CPU reads each by itself: that will
 * do. */
static inline bool frames_are_exclusive(pfn_t first, unsigned count)
{
	jitter();
	return quadwords_are(&frame_refs[first], EACH_ONE, count / 2);
}

static inline bool frame_is_mine_alone(pfn_t pfn)
{
	static const struct frame single = { .kind = FRAME_DATA };

	return frame_is_exclusive(pfn)
	       && __builtin_memcmp(&frames[pfn], &single, sizeof(single)) == 0;
}

/* One from the cache, without looking any further. */
static inline pfn_t frame_cache_pop(struct frame_cache *cache)
{
	if (cache->count > 0)
		return cache->pfns[--cache->count];
	return cache->run_start < cache->run_end ? cache->run_start++ : FRAME_NONE;
}

/* Test builds look at what is handed out, or refuse it. */
#if defined(COWBELL_DEBUG) || defined(COWBELL_HOOKS) || defined(COWBELL_SAN)
enum { FRAMES_ARE_CHECKED = true };
#else
enum { FRAMES_ARE_CHECKED = false };
#endif

static inline pfn_t frame_alloc_data(void)
{
	pfn_t pfn = FRAME_NONE;

	if (!FRAMES_ARE_CHECKED && likely(atomic_load_relaxed(&buddy_free) > kept_frames))
		pfn = frame_cache_pop(this_cpu()->frame_cache);
	if (unlikely(pfn == FRAME_NONE))
		return frame_alloc(FRAME_DATA);
	assert(frames[pfn].kind == FRAME_FREE && frame_refs[pfn] == 0);
	frames[pfn] = (struct frame){ .kind = FRAME_DATA };
	frame_refs[pfn] = 1;
	event(frame_alloc, pfn, FRAME_DATA, 0);
	return pfn;
}

static inline void frame_put_shared(pfn_t pfn)
{
	if (unlikely(frame_put_is_last(pfn)))
		frame_free_block(pfn, frames[pfn].level);
}

static inline void huge_get(pfn_t pfn)
{
	jitter();
	event_detail(count_up, pfn, true, 0);
	atomic_inc(&frames[pfn].huge_refs);
}

static inline bool huge_put_is_last(pfn_t pfn)
{
	jitter();
	event_detail(count_down, pfn, true, 0);
	return atomic_dec_and_test(&frames[pfn].huge_refs);
}

static inline bool huge_is_exclusive(pfn_t pfn)
{
	jitter();
	return atomic_load_acquire(&frames[pfn].huge_refs) == 1;
}
