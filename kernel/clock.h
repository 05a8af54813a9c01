/* SPDX-License-Identifier: MIT */
/*
 * kernel/clock.h - time of day, deadlines, sleeping.
 *
 * Monotonic time is the calibrated cycle counter, in nanoseconds since boot.  Realtime adds an
 * offset read from the CMOS clock at boot and set by clock_settime.
 */
#pragma once

#include "lib/list.h"
#include "lib/types.h"

#define NS_PER_SECOND 1000000000ull

uint64_t clock_now_ns(void);
uint64_t clock_realtime_ns(void);
int clock_set_realtime_ns(uint64_t now_ns);     /* -EINVAL: less than it is since boot */

/* A function to be called once, at or after a monotonic deadline, in interrupt context on the CPU
 * that set it. */
struct timer {
	uint64_t deadline_ns;
	void (*fire)(struct timer *timer);
	struct list_node node;          /* [that CPU's timer lock] linked while set */
	uint32_t cpu;                   /* [that CPU's timer lock] whose list */
};

/* Set and cancel of one timer are serialised by its owner; `fire` may set its own timer again. */
void timer_init(struct timer *timer, void (*fire)(struct timer *timer));
void timer_set(struct timer *timer, uint64_t deadline_ns);      /* replaces an earlier setting */
/* True: it had not fired and will not.  False: it was not set, or it has fired; `fire` has
 * returned. */
bool timer_cancel(struct timer *timer);

/* Sleep until the deadline.  0; or, if interruptible, -ERESTARTSYS when a signal came first. */
enum sleep_kind { SLEEP_DEEP, SLEEP_INTERRUPTIBLE };
int clock_sleep_until(uint64_t deadline_ns, enum sleep_kind kind);

/* From the timer interrupt: fire what is due, then arm the hardware for what comes next.  While
 * programs run it goes off every CLOCK_LOOK_NS, to look where they are. */
#define CLOCK_LOOK_NS ((uint64_t)10000000)
void clock_interrupt(bool is_in_program);

/* The scheduler wants its tick, once, at `tick_ns`; or a look at a program that begins to run.
 * Interrupts off. */
void clock_arm(uint64_t tick_ns);
void clock_look_at(uint64_t deadline_ns);

/* Boot CPU: calibrate, read the CMOS clock, start this CPU.  After apic_start() and
 * sched_start(). */
void clock_start(void);

/* A further CPU. */
void clock_start_cpu(void);
