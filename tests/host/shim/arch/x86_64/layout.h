/* SPDX-License-Identifier: MIT */
/* RAM is one piece of the test's own memory; physical address 0 is its first byte. */
#pragma once

#define phys_to_virt phys_to_direct_map
#define virt_to_phys direct_map_to_phys
#include_next "arch/x86_64/layout.h"
#undef phys_to_virt
#undef virt_to_phys

extern char *host_ram;

static inline void *phys_to_virt(phys_t phys)
{
	return host_ram + phys;
}

static inline phys_t virt_to_phys(const void *virt)
{
	return (phys_t)((const char *)virt - host_ram);
}

/* The image that is not there takes its place all the same. */
#define image_start (host_ram + 1 * MIB)
#define image_end   (host_ram + 1 * MIB + 300 * KIB)
