/* SPDX-License-Identifier: MIT */
/*
 * mm/mmu.h - all that the memory system wants of the hardware.
 *
 * Every load and store of an entry, every flush and every look into a frame goes through here, so
 * that the memory system also compiles on the build machine against a simulated MMU
 * (tests/host/shim/mm/mmu.h).
 */
#pragma once

#include "lib/atomic.h"
#include "lib/kasan.h"
#include "lib/types.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/pte.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/tlb.h"
#include "kernel/event.h"
#include "kernel/hooks.h"

/* Entries are read once and stored once; other CPUs' walkers look on. */
static inline pte_t pte_load(const pte_t *slot)
{
	jitter();
	return (pte_t){ __atomic_load_n(&slot->bits, __ATOMIC_ACQUIRE) };
}

static inline void pte_store(pte_t *slot, pte_t entry)
{
	jitter();
	__atomic_store_n(&slot->bits, entry.bits, __ATOMIC_RELEASE);
	event_detail(entry_store, virt_to_phys(slot), entry.bits, 0);
}

static inline void *frame_bytes(pfn_t pfn)
{
	return phys_to_virt(pfn << PAGE_SHIFT);
}

/* The inverse, for any address inside a frame. */
static inline pfn_t frame_of(const void *bytes)
{
	return virt_to_phys(bytes) >> PAGE_SHIFT;
}

static inline pte_t *frame_entries(pfn_t pfn)
{
	return frame_bytes(pfn);
}

static inline bool line_is_empty(const pte_t *line)
{
	return !(line[0].bits | line[1].bits | line[2].bits | line[3].bits
		 | line[4].bits | line[5].bits | line[6].bits | line[7].bits);
}

/*
 * The first slot from `i` on that may hold an entry, by lines of the cache: most tables are nearly
 * empty.  There is one: the caller knows that the table has an entry at `i` or beyond.  Nobody
 * changes the table meanwhile.
 */
static inline unsigned slots_skip_empty(const pte_t *entries, unsigned i)
{
	const pte_t *line = &entries[i];

	if (i % PTE_PER_LINE != 0)
		return i;
	while (line_is_empty(line))
		line += PTE_PER_LINE;
	return line - entries;
}

/* Slots of a table that no CPU reaches any more, and nobody else. */
static inline void slots_clear(pte_t *slots, unsigned count)
{
#ifdef COWBELL_HOOKS
	for (unsigned i = 0; i < count; i++)
		pte_store(&slots[i], PTE_NONE);
#else
	stosq(slots, 0, count);
#endif
}

/* Whole pages, page aligned. */
static inline void page_zero(void *page)
{
	kasan_check_write(page, PAGE_SIZE);
	stosq(page, 0, PAGE_SIZE / 8);
}

static inline void page_copy(void *to, const void *from)
{
	kasan_check_write(to, PAGE_SIZE);
	kasan_check_read(from, PAGE_SIZE);
	movsq(to, from, PAGE_SIZE / 8);
}

/* The upper half of a new root, which is empty; and of one that no CPU will load any more. */
static inline void root_init(pfn_t root)
{
	paging_fill_kernel_half(frame_entries(root));
}

static inline void root_clear(pfn_t root)
{
	paging_clear_kernel_half(frame_entries(root));
}
