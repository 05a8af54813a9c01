/* SPDX-License-Identifier: MIT */
/* Small objects and kmalloc.  tests/host has the long runs. */
#include "lib/bits.h"
#include "lib/string.h"
#include "kernel/ktest.h"
#include "mm/frame.h"
#include "mm/slab.h"

enum { OBJECTS = 200 };

/* A cache lives for ever, so all tests share this one. */
static struct slab_cache *test_cache(void)
{
	static struct slab_cache cache;

	if (cache.size == 0)
		slab_cache_init(&cache, "ktest", 72, 8);
	return &cache;
}

/* Sanitized builds hold what is freed back. */
static void quarantine_end(void)
{
#ifdef COWBELL_SAN
	slabs_trim();
#endif
}

static void fill(uint8_t **memory, unsigned count, size_t size)
{
	for (unsigned i = 0; i < count; i++)
		memset(memory[i], i, size);
}

static bool is_intact(uint8_t **memory, unsigned count, size_t size)
{
	for (unsigned i = 0; i < count; i++)
		if (memory[i][0] != (uint8_t)i || memory[i][size - 1] != (uint8_t)i)
			return false;
	return true;
}

KTEST(slab, objects_do_not_overlap)
{
	static uint8_t *objects[OBJECTS];
	struct slab_cache *cache = test_cache();

	for (unsigned i = 0; i < OBJECTS; i++)
		objects[i] = slab_alloc(cache);
	fill(objects, OBJECTS, cache->size);
	EXPECT(is_intact(objects, OBJECTS, cache->size));
	EXPECT_EQ(cache->objects, OBJECTS);
	for (unsigned i = 0; i < OBJECTS; i++)
		slab_free(cache, objects[i]);
	quarantine_end();
	EXPECT_EQ(cache->objects, 0);
}

KTEST(slab, empty_slabs_are_given_back)
{
	static void *objects[OBJECTS];
	struct slab_cache *cache = test_cache();
	uint64_t before;

	slabs_trim();
	before = frames_free();
	for (unsigned i = 0; i < OBJECTS; i++)
		objects[i] = slab_alloc(cache);
	EXPECT(frames_free() < before);
	for (unsigned i = 0; i < OBJECTS; i++)
		slab_free(cache, objects[i]);
	quarantine_end();
	EXPECT(cache->slabs <= 1);
	slabs_trim();
	EXPECT_EQ(cache->slabs, 0);
	EXPECT_EQ(frames_free(), before);
}

KTEST(slab, kmalloc_of_every_size_is_aligned_and_private)
{
	uint8_t *memory[24];

	for (unsigned i = 0; i < COUNT(memory); i++) {
		memory[i] = kmalloc(1ull << i / 2);
		EXPECT(is_aligned((virt_t)memory[i], 16));
	}
	fill(memory, COUNT(memory), 1);
	EXPECT(is_intact(memory, COUNT(memory), 1));
	for (unsigned i = 0; i < COUNT(memory); i++)
		kfree(memory[i]);
}

KTEST(slab, large_memory_is_whole_pages)
{
	uint64_t before = frames_free();
	void *memory = kmalloc(3 * PAGE_SIZE);

	EXPECT(is_page_aligned((virt_t)memory));
	EXPECT_EQ(frames_free(), before - 4);
	kfree(memory);
	EXPECT_EQ(frames_free(), before);
	EXPECT(kmalloc(8 * MIB) == NULL);
}

KTEST(slab, zeroed_memory_is_zero)
{
	for (size_t size = 1; size < 10000; size = size * 2 + 1) {
		uint8_t *memory = kzalloc(size);
		unsigned bits = 0;

		for (size_t i = 0; i < size; i++)
			bits |= memory[i];
		EXPECT_EQ(bits, 0);
		kfree(memory);
	}
}

KTEST(slab, strings_are_copied)
{
	char *copy = kstrdup("moo");

	EXPECT(string_equals(copy, "moo"));
	kfree(copy);
}
