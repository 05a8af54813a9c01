/* SPDX-License-Identifier: MIT */
/*
 * tests/kernel/cow_test.c - copy-on-write, step by step.
 *
 * Run under every fork_share value: what a program sees must be the same; only the work differs.
 */
#include "lib/abi/errno.h"
#include "tests/kernel/space_fixture.h"

static bool shares_frames(void)
{
	return options.fork_share != FORK_SHARE_NONE;
}

KTEST(cow, child_sees_what_parent_wrote)
{
	struct space *parent = test_space(1);
	test_poke(parent, TEST_BASE, 'A');
	struct space *child = test_fork(parent);
	EXPECT_EQ(test_peek(child, TEST_BASE), 'A');
	if (shares_frames())
		EXPECT(test_frame(parent, TEST_BASE) == test_frame(child, TEST_BASE));
	space_put(child);
	space_put(parent);
}

KTEST(cow, writes_after_fork_stay_private)
{
	struct space *parent = test_space(2);
	test_poke(parent, TEST_BASE, 'A');
	test_poke(parent, test_page(1), 'B');
	struct space *child = test_fork(parent);
	test_poke(child, TEST_BASE, 'c');
	test_poke(parent, test_page(1), 'p');
	EXPECT_EQ(test_peek(parent, TEST_BASE), 'A');
	EXPECT_EQ(test_peek(child, TEST_BASE), 'c');
	EXPECT_EQ(test_peek(parent, test_page(1)), 'p');
	EXPECT_EQ(test_peek(child, test_page(1)), 'B');
	EXPECT(test_frame(parent, TEST_BASE) != test_frame(child, TEST_BASE));
	space_put(child);
	space_put(parent);
}

KTEST(cow, last_holder_keeps_its_frame)
{
	struct space *parent = test_space(1);
	test_poke(parent, TEST_BASE, 'A');
	pfn_t before = test_frame(parent, TEST_BASE);
	space_put(test_fork(parent));
	uint64_t copied = test_work(parent, WORK_frames_copied);
	test_poke(parent, TEST_BASE, 'B');
	EXPECT(test_frame(parent, TEST_BASE) == before);
	EXPECT_EQ(test_work(parent, WORK_frames_copied), copied);
	space_put(parent);
}

KTEST(cow, one_regain_per_table_not_one_fault_per_page)
{
	struct space *parent = test_space(512);
	for (uint64_t i = 0; i < 512; i++)
		test_poke(parent, test_page(i), i);
	space_put(test_fork(parent));
	uint64_t faults = test_work(parent, WORK_faults);
	for (uint64_t i = 0; i < 512; i++)
		test_poke(parent, test_page(i), i + 1);
	EXPECT_EQ(test_work(parent, WORK_faults) - faults, 1);
	space_put(parent);
}

KTEST(cow, grandchild_keeps_its_page_when_the_middle_goes)
{
	struct space *parent = test_space(1);
	test_poke(parent, TEST_BASE, 'A');
	struct space *child = test_fork(parent);
	test_poke(child, TEST_BASE, 'B');
	struct space *grandchild = test_fork(child);
	space_put(child);
	test_poke(parent, TEST_BASE, 'C');
	EXPECT_EQ(test_peek(grandchild, TEST_BASE), 'B');
	test_poke(grandchild, TEST_BASE, 'D');
	EXPECT_EQ(test_peek(parent, TEST_BASE), 'C');
	space_put(grandchild);
	space_put(parent);
}

/* The stale tag: B writes a page and goes; its child C still holds it; A takes its table back. */
KTEST(cow, regain_keeps_only_certificates_that_are_still_true)
{
	struct space *a = test_space(4);
	for (uint64_t i = 0; i < 4; i++)
		test_poke(a, test_page(i), 'A');
	struct space *b = test_fork(a);
	test_poke(b, test_page(0), 'B');
	struct space *c = test_fork(b);
	space_put(b);
	for (uint64_t i = 0; i < 4; i++)
		test_poke(a, test_page(i), 'a');
	EXPECT_EQ(test_peek(c, test_page(0)), 'B');
	EXPECT_EQ(test_peek(c, test_page(1)), 'A');
	EXPECT_EQ(test_peek(c, test_page(3)), 'A');
	space_put(a);
	space_put(c);
}

KTEST(cow, many_children_share_one_page)
{
	enum { CHILDREN = 300 };
	static struct space *children[CHILDREN];
	struct space *parent = test_space(1);
	test_poke(parent, TEST_BASE, 'A');
	for (unsigned i = 0; i < CHILDREN; i++)
		children[i] = test_fork(parent);
	test_poke(parent, TEST_BASE, 'B');
	for (unsigned i = 0; i < CHILDREN; i++) {
		EXPECT_EQ(test_peek(children[i], TEST_BASE), 'A');
		space_put(children[i]);
	}
	space_put(parent);
}

KTEST(cow, read_of_untouched_memory_names_the_zero_frame)
{
	struct space *parent = test_space(2);
	uint32_t refs = frame_refs[zero_frame];
	EXPECT_EQ(test_peek(parent, TEST_BASE), 0);
	EXPECT(test_frame(parent, TEST_BASE) == zero_frame);
	EXPECT_EQ(parent->resident, 0);
	struct space *child = test_fork(parent);
	EXPECT_EQ(test_peek(child, TEST_BASE), 0);
	EXPECT_EQ(frame_refs[zero_frame], refs);
	test_poke(child, TEST_BASE, 'x');
	EXPECT_EQ(child->resident, 1);
	EXPECT_EQ(test_peek(parent, TEST_BASE), 0);
	space_put(child);
	space_put(parent);
}

KTEST(cow, mprotect_after_child_has_gone_is_obeyed)
{
	struct space *parent = test_space(4);
	for (uint64_t i = 0; i < 4; i++)
		test_poke(parent, test_page(i), 'A');
	space_put(test_fork(parent));
	EXPECT_EQ(space_protect(parent, TEST_BASE, 4 * PAGE_SIZE, PROT_READ), 0);
	EXPECT_EQ(fault_resolve(parent, TEST_BASE, ACCESS_WRITE), (uint64_t)-EACCES);
	EXPECT_EQ(space_protect(parent, TEST_BASE, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
	test_poke(parent, TEST_BASE, 'B');
	EXPECT_EQ(fault_resolve(parent, test_page(2), ACCESS_WRITE), (uint64_t)-EACCES);
	space_put(parent);
}

KTEST(cow, prot_none_parks_and_comes_back)
{
	struct space *space = test_space(1);
	test_poke(space, TEST_BASE, 'A');
	pfn_t frame = test_frame(space, TEST_BASE);
	EXPECT_EQ(space_protect(space, TEST_BASE, PAGE_SIZE, PROT_NONE), 0);
	pte_t parked = test_leaf(space, TEST_BASE);
	EXPECT(!pte_is_present(parked) && pte_is_parked(parked));
	EXPECT((parked.bits & PTE_FRAME) == (~(frame << PAGE_SHIFT) & PTE_FRAME));
	EXPECT_EQ(fault_resolve(space, TEST_BASE, ACCESS_READ), (uint64_t)-EACCES);
	struct space *child = test_fork(space);
	EXPECT_EQ(space_protect(space, TEST_BASE, PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
	test_poke(space, TEST_BASE, 'B');
	EXPECT_EQ(space_protect(child, TEST_BASE, PAGE_SIZE, PROT_READ), 0);
	EXPECT_EQ(test_peek(child, TEST_BASE), 'A');
	space_put(child);
	space_put(space);
}

KTEST(cow, unmapping_a_part_of_a_shared_table_keeps_the_neighbours)
{
	struct space *parent = test_space(8);
	for (uint64_t i = 0; i < 8; i++)
		test_poke(parent, test_page(i), 'a' + i);
	struct space *child = test_fork(parent);
	EXPECT_EQ(space_unmap(child, test_page(2), 3 * PAGE_SIZE), 0);
	EXPECT_EQ(test_peek(child, test_page(1)), 'b');
	EXPECT_EQ(test_peek(child, test_page(5)), 'f');
	EXPECT_EQ(test_peek(parent, test_page(3)), 'd');
	EXPECT_EQ(child->resident, 5);
	EXPECT_EQ(parent->resident, 8);
	space_put(parent);
	space_put(child);
}

KTEST(cow, shared_memory_is_not_copied)
{
	struct space *parent = OBTAIN(space_create());
	space_layout(parent, 0, 0);
	struct map_request request = {
		.addr = TEST_BASE, .len = 2 * PAGE_SIZE, .prot = PROT_READ | PROT_WRITE,
		.flags = MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
	};
	virt_t addr;
	EXPECT_EQ(space_map(parent, &request, &addr), 0);
	test_poke(parent, TEST_BASE, 'A');
	struct space *child = test_fork(parent);
	test_poke(child, TEST_BASE, 'B');
	EXPECT_EQ(test_peek(parent, TEST_BASE), 'B');
	test_poke(parent, test_page(1), 'C');
	EXPECT_EQ(test_peek(child, test_page(1)), 'C');
	space_put(parent);
	EXPECT_EQ(test_peek(child, TEST_BASE), 'B');
	space_put(child);
}

KTEST(cow, private_mapping_of_an_object_leaves_it_alone)
{
	struct object *object = OBTAIN(object_create(PAGE_SIZE, false));
	char text[] = "file";
	EXPECT_EQ(object_write(object, 0, (struct object_io){ .kernel = text }, 4), 4);
	struct space *space = OBTAIN(space_create());
	space_layout(space, 0, 0);
	struct map_request request = {
		.addr = TEST_BASE, .len = 2 * PAGE_SIZE, .prot = PROT_READ | PROT_WRITE,
		.flags = MAP_PRIVATE | MAP_FIXED, .object = object,
	};
	virt_t addr;
	EXPECT_EQ(space_map(space, &request, &addr), 0);
	EXPECT_EQ(test_peek(space, TEST_BASE), 'f');
	test_poke(space, TEST_BASE, 'F');
	char back[4];
	EXPECT_EQ(object_read(object, 0, (struct object_io){ .kernel = back }, 4), 4);
	EXPECT_EQ(back[0], 'f');
	EXPECT_EQ(fault_resolve(space, test_page(1), ACCESS_READ), (uint64_t)-ENXIO);
	space_put(space);
	object_put(object);
}

KTEST(cow, truncation_takes_views_away_everywhere)
{
	struct object *object = OBTAIN(object_create(2 * PAGE_SIZE, false));
	struct space *space = OBTAIN(space_create());
	space_layout(space, 0, 0);
	struct map_request request = {
		.addr = TEST_BASE, .len = 2 * PAGE_SIZE, .prot = PROT_READ | PROT_WRITE,
		.flags = MAP_SHARED | MAP_FIXED, .vma_flags = VMA_MAYWRITE, .object = object,
	};
	virt_t addr;
	EXPECT_EQ(space_map(space, &request, &addr), 0);
	test_poke(space, test_page(1), 'x');
	struct space *child = test_fork(space);
	EXPECT_EQ(object_resize(object, 100), 0);
	EXPECT_EQ(fault_resolve(space, test_page(1), ACCESS_READ), (uint64_t)-ENXIO);
	EXPECT_EQ(fault_resolve(child, test_page(1), ACCESS_READ), (uint64_t)-ENXIO);
	EXPECT_EQ(object_resize(object, 2 * PAGE_SIZE), 0);
	EXPECT_EQ(test_peek(child, test_page(1)), 0);
	space_put(child);
	space_put(space);
	object_put(object);
}

KTEST(cow, remap_moves_entries_not_bytes)
{
	struct space *space = test_space(4);
	for (uint64_t i = 0; i < 4; i++)
		test_poke(space, test_page(i), 'a' + i);
	pfn_t frame = test_frame(space, test_page(2));
	struct space *child = test_fork(space);
	virt_t to = TEST_BASE + 64 * MIB + 8 * PAGE_SIZE;
	EXPECT_EQ(space_remap(space, TEST_BASE, 4 * PAGE_SIZE, 6 * PAGE_SIZE,
			      MREMAP_MAYMOVE | MREMAP_FIXED, &to), 0);
	EXPECT(test_frame(space, to + 2 * PAGE_SIZE) == frame);
	EXPECT_EQ(test_peek(space, to + 3 * PAGE_SIZE), 'd');
	EXPECT_EQ(test_peek(space, to + 5 * PAGE_SIZE), 0);
	EXPECT_EQ(fault_resolve(space, TEST_BASE, ACCESS_READ), (uint64_t)-EFAULT);
	EXPECT_EQ(test_peek(child, test_page(3)), 'd');
	space_put(child);
	space_put(space);
}

KTEST(cow, wipeonfork_and_dontfork_are_obeyed)
{
	struct space *parent = test_space(6);
	for (uint64_t i = 0; i < 6; i++)
		test_poke(parent, test_page(i), 'A');
	EXPECT_EQ(space_advise(parent, test_page(1), PAGE_SIZE, MADV_WIPEONFORK), 0);
	EXPECT_EQ(space_advise(parent, test_page(3), PAGE_SIZE, MADV_DONTFORK), 0);
	struct space *child = test_fork(parent);
	EXPECT_EQ(test_peek(child, test_page(0)), 'A');
	EXPECT_EQ(test_peek(child, test_page(1)), 0);
	EXPECT_EQ(fault_resolve(child, test_page(3), ACCESS_READ), (uint64_t)-EFAULT);
	EXPECT_EQ(test_peek(parent, test_page(1)), 'A');
	EXPECT_EQ(test_peek(parent, test_page(3)), 'A');
	space_put(child);
	space_put(parent);
}

KTEST(cow, fork_under_root_shares_one_entry)
{
	if (options.fork_share != FORK_SHARE_ROOT) {
		ktest_skip("fork_share is not root");
		return;
	}
	struct space *parent = test_space(2048);
	for (uint64_t i = 0; i < 2048; i++)
		test_poke(parent, test_page(i), 1);
	struct space *child = test_fork(parent);
	EXPECT_EQ(test_work(child, WORK_entries_shared), 1);
	EXPECT_EQ(test_work(child, WORK_tables_copied), 0);
	EXPECT_EQ(child->resident, 2048);
	space_put(child);
	space_put(parent);
}

KTEST(cow, stack_grows_within_its_limit_only)
{
	struct space *space = OBTAIN(space_create());
	space_layout(space, 0, 0);
	space->stack_room = 64 * PAGE_SIZE;
	struct map_request request = {
		.addr = TEST_BASE, .len = PAGE_SIZE, .prot = PROT_READ | PROT_WRITE,
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		.vma_flags = VMA_GROWSDOWN | VMA_STACK,
	};
	virt_t addr;
	EXPECT_EQ(space_map(space, &request, &addr), 0);
	EXPECT_EQ(fault_resolve(space, TEST_BASE - 40 * PAGE_SIZE, ACCESS_WRITE), 0);
	struct space *child = test_fork(space);
	EXPECT_EQ(fault_resolve(child, TEST_BASE - 63 * PAGE_SIZE, ACCESS_WRITE), 0);
	EXPECT_EQ(fault_resolve(child, TEST_BASE - 64 * PAGE_SIZE, ACCESS_WRITE),
		  (uint64_t)-EFAULT);
	EXPECT(!vma_find(space->vmas, TEST_BASE - 50 * PAGE_SIZE));
	space_put(child);
	space_put(space);
}
