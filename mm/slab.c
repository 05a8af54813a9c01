/* SPDX-License-Identifier: MIT */
/*
 * mm/slab.c - small objects from frames.
 *
 * Owns: the caches behind kmalloc(), and the list of all caches.  A slab is a block of frames:
 *
 *   | header | object 0 | object 1 | free | object 3 | free | never used ...         |
 *              first                 |               ^  |      ^ fresh               ^ end
 *                                    +---- next -----|--+
 *                          header.free --------------+
 *
 * Objects that were freed are chained by their offsets from the header, held in their own first
 * bytes; objects that were never used need no chain, so a new slab costs no pass over it.  From an
 * object to its slab: the frame's metadata knows the order of its block, and blocks are aligned.
 *
 * Invariants: a slab is on its cache's list exactly while it has room.  A cache keeps at most one
 * empty slab, at the end of the list, so that an object that comes and goes does not take a block
 * along; and none while the others have room enough for that.
 *
 * Locks: each cache has its own.  Caches are never removed, so the list of them is read without
 * one.
 */
#include "lib/bits.h"
#include "lib/kasan.h"
#include "lib/list.h"
#include "lib/string.h"
#include "lib/types.h"
#include "kernel/hooks.h"
#include "kernel/panic.h"
#include "kernel/spinlock.h"
#include "mm/frame.h"
#include "mm/mmu.h"
#include "mm/quarantine.h"
#include "mm/slab.h"
#include "mm/slab_shadow.h"

enum { SLAB_ORDER_MAX = 3, SLAB_EMPTY_KEPT = 1, SLAB_ALIGN_MAX = 64, SLAB_SIZE_MIN = 16 };
enum { KMALLOC_SLAB_MAX = 2048, KMALLOC_STEP = 16 };

struct slab {
	struct list_node node;          /* in cache->partial while there is room */
	struct slab_cache *cache;
	uint16_t free;                  /* offset of the first freed object; 0: none */
	uint16_t fresh;                 /* offset of the first object never used */
	uint16_t end;                   /* offset where objects end */
	uint16_t used;                  /* objects alive */
};

static const struct {
	uint16_t size;
	const char *name;
} kmalloc_sizes[] = {
	{ 16, "kmalloc-16" },     { 32, "kmalloc-32" },     { 48, "kmalloc-48" },
	{ 64, "kmalloc-64" },     { 96, "kmalloc-96" },     { 128, "kmalloc-128" },
	{ 192, "kmalloc-192" },   { 256, "kmalloc-256" },   { 384, "kmalloc-384" },
	{ 512, "kmalloc-512" },   { 768, "kmalloc-768" },   { 1024, "kmalloc-1024" },
	{ 1360, "kmalloc-1360" }, { 2048, "kmalloc-2048" },
};

static struct slab_cache kmalloc_caches[COUNT(kmalloc_sizes)];
/* Index of the cache, by size in steps, rounded up. */
static uint8_t kmalloc_class[KMALLOC_SLAB_MAX / KMALLOC_STEP + 1];

static struct spinlock caches_lock = SPINLOCK_INIT(RANK_SLAB);
static struct list caches = LIST_INIT(caches);          /* [caches_lock to add] */

static unsigned slab_best_order(const struct slab_cache *cache);
static uint32_t slab_first(const struct slab_cache *cache);
static struct slab *slab_with_room(struct slab_cache *cache) REQUIRES(cache->lock);
static struct slab *slab_last(struct slab_cache *cache) REQUIRES(cache->lock);
static struct slab *slab_create(struct slab_cache *cache) REQUIRES(cache->lock);
static void slab_destroy(struct slab_cache *cache, struct slab *slab) REQUIRES(cache->lock);
static void *slab_pop(struct slab_cache *cache, struct slab *slab) REQUIRES(cache->lock);
static void slab_push(struct slab_cache *cache, struct slab *slab, void *object)
	REQUIRES(cache->lock);
static void slab_relist(struct slab_cache *cache, struct slab *slab) REQUIRES(cache->lock);
static bool has_room_beside_empty(const struct slab_cache *cache) REQUIRES(cache->lock);
static bool slab_has_room(const struct slab *slab);
static inline struct slab *slab_of(const void *object);
static inline struct slab *slab_at(pfn_t pfn);
static void object_check_free(const struct slab_cache *cache, const void *object);
static void object_mark_free(const struct slab_cache *cache, void *object);
static void object_mark_used(const struct slab_cache *cache, void *object);

void slabs_start(void)
{
	unsigned class = 0;

	for (unsigned i = 0; i < COUNT(kmalloc_sizes); i++)
		slab_cache_init(&kmalloc_caches[i], kmalloc_sizes[i].name, kmalloc_sizes[i].size,
				KMALLOC_STEP);
	for (unsigned i = 0; i < COUNT(kmalloc_class); i++) {
		if (i * KMALLOC_STEP > kmalloc_sizes[class].size)
			class++;
		kmalloc_class[i] = class;
	}
}

void slab_cache_init(struct slab_cache *cache, const char *name, size_t size, size_t align)
{
	align = MAX(align, sizeof(uint64_t));
	assert(size > 0 && is_power_of_two(align) && align <= SLAB_ALIGN_MAX);
	*cache = (struct slab_cache){ .name = name, .align = align };
	cache->size = align_up(MAX(size, (size_t)SLAB_SIZE_MIN), align);
	cache->stride = align_up(cache->size + SLAB_REDZONE, align);
	assert(slab_first(cache) + cache->stride <= PAGE_SIZE);
	cache->order = slab_best_order(cache);
	spin_init(&cache->lock, RANK_SLAB);
	list_init(&cache->partial);
	list_node_init(&cache->all);

	spin_lock(&caches_lock);
	list_push_back(&caches, &cache->all);
	spin_unlock(&caches_lock);
}

/* The smallest block of which at most an eighth is lost. */
static unsigned slab_best_order(const struct slab_cache *cache)
{
	for (unsigned order = 0; order < SLAB_ORDER_MAX; order++) {
		uint64_t bytes = PAGE_SIZE << order;
		uint64_t objects = (bytes - slab_first(cache)) / cache->stride;

		if (bytes - objects * cache->stride <= bytes / 8)
			return order;
	}
	return SLAB_ORDER_MAX;
}

static uint32_t slab_first(const struct slab_cache *cache)
{
	return align_up(sizeof(struct slab) + SLAB_REDZONE_FIRST, cache->align);
}

void *slab_alloc(struct slab_cache *cache)
{
	struct slab *slab;
	void *object = NULL;

	if (FAULT_POINT("slab"))
		return NULL;
	spin_lock(&cache->lock);
	slab = slab_with_room(cache);
	if (slab != NULL)
		object = slab_pop(cache, slab);
	spin_unlock(&cache->lock);
	if (object != NULL)
		slab_shadow_use(object, cache->size, cache->size);
	return object;
}

void *slab_alloc_zeroed(struct slab_cache *cache)
{
	void *object = slab_alloc(cache);

	if (object != NULL)
		memset(object, 0, cache->size);
	return object;
}

/* To the slab it came from. */
static inline void object_put(struct slab *slab, void *object)
{
	struct slab_cache *cache = slab->cache;

	spin_lock(&cache->lock);
	slab_push(cache, slab, object);
	slab_relist(cache, slab);
	spin_unlock(&cache->lock);
}

/* Another may go in its place. */
static inline void object_free(struct slab *slab, void *object)
{
	void *leaving = object;

	if (slab_shadow_free(object, slab->cache->size) && !quarantine_takes_object(&leaving))
		object_put(leaving == object ? slab : slab_of(leaving), leaving);
}

void slab_free(struct slab_cache *cache, void *object)
{
	struct slab *slab = slab_of(object);

	assert(slab->cache == cache);
	object_free(slab, object);
}

/* Of an object, who has it wants so many bytes. */
static inline void *slab_alloc_part(struct slab_cache *cache, size_t size)
{
	void *object = slab_alloc(cache);

	if (SLAB_REDZONE > 0 && object != NULL)
		slab_shadow_use(object, cache->size, size);
	return object;
}

void *kmalloc(size_t size)
{
	unsigned class, order;
	pfn_t pfn;

	if (size <= KMALLOC_SLAB_MAX) {
		class = kmalloc_class[div_round_up(size, KMALLOC_STEP)];
		return slab_alloc_part(&kmalloc_caches[class], size);
	}
	if (size > KMALLOC_MAX)
		return NULL;
	order = log2_ceil(page_count(size));
	pfn = frame_alloc_block(FRAME_KERNEL, order);
	if (pfn == FRAME_NONE)
		return NULL;
	kasan_poison(frame_bytes(pfn), PAGE_SIZE << order, KASAN_REDZONE);
	kasan_unpoison(frame_bytes(pfn), size);
	return frame_bytes(pfn);
}

void *kzalloc(size_t size)
{
	void *memory = kmalloc(size);

	if (memory != NULL)
		memset(memory, 0, size);
	return memory;
}

void kfree(void *memory)
{
	pfn_t pfn;

	if (memory == NULL)
		return;
	pfn = frame_of(memory);
	assert(pfn < frame_count);
	if (likely(frames[pfn].kind == FRAME_SLAB)) {
		object_free(slab_at(pfn), memory);
		return;
	}
	assert(frames[pfn].kind == FRAME_KERNEL && is_page_aligned((virt_t)memory));
	frame_free_block(pfn, frames[pfn].level);
}

char *kstrdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = kmalloc(size);

	if (copy != NULL)
		memcpy(copy, text, size);
	return copy;
}

void slabs_trim(void)
{
	struct slab_cache *cache;
	void *object;

	while ((object = quarantine_leave_object()) != NULL)
		object_put(slab_of(object), object);
	list_for_each_entry(cache, &caches, all) {
		spin_lock(&cache->lock);
		while (cache->empty > 0)
			slab_destroy(cache, slab_last(cache));
		spin_unlock(&cache->lock);
	}
}

uint64_t slab_objects(void)
{
	struct slab_cache *cache;
	uint64_t objects = 0;

	list_for_each_entry(cache, &caches, all)
		objects += atomic_load_relaxed(&cache->objects);
	return objects - quarantined_objects();
}

void slab_for_each_cache(void (*visit)(const struct slab_cache *cache, void *argument),
			 void *argument)
{
	struct slab_cache *cache;

	list_for_each_entry(cache, &caches, all)
		visit(cache, argument);
}

uint32_t slab_capacity(const struct slab_cache *cache)
{
	return ((PAGE_SIZE << cache->order) - slab_first(cache)) / cache->stride;
}

static struct slab *slab_with_room(struct slab_cache *cache)
{
	if (unlikely(list_is_empty(&cache->partial)))
		return slab_create(cache);
	return list_entry(cache->partial.head.next, struct slab, node);
}

/* Where the empty ones are. */
static struct slab *slab_last(struct slab_cache *cache)
{
	return list_entry(list_last(&cache->partial), struct slab, node);
}

/* When memory is short a smaller block will do. */
static struct slab *slab_create(struct slab_cache *cache)
{
	unsigned order = cache->order;
	pfn_t pfn = frame_alloc_block(FRAME_SLAB, order);
	struct slab *slab;

	while (pfn == FRAME_NONE && order > 0)
		pfn = frame_alloc_block(FRAME_SLAB, --order);
	if (pfn == FRAME_NONE)
		return NULL;

	slab = frame_bytes(pfn);
	*slab = (struct slab){ .cache = cache, .fresh = slab_first(cache) };
	slab->end = (PAGE_SIZE << order) - cache->stride + 1;
	kasan_poison(slab + 1, (PAGE_SIZE << order) - sizeof(*slab), KASAN_REDZONE);
	list_push_front(&cache->partial, &slab->node);
	cache->slabs++;
	cache->empty++;
	return slab;
}

static void slab_destroy(struct slab_cache *cache, struct slab *slab)
{
	pfn_t pfn = frame_of(slab);

	assert(slab->used == 0);
	list_remove(&slab->node);
	cache->slabs--;
	cache->empty--;
	frame_free_block(pfn, frames[pfn].level);
}

static void *slab_pop(struct slab_cache *cache, struct slab *slab)
{
	void *object;

	if (slab->free != 0) {
		object = (char *)slab + slab->free;
		kasan_unpoison(object, cache->size);
		object_check_free(cache, object);
		slab->free = *(uint16_t *)object;
	} else {
		object = (char *)slab + slab->fresh;
		kasan_unpoison(object, cache->size);
		slab->fresh += cache->stride;
	}
	if (slab->used++ == 0)
		cache->empty--;
	cache->objects++;
	if (!slab_has_room(slab))
		list_remove(&slab->node);
	object_mark_used(cache, object);
	return object;
}

static void slab_push(struct slab_cache *cache, struct slab *slab, void *object)
{
	uint16_t offset = (char *)object - (char *)slab;

	assert(slab->used > 0 && offset >= slab_first(cache) && offset < slab->fresh);
	kasan_unpoison(object, cache->size);
	object_mark_free(cache, object);
	*(uint16_t *)object = slab->free;
	kasan_poison(object, cache->size, KASAN_OBJECT_FREE);
	slab->free = offset;
	slab->used--;
	cache->objects--;
}

/* After a free: back to the list if the slab was full; to its end, or away, if it is empty. */
static void slab_relist(struct slab_cache *cache, struct slab *slab)
{
	if (!list_node_is_linked(&slab->node))
		list_push_front(&cache->partial, &slab->node);
	if (likely(slab->used > 0))
		return;
	list_remove(&slab->node);
	list_push_back(&cache->partial, &slab->node);
	cache->empty++;
	if (cache->empty > SLAB_EMPTY_KEPT || has_room_beside_empty(cache))
		slab_destroy(cache, slab);
}

/* Can a few objects come and go without a new slab, if the empty ones are not kept? */
static bool has_room_beside_empty(const struct slab_cache *cache)
{
	uint32_t capacity = slab_capacity(cache);
	uint32_t places = (cache->slabs - cache->empty) * capacity;

	return places > cache->objects + capacity / 4;
}

static bool slab_has_room(const struct slab *slab)
{
	return slab->free != 0 || slab->fresh < slab->end;
}

static inline struct slab *slab_of(const void *object)
{
	pfn_t pfn = frame_of(object);

	assert(pfn < frame_count && frames[pfn].kind == FRAME_SLAB);
	return slab_at(pfn);
}

/* The slab that has this frame. */
static inline struct slab *slab_at(pfn_t pfn)
{
	return frame_bytes(align_down(pfn, BIT(frames[pfn].level)));
}

/*
 * Debug builds fill freed objects with one pattern and fresh ones with another.  An object that is
 * all FREED when it is freed is freed twice; one that is not when it is handed out was written to
 * in between.  The address makes a pattern that no data has by chance.  The first word holds the
 * chain.
 */
#ifdef COWBELL_DEBUG
#define FREED 0x6f1ee0b1ec75f1eeull
#define UNSET 0xa5a5a5a5a5a5a5a5ull

static bool object_is_all_freed(const struct slab_cache *cache, const void *object)
{
	const uint64_t *words = object;

	for (uint32_t i = 1; i < cache->size / sizeof(*words); i++)
		if (words[i] != (FREED ^ (virt_t)&words[i]))
			return false;
	return true;
}

static void object_check_free(const struct slab_cache *cache, const void *object)
{
	if (!object_is_all_freed(cache, object))
		panic("%s: object %p was written after it was freed", cache->name, object);
}

static void object_mark_free(const struct slab_cache *cache, void *object)
{
	uint64_t *words = object;

	if (object_is_all_freed(cache, object))
		panic("%s: object %p is freed twice", cache->name, object);
	for (uint32_t i = 1; i < cache->size / sizeof(*words); i++)
		words[i] = FREED ^ (virt_t)&words[i];
}

static void object_mark_used(const struct slab_cache *cache, void *object)
{
	stosq(object, UNSET, cache->size / sizeof(uint64_t));
}
#else
static void object_check_free(const struct slab_cache *cache, const void *object)
{
}

static void object_mark_free(const struct slab_cache *cache, void *object)
{
}

static void object_mark_used(const struct slab_cache *cache, void *object)
{
}
#endif

#ifdef COWBELL_SAN
const void *slab_object_at(const void *at, const struct slab_cache **cache)
{
	const struct slab *slab = slab_at(frame_of(at));
	uint32_t first = slab_first(slab->cache), offset = (const char *)at - (const char *)slab;

	*cache = slab->cache;
	if (offset < first)
		return NULL;
	return (const char *)at - (offset - first) % slab->cache->stride;
}
#endif
