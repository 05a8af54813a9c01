/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/shadow.c - the shadow before there is memory to have.
 *
 * Owns:        the image's shadow, for ever, and the tables that show it while the boot tables are
 *              loaded.  paging.c maps the rest when it maps what it is the shadow of.
 *
 *   boot root --> image_directory --> image_table --> shadow_of_image
 *             \-> no_directories  --> no_directory, each --> no_table, each --> no_page, read-only
 *
 * Invariants:  shadow_start() runs before all sanitized code, so it calls none.
 */
#include "arch/x86_64/shadow.h"

#include "arch/x86_64/paging.h"
#include "arch/x86_64/pte.h"
#include "kernel/printk.h"

#define WRITABLE (PTE_PRESENT | PTE_WRITE)

static_assert(SHADOW_IMAGE_BYTES == PTE_PER_TABLE * PAGE_SIZE, "one table shows it all");

ALIGNED(PAGE_SIZE) uint8_t shadow_of_image[SHADOW_IMAGE_BYTES];

static ALIGNED(PAGE_SIZE) uint8_t no_page[PAGE_SIZE];
static ALIGNED(PAGE_SIZE) pte_t no_table[PTE_PER_TABLE];
static ALIGNED(PAGE_SIZE) pte_t no_directory[PTE_PER_TABLE];
static ALIGNED(PAGE_SIZE) pte_t no_directories[PTE_PER_TABLE];
static ALIGNED(PAGE_SIZE) pte_t image_directories[PTE_PER_TABLE];
static ALIGNED(PAGE_SIZE) pte_t image_directory[PTE_PER_TABLE];
static ALIGNED(PAGE_SIZE) pte_t image_table[PTE_PER_TABLE];

static pte_t entry_of(const void *frame, uint64_t rights)
{
	return (pte_t){ virt_to_phys(frame) | rights };
}

static void table_fill(pte_t *table, const void *frame)
{
	for (unsigned i = 0; i < PTE_PER_TABLE; i++)
		table[i] = entry_of(frame, PTE_PRESENT);
}

void shadow_start(void)
{
	virt_t image = (virt_t)shadow_of(IMAGE_BASE), direct = (virt_t)shadow_of(DIRECT_MAP);
	pte_t *root = phys_to_virt(boot_root);

	table_fill(no_table, no_page);
	table_fill(no_directory, no_table);
	table_fill(no_directories, no_directory);
	root[pte_index(direct, 4)] = entry_of(no_directories, PTE_PRESENT);

	for (unsigned i = 0; i < PTE_PER_TABLE; i++)
		image_table[i] = entry_of(shadow_of_image + i * PAGE_SIZE, WRITABLE);
	image_directory[pte_index(image, 2)] = entry_of(image_table, WRITABLE);
	image_directories[pte_index(image, 3)] = entry_of(image_directory, WRITABLE);
	root[pte_index(image, 4)] = entry_of(image_directories, WRITABLE);
}

/* Of the kernel's half, or of the first 47 bits where null and programs' pointers are. */
static bool is_shadow(virt_t addr)
{
	return addr >= SHADOW_OFFSET && addr - SHADOW_OFFSET < 1ull << 44;
}

static bool is_kernel_shadow(virt_t addr)
{
	return addr >= (virt_t)shadow_of(DIRECT_MAP) && addr < SHADOW_OFFSET + (1ull << 61);
}

void shadow_explain(const struct trap_frame *frame, virt_t addr)
{
	static const char *const names[] = {
		"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx",
		"rdx", "rsi", "rdi",
	};
	const uint64_t *registers = &frame->r15;

	if (is_kernel_shadow(addr))
		console_print("shadow: that is the shadow of %#lx\n",
			      shadow_subject(addr));
	for (size_t i = 0; i < COUNT(names); i++)
		if (frame->vector == VECTOR_PROTECTION && is_shadow(registers[i]))
			console_print("shadow: %s is the shadow of %#lx: a null or wild pointer\n",
				      names[i], shadow_subject(registers[i]));
}
