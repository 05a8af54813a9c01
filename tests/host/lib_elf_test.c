// sources: lib/elf.c lib/string.c lib/random.c
/* SPDX-License-Identifier: MIT */

/*
 * The program file checker: a small sound file, every way to spoil it, and the build machine's
 * own programs.
 */

#include <errno.h>
#include <stdlib.h>
#include "tap.h"
#include "lib/abi/elf.h"
#include "lib/abi/mman.h"
#include "lib/bits.h"
#include "lib/elf.h"
#include "lib/random.h"

#define SEGMENTS 5
#define FILE_SIZE 0x5000

enum { CODE, DATA, INTERP, STACK, TABLE };

struct file {
	struct elf64_header header;
	struct elf64_program_header segments[SEGMENTS];
};

static struct file file;

static void file_make(uint16_t type, uint64_t base)
{
	file.header = (struct elf64_header){
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = type,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = base + 0x1080,
		.e_phoff = sizeof(struct elf64_header),
		.e_ehsize = sizeof(struct elf64_header),
		.e_phentsize = sizeof(struct elf64_program_header),
		.e_phnum = SEGMENTS,
	};
	file.segments[CODE] = (struct elf64_program_header){
		.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = 0, .p_vaddr = base,
		.p_filesz = 0x1800, .p_memsz = 0x1800, .p_align = 0x1000,
	};
	file.segments[DATA] = (struct elf64_program_header){
		.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_offset = 0x2e10,
		.p_vaddr = base + 0x3e10, .p_filesz = 0x1200, .p_memsz = 0x8000,
		.p_align = 0x200000,
	};
	file.segments[INTERP] = (struct elf64_program_header){
		.p_type = PT_INTERP, .p_offset = 0x300, .p_filesz = 20, .p_memsz = 20,
	};
	file.segments[STACK] = (struct elf64_program_header){
		.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W,
	};
	file.segments[TABLE] = (struct elf64_program_header){
		.p_type = PT_PHDR, .p_vaddr = base + 0x40,
	};
}

/* Both steps, on copies of exactly the size read. */
static int file_check(struct elf_image *image)
{
	void *header = malloc(sizeof(file.header));
	void *table = NULL;
	int error;

	memcpy(header, &file.header, sizeof(file.header));
	error = elf_check_header(image, header, sizeof(file.header), FILE_SIZE);
	if (error == 0 && image->table_size <= sizeof(file.segments)) {
		table = malloc(image->table_size);
		memcpy(table, file.segments, image->table_size);
		error = elf_check_segments(image, table, FILE_SIZE);
	}
	free(header);
	free(table);
	return error;
}

TEST(a_fixed_program_is_described)
{
	struct elf_image image;

	file_make(ET_EXEC, 0x400000);
	EXPECT(file_check(&image) == 0);
	EXPECT(!image.is_movable && image.entry == 0x401080);
	EXPECT(image.table_entries == SEGMENTS && image.table_entry_size == 56);
	EXPECT(image.table_vaddr == 0x400040);
	EXPECT(image.low == 0x400000 && image.high == 0x40c000);
	EXPECT(image.alignment == 0x200000);
	EXPECT(image.interp_offset == 0x300 && image.interp_size == 20);
	EXPECT(!image.is_stack_executable);
	EXPECT(image.load_count == 2);
	EXPECT(image.loads[0].prot == (PROT_READ | PROT_EXEC));
	EXPECT(image.loads[1].prot == (PROT_READ | PROT_WRITE));
	EXPECT(image.loads[1].vaddr == 0x403e10 && image.loads[1].file_offset == 0x2e10);
	EXPECT(image.loads[1].file_size == 0x1200 && image.loads[1].mem_size == 0x8000);
}

TEST(a_movable_program_may_begin_at_zero)
{
	struct elf_image image;

	file_make(ET_DYN, 0);
	EXPECT(file_check(&image) == 0);
	EXPECT(image.is_movable && image.low == 0 && image.high == 0xc000);
	file_make(ET_EXEC, 0);
	EXPECT(file_check(&image) == -ENOEXEC);
}

TEST(an_executable_stack_is_told)
{
	struct elf_image image;

	file_make(ET_EXEC, 0x400000);
	file.segments[STACK].p_flags |= PF_X;
	EXPECT(file_check(&image) == 0 && image.is_stack_executable);
}

TEST(a_table_outside_the_loads_has_no_address)
{
	struct elf_image image;

	file_make(ET_EXEC, 0x400000);
	file.segments[CODE].p_offset = 0x1000;
	EXPECT(file_check(&image) == 0 && image.table_vaddr == 0);
}

/* Spoil one field of a sound file; it must then be refused. */
#define REFUSED(field, value)                                                                      \
	do {                                                                                       \
		struct elf_image image;                                                            \
		file_make(ET_EXEC, 0x400000);                                                      \
		EXPECT(file_check(&image) == 0);                                                   \
		file.field = (value);                                                              \
		EXPECT(file_check(&image) == -ENOEXEC);                                            \
	} while (0)

TEST(headers_of_other_kinds_are_refused)
{
	REFUSED(header.e_ident[0], 0x7e);
	REFUSED(header.e_ident[3], 'G');
	REFUSED(header.e_ident[EI_CLASS], 1);
	REFUSED(header.e_ident[EI_DATA], 2);
	REFUSED(header.e_ident[EI_VERSION], 0);
	REFUSED(header.e_type, ET_REL);
	REFUSED(header.e_type, ET_CORE);
	REFUSED(header.e_machine, 3);
	REFUSED(header.e_version, 2);
}

TEST(tables_that_cannot_be_are_refused)
{
	REFUSED(header.e_phentsize, 55);
	REFUSED(header.e_phentsize, 0);
	REFUSED(header.e_phnum, 0);
	REFUSED(header.e_phnum, ELF_TABLE_ENTRIES_MAX + 1);
	REFUSED(header.e_phnum, 0xffff);
	REFUSED(header.e_phoff, FILE_SIZE - SEGMENTS * 56 + 1);
	REFUSED(header.e_phoff, UINT64_MAX);
	REFUSED(header.e_phoff, UINT64_MAX - 56 * SEGMENTS + 1);
}

TEST(loads_outside_the_file_are_refused)
{
	REFUSED(segments[DATA].p_filesz, FILE_SIZE);
	REFUSED(segments[DATA].p_filesz, UINT64_MAX);
	REFUSED(segments[DATA].p_offset, 0xfffffffffffffe10);
	REFUSED(segments[DATA].p_offset, 0x2e11);
	REFUSED(segments[DATA].p_memsz, 0x11ff);
	REFUSED(segments[DATA].p_memsz, 0);
}

TEST(loads_outside_a_programs_addresses_are_refused)
{
	REFUSED(segments[DATA].p_memsz, UINT64_MAX);
	REFUSED(segments[DATA].p_memsz, ELF_ADDRESS_END - 0x403e10 + 1);
	REFUSED(segments[DATA].p_vaddr, 0xffffffff80000e10);
	REFUSED(segments[DATA].p_vaddr, ELF_ADDRESS_END - 0x1f0);
	REFUSED(segments[CODE].p_vaddr, 0);
}

TEST(loads_out_of_order_or_on_one_page_are_refused)
{
	REFUSED(segments[DATA].p_vaddr, 0x200e10);
	REFUSED(segments[DATA].p_vaddr, 0x401e10);
	REFUSED(segments[DATA].p_vaddr, 0x400e10);
}

TEST(alignments_that_are_none_are_refused)
{
	REFUSED(segments[DATA].p_align, 0x3000);
	REFUSED(segments[DATA].p_align, 1ull << 63);
}

TEST(entries_outside_the_code_are_refused)
{
	REFUSED(header.e_entry, 0);
	REFUSED(header.e_entry, 0x403e10);
	REFUSED(header.e_entry, 0x401800);
	REFUSED(segments[CODE].p_flags, PF_R);
	REFUSED(segments[CODE].p_type, PT_NULL);
}

TEST(interpreters_that_cannot_be_are_refused)
{
	REFUSED(segments[INTERP].p_filesz, 1);
	REFUSED(segments[INTERP].p_filesz, 4097);
	REFUSED(segments[INTERP].p_offset, FILE_SIZE - 19);
	REFUSED(segments[INTERP].p_offset, UINT64_MAX - 5);
	REFUSED(segments[STACK],
		((struct elf64_program_header){ .p_type = PT_INTERP, .p_filesz = 20 }));
}

TEST(short_files_are_refused)
{
	struct elf_image image;

	file_make(ET_EXEC, 0x400000);
	for (size_t len = 0; len < sizeof(file.header); len++) {
		uint8_t *bytes = malloc(len + (len == 0));

		memcpy(bytes, &file.header, len);
		EXPECT(elf_check_header(&image, bytes, len, FILE_SIZE) == -ENOEXEC);
		free(bytes);
	}
	for (uint64_t size = 0; size < sizeof(file); size++)
		EXPECT(elf_check_header(&image, &file, sizeof(file.header), size) == -ENOEXEC);
}

/* What the header file promises of an image that passed. */
static bool image_is_sound(const struct elf_image *image, uint64_t file_size)
{
	virt_t end = image->low;

	for (unsigned i = 0; i < image->load_count; i++) {
		const struct elf_load *load = &image->loads[i];

		if (page_floor(load->vaddr) < end || load->mem_size == 0 ||
		    load->file_size > load->mem_size)
			return false;
		if (load->file_size > 0 && (load->file_offset > file_size ||
					    load->file_size > file_size - load->file_offset))
			return false;
		end = page_ceil(load->vaddr + load->mem_size);
	}
	return image->load_count > 0 && image->load_count <= ELF_LOADS_MAX &&
	       end == image->high && end <= ELF_ADDRESS_END;
}

TEST(random_damage_leaves_sound_images_or_none)
{
	struct random random;
	int passed = 0;

	random_seed(&random, 11);
	for (int round = 0; round < 200000; round++) {
		struct elf_image image;

		file_make(round % 2 == 0 ? ET_EXEC : ET_DYN, 0x400000);
		for (uint64_t n = random_below(&random, 3) + 1; n > 0; n--) {
			uint64_t at = random_below(&random, sizeof(file));

			((uint8_t *)&file)[at] = (uint8_t)random_next(&random);
		}
		if (file_check(&image) != 0 || image.table_size > sizeof(file.segments))
			continue;
		passed++;
		EXPECT(image_is_sound(&image, FILE_SIZE));
	}
	EXPECT(passed > 1000);
}

TEST(programs_of_this_machine_pass)
{
	static const char *const paths[] = {
		"/proc/self/exe", "/bin/sh", "/bin/busybox", "/lib64/ld-linux-x86-64.so.2",
	};

	for (size_t i = 0; i < COUNT(paths); i++) {
		FILE *stream = fopen(paths[i], "rb");
		struct elf_image image;
		uint8_t bytes[4096];
		uint64_t size;

		if (stream == NULL) {
			printf("# left out: %s\n", paths[i]);
			continue;
		}
		fseek(stream, 0, SEEK_END);
		size = (uint64_t)ftell(stream);
		rewind(stream);
		EXPECT(fread(bytes, 1, sizeof(bytes), stream) == sizeof(bytes));
		EXPECT(elf_check_header(&image, bytes, sizeof(bytes), size) == 0);
		EXPECT(image.table_offset + image.table_size <= sizeof(bytes));
		EXPECT(elf_check_segments(&image, bytes + image.table_offset, size) == 0);
		EXPECT(image_is_sound(&image, size) && image.table_vaddr != 0);
		fclose(stream);
	}
}
