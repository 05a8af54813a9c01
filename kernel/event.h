/* SPDX-License-Identifier: MIT */
/*
 * kernel/event.h - one record per change of state, per-CPU rings, one global order.
 *
 * The order number is taken from one atomic counter inside the critical section that makes the
 * change, so sorting by it gives a true history.  What an event means is in the table below; the
 * same names are used on the command line (events=), in /proc/trace and by the rule checker.
 * When the event's bit is off in event_mask, event() costs one load and one branch.
 */
#pragma once

#include "lib/atomic.h"
#include "lib/types.h"

/*    name             a                 b                 c */
#define EVENT_LIST(X) \
	X(process_fork)     /* parent pid      child pid         clone flags   */ \
	X(process_exec)     /* pid             -                 -             */ \
	X(process_exit)     /* pid             wait status       -             */ \
	X(space_create)     /* space id        parent space id   root frame    */ \
	X(space_destroy)    /* space id        root frame        -             */ \
	X(vma_map)          /* space id        start             end           */ \
	X(vma_unmap)        /* space id        start             end           */ \
	X(vma_protect)      /* space id        start             prot          */ \
	X(frame_alloc)      /* frame           kind              order         */ \
	X(frame_free)       /* frame           kind              order         */ \
	X(frame_copy)       /* old frame       new frame         address       */ \
	X(frame_reuse)      /* frame           address           -             */ \
	X(table_create)     /* frame           level             address       */ \
	X(table_copy)       /* old frame       new frame         level         */ \
	X(table_regain)     /* frame           level             entries kept  */ \
	X(table_put)        /* frame           level             count left    */ \
	X(entry_share)      /* slot frame      named frame       level         */ \
	X(entry_set)        /* address         entry             level         */ \
	X(fault)            /* space id        address           access        */ \
	X(fault_done)       /* space id        address           outcome       */ \
	X(shootdown)        /* space id        start             end           */ \
	X(shootdown_ack)    /* space id        cpu               -             */ \
	X(shootdown_done)   /* space id        start             end           */ \
	X(signal_send)      /* to pid          signal            code          */ \
	X(out_of_memory)    /* pid             pages             -             */

enum event_type {
#define X(name) EVENT_##name,
	EVENT_LIST(X)
#undef X
	EVENT_TYPES
};

struct event {
	uint64_t order;                 /* global; 0: slot never written */
	uint64_t time_ns;
	uint32_t type, cpu;
	uint32_t pid, pad;
	uint64_t a, b, c;
};

extern uint64_t event_mask;

void event_record(enum event_type type, uint64_t a, uint64_t b, uint64_t c);

#define event(name, a, b, c) \
	do { \
		if (unlikely(event_mask & 1ull << EVENT_##name)) \
			event_record(EVENT_##name, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c)); \
	} while (0)

const char *event_name(enum event_type type);

/* "all", "none" or a comma-separated list with globs.  -EINVAL: an unknown name. */
int event_mask_parse(const char *list, uint64_t *mask);

/* Switch on what options.event_mask wants: when frames exist, and again when further CPUs are
 * online. Events before that are lost. */
void events_start(void);

/* Switch events on and off.  The rings are allocated when the first is switched on: -ENOMEM.  May
 * not be called from interrupts or under spinlocks. */
int event_mask_set(uint64_t mask);

/* Copy the oldest event with an order above *after; false when there is none. */
bool event_next(uint64_t *after, struct event *out);

/* The last n events of each CPU, for a panic. */
void events_print_last(uint32_t n);
