/* SPDX-License-Identifier: MIT */
/*
 * mm/slab_shadow.h - red zones between small objects, and who had them (lib/kasan.h).
 *
 * Behind each object, and before the first, lies a red zone.  Nobody may touch it, so there is room
 * in it for the object's history: who allocated it, who freed it.  Nothing is left of this file but
 * a zone of no bytes in builds without SAN=1.
 */
#pragma once

#include "lib/types.h"

#ifdef COWBELL_SAN
#include "kernel/sanitizer.h"

struct object_history {
	struct sanitizer_calls allocated, freed;
};

enum { SLAB_REDZONE = sizeof(struct object_history), SLAB_REDZONE_FIRST = 16 };

/* An object with room for that many bytes is somebody's, who asked for `size`. */
void slab_shadow_use(void *object, size_t room, size_t size);

/* It is free.  False, after a report: it was before. */
MUST_CHECK bool slab_shadow_free(void *object, size_t room);

/* The object whose room, red zone included, covers an address in a slab's frame.  NULL: the address
 * is in front of all. */
struct slab_cache;
const void *slab_object_at(const void *at, const struct slab_cache **cache);

#else

enum { SLAB_REDZONE = 0, SLAB_REDZONE_FIRST = 0 };

static inline void slab_shadow_use(void *object, size_t room, size_t size)
{
}

static inline bool slab_shadow_free(void *object, size_t room)
{
	return true;
}

#endif
