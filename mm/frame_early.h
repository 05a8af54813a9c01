/* SPDX-License-Identifier: MIT */
/*
 * mm/frame_early.h - memory before there is an allocator.
 *
 * The kernel's first page tables and the allocator's own metadata must come from somewhere.  Here
 * is the list of RAM that nobody uses yet; the frame allocator takes over what is left of it.
 */
#pragma once

#include "lib/types.h"

struct phys_range {
	phys_t start, end;
};

/*
 * Collect the ranges from bootinfo: usable, below mem=, without the first MiB, the image and the
 * initramfs.  The first of the calls below does it; only tests with a second machine call it again.
 */
void frames_early_start(void);

/* A zeroed frame below 4 GiB, never given back; 0: none left.  For paging_start(). */
phys_t frames_early_alloc(void);

/* `bytes` in one piece from anywhere in RAM, contents undefined; 0: no range is that long. */
phys_t frames_early_take(uint64_t bytes);

/* What is left: ascending, disjoint, page aligned.  The end of early memory. */
const struct phys_range *frames_early_finish(size_t *count);

/* Where RAM ends: all of it, for the direct map, and the part we may use. */
phys_t frames_ram_end(void);
phys_t frames_usable_end(void);
