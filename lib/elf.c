/* SPDX-License-Identifier: MIT */
/*
 * lib/elf.c - checks program files.
 *
 * Whatever a file claims is compared with what is there before it is believed; sums are formed only
 * after a comparison has shown that they cannot overflow.
 *
 * Invariants: table_size <= PAGE_SIZE; loads are sorted, disjoint by whole pages and below
 * ELF_ADDRESS_END.
 * See: System V ABI, chapters 4 and 5; AMD64 supplement.
 */

#include "lib/elf.h"
#include "lib/abi/elf.h"
#include "lib/abi/errno.h"
#include "lib/abi/fcntl.h"
#include "lib/abi/mman.h"
#include "lib/bits.h"
#include "lib/string.h"

static_assert(ELF_HEADER_SIZE == sizeof(struct elf64_header), "header size");
static_assert(ELF_TABLE_ENTRIES_MAX * sizeof(struct elf64_program_header) <= PAGE_SIZE,
	      "the table fits a page");

static bool load_check(struct elf_image *image, const struct elf64_program_header *segment,
		       uint64_t file_size);
static bool entry_is_executable(const struct elf_image *image);
static void table_locate(struct elf_image *image);

static bool range_is_inside(uint64_t offset, uint64_t size, uint64_t limit)
{
	return offset <= limit && size <= limit - offset;
}

static bool ident_is_ours(const uint8_t *ident)
{
	return memcmp(ident, ELFMAG, SELFMAG) == 0 && ident[EI_CLASS] == ELFCLASS64 &&
	       ident[EI_DATA] == ELFDATA2LSB && ident[EI_VERSION] == EV_CURRENT;
}

int elf_check_header(struct elf_image *image, const void *bytes, size_t len, uint64_t file_size)
{
	struct elf64_header header;

	if (len < sizeof(header) || file_size < sizeof(header))
		return -ENOEXEC;
	memcpy(&header, bytes, sizeof(header));
	if (!ident_is_ours(header.e_ident) || header.e_machine != EM_X86_64 ||
	    header.e_version != EV_CURRENT)
		return -ENOEXEC;
	if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
		return -ENOEXEC;
	if (header.e_phentsize != sizeof(struct elf64_program_header) || header.e_phnum == 0 ||
	    header.e_phnum > ELF_TABLE_ENTRIES_MAX)
		return -ENOEXEC;
	if (!range_is_inside(header.e_phoff, (uint64_t)header.e_phnum * header.e_phentsize,
			     file_size))
		return -ENOEXEC;

	memset(image, 0, sizeof(*image));
	image->is_movable = header.e_type == ET_DYN;
	image->entry = header.e_entry;
	image->table_offset = header.e_phoff;
	image->table_size = (uint32_t)header.e_phnum * header.e_phentsize;
	image->table_entries = header.e_phnum;
	image->table_entry_size = header.e_phentsize;
	return 0;
}

/* The path is a string in the file; that it is terminated is seen when it is read. */
static bool interp_check(struct elf_image *image, const struct elf64_program_header *segment,
			 uint64_t file_size)
{
	if (image->interp_size != 0 || segment->p_filesz < 2 || segment->p_filesz > PATH_MAX)
		return false;
	if (!range_is_inside(segment->p_offset, segment->p_filesz, file_size))
		return false;
	image->interp_offset = segment->p_offset;
	image->interp_size = (uint32_t)segment->p_filesz;
	return true;
}

static bool segment_check(struct elf_image *image, const struct elf64_program_header *segment,
			  uint64_t file_size)
{
	switch (segment->p_type) {
	case PT_LOAD:
		return segment->p_memsz == 0 ? segment->p_filesz == 0 :
					       load_check(image, segment, file_size);
	case PT_INTERP:
		return interp_check(image, segment, file_size);
	case PT_GNU_STACK:
		image->is_stack_executable = (segment->p_flags & PF_X) != 0;
		return true;
	default:
		return true;
	}
}

int elf_check_segments(struct elf_image *image, const void *table, uint64_t file_size)
{
	const uint8_t *next = table;

	image->alignment = PAGE_SIZE;
	for (unsigned i = 0; i < image->table_entries; i++, next += image->table_entry_size) {
		struct elf64_program_header segment;

		memcpy(&segment, next, sizeof(segment));
		if (!segment_check(image, &segment, file_size))
			return -ENOEXEC;
	}
	if (image->load_count == 0 || !entry_is_executable(image))
		return -ENOEXEC;
	table_locate(image);
	return 0;
}

static int prot_of(uint32_t flags)
{
	return ((flags & PF_R) != 0 ? PROT_READ : 0) | ((flags & PF_W) != 0 ? PROT_WRITE : 0) |
	       ((flags & PF_X) != 0 ? PROT_EXEC : 0);
}

/* Whether the segment's bytes are in the file, and can be mapped from there page by page. */
static bool load_is_in_file(const struct elf64_program_header *segment, uint64_t file_size)
{
	if (segment->p_filesz == 0)
		return true;
	return segment->p_filesz <= segment->p_memsz &&
	       range_is_inside(segment->p_offset, segment->p_filesz, file_size) &&
	       is_page_aligned(segment->p_vaddr - segment->p_offset);
}

/* Whether the addresses are a program's to have, and behind all earlier ones. */
static bool load_is_placed_well(const struct elf_image *image,
				const struct elf64_program_header *segment)
{
	if (!range_is_inside(segment->p_vaddr, segment->p_memsz, ELF_ADDRESS_END))
		return false;
	if (!image->is_movable && segment->p_vaddr < ELF_ADDRESS_LOWEST)
		return false;
	return image->load_count == 0 || page_floor(segment->p_vaddr) >= image->high;
}

static bool load_check(struct elf_image *image, const struct elf64_program_header *segment,
		       uint64_t file_size)
{
	if (image->load_count == ELF_LOADS_MAX || !load_is_in_file(segment, file_size) ||
	    !load_is_placed_well(image, segment))
		return false;
	if (segment->p_align > 1 &&
	    (!is_power_of_two(segment->p_align) || segment->p_align > ELF_ALIGNMENT_MAX))
		return false;

	if (image->load_count == 0)
		image->low = page_floor(segment->p_vaddr);
	image->high = page_ceil(segment->p_vaddr + segment->p_memsz);
	image->alignment = MAX(image->alignment, segment->p_align);
	image->loads[image->load_count++] = (struct elf_load){
		.vaddr = segment->p_vaddr,
		.file_offset = segment->p_offset,
		.file_size = segment->p_filesz,
		.mem_size = segment->p_memsz,
		.prot = prot_of(segment->p_flags),
	};
	return true;
}

static bool entry_is_executable(const struct elf_image *image)
{
	for (unsigned i = 0; i < image->load_count; i++) {
		const struct elf_load *load = &image->loads[i];

		if ((load->prot & PROT_EXEC) != 0 && image->entry >= load->vaddr &&
		    image->entry - load->vaddr < load->mem_size)
			return true;
	}
	return false;
}

/* Find where the loads put the table itself; programs look up their TLS segment there. */
static void table_locate(struct elf_image *image)
{
	for (unsigned i = 0; i < image->load_count; i++) {
		const struct elf_load *load = &image->loads[i];

		if (image->table_offset < load->file_offset)
			continue;
		if (!range_is_inside(image->table_offset - load->file_offset, image->table_size,
				     load->file_size))
			continue;
		image->table_vaddr = load->vaddr + (image->table_offset - load->file_offset);
		return;
	}
}
