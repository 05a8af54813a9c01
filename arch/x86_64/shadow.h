/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/shadow.h - where the shadow of sanitized builds lies (lib/kasan.h).
 *
 *   ffffed1000000000  of the direct map
 *   fffff52000000000  of the kernel window: devices, stacks
 *   fffffbfff0000000  of the image
 *
 * The compiler knows the offset (Makefile).  Addresses of programs have no shadow: theirs would not
 * be canonical, so that C that follows a wild or null pointer ends in a general protection fault.
 */
#pragma once

#include "lib/types.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/trap.h"

#define SHADOW_OFFSET 0xdffffc0000000000ull
#define SHADOW_SCALE  8ull              /* bytes that a shadow byte speaks for */

static inline uint8_t *shadow_of(virt_t addr)
{
	return (uint8_t *)(addr / SHADOW_SCALE + SHADOW_OFFSET);
}

/* The inverse: the first address that a shadow byte speaks for. */
static inline virt_t shadow_subject(virt_t shadow)
{
	return (shadow - SHADOW_OFFSET) * SHADOW_SCALE;
}

#ifdef COWBELL_SAN

/* Shadow of the image: here from the first C function on, for images of up to 16 MiB. */
enum { SHADOW_IMAGE_BYTES = 16 * MIB / 8 };
extern uint8_t shadow_of_image[SHADOW_IMAGE_BYTES];

/* From boot/entry.asm, before any other C: hang the shadow into the boot tables.  That of the image
 * is real; all others read as one page of zeros, until paging_start(). */
void shadow_start(void);

/* For a dying kernel: if a fault was about a shadow byte, say of which address. */
void shadow_explain(const struct trap_frame *frame, virt_t addr);

#else

static inline void shadow_explain(const struct trap_frame *frame, virt_t addr)
{
}

#endif
