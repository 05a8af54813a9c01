/* SPDX-License-Identifier: MIT */
/*
 * boot/bootinfo.c - the structure itself, and what both readers do to it.
 *
 * Owns: bootinfo.  Written by one reader on one CPU before anything else runs, constant afterwards.
 */
#include "lib/string.h"
#include "boot/bootinfo.h"

struct bootinfo bootinfo;

void boot_memory_add(phys_t start, phys_t end, enum boot_memory_kind kind)
{
	if (start >= end || bootinfo.memory_count == BOOT_MEMORY_MAX)
		return;
	if (kind < BOOT_MEMORY_USABLE || kind > BOOT_MEMORY_BAD)
		kind = BOOT_MEMORY_RESERVED;    /* GRUB has kinds of its own for UEFI */
	bootinfo.memory[bootinfo.memory_count++] = (struct boot_memory){ start, end, kind };
}

void boot_cmdline_set(const char *cmdline)
{
	strlcpy(bootinfo.cmdline, cmdline, sizeof(bootinfo.cmdline));
}
