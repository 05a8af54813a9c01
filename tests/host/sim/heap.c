/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/heap.c - small objects from the C library.
 *
 * Stands in for mm/slab.c, so that the sanitizer sees every use of a space, an object or an array
 * of ranges after it was freed.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/list.h"
#include "arch/x86_64/paging.h"
#include "kernel/hooks.h"
#include "mm/kstack.h"
#include "mm/slab.h"

static uint64_t alive;

static void *heap_alloc(size_t size)
{
	void *memory = malloc(size);

	memset(memory, 0xa5, size);
	alive++;
	return memory;
}

void slab_cache_init(struct slab_cache *cache, const char *name, size_t size, size_t align)
{
	*cache = (struct slab_cache){ .name = name, .size = size, .align = align };
}

void *slab_alloc(struct slab_cache *cache)
{
	return FAULT_POINT("slab") ? NULL : heap_alloc(cache->size);
}

void *slab_alloc_zeroed(struct slab_cache *cache)
{
	void *memory = slab_alloc(cache);

	return memory ? memset(memory, 0, cache->size) : NULL;
}

void slab_free(struct slab_cache *cache, void *memory)
{
	alive--;
	free(memory);
}

void *kmalloc(size_t size)
{
	return FAULT_POINT("kmalloc") ? NULL : heap_alloc(size);
}

void *kzalloc(size_t size)
{
	void *memory = kmalloc(size);

	return memory ? memset(memory, 0, size) : NULL;
}

void kfree(void *memory)
{
	alive -= memory != NULL;
	free(memory);
}

uint64_t slab_objects(void)
{
	return alive;
}

/* There are no slabs to give back, no kernel stacks and no kernel tables. */
void slabs_trim(void)
{
}

void kstacks_trim(void)
{
}

uint64_t kstacks_cached_frames(void)
{
	return 0;
}

uint64_t paging_table_pages(void)
{
	return 0;
}
