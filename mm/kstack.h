/* SPDX-License-Identifier: MIT */
/*
 * mm/kstack.h - kernel stacks with guard pages.
 *
 * Each stack is KSTACK_SIZE bytes in the kernel window above as many that are never mapped.  Freed
 * stacks stay mapped on a short list; what exceeds it is unmapped in batches, one shootdown each.
 */
#pragma once

#include "lib/types.h"

/* Lowest usable address; 0: no memory. */
MUST_CHECK virt_t kstack_alloc(void);

/* The stack must not be in use any more.  Does not sleep, but may wait for a shootdown: interrupts
 * on, no spinlock held. */
void kstack_free(virt_t stack);

/* Unmap all free stacks and give their frames back.  Waits for a shootdown. */
void kstacks_trim(void);

/* Free stacks kept, in frames, and the tables that map nothing else: what kstacks_trim() would give
 * back.  Both are counted as free memory. */
uint64_t kstacks_cached_frames(void);
uint64_t kstacks_cached_tables(void);

/* All stacks that exist, in frames: for audit(). */
uint64_t kstacks_frames(void);

/* The most bytes any stack freed so far had in use; 0 in plain builds. */
uint64_t kstacks_deepest(void);
