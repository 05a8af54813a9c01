/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/fault.c - private memory: written while others hold it, written first, read first.
 */
#include "bench.h"

enum { AREA_MIB = 16, SINGLES = 128 };

/* ---- copy-on-write: who writes, and who else still holds the pages ---- */

static uint64_t timed_write(const struct area *area)
{
	uint64_t start = clock_start();

	area_write(area);
	return clock_stop(start);
}

static void answer_write(void *argument, uint64_t *ticks)
{
	*ticks = timed_write(argument);
}

static void answer_nothing(void *argument, uint64_t *nothing)
{
	(void)argument;
	*nothing = 0;
}

static void cow_child_write(const struct metric *metric)
{
	struct area area = area_map(metric, AREA_MIB, MAP_PRIVATE);
	uint64_t ticks;

	for (unsigned i = 0; i < metric->rounds; i++) {
		area_write(&area);
		ask_child(metric, answer_write, &area, &ticks, 1);
		sample_add(ticks);
	}
	report(metric, "", area.pages, "ticks/page");
}

/* The child has copied what it wanted and is gone: nothing is to be copied for the parent. */
static void cow_last_sharer_write(const struct metric *metric)
{
	struct area area = area_map(metric, AREA_MIB, MAP_PRIVATE);
	uint64_t ignored;

	for (unsigned i = 0; i < metric->rounds; i++) {
		area_write(&area);
		ask_child(metric, answer_write, &area, &ignored, 1);
		sample_add(timed_write(&area));
	}
	report(metric, "", area.pages, "ticks/page");
}

static void cow_after_idle_child_write(const struct metric *metric)
{
	struct area area = area_map(metric, AREA_MIB, MAP_PRIVATE);
	uint64_t ignored;

	for (unsigned i = 0; i < metric->rounds; i++) {
		area_write(&area);
		ask_child(metric, answer_nothing, &area, &ignored, 1);
		sample_add(timed_write(&area));
	}
	report(metric, "", area.pages, "ticks/page");
}

/* The parent writes while an idle child holds every page; then the child, by then the only one
 * who holds the old ones, writes too.  Which of the two is wanted is metric->size. */
enum { OF_PARENT, OF_CHILD };

static void write_when_told(const struct area *area, const struct pipe_ends *go,
			    const struct pipe_ends *answer)
{
	uint64_t ticks;

	if (read(go->out, &ticks, sizeof(ticks)) != sizeof(ticks))
		leave(1);
	ticks = timed_write(area);
	leave(write(answer->in, &ticks, sizeof(ticks)) != sizeof(ticks));
}

static void cow_both_write(const struct metric *metric)
{
	struct area area = area_map(metric, AREA_MIB, MAP_PRIVATE);
	struct pipe_ends go = pipe_make(metric), answer = pipe_make(metric);
	uint64_t ticks[2];

	for (unsigned i = 0; i < metric->rounds; i++) {
		area_write(&area);
		int pid = (int)must(metric, fork_raw());
		if (pid == 0)
			write_when_told(&area, &go, &answer);
		ticks[OF_PARENT] = timed_write(&area);
		must(metric, write(go.in, ticks, sizeof(ticks[0])));
		must(metric, read(answer.out, &ticks[OF_CHILD], sizeof(ticks[0])));
		wait_for(pid);
		sample_add(ticks[metric->size]);
	}
	report(metric, "", area.pages, "ticks/page");
}

/* One page at a time, anywhere, so that no run of neighbours helps. */
static void answer_single_writes(void *argument, uint64_t *ticks)
{
	const struct area *area = argument;
	uint64_t random = 12345;

	for (unsigned n = 0; n < SINGLES; n++)
		ticks[n] = 0;
	for (unsigned n = 0; n < SINGLES;) {
		random = random * 6364136223846793005 + 1442695040888963407;
		volatile char *at = area->base + (random >> 33) % area->pages * PAGE;
		if (*at != 1)
			continue;
		uint64_t start = clock_start();
		*at = 2;
		ticks[n++] = clock_stop(start);
	}
}

static void cow_single_fault(const struct metric *metric)
{
	struct area area = area_map(metric, AREA_MIB, MAP_PRIVATE);
	uint64_t ticks[SINGLES];

	for (unsigned i = 0; i < metric->rounds; i++) {
		area_write(&area);
		ask_child(metric, answer_single_writes, &area, ticks, SINGLES);
		for (unsigned n = 0; n < SINGLES; n++)
			sample_add(ticks[n]);
	}
	report(metric, "", 1, "ticks");
}

static void answer_isolation(void *argument, uint64_t *is_right)
{
	struct area *area = argument;

	*is_right = area_holds(area, 1);
	for (uint64_t page = 0; page < area->pages; page++)
		area->base[page * PAGE] = 2;
	*is_right &= area_holds(area, 2);
}

static void check_cow_isolation(const struct metric *metric)
{
	struct area area = area_map(metric, AREA_MIB, MAP_PRIVATE);
	uint64_t is_right;

	area_write(&area);
	ask_child(metric, answer_isolation, &area, &is_right, 1);
	report_value(metric, "", is_right && area_holds(&area, 1) ? 100 : 0, "bool");
}

/* ---- zeros: memory nobody has used ---- */

static uint64_t timed_read(const struct area *area)
{
	uint64_t start = clock_start();

	area_read(area);
	return clock_stop(start);
}

static void zero_fill_write(const struct metric *metric)
{
	for (unsigned i = 0; i < metric->rounds; i++) {
		struct area area = area_map(metric, AREA_MIB, MAP_PRIVATE);
		sample_add(timed_write(&area));
		area_unmap(&area);
	}
	report(metric, "", AREA_MIB * (LARGE_PAGES / 2), "ticks/page");
}

static void zero_read(const struct metric *metric)
{
	for (unsigned i = 0; i < metric->rounds; i++) {
		struct area area = area_map(metric, AREA_MIB, MAP_PRIVATE);
		sample_add(timed_read(&area));
		area_unmap(&area);
	}
	report(metric, "", AREA_MIB * (LARGE_PAGES / 2), "ticks/page");
}

static void zero_write_after_read(const struct metric *metric)
{
	for (unsigned i = 0; i < metric->rounds; i++) {
		struct area area = area_map(metric, AREA_MIB, MAP_PRIVATE);
		area_read(&area);
		sample_add(timed_write(&area));
		area_unmap(&area);
	}
	report(metric, "", AREA_MIB * (LARGE_PAGES / 2), "ticks/page");
}

/* In a range too small for a large page, whose tables exist already. */
static void zero_single_fault(const struct metric *metric)
{
	for (unsigned i = 0; i < metric->rounds; i++) {
		long at = must(metric, map_raw(16 * PAGE, MAP_PRIVATE));
		volatile char *memory = (volatile char *)at;
		memory[8 * PAGE] = 1;
		uint64_t start = clock_start();
		memory[9 * PAGE] = 1;
		sample_add(clock_stop(start));
		unmap_raw(at, 16 * PAGE);
	}
	report(metric, "", 1, "ticks");
}

static void check_zero_read(const struct metric *metric)
{
	struct area area = area_map(metric, AREA_MIB, MAP_PRIVATE);
	bool is_right = area_holds(&area, 0);

	area_write(&area);
	area_unmap(&area);
	area = area_map(metric, AREA_MIB, MAP_PRIVATE);
	is_right &= area_holds(&area, 0);
	report_value(metric, "", is_right ? 100 : 0, "bool");
}

static void munmap_touched(const struct metric *metric)
{
	for (unsigned i = 0; i < metric->rounds; i++) {
		struct area area = area_map(metric, AREA_MIB, MAP_PRIVATE);
		area_write(&area);
		uint64_t start = clock_start();
		area_unmap(&area);
		sample_add(clock_stop(start));
	}
	report(metric, "", AREA_MIB * (LARGE_PAGES / 2), "ticks/page");
}

const struct metric fault_metrics[] = {
	{ "cow_single_fault", cow_single_fault, 0, 4, SET_TABLE },
	{ "cow_child_write", cow_child_write, 0, 9, SET_TABLE },
	{ "cow_parent_write", cow_both_write, OF_PARENT, 9, SET_TABLE },
	{ "cow_child_write_after_parent", cow_both_write, OF_CHILD, 9, SET_TABLE },
	{ "cow_last_sharer_write", cow_last_sharer_write, 0, 9, SET_TABLE },
	{ "cow_after_idle_child_write", cow_after_idle_child_write, 0, 9, SET_TABLE },
	{ "check_cow_isolation", check_cow_isolation, 0, 1, SET_TABLE },
	{ "zero_single_fault", zero_single_fault, 0, 101, SET_TABLE },
	{ "zero_fill_write", zero_fill_write, 0, 9, SET_TABLE },
	{ "zero_read", zero_read, 0, 9, SET_TABLE },
	{ "zero_write_after_read", zero_write_after_read, 0, 9, SET_TABLE },
	{ "check_zero_read", check_zero_read, 0, 1, SET_TABLE },
	{ "munmap_touched_4096", munmap_touched, 0, 9, SET_TABLE },
	{ 0 },
};
