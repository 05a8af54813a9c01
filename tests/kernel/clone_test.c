/* SPDX-License-Identifier: MIT */
/*
 * tests/kernel/clone_test.c - snapshots of objects: what they share, what they cost, what they
 * never do.
 */
#include "lib/abi/errno.h"
#include "mm/object.h"
#include "tests/kernel/space_fixture.h"

enum { ALL_PAGES = 3000 };              /* a tree of three levels, with a rest */

static void put_byte(struct object *object, uint64_t page, uint8_t value)
{
	EXPECT_EQ(object_write(object, page * PAGE_SIZE, buffer_kernel(&value), 1), 1);
}

static uint8_t get_byte(struct object *object, uint64_t page)
{
	uint8_t value = 0xee;

	EXPECT_EQ(object_read(object, page * PAGE_SIZE, buffer_kernel(&value), 1), 1);
	return value;
}

static uint8_t mark(uint64_t page)
{
	return (uint8_t)(page % 251 + 1);
}

static struct object *object_of(uint64_t pages)
{
	struct object *object = OBTAIN(object_create(0, false));

	for (uint64_t page = 0; page < pages; page++)
		put_byte(object, page, mark(page));
	EXPECT_EQ(object_resize(object, pages * PAGE_SIZE), 0);
	return object;
}

static struct object *snapshot_of(struct object *object)
{
	struct object *snapshot = NULL;

	EXPECT_EQ(object_snapshot(object, &snapshot), 0);
	assert(snapshot);
	return snapshot;
}

static bool has_marks(struct object *object, uint64_t first, uint64_t last, uint64_t shift)
{
	for (uint64_t page = first; page < last; page++) {
		if (get_byte(object, page) != mark(page - shift))
			return false;
	}
	return true;
}

static virt_t map_object(struct space *space, struct object *object, uint32_t type)
{
	struct map_request request = {
		.len = object_size(object), .prot = PROT_READ | PROT_WRITE, .flags = type,
		.vma_flags = VMA_MAYWRITE, .object = object,
	};
	virt_t addr = 0;

	EXPECT_EQ(space_map(space, &request, &addr), 0);
	return addr;
}

KTEST(clone, snapshot_takes_no_frame_whatever_the_size)
{
	struct object *object = object_of(ALL_PAGES);
	struct object *warm = snapshot_of(object);

	object_put(warm);
	uint64_t free = frames_free();
	struct object *snapshot = snapshot_of(object);

	EXPECT(free - frames_free() <= 1);      /* a slab may have grown */
	EXPECT_EQ(object_resident_pages(snapshot), ALL_PAGES);
	EXPECT_EQ(object_size(snapshot), ALL_PAGES * PAGE_SIZE);
	EXPECT(has_marks(snapshot, 0, ALL_PAGES, 0));
	object_put(snapshot);
	object_put(object);
}

KTEST(clone, each_keeps_its_own_writes)
{
	struct object *object = object_of(ALL_PAGES);
	struct object *snapshot = snapshot_of(object);

	put_byte(object, 7, 'o');
	put_byte(snapshot, 8, 's');
	put_byte(snapshot, ALL_PAGES, 'e');
	EXPECT_EQ(get_byte(object, 7), 'o');
	EXPECT_EQ(get_byte(snapshot, 7), mark(7));
	EXPECT_EQ(get_byte(object, 8), mark(8));
	EXPECT_EQ(get_byte(snapshot, 8), 's');
	EXPECT_EQ(object_size(object), ALL_PAGES * PAGE_SIZE);
	EXPECT(has_marks(snapshot, 9, ALL_PAGES, 0));
	object_put(object);
	EXPECT(has_marks(snapshot, 9, ALL_PAGES, 0));
	object_put(snapshot);
}

/* Generations: the last one must not believe a write bit that a middle one has spoilt. */
KTEST(clone, write_bits_are_looked_at_again)
{
	struct object *a = object_of(600);
	struct object *b = snapshot_of(a);

	put_byte(b, 3, 'b');
	struct object *c = snapshot_of(b);

	object_put(b);
	for (uint64_t page = 0; page < 600; page++)
		put_byte(a, page, 'a');
	EXPECT_EQ(get_byte(c, 3), 'b');
	EXPECT(has_marks(c, 4, 600, 0));
	object_put(a);
	object_put(c);
}

KTEST(clone, truncating_one_spares_the_other)
{
	struct object *object = object_of(ALL_PAGES);
	struct object *snapshot = snapshot_of(object);

	EXPECT_EQ(object_resize(object, 5 * PAGE_SIZE + 1), 0);
	EXPECT_EQ(object_punch(snapshot, 0, 600 * PAGE_SIZE), 0);
	EXPECT_EQ(object_resident_pages(object), 6);
	EXPECT_EQ(object_resident_pages(snapshot), ALL_PAGES - 600);
	EXPECT(has_marks(object, 0, 6, 0));
	EXPECT_EQ(get_byte(snapshot, 599), 0);
	EXPECT(has_marks(snapshot, 600, ALL_PAGES, 0));
	object_put(snapshot);
	object_put(object);
}

KTEST(clone, adopting_replaces_what_was_there)
{
	struct object *object = object_of(40);
	struct object *other = object_of(2);
	struct object *snapshot = snapshot_of(object);

	EXPECT_EQ(object_adopt(other, snapshot), 0);
	object_put(snapshot);
	EXPECT_EQ(object_size(other), 40 * PAGE_SIZE);
	EXPECT(has_marks(other, 0, 40, 0));
	put_byte(other, 0, 'x');
	EXPECT_EQ(get_byte(object, 0), mark(0));
	object_put(other);
	object_put(object);
}

static void graft(struct object *to, struct object *from, struct graft graft)
{
	graft.from = snapshot_of(from);
	graft.end = (graft.to_page + graft.pages) * PAGE_SIZE;
	EXPECT_EQ(object_graft(to, &graft), 0);
	object_put(graft.from);
}

KTEST(clone, aligned_parts_share_tables)
{
	struct object *from = object_of(2048), *to = OBTAIN(object_create(0, false));
	uint64_t free;

	graft(to, from, (struct graft){ .from_page = 512, .to_page = 1024, .pages = 1024 });
	free = frames_free();
	EXPECT_EQ(object_resident_pages(to), 1024);
	EXPECT_EQ(object_size(to), 2048 * PAGE_SIZE);
	EXPECT(has_marks(to, 1024, 2048, 512));
	EXPECT_EQ(frames_free(), free);
	put_byte(to, 1500, 'x');
	put_byte(from, 600, 'y');
	EXPECT_EQ(get_byte(from, 988), mark(988));
	EXPECT_EQ(get_byte(to, 1112), mark(600));
	object_put(from);
	EXPECT(has_marks(to, 1501, 2048, 512));
	object_put(to);
}

KTEST(clone, parts_that_fit_nowhere_share_pages)
{
	struct object *from = object_of(1200), *to = object_of(1500);

	graft(to, from, (struct graft){ .from_page = 3, .to_page = 500, .pages = 1100 });
	EXPECT(has_marks(to, 0, 500, 0));
	EXPECT(has_marks(to, 500, 1600, 497));
	EXPECT_EQ(object_resident_pages(to), 1600);
	for (uint64_t page = 0; page < 1200; page++)
		put_byte(from, page, 'f');
	EXPECT(has_marks(to, 500, 1600, 497));
	object_put(from);
	object_put(to);
}

KTEST(clone, holes_are_shared_as_holes)
{
	struct object *from = OBTAIN(object_create(0, false)), *to = object_of(20);

	put_byte(from, 0, 'a');
	put_byte(from, 1ull << 20, 'z');
	graft(to, from, (struct graft){ .from_page = 1, .to_page = 5, .pages = 1ull << 20 });
	EXPECT_EQ(object_resident_pages(to), 6);
	EXPECT_EQ(get_byte(to, 6), 0);
	EXPECT_EQ(get_byte(to, (1ull << 20) + 4), 'z');
	EXPECT_EQ(object_next(to, 5, false), (1ull << 20) + 4);
	EXPECT_EQ(object_next(to, 0, true), 5);
	object_put(from);
	object_put(to);
}

/* W4: who has it mapped keeps writing, and the snapshot does not change. */
KTEST(clone, writers_of_a_mapping_do_not_reach_the_snapshot)
{
	struct space *space = test_space(1);
	struct object *object = object_of(10);
	virt_t at = map_object(space, object, MAP_SHARED);

	test_poke(space, at, 'm');
	struct object *snapshot = snapshot_of(object);

	EXPECT(pte_is_none(test_leaf(space, at)));
	test_poke(space, at, 'n');
	test_poke(space, at + PAGE_SIZE, 'n');
	EXPECT_EQ(get_byte(object, 0), 'n');
	EXPECT_EQ(get_byte(object, 1), 'n');
	EXPECT_EQ(get_byte(snapshot, 0), 'm');
	EXPECT_EQ(get_byte(snapshot, 1), mark(1));
	put_byte(object, 2, 'w');
	EXPECT_EQ(test_peek(space, at + 2 * PAGE_SIZE), 'w');
	object_put(snapshot);
	space_put(space);
	object_put(object);
}

/* What a private range has copied stays its own, whatever becomes of the file. */
KTEST(clone, private_copies_stay_when_a_hole_is_punched)
{
	struct space *space = test_space(1);
	struct object *object = object_of(10);
	virt_t at = map_object(space, object, MAP_PRIVATE);

	test_poke(space, at, 'p');
	EXPECT_EQ(test_peek(space, at + PAGE_SIZE), mark(1));
	EXPECT_EQ(object_punch(object, 0, 10 * PAGE_SIZE), 0);
	EXPECT_EQ(test_peek(space, at), 'p');
	EXPECT_EQ(test_peek(space, at + PAGE_SIZE), 0);
	EXPECT_EQ(object_resize(object, 0), 0);
	EXPECT(pte_is_none(test_leaf(space, at)));
	space_put(space);
	object_put(object);
}

KTEST(clone, adopted_pages_show_in_mappings)
{
	struct space *space = test_space(1);
	struct object *object = object_of(10);
	struct object *other = OBTAIN(object_create(10 * PAGE_SIZE, false));
	virt_t shared = map_object(space, other, MAP_SHARED);
	virt_t private = map_object(space, other, MAP_PRIVATE);

	EXPECT_EQ(test_peek(space, shared), 0);
	EXPECT_EQ(test_peek(space, private), 0);
	test_poke(space, private + PAGE_SIZE, 'p');
	struct object *snapshot = snapshot_of(object);

	EXPECT_EQ(object_adopt(other, snapshot), 0);
	object_put(snapshot);
	EXPECT_EQ(test_peek(space, shared), mark(0));
	EXPECT_EQ(test_peek(space, private), mark(0));
	EXPECT_EQ(test_peek(space, private + PAGE_SIZE), 'p');
	test_poke(space, shared, 's');
	EXPECT_EQ(get_byte(object, 0), mark(0));
	EXPECT_EQ(get_byte(other, 0), 's');
	space_put(space);
	object_put(other);
	object_put(object);
}
