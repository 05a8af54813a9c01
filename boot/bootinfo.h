/* SPDX-License-Identifier: MIT */
/*
 * boot/bootinfo.h - what every loader tells us, in one structure.
 *
 * GRUB (Multiboot 2, BIOS or UEFI) and QEMU (PVH) leave the same facts in different shapes.  Each
 * reader fills this structure; nothing above the boot folder knows who loaded us.
 * All addresses are physical.  Everything pointed at is copied before the direct map replaces the
 * boot mapping, except the initramfs, which stays where the loader put it until it is unpacked.
 */
#pragma once

#include "lib/types.h"

enum { BOOT_MEMORY_MAX = 128, BOOT_CMDLINE_MAX = 2048 };

enum boot_memory_kind {
	BOOT_MEMORY_USABLE = 1,         /* E820 numbering */
	BOOT_MEMORY_RESERVED,
	BOOT_MEMORY_ACPI_RECLAIMABLE,
	BOOT_MEMORY_ACPI_NVS,
	BOOT_MEMORY_BAD,
};

struct boot_memory {
	phys_t start, end;
	enum boot_memory_kind kind;
};

struct bootinfo {
	const char *loader;             /* "GRUB 2.06", "PVH" */
	char cmdline[BOOT_CMDLINE_MAX];
	phys_t initramfs_start, initramfs_end;   /* equal when there is none */
	phys_t acpi_rsdp;               /* 0: not told, search the BIOS area */
	size_t memory_count;
	struct boot_memory memory[BOOT_MEMORY_MAX];
};

extern struct bootinfo bootinfo;

/* In eax when Multiboot 2 calls boot_entry32; at the address in ebx when PVH does. */
enum { MULTIBOOT_MAGIC = 0x36d76289, PVH_MAGIC = 0x336ec578 };

/* Fill bootinfo from what the loader left.  `info` is the physical address it passed.  They see
 * memory below 4 GiB, through the boot tables' direct map. */
void multiboot_read(phys_t info);
void pvh_read(phys_t info);

/* The first C function, from boot/entry.asm: `magic` and `info` as the loader left eax and ebx. */
NORETURN void boot_main(uint32_t magic, phys_t info);


/* For the readers: note one range of memory (empty ones and more than fit are dropped), and the
 * command line (cut if it is too long). */
void boot_memory_add(phys_t start, phys_t end, enum boot_memory_kind kind);
void boot_cmdline_set(const char *cmdline);
