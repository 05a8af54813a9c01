/* SPDX-License-Identifier: MIT */
/* Queues of sleepers: wake-ups that come while somebody lies down, and those that mean nothing. */
#include "lib/atomic.h"
#include "kernel/wait.h"
#include "tests/kernel/task_fixture.h"

enum { ROUNDS = 300, CALLS_FOR_NOTHING = 100 };
#define LOST_NS (5 * NS_PER_SECOND)

static struct wait_queue queue;
static uint32_t begun, ended;           /* atomic: rounds */

/* How often nobody came to wake it; once is enough. */
static void sleep_in_rounds(void *lost)
{
	for (uint32_t round = 1; round <= ROUNDS && *(uint32_t *)lost == 0; round++) {
		uint64_t deadline = clock_now_ns() + LOST_NS;

		wait_event_until(&queue, atomic_load_acquire(&begun) >= round, deadline);
		*(uint32_t *)lost += clock_now_ns() >= deadline;
		atomic_store_release(&ended, round);
	}
	atomic_store_release(&ended, ROUNDS);
}

KTEST(wait, calls_for_nothing_do_not_hide_the_one_that_counts)
{
	uint32_t lost = 0;

	wait_queue_init(&queue);
	begun = ended = 0;
	test_task_start(UINT64_MAX, sleep_in_rounds, &lost);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		for (uint32_t i = 0; i < round % CALLS_FOR_NOTHING; i++)
			wake_all(&queue);
		atomic_store_release(&begun, round);
		wake_all(&queue);
		while (atomic_load_acquire(&ended) < round)
			task_yield();
	}
	test_tasks_join();
	EXPECT_EQ(lost, 0);
}
