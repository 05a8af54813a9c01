/* SPDX-License-Identifier: MIT */
/*
 * mm/quarantine.c - what was freed is not handed out again at once.
 *
 * Owns:        two rings: free frames, of kind FREE and marked as those in a CPU's cache are; and
 *              freed objects, which their slabs still count as used.
 * Locks:       one each, held together with no other.
 */
#include "mm/quarantine.h"

#include "lib/atomic.h"
#include "kernel/sanitizer.h"
#include "kernel/spinlock.h"
#include "mm/buddy.h"
#include "mm/frame.h"

enum { FRAMES_MAX = 2048, OBJECTS_MAX = 1024, BATCH = 64 };

struct waiting_frame {
	uint32_t pfn;
	struct sanitizer_calls freed;
};

static struct spinlock frames_lock = SPINLOCK_INIT(RANK_FRAME);
static struct waiting_frame waiting_frames[FRAMES_MAX];         /* [frames_lock] */
static uint64_t frames_in, frames_out;          /* [frames_lock] since boot; to read at any time */

static struct spinlock objects_lock = SPINLOCK_INIT(RANK_SLAB);
static void *waiting_objects[OBJECTS_MAX];      /* [objects_lock] */
static uint64_t objects_in, objects_out;        /* [objects_lock], likewise */

static unsigned frames_leave(uint32_t *pfns, unsigned count) REQUIRES(frames_lock);
static void *oldest_object(void) REQUIRES(objects_lock);

/* ---- frames --------------------------------------------------------------------------------- */

bool quarantine_takes_frame(pfn_t *pfn)
{
	bool is_full;
	uint32_t oldest = 0;
	struct waiting_frame entry = { .pfn = *pfn };

	sanitizer_note_calls(&entry.freed);
	frames[*pfn].used = FREE_CACHED;
	spin_lock(&frames_lock);
	is_full = frames_in - frames_out == FRAMES_MAX;
	if (is_full)
		frames_leave(&oldest, 1);
	waiting_frames[frames_in % FRAMES_MAX] = entry;
	atomic_store_relaxed(&frames_in, frames_in + 1);
	spin_unlock(&frames_lock);
	if (is_full)
		*pfn = oldest;
	return !is_full;
}

static unsigned frames_leave(uint32_t *pfns, unsigned count)
{
	unsigned left = 0;

	for (; left < count && frames_out < frames_in; left++) {
		pfns[left] = waiting_frames[frames_out % FRAMES_MAX].pfn;
		atomic_store_relaxed(&frames_out, frames_out + 1);
	}
	return left;
}

uint64_t quarantined_frames(void)
{
	uint64_t out = atomic_load_relaxed(&frames_out);

	return atomic_load_relaxed(&frames_in) - out;
}

void quarantine_relieve(uint64_t wanted)
{
	uint32_t pfns[BATCH];
	unsigned count;

	if (buddy_free_frames() >= wanted)
		return;
	do {
		spin_lock(&frames_lock);
		count = frames_leave(pfns, BATCH);
		spin_unlock(&frames_lock);
		buddy_give_singles(pfns, count);
	} while (count > 0);
}

/* For a dying kernel: without the lock. */
const struct sanitizer_calls *quarantine_who_freed(pfn_t pfn)
{
	for (uint64_t at = frames_out; at < frames_in; at++)
		if (waiting_frames[at % FRAMES_MAX].pfn == pfn)
			return &waiting_frames[at % FRAMES_MAX].freed;
	return NULL;
}

/* ---- objects -------------------------------------------------------------------------------- */

bool quarantine_takes_object(void **object)
{
	void *entry = *object;
	bool is_full;

	spin_lock(&objects_lock);
	is_full = objects_in - objects_out == OBJECTS_MAX;
	if (is_full)
		*object = oldest_object();
	waiting_objects[objects_in % OBJECTS_MAX] = entry;
	atomic_store_relaxed(&objects_in, objects_in + 1);
	spin_unlock(&objects_lock);
	return !is_full;
}

void *quarantine_leave_object(void)
{
	void *object = NULL;

	spin_lock(&objects_lock);
	if (objects_out < objects_in)
		object = oldest_object();
	spin_unlock(&objects_lock);
	return object;
}

static void *oldest_object(void)
{
	void *oldest = waiting_objects[objects_out % OBJECTS_MAX];

	atomic_store_relaxed(&objects_out, objects_out + 1);
	return oldest;
}

uint64_t quarantined_objects(void)
{
	uint64_t out = atomic_load_relaxed(&objects_out);

	return atomic_load_relaxed(&objects_in) - out;
}

uint64_t quarantine_slab_frames(void)
{
	return frames_of_kind(FRAME_SLAB);
}
