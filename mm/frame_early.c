/* SPDX-License-Identifier: MIT */
/*
 * mm/frame_early.c - memory before there is an allocator.
 *
 * Owns: the list of RAM nobody uses yet.  It begins as what the firmware calls usable, and
 * everything in use is cut out of it; taking memory is one more cut:
 *
 *   usable     |==========|        |==============================|
 *   cut         ^ first MiB         ^ image    ^ initramfs    ^ taken so far
 *   left               |==|        |===|  |====|     |========|
 *
 * Invariants: ranges are page aligned, not empty, disjoint and ascending.
 *
 * Locks: none.  One CPU runs.
 */
#include "lib/bits.h"
#include "lib/string.h"
#include "lib/types.h"
#include "arch/x86_64/layout.h"
#include "boot/bootinfo.h"
#include "kernel/options.h"
#include "kernel/panic.h"
#include "mm/frame_early.h"
#include "mm/mmu.h"

/* Every entry of the map adds at most two ranges, every cut at most one. */
enum { RANGES_MAX = 3 * BOOT_MEMORY_MAX };

/* The loader's mapping reaches this far; so do the pointers of 32-bit tables. */
#define EARLY_LIMIT ((phys_t)4 << 30)

/* No x86-64 has more address bits than this; whatever the firmware says beyond is nonsense. */
#define PHYS_LIMIT ((phys_t)1 << 52)

static struct phys_range ranges[RANGES_MAX];
static size_t range_count;
static phys_t ram_end, usable_end;
static bool is_collected, is_finished;

static void collect_usable(void);
static void cut_used(void);
static phys_t take(uint64_t bytes, phys_t limit);
static void range_add(phys_t start, phys_t end);
static void range_cut(phys_t start, phys_t end);
static void range_insert(size_t at, phys_t start, phys_t end);
static void range_remove(size_t at);

void frames_early_start(void)
{
	range_count = 0;
	ram_end = 0;
	is_finished = false;
	collect_usable();
	if (options.mem_bytes != 0)
		range_cut(page_floor(options.mem_bytes), PHYS_LIMIT);
	usable_end = range_count == 0 ? 0 : ranges[range_count - 1].end;
	cut_used();
	is_collected = true;
}

phys_t frames_early_alloc(void)
{
	phys_t phys = take(PAGE_SIZE, EARLY_LIMIT);

	if (phys != 0)
		page_zero(phys_to_virt(phys));
	return phys;
}

phys_t frames_early_take(uint64_t bytes)
{
	return take(page_ceil(bytes), PHYS_LIMIT);
}

const struct phys_range *frames_early_finish(size_t *count)
{
	if (!is_collected)
		frames_early_start();
	is_finished = true;
	*count = range_count;
	return ranges;
}

phys_t frames_ram_end(void)
{
	if (!is_collected)
		frames_early_start();
	return ram_end;
}

phys_t frames_usable_end(void)
{
	if (!is_collected)
		frames_early_start();
	return usable_end;
}

static void collect_usable(void)
{
	for (size_t i = 0; i < bootinfo.memory_count; i++) {
		const struct boot_memory *memory = &bootinfo.memory[i];
		phys_t start = page_ceil(memory->start);
		phys_t end = page_floor(MIN(memory->end, PHYS_LIMIT));

		if (memory->kind == BOOT_MEMORY_USABLE && start < end)
			range_add(start, end);
		if (memory->kind != BOOT_MEMORY_RESERVED && memory->kind != BOOT_MEMORY_BAD)
			ram_end = MAX(ram_end, end);
	}
}

/* Where the firmware contradicts itself, reserved wins. */
static void cut_used(void)
{
	for (size_t i = 0; i < bootinfo.memory_count; i++) {
		const struct boot_memory *memory = &bootinfo.memory[i];
		phys_t end = page_ceil(MIN(memory->end, PHYS_LIMIT));

		if (memory->kind != BOOT_MEMORY_USABLE)
			range_cut(page_floor(memory->start), end);
	}
	range_cut(0, 1 * MIB);
	range_cut(page_floor(virt_to_phys(image_start)), page_ceil(virt_to_phys(image_end)));
	range_cut(page_floor(bootinfo.initramfs_start), page_ceil(bootinfo.initramfs_end));
}

/* From the end of the longest range: early pieces lie together, and low memory stays whole. */
static phys_t take(uint64_t bytes, phys_t limit)
{
	phys_t best_end = 0;
	uint64_t best = 0;

	if (!is_collected)
		frames_early_start();
	assert(!is_finished);
	for (size_t i = 0; i < range_count; i++) {
		phys_t end = MIN(ranges[i].end, limit);

		if (end > ranges[i].start && end - ranges[i].start > best) {
			best = end - ranges[i].start;
			best_end = end;
		}
	}
	if (best < bytes)
		return 0;
	range_cut(best_end - bytes, best_end);
	return best_end - bytes;
}

static void range_add(phys_t start, phys_t end)
{
	size_t at = 0;

	range_cut(start, end);          /* some firmware tells the same memory twice */
	while (at < range_count && ranges[at].start < start)
		at++;
	range_insert(at, start, end);
}

static void range_cut(phys_t start, phys_t end)
{
	for (size_t i = range_count; i-- > 0;) {
		struct phys_range *range = &ranges[i];

		if (range->end <= start || range->start >= end)
			continue;
		if (range->end > end)
			range_insert(i + 1, end, range->end);
		range->end = start;
		if (range->start >= range->end)
			range_remove(i);
	}
}

static void range_insert(size_t at, phys_t start, phys_t end)
{
	assert(range_count < RANGES_MAX && start < end);
	memmove(&ranges[at + 1], &ranges[at], (range_count - at) * sizeof(ranges[0]));
	ranges[at] = (struct phys_range){ start, end };
	range_count++;
}

static void range_remove(size_t at)
{
	range_count--;
	memmove(&ranges[at], &ranges[at + 1], (range_count - at) * sizeof(ranges[0]));
}
