/* SPDX-License-Identifier: MIT */
/* Sleeping locks: one at a time, many readers, nobody starves. */
#include "lib/atomic.h"
#include "kernel/mutex.h"
#include "tests/kernel/task_fixture.h"

enum { TASKS = 4, ROUNDS = 200 };

static struct mutex mutex;
static struct rwlock rwlock;
static uint32_t shared, copy;           /* [mutex, or rwlock for writing] */
static uint32_t readers_inside, most_readers;   /* atomic */
static bool may_go_on;                  /* atomic */

/* ---- mutex ---------------------------------------------------------------------------------- */

static void add_slowly(void *unused)
{
	for (int i = 0; i < ROUNDS; i++) {
		mutex_lock(&mutex);
		uint32_t old = READ_ONCE(shared);
		if (i % 8 == 0)
			task_yield();
		WRITE_ONCE(shared, old + 1);
		mutex_unlock(&mutex);
	}
}

KTEST(mutex, one_task_at_a_time)
{
	mutex_init(&mutex, RANK_FILE);
	shared = 0;
	for (int i = 0; i < TASKS; i++)
		test_task_start(UINT64_MAX, add_slowly, NULL);
	test_tasks_join();
	EXPECT_EQ(shared, TASKS * ROUNDS);
	EXPECT_EQ(mutex.state, MUTEX_FREE);
}

KTEST(mutex, a_held_mutex_cannot_be_tried)
{
	mutex_init(&mutex, RANK_FILE);
	EXPECT(mutex_try_lock(&mutex));
	EXPECT(mutex_is_mine(&mutex));
	EXPECT(!mutex_try_lock(&mutex));
	mutex_unlock(&mutex);
	EXPECT(!mutex_is_mine(&mutex));
}

static void lock_interruptibly(void *result)
{
	*(int *)result = mutex_lock_interruptible(&mutex);
	if (*(int *)result == 0)
		mutex_unlock(&mutex);
	TEST_WAIT(atomic_load_relaxed(&may_go_on));
}

KTEST(mutex, a_signal_ends_the_wait)
{
	int result = 0;

	may_go_on = false;
	mutex_init(&mutex, RANK_FILE);
	mutex_lock(&mutex);
	struct task *task = test_task_start(UINT64_MAX, lock_interruptibly, &result);
	EXPECT(TEST_WAIT(READ_ONCE(task->state) == TASK_INTERRUPTIBLE));
	test_task_signal(task);
	atomic_store_relaxed(&may_go_on, true);
	test_tasks_join();
	EXPECT_EQ(result, -ERESTARTSYS);
	mutex_unlock(&mutex);
	EXPECT(mutex_try_lock(&mutex));
	mutex_unlock(&mutex);
}

/* ---- rwlock --------------------------------------------------------------------------------- */

static void read_together(void *unused)
{
	read_lock(&rwlock);
	uint32_t inside = atomic_add_return(&readers_inside, 1);
	if (inside > READ_ONCE(most_readers))
		WRITE_ONCE(most_readers, inside);
	TEST_WAIT(atomic_load_relaxed(&may_go_on));
	atomic_sub_return(&readers_inside, 1);
	read_unlock(&rwlock);
}

KTEST(rwlock, readers_share)
{
	rwlock_init(&rwlock, RANK_FILE);
	may_go_on = false;
	most_readers = 0;
	for (int i = 0; i < TASKS; i++)
		test_task_start(UINT64_MAX, read_together, NULL);
	EXPECT(TEST_WAIT(atomic_load_relaxed(&readers_inside) == TASKS));
	EXPECT(!write_try_lock(&rwlock));
	atomic_store_relaxed(&may_go_on, true);
	test_tasks_join();
	EXPECT(!rwlock_is_held(&rwlock));
}

static void write_both(void *unused)
{
	for (int i = 0; i < ROUNDS; i++) {
		write_lock(&rwlock);
		shared++;
		if (i % 8 == 0)
			task_yield();
		copy++;
		write_unlock(&rwlock);
	}
}

static void read_both(void *differences)
{
	for (int i = 0; i < ROUNDS; i++) {
		read_lock(&rwlock);
		uint32_t before = READ_ONCE(shared);
		if (i % 8 == 0)
			task_yield();
		if (before != READ_ONCE(copy))
			atomic_add_return((uint32_t *)differences, 1);
		read_unlock(&rwlock);
	}
}

KTEST(rwlock, writers_are_alone)
{
	uint32_t differences = 0;

	rwlock_init(&rwlock, RANK_FILE);
	shared = copy = 0;
	for (int i = 0; i < TASKS; i++) {
		test_task_start(UINT64_MAX, write_both, NULL);
		test_task_start(UINT64_MAX, read_both, &differences);
	}
	test_tasks_join();
	EXPECT_EQ(shared, TASKS * ROUNDS);
	EXPECT_EQ(copy, TASKS * ROUNDS);
	EXPECT_EQ(differences, 0);
	EXPECT_EQ(rwlock.state, 0);
}

static void write_once(void *order)
{
	write_lock(&rwlock);
	*(uint32_t *)order = ++shared;
	write_unlock(&rwlock);
}

static void read_once(void *order)
{
	read_lock(&rwlock);
	*(uint32_t *)order = atomic_add_return(&shared, 1);
	read_unlock(&rwlock);
}

KTEST(rwlock, a_waiting_writer_comes_before_later_readers)
{
	uint32_t writer_order = 0, reader_order = 0;

	rwlock_init(&rwlock, RANK_FILE);
	shared = 0;
	read_lock(&rwlock);
	struct task *writer = test_task_start(UINT64_MAX, write_once, &writer_order);
	EXPECT(TEST_WAIT(READ_ONCE(writer->state) == TASK_SLEEPING));
	struct task *reader = test_task_start(UINT64_MAX, read_once, &reader_order);
	EXPECT(TEST_WAIT(READ_ONCE(reader->state) == TASK_SLEEPING));
	read_unlock(&rwlock);
	test_tasks_join();
	EXPECT_EQ(writer_order, 1);
	EXPECT_EQ(reader_order, 2);
}
