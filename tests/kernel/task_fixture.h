/* SPDX-License-Identifier: MIT */
/*
 * tests/kernel/task_fixture.h - tasks that belong to a test.
 *
 * A test starts its tasks, lets them run and joins them all before it ends, so that the ledger
 * finds their memory back.
 */
#pragma once

#include "lib/bits.h"
#include "lib/string.h"
#include "arch/x86_64/smp.h"
#include "kernel/clock.h"
#include "kernel/ktest.h"
#include "kernel/panic.h"
#include "kernel/sched.h"
#include "kernel/spinlock.h"

#define TEST_TASK "test task"

/* Long enough for any machine; a test that needs it has failed. */
#define TEST_PATIENCE_NS (20 * NS_PER_SECOND)

/* A task that runs entry(argument) on the CPUs of `cpu_mask`, running now. */
static inline struct task *test_task_start(uint64_t cpu_mask, void (*entry)(void *), void *argument)
{
	struct task *task = OBTAIN(task_create(TEST_TASK, entry, argument));

	task_set_allowed_cpus(task, cpu_mask);
	task_wake(task);
	return task;
}

static inline void test_task_count(struct task *task, void *argument)
{
	uint32_t *count = argument;

	*count += string_equals(task->name, TEST_TASK);
}

/* Run on every CPU once: so each has come to the end of the switch it was in. */
static inline void test_visit_cpus(void)
{
	uint64_t allowed = current->allowed_cpus;

	for (uint32_t id = 0; id < cpu_count; id++)
		task_set_allowed_cpus(current, BIT(id));
	task_set_allowed_cpus(current, allowed);
}

/* Wait until all are gone: off the list, and the CPU that freed the last one has done so. */
static inline void test_tasks_join(void)
{
	uint32_t count;

	do {
		clock_sleep_until(clock_now_ns() + 100000, SLEEP_DEEP);
		count = 0;
		task_for_each(test_task_count, &count);
	} while (count > 0);
	test_visit_cpus();
}

/* Send it a signal, as far as the scheduler knows of signals.  It must not end meanwhile. */
static inline void test_task_signal(struct task *task)
{
	task_add_work(task, WORK_SIGNAL);
	task_wake_interruptible(task);
}

/* Wait for a condition that other tasks bring about; false if they never do. */
#define TEST_WAIT(condition) \
	({ \
		uint64_t deadline_ = clock_now_ns() + TEST_PATIENCE_NS; \
		while (!(condition) && clock_now_ns() < deadline_) \
			clock_sleep_until(clock_now_ns() + 50000, SLEEP_DEEP); \
		(condition); \
	})
