// sources: mm/slab.c mm/frame.c mm/frame_check.c mm/buddy.c mm/frame_early.c
// sources: lib/random.c lib/string.c tests/host/machine.c
// flags: -DCOWBELL_DEBUG
/* SPDX-License-Identifier: MIT */

/* Caches and kmalloc against a model: which objects are alive, and what was written to them. */

#include "lib/bits.h"
#include "lib/random.h"
#include "lib/types.h"
#include "mm/frame.h"
#include "mm/mmu.h"
#include "mm/slab.h"
#include "tap.h"
#include "tests/host/frame_machine.h"
#include "tests/host/machine.h"

enum { HELD_MAX = 3000, SEEDS = 10, STEPS = 20000 };

struct held {
	void *memory;
	size_t size;
	uint8_t stamp;
};

static struct held held[HELD_MAX];
static size_t held_count;

/* Caches live for ever, so the machine is made once and used by all tests. */
static void start_once(void)
{
	static bool is_started;

	if (is_started)
		return;
	is_started = true;
	start(64 * MIB);
	start_frames();
	slabs_start();
}

static struct slab_cache *cache_of(size_t size, size_t align)
{
	static struct slab_cache caches[64];
	static unsigned count;

	slab_cache_init(&caches[count], "test", size, align);
	return &caches[count++];
}

static void note(void *memory, size_t size, uint8_t stamp)
{
	held[held_count++] = (struct held){ memory, size, stamp };
	memset(memory, stamp, size);
}

/* Forget one object; NULL if it was written to by somebody else. */
static void *forget(size_t at)
{
	struct held object = held[at];
	const uint8_t *bytes = object.memory;

	held[at] = held[--held_count];
	for (size_t i = 0; i < object.size; i++)
		if (bytes[i] != object.stamp)
			return NULL;
	return object.memory;
}

/* 1 byte to 4 KiB, the small ones more often. */
static size_t random_size(struct random *random)
{
	return 1 + random_below(random, BIT(random_below(random, 13)));
}

TEST(sizes_and_alignments)
{
	start_once();
	for (size_t size = 1; size <= 4000; size += 1 + size / 16) {
		void *memory = kmalloc(size);

		EXPECT(is_aligned((uintptr_t)memory, 16));
		memset(memory, 0, size);
		kfree(memory);
	}
	for (size_t size = PAGE_SIZE; size <= KMALLOC_MAX; size *= 2) {
		void *memory = kmalloc(size);

		EXPECT(is_page_aligned((uintptr_t)memory));
		memset(memory, 0, size);
		kfree(memory);
	}
	EXPECT(kmalloc(KMALLOC_MAX + 1) == NULL);
	EXPECT(kmalloc(SIZE_MAX) == NULL);
	kfree(NULL);
}

TEST(caches_keep_their_alignment)
{
	start_once();
	for (size_t align = 1; align <= 64; align *= 2) {
		struct slab_cache *cache = cache_of(40, align);

		for (unsigned i = 0; i < 500; i++) {
			void *object = slab_alloc(cache);

			EXPECT(is_aligned((uintptr_t)object, align));
			note(object, 40, i);
		}
		while (held_count > 0)
			slab_free(cache, forget(held_count - 1));
	}
}

TEST(random_use_never_overlaps_and_gives_all_back)
{
	struct shape before;

	start_once();
	slabs_trim();
	before = shape_now();
	for (uint64_t seed = first_seed(); seed < first_seed() + SEEDS; seed++) {
		uint64_t objects_before = slab_objects();
		struct random random;

		random_seed(&random, seed);
		for (unsigned step = 0; step < STEPS; step++) {
			bool is_growing = random_below(&random, 100) < 35 + 30 * (step / 4000 % 2);

			if (is_growing && held_count < HELD_MAX) {
				size_t size = random_size(&random);

				note(kmalloc(size), size, step);
			} else if (held_count > 0) {
				void *memory = forget(random_below(&random, held_count));

				EXPECT(memory != NULL);
				kfree(memory);
			}
		}
		while (held_count > 0)
			kfree(forget(held_count - 1));
		EXPECT(slab_objects() == objects_before);
		slabs_trim();
		EXPECT(shape_is(before));
		EXPECT(is_sound());
	}
}

TEST(an_object_that_comes_and_goes_keeps_its_slab)
{
	struct slab_cache *cache;
	uint64_t free_before;

	start_once();
	cache = cache_of(100, 0);
	slab_free(cache, slab_alloc(cache));
	free_before = frames_free();
	for (unsigned i = 0; i < 1000; i++)
		slab_free(cache, slab_alloc(cache));
	EXPECT(frames_free() == free_before);
	EXPECT(cache->slabs == 1 && cache->empty == 1 && cache->objects == 0);
	slabs_trim();
	EXPECT(cache->slabs == 0 && cache->empty == 0);
	EXPECT(frames_free() > free_before);
}

TEST(empty_slabs_beyond_one_go_back)
{
	struct slab_cache *cache;

	start_once();
	cache = cache_of(1000, 0);
	for (unsigned i = 0; i < 1000; i++)
		note(slab_alloc(cache), 1000, i);
	EXPECT(cache->slabs > 100 && cache->empty == 0);
	while (held_count > 0)
		slab_free(cache, forget(held_count / 2));
	EXPECT(cache->slabs == 1);
}

TEST(one_object_keeps_only_its_slab)
{
	struct slab_cache *cache;

	start_once();
	cache = cache_of(64, 64);
	for (unsigned i = 0; i < 1000; i++)
		note(slab_alloc(cache), 64, i);
	while (held_count > 1)
		slab_free(cache, forget(held_count - 2));
	EXPECT(cache->objects == 1);
	EXPECT(cache->slabs == 1 && cache->empty == 0);
	slab_free(cache, forget(0));
}

TEST(an_empty_slab_stays_while_the_others_are_full)
{
	struct slab_cache *cache;

	start_once();
	cache = cache_of(64, 64);
	do
		note(slab_alloc(cache), 64, held_count);
	while (cache->slabs < 3);
	slab_free(cache, forget(held_count - 1));
	EXPECT(cache->slabs == 3 && cache->empty == 1);
	note(slab_alloc(cache), 64, held_count);
	while (held_count > 0)
		slab_free(cache, forget(0));
	EXPECT(cache->slabs == 1 && cache->empty == 1);
}

TEST(zeroed_memory_is_zero)
{
	start_once();
	for (size_t size = 1; size < 20000; size = size * 3 / 2 + 1) {
		for (unsigned round = 0; round < 3; round++) {
			uint8_t *bytes = kzalloc(size);
			size_t sum = 0;

			for (size_t i = 0; i < size; i++)
				sum += bytes[i];
			EXPECT(sum == 0);
			memset(bytes, 0xff, size);
			kfree(bytes);
		}
	}
}

TEST(strings_are_copied)
{
	char *copy;

	start_once();
	copy = kstrdup("moo");
	EXPECT(strcmp(copy, "moo") == 0);
	kfree(copy);
	copy = kstrdup("");
	EXPECT(copy[0] == 0);
	kfree(copy);
}

TEST(fragmented_memory_still_makes_slabs)
{
	static uint32_t singles[(64 * MIB) / PAGE_SIZE];
	struct slab_cache *cache;
	uint64_t count = 0;
	pfn_t pfn;

	start_once();
	cache = cache_of(2048, 0);
	EXPECT(cache->order > 0);
	while ((pfn = frame_alloc(FRAME_DATA)) != FRAME_NONE)
		singles[count++] = pfn;
	EXPECT(slab_alloc(cache) == NULL);
	EXPECT(kmalloc(5000) == NULL);
	for (uint64_t i = 0; i < count; i++)
		if (singles[i] % 2 == 0)
			frame_put(singles[i]);
	EXPECT(kmalloc(5000) == NULL);
	for (unsigned i = 0; i < 100; i++)
		note(slab_alloc(cache), 2048, i);
	EXPECT(cache->slabs == 100);
	while (held_count > 0)
		slab_free(cache, forget(0));
	for (uint64_t i = 0; i < count; i++)
		if (singles[i] % 2 != 0)
			frame_put(singles[i]);
	EXPECT(is_sound());
}

static bool fail_always(const char *name)
{
	return true;
}

TEST(an_injected_failure_changes_nothing)
{
	struct slab_cache *cache;
	uint64_t free_before, objects_before;

	start_once();
	cache = cache_of(24, 0);
	free_before = frames_free();
	objects_before = slab_objects();
	host_fault_hook = fail_always;
	EXPECT(slab_alloc(cache) == NULL);
	EXPECT(slab_alloc_zeroed(cache) == NULL);
	EXPECT(kmalloc(10) == NULL);
	EXPECT(kzalloc(10000) == NULL);
	EXPECT(kstrdup("moo") == NULL);
	host_fault_hook = NULL;
	EXPECT(frames_free() == free_before);
	EXPECT(slab_objects() == objects_before);
}

static void count_cache(const struct slab_cache *cache, void *argument)
{
	*(uint64_t *)argument += cache->objects;
}

TEST(visiting_sees_every_cache)
{
	struct slab_cache *cache;
	uint64_t objects = 0;
	void *object;

	start_once();
	cache = cache_of(24, 0);
	object = slab_alloc(cache);
	slab_for_each_cache(count_cache, &objects);
	EXPECT(objects == slab_objects() && objects >= 1);
	slab_free(cache, object);
}

/* ---- mistakes ---- */

static struct slab_cache *victims;
static uint8_t *victim;

static void free_twice(void)
{
	slab_free(victims, victim);
	slab_free(victims, victim);
}

static void free_to_another_cache(void)
{
	slab_free(cache_of(64, 0), victim);
}

static void write_after_free(void)
{
	slab_free(victims, victim);
	victim[20] = 0;
	victim = slab_alloc(victims);
}

static void free_inside_a_large_block(void)
{
	kfree((char *)kmalloc(10000) + 16);
}

static void free_what_was_never_given(void)
{
	kfree(frame_bytes(frame_alloc(FRAME_DATA)));
}

static void free_properly(void)
{
	slab_free(victims, victim);
	victim = slab_alloc(victims);
}

TEST(mistakes_are_noticed)
{
	start_once();
	victims = cache_of(64, 0);
	EXPECT(slab_alloc(victims) != NULL);
	victim = slab_alloc(victims);
	EXPECT(panics(free_twice));
	EXPECT(panics(free_to_another_cache));
	EXPECT(panics(write_after_free));
	EXPECT(panics(free_inside_a_large_block));
	EXPECT(panics(free_what_was_never_given));
	EXPECT(!panics(free_properly));
}
