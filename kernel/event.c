/* SPDX-License-Identifier: MIT */
/*
 * kernel/event.c - fixed-size event records per CPU, one global order.
 *
 * Owns:        the rings.  Record number n of a CPU stands at n % EVENTS_PER_CPU; `written` counts
 *              them.
 * Invariants:  only its CPU writes to a ring, with interrupts off, and takes the order number just
 *              before: orders ascend within a ring, so a reader may search it by halves.
 *              A slot's order is 0 while it is being written; a reader that finds it changed after
 *              copying has copied nonsense and tries again.
 * Locks:       none for records.  The rings appear once and stay.
 */
#include "kernel/event.h"

#include "lib/abi/errno.h"
#include "lib/glob.h"
#include "lib/string.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/timer.h"
#include "kernel/options.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/task.h"
#include "kernel/upcall.h"

enum { EVENTS_PER_CPU = 4096 };

struct event_ring {
	struct event *events;           /* NULL until first needed */
	uint64_t written;               /* [own CPU to write] */
};

uint64_t event_mask;
static uint64_t event_order;            /* atomic */
static struct event_ring rings[CPU_MAX];

static const char *const names[EVENT_TYPES] = {
#define X(name) #name,
	EVENT_LIST(X)
#undef X
};

const char *event_name(enum event_type type)
{
	return type < EVENT_TYPES ? names[type] : "unknown";
}

/* The events that one word names. */
static uint64_t word_mask(const char *word)
{
	uint64_t mask = 0;

	if (string_equals(word, "all"))
		word = "*";
	for (unsigned type = 0; type < EVENT_TYPES; type++)
		if (glob_matches(word, names[type]))
			mask |= 1ull << type;
	return mask;
}

int event_mask_parse(const char *list, uint64_t *mask)
{
	uint64_t result = 0;
	char word[64];

	while (*list) {
		const char *end = strchr(list, ',');
		size_t len = end ? (size_t)(end - list) : strlen(list);
		if (len >= sizeof(word))
			return -EINVAL;
		strlcpy(word, list, len + 1);
		uint64_t found = word_mask(word);
		if (!found && !string_equals(word, "none"))
			return -EINVAL;
		result |= found;
		list += len + (end != NULL);
	}
	*mask = result;
	return 0;
}

void events_start(void)
{
	if (event_mask_set(event_mask | options.event_mask))
		log_warn("no memory for events: they stay off");
}

/* Two callers at once may waste a ring, no more. */
static int rings_allocate(void)
{
	for (uint32_t id = 0; id < cpu_count; id++) {
		struct event *nothing = NULL;
		if (atomic_load_relaxed(&rings[id].events))
			continue;
		struct event *events = upcall_boot_alloc(EVENTS_PER_CPU * sizeof(struct event));
		if (!events)
			return -ENOMEM;
		atomic_cmpxchg(&rings[id].events, &nothing, events);
	}
	return 0;
}

int event_mask_set(uint64_t mask)
{
	int err = mask ? rings_allocate() : 0;

	if (!err)
		atomic_store_release(&event_mask, mask);
	return err;
}

void event_record(enum event_type type, uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t flags = irq_save();
	const struct cpu *cpu = this_cpu();
	struct event_ring *ring = &rings[cpu->id];

	if (ring->events) {
		struct event *slot = &ring->events[ring->written % EVENTS_PER_CPU];
		uint64_t order = atomic_add_return(&event_order, 1);
		atomic_store_relaxed(&slot->order, 0);
		compiler_barrier();             /* the CPU keeps stores in order anyway */
		slot->time_ns = cycles_now_ns();
		slot->type = type;
		slot->cpu = cpu->id;
		slot->pid = cpu->task ? (uint32_t)cpu->task->tid : 0;
		slot->a = a;
		slot->b = b;
		slot->c = c;
		atomic_store_release(&slot->order, order);
		atomic_store_release(&ring->written, ring->written + 1);
	}
	irq_restore(flags);
}

/* ---- reading -------------------------------------------------------------------------------- */

/* The first record of a ring with an order above `after`; `written` if there is none. */
static uint64_t ring_find(const struct event_ring *ring, uint64_t after, uint64_t written)
{
	uint64_t low = written > EVENTS_PER_CPU ? written - EVENTS_PER_CPU : 0, high = written;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		const struct event *slot = &ring->events[middle % EVENTS_PER_CPU];
		uint64_t order = atomic_load_relaxed(&slot->order);
		if (order != 0 && order <= after)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Copy the first record with an order above `after`.  False: none there. */
static bool ring_next(const struct event_ring *ring, uint64_t after, struct event *out)
{
	if (!atomic_load_acquire(&ring->events))
		return false;
	for (;;) {
		uint64_t written = atomic_load_acquire(&ring->written);
		uint64_t n = ring_find(ring, after, written);
		if (n == written)
			return false;
		const struct event *slot = &ring->events[n % EVENTS_PER_CPU];
		uint64_t order = atomic_load_acquire(&slot->order);
		*out = *slot;
		memory_barrier();
		if (order > after && order == atomic_load_relaxed(&slot->order))
			return true;
		pause();
	}
}

bool event_next(uint64_t *after, struct event *out)
{
	struct event candidate;
	bool is_found = false;

	for (uint32_t id = 0; id < cpu_count; id++) {
		if (!ring_next(&rings[id], *after, &candidate))
			continue;
		if (!is_found || candidate.order < out->order)
			*out = candidate;
		is_found = true;
	}
	if (is_found)
		*after = out->order;
	return is_found;
}

static void event_print(const struct event *event)
{
	console_print("  %lu cpu %u pid %u %s %#lx %#lx %#lx\n", event->order,
		event->cpu, event->pid, event_name(event->type), event->a,
		event->b, event->c);
}

void events_print_last(uint32_t n)
{
	for (uint32_t id = 0; id < cpu_count; id++) {
		const struct event_ring *ring = &rings[id];
		if (!ring->events || ring->written == 0)
			continue;
		console_print("last events of CPU %u:\n", id);
		uint64_t first = ring->written > n ? ring->written - n : 0;
		for (uint64_t i = first; i < ring->written; i++)
			event_print(&ring->events[i % EVENTS_PER_CPU]);
	}
}
