/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Checks a program file (ELF-64, x86-64, fixed or position independent) and says how to load it.
 * In two steps, because the second part of the file to read is named in the first:
 *
 *	read ELF_HEADER_SIZE bytes at 0                      elf_check_header()
 *	read image.table_size bytes at image.table_offset    elf_check_segments()
 *
 * After both succeed every number in the image is sound: no sum overflows, every byte named lies
 * in the file, every address in a program's half of the address space.
 */

#include "lib/types.h"

#define ELF_HEADER_SIZE 64
#define ELF_TABLE_ENTRIES_MAX 64	/* so that the table fits a page */
#define ELF_LOADS_MAX 16
#define ELF_ADDRESS_LOWEST 0x10000ull	/* for programs that name their addresses */
#define ELF_ADDRESS_END 0x7ffffffff000ull
#define ELF_ALIGNMENT_MAX GIB

/* Bytes of the file that belong in memory.  Sorted by address; no two share a page. */
struct elf_load {
	virt_t vaddr;
	uint64_t file_offset;	/* the same place in its page as vaddr, if file_size > 0 */
	uint64_t file_size;
	uint64_t mem_size;	/* not 0, not less than file_size; the rest is zero */
	int prot;		/* PROT_* */
};

struct elf_image {
	/* From the header. */
	bool is_movable;	/* ET_DYN: add a base to every address */
	virt_t entry;
	uint64_t table_offset;	/* where the program headers are in the file */
	uint32_t table_size;	/* in bytes */
	uint16_t table_entries;
	uint16_t table_entry_size;

	/* From the program headers. */
	unsigned load_count;
	struct elf_load loads[ELF_LOADS_MAX];
	virt_t low;		/* all loads lie in [low, high), whole pages */
	virt_t high;
	uint64_t alignment;	/* what the base must be a multiple of; at least a page */
	virt_t table_vaddr;	/* for AT_PHDR; 0 if the table is not loaded */
	uint64_t interp_offset;	/* the interpreter's path in the file */
	uint32_t interp_size;	/* with its terminating zero; 0 if there is none */
	bool is_stack_executable;
};

/*
 * Check the first `len` bytes of a file that is `file_size` long and fill in the first part of
 * `image`.  Returns 0 or -ENOEXEC.
 */
int elf_check_header(struct elf_image *image, const void *bytes, size_t len,
		     uint64_t file_size) MUST_CHECK;

/*
 * Check the program header table, image->table_size bytes at `table` (any alignment), and fill
 * in the second part.  Returns 0 or -ENOEXEC.
 */
int elf_check_segments(struct elf_image *image, const void *table, uint64_t file_size) MUST_CHECK;
