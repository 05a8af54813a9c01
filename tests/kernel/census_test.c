/* SPDX-License-Identifier: MIT */
/*
 * tests/kernel/census_test.c - how often each frame is mapped, counted by tables and by hand.
 *
 * By hand means: visit every leaf of every space one after the other, without knowing of sharing.
 */
#include "kernel/options.h"
#include "lib/abi/errno.h"
#include "mm/census.h"
#include "mm/object.h"
#include "tests/kernel/space_fixture.h"

enum { PAGES = 1100, FAMILY = 5 };      /* three tables of pages, none of them full */

/* Spaces that fork from each other, with writes in between so that no two have the same shape. */
static void family_make(struct space **family)
{
	family[0] = test_space(PAGES);
	for (uint64_t page = 0; page < PAGES; page += 3)
		test_poke(family[0], test_page(page), 1);
	family[1] = test_fork(family[0]);
	test_poke(family[0], test_page(0), 2);          /* its path is its own now */
	test_poke(family[0], test_page(700), 2);
	family[2] = test_fork(family[1]);
	test_poke(family[2], test_page(3), 3);
	family[3] = test_fork(family[2]);
	test_poke(family[1], test_page(1099), 4);
	test_poke(family[3], test_page(600), 5);
	family[4] = test_fork(family[1]);               /* all it has is somebody else's */
}

static void family_end(struct space **family)
{
	for (int i = 0; i < FAMILY; i++)
		space_put(family[i]);
}

/* ---- by hand ---- */

struct sighting {
	pfn_t frame;
	uint32_t times;
};

static void see(const struct leaf_visit *leaf, void *argument)
{
	struct sighting *sighting = argument;

	sighting->times += pte_is_counted(leaf->leaf) && pte_pfn(leaf->leaf) == sighting->frame;
}

static uint32_t times_seen(struct space **family, pfn_t frame)
{
	struct sighting sighting = { frame, 0 };

	for (int i = 0; i < FAMILY; i++) {
		write_lock(&family[i]->lock);
		cursor_for_each(family[i], TEST_BASE, test_page(PAGES), see, &sighting);
		write_unlock(&family[i]->lock);
	}
	return sighting.times;
}


static struct census *take(void)
{
	struct census *census = NULL;

	EXPECT_EQ(census_take(&census), 0);
	assert(census);
	return census;
}

static void under_each_share(void (*test)(void))
{
	enum fork_share before = options.fork_share;

	for (options.fork_share = FORK_SHARE_NONE; options.fork_share <= FORK_SHARE_ROOT;
	     options.fork_share++)
		test();
	options.fork_share = before;
}

/* ---- tests ---- */

static void compare_by_hand(void)
{
	static const uint64_t looked_at[] = { 0, 3, 6, 510, 513, 600, 603, 699, 1020, 1098, 1099 };
	struct space *family[FAMILY];
	struct census *census;

	family_make(family);
	census = take();
	for (size_t i = 0; i < COUNT(looked_at); i++) {
		for (int of = 0; of < FAMILY; of++) {
			pte_t leaf = test_leaf(family[of], test_page(looked_at[i]));

			if (pte_is_counted(leaf))
				EXPECT_EQ(census_mapped(census, pte_pfn(leaf)),
					times_seen(family, pte_pfn(leaf)));
		}
	}
	census_free(census);
	family_end(family);
}

KTEST(census, counts_what_a_visit_of_every_leaf_counts)
{
	under_each_share(compare_by_hand);
}

/* The counts on a path, multiplied, would say two for the first and four for the others. */
KTEST(census, three_holders_are_three_from_everywhere)
{
	enum fork_share before = options.fork_share;
	struct space *parent, *child, *grandchild;
	struct census *census;

	options.fork_share = FORK_SHARE_ROOT;
	parent = test_space(8);
	test_poke(parent, test_page(0), 1);
	test_poke(parent, test_page(7), 1);
	child = test_fork(parent);
	test_poke(parent, test_page(0), 2);
	grandchild = test_fork(child);
	census = take();
	EXPECT_EQ(test_frame(parent, test_page(7)), test_frame(grandchild, test_page(7)));
	EXPECT_EQ(census_mapped(census, test_frame(parent, test_page(7))), 3);
	EXPECT_EQ(census_mapped(census, test_frame(parent, test_page(0))), 1);
	EXPECT_EQ(census_mapped(census, test_frame(child, test_page(0))), 2);
	census_free(census);
	space_put(grandchild);
	space_put(child);
	space_put(parent);
	options.fork_share = before;
}

static uint64_t resident_total;

static void add_resident(struct space *space, void *argument)
{
	resident_total += (uint64_t)atomic_load_relaxed(&space->resident);
}

static void compare_with_resident(void)
{
	struct space *family[FAMILY];
	struct census *census;
	uint64_t sum = 0;

	family_make(family);
	resident_total = 0;
	space_for_each(add_resident, NULL);
	census = take();
	for (pfn_t pfn = 0; pfn < frame_count; pfn++) {
		if (frames[pfn].kind == FRAME_DATA)
			sum += census_mapped(census, pfn);
	}
	EXPECT_EQ(sum, resident_total);
	census_free(census);
	family_end(family);
}

/* Every page in every RSS is one sighting. */
KTEST(census, sum_over_frames_is_sum_over_spaces)
{
	under_each_share(compare_with_resident);
}

KTEST(census, frames_of_two_files_count_once)
{
	struct object *object = OBTAIN(object_create(0, false)), *snapshot = NULL;
	struct census_totals before, after;
	uint8_t byte = 1;

	EXPECT_EQ(census_totals(&before), 0);
	for (uint64_t page = 0; page < 20; page++)
		EXPECT_EQ(object_write(object, page * PAGE_SIZE, buffer_kernel(&byte), 1), 1);
	EXPECT_EQ(object_snapshot(object, &snapshot), 0);
	EXPECT_EQ(object_write(object, 5 * PAGE_SIZE, buffer_kernel(&byte), 1), 1);
	EXPECT_EQ(census_totals(&after), 0);
	EXPECT_EQ(after.files - before.files, 21);
	EXPECT_EQ(after.mapped, before.mapped);
	object_put(snapshot);
	object_put(object);
}

KTEST(census, mapped_files_are_those_in_a_space)
{
	struct object *object = OBTAIN(object_create(0, false));
	struct space *space = test_space(1);
	struct census_totals before, after;
	uint8_t byte = 1;
	virt_t at = 0;

	for (uint64_t page = 0; page < 20; page++)
		EXPECT_EQ(object_write(object, page * PAGE_SIZE, buffer_kernel(&byte), 1), 1);
	struct map_request request = {
		.len = 20 * PAGE_SIZE, .prot = PROT_READ | PROT_WRITE, .flags = MAP_SHARED,
		.vma_flags = VMA_MAYWRITE, .object = object,
	};
	EXPECT_EQ(space_map(space, &request, &at), 0);
	EXPECT_EQ(census_totals(&before), 0);
	test_peek(space, at);
	test_poke(space, at + 3 * PAGE_SIZE, 2);
	EXPECT_EQ(census_totals(&after), 0);
	EXPECT_EQ(after.mapped - before.mapped, 2);
	EXPECT_EQ(after.files, before.files);
	space_put(space);
	object_put(object);
}

/* Root, one on each level below, and three for the pages. */
static void count_tables(void)
{
	struct space *family[FAMILY];

	family_make(family);
	for (int i = 0; i < FAMILY; i++)
		EXPECT_EQ(space_tables(family[i]), 1 + 1 + 1 + 3);
	family_end(family);
}

KTEST(census, tables_are_counted_as_if_nobody_else_used_them)
{
	under_each_share(count_tables);
}
