/* SPDX-License-Identifier: MIT */
// sources: @tests/host/sim/sources
// flags: -DSIM -DCOWBELL_DEBUG
/*
 * Objects: the pages of files and of shared memory, and their views in spaces; one behaviour at a
 * time.
 */
#include "tap.h"
#include "lib/abi/errno.h"
#include "mm/frame.h"
#include "mm/object.h"
#include "tests/host/sim/unit.h"
#include "tests/host/sim/world.h"

#define UNIT_PROGRAM "mm_file"

static struct object *file_of(uint64_t pages)
{
	struct object *object = object_create(pages * PAGE_SIZE, false);

	HOLDS(object);
	return object;
}

static void file_put(struct object *object, uint64_t offset, uint64_t value)
{
	HOLDS(object_write(object, offset, (struct object_io){ .kernel = &value }, 8) == 8);
}

static uint64_t file_get(struct object *object, uint64_t offset)
{
	uint64_t value = 0;

	HOLDS(object_read(object, offset, (struct object_io){ .kernel = &value }, 8) == 8);
	return value;
}

/* ---- reading and writing ---- */

UNIT(hole_reads_as_zeros_and_takes_no_frame)
{
	struct object *object = file_of(1000);
	uint64_t free_before = frames_free();

	HOLDS(file_get(object, 500 * PAGE_SIZE) == 0);
	HOLDS(frames_free() == free_before && object_resident_pages(object) == 0);
	object_put(object);
}

UNIT(write_extends_and_read_stops_at_the_end)
{
	struct object *object = file_of(0);
	uint64_t values[2];

	file_put(object, 3 * PAGE_SIZE - 4, 77);
	HOLDS(object_size(object) == 3 * PAGE_SIZE + 4 && object_resident_pages(object) == 2);
	HOLDS(file_get(object, 3 * PAGE_SIZE - 4) == 77);
	HOLDS(object_read(object, 3 * PAGE_SIZE, (struct object_io){ .kernel = values }, 16) == 4);
	HOLDS(object_read(object, 4 * PAGE_SIZE, (struct object_io){ .kernel = values }, 16) == 0);
	object_put(object);
}

UNIT(tree_grows_with_the_file)
{
	struct object *object = file_of(0);

	file_put(object, 0, 1);
	HOLDS(object->height == 1);
	file_put(object, 512 * PAGE_SIZE, 2);
	HOLDS(object->height == 2);
	file_put(object, GIB, 3);
	HOLDS(object->height == 3);
	HOLDS(file_get(object, 0) == 1 && file_get(object, 512 * PAGE_SIZE) == 2);
	object_put(object);
}

UNIT(truncated_bytes_come_back_as_zeros)
{
	struct object *object = file_of(4);

	for (unsigned page = 0; page < 4; page++)
		file_put(object, page * PAGE_SIZE + 512, page + 1);
	HOLDS(object_resize(object, PAGE_SIZE + 512) == 0);
	HOLDS(object_resident_pages(object) == 2);
	HOLDS(object_resize(object, 4 * PAGE_SIZE) == 0);
	HOLDS(file_get(object, 512) == 1);
	for (unsigned page = 1; page < 4; page++)
		HOLDS(file_get(object, page * PAGE_SIZE + 512) == 0);
	object_put(object);
}

UNIT(punched_hole_spares_what_lies_beside_it)
{
	struct object *object = file_of(4);

	for (unsigned page = 0; page < 4; page++) {
		file_put(object, page * PAGE_SIZE, page + 1);
		file_put(object, page * PAGE_SIZE + 2048, page + 1);
	}
	HOLDS(object_punch(object, 2048, 3 * PAGE_SIZE + 8) == 0);
	HOLDS(file_get(object, 0) == 1 && file_get(object, 2048) == 0);
	HOLDS(file_get(object, PAGE_SIZE) == 0 && file_get(object, 2 * PAGE_SIZE + 2048) == 0);
	HOLDS(file_get(object, 3 * PAGE_SIZE) == 0 && file_get(object, 3 * PAGE_SIZE + 2048) == 4);
	HOLDS(object_size(object) == 4 * PAGE_SIZE && object_resident_pages(object) == 2);
	object_put(object);
}

/* ---- private views ---- */

UNIT(private_view_is_copied_on_write_and_the_file_stays)
{
	struct space *space = unit_space(0), *child;
	struct object *object = file_of(2);

	file_put(object, 0, 5);
	unit_map_object(space, PAGE(0), 2, object, MAP_PRIVATE);
	HOLDS(unit_get(space, PAGE(0)) == 5);
	child = unit_fork(space, FORK_SHARE_ROOT);
	unit_put(space, PAGE(0), 6);
	HOLDS(unit_get(child, PAGE(0)) == 5 && file_get(object, 0) == 5);
	unit_exit(space);
	unit_put(child, PAGE(0), 7);
	HOLDS(file_get(object, 0) == 5);
	unit_exit(child);
	object_put(object);
}

UNIT(file_changes_show_in_a_private_view_until_it_is_copied)
{
	struct space *space = unit_space(0);
	struct object *object = file_of(1);

	unit_map_object(space, PAGE(0), 1, object, MAP_PRIVATE);
	HOLDS(unit_get(space, PAGE(0)) == 0);
	file_put(object, 0, 5);
	HOLDS(unit_get(space, PAGE(0)) == 5);
	unit_put(space, PAGE(0) + 8, 1);
	file_put(object, 0, 6);
	HOLDS(unit_get(space, PAGE(0)) == 5);
	unit_exit(space);
	object_put(object);
}

UNIT(first_store_to_a_private_view_takes_one_fault)
{
	struct space *space = unit_space(0);
	struct object *object = file_of(1);

	file_put(object, 8, 5);
	unit_map_object(space, PAGE(0), 1, object, MAP_PRIVATE);
	HOLDS(unit_access(space, PAGE(0), ACCESS_WRITE) == 1);
	HOLDS(unit_get(space, PAGE(0) + 8) == 5 && unit_work(space, WORK_frames_copied) == 1);
	unit_exit(space);
	object_put(object);
}

/* ---- shared views ---- */

UNIT(shared_view_is_coherent_across_fork)
{
	static const enum fork_share shares[] = {
		FORK_SHARE_NONE, FORK_SHARE_PAGE, FORK_SHARE_TABLE, FORK_SHARE_DIR, FORK_SHARE_ROOT,
	};

	for (unsigned i = 0; i < COUNT(shares); i++) {
		struct space *space = unit_space(0), *child;
		struct object *object = file_of(2);

		unit_map_object(space, PAGE(0), 2, object, MAP_SHARED);
		unit_put(space, PAGE(0), 1);
		child = unit_fork(space, shares[i]);
		unit_put(child, PAGE(0), 2);
		unit_put(child, PAGE(1), 3);
		HOLDS(unit_get(space, PAGE(0)) == 2 && unit_get(space, PAGE(1)) == 3);
		HOLDS(file_get(object, 0) == 2);
		file_put(object, 0, 4);
		HOLDS(unit_get(space, PAGE(0)) == 4 && unit_get(child, PAGE(0)) == 4);
		HOLDS(unit_frame(space, PAGE(0)) == unit_frame(child, PAGE(0)));
		unit_exit(child);
		unit_exit(space);
		object_put(object);
	}
}

UNIT(shared_and_private_views_meet_in_the_file)
{
	struct space *shared = unit_space(0), *private = unit_space(0);
	struct object *object = file_of(1);

	unit_map_object(shared, PAGE(0), 1, object, MAP_SHARED);
	unit_map_object(private, PAGE(7), 1, object, MAP_PRIVATE);
	unit_put(shared, PAGE(0), 1);
	HOLDS(unit_get(private, PAGE(7)) == 1);
	unit_put(shared, PAGE(0), 2);
	HOLDS(unit_get(private, PAGE(7)) == 2);
	unit_put(private, PAGE(7), 3);
	HOLDS(unit_get(shared, PAGE(0)) == 2);
	unit_exit(private);
	unit_exit(shared);
	object_put(object);
}

UNIT(view_keeps_its_object)
{
	struct space *space = unit_space(0);
	struct object *object = file_of(1);

	unit_map_object(space, PAGE(0), 1, object, MAP_SHARED);
	object_put(object);
	unit_put(space, PAGE(0), 1);
	HOLDS(unit_get(space, PAGE(0)) == 1);
	unit_exit(space);
}

/* ---- truncation under views ---- */

UNIT(access_beyond_the_end_is_refused)
{
	struct space *space = unit_space(0);
	struct object *object = file_of(1);

	unit_map_object(space, PAGE(0), 2, object, MAP_PRIVATE);
	HOLDS(unit_access(space, PAGE(0), ACCESS_WRITE) == 1);
	HOLDS(unit_access(space, PAGE(1), ACCESS_READ) == -ENXIO);
	HOLDS(unit_access(space, PAGE(1), ACCESS_WRITE) == -ENXIO);
	unit_exit(space);
	object_put(object);
}

UNIT(truncate_takes_views_away_from_everyone)
{
	struct space *space = unit_space(0), *child;
	struct object *object = file_of(2);

	unit_map_object(space, PAGE(0), 2, object, MAP_SHARED);
	unit_map_object(space, PAGE(4), 2, object, MAP_PRIVATE);
	unit_put(space, PAGE(1), 1);
	unit_put(space, PAGE(5), 2);
	unit_access_on(1, space, PAGE(1), ACCESS_WRITE);
	child = unit_fork(space, FORK_SHARE_ROOT);
	HOLDS(object_resize(object, PAGE_SIZE) == 0);
	HOLDS(unit_access_on(1, space, PAGE(1), ACCESS_READ) == -ENXIO);
	HOLDS(unit_access(space, PAGE(5), ACCESS_READ) == -ENXIO);
	HOLDS(unit_access(child, PAGE(1), ACCESS_WRITE) == -ENXIO);
	HOLDS(unit_access(child, PAGE(5), ACCESS_READ) == -ENXIO);
	HOLDS(object_resize(object, 2 * PAGE_SIZE) == 0);
	HOLDS(unit_get(space, PAGE(1)) == 0 && unit_get(child, PAGE(5)) == 0);
	unit_exit(child);
	unit_exit(space);
	object_put(object);
}

UNIT(truncate_spares_other_files)
{
	struct space *space = unit_space(1);
	struct object *object = file_of(2);

	unit_map_object(space, PAGE(1), 2, object, MAP_SHARED);
	unit_put(space, PAGE(0), 1);
	unit_put(space, PAGE(1), 2);
	HOLDS(object_resize(object, 0) == 0);
	HOLDS(unit_get(space, PAGE(0)) == 1 && space->resident == 1);
	unit_exit(space);
	object_put(object);
}

/* ---- no memory to give memory back ---- */

enum { CUT_PAGES = 1100, CUT_AT = 530, FAILURES_MAX = 200 };

/* A file whose tree a snapshot shares, seen by a program and its child whose tables are one. */
struct cut_scene {
	struct object *object, *snapshot;
	struct space *space, *child;
};

static void cut_scene_make(struct cut_scene *scene)
{
	scene->object = file_of(CUT_PAGES);
	for (unsigned page = 0; page < CUT_PAGES; page += 10)
		file_put(scene->object, page * PAGE_SIZE + 2048, page + 1);
	HOLDS(object_snapshot(scene->object, &scene->snapshot) == 0);
	scene->space = unit_space(0);
	unit_map_object(scene->space, PAGE(0), CUT_PAGES, scene->object, MAP_SHARED);
	unit_map_object(scene->space, PAGE(2000), CUT_PAGES, scene->object, MAP_PRIVATE);
	unit_put(scene->space, PAGE(600) + 2048, 601);
	unit_put(scene->space, PAGE(2000 + 540) + 2048, 7);
	HOLDS(unit_get(scene->space, PAGE(2000 + 550) + 2048) == 551);
	scene->child = unit_fork(scene->space, FORK_SHARE_ROOT);
}

static void cut_scene_end(struct cut_scene *scene)
{
	unit_exit(scene->child);
	unit_exit(scene->space);
	object_put(scene->snapshot);
	object_put(scene->object);
}

static void cut_scene_is_untouched(struct cut_scene *scene)
{
	HOLDS(object_size(scene->object) == CUT_PAGES * PAGE_SIZE);
	for (unsigned page = 0; page < CUT_PAGES; page += 10) {
		HOLDS(file_get(scene->object, page * PAGE_SIZE + 2048) == page + 1);
		HOLDS(unit_get(scene->child, PAGE(page) + 2048) == page + 1);
	}
	HOLDS(unit_get(scene->space, PAGE(2000 + 540) + 2048) == 7);
	HOLDS(unit_get(scene->child, PAGE(2000 + 550) + 2048) == 551);
}

static void cut_scene_is_cut(struct cut_scene *scene, bool is_truncated)
{
	HOLDS(file_get(scene->object, (CUT_AT - 10) * PAGE_SIZE + 2048) == CUT_AT - 9);
	HOLDS(file_get(scene->snapshot, 540 * PAGE_SIZE + 2048) == 541);
	if (is_truncated) {
		HOLDS(unit_access(scene->child, PAGE(600), ACCESS_READ) == -ENXIO);
		HOLDS(object_resize(scene->object, CUT_PAGES * PAGE_SIZE) == 0);
	}
	HOLDS(file_get(scene->object, CUT_AT * PAGE_SIZE + 2048) == 0);
	HOLDS(unit_get(scene->child, PAGE(600) + 2048) == 0);
	HOLDS(unit_get(scene->child, PAGE(CUT_AT) + 2048) == 0);
	HOLDS(file_get(scene->object, 600 * PAGE_SIZE + 2048) == 0);
}

static int cut_scene_cut(struct cut_scene *scene, bool truncates)
{
	uint64_t from = CUT_AT * PAGE_SIZE + 512;

	return truncates ? object_resize(scene->object, from)
			 : object_punch(scene->object, from, CUT_PAGES * PAGE_SIZE);
}

/* The n-th allocation fails, for each n, and no more memory is found. */
static void cut_is_all_or_nothing(bool truncates)
{
	struct cut_scene scene;
	unsigned refusals = 0;

	world_gives_up = true;
	for (unsigned nth = 1; nth <= FAILURES_MAX; nth++) {
		cut_scene_make(&scene);
		world_fail_nth(nth);
		int err = cut_scene_cut(&scene, truncates);
		bool is_over = !world_has_failed();

		world_fail_nth(0);
		HOLDS(err == 0 || err == -ENOMEM);
		refusals += err != 0;
		if (err)
			cut_scene_is_untouched(&scene);
		else
			cut_scene_is_cut(&scene, truncates);
		cut_scene_end(&scene);
		if (is_over)
			break;
	}
	HOLDS(refusals >= 3);
	world_gives_up = false;
}

UNIT(truncation_without_memory_is_all_or_nothing)
{
	cut_is_all_or_nothing(true);
}

UNIT(punching_without_memory_is_all_or_nothing)
{
	cut_is_all_or_nothing(false);
}

UNIT(truncation_waits_for_memory)
{
	struct cut_scene scene;

	for (unsigned nth = 1; nth <= FAILURES_MAX; nth++) {
		cut_scene_make(&scene);
		world_fail_nth(nth);
		HOLDS(cut_scene_cut(&scene, true) == 0);
		bool is_over = !world_has_failed();

		world_fail_nth(0);
		cut_scene_is_cut(&scene, true);
		HOLDS(unit_get(scene.space, PAGE(2000 + 540) + 2048) == 0);
		cut_scene_end(&scene);
		if (is_over)
			break;
	}
}
