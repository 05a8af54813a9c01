/* SPDX-License-Identifier: MIT */
/*
 * mm/kstack.c - kernel stacks with guard pages.
 *
 * Owns: the part of the kernel window from WINDOW_STACKS on, cut into slots:
 *
 *   slot 0                  slot 1                  slot 2
 *   |  guard  |  stack  0   |  guard  |  stack  1   |  guard  | ...
 *             ^ returned by kstack_alloc()
 *
 * The lower half of a slot is never mapped: who overruns a stack faults at once.  A slot is vacant,
 * in use, or ready: mapped and free, chained through the stack's own first bytes.
 *
 *              kstack_alloc               kstack_free
 *   vacant  ------------------> in use <---------------> ready
 *      ^                                 kstack_alloc      |
 *      +---------------------------------------------------+
 *              trim: unmap, shoot down, put, vacate
 *
 * A region is the slots of one table, 2 MiB.  When its last slot is vacated, the table goes too:
 * the region is closed (all its slots count as taken), shot down, and opened again.
 *
 * Invariants: a slot is vacated, and its frames are put, only after the shootdown of its addresses;
 * the same goes for a region and its table.
 *
 * Locks: `lock` (RANK_KSTACK) guards slots, the ready list and the window's tables.  A shootdown
 * may not be waited for under a lock, so trimming takes stacks off the list first; then they are
 * its own.
 */
#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/kasan.h"
#include "lib/types.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/tlb.h"
#include "kernel/hooks.h"
#include "kernel/panic.h"
#include "kernel/spinlock.h"
#include "kernel/task.h"
#include "mm/frame.h"
#include "mm/kstack.h"
#include "mm/mmu.h"

enum {
	SLOTS_MAX = 65536,
	SLOT_SIZE = 2 * KSTACK_SIZE,
	REGION_SIZE = 2 * MIB,
	REGION_WORDS = REGION_SIZE / SLOT_SIZE / 64,    /* of the bitmap */
	STACK_PAGES = KSTACK_SIZE / PAGE_SIZE,
	READY_MAX = 32,                 /* ready stacks; more make kstack_free trim */
	READY_KEPT = 16,                /* what that leaves */
};

/* At the lowest address of a ready stack. */
struct ready_stack {
	struct ready_stack *next;
};

/* A stack on its way out.  It lies in the first of its frames, which nobody else uses any more. */
struct retired_stack {
	struct retired_stack *next;
	virt_t stack;
	pfn_t frames[STACK_PAGES];
};

static struct spinlock lock = SPINLOCK_INIT(RANK_KSTACK);
static uint64_t slots_taken[SLOTS_MAX / 64];            /* [lock] bitmap */
static unsigned first_word;                             /* [lock] no vacant slot in those below */
static struct ready_stack *ready;                       /* [lock] */
static uint32_t ready_count;                            /* [lock]; read by anyone */
static uint32_t stack_count;                            /* [lock]; read by anyone */

static virt_t stack_create(void);
static unsigned stack_map(virt_t stack);
static struct retired_stack *stack_unmap(virt_t stack, unsigned pages);
static void stack_destroy(struct retired_stack *retired, unsigned pages);
static void ready_trim(uint32_t keep);
static struct ready_stack *ready_detach(uint32_t keep);
static bool keeps_table(const struct ready_stack *entry) REQUIRES(lock);
static virt_t ready_pop(void);
static virt_t slot_take(void);
static void slot_vacate(virt_t stack);
static phys_t region_close(uint64_t *words);
static void region_open(virt_t start, phys_t table);
static virt_t slot_start(unsigned slot);
static void depth_prepare(virt_t stack);
static void depth_note(virt_t stack);

virt_t kstack_alloc(void)
{
	virt_t stack;

	if (FAULT_POINT("stack"))
		return 0;
	stack = ready_pop();
	if (stack == 0)
		stack = stack_create();
	if (stack == 0)
		return 0;
	kasan_unpoison((void *)stack, KSTACK_SIZE);
	depth_prepare(stack);
	return stack;
}

void kstack_free(virt_t stack)
{
	struct ready_stack *entry = (struct ready_stack *)stack;

	assert(stack > WINDOW_STACKS && stack % SLOT_SIZE == KSTACK_SIZE);
	kasan_unpoison(entry, KSTACK_SIZE);             /* what its last functions left closed */
	depth_note(stack);
	kasan_poison(entry + 1, KSTACK_SIZE - sizeof(*entry), KASAN_STACK_FREE);
	spin_lock(&lock);
	entry->next = ready;
	ready = entry;
	atomic_store_relaxed(&ready_count, ready_count + 1);
	spin_unlock(&lock);
	if (unlikely(atomic_load_relaxed(&ready_count) > READY_MAX))
		ready_trim(READY_KEPT);
}

void kstacks_trim(void)
{
	ready_trim(0);
}

uint64_t kstacks_cached_frames(void)
{
	return (uint64_t)atomic_load_relaxed(&ready_count) * STACK_PAGES;
}

uint64_t kstacks_cached_tables(void)
{
	uint64_t tables = 0;

	spin_lock(&lock);
	for (const struct ready_stack *entry = ready; entry != NULL; entry = entry->next)
		tables += keeps_table(entry);
	spin_unlock(&lock);
	return tables;
}

uint64_t kstacks_frames(void)
{
	return (uint64_t)atomic_load_relaxed(&stack_count) * STACK_PAGES;
}

static virt_t stack_create(void)
{
	virt_t stack = slot_take();
	struct retired_stack *retired;
	unsigned mapped;

	if (stack == 0)
		return 0;
	mapped = stack_map(stack);
	if (mapped == STACK_PAGES)
		return stack;
	if (mapped == 0) {
		slot_vacate(stack);
		return 0;
	}

	/* Nobody used the pages mapped so far, but a CPU may have cached them unasked. */
	retired = stack_unmap(stack, mapped);
	tlb_flush_kernel(stack, stack + KSTACK_SIZE);
	stack_destroy(retired, mapped);
	return 0;
}

/* Returns how many pages could be mapped. */
static unsigned stack_map(virt_t stack)
{
	for (unsigned page = 0; page < STACK_PAGES; page++) {
		pfn_t pfn = frame_alloc(FRAME_KERNEL);
		int err;

		if (pfn == FRAME_NONE)
			return page;
		spin_lock(&lock);
		err = paging_map_window(stack + page * PAGE_SIZE, pfn << PAGE_SHIFT);
		spin_unlock(&lock);
		if (err != 0) {
			frame_put(pfn);
			return page;
		}
	}
	return STACK_PAGES;
}

static struct retired_stack *stack_unmap(virt_t stack, unsigned pages)
{
	struct retired_stack *retired;
	pfn_t unmapped[STACK_PAGES];

	spin_lock(&lock);
	for (unsigned page = 0; page < pages; page++)
		unmapped[page] = paging_unmap_window(stack + page * PAGE_SIZE) >> PAGE_SHIFT;
	spin_unlock(&lock);

	retired = frame_bytes(unmapped[0]);
	retired->stack = stack;
	for (unsigned page = 0; page < pages; page++)
		retired->frames[page] = unmapped[page];
	return retired;
}

/* After the shootdown.  The first frame goes last: `retired` lies in it. */
static void stack_destroy(struct retired_stack *retired, unsigned pages)
{
	virt_t stack = retired->stack;

	while (pages-- > 0)
		frame_put(retired->frames[pages]);
	slot_vacate(stack);
}

/* Unmap them all, shoot down once, then put them all. */
static void ready_trim(uint32_t keep)
{
	struct ready_stack *entry = ready_detach(keep);
	struct retired_stack *retired = NULL;
	virt_t lowest = UINT64_MAX, highest = 0;

	while (entry != NULL) {
		virt_t stack = (virt_t)entry;
		struct ready_stack *next = entry->next;
		struct retired_stack *gone = stack_unmap(stack, STACK_PAGES);

		gone->next = retired;
		retired = gone;
		lowest = MIN(lowest, stack);
		highest = MAX(highest, stack);
		entry = next;
	}
	if (retired == NULL)
		return;
	tlb_flush_kernel(lowest, highest + KSTACK_SIZE);
	while (retired != NULL) {
		struct retired_stack *next = retired->next;

		stack_destroy(retired, STACK_PAGES);
		retired = next;
	}
}

/* Take all but the last `keep` ready stacks off the list. */
static struct ready_stack *ready_detach(uint32_t keep)
{
	struct ready_stack **link = &ready;
	struct ready_stack *surplus;

	spin_lock(&lock);
	for (uint32_t i = 0; i < keep && *link != NULL; i++)
		link = &(*link)->next;
	surplus = *link;
	*link = NULL;
	atomic_store_relaxed(&ready_count, MIN(ready_count, keep));
	spin_unlock(&lock);
	return surplus;
}

static unsigned region_of(virt_t stack)
{
	return (stack - WINDOW_STACKS) / REGION_SIZE;
}

static unsigned region_taken(unsigned region)
{
	unsigned taken = 0;

	for (unsigned i = 0; i < REGION_WORDS; i++) {
		uint64_t word = slots_taken[region * REGION_WORDS + i];

		for (; word != 0; word &= word - 1)
			taken++;
	}
	return taken;
}

/* Has this stack's region only ready ones, and is it their first on the list? */
static bool keeps_table(const struct ready_stack *entry)
{
	unsigned region = region_of((virt_t)entry), count = 0;

	for (const struct ready_stack *other = ready; other != NULL; other = other->next) {
		if (region_of((virt_t)other) != region)
			continue;
		if (count == 0 && other != entry)
			return false;
		count++;
	}
	return count == region_taken(region);
}

static virt_t ready_pop(void)
{
	struct ready_stack *entry;

	spin_lock(&lock);
	entry = ready;
	if (entry != NULL) {
		ready = entry->next;
		atomic_store_relaxed(&ready_count, ready_count - 1);
	}
	spin_unlock(&lock);
	return (virt_t)entry;
}

/* The lowest vacant slot, so that the window's tables stay few; returns its stack.  0: none. */
static virt_t slot_take(void)
{
	virt_t stack = 0;

	spin_lock(&lock);
	while (first_word < COUNT(slots_taken) && ~slots_taken[first_word] == 0)
		first_word++;
	if (first_word < COUNT(slots_taken)) {
		unsigned bit = bit_lowest(~slots_taken[first_word]);

		slots_taken[first_word] |= BIT(bit);
		stack = slot_start(first_word * 64 + bit) + KSTACK_SIZE;
		atomic_store_relaxed(&stack_count, stack_count + 1);
	}
	spin_unlock(&lock);
	return stack;
}

static void slot_vacate(virt_t stack)
{
	unsigned slot = (stack - WINDOW_STACKS) / SLOT_SIZE;
	unsigned region = align_down(slot / 64, REGION_WORDS);
	phys_t table = 0;

	spin_lock(&lock);
	assert(slots_taken[slot / 64] & BIT(slot % 64));
	slots_taken[slot / 64] &= ~BIT(slot % 64);
	first_word = MIN(first_word, slot / 64);
	atomic_store_relaxed(&stack_count, stack_count - 1);
	table = region_close(&slots_taken[region]);
	spin_unlock(&lock);
	if (table != 0)
		region_open(slot_start(region * 64), table);
}

/* If the region is empty, take its table off and let nobody in.  The table, or 0. */
static phys_t region_close(uint64_t *words)
{
	phys_t table;

	for (unsigned i = 0; i < REGION_WORDS; i++)
		if (words[i] != 0)
			return 0;
	table = paging_drop_window_table(slot_start((words - slots_taken) * 64));
	for (unsigned i = 0; i < REGION_WORDS && table != 0; i++)
		words[i] = UINT64_MAX;
	return table;
}

/* Once no CPU remembers the table. */
static void region_open(virt_t start, phys_t table)
{
	unsigned region = (start - WINDOW_STACKS) / SLOT_SIZE / 64;

	tlb_flush_kernel(start, start + REGION_SIZE);
	frame_put(table >> PAGE_SHIFT);
	spin_lock(&lock);
	for (unsigned i = 0; i < REGION_WORDS; i++)
		slots_taken[region + i] = 0;
	first_word = MIN(first_word, region);
	spin_unlock(&lock);
}

static virt_t slot_start(unsigned slot)
{
	return WINDOW_STACKS + (uint64_t)slot * SLOT_SIZE;
}

/*
 * Debug builds fill a stack with UNTOUCHED before it is used; how far the filling has gone when it
 * is freed is how deep it was.
 */
#ifdef COWBELL_DEBUG
#define UNTOUCHED 0x57ac57ac57ac57acull

static uint64_t deepest;                                /* [lock] */

static void depth_prepare(virt_t stack)
{
	stosq((void *)stack, UNTOUCHED, KSTACK_SIZE / 8);
}

static void depth_note(virt_t stack)
{
	const uint64_t *word = (const uint64_t *)stack;
	const uint64_t *top = (const uint64_t *)(stack + KSTACK_SIZE);

	while (word < top && *word == UNTOUCHED)
		word++;
	spin_lock(&lock);
	deepest = MAX(deepest, (uint64_t)((virt_t)top - (virt_t)word));
	spin_unlock(&lock);
}

uint64_t kstacks_deepest(void)
{
	return atomic_load_relaxed(&deepest);
}
#else
static void depth_prepare(virt_t stack)
{
}

static void depth_note(virt_t stack)
{
}

uint64_t kstacks_deepest(void)
{
	return 0;
}
#endif
