/* SPDX-License-Identifier: MIT */
/* Shootdowns: nobody sees an old translation after the flush has returned. */
#include "lib/atomic.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/tlb.h"
#include "mm/frame.h"
#include "mm/mmu.h"
#include "tests/kernel/task_fixture.h"

enum { VERSIONS = 60 };

/* ---- kernel addresses ----------------------------------------------------------------------- */

/* In the kernel window, far beyond any stack. */
#define WINDOW_ADDR (WINDOW_STACKS + 300 * GIB)

static void read_window(void *sum)
{
	atomic_add_return((uint64_t *)sum, *(const volatile uint64_t *)WINDOW_ADDR);
}

KTEST(tlb, a_kernel_flush_reaches_every_cpu)
{
	for (uint64_t version = 1; version <= 20; version++) {
		pfn_t pfn = frame_alloc_zeroed(FRAME_KERNEL);
		uint64_t sum = 0;

		assert(pfn != FRAME_NONE);
		*(uint64_t *)frame_bytes(pfn) = version;
		EXPECT_EQ(paging_map_window(WINDOW_ADDR, pfn << PAGE_SHIFT), 0);
		smp_call_on(UINT64_MAX, read_window, &sum);
		EXPECT_EQ(sum, version * cpu_count);

		EXPECT_EQ(paging_unmap_window(WINDOW_ADDR), pfn << PAGE_SHIFT);
		tlb_flush_kernel(WINDOW_ADDR, WINDOW_ADDR + version * 4 * PAGE_SIZE);
		frame_put(pfn);
	}
}

/* ---- a space of our own --------------------------------------------------------------------- */

/* One page at SPACE_ADDR, seen by the kernel only, so that SMAP does not mind. */
#define SPACE_ADDR (64 * GIB)

static struct mmu_context context;
static pfn_t tables[PTE_LEVELS + 1];    /* by level; [0]: the page */
static pte_t *leaf;
static uint64_t published;              /* atomic: version that every flushed CPU must see */
static uint32_t stale_reads;            /* atomic */
static uint32_t readers;                /* atomic: that have the space loaded */

static void space_build(void)
{
	for (int level = 0; level <= PTE_LEVELS; level++) {
		tables[level] = frame_alloc_zeroed(FRAME_KERNEL);
		assert(tables[level] != FRAME_NONE);
	}
	root_init(tables[PTE_LEVELS]);
	for (int level = PTE_LEVELS; level > 0; level--) {
		pte_t *slot = &frame_entries(tables[level])[pte_index(SPACE_ADDR, level)];
		pte_store(slot, (pte_t){ tables[level - 1] << PAGE_SHIFT | PTE_PRESENT
			| PTE_WRITE | PTE_ACCESSED | PTE_DIRTY });
		leaf = slot;
	}
	context = (struct mmu_context){ .root = tables[PTE_LEVELS] << PAGE_SHIFT, .id = 12345 };
}

static void space_free(void)
{
	EXPECT_EQ(context.cpus, 0);
	for (int level = 0; level <= PTE_LEVELS; level++)
		frame_put(tables[level]);
}

/* No sanitizer knows addresses of that half. */
__attribute__((no_sanitize_address))
static uint64_t space_read(void)
{
	return *(const volatile uint64_t *)SPACE_ADDR;
}

/* Put another page with the next version in place of the present one. */
static void space_replace(uint64_t version, uint64_t flush_pages)
{
	pfn_t old = tables[0], new = frame_alloc_zeroed(FRAME_KERNEL);

	assert(new != FRAME_NONE);
	*(uint64_t *)frame_bytes(new) = version;
	pte_store(leaf, (pte_t){ new << PAGE_SHIFT | (leaf->bits & ~PTE_FRAME) });
	tlb_flush_range(&context, SPACE_ADDR, SPACE_ADDR + flush_pages * PAGE_SIZE);
	*(uint64_t *)frame_bytes(old) = 0;
	tables[0] = new;
	frame_put(old);
}

static void read_versions(void *unused)
{
	task_set_context(&context);
	atomic_inc(&readers);
	while (atomic_load_relaxed(&published) < VERSIONS) {
		uint64_t at_least = atomic_load_acquire(&published);
		if (space_read() < at_least)
			atomic_inc(&stale_reads);
		pause();
	}
	task_set_context(NULL);
}

KTEST(tlb, no_cpu_reads_a_page_that_was_replaced)
{
	space_build();
	published = stale_reads = readers = 0;
	for (uint32_t id = 0; id < cpu_count; id++)
		test_task_start(BIT(id), read_versions, NULL);
	EXPECT(TEST_WAIT(atomic_load_relaxed(&readers) == cpu_count));
	for (uint64_t version = 1; version <= VERSIONS; version++) {
		space_replace(version, version % 2 ? 1 : 100);
		atomic_store_release(&published, version);
	}
	test_tasks_join();
	EXPECT_EQ(stale_reads, 0);
	space_free();
}

KTEST(tlb, a_space_loaded_nowhere_else_sends_nothing)
{
	space_build();
	task_set_allowed_cpus(current, BIT(READ_ONCE(this_cpu()->id)));
	task_set_context(&context);
	uint64_t sent = tlb_shootdowns_sent();
	space_replace(1, 1);
	EXPECT_EQ(space_read(), 1);
	space_replace(2, 100);
	EXPECT_EQ(space_read(), 2);
	EXPECT_EQ(tlb_shootdowns_sent(), sent);
	task_set_context(NULL);
	task_set_allowed_cpus(current, UINT64_MAX);
	space_free();
}

KTEST(tlb, every_shootdown_sent_is_answered)
{
	uint64_t sent = tlb_shootdowns_sent(), received = tlb_shootdowns_received();

	tlb_flush_kernel(WINDOW_ADDR, WINDOW_ADDR + PAGE_SIZE);
	EXPECT_EQ(tlb_shootdowns_sent() - sent, cpu_count - 1);
	EXPECT_EQ(tlb_shootdowns_received() - received, cpu_count - 1);
}

static void flush_often(void *unused)
{
	task_set_context(&context);
	for (int i = 0; i < VERSIONS; i++) {
		tlb_flush_range(&context, SPACE_ADDR, SPACE_ADDR + PAGE_SIZE);
		tlb_flush_kernel(WINDOW_ADDR, WINDOW_ADDR + PAGE_SIZE);
		if (i % 16 == 0)
			task_yield();
	}
	task_set_context(NULL);
}

KTEST(tlb, cpus_may_flush_each_other_at_once)
{
	space_build();
	for (uint32_t id = 0; id < cpu_count; id++) {
		test_task_start(BIT(id), flush_often, NULL);
		test_task_start(BIT(id), flush_often, NULL);
	}
	test_tasks_join();
	space_free();
}
