/* SPDX-License-Identifier: MIT */
/*
 * boot/multiboot.c - Multiboot 2 information into struct bootinfo.
 *
 * The information is a sequence of tags, each 8-byte aligned, up to one of type 0.  GRUB puts it
 * into memory that it calls free, so everything is copied out.  The ACPI tags hold copies of the
 * root pointer, not its address; ours is copied once more, into the image.
 * See: Multiboot2 Specification 2.0, 3.6.
 */
#include "lib/bits.h"
#include "lib/string.h"
#include "boot/bootinfo.h"
#include "arch/x86_64/layout.h"

enum tag_type {
	TAG_END = 0, TAG_CMDLINE = 1, TAG_LOADER = 2, TAG_MODULE = 3, TAG_MEMORY = 6,
	TAG_ACPI_OLD = 14, TAG_ACPI_NEW = 15,
};

struct tag {
	uint32_t type, size;            /* size without the padding to the next tag */
};

struct tag_text {
	struct tag tag;
	char text[];
};

struct tag_module {
	struct tag tag;
	uint32_t start, end;
	char cmdline[];
};

struct tag_memory_entry {
	uint64_t start, len;
	uint32_t kind, reserved;        /* kind: E820 numbering */
};

struct tag_memory {
	struct tag tag;
	uint32_t entry_size, entry_version;
	uint8_t entries[];
};

struct tag_acpi {
	struct tag tag;
	uint8_t rsdp[];
};

enum { RSDP_BYTES_MAX = 36 };           /* of revision 2 */

static ALIGNED(16) uint8_t rsdp_copy[RSDP_BYTES_MAX];
static char loader_name[64];

static void tag_read(const struct tag *tag);
static void memory_read(const struct tag_memory *memory);
static void rsdp_read(const struct tag_acpi *acpi);

void multiboot_read(phys_t info)
{
	uint32_t size = *(const uint32_t *)phys_to_virt(info);
	phys_t at = info + 8;

	bootinfo.loader = "Multiboot 2";
	while (at + sizeof(struct tag) <= info + size) {
		const struct tag *tag = phys_to_virt(at);

		if (tag->type == TAG_END || tag->size < sizeof(*tag))
			break;
		tag_read(tag);
		at += align_up(tag->size, 8);
	}
}

static void tag_read(const struct tag *tag)
{
	const struct tag_text *text = (const struct tag_text *)tag;
	const struct tag_module *module = (const struct tag_module *)tag;

	switch (tag->type) {
	case TAG_CMDLINE:
		boot_cmdline_set(text->text);
		break;
	case TAG_LOADER:
		strlcpy(loader_name, text->text, sizeof(loader_name));
		bootinfo.loader = loader_name;
		break;
	case TAG_MODULE:
		if (bootinfo.initramfs_end != 0)
			break;                  /* the first module is the initramfs */
		bootinfo.initramfs_start = module->start;
		bootinfo.initramfs_end = module->end;
		break;
	case TAG_MEMORY:
		memory_read((const struct tag_memory *)tag);
		break;
	case TAG_ACPI_OLD:
		if (bootinfo.acpi_rsdp == 0)
			rsdp_read((const struct tag_acpi *)tag);
		break;
	case TAG_ACPI_NEW:
		rsdp_read((const struct tag_acpi *)tag);
		break;
	}
}

static void memory_read(const struct tag_memory *memory)
{
	const uint8_t *end = (const uint8_t *)memory + memory->tag.size;

	if (memory->entry_size < sizeof(struct tag_memory_entry))
		return;
	for (const uint8_t *at = memory->entries; at + memory->entry_size <= end;
	     at += memory->entry_size) {
		const struct tag_memory_entry *entry = (const struct tag_memory_entry *)at;

		boot_memory_add(entry->start, entry->start + entry->len, entry->kind);
	}
}

static void rsdp_read(const struct tag_acpi *acpi)
{
	size_t size = MIN((size_t)acpi->tag.size - sizeof(acpi->tag), sizeof(rsdp_copy));

	memcpy(rsdp_copy, acpi->rsdp, size);
	bootinfo.acpi_rsdp = (phys_t)rsdp_copy - IMAGE_BASE;
}
