/* SPDX-License-Identifier: MIT */
/*
 * mm/weight.c - what would come back if a space went away.
 *
 * Locks: the space's, for writing: a fault could replace and free a table that is looked at.
 */
#include "mm/weight.h"
#include "mm/tree.h"

/* An object without a name goes with the last range that names it: each has its part of the pages.
 * Not if somebody else holds it, as a System V segment holds its own. */
static uint64_t shared_part(const struct vmas *vmas)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; i < vmas->count; i++) {
		const struct object *object = vmas->at[i].object;
		if (!object || !object->is_anonymous)
			continue;
		uint32_t mapped = atomic_load_relaxed(&object->mapped);
		if (atomic_load_relaxed(&object->refs) > mapped)
			continue;
		uint64_t holders = (uint64_t)atomic_load_relaxed(&vmas->refs) * mapped;
		pages += READ_ONCE(object->resident) / MAX(holders, (uint64_t)1);
	}
	return pages;
}

void space_weigh(struct space *space, struct space_weight *weight)
{
	write_lock(&space->lock);
	*weight = (struct space_weight){
		.own = entry_exclusive(pte_to_table(space->mmu.root >> PAGE_SHIFT), PTE_LEVELS + 1),
		.shared = shared_part(space->vmas),
		.resident = atomic_load_relaxed(&space->resident),
	};
	write_unlock(&space->lock);
}
