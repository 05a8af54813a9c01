/* SPDX-License-Identifier: MIT */
/*
 * kernel/tail.h - how long the longest take: the stopwatch of the build TAIL=1.
 *
 * A mean hides the one fault in a million that takes a thousand times as long.  In this build the
 * kernel times every stretch of four kinds and keeps the longest, one for each place; and for every
 * rank of spinlocks how often and how long they were held.  /proc/tail shows both.
 *
 *   fault             from fault_resolve() to its return, if nobody else ran meanwhile
 *   interrupts_off    between an entry or cli and the sti or return that ends it
 *   preemption_off    from preempt_disable() to the preempt_enable() that answers it
 *   shootdown         from a request to the last CPU's answer
 *
 * Ticks are those of the cycle counter: instructions under -icount.  What the stopwatch itself
 * executes is taken off, but for a few instructions each time.  Other CPUs' instructions count as
 * well under -icount, so the first three are to be measured with one CPU, and shootdowns with two.
 *
 * Without TAIL=1 all of it is nothing.
 */
#pragma once

#include "lib/types.h"

enum tail_kind { TAIL_FAULT, TAIL_INTERRUPTS_OFF, TAIL_PREEMPTION_OFF, TAIL_SHOOTDOWN, TAIL_KINDS };

enum { TAIL_CALLERS = 5, TAIL_NAME_MAX = 16 };

/* The longest stretch of one place. */
struct tail_stretch {
	uint64_t ticks;
	virt_t from;                    /* behind the call that began it */
	virt_t callers[TAIL_CALLERS];   /* who ended it, who called him, ...; 0 behind the last */
	/* fault: a bit for each kind of work it did (mm/counters.h); interrupts_off: the vector, if
	 * an interrupt was all of it */
	uint64_t what;
	char task[TAIL_NAME_MAX];       /* who ran in the end */
};

#ifdef COWBELL_TAIL

enum { TAIL_IS_MEASURED = true };

/* A stretch begins or ends on this CPU.  One that begins anew forgets the old; an end without a
 * beginning is none. */
void tail_begin(enum tail_kind kind);
void tail_end(enum tail_kind kind);
void tail_end_of(enum tail_kind kind, uint64_t what);

/* The same for one that may move to another CPU, and whose task may not run all the time: ticks of
 * the stopwatch to begin with, then those that it took. */
uint64_t tail_now(void);
void tail_keep(enum tail_kind kind, uint64_t ticks, uint64_t what);

/* In a shootdown of CPU `asker`: this CPU is about to answer.  tail_end_answered() ends the own
 * one at the moment of the last answer, not when QEMU lets the asker see it. */
void tail_answer(uint32_t asker);
void tail_end_answered(void);

/* A spinlock of the rank was taken; is about to be released. */
void tail_lock_taken(unsigned rank);
void tail_lock_released(unsigned rank);

/* Forget everything and measure from now on. */
void tail_restart(void);

/* The n-th longest of a kind, from 0.  False: there are not so many. */
bool tail_get(enum tail_kind kind, unsigned n, struct tail_stretch *out);

/* Of one rank: how often taken, and for how many ticks held, since tail_restart(). */
void tail_held_get(unsigned rank, uint64_t *times, uint64_t *ticks);

#else

enum { TAIL_IS_MEASURED = false };

static inline void tail_begin(enum tail_kind kind)
{
}

static inline void tail_end(enum tail_kind kind)
{
}

static inline void tail_answer(uint32_t asker)
{
}

static inline void tail_end_answered(void)
{
}

static inline void tail_lock_taken(unsigned rank)
{
}

static inline void tail_lock_released(unsigned rank)
{
}

static inline uint64_t tail_now(void)
{
	return 0;
}

static inline void tail_restart(void)
{
}

static inline bool tail_get(enum tail_kind kind, unsigned n, struct tail_stretch *out)
{
	return false;
}

static inline void tail_held_get(unsigned rank, uint64_t *times, uint64_t *ticks)
{
	*times = *ticks = 0;
}

#endif
