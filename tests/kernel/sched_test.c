/* SPDX-License-Identifier: MIT */
/* Tasks: taking turns, being woken, staying where they may be. */
#include "lib/atomic.h"
#include "arch/x86_64/cpu.h"
#include "kernel/wait.h"
#include "tests/kernel/task_fixture.h"

enum { TURNS = 50, ROUNDS = 500 };

/* ---- turns ---------------------------------------------------------------------------------- */

static uint8_t turns[2 * TURNS];
static uint32_t turn_count;             /* atomic */
static uint32_t ready_count;            /* atomic */

static void take_turns(void *name)
{
	atomic_inc(&ready_count);
	while (atomic_load_relaxed(&ready_count) < 2)
		task_yield();
	for (int i = 0; i < TURNS; i++) {
		turns[atomic_fetch_add_relaxed(&turn_count, 1)] = (uint8_t)(uintptr_t)name;
		task_yield();
	}
}

KTEST(sched, two_tasks_that_yield_alternate)
{
	turn_count = ready_count = 0;
	preempt_disable();
	test_task_start(BIT(this_cpu()->id), take_turns, (void *)1);
	test_task_start(BIT(this_cpu()->id), take_turns, (void *)2);
	preempt_enable();
	test_tasks_join();
	EXPECT_EQ(turn_count, 2 * TURNS);

	/* The end of a slice adds a turn now and then. */
	uint32_t repeats = 0;
	for (uint32_t i = 1; i < turn_count; i++)
		repeats += turns[i] == turns[i - 1];
	EXPECT(repeats <= TURNS / 2);
}

static bool is_over;                    /* atomic */

static void spin_until_over(void *unused)
{
	while (!atomic_load_relaxed(&is_over))
		pause();
}

static void declare_over(void *unused)
{
	atomic_store_relaxed(&is_over, true);
}

KTEST(sched, a_busy_task_does_not_keep_others_away)
{
	is_over = false;
	test_task_start(BIT(0), spin_until_over, NULL);
	test_task_start(BIT(0), declare_over, NULL);
	EXPECT(TEST_WAIT(atomic_load_relaxed(&is_over)));
	is_over = true;
	test_tasks_join();
}

/* ---- places --------------------------------------------------------------------------------- */

static uint64_t cpus_seen;              /* atomic */

static void spin_until_all_seen(void *unused)
{
	while (atomic_load_relaxed(&cpus_seen) != cpu_online_mask()
	       && !atomic_load_relaxed(&is_over)) {
		atomic_or(&cpus_seen, BIT(READ_ONCE(this_cpu()->id)));
		pause();
	}
}

KTEST(sched, tasks_spread_over_all_cpus)
{
	is_over = false;
	cpus_seen = 0;
	for (uint32_t i = 0; i < cpu_count; i++)
		test_task_start(UINT64_MAX, spin_until_all_seen, NULL);
	EXPECT(TEST_WAIT(atomic_load_relaxed(&cpus_seen) == cpu_online_mask()));
	is_over = true;
	test_tasks_join();
}

static void note_cpu(void *unused)
{
	for (int i = 0; i < 20; i++) {
		atomic_or(&cpus_seen, BIT(READ_ONCE(this_cpu()->id)));
		clock_sleep_until(clock_now_ns() + 10000, SLEEP_DEEP);
	}
}

KTEST(sched, a_task_runs_only_where_it_may)
{
	uint64_t last = BIT(cpu_count - 1);

	cpus_seen = 0;
	for (int i = 0; i < 4; i++)
		test_task_start(last, note_cpu, NULL);
	test_tasks_join();
	EXPECT_EQ(cpus_seen, last);
}

KTEST(sched, a_running_task_moves_when_it_must)
{
	for (uint32_t id = 0; id < cpu_count; id++) {
		task_set_allowed_cpus(current, BIT(id));
		EXPECT_EQ(READ_ONCE(this_cpu()->id), id);
	}
	task_set_allowed_cpus(current, UINT64_MAX);
}

static uint32_t stage;                  /* atomic: how far a test has come */

static void note_stage(void *unused)
{
	atomic_inc(&stage);
}

/* Stopped in the kernel's midst, a task stays for the time being; it does not forget to go.  We
 * keep the CPU where it must go, so that this does not come and take it. */
KTEST(sched, a_task_that_must_move_does_so_after_a_forced_switch_too)
{
	if (cpu_count < 2)
		return;
	is_over = false;
	stage = 0;
	task_set_allowed_cpus(current, BIT(1));
	struct task *task = test_task_start(BIT(0), spin_until_over, NULL);
	EXPECT(TEST_WAIT(READ_ONCE(task->on_cpu)));
	task_set_allowed_cpus(task, BIT(1));
	test_task_start(BIT(0), note_stage, NULL);
	uint64_t deadline = clock_now_ns() + TEST_PATIENCE_NS;
	while (atomic_load_relaxed(&stage) == 0 && clock_now_ns() < deadline)
		pause();
	EXPECT(atomic_load_relaxed(&stage) == 1);
	EXPECT(atomic_load_relaxed(&task->work) & WORK_RESCHEDULE);
	is_over = true;
	test_tasks_join();
	task_set_allowed_cpus(current, UINT64_MAX);
}

/* ---- who may come and take a task ----------------------------------------------------------- */

static uint64_t busy_cpus;              /* atomic: kept busy until their bit is cleared */

static void keep_busy(void *cpu)
{
	while (atomic_load_relaxed(&busy_cpus) & BIT((uintptr_t)cpu))
		pause();
}

static void keep_for_oneself(void *cpu)
{
	preempt_disable();
	atomic_inc(&stage);
	keep_busy(cpu);
	preempt_enable();
}

/* A task that waits behind one that does not let go of CPU 1.  We run on the last CPU. */
static struct task *start_waiting_task(void)
{
	stage = 0;
	task_set_allowed_cpus(current, BIT(cpu_count - 1));
	test_task_start(BIT(1), keep_for_oneself, (void *)1);
	EXPECT(TEST_WAIT(atomic_load_relaxed(&stage) == 1));
	return test_task_start(BIT(1), note_stage, NULL);
}

static void let_all_end(void)
{
	busy_cpus = 0;
	test_tasks_join();
	task_set_allowed_cpus(current, UINT64_MAX);
}

KTEST(sched, an_idle_cpu_takes_a_task_that_may_run_there_now)
{
	if (cpu_count < 4)
		return;
	busy_cpus = BIT(1);
	task_set_allowed_cpus(start_waiting_task(), BIT(1) | BIT(2));
	EXPECT(TEST_WAIT(atomic_load_relaxed(&stage) == 2));
	let_all_end();
}

KTEST(sched, a_cpu_about_to_idle_looks_into_all_queues)
{
	if (cpu_count < 4)
		return;
	busy_cpus = BIT(0) | BIT(1) | BIT(2);
	for (int i = 0; i < 4; i++)
		test_task_start(BIT(0), keep_busy, (void *)0);
	struct task *other = test_task_start(BIT(2), keep_busy, (void *)2);
	EXPECT(TEST_WAIT(READ_ONCE(other->on_cpu)));
	task_set_allowed_cpus(start_waiting_task(), BIT(1) | BIT(2));
	atomic_and(&busy_cpus, ~BIT(2));
	EXPECT(TEST_WAIT(atomic_load_relaxed(&stage) == 2));
	let_all_end();
}

static void spin_until_elsewhere(void *unused)
{
	task_set_allowed_cpus(current, BIT(1) | BIT(2));
	while (READ_ONCE(this_cpu()->id) == 1 && atomic_load_relaxed(&busy_cpus))
		pause();
	atomic_inc(&stage);
}

KTEST(sched, an_idle_cpu_takes_a_task_whose_slice_is_over)
{
	if (cpu_count < 4)
		return;
	busy_cpus = BIT(1);
	stage = 0;
	task_set_allowed_cpus(current, BIT(cpu_count - 1));
	test_task_start(BIT(1), keep_busy, (void *)1);
	test_task_start(BIT(1), spin_until_elsewhere, NULL);
	EXPECT(TEST_WAIT(atomic_load_relaxed(&stage) == 1));
	let_all_end();
}

/* ---- sleep ---------------------------------------------------------------------------------- */

static struct wait_queue queue;
static uint32_t ball;                   /* atomic: whose turn it is */

static void play(void *argument)
{
	uint32_t self = (uint32_t)(uintptr_t)argument;

	for (int i = 0; i < ROUNDS; i++) {
		wait_event(&queue, atomic_load_acquire(&ball) == self);
		atomic_store_release(&ball, 1 - self);
		wake_all(&queue);
	}
}

KTEST(sched, no_wakeup_is_lost)
{
	wait_queue_init(&queue);
	ball = 0;
	test_task_start(UINT64_MAX, play, (void *)0);
	test_task_start(UINT64_MAX, play, (void *)1);
	test_tasks_join();
	EXPECT_EQ(ball, 0);
}

static void wait_for_signal(void *result)
{
	*(int *)result = wait_event_interruptible(&queue, false);
	TEST_WAIT(atomic_load_relaxed(&is_over));
}

KTEST(sched, a_signal_ends_an_interruptible_wait)
{
	int result = 0;

	is_over = false;
	wait_queue_init(&queue);
	struct task *task = test_task_start(UINT64_MAX, wait_for_signal, &result);
	EXPECT(TEST_WAIT(READ_ONCE(task->state) == TASK_INTERRUPTIBLE));
	test_task_signal(task);
	atomic_store_relaxed(&is_over, true);
	test_tasks_join();
	EXPECT_EQ(result, -ERESTARTSYS);
}

static void wait_exclusively(void *served)
{
	struct waiter waiter;

	waiter_init(&waiter);
	waiter.is_exclusive = true;
	wait_enqueue(&queue, &waiter);
	task_prepare_sleep(TASK_SLEEPING);
	schedule();
	wait_dequeue(&waiter);
	atomic_add_return((uint32_t *)served, 1);
}

KTEST(sched, wake_one_wakes_one)
{
	enum { WAITERS = 5 };
	struct task *tasks[WAITERS];
	uint32_t served = 0;

	wait_queue_init(&queue);
	for (int i = 0; i < WAITERS; i++) {
		tasks[i] = test_task_start(UINT64_MAX, wait_exclusively, &served);
		EXPECT(TEST_WAIT(READ_ONCE(tasks[i]->state) == TASK_SLEEPING));
	}
	for (uint32_t i = 1; i <= WAITERS; i++) {
		wake_one(&queue);
		EXPECT(TEST_WAIT(atomic_load_relaxed(&served) == i));
		EXPECT_EQ(list_length(&queue.waiters), WAITERS - i);
	}
	test_tasks_join();
}

static void sleep_a_little(void *unused)
{
	for (int i = 0; i < 10; i++)
		clock_sleep_until(clock_now_ns() + 20000, SLEEP_DEEP);
}

/* The ledger sees it if one of them leaves something behind. */
KTEST(sched, dead_tasks_leave_nothing)
{
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 20; i++)
			test_task_start(UINT64_MAX, sleep_a_little, NULL);
		test_tasks_join();
	}
}
