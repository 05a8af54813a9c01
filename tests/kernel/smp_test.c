/* SPDX-License-Identifier: MIT */
/* Calls to other CPUs, and stopping them. */
#include "lib/atomic.h"
#include "arch/x86_64/cpu.h"
#include "tests/kernel/task_fixture.h"

enum { ROUNDS = 20 };

static uint32_t calls[CPU_MAX];         /* [that CPU] */
static uint64_t counters[CPU_MAX];      /* [the task on that CPU] */
static bool is_over;                    /* atomic */

static void count_call(void *unused)
{
	calls[this_cpu()->id]++;
}

KTEST(smp, a_call_runs_once_on_each_cpu_asked)
{
	for (uint32_t id = 0; id < cpu_count; id++)
		calls[id] = 0;
	smp_call_on(UINT64_MAX, count_call, NULL);
	smp_call_on(BIT(cpu_count - 1), count_call, NULL);
	for (uint32_t id = 0; id < cpu_count; id++)
		EXPECT_EQ(calls[id], id == cpu_count - 1 ? 2 : 1);
}

static void count_atomically(void *count)
{
	atomic_add_return((uint32_t *)count, 1);
}

static void call_all(void *count)
{
	for (int i = 0; i < ROUNDS; i++)
		smp_call_on(UINT64_MAX, count_atomically, count);
}

KTEST(smp, all_cpus_may_call_all_at_once)
{
	uint32_t count = 0;

	for (uint32_t id = 0; id < cpu_count; id++)
		test_task_start(BIT(id), call_all, &count);
	test_tasks_join();
	EXPECT_EQ(count, ROUNDS * cpu_count * cpu_count);
}

static void count_on(void *id)
{
	while (!atomic_load_relaxed(&is_over)) {
		WRITE_ONCE(counters[(uintptr_t)id], counters[(uintptr_t)id] + 1);
		pause();
	}
}

static bool all_have_counted(const uint64_t *before)
{
	for (uint32_t id = 0; id < cpu_count; id++)
		if (READ_ONCE(counters[id]) == before[id])
			return false;
	return true;
}

static void counters_copy(uint64_t *to)
{
	for (uint32_t id = 0; id < cpu_count; id++)
		to[id] = READ_ONCE(counters[id]);
}

KTEST(smp, stopped_cpus_stand_still)
{
	static uint64_t before[CPU_MAX], after[CPU_MAX];

	is_over = false;
	counters_copy(before);
	for (uintptr_t id = 0; id < cpu_count; id++)
		test_task_start(BIT(id), count_on, (void *)id);
	EXPECT(TEST_WAIT(all_have_counted(before)));

	for (int round = 0; round < 5; round++) {
		smp_stop_others();
		counters_copy(before);
		for (int i = 0; i < 10000; i++)
			pause();
		counters_copy(after);
		smp_resume_others();
		for (uint32_t id = 0; id < cpu_count; id++)
			EXPECT_EQ(after[id], before[id]);
		EXPECT(TEST_WAIT(all_have_counted(after)));
	}
	is_over = true;
	test_tasks_join();
}

static uint32_t stoppers;               /* [whoever has stopped the others] */

static void stop_often(void *overlaps)
{
	for (int i = 0; i < ROUNDS; i++) {
		smp_stop_others();
		if (stoppers++ != 0)
			atomic_add_return((uint32_t *)overlaps, 1);
		stoppers--;
		smp_resume_others();
	}
}

KTEST(smp, only_one_cpu_stops_the_others)
{
	uint32_t overlaps = 0;

	for (uint32_t id = 0; id < cpu_count; id++)
		test_task_start(BIT(id), stop_often, &overlaps);
	test_tasks_join();
	EXPECT_EQ(overlaps, 0);
}
