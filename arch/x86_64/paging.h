/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/paging.h - the kernel's own mappings: image, all of RAM, devices, stacks.
 *
 * Built once at boot, W^X: text read-execute, rodata read-only, everything else no-execute.  The
 * direct map uses the largest pages the CPU has.  Tables of the kernel half are not counted.
 */
#pragma once

#include "lib/types.h"
#include "arch/x86_64/pte.h"

/* The kernel's root table; its upper half is in every root. */
extern phys_t kernel_root;

/* The root that boot/entry.asm used: low 4 GiB at their own addresses too, for CPUs on their way
 * from real mode to the kernel's root.  Its kernel half lacks what came later. */
extern const phys_t boot_root;

/* Build the kernel's tables from bootinfo and load them: the image, usable RAM below `ram_end`, and
 * the firmware's tables wherever they are.  `alloc` yields zeroed pages below 4 GiB, before the
 * frame allocator exists. */
void paging_start(phys_t (*alloc)(void), phys_t ram_end);

/* From now on take tables from here (zeroed, physical; 0: none left). */
void paging_set_allocator(phys_t (*alloc)(void));

/* Map device registers, uncached, for ever. */
volatile void *paging_map_device(phys_t phys, size_t len);

/* Is all of [at, at + len) mapped?  For what the firmware says is somewhere. */
bool paging_is_mapped(const void *at, size_t len);

/* Map or unmap one 4 KiB page of the kernel window, read-write, no-execute.  map: -ENOMEM.
 * Callers of the two keep out of each other's way by a lock of theirs.  unmap returns the frame's
 * address; the caller flushes (tlb_flush_kernel) before reusing it. */
MUST_CHECK int paging_map_window(virt_t addr, phys_t phys);
phys_t paging_unmap_window(virt_t addr);

/* Nothing is mapped any more in the window's 2 MiB from `addr` on: take their table out.  Returns
 * its address (0: there was none); the caller flushes all 2 MiB before it frees the table or maps
 * there again. */
phys_t paging_drop_window_table(virt_t addr);

/* Put the kernel half into a root table where it is empty, and make it empty again. */
void paging_fill_kernel_half(pte_t *root);
void paging_clear_kernel_half(pte_t *root);

/* Walk the kernel's tables; print and count pages that are writable and executable, reachable by
 * programs, or text or constants that may be written by any of their names.  0 when all is well. */
unsigned paging_check_hardening(void);

/* How many table pages came from the allocator so far: kernel memory that nobody else counts. */
uint64_t paging_table_pages(void);

/* Print the entries on the path to `addr` in the tables that CR3 names now: for a dying kernel. */
void paging_print_walk(virt_t addr);
