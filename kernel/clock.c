/* SPDX-License-Identifier: MIT */
/*
 * kernel/clock.c - time of day, deadlines, sleeping.
 *
 * Owns:        each CPU's sorted list of timers, and what its hardware timer is set to.
 * Invariants:  armed_ns is when this CPU will be interrupted; never later than its first timer and
 *              the scheduler's tick, nor CLOCK_LOOK_NS away while a program runs.  It may be
 *              earlier: cancelling and switching do not touch the hardware; an interrupt that
 *              finds nothing due sets it anew.
 * Locks:       clock_cpu.lock for the list and `firing`, with interrupts off.  Not held while a
 *              timer fires; timer_cancel() waits for that.
 */
#include "kernel/clock.h"

#include "lib/abi/errno.h"
#include "lib/atomic.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/timer.h"
#include "kernel/printk.h"
#include "kernel/sched.h"
#include "kernel/spinlock.h"
#include "kernel/wait.h"

#define NEVER UINT64_MAX

struct ALIGNED(64) clock_cpu {
	struct spinlock lock;
	struct list timers;             /* [lock] by deadline */
	struct timer *firing;           /* [lock to set] its function runs now */
	uint64_t armed_ns;              /* [own, interrupts off] */
	uint64_t tick_ns;               /* [own, interrupts off] the scheduler's; NEVER: no tick */
};

static struct clock_cpu clocks[CPU_MAX];
static uint64_t realtime_offset_ns;     /* atomic */

static uint64_t cmos_realtime_ns(void);

uint64_t clock_now_ns(void)
{
	return cycles_now_ns();
}

uint64_t clock_realtime_ns(void)
{
	return cycles_now_ns() + atomic_load_relaxed(&realtime_offset_ns);
}

int clock_set_realtime_ns(uint64_t now_ns)
{
	uint64_t uptime_ns = cycles_now_ns();

	if (now_ns < uptime_ns)
		return -EINVAL;
	atomic_store_relaxed(&realtime_offset_ns, now_ns - uptime_ns);
	return 0;
}

void clock_start(void)
{
	cycles_start();
	log_set_clock(cycles_now_ns);
	(void)clock_set_realtime_ns(cmos_realtime_ns());
	clock_start_cpu();
}

void clock_start_cpu(void)
{
	struct clock_cpu *clock = &clocks[this_cpu()->id];

	spin_init(&clock->lock, RANK_TIMER);
	list_init(&clock->timers);
	clock->armed_ns = NEVER;
	clock->tick_ns = NEVER;
	oneshot_start_cpu();
}

/* ---- the hardware timer --------------------------------------------------------------------- */

/* Be interrupted at `deadline_ns` or before.  Interrupts off. */
static void clock_arm_for(struct clock_cpu *clock, uint64_t deadline_ns)
{
	if (deadline_ns >= clock->armed_ns)
		return;
	clock->armed_ns = deadline_ns;
	oneshot_set(deadline_ns);
}

void clock_arm(uint64_t tick_ns)
{
	struct clock_cpu *clock = &clocks[this_cpu()->id];

	clock->tick_ns = tick_ns;
	clock_arm_for(clock, tick_ns);
}

void clock_look_at(uint64_t deadline_ns)
{
	clock_arm_for(&clocks[this_cpu()->id], deadline_ns);
}

/* Take the first timer off the list if it is due; else say when it will be. */
static struct timer *timer_take_due(struct clock_cpu *clock, uint64_t now, uint64_t *next_ns)
{
	struct timer *due = NULL;

	uint64_t flags = spin_lock_irq(&clock->lock);
	struct list_node *first = list_first(&clock->timers);
	if (first) {
		struct timer *timer = list_entry(first, struct timer, node);
		*next_ns = timer->deadline_ns;
		if (timer->deadline_ns <= now) {
			list_remove(first);
			due = timer;
		}
	} else {
		*next_ns = NEVER;
	}
	atomic_store_relaxed(&clock->firing, due);
	spin_unlock_irq(&clock->lock, flags);
	return due;
}

void clock_interrupt(bool is_in_program)
{
	struct clock_cpu *clock = &clocks[this_cpu()->id];
	uint64_t now = cycles_now_ns(), next_ns;
	struct timer *timer;

	clock->armed_ns = NEVER;
	bool is_looked_at = sched_sample(is_in_program);
	while ((timer = timer_take_due(clock, now, &next_ns)) != NULL) {
		timer->fire(timer);
		atomic_store_release(&clock->firing, NULL);
	}
	if (now >= clock->tick_ns) {
		clock->tick_ns = NEVER;
		sched_tick(now);
	}
	if (is_looked_at)
		next_ns = MIN(next_ns, now + CLOCK_LOOK_NS);
	clock_arm_for(clock, MIN(next_ns, clock->tick_ns));
}

/* ---- timers --------------------------------------------------------------------------------- */

void timer_init(struct timer *timer, void (*fire)(struct timer *timer))
{
	timer->fire = fire;
	timer->cpu = 0;
	timer->deadline_ns = 0;
	list_node_init(&timer->node);
}

void timer_set(struct timer *timer, uint64_t deadline_ns)
{
	timer_cancel(timer);

	uint64_t irq_flags = irq_save();
	struct clock_cpu *clock = &clocks[this_cpu()->id];
	uint64_t flags = spin_lock_irq(&clock->lock);
	timer->deadline_ns = deadline_ns;
	timer->cpu = this_cpu()->id;
	struct list_node *at = list_last(&clock->timers);
	while (at && list_entry(at, struct timer, node)->deadline_ns > deadline_ns)
		at = list_prev(&clock->timers, at);
	list_insert_after(at ? at : &clock->timers.head, &timer->node);
	spin_unlock_irq(&clock->lock, flags);
	clock_arm_for(clock, deadline_ns);
	irq_restore(irq_flags);
}

bool timer_cancel(struct timer *timer)
{
	struct clock_cpu *clock = &clocks[timer->cpu];

	uint64_t flags = spin_lock_irq(&clock->lock);
	bool was_set = list_node_is_linked(&timer->node);
	list_remove(&timer->node);
	spin_unlock_irq(&clock->lock, flags);
	if (was_set)
		return true;

	/* On this CPU it can only be its own function that cancels or sets it anew. */
	while (READ_ONCE(this_cpu()->id) != timer->cpu
	       && atomic_load_acquire(&clock->firing) == timer)
		pause();
	return false;
}

int clock_sleep_until(uint64_t deadline_ns, enum sleep_kind kind)
{
	for (;;) {
		task_prepare_sleep(kind == SLEEP_DEEP ? TASK_SLEEPING : TASK_INTERRUPTIBLE);
		if (kind == SLEEP_INTERRUPTIBLE && wait_has_signal()) {
			task_prepare_sleep(TASK_RUNNABLE);
			return -ERESTARTSYS;
		}
		if (!schedule_until(deadline_ns))
			return 0;
	}
}

/* ---- the CMOS clock ------------------------------------------------------------------------- */

enum { CMOS_INDEX = 0x70, CMOS_DATA = 0x71 };
enum { CMOS_SECOND = 0, CMOS_MINUTE = 2, CMOS_HOUR = 4, CMOS_DAY = 7, CMOS_MONTH = 8, CMOS_YEAR = 9,
       CMOS_STATUS_A = 10, CMOS_STATUS_B = 11 };
enum { STATUS_A_UPDATING = 0x80, STATUS_B_24_HOURS = 0x02, STATUS_B_BINARY = 0x04, HOUR_PM = 0x80 };

struct cmos_time {
	uint8_t second, minute, hour, day, month, year;
};

static uint8_t cmos_read(uint8_t index)
{
	outb(CMOS_INDEX, index);
	return inb(CMOS_DATA);
}

static struct cmos_time cmos_read_time(void)
{
	return (struct cmos_time){
		.second = cmos_read(CMOS_SECOND), .minute = cmos_read(CMOS_MINUTE),
		.hour = cmos_read(CMOS_HOUR), .day = cmos_read(CMOS_DAY),
		.month = cmos_read(CMOS_MONTH), .year = cmos_read(CMOS_YEAR),
	};
}

static bool cmos_time_equals(const struct cmos_time *a, const struct cmos_time *b)
{
	return a->second == b->second && a->minute == b->minute && a->hour == b->hour
		&& a->day == b->day && a->month == b->month && a->year == b->year;
}

static uint8_t bcd_to_binary(uint8_t bcd)
{
	return (uint8_t)((bcd >> 4) * 10 + (bcd & 15));
}

/* Twice the same and no update under way: nothing changed between the fields. */
static struct cmos_time cmos_read_stable(void)
{
	struct cmos_time time = cmos_read_time();

	for (int tries = 0; tries < 1000; tries++) {
		struct cmos_time again = cmos_read_time();
		bool is_updating = cmos_read(CMOS_STATUS_A) & STATUS_A_UPDATING;
		if (cmos_time_equals(&time, &again) && !is_updating)
			break;
		time = again;
	}
	return time;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; the year starts in March here. */
static uint64_t days_since_1970(uint64_t year, uint64_t month, uint64_t day)
{
	uint64_t years = month <= 2 ? year - 1 : year;
	uint64_t days_in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;

	return 365 * years + years / 4 - years / 100 + years / 400 + days_in_year - 719468;
}

static uint64_t cmos_realtime_ns(void)
{
	struct cmos_time time = cmos_read_stable();
	uint8_t status = cmos_read(CMOS_STATUS_B);
	bool is_pm = !(status & STATUS_B_24_HOURS) && (time.hour & HOUR_PM);

	time.hour &= (uint8_t)~HOUR_PM;
	if (!(status & STATUS_B_BINARY)) {
		uint8_t *field = (uint8_t *)&time;
		for (size_t i = 0; i < sizeof(time); i++)
			field[i] = bcd_to_binary(field[i]);
	}
	if (!(status & STATUS_B_24_HOURS))
		time.hour = (uint8_t)(time.hour % 12 + (is_pm ? 12 : 0));

	uint64_t days = days_since_1970(2000ull + time.year, time.month, time.day);
	uint64_t seconds = ((days * 24 + time.hour) * 60 + time.minute) * 60 + time.second;
	return seconds * NS_PER_SECOND;
}
