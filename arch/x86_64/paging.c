/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/paging.c - the kernel's own mappings: image, all of RAM, devices, stacks.
 *
 * Owns:        the upper half of kernel_root and every table below it.  Programs' tables are the
 *              memory system's; it copies the upper half once into each new root.
 * Invariants:  the root's upper half is constant after paging_start() (K1): a directory hangs in
 *              every slot that will ever be used, so later mappings appear in all roots at once.
 *              Nothing is both writable and executable, by any of its names: the direct map shows
 *              text and constants read-only.  Nothing is open to programs.
 * Locks:       paging_start() and paging_map_device() run during boot on one CPU; callers of the
 *              window functions serialise themselves.
 * See:         Intel SDM vol. 3A 4.5; arch/x86_64/layout.h for the picture.
 */
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "boot/bootinfo.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/pte.h"
#include "arch/x86_64/shadow.h"
#include "kernel/panic.h"
#include "kernel/printk.h"

/* Rights of kernel leaves.  A and D are preset, so the CPU never writes an entry. */
#define LEAF_READ   (PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY | PTE_NX)
#define LEAF_WRITE  (LEAF_READ | PTE_WRITE)
#define LEAF_EXEC   (LEAF_READ & ~PTE_NX)
#define LEAF_DEVICE (LEAF_WRITE | PTE_UNCACHED)
#define TABLE       (PTE_PRESENT | PTE_ACCESSED | PTE_WRITE)

#define WINDOW_SPAN (512 * GIB)         /* of each part of the kernel window: a root slot */
#define LOW_MEMORY  (1 * MIB)           /* mapped whole: the firmware's tables may start here */

enum { KERNEL_SLOT = PTE_PER_TABLE / 2 };       /* the first of the upper half */

/* In boot/entry.asm, linked where it is loaded. */
extern pte_t boot_tables[];

phys_t kernel_root;
const phys_t boot_root = (phys_t)boot_tables;

static phys_t (*table_alloc)(void);
static uint64_t table_pages;            /* since paging_set_allocator */
static virt_t next_device = WINDOW_DEVICES;

/* Which slots of a root's upper half are in use: a few of many. */
enum { ROOT_SLOTS_MAX = 16 };
static uint16_t root_slots[ROOT_SLOTS_MAX];
static unsigned root_slot_count;

static void root_slots_note(void);
static void map_image(void);
static void map_memory(phys_t ram_end);
static bool is_firmware_memory(const struct boot_memory *memory);
static void map_ram(phys_t start, phys_t end);
static void map_ram_within(phys_t start, phys_t end, phys_t low, phys_t high, uint64_t leaf);
static void map_range(virt_t virt, phys_t phys, uint64_t len, uint64_t leaf);
static uint64_t map_largest(virt_t virt, phys_t phys, uint64_t len, uint64_t leaf);
static int largest_level(virt_t virt, phys_t phys, uint64_t len);
static pte_t *slot_make(virt_t addr, int level);
static pte_t *slot_find(virt_t addr, int level);
static unsigned table_check(const pte_t *table, int level, virt_t base, uint64_t rights);
static unsigned leaf_check(virt_t addr, phys_t phys, uint64_t span, uint64_t rights);
static int shadow_map(virt_t virt, uint64_t len);
static void shadow_prepare(void);

static pte_t *table_at(phys_t phys)
{
	return phys_to_virt(phys);
}

static phys_t pte_phys(pte_t entry)
{
	return pte_pfn(entry) << PAGE_SHIFT;
}

static bool is_leaf(pte_t entry, int level)
{
	return level == 1 || entry.bits & PTE_HUGE;
}

void paging_start(phys_t (*alloc)(void), phys_t ram_end)
{
	table_alloc = alloc;
	kernel_root = alloc();
	if (kernel_root == 0)
		panic("no memory below 4 GiB for page tables");
	map_image();
	shadow_prepare();
	map_memory(ram_end);
	if (!slot_make(WINDOW_DEVICES, 3) || !slot_make(WINDOW_STACKS, 3))
		panic("no memory for the kernel window");
	root_slots_note();
	write_cr3(kernel_root);
}

static void root_slots_note(void)
{
	for (unsigned slot = KERNEL_SLOT; slot < PTE_PER_TABLE; slot++) {
		if (pte_is_none(table_at(kernel_root)[slot]))
			continue;
		assert(root_slot_count < ROOT_SLOTS_MAX);
		root_slots[root_slot_count++] = (uint16_t)slot;
	}
}

void paging_set_allocator(phys_t (*alloc)(void))
{
	table_alloc = alloc;
	table_pages = 0;
}

uint64_t paging_table_pages(void)
{
	return table_pages;
}

volatile void *paging_map_device(phys_t phys, size_t len)
{
	phys_t start = page_floor(phys);
	uint64_t span = page_ceil(phys + len) - start;
	virt_t virt = next_device;

	assert(len > 0 && virt + span <= WINDOW_DEVICES + WINDOW_SPAN);
	next_device += span;
	map_range(virt, start, span, LEAF_DEVICE);
	if (shadow_map(virt, span))
		panic("no memory for the shadow of a device");
	return (volatile void *)(virt + (phys - start));
}

int paging_map_window(virt_t addr, phys_t phys)
{
	assert(is_page_aligned(addr) && addr - WINDOW_STACKS < WINDOW_SPAN);
	pte_t *slot = slot_make(addr, 1);
	if (!slot || shadow_map(addr, PAGE_SIZE))
		return -ENOMEM;
	assert(pte_is_none(*slot));
	*slot = (pte_t){ phys | LEAF_WRITE };
	return 0;
}

phys_t paging_unmap_window(virt_t addr)
{
	pte_t *slot = slot_find(addr, 1);

	assert(slot && pte_is_present(*slot));
	phys_t phys = pte_phys(*slot);
	*slot = PTE_NONE;
	return phys;
}

phys_t paging_drop_window_table(virt_t addr)
{
	pte_t *slot = slot_find(addr, 2);

	if (!slot || !pte_is_present(*slot))
		return 0;
	phys_t table = pte_phys(*slot);
	for (unsigned i = 0; i < PTE_PER_TABLE; i++)
		assert(pte_is_none(table_at(table)[i]));
	*slot = PTE_NONE;
	table_pages--;
	return table;
}

void paging_fill_kernel_half(pte_t *root)
{
	for (unsigned i = 0; i < root_slot_count; i++)
		root[root_slots[i]] = table_at(kernel_root)[root_slots[i]];
}

void paging_clear_kernel_half(pte_t *root)
{
	for (unsigned i = 0; i < root_slot_count; i++)
		root[root_slots[i]] = PTE_NONE;
}

/* ---- what is mapped ---- */

/* Entry code and boot tables are left out, and so is the page below the first stack. */
static void map_image(void)
{
	static const struct { const char *start, *end; uint64_t leaf; } parts[] = {
		{ text_start, text_end, LEAF_EXEC },
		{ rodata_start, rodata_end, LEAF_READ },
		{ data_start, boot_stack_guard, LEAF_WRITE },
		{ boot_stack, image_end, LEAF_WRITE },
	};

	for (size_t i = 0; i < COUNT(parts); i++) {
		virt_t start = (virt_t)parts[i].start, end = page_ceil((virt_t)parts[i].end);

		assert(is_page_aligned(start) && start <= end);
		map_range(start, virt_to_phys(parts[i].start), end - start,
			  parts[i].leaf | PTE_GLOBAL);
	}
}

/* RAM, and what the firmware left in RAM for us to read.  Holes, and device memory that is only
 * called reserved, stay out. */
static void map_memory(phys_t ram_end)
{
	map_ram(0, LOW_MEMORY);
	for (size_t i = 0; i < bootinfo.memory_count; i++) {
		const struct boot_memory *memory = &bootinfo.memory[i];
		phys_t start = MAX(page_floor(memory->start), (phys_t)LOW_MEMORY);
		phys_t end = page_ceil(memory->end);

		if (memory->kind == BOOT_MEMORY_USABLE)
			end = MIN(end, ram_end);
		else if (!is_firmware_memory(memory))
			continue;
		if (start < end)
			map_ram(start, end);
	}
}

/* Some firmware calls the home of its ACPI tables just reserved; it borders on usable memory. */
static bool is_firmware_memory(const struct boot_memory *memory)
{
	if (memory->kind == BOOT_MEMORY_ACPI_RECLAIMABLE || memory->kind == BOOT_MEMORY_ACPI_NVS)
		return true;
	if (memory->kind != BOOT_MEMORY_RESERVED)
		return false;
	for (size_t i = 0; i < bootinfo.memory_count; i++) {
		const struct boot_memory *other = &bootinfo.memory[i];

		if (other->kind == BOOT_MEMORY_USABLE &&
		    (other->end == memory->start || other->start == memory->end))
			return true;
	}
	return false;
}

/* The direct map.  Text and constants are read-only here too. */
static void map_ram(phys_t start, phys_t end)
{
	phys_t fixed_start = virt_to_phys(text_start), fixed_end = virt_to_phys(data_start);

	map_ram_within(start, end, 0, fixed_start, LEAF_WRITE);
	map_ram_within(start, end, fixed_start, fixed_end, LEAF_READ);
	map_ram_within(start, end, fixed_end, UINT64_MAX, LEAF_WRITE);
	if (shadow_map(DIRECT_MAP + start, end - start))
		panic("no memory for the shadow of RAM");
}

static void map_ram_within(phys_t start, phys_t end, phys_t low, phys_t high, uint64_t leaf)
{
	start = MAX(start, low);
	end = MIN(end, high);
	if (start < end)
		map_range(DIRECT_MAP + start, start, end - start, leaf | PTE_GLOBAL);
}

/* ---- how it is mapped ---- */

/* With the largest pages that fit.  What is mapped already stays as it is.  Boot only: lack of
 * memory is the end. */
static void map_range(virt_t virt, phys_t phys, uint64_t len, uint64_t leaf)
{
	if (!cpu_features.pge)
		leaf &= ~PTE_GLOBAL;
	while (len > 0) {
		uint64_t done = MIN(map_largest(virt, phys, len, leaf), len);

		virt += done;
		phys += done;
		len -= done;
	}
}

/* One entry.  Returns how far it reaches. */
static uint64_t map_largest(virt_t virt, phys_t phys, uint64_t len, uint64_t leaf)
{
	int level = largest_level(virt, phys, len);
	pte_t *slot = slot_make(virt, level);

	while (slot && pte_is_present(*slot) && !is_leaf(*slot, level))
		slot = slot_make(virt, --level);
	if (!slot)
		panic("no memory for the kernel's page tables");
	if (!pte_is_present(*slot))
		*slot = (pte_t){ phys | leaf | (level > 1 ? PTE_HUGE : 0) };
	return pte_span(level);
}

static int largest_level(virt_t virt, phys_t phys, uint64_t len)
{
	int level = cpu_features.page_1g ? 3 : 2;

	while (!is_aligned(virt | phys, pte_span(level)) || len < pte_span(level))
		level--;
	return level;
}

/* The entry for `addr` in a table of the level, or the larger page that covers it.  Makes the
 * tables on the way; NULL: no memory. */
static pte_t *slot_make(virt_t addr, int level)
{
	pte_t *slot = &table_at(kernel_root)[pte_index(addr, PTE_LEVELS)];

	for (int at = PTE_LEVELS; at > level; at--) {
		if (!pte_is_present(*slot)) {
			phys_t table = table_alloc();
			if (table == 0)
				return NULL;
			table_pages++;
			__atomic_store_n(&slot->bits, table | TABLE, __ATOMIC_RELEASE);
		}
		if (is_leaf(*slot, at))
			return slot;
		slot = &table_at(pte_phys(*slot))[pte_index(addr, at - 1)];
	}
	return slot;
}

/* The entry for `addr` in a table of the level, or NULL if there is no such table. */
static pte_t *slot_find(virt_t addr, int level)
{
	pte_t *slot = &table_at(kernel_root)[pte_index(addr, PTE_LEVELS)];

	for (int at = PTE_LEVELS; at > level; at--) {
		if (!pte_is_present(*slot) || is_leaf(*slot, at))
			return NULL;
		slot = &table_at(pte_phys(*slot))[pte_index(addr, at - 1)];
	}
	return slot;
}

/* ---- looking at it ---- */

bool paging_is_mapped(const void *at, size_t len)
{
	for (virt_t addr = page_floor((virt_t)at); addr < (virt_t)at + len; addr += PAGE_SIZE) {
		pte_t entry = table_at(kernel_root)[pte_index(addr, PTE_LEVELS)];
		int level = PTE_LEVELS;

		for (; pte_is_present(entry) && !is_leaf(entry, level); level--)
			entry = table_at(pte_phys(entry))[pte_index(addr, level - 1)];
		if (!pte_is_present(entry))
			return false;
	}
	return true;
}

/* Rights along a path: W and U must be in every entry, NX need be in only one. */
static uint64_t rights_below(uint64_t rights, pte_t entry)
{
	return (rights & entry.bits & (PTE_WRITE | PTE_USER)) | ((rights | entry.bits) & PTE_NX);
}

unsigned paging_check_hardening(void)
{
	return table_check(table_at(kernel_root), PTE_LEVELS, 0, PTE_WRITE | PTE_USER);
}

static unsigned table_check(const pte_t *table, int level, virt_t base, uint64_t rights)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < PTE_PER_TABLE; i++) {
		virt_t addr = base + i * pte_span(level);
		uint64_t below = rights_below(rights, table[i]);

		if (!pte_is_present(table[i]))
			continue;
		if (level == PTE_LEVELS && i >= KERNEL_SLOT)
			addr |= 0xffffull << 48;
		if (is_leaf(table[i], level))
			wrong += leaf_check(addr, pte_phys(table[i]), pte_span(level), below);
		else
			wrong += table_check(table_at(pte_phys(table[i])), level - 1, addr, below);
	}
	return wrong;
}

/* Do [phys, phys + span) and the image's text and constants meet? */
static bool is_constant(phys_t phys, uint64_t span)
{
	return phys < virt_to_phys(data_start) && phys + span > virt_to_phys(text_start);
}

static unsigned leaf_check(virt_t addr, phys_t phys, uint64_t span, uint64_t rights)
{
	const char *why = NULL;

	if ((rights & (PTE_WRITE | PTE_NX)) == PTE_WRITE)
		why = "writable and executable";
	else if (rights & PTE_WRITE && is_constant(phys, span))
		why = "text or constants, and writable";
	else if (rights & PTE_USER)
		why = "open to programs";
	else if (addr < DIRECT_MAP)
		why = "in the programs' half";
	if (why)
		log_err("paging: %#018lx is %s", addr, why);
	return why != NULL;
}

void paging_print_walk(virt_t addr)
{
	phys_t table = read_cr3() & PTE_FRAME;

	console_print("tables: root %#lx, address %#lx\n", table, addr);
	for (int level = PTE_LEVELS; level > 0; level--) {
		unsigned index = pte_index(addr, level);
		pte_t entry = table_at(table)[index];

		console_print("  level %d, entry %3u: %#018lx\n", level, index, entry.bits);
		if (!pte_is_present(entry) || is_leaf(entry, level))
			return;
		table = pte_phys(entry);
	}
}

/*
 * Sanitized builds (lib/kasan.h): what C may touch has shadow pages.  Those of a stack remain when
 * it is unmapped: they count as tables, and the next stack there finds them.
 */
#ifdef COWBELL_SAN
static int shadow_map(virt_t virt, uint64_t len)
{
	virt_t past = (virt_t)shadow_of(virt + len);

	for (virt_t at = page_floor((virt_t)shadow_of(virt)); at < past; at += PAGE_SIZE) {
		pte_t *slot = slot_make(at, 1);
		phys_t page;

		if (slot && pte_is_present(*slot))
			continue;
		page = slot ? table_alloc() : 0;
		if (page == 0)
			return -ENOMEM;
		table_pages++;
		*slot = (pte_t){ page | LEAF_WRITE };
	}
	return 0;
}

/* The image's; and the root's slot for that of the whole window. */
static void shadow_prepare(void)
{
	if (!slot_make((virt_t)shadow_of(WINDOW_DEVICES), 3))
		panic("no memory for the window's shadow");
	map_range((virt_t)shadow_of(IMAGE_BASE), virt_to_phys(shadow_of_image),
		  sizeof(shadow_of_image), LEAF_WRITE);
}
#else
static int shadow_map(virt_t virt, uint64_t len)
{
	return 0;
}

static void shadow_prepare(void)
{
}
#endif
