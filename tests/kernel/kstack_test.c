/* SPDX-License-Identifier: MIT */
/* Kernel stacks: apart from each other, reused, given back. */
#include "lib/types.h"
#include "arch/x86_64/paging.h"
#include "kernel/ktest.h"
#include "kernel/task.h"
#include "mm/frame.h"
#include "mm/kstack.h"
#include "mm/mmu.h"
#include "mm/slab.h"

enum { STACKS = 40 };

static void allocate(virt_t *stacks)
{
	for (unsigned i = 0; i < STACKS; i++) {
		stacks[i] = OBTAIN(kstack_alloc());
		EXPECT(stacks[i] != 0);
	}
}

static void release(const virt_t *stacks)
{
	for (unsigned i = 0; i < STACKS; i++)
		kstack_free(stacks[i]);
}

KTEST(kstack, each_byte_belongs_to_one_stack)
{
	virt_t stacks[STACKS];

	allocate(stacks);
	for (unsigned i = 0; i < STACKS; i++)
		stosq((void *)stacks[i], i, KSTACK_SIZE / 8);
	for (unsigned i = 0; i < STACKS; i++) {
		const uint64_t *words = (const uint64_t *)stacks[i];

		EXPECT_EQ(words[0], i);
		EXPECT_EQ(words[KSTACK_SIZE / 8 - 1], i);
	}
	release(stacks);
	kstacks_trim();
}

KTEST(kstack, a_guard_page_lies_between_two_stacks)
{
	virt_t stacks[STACKS];

	allocate(stacks);
	for (unsigned i = 0; i < STACKS; i++)
		for (unsigned k = 0; k < i; k++) {
			virt_t apart = MAX(stacks[i], stacks[k]) - MIN(stacks[i], stacks[k]);

			EXPECT(apart >= KSTACK_SIZE + PAGE_SIZE);
		}
	release(stacks);
	kstacks_trim();
}

KTEST(kstack, a_freed_stack_is_the_next_one_given)
{
	virt_t stack = OBTAIN(kstack_alloc());

	kstack_free(stack);
	EXPECT_EQ(kstack_alloc(), stack);
	kstack_free(stack);
	kstacks_trim();
}

/* Those in the window's tables too, which come and go with the stacks. */
static uint64_t free_and_tables(void)
{
	return frames_free() + paging_table_pages();
}

KTEST(kstack, trimming_gives_all_frames_back)
{
	virt_t stacks[STACKS];
	uint64_t before;

	kstacks_trim();
	EXPECT_EQ(kstacks_cached_frames(), 0);
	before = free_and_tables();

	allocate(stacks);
	EXPECT_EQ(free_and_tables(), before - STACKS * KSTACK_SIZE / PAGE_SIZE);
	release(stacks);
	EXPECT_EQ(free_and_tables() + kstacks_cached_frames(), before);
	kstacks_trim();
	EXPECT_EQ(free_and_tables(), before);
}

enum { MANY = 300 };                    /* more than one table of the window maps */

static unsigned many_alloc(virt_t *stacks)
{
	unsigned count = 0;

	while (count < MANY && (stacks[count] = kstack_alloc()) != 0)
		count++;
	return count;
}

static void many_free(virt_t *stacks, unsigned count)
{
	while (count > 0)
		kstack_free(stacks[--count]);
	kstacks_trim();
}

/* A stack that is in use keeps the table that ready ones share with it. */
KTEST(kstack, a_table_of_ready_stacks_alone_counts_as_free)
{
	virt_t *stacks = kmalloc(MANY * sizeof(*stacks));

	EXPECT(stacks != NULL);
	if (!stacks)
		return;
	kstacks_trim();
	uint64_t before = free_and_tables();
	unsigned count = many_alloc(stacks);

	EXPECT_EQ(count, MANY);
	uint64_t tables = paging_table_pages();

	kstack_free(stacks[count - 1]);
	EXPECT_EQ(kstacks_cached_tables(), 0);
	for (unsigned i = 0; i < count - 1; i++)
		kstack_free(stacks[i]);
	uint64_t cached = kstacks_cached_tables();
	uint64_t left = paging_table_pages();

	EXPECT(left < tables && cached <= left);
	kstacks_trim();
#ifndef COWBELL_SAN
	EXPECT_EQ(paging_table_pages(), left - cached);
#endif
	EXPECT_EQ(free_and_tables(), before);
	kfree(stacks);
}

KTEST(kstack, an_empty_table_of_the_window_goes_too)
{
	virt_t *stacks = kmalloc(MANY * sizeof(*stacks));
	unsigned count;

	EXPECT(stacks != NULL);
	if (!stacks)
		return;
#ifdef COWBELL_SAN
	many_free(stacks, many_alloc(stacks));          /* their shadow stays */
#endif
	kstacks_trim();
	uint64_t frames_before = frames_free(), tables_before = paging_table_pages();

	count = many_alloc(stacks);
	EXPECT_EQ(count, MANY);
	EXPECT(paging_table_pages() >= tables_before + 2);
	EXPECT_EQ(kstacks_cached_tables(), 0);
	many_free(stacks, count);
	EXPECT_EQ(paging_table_pages(), tables_before);
	EXPECT_EQ(frames_free(), frames_before);
	kfree(stacks);
}
