/* SPDX-License-Identifier: MIT */
/*
 * kernel/alarm.c - SIGALRM when it is time.
 *
 * Owns: one task, which sleeps until the earliest deadline of any process, then looks at all.  A
 *   signal needs locks that interrupts may not take, so no timer is set per process; and a process
 *   that ends has nothing to cancel, because it is not looked at any more.
 *
 *      set --deadline--> rings, once            --interval--> has_rung --SIGALRM taken--> set
 *
 *   So an interval, however short, costs no more time than its process spends on taking signals.
 * Invariants: wake_ns is not later than the deadline of any alarm that is set, or the task is about
 *   to look.
 * Locks: process_tree_lock for wake_ns and the processes' deadlines.
 */

#include "kernel/alarm.h"
#include "kernel/clock.h"
#include "kernel/panic.h"
#include "kernel/signal.h"
#include "kernel/timespec.h"

static struct wait_queue alarm_wait;
static uint64_t wake_ns = WAIT_FOREVER;

struct round {
	uint64_t now_ns, next_ns;
};

/* The first one that is still to come.  An interval may be as long as for ever. */
static uint64_t deadline_next(uint64_t deadline_ns, uint64_t interval_ns, uint64_t now_ns)
{
	uint64_t last_ns = now_ns - (now_ns - deadline_ns) % interval_ns;

	return interval_ns < WAIT_FOREVER - last_ns ? last_ns + interval_ns : WAIT_FOREVER;
}

static void alarm_check(struct process *process, void *argument) REQUIRES(process_tree_lock)
{
	uint64_t deadline_ns = process->alarm_deadline_ns;
	struct round *round = argument;

	if (deadline_ns == 0 || process->has_rung || process->state != PROCESS_ALIVE)
		return;
	if (deadline_ns > round->now_ns) {
		round->next_ns = MIN(round->next_ns, deadline_ns);
		return;
	}
	process->has_rung = process->alarm_interval_ns != 0;
	if (!process->has_rung)
		process->alarm_deadline_ns = 0;
	signal_send_process_locked(process, SIGALRM, NULL);
}

/* Send what is due.  When to come again. */
static uint64_t alarms_send(void)
{
	struct round round = { .now_ns = clock_now_ns(), .next_ns = WAIT_FOREVER };

	spin_lock(&process_tree_lock);
	process_for_each(alarm_check, &round);
	wake_ns = round.next_ns;
	spin_unlock(&process_tree_lock);
	return round.next_ns;
}

static void alarm_task(void *argument)
{
	for (;;) {
		uint64_t next_ns = alarms_send();

		(void)wait_event_until(&alarm_wait, READ_ONCE(wake_ns) < next_ns, next_ns);
	}
}

static struct alarm alarm_get_locked(const struct process *self) REQUIRES(process_tree_lock)
{
	struct alarm alarm = { .interval_ns = self->alarm_interval_ns };

	if (self->alarm_deadline_ns == 0)
		return (struct alarm){ 0 };
	if (!self->has_rung)
		alarm.left_ns = MAX(deadline_remaining(self->alarm_deadline_ns), (uint64_t)1);
	return alarm;
}

struct alarm alarm_get(void)
{
	struct alarm alarm;

	spin_lock(&process_tree_lock);
	alarm = alarm_get_locked(current_process());
	spin_unlock(&process_tree_lock);
	return alarm;
}

/* deadline_ns 0: none.  True: it comes before all others, so that the task must be woken. */
static bool alarm_set_locked(struct process *self, uint64_t deadline_ns)
	REQUIRES(process_tree_lock)
{
	self->alarm_deadline_ns = deadline_ns;
	self->has_rung = false;
	if (deadline_ns == 0 || deadline_ns >= wake_ns)
		return false;
	wake_ns = deadline_ns;
	return true;
}

struct alarm alarm_replace(struct alarm alarm)
{
	struct process *self = current_process();
	uint64_t deadline_ns = alarm.left_ns ? deadline_after(alarm.left_ns) : 0;

	spin_lock(&process_tree_lock);
	struct alarm old = alarm_get_locked(self);
	self->alarm_interval_ns = alarm.interval_ns;
	bool is_next = alarm_set_locked(self, deadline_ns);
	spin_unlock(&process_tree_lock);
	if (is_next)
		wake_all(&alarm_wait);
	return old;
}

void alarm_taken(void)
{
	struct process *self = current_process();
	bool is_next = false;

	if (!READ_ONCE(self->has_rung))
		return;
	spin_lock(&process_tree_lock);
	if (self->has_rung)
		is_next = alarm_set_locked(self, deadline_next(self->alarm_deadline_ns,
							       self->alarm_interval_ns,
							       clock_now_ns()));
	spin_unlock(&process_tree_lock);
	if (is_next)
		wake_all(&alarm_wait);
}

void alarms_start(void)
{
	struct task *task;

	wait_queue_init(&alarm_wait);
	task = task_create("alarm", alarm_task, NULL);
	assert(task);
	task_wake(task);
}
