/* SPDX-License-Identifier: MIT */
/* SAN=race: races planted on purpose are found, and what is in order is left in peace. */
#include "kernel/race.h"
#include "tests/kernel/task_fixture.h"

/* How long nothing must be found. */
#define PEACE_NS (NS_PER_SECOND / 5)

typedef void (*step_t)(void);

static struct spinlock lock = SPINLOCK_INIT(RANK_OBJECTS);
static struct {
	uint64_t number;
	uint32_t words[8];
} ALIGNED(64) shared;
static uint64_t seen;                   /* atomic */
static bool is_over;                    /* atomic */

/* ---- what two CPUs do with the number ------------------------------------------------------- */

static void read_plain(void)
{
	WRITE_ONCE(seen, shared.number);
}

static void write_plain(void)
{
	shared.number = READ_ONCE(seen) + 1;
}

static void add_locked(void)
{
	spin_lock(&lock);
	shared.number++;
	spin_unlock(&lock);
}

static void read_marked(void)
{
	WRITE_ONCE(seen, READ_ONCE(shared.number));
}

static void write_marked(void)
{
	WRITE_ONCE(shared.number, READ_ONCE(seen) + 1);
}

static void add_atomically(void)
{
	atomic_inc(&shared.number);
}

static void clear_all(void)
{
	memset(&shared, 0, sizeof(shared));
}

static void write_last_word(void)
{
	shared.words[COUNT(shared.words) - 1] = 1;
}

/* ---- whether that is found ------------------------------------------------------------------ */

static void repeat(void *argument)
{
	const step_t *step = argument;

	while (!atomic_load_relaxed(&is_over))
		(*step)();
}

/* Two CPUs at once, until a race was seen or time is up.  This task keeps none of them busy. */
static bool is_found(step_t one, step_t other, uint64_t patience_ns)
{
	uint64_t deadline_ns = clock_now_ns() + patience_ns;

	races_expect(&shared, sizeof(shared));
	atomic_store_relaxed(&is_over, false);
	test_task_start(BIT(0), repeat, &one);
	test_task_start(BIT(1), repeat, &other);
	while (races_expected() == 0 && clock_now_ns() < deadline_ns)
		clock_sleep_until(clock_now_ns() + 1000000, SLEEP_DEEP);
	atomic_store_relaxed(&is_over, true);
	test_tasks_join();
	bool found = races_expected() > 0;
	races_expect(NULL, 0);
	return found;
}

static bool cannot_look(void)
{
	bool can = RACES_ARE_LOOKED_FOR && cpu_count > 1;

	if (!can)
		ktest_skip(RACES_ARE_LOOKED_FOR ? "one CPU" : "not SAN=race");
	return !can;
}

KTEST(race, plain_write_beside_plain_read_is_found)
{
	if (cannot_look())
		return;
	EXPECT(is_found(write_plain, read_plain, TEST_PATIENCE_NS));
}

KTEST(race, plain_write_beside_marked_write_is_found)
{
	if (cannot_look())
		return;
	EXPECT(is_found(write_plain, write_marked, TEST_PATIENCE_NS));
}

KTEST(race, plain_read_beside_atomic_operation_is_found)
{
	if (cannot_look())
		return;
	EXPECT(is_found(read_plain, add_atomically, TEST_PATIENCE_NS));
}

KTEST(race, forgotten_lock_is_found)
{
	if (cannot_look())
		return;
	EXPECT(is_found(add_locked, write_plain, TEST_PATIENCE_NS));
}

KTEST(race, write_of_a_range_is_found)
{
	if (cannot_look())
		return;
	EXPECT(is_found(clear_all, write_last_word, TEST_PATIENCE_NS));
}

KTEST(race, locked_accesses_are_in_order)
{
	if (cannot_look())
		return;
	EXPECT(!is_found(add_locked, add_locked, PEACE_NS));
}

KTEST(race, marked_accesses_are_in_order)
{
	if (cannot_look())
		return;
	EXPECT(!is_found(write_marked, read_marked, PEACE_NS));
	EXPECT(!is_found(add_atomically, read_marked, PEACE_NS));
}

KTEST(race, marked_read_of_a_word_beside_its_owner_is_in_order)
{
	if (cannot_look())
		return;
	EXPECT(!is_found(add_locked, read_marked, PEACE_NS));
}

KTEST(race, plain_reads_are_in_order)
{
	if (cannot_look())
		return;
	EXPECT(!is_found(read_plain, read_plain, PEACE_NS));
}

KTEST(race, different_bytes_are_in_order)
{
	if (cannot_look())
		return;
	EXPECT(!is_found(write_last_word, write_plain, PEACE_NS));
}
