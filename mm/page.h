/* SPDX-License-Identifier: MIT */
/*
 * mm/page.h - a frame that becomes a program's page.
 */
#pragma once

#include "kernel/event.h"
#include "mm/counters.h"
#include "mm/frame.h"

/* A frame of the program's own for the page at addr, zeroed or a copy of `from`.  Preemption is off:
 * a cursor is open.  FRAME_NONE: no memory. */
static ALWAYS_INLINE pfn_t page_alloc(struct work_counts *work, virt_t addr, bool is_zeros,
				      pfn_t from)
{
	pfn_t fresh = frame_alloc_data();
	if (unlikely(fresh == FRAME_NONE))
		return FRAME_NONE;

	if (is_zeros) {
		page_zero(frame_bytes(fresh));
		work_add(work, frames_zeroed, 1);
	} else {
		page_copy(frame_bytes(fresh), frame_bytes(from));
		work_add(work, frames_copied, 1);
		event(frame_copy, from, fresh, addr);
	}
	return fresh;
}
