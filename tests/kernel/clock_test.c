/* SPDX-License-Identifier: MIT */
/* Time: forward only, sleeps long enough, timers in order. */
#include "lib/abi/errno.h"
#include "lib/atomic.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "tests/kernel/task_fixture.h"

#define MS 1000000ull

KTEST(clock, time_does_not_go_back)
{
	uint64_t last = clock_now_ns();

	for (int i = 0; i < 1000; i++) {
		uint64_t now = clock_now_ns();
		EXPECT(now >= last);
		last = now;
	}
}

static void note_time(void *at)
{
	*(uint64_t *)at = clock_now_ns();
}

KTEST(clock, cpus_agree_on_the_time)
{
	uint64_t there;

	for (uint32_t id = 0; id < cpu_count; id++) {
		uint64_t before = clock_now_ns();
		smp_call_on(BIT(id), note_time, &there);
		EXPECT(before <= there && there <= clock_now_ns());
	}
}

KTEST(clock, a_sleep_is_not_too_short)
{
	for (uint64_t ns = 1; ns < 8 * MS; ns *= 4) {
		uint64_t deadline = clock_now_ns() + ns;
		EXPECT_EQ(clock_sleep_until(deadline, SLEEP_DEEP), 0);
		EXPECT(clock_now_ns() >= deadline);
	}
}

KTEST(clock, a_deadline_in_the_past_does_not_wait)
{
	EXPECT_EQ(clock_sleep_until(1, SLEEP_DEEP), 0);
	EXPECT_EQ(clock_sleep_until(0, SLEEP_INTERRUPTIBLE), 0);
}

KTEST(clock, realtime_can_be_set_and_runs_on)
{
	uint64_t real = clock_realtime_ns(), now = clock_now_ns();

	EXPECT_EQ(clock_set_realtime_ns(1000 * NS_PER_SECOND), 0);
	uint64_t set = clock_realtime_ns();
	EXPECT(set >= 1000 * NS_PER_SECOND && set < 1020 * NS_PER_SECOND);
	EXPECT(clock_realtime_ns() >= set);
	EXPECT_EQ(clock_set_realtime_ns(real + (clock_now_ns() - now)), 0);
}

/* ---- timers --------------------------------------------------------------------------------- */

struct test_timer {
	struct timer timer;
	uint32_t order;                 /* in which it fired; 0: not yet */
	uint64_t fired_ns;
	uint32_t times_left;            /* fire again so often */
};

static uint32_t fired;                  /* atomic */

static void test_timer_fire(struct timer *timer)
{
	struct test_timer *test = container_of(timer, struct test_timer, timer);

	test->fired_ns = clock_now_ns();
	if (test->times_left > 0) {
		test->times_left--;
		timer_set(timer, test->fired_ns + MS / 10);
	}
	atomic_store_release(&test->order, atomic_add_return(&fired, 1));
}

KTEST(clock, timers_fire_in_order_and_not_early)
{
	enum { TIMERS = 5 };
	static const uint8_t order[TIMERS] = { 3, 1, 5, 2, 4 };
	struct test_timer timers[TIMERS];

	fired = 0;
	uint64_t flags = irq_save();            /* none fires before all are set */
	uint64_t start = clock_now_ns();
	for (int i = 0; i < TIMERS; i++) {
		timers[i] = (struct test_timer){ 0 };
		timer_init(&timers[i].timer, test_timer_fire);
		timer_set(&timers[i].timer, start + order[i] * MS);
	}
	irq_restore(flags);
	EXPECT(TEST_WAIT(atomic_load_acquire(&fired) == TIMERS));
	for (int i = 0; i < TIMERS; i++) {
		EXPECT_EQ(timers[i].order, order[i]);
		EXPECT(timers[i].fired_ns >= timers[i].timer.deadline_ns);
		EXPECT(!timer_cancel(&timers[i].timer));
	}
}

KTEST(clock, a_cancelled_timer_does_not_fire)
{
	struct test_timer test = { 0 };

	fired = 0;
	timer_init(&test.timer, test_timer_fire);
	uint64_t flags = irq_save();            /* it may be due before we cancel it */
	timer_set(&test.timer, clock_now_ns() + 2 * MS);
	bool was_set = timer_cancel(&test.timer);
	irq_restore(flags);
	EXPECT(was_set);
	EXPECT(!timer_cancel(&test.timer));
	clock_sleep_until(clock_now_ns() + 4 * MS, SLEEP_DEEP);
	EXPECT_EQ(fired, 0);
}

KTEST(clock, setting_a_timer_again_replaces_the_deadline)
{
	struct test_timer test = { 0 };
	uint64_t deadline = clock_now_ns() + 4 * MS;

	fired = 0;
	timer_init(&test.timer, test_timer_fire);
	timer_set(&test.timer, clock_now_ns() + 3600 * NS_PER_SECOND);
	timer_set(&test.timer, deadline);
	EXPECT(TEST_WAIT(atomic_load_acquire(&fired) == 1));
	EXPECT(test.fired_ns >= deadline);
	timer_cancel(&test.timer);
}

KTEST(clock, a_timer_may_set_itself_again)
{
	struct test_timer test = { .times_left = 9 };

	fired = 0;
	timer_init(&test.timer, test_timer_fire);
	timer_set(&test.timer, clock_now_ns());
	EXPECT(TEST_WAIT(atomic_load_acquire(&fired) == 10));
	EXPECT(!timer_cancel(&test.timer));
}

static bool may_end;                    /* atomic */

static void sleep_interruptibly(void *result)
{
	*(int *)result = clock_sleep_until(UINT64_MAX - 1, SLEEP_INTERRUPTIBLE);
	TEST_WAIT(atomic_load_relaxed(&may_end));
}

KTEST(clock, a_signal_ends_a_sleep)
{
	int result = 0;

	may_end = false;
	struct task *task = test_task_start(UINT64_MAX, sleep_interruptibly, &result);
	EXPECT(TEST_WAIT(READ_ONCE(task->state) == TASK_INTERRUPTIBLE));
	test_task_signal(task);
	atomic_store_relaxed(&may_end, true);
	test_tasks_join();
	EXPECT_EQ(result, -ERESTARTSYS);
}
