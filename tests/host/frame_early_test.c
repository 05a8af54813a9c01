// sources: mm/frame.c mm/frame_check.c mm/buddy.c mm/frame_early.c tests/host/machine.c
/* SPDX-License-Identifier: MIT */

/* Which memory the frame allocator takes over, from memory maps of all kinds. */

#include "lib/bits.h"
#include "lib/types.h"
#include "boot/bootinfo.h"
#include "kernel/options.h"
#include "mm/frame.h"
#include "mm/mmu.h"
#include "tap.h"
#include "tests/host/frame_machine.h"
#include "tests/host/machine.h"

static const uint64_t machine_bytes = 32 * MIB;

static bool is_all(phys_t start, phys_t end, enum frame_kind kind)
{
	for (pfn_t pfn = start >> PAGE_SHIFT; pfn < end >> PAGE_SHIFT; pfn++)
		if (frames[pfn].kind != kind)
			return false;
	return true;
}

static void memory_map(size_t count, const struct boot_memory *memory)
{
	bootinfo.memory_count = count;
	memcpy(bootinfo.memory, memory, count * sizeof(*memory));
}

TEST(memory_in_use_is_never_free)
{
	const struct boot_memory map[] = {
		{ 8 * MIB, 32 * MIB, BOOT_MEMORY_USABLE },
		{ 20 * MIB + 100, 20 * MIB + 200, BOOT_MEMORY_RESERVED },
		{ 0, 640 * KIB, BOOT_MEMORY_USABLE },
		{ 1 * MIB, 9 * MIB + 5, BOOT_MEMORY_USABLE },
		{ 640 * KIB, 1 * MIB, BOOT_MEMORY_RESERVED },
		{ 10 * MIB - 1, 11 * MIB, BOOT_MEMORY_ACPI_RECLAIMABLE },
	};

	host_machine_start(machine_bytes);
	memory_map(COUNT(map), map);
	bootinfo.initramfs_start = 4 * MIB + 1;
	bootinfo.initramfs_end = 5 * MIB + 1;
	frames_early_start();
	start_frames();

	EXPECT(frame_count == machine_bytes >> PAGE_SHIFT);
	EXPECT(is_all(0, virt_to_phys(image_end), FRAME_RESERVED));
	EXPECT(is_all(4 * MIB, 5 * MIB + PAGE_SIZE, FRAME_RESERVED));
	EXPECT(is_all(10 * MIB - PAGE_SIZE, 11 * MIB, FRAME_RESERVED));
	EXPECT(is_all(20 * MIB, 20 * MIB + PAGE_SIZE, FRAME_RESERVED));
	EXPECT(is_all(12 * MIB, 20 * MIB, FRAME_FREE));
	EXPECT(is_all(6 * MIB, 8 * MIB, FRAME_FREE));
	EXPECT(frames_total() == frames_free() + 1);
	EXPECT(frames_total() + frames_of_kind(FRAME_RESERVED) == frame_count);
	EXPECT(is_sound());
}

TEST(reserved_memory_may_cover_several_ranges)
{
	const struct boot_memory map[] = {
		{ 4 * MIB, 5 * MIB, BOOT_MEMORY_USABLE },
		{ 3 * MIB, 4 * MIB, BOOT_MEMORY_USABLE },
		{ 2 * MIB, 3 * MIB, BOOT_MEMORY_USABLE },
		{ 5 * MIB, 20 * MIB, BOOT_MEMORY_USABLE },
		{ 2 * MIB, 6 * MIB, BOOT_MEMORY_BAD },
	};

	host_machine_start(machine_bytes);
	memory_map(COUNT(map), map);
	frames_early_start();
	start_frames();
	EXPECT(is_all(0, 6 * MIB, FRAME_RESERVED));
	EXPECT(is_all(7 * MIB, 19 * MIB, FRAME_FREE));
	EXPECT(is_sound());
}

TEST(early_frames_are_zeroed_and_stay_reserved)
{
	enum { EARLY = 300 };
	phys_t early[EARLY];

	start(machine_bytes);
	memset(host_ram, 0xff, machine_bytes);
	for (unsigned i = 0; i < EARLY; i++) {
		early[i] = frames_early_alloc();
		EXPECT(early[i] >= 1 * MIB && is_page_aligned(early[i]));
		EXPECT(*(uint64_t *)phys_to_virt(early[i] + PAGE_SIZE - 8) == 0);
		memset(phys_to_virt(early[i]), 0xff, PAGE_SIZE);
	}
	start_frames();
	for (unsigned i = 0; i < EARLY; i++)
		EXPECT(is_all(early[i], early[i] + PAGE_SIZE, FRAME_RESERVED));
	EXPECT(is_sound());
}

TEST(early_memory_ends)
{
	uint64_t count = 0;

	start(4 * MIB);
	while (frames_early_alloc() != 0)
		count++;
	EXPECT(count == (4 * MIB - virt_to_phys(image_end)) / PAGE_SIZE);
	EXPECT(frames_early_take(PAGE_SIZE) == 0);
}

TEST(early_frames_lie_below_4_gib)
{
	const struct boot_memory map[] = {
		{ 3 * GIB, 6 * GIB, BOOT_MEMORY_USABLE },
		{ 2 * MIB, 4 * MIB, BOOT_MEMORY_USABLE },
	};

	host_machine_start(8 * MIB);
	memory_map(1, &map[1]);
	frames_early_start();
	EXPECT(frames_early_alloc() == 4 * MIB - PAGE_SIZE);
	memory_map(2, map);
	frames_early_start();
	EXPECT(frames_ram_end() == 6 * GIB);
	EXPECT(frames_early_take(2 * GIB) == 4 * GIB);
}

TEST(mem_option_limits_memory)
{
	host_machine_start(machine_bytes);
	options.mem_bytes = 16 * MIB + 5;
	frames_early_start();
	options.mem_bytes = 0;
	start_frames();
	EXPECT(frame_count == 16 * MIB >> PAGE_SHIFT);
	EXPECT(frames_ram_end() == machine_bytes);
	EXPECT(is_sound());
}

TEST(initramfs_joins_free_memory)
{
	struct shape whole;
	uint64_t total;

	start(machine_bytes);
	start_frames();
	whole = shape_now();
	total = frames_total();

	host_machine_start(machine_bytes);
	bootinfo.initramfs_start = 9 * MIB;
	bootinfo.initramfs_end = 12 * MIB - 100;
	frames_early_start();
	start_frames();
	EXPECT(frames_total() == total - 3 * MIB / PAGE_SIZE);
	frames_add(9 * MIB, 12 * MIB);
	EXPECT(frames_total() == total);
	EXPECT(is_sound());
	EXPECT(shape_is(whole));
}
