/* SPDX-License-Identifier: MIT */
/*
 * kernel/event.h - one record per change of state, per-CPU rings, one global order.
 *
 * The order number is taken from one atomic counter inside the critical section that makes the
 * change, so sorting by it gives a true history; it has no gaps, so a reader knows how many records
 * were overwritten before it came.  What an event means is in the table below; the same names are
 * used on the command line (events=), in /proc/trace and by the rule checker.
 * When the event's bit is off in event_mask, event() costs one load and one branch.
 *
 * Whoever changes the filter, takes memory for the rings or reads records takes turns with others
 * who do: fs/proc_trace.c has a lock for that.
 */
#pragma once

#include "lib/atomic.h"
#include "lib/types.h"

/* What an argument is called, and how it is written: d decimal with a sign, x hexadecimal.
 * address, or start and end, say which part of a program's memory the event is about. */
#define EVENT_ARGUMENT_LIST(X) \
	X(unused, d) X(access, d) X(address, x) X(alone, d) X(block, d) X(by, d) X(child, d) \
	X(code, d) X(copy, d) X(count, d) X(cpu, d) X(end, x) X(entry, x) X(flags, x) \
	X(frame, d) X(kept, d) X(kind, d) X(left, d) X(level, d) X(named, d) X(old, d) \
	X(order, d) X(pages, d) X(parent, d) X(pid, d) X(place, x) X(prot, x) X(result, d) \
	X(root, d) X(signal, d) X(slot, d) \
	X(space, d) X(start, x) X(status, x) X(table, d) X(to, d)

enum event_argument {
#define X(name, form) ARGUMENT_##name,
	EVENT_ARGUMENT_LIST(X)
#undef X
	EVENT_ARGUMENT_KINDS
};

/*    name             a        b        c */
#define EVENT_LIST(X) \
	X(lost,            count,   unused,  unused)    /* not read in time, see event_next */ \
	X(process_fork,    parent,  child,   flags)     \
	X(process_exec,    pid,     unused,  unused)    \
	X(process_exit,    pid,     status,  unused)    \
	X(space_create,    space,   parent,  root)      /* parent: its space; root: a frame */ \
	X(space_destroy,   space,   root,    unused)    \
	X(vma_map,         space,   start,   end)       \
	X(vma_unmap,       space,   start,   end)       \
	X(vma_protect,     space,   start,   prot)      \
	X(frame_alloc,     frame,   kind,    order)     \
	X(frame_free,      frame,   kind,    order)     \
	X(frame_copy,      old,     copy,    address)   \
	X(frame_reuse,     frame,   address, unused)    \
	X(table_create,    frame,   level,   address)   \
	X(table_copy,      old,     copy,    level)     \
	X(table_regain,    frame,   level,   kept)      /* kept: entries that were not shared */ \
	X(table_put,       frame,   level,   left)      /* left: those who still hold it */ \
	X(huge_split,      frame,   table,   alone)     /* frame: the block's first */ \
	X(huge_collapse,   frame,   table,   alone)     /* alone: in place, nothing copied */ \
	X(entry_share,     slot,    named,   level)     /* slot: the frame it is in */ \
	X(entry_set,       address, entry,   level)     \
	X(fault,           space,   address, access)    /* access: of enum access */ \
	X(fault_done,      space,   address, result)    /* result: 0 or the error */ \
	X(shootdown,       space,   start,   end)       \
	X(shootdown_ack,   space,   cpu,     by)        /* by: the CPU that asked */ \
	X(shootdown_done,  space,   start,   end)       \
	X(signal_send,     to,      signal,  code)      \
	X(out_of_memory,   pid,     pages,   unused)    \
	/* only in test builds: see event_detail */ \
	X(space_load,      space,   cpu,     unused)    /* the CPU may walk it from here on */ \
	X(space_leave,     space,   cpu,     unused)    /* it remembers nothing of it any more */ \
	X(flush,           space,   start,   end)       /* done on this CPU; then the others */ \
	X(count_up,        frame,   block,   unused)    /* block: it counts huge leaves */ \
	X(count_down,      frame,   block,   unused)    \
	X(entry_store,     place,   entry,   unused)    /* place: physical address of the slot */

enum event_type {
#define X(name, a, b, c) EVENT_##name,
	EVENT_LIST(X)
#undef X
	EVENT_TYPES
};

enum { EVENT_ARGUMENTS = 3, EVENT_TEXT_MAX = 192 };

/* As it stands in a ring and in /proc/trace_binary. */
struct event {
	uint64_t order;                 /* global, from 1 */
	uint64_t time_ns;
	uint32_t type, cpu;
	uint32_t pid, tid;              /* of whom the CPU worked for; 0: the kernel */
	uint64_t arguments[EVENT_ARGUMENTS];
};

extern uint64_t event_mask;

void event_record(enum event_type type, uint64_t a, uint64_t b, uint64_t c);

#define event(name, a, b, c) \
	do { \
		if (unlikely(event_mask & 1ull << EVENT_##name)) \
			event_record(EVENT_##name, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c)); \
	} while (0)

/* Of events that would cost too much where they happen: nothing, except in test builds (HOOKS=1).
 * With them a stream says all that tools/conform wants to know.  A count is about to change, an
 * entry has just been stored. */
#ifdef COWBELL_HOOKS
#define event_detail(name, a, b, c) event(name, a, b, c)
#else
#define event_detail(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#endif

/* ---- names ---- */

const char *event_name(enum event_type type);
enum event_argument event_argument(enum event_type type, unsigned i);
const char *event_argument_name(enum event_argument argument);
char event_argument_form(enum event_argument argument);

/* "pid tid name argument=value...", without a newline; its length.  EVENT_TEXT_MAX is enough. */
int event_format(char *buf, size_t size, const struct event *event);

/* "all", "none" or a comma-separated list with globs.  -EINVAL: an unknown name. */
int event_mask_parse(const char *list, uint64_t *mask);

/* ---- what is recorded ---- */

/* Switch on what options.event_mask wants: when frames exist, and again when further CPUs are
 * online. Events before that are lost. */
void events_start(void);

/* Record what the filter wants from now on.  Memory for the rings is taken when there is something
 * to record: -ENOMEM, and nothing has changed.  May not be called from interrupts or under
 * spinlocks. */
struct trace_filter;
int event_filter_set(const struct trace_filter *filter);
void event_filter_get(struct trace_filter *filter);

/* Would the filter record a fault of this process at this address, whatever the events? */
bool event_filter_wants(int32_t pid, virt_t addr);

/* Give the rings back, if nothing is being recorded. */
void events_free(void);

/* ---- reading ---- */

/* Where a reader is: it has seen all up to `after`, and is about to see those up to `until`. */
struct event_reader {
	uint64_t after, until;
};

/* Look at what has happened until now, so that reading ends although reading makes events. */
void event_reader_look(struct event_reader *reader);

/* The next record, in order; false: seen all.  What was overwritten before it was read comes as one
 * record of type `lost` with the number of the last, where it belongs. */
bool event_next(struct event_reader *reader, struct event *out);

/* The last n events of each CPU, for a panic. */
void events_print_last(uint32_t n);
