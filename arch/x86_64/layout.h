/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/layout.h - where things lie in the address space.
 *
 *   0000000000000000  programs: 47 bits, the last page is never mapped
 *   ffff888000000000  direct map of all RAM
 *   ffffc90000000000  kernel window: device registers, then kernel stacks with guard pages
 *   ffffffff80000000  the image
 *
 * The upper half of every root table is the same and never changes after boot (invariant K1).
 */
#pragma once

#include "lib/types.h"

#define USER_END        0x00007ffffffff000ull
#define DIRECT_MAP      0xffff888000000000ull
#define WINDOW_DEVICES  0xffffc90000000000ull
#define WINDOW_STACKS   0xffffc98000000000ull
#define IMAGE_BASE      0xffffffff80000000ull

/* RAM, through the direct map. */
static inline void *phys_to_virt(phys_t phys)
{
	return (void *)(phys + DIRECT_MAP);
}

/* The inverse, for addresses inside the direct map or the image. */
static inline phys_t virt_to_phys(const void *virt)
{
	virt_t at = (virt_t)virt;
	return at >= IMAGE_BASE ? at - IMAGE_BASE : at - DIRECT_MAP;
}

extern char image_start[], text_start[], text_end[], rodata_start[], rodata_end[];
extern char data_start[], data_end[], bss_start[], bss_end[], image_end[];

/* The stack of boot_main(), later the boot CPU's idle task.  The page below it is a guard. */
extern char boot_stack_guard[], boot_stack[], boot_stack_top[];
