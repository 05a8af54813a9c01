/* SPDX-License-Identifier: MIT */
/*
 * tests/kernel/review_test.c - what a review found: each was wrong once.
 */
#include "mm/audit.h"
#include "mm/slab.h"
#include "space_fixture.h"
#include "task_fixture.h"

/* The array grew by half, to more than kmalloc() has, long before the limit. */
KTEST(review, ranges_grow_to_their_limit)
{
	struct vmas *vmas = OBTAIN(vmas_create(0));

	for (uint32_t count = 0; count < VMA_MAX; count++) {
		EXPECT_EQ(vmas_own(&vmas, 1), 0);
		vmas_insert(vmas, &(struct vma){
			.start = TEST_BASE + 2ull * count * PAGE_SIZE,
			.end = TEST_BASE + (2ull * count + 1) * PAGE_SIZE,
			.prot = PROT_READ,
		});
	}
	vmas_put(vmas);
}

enum { AUDITS = 20, AUDITORS = 3 };

static void audit_often(void *clean)
{
	for (int i = 0; i < AUDITS; i++)
		atomic_add_return((uint32_t *)clean, audit() == NULL);
}

/* They share their counts: the second one freed those of the first. */
KTEST(review, audits_take_turns)
{
	uint32_t clean = 0;

	for (int i = 0; i < AUDITORS; i++)
		test_task_start(cpu_online_mask(), audit_often, &clean);
	test_tasks_join();
	EXPECT(clean > 0);
}

static void end_at_once(void *unused)
{
}

enum { STOPS = 100 };

static void make_tasks(void *is_over)
{
	while (!atomic_load_relaxed((bool *)is_over)) {
		test_task_start(cpu_online_mask(), end_at_once, NULL);
		kfree(kmalloc(sizeof(struct task)));
		task_yield();
	}
}

/* A task's remains were freed with interrupts off: a lock that somebody was stopped with was waited
 * for for ever, and so was whoever stopped him. */
KTEST(review, tasks_end_while_others_are_stopped)
{
	bool is_over = false;

	if (cpu_count == 1) {
		ktest_skip("one CPU");
		return;
	}
	for (uint32_t id = 1; id < cpu_count; id++)
		test_task_start(BIT(id), make_tasks, &is_over);
	for (int stop = 0; stop < STOPS; stop++) {
		smp_stop_others();
		smp_resume_others();
		task_yield();
	}
	atomic_store_relaxed(&is_over, true);
	test_tasks_join();
}

/* The offset of a file's range would have begun anew at 0. */
KTEST(review, remap_does_not_wrap_the_offset)
{
	struct space *space = test_space(1);
	struct object *object = OBTAIN(object_create(PAGE_SIZE, false));
	struct map_request request = {
		.len = PAGE_SIZE, .prot = PROT_READ, .flags = MAP_SHARED,
		.object = object, .offset = 0 - 2 * PAGE_SIZE,
	};
	virt_t addr;

	EXPECT_EQ(space_map(space, &request, &addr), 0);
	EXPECT_EQ(space_remap(space, addr, PAGE_SIZE, 4 * PAGE_SIZE, MREMAP_MAYMOVE, &addr),
		  -EINVAL);
	object_put(object);
	space_put(space);
}
