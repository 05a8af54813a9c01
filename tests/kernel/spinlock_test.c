/* SPDX-License-Identifier: MIT */
/* Spinlocks: one holder at a time, and waiting is counted. */
#include "tests/kernel/task_fixture.h"

enum { TASKS = 4, ROUNDS = 20000, TRIES_MAX = 1000, LITTLE_WHILE = 1000 };

static struct spinlock lock = SPINLOCK_INIT(RANK_OBJECTS);
static uint32_t shared;                 /* [lock] */
static bool is_held, is_wanted;         /* atomic */

static void add_often(void *unused)
{
	for (int i = 0; i < ROUNDS; i++) {
		spin_lock(&lock);
		WRITE_ONCE(shared, READ_ONCE(shared) + 1);
		spin_unlock(&lock);
	}
}

KTEST(spinlock, one_holder_at_a_time)
{
	shared = 0;
	for (int i = 0; i < TASKS; i++)
		test_task_start(UINT64_MAX, add_often, NULL);
	test_tasks_join();
	EXPECT_EQ(shared, TASKS * ROUNDS);
}

/* Holds it until somebody is about to take it, and a little longer. */
static void hold_until_wanted(void *unused)
{
	spin_lock(&lock);
	atomic_store_release(&is_held, true);
	while (!atomic_load_acquire(&is_wanted))
		pause();
	for (int i = 0; i < LITTLE_WHILE; i++)
		pause();
	spin_unlock(&lock);
}

/* On another CPU than this one, which stays where it is. */
static void want_what_is_held(void)
{
	atomic_store_release(&is_held, false);
	atomic_store_release(&is_wanted, false);
	test_task_start(BIT(1), hold_until_wanted, NULL);
	EXPECT(TEST_WAIT(atomic_load_acquire(&is_held)));
	atomic_store_release(&is_wanted, true);
	spin_lock(&lock);
	spin_unlock(&lock);
	test_tasks_join();
}

/* We may come too late to find it held: then once more. */
KTEST(spinlock, waiting_is_counted_under_the_rank)
{
	uint64_t allowed = current->allowed_cpus;
	struct lock_stat before, after;

	if (cpu_count < 2)
		return;
	task_set_allowed_cpus(current, BIT(0));
	lock_stat_get(RANK_OBJECTS, &before);
	after = before;
	for (int tries = 0; tries < TRIES_MAX && after.waits == before.waits; tries++) {
		want_what_is_held();
		lock_stat_get(RANK_OBJECTS, &after);
	}
	EXPECT(after.waits > before.waits);
	EXPECT(after.looks > before.looks);
	EXPECT(after.ticks > before.ticks);
	task_set_allowed_cpus(current, allowed);
}

KTEST(spinlock, each_rank_has_a_name)
{
	for (unsigned rank = 1; rank < RANK_COUNT; rank++) {
		const char *name = lock_rank_name(rank);
		EXPECT(name != NULL);
		for (unsigned other = 1; name && other < rank; other++)
			EXPECT(!string_equals(name, lock_rank_name(other)));
	}
}
