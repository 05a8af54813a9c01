/* SPDX-License-Identifier: MIT */
/*
 * tests/kernel/scaling_test.c - what docs/SCALING.md says of structures.
 */
#include "arch/x86_64/cpu.h"
#include "kernel/ktest.h"
#include "kernel/run_queue.h"
#include "kernel/task.h"
#include "mm/frame.h"
#include "mm/space.h"

enum { LINE = 64 };

#define LINE_OF(type, member) (offsetof(struct type, member) / LINE)

KTEST(scaling, a_frame_costs_twelve_bytes)
{
	EXPECT(sizeof(*frames) + sizeof(*frame_refs) == 12);
	EXPECT(LINE / sizeof(*frame_refs) == 16);
}

KTEST(scaling, run_queues_share_no_line)
{
	EXPECT(sizeof(struct run_queue) % LINE == 0);
	EXPECT(_Alignof(struct run_queue) == LINE);
}

KTEST(scaling, a_mask_holds_all_cpus)
{
	EXPECT(8 * sizeof(((struct mmu_context *)0)->cpus) == CPU_MAX);
	EXPECT(8 * sizeof(((struct task *)0)->allowed_cpus) == CPU_MAX);
}

/* Faults of one space write these: three lines apart from each other. */
KTEST(scaling, a_space_keeps_its_counts_apart_from_its_lock)
{
	EXPECT(LINE_OF(space, mmu.cpus) == LINE_OF(space, lock));
	EXPECT(LINE_OF(space, resident) == LINE_OF(space, fault_range));
	EXPECT(LINE_OF(space, work) > LINE_OF(space, resident));
	EXPECT(sizeof(struct work_counts) == WORK_KINDS * sizeof(uint64_t));
}
