// sources: mm/frame.c mm/frame_check.c mm/buddy.c mm/frame_early.c
// sources: tests/host/machine.c lib/random.c
// flags: -DCOWBELL_DEBUG
/* SPDX-License-Identifier: MIT */

/* The frame allocator on machines of its own, against the simplest model: who owns which frame. */

#include <stdlib.h>

#include "lib/bits.h"
#include "lib/random.h"
#include "lib/types.h"
#include "mm/buddy.h"
#include "mm/frame.h"
#include "mm/mmu.h"
#include "tap.h"
#include "tests/host/frame_machine.h"
#include "tests/host/machine.h"

enum { HELD_MAX = 4096, SEEDS = 15, STEPS = 4000 };

static const uint64_t machine_bytes = 32 * MIB;

struct held {
	pfn_t pfn;
	unsigned order;
	uint64_t stamp;
};

static struct held held[HELD_MAX];
static size_t held_count;

/* ---- the model ---- */

static void block_stamp(const struct held *block)
{
	for (pfn_t pfn = block->pfn; pfn < block->pfn + BIT(block->order); pfn++) {
		uint64_t *words = frame_bytes(pfn);

		words[0] = words[PAGE_SIZE / 16] = words[PAGE_SIZE / 8 - 1] = block->stamp + pfn;
	}
}

static bool block_has_stamp(const struct held *block)
{
	for (pfn_t pfn = block->pfn; pfn < block->pfn + BIT(block->order); pfn++) {
		const uint64_t *words = frame_bytes(pfn);
		uint64_t expected = block->stamp + pfn;

		if (words[0] != expected || words[PAGE_SIZE / 16] != expected ||
		    words[PAGE_SIZE / 8 - 1] != expected)
			return false;
	}
	return true;
}

static bool model_take(unsigned order, uint64_t stamp)
{
	struct held *block = &held[held_count];

	if (held_count == HELD_MAX)
		return false;
	block->pfn = frame_alloc_block(FRAME_DATA, order);
	if (block->pfn == FRAME_NONE)
		return false;
	block->order = order;
	block->stamp = stamp;
	held_count++;
	EXPECT(is_aligned(block->pfn, BIT(order)));
	EXPECT(frame_is_exclusive(block->pfn));
	block_stamp(block);
	return true;
}

static void model_give(size_t at)
{
	struct held block = held[at];

	EXPECT(block_has_stamp(&block));
	held[at] = held[--held_count];
	if (block.stamp & 1)
		frame_free_block(block.pfn, block.order);
	else
		frame_put(block.pfn);
}

static uint64_t model_frames(void)
{
	uint64_t count = 0;

	for (size_t i = 0; i < held_count; i++)
		count += BIT(held[i].order);
	return count;
}

static void model_empty(void)
{
	while (held_count > 0)
		model_give(held_count - 1);
}

/* Small blocks are frequent, every order comes. */
static unsigned random_order(struct random *random)
{
	return MIN((unsigned)random_below(random, 6) * (unsigned)random_below(random, 4),
		   (unsigned)FRAME_ORDER_MAX);
}

/* ---- blocks ---- */

TEST(random_blocks_never_overlap_and_merge_again)
{
	start(machine_bytes);
	start_frames();
	for (uint64_t seed = first_seed(); seed < first_seed() + SEEDS; seed++) {
		struct shape before = shape_now();
		uint64_t free_before = frames_free();
		struct random random;

		random_seed(&random, seed);
		for (unsigned step = 0; step < STEPS; step++) {
			unsigned wish = random_below(&random, 100);

			host_become_cpu(random_below(&random, HOST_CPUS));
			if (wish < 50 + 45 * (step / 500 % 2) && held_count < HELD_MAX)
				model_take(random_order(&random), random_next(&random));
			else if (held_count > 0)
				model_give(random_below(&random, held_count));
			if (wish == 99)
				frames_drain_caches();
		}
		EXPECT(is_sound());
		EXPECT(frames_free() + model_frames() == free_before);
		model_empty();
		EXPECT(frames_free() == free_before);
		EXPECT(shape_is(before));
		EXPECT(is_sound());
	}
}

TEST(exhaustion_loses_nothing)
{
	static uint32_t singles[(32 * MIB) / PAGE_SIZE];

	start(machine_bytes);
	start_frames();
	for (unsigned order = 0; order <= FRAME_ORDER_MAX; order++) {
		struct shape before = shape_now();
		uint64_t free_before = frames_free();
		uint64_t count = 0;
		pfn_t pfn;

		while ((pfn = frame_alloc_block(FRAME_KERNEL, order)) != FRAME_NONE)
			singles[count++] = pfn;
		EXPECT(frames_free() + (count << order) == free_before);
		EXPECT(order > 0 || frames_free() == 0);
		EXPECT(frame_alloc_block(FRAME_KERNEL, order) == FRAME_NONE);
		EXPECT(is_sound());
		while (count > 0)
			frame_free_block(singles[--count], order);
		EXPECT(shape_is(before));
		EXPECT(is_sound());
	}
}

/* What nobody has wanted costs boot nothing, and a virtual machine's host no memory. */
TEST(memory_is_linked_only_when_it_is_wanted)
{
	uint64_t linked = 0;

	start(machine_bytes);
	start_frames();
	drain_all();
	for (pfn_t pfn = 0; pfn < frame_count; pfn++)
		if (frames[pfn].kind == FRAME_FREE && frames[pfn].used == FREE_HEAD)
			linked += BIT(frames[pfn].level);
	EXPECT(linked <= 4 * BIT(BUDDY_ORDER_MAX));     /* the one in use, ends of ranges */
	EXPECT(linked < frames_free() / 2);
	EXPECT(frames_free() + 1 == frames_total());
	EXPECT(is_sound());
}

/* Its first half linked, because it was used once, its second never touched: still one run. */
TEST(a_run_may_be_half_untouched)
{
	enum { ORDER = BUDDY_ORDER_MAX + 1 };
	static pfn_t blocks[(32 * MIB) / PAGE_SIZE >> BUDDY_ORDER_MAX];
	unsigned runs = 0, count = 0, used = 3;

	start(machine_bytes);
	start_frames();
	while (frame_alloc_block(FRAME_KERNEL, ORDER) != FRAME_NONE)
		runs++;

	start(machine_bytes);
	start_frames();
	while (count < used)
		blocks[count++] = frame_alloc_block(FRAME_KERNEL, BUDDY_ORDER_MAX);
	while (count > 0)
		frame_free_block(blocks[--count], BUDDY_ORDER_MAX);
	while (frame_alloc_block(FRAME_KERNEL, ORDER) != FRAME_NONE)
		count++;
	EXPECT(count == runs);
	EXPECT(is_sound());
}

TEST(a_large_block_may_lie_in_the_cache)
{
	pfn_t block, singles[4];

	start(machine_bytes);
	start_frames();
	block = frame_alloc_block(FRAME_KERNEL, 2);
	for (unsigned order = FRAME_ORDER_MAX + 1; order-- > 0;)
		while (frame_alloc_block(FRAME_KERNEL, order) != FRAME_NONE)
			;
	EXPECT(frames_free() == 0);
	frame_free_block(block, 2);
	for (unsigned i = 0; i < COUNT(singles); i++)
		singles[i] = frame_alloc(FRAME_DATA);
	for (unsigned i = 0; i < COUNT(singles); i++)
		frame_put(singles[i]);
	EXPECT(frame_alloc_block(FRAME_KERNEL, 2) == block);
}

/* ---- caches and counts ---- */

TEST(frames_may_be_freed_on_another_cpu)
{
	struct shape before;
	uint64_t free_before;

	start(machine_bytes);
	start_frames();
	before = shape_now();
	free_before = frames_free();
	for (unsigned round = 0; round < 100; round++) {
		host_become_cpu(round % HOST_CPUS);
		for (unsigned i = 0; i < 37; i++)
			model_take(0, i);
		host_become_cpu((round + 1) % HOST_CPUS);
		model_empty();
		EXPECT(frames_free() == free_before);
	}
	EXPECT(is_sound());
	EXPECT(shape_is(before));
}

TEST(the_last_put_frees)
{
	pfn_t pfn;
	uint64_t free_before;

	start(machine_bytes);
	start_frames();
	free_before = frames_free();
	pfn = frame_alloc(FRAME_DATA);
	for (unsigned i = 0; i < 1000; i++)
		frame_get(pfn);
	EXPECT(!frame_is_exclusive(pfn));
	for (unsigned i = 0; i < 1000; i++)
		frame_put(pfn);
	EXPECT(frame_is_exclusive(pfn));
	EXPECT(frames[pfn].kind == FRAME_DATA);
	frame_put(pfn);
	EXPECT(frames[pfn].kind == FRAME_FREE);
	EXPECT(frames_free() == free_before);
}

TEST(counts_use_all_32_bits)
{
	pfn_t pfn;

	start(machine_bytes);
	start_frames();
	pfn = frame_alloc(FRAME_DATA);
	frame_refs[pfn] = UINT32_MAX - 1;
	frame_get(pfn);
	EXPECT(frame_refs[pfn] == UINT32_MAX);
	EXPECT(frame_refs[pfn - 1] == 0 || frames[pfn - 1].kind != FRAME_FREE);
	EXPECT(frame_refs[pfn + 1] == 0 || frames[pfn + 1].kind != FRAME_FREE);
	EXPECT(!frame_put_is_last(pfn));
	frame_refs[pfn] = 1;
	frame_put(pfn);
	EXPECT(is_sound());
}

TEST(zeroed_frames_are_zero)
{
	start(machine_bytes);
	memset(host_ram, 0xff, machine_bytes);
	start_frames();
	for (unsigned i = 0; i < 100; i++) {
		pfn_t pfn = frame_alloc_zeroed(FRAME_TABLE);
		const uint8_t *bytes = frame_bytes(pfn);

		for (unsigned k = 0; k < PAGE_SIZE; k++)
			EXPECT(bytes[k] == 0);
		memset(frame_bytes(pfn), 0xff, PAGE_SIZE);
		frame_free_block(pfn, 0);
	}
	EXPECT(frames[zero_frame].kind == FRAME_ZERO && frame_refs[zero_frame] == 0);
	EXPECT(*(uint64_t *)frame_bytes(zero_frame) == 0);
}

/* ---- hooks ---- */

static unsigned failures_left;

static bool fail_some(const char *name)
{
	return failures_left > 0 && failures_left-- > 0;
}

TEST(an_injected_failure_changes_nothing)
{
	uint64_t free_before;

	start(machine_bytes);
	start_frames();
	free_before = frames_free();
	host_fault_hook = fail_some;
	failures_left = 3;
	EXPECT(frame_alloc(FRAME_DATA) == FRAME_NONE);
	EXPECT(frame_alloc_zeroed(FRAME_DATA) == FRAME_NONE);
	EXPECT(frame_alloc_block(FRAME_DATA, 3) == FRAME_NONE);
	host_fault_hook = NULL;
	EXPECT(frames_free() == free_before);
	EXPECT(is_sound());
}

static uint64_t frames_by_events;

static void count_events(enum event_type type, uint64_t pfn, uint64_t kind, uint64_t order)
{
	frames_by_events += type == EVENT_frame_alloc ? BIT(order) : -BIT(order);
	EXPECT(kind == FRAME_DATA);
}

TEST(events_tell_what_is_held)
{
	struct random random;

	start(machine_bytes);
	start_frames();
	random_seed(&random, first_seed());
	host_event_hook = count_events;
	event_mask = BIT(EVENT_frame_alloc) | BIT(EVENT_frame_free);
	for (unsigned step = 0; step < STEPS; step++) {
		if (random_below(&random, 2) == 0)
			model_take(random_order(&random), step);
		else if (held_count > 0)
			model_give(random_below(&random, held_count));
		EXPECT(frames_by_events == model_frames());
	}
	model_empty();
	event_mask = 0;
	EXPECT(frames_by_events == 0);
}

/* ---- mistakes ---- */

static pfn_t victim;

static void free_twice(void)
{
	frame_free_block(victim, 0);
	frame_free_block(victim, 0);
}

static void free_with_wrong_order(void)
{
	frame_free_block(victim, 1);
}

static void free_while_shared(void)
{
	frame_get(victim);
	frame_free_block(victim, 0);
}

static void free_zero_frame(void)
{
	frame_free_block(zero_frame, 0);
}

static void put_table(void)
{
	frames[victim].kind = FRAME_TABLE;
	frame_put(victim);
}

static void write_after_free(void)
{
	frame_free_block(victim, 0);
	((uint8_t *)frame_bytes(victim))[1000] = 1;
	victim = frame_alloc(FRAME_DATA);
}

static void free_properly(void)
{
	frame_free_block(victim, 0);
	victim = frame_alloc(FRAME_DATA);
}

TEST(mistakes_are_noticed)
{
	start(machine_bytes);
	start_frames();
	victim = frame_alloc(FRAME_DATA);
	EXPECT(panics(free_twice));
	EXPECT(panics(free_with_wrong_order));
	EXPECT(panics(free_while_shared));
	EXPECT(panics(free_zero_frame));
	EXPECT(panics(put_table));
	EXPECT(panics(write_after_free));
	EXPECT(!panics(free_properly));
}

TEST(check_finds_damage)
{
	pfn_t pfn, head;

	start(machine_bytes);
	start_frames();
	drain_all();
	for (head = 0; frames[head].used != FREE_HEAD || frames[head].level < 3; head++)
		;
	frames[head + 3].kind = FRAME_DATA;
	EXPECT(frames_check() != NULL);
	frames[head + 3].kind = FRAME_FREE;
	frames[head + 3].used = FREE_CACHED;
	EXPECT(frames_check() != NULL);
	frames[head + 3].used = FREE_INSIDE;
	frames[head].level--;
	EXPECT(frames_check() != NULL);
	frames[head].level++;
	EXPECT(is_sound());

	pfn = frame_alloc(FRAME_DATA);
	frames[pfn].kind = FRAME_FREE;
	EXPECT(frames_check() != NULL);
	frames[pfn].kind = FRAME_DATA;
	frame_put(pfn);
	EXPECT(is_sound());
	frames[pfn].used = FREE_INSIDE;
	EXPECT(frames_check() != NULL);
}
