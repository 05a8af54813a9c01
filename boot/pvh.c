/* SPDX-License-Identifier: MIT */
/*
 * boot/pvh.c - PVH start information into struct bootinfo.
 *
 * What QEMU leaves for an image given with -kernel: one structure with the addresses of the rest.
 * See: Xen's public/arch-x86/hvm/start_info.h, which defines the format.
 */
#include "boot/bootinfo.h"
#include "arch/x86_64/layout.h"

struct start_info {
	uint32_t magic, version, flags, module_count;
	uint64_t modules;
	uint64_t cmdline;
	uint64_t rsdp;
	uint64_t memory;                /* version 1 and later */
	uint32_t memory_count, reserved;
};

struct start_module {
	uint64_t start, size, cmdline, reserved;
};

struct start_memory {
	uint64_t start, size;
	uint32_t kind, reserved;        /* kind: E820 numbering */
};

void pvh_read(phys_t info)
{
	const struct start_info *start = phys_to_virt(info);
	const struct start_module *module = phys_to_virt(start->modules);
	const struct start_memory *memory = phys_to_virt(start->memory);

	bootinfo.loader = "PVH";
	bootinfo.acpi_rsdp = start->rsdp;
	if (start->cmdline != 0)
		boot_cmdline_set(phys_to_virt(start->cmdline));
	if (start->module_count > 0) {
		bootinfo.initramfs_start = module->start;
		bootinfo.initramfs_end = module->start + module->size;
	}
	if (start->version < 1)
		return;
	for (uint32_t i = 0; i < start->memory_count; i++)
		boot_memory_add(memory[i].start, memory[i].start + memory[i].size, memory[i].kind);
}
