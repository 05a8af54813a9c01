/* SPDX-License-Identifier: MIT */
/*
 * mm/slab.h - small objects from frames.
 *
 * A cache hands out objects of one size; each of its slabs is one block of frames with its
 * bookkeeping at the front.  kmalloc() picks a cache by size (16 B ... 2 KiB) or whole blocks above
 * that.  May be called under spinlocks of a rank below RANK_SLAB, never from interrupt handlers.
 */
#pragma once

#include "lib/list.h"
#include "lib/types.h"
#include "kernel/spinlock.h"

struct slab_cache {
	const char *name;
	uint32_t size, align;           /* of one object, bytes */
	uint32_t stride;                /* from one object to the next, bytes */
	uint32_t order;                 /* of the blocks it prefers for its slabs */
	struct spinlock lock;
	struct list partial;            /* [lock] slabs with room, empty ones last */
	uint32_t slabs, objects;        /* [lock] alive */
	uint32_t empty;                 /* [lock] slabs without objects, kept for the next */
	struct list_node all;
};

/* Objects of at most 4000 bytes.  `align` is a power of two up to 64, or 0 if it does not matter.
 * A cache lives for ever. */
void slab_cache_init(struct slab_cache *cache, const char *name, size_t size, size_t align);
MUST_CHECK void *slab_alloc(struct slab_cache *cache);  /* NULL: no memory.  Contents undefined. */
MUST_CHECK void *slab_alloc_zeroed(struct slab_cache *cache);
void slab_free(struct slab_cache *cache, void *object);

void slabs_start(void);

/* Give the empty slabs that caches keep back to the frame allocator. */
void slabs_trim(void);

/* General memory, 16-byte aligned; from 4 KiB up page aligned.  NULL: no memory, or more than
 * KMALLOC_MAX. */
enum { KMALLOC_MAX = 4 * MIB };
MUST_CHECK void *kmalloc(size_t size);
MUST_CHECK void *kzalloc(size_t size);
void kfree(void *memory);               /* NULL is fine */
MUST_CHECK char *kstrdup(const char *text);

/* Objects alive in all caches; for the ledger.  visit each cache for /proc/slabinfo. */
uint64_t slab_objects(void);
void slab_for_each_cache(void (*visit)(const struct slab_cache *cache, void *argument),
			 void *argument);
uint32_t slab_capacity(const struct slab_cache *cache);         /* objects in one of its slabs */
