/* SPDX-License-Identifier: MIT */
/*
 * kernel/event.c - fixed-size event records per CPU, one global order.
 *
 * Owns:        the rings and the filter in force.  Record number n of a CPU stands at n % ring_size
 *              of its ring; `written` counts them.
 * Invariants:  only its CPU writes to a ring, with interrupts off and `is_busy` set, and takes the
 *              order number in between: orders ascend within a ring, so a reader may search it by
 *              halves.  Who reads an order number and then finds every ring idle once will find
 *              all records up to that number in the rings, unless they were overwritten.
 *              The record after the last one written is being overwritten, perhaps: a reader
 *              trusts a copy only if `written` has not come near it since.
 * Locks:       none for records.  `filter_turn` is odd while the filter changes; who judges by the
 *              filter does so again if the turn was odd, or another one afterwards.
 */
#include "kernel/event.h"

#include "lib/abi/errno.h"
#include "lib/format.h"
#include "lib/glob.h"
#include "lib/string.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/timer.h"
#include "kernel/options.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/task.h"
#include "kernel/trace_filter.h"
#include "kernel/upcall.h"

struct event_ring {
	struct event *events;           /* atomic: NULL while nothing is recorded */
	uint64_t written;               /* [own CPU to write] */
	bool is_busy;                   /* [own CPU to write] */
};

uint64_t event_mask;
static uint32_t ring_size;              /* constant once there are rings */
static uint64_t event_order;            /* atomic: of the last record */
static struct event_ring rings[CPU_MAX];
static struct trace_filter filter;
static uint32_t filter_turn;            /* atomic */

/* ---- names ---------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint8_t arguments[EVENT_ARGUMENTS];
} kinds[EVENT_TYPES] = {
#define X(name, a, b, c) { #name, { ARGUMENT_##a, ARGUMENT_##b, ARGUMENT_##c } },
	EVENT_LIST(X)
#undef X
};

static const struct {
	const char *name;
	char form;
} argument_kinds[EVENT_ARGUMENT_KINDS] = {
#define X(name, form) { #name, #form[0] },
	EVENT_ARGUMENT_LIST(X)
#undef X
};

const char *event_name(enum event_type type)
{
	return type < EVENT_TYPES ? kinds[type].name : "unknown";
}

enum event_argument event_argument(enum event_type type, unsigned i)
{
	assert(type < EVENT_TYPES && i < EVENT_ARGUMENTS);
	return kinds[type].arguments[i];
}

const char *event_argument_name(enum event_argument argument)
{
	return argument_kinds[argument].name;
}

char event_argument_form(enum event_argument argument)
{
	return argument_kinds[argument].form;
}

int event_format(char *buf, size_t size, const struct event *event)
{
	int len = format_buffer(buf, size, "%u %u %s", event->pid, event->tid,
				event_name(event->type));

	for (unsigned i = 0; i < EVENT_ARGUMENTS && event->type < EVENT_TYPES; i++) {
		enum event_argument argument = event_argument(event->type, i);
		bool is_hex = event_argument_form(argument) == 'x';

		if (argument != ARGUMENT_unused)
			len += format_buffer(buf + len, size - (size_t)len,
					     is_hex ? " %s=%#lx" : " %s=%ld",
					     event_argument_name(argument), event->arguments[i]);
		assert((size_t)len < size);
	}
	return len;
}

/* The events that one word names. */
static uint64_t word_mask(const char *word)
{
	uint64_t mask = 0;

	if (string_equals(word, "all"))
		word = "*";
	for (unsigned type = 0; type < EVENT_TYPES; type++)
		if (glob_matches(word, kinds[type].name))
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

/* ---- what is recorded ----------------------------------------------------------------------- */

void events_start(void)
{
	struct trace_filter wanted = filter;

	wanted.events |= options.event_mask;
	if (event_filter_set(&wanted))
		log_warn("no memory for events: they stay off");
}

static int rings_allocate(void)
{
	ring_size = options.trace_records;
	for (uint32_t id = 0; id < cpu_count; id++) {
		if (rings[id].events)
			continue;
		struct event *events = upcall_boot_alloc(ring_size * sizeof(struct event));
		if (!events)
			return -ENOMEM;
		atomic_store_release(&rings[id].events, events);
	}
	return 0;
}

int event_filter_set(const struct trace_filter *wanted)
{
	int err = wanted->events ? rings_allocate() : 0;

	if (err) {
		events_free();
		return err;
	}
	uint64_t flags = irq_save();    /* a record made here would wait for us */
	atomic_add_return(&filter_turn, 1);
	filter = *wanted;
	atomic_add_return(&filter_turn, 1);
	irq_restore(flags);
	atomic_store_release(&event_mask, wanted->events);
	return 0;
}

void event_filter_get(struct trace_filter *out)
{
	*out = filter;
}

/* Those who were let in by the mask before it changed are waited for. */
static void ring_settle(const struct event_ring *ring)
{
	while (atomic_load_acquire(&ring->is_busy))
		pause();
}

void events_free(void)
{
	if (event_mask)
		return;
	for (uint32_t id = 0; id < cpu_count; id++) {
		struct event *events = atomic_xchg(&rings[id].events, NULL);
		ring_settle(&rings[id]);
		rings[id].written = 0;
		if (events)
			upcall_boot_free(events);
	}
}

/* One look at a filter that is not half of two. */
static uint32_t filter_turn_begin(void)
{
	uint32_t turn;

	while ((turn = atomic_load_acquire(&filter_turn)) % 2 != 0)
		pause();
	return turn;
}

static bool filter_turn_is_over(uint32_t turn)
{
	compiler_barrier();             /* the CPU keeps loads in order anyway */
	return atomic_load_relaxed(&filter_turn) != turn;
}

bool event_filter_wants(int32_t pid, virt_t addr)
{
	uint32_t turn;
	bool wants;

	do {
		turn = filter_turn_begin();
		wants = trace_filter_has_pid(&filter, pid) &&
			trace_filter_meets(&filter, addr, addr + 1);
	} while (filter_turn_is_over(turn));
	return wants;
}

static bool filter_accepts(const struct event *event)
{
	uint32_t turn;
	bool accepts;

	do {
		turn = filter_turn_begin();
		accepts = trace_filter_accepts(&filter, event);
	} while (filter_turn_is_over(turn));
	return accepts;
}

void event_record(enum event_type type, uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t flags = irq_save();
	const struct cpu *cpu = this_cpu();
	struct event_ring *ring = &rings[cpu->id];
	struct event record = {
		.type = type, .cpu = cpu->id, .arguments = { a, b, c },
		.pid = cpu->task ? (uint32_t)upcall_task_pid(cpu->task) : 0,
		.tid = cpu->task ? (uint32_t)cpu->task->tid : 0,
	};

	(void)atomic_xchg(&ring->is_busy, true);        /* seen by others before we see the ring */
	struct event *events = atomic_load_relaxed(&ring->events);
	if (events && filter_accepts(&record)) {
		record.order = atomic_add_return(&event_order, 1);
		record.time_ns = cycles_now_ns();
		events[ring->written % ring_size] = record;
		atomic_store_release(&ring->written, ring->written + 1);
	}
	atomic_store_release(&ring->is_busy, false);
	irq_restore(flags);
}

/* ---- reading -------------------------------------------------------------------------------- */

/* The first record of a ring with an order above `after`; `written` if there is none. */
static uint64_t ring_find(const struct event *events, uint64_t after, uint64_t written)
{
	uint64_t low = written >= ring_size ? written - ring_size + 1 : 0, high = written;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		if (atomic_load_relaxed(&events[middle % ring_size].order) <= after)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Copy the first record with an order above `after`.  False: none there. */
static bool ring_next(const struct event_ring *ring, uint64_t after, struct event *out)
{
	const struct event *events = atomic_load_acquire(&ring->events);

	if (!events)
		return false;
	for (;;) {
		uint64_t written = atomic_load_acquire(&ring->written);
		uint64_t n = ring_find(events, after, written);
		if (n == written)
			return false;
		*out = events[n % ring_size];
		memory_barrier();
		if (atomic_load_relaxed(&ring->written) - n < ring_size)
			return true;
		pause();
	}
}

void event_reader_look(struct event_reader *reader)
{
	reader->until = atomic_load_acquire(&event_order);
	for (uint32_t id = 0; id < cpu_count; id++)
		ring_settle(&rings[id]);
}

bool event_next(struct event_reader *reader, struct event *out)
{
	uint64_t next = reader->until + 1;
	struct event candidate;

	for (uint32_t id = 0; id < cpu_count; id++) {
		if (!ring_next(&rings[id], reader->after, &candidate) || candidate.order >= next)
			continue;
		next = candidate.order;
		*out = candidate;
	}
	uint64_t lost = next - reader->after - 1;
	if (lost > 0)
		*out = (struct event){ .order = next - 1, .type = EVENT_lost, .arguments = { lost },
		};
	else if (next > reader->until)
		return false;
	reader->after = out->order;
	return true;
}

void events_print_last(uint32_t n)
{
	char text[EVENT_TEXT_MAX];

	for (uint32_t id = 0; id < cpu_count; id++) {
		const struct event_ring *ring = &rings[id];
		if (!ring->events || ring->written == 0)
			continue;
		console_print("last events of CPU %u:\n", id);
		uint64_t first = ring->written > n ? ring->written - n : 0;
		for (uint64_t i = first; i < ring->written; i++) {
			const struct event *event = &ring->events[i % ring_size];
			event_format(text, sizeof(text), event);
			console_print("  %lu cpu %u %s\n", event->order, event->cpu, text);
		}
	}
}
