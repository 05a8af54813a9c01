/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/timer.h - calibrated cycle counter, one-shot timer.
 *
 * Time is the cycle counter (TSC), assumed to run at one rate and in step on all CPUs.  Each CPU
 * can have itself interrupted once (VECTOR_TIMER): by TSC deadline where there is one, else by the
 * local APIC's countdown.  kernel/clock.c builds clocks and deadlines from these two.
 */
#pragma once

#include "lib/types.h"

/* Boot CPU: learn both rates from the firmware if it tells, else measure them for a millisecond.
 * After apic_start(). */
void cycles_start(void);

/* Nanoseconds since cycles_start(); 0 before it. */
uint64_t cycles_now_ns(void);

/* The cycle counter's rate. */
uint64_t cycles_hz(void);

/* Wait, without sleeping. */
void cycles_spin_ns(uint64_t ns);

/* Each CPU, once. */
void oneshot_start_cpu(void);

/* Interrupt this CPU once the deadline (in the time of cycles_now_ns) has passed, replacing what
 * was set before.  If it is seconds away, the interrupt may come sooner; look at the clock. */
void oneshot_set(uint64_t deadline_ns);
