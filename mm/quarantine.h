/* SPDX-License-Identifier: MIT */
/*
 * mm/quarantine.h - what was freed is not handed out again at once.
 *
 * The longer freed memory stays free, the surer whoever still touches it is caught (lib/kasan.h).
 * In builds with SAN=1 freed frames and objects wait in two queues, first in, first out.  They
 * count as free, and are given back when memory is short.  Nothing is left of this file in other
 * builds.
 */
#pragma once

#include "lib/types.h"

#ifdef COWBELL_SAN

enum { FRAMES_WAIT = true };            /* each that is freed, before it is used again */

/* The queue takes in *pfn, a single free frame.  False: it gave up another for it, now *pfn. */
bool quarantine_takes_frame(pfn_t *pfn);

/* How many wait. */
uint64_t quarantined_frames(void);

/* Give all frames to the free lists if those have fewer than `wanted`. */
void quarantine_relieve(uint64_t wanted);

/* Who freed a frame that waits?  NULL: it does not. */
const struct sanitizer_calls *quarantine_who_freed(pfn_t pfn);

/* The same for small objects.  leave: the oldest, or NULL. */
bool quarantine_takes_object(void **object);
void *quarantine_leave_object(void);
uint64_t quarantined_objects(void);

/* Frames of slabs.  With objects kept back it is chance in which slabs the lasting ones come to
 * lie, so how many there are says nothing of leaks; the ledger adds them to the free ones. */
uint64_t quarantine_slab_frames(void);

#else

enum { FRAMES_WAIT = false };

static inline bool quarantine_takes_frame(pfn_t *pfn)
{
	return false;
}

static inline uint64_t quarantined_frames(void)
{
	return 0;
}

static inline void quarantine_relieve(uint64_t wanted)
{
}

static inline bool quarantine_takes_object(void **object)
{
	return false;
}

static inline void *quarantine_leave_object(void)
{
	return NULL;
}

static inline uint64_t quarantined_objects(void)
{
	return 0;
}

static inline uint64_t quarantine_slab_frames(void)
{
	return 0;
}

#endif
