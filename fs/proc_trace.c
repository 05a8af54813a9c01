/* SPDX-License-Identifier: MIT */
/*
 * fs/proc_trace.c - /proc/{trace,trace_binary,trace_filter,trace_hist}: watching copy-on-write.
 *
 * trace         the events since the last look, a line for each; write words to choose which:
 *               those of kernel/trace_filter.h, and `clear`
 * trace_binary  the same for programs, since its own last look; see struct trace_header
 * trace_filter  what is chosen, as words that can be written to trace
 * trace_hist    who copies most; write by=site, by=range, by=process, off, clear
 *
 * `off` stops, and leaves what was recorded to be read; `clear` forgets that, and gives the memory
 * back if it is off.  A write takes effect as a whole or not at all.
 *
 * Owns: where the readers of events are.
 * Locks: trace_lock: one reads or changes at a time.
 */

#include "fs/procfs.h"
#include "kernel/event.h"
#include "kernel/mutex.h"
#include "kernel/trace_filter.h"
#include "kernel/trace_hist.h"
#include "lib/string.h"
#include "mm/slab.h"

/* One look shows no more than this; the rest is for the next. */
enum { TRACE_LOOK_MAX = 16384 };

static struct mutex trace_lock;         /* RANK_TRACE */
static struct event_reader text_reader, binary_reader;  /* [trace_lock] */

void proc_trace_start(void)
{
	mutex_init(&trace_lock, RANK_TRACE);
}

/* ---- what is recorded ---- */

static void forget_events(void)
{
	event_reader_look(&text_reader);
	text_reader.after = text_reader.until;
	binary_reader = text_reader;
	events_free();
}

int proc_store_trace(const struct text_node *node, char *text)
{
	struct trace_filter filter;
	bool must_clear = false;
	int err = 0;

	mutex_lock(&trace_lock);
	event_filter_get(&filter);
	for (char *word; !err && (word = trace_word(&text));) {
		if (string_equals(word, "clear"))
			must_clear = true;
		else
			err = trace_filter_parse(&filter, word);
	}
	if (!err)
		err = event_filter_set(&filter);
	if (!err && must_clear)
		forget_events();
	mutex_unlock(&trace_lock);
	return err;
}

int proc_show_trace_filter(struct text *text, const struct text_node *node)
{
	struct trace_filter filter;

	mutex_lock(&trace_lock);
	event_filter_get(&filter);
	mutex_unlock(&trace_lock);
	trace_filter_format(&filter, &text->sink);
	text_print(text, "\n");
	return 0;
}

/* ---- as text ---- */

static void print_event(struct text *text, const struct event *event)
{
	char words[EVENT_TEXT_MAX];

	event_format(words, sizeof(words), event);
	text_print(text, "%lu %lu %u %s\n", event->order, event->time_ns, event->cpu, words);
}

/* Show what `reader` has not seen.  If memory ran out, nobody has. */
static int show_events(struct text *text, struct event_reader *reader,
	void (*show)(struct text *text, const struct event *event))
{
	struct event_reader at = *reader;
	struct event event;

	event_reader_look(&at);
	for (int i = 0; i < TRACE_LOOK_MAX && !text->err && event_next(&at, &event); i++)
		show(text, &event);
	if (!text->err)
		*reader = at;
	return text->err;
}

int proc_show_trace(struct text *text, const struct text_node *node)
{
	text_print(text, "# order time_ns cpu pid tid event arguments\n");
	mutex_lock(&trace_lock);
	int err = show_events(text, &text_reader, print_event);
	mutex_unlock(&trace_lock);
	return err;
}

/* ---- as bytes ---- */

/*
 * Then come header_size - sizeof(header) bytes of text, filled up with newlines, that say what a
 * record is; and records to the end of the file, or to the next header if several such files stand
 * one behind the other.  No record begins like a header.  All numbers are little endian.
 *
 *   record order:8 time_ns:8 ...              fields of a record in order, with their sizes
 *   event 11 frame_copy old:d copy:d address:x        a type, and its arguments as in the text
 */
struct trace_header {
	char magic[8];
	uint32_t version, header_size, record_size, reserved;
};

static const char record_text[] = "record order:8 time_ns:8 type:4 cpu:4 pid:4 tid:4 a:8 b:8 c:8\n";

static_assert(sizeof(struct event) == 56, "record_text says what a record is");

static void print_kind(struct text *text, enum event_type type)
{
	text_print(text, "event %u %s", type, event_name(type));
	for (unsigned i = 0; i < EVENT_ARGUMENTS; i++) {
		enum event_argument argument = event_argument(type, i);
		if (argument != ARGUMENT_unused)
			text_print(text, " %s:%c", event_argument_name(argument),
				event_argument_form(argument));
	}
	text_print(text, "\n");
}

static void print_kinds(struct text *text)
{
	text_print(text, "%s", record_text);
	for (unsigned type = 0; type < EVENT_TYPES; type++)
		print_kind(text, type);
	while (!text->err && text->len % sizeof(uint64_t))
		text_print(text, "\n");
}

static void count_bytes(struct sink *sink, const char *bytes, size_t len)
{
	container_of(sink, struct text, sink)->len += len;
}

static void put_event(struct text *text, const struct event *event)
{
	text_put(text, (const char *)event, sizeof(*event));
}

int proc_show_trace_binary(struct text *text, const struct text_node *node)
{
	struct text length = { .sink = { .put = count_bytes } };
	struct trace_header header = {
		.magic = "COWTRACE", .version = 1, .record_size = sizeof(struct event),
	};

	print_kinds(&length);
	header.header_size = (uint32_t)(sizeof(header) + length.len);
	text_put(text, (const char *)&header, sizeof(header));
	print_kinds(text);
	mutex_lock(&trace_lock);
	int err = show_events(text, &binary_reader, put_event);
	mutex_unlock(&trace_lock);
	return err;
}

/* ---- who copies most ---- */

static const char *const by_names[] = {
	[TRACE_BY_NOTHING] = "off", [TRACE_BY_SITE] = "by=site",
	[TRACE_BY_RANGE] = "by=range", [TRACE_BY_PROCESS] = "by=process",
};

static int by_parse(const char *word, enum trace_by *by)
{
	for (unsigned i = 0; i < COUNT(by_names); i++) {
		if (string_equals(word, by_names[i])) {
			*by = i;
			return 0;
		}
	}
	return -EINVAL;
}

int proc_store_trace_hist(const struct text_node *node, char *text)
{
	enum trace_by by = atomic_load_relaxed(&trace_by);
	bool must_clear = false;
	int err = 0;

	mutex_lock(&trace_lock);
	for (char *word; !err && (word = trace_word(&text));) {
		if (string_equals(word, "clear"))
			must_clear = true;
		else
			err = by_parse(word, &by);
	}
	if (!err)
		err = trace_hist_set(by);
	if (!err && must_clear)
		trace_hist_clear();
	mutex_unlock(&trace_lock);
	return err;
}

/* The kinds of work by weight; the columns of the table and the order of its rows. */
static const uint8_t first_kinds[] = { WORK_frames_copied, WORK_frames_zeroed, WORK_faults };

static bool row_precedes(const struct trace_row *a, const struct trace_row *b)
{
	for (size_t i = 0; i < COUNT(first_kinds); i++) {
		uint64_t of_a = a->work.of[first_kinds[i]], of_b = b->work.of[first_kinds[i]];
		if (of_a != of_b)
			return of_a > of_b;
	}
	return strcmp(a->place, b->place) < 0;
}

/* Collect the rows in use at the front, most first. */
static void rows_sort(struct trace_hist *hist, const struct trace_row **sorted)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < TRACE_ROWS; i++) {
		const struct trace_row *row = &hist->rows[i];
		uint32_t at = count;
		if (row->place[0] == '\0')
			continue;
		for (; at > 0 && row_precedes(row, sorted[at - 1]); at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = row;
		count++;
	}
	assert(count == hist->row_count);
}

/* A column for each kind of work that there was; those that weigh most first. */
static uint32_t columns_choose(const struct trace_hist *hist, uint8_t columns[WORK_KINDS])
{
	struct work_counts sums = hist->others;
	uint32_t count = 0;

	for (uint32_t i = 0; i < TRACE_ROWS; i++) {
		for (unsigned kind = 0; kind < WORK_KINDS; kind++)
			sums.of[kind] += hist->rows[i].work.of[kind];
	}
	for (; count < COUNT(first_kinds); count++) {
		columns[count] = first_kinds[count];
		sums.of[first_kinds[count]] = 0;
	}
	for (unsigned kind = 0; kind < WORK_KINDS; kind++) {
		if (sums.of[kind])
			columns[count++] = (uint8_t)kind;
	}
	return count;
}

static void print_row(struct text *text, const struct work_counts *work, const char *place,
	const uint8_t *columns, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		text_print(text, "%*lu ", (int)strlen(work_name(columns[i])),
			work->of[columns[i]]);
	text_print(text, "%s\n", place);
}

static void print_hist(
	struct text *text, struct trace_hist *hist, const struct trace_row **sorted)
{
	uint8_t columns[WORK_KINDS];
	uint32_t count = columns_choose(hist, columns);

	rows_sort(hist, sorted);
	if (hist->unsure)
		text_print(text, "# unsure %lu\n", hist->unsure);
	for (uint32_t i = 0; i < count; i++)
		text_print(text, "%s ", work_name(columns[i]));
	text_print(text, "%s\n", by_names[hist->by] + strlen("by="));
	for (uint32_t i = 0; i < hist->row_count; i++)
		print_row(text, &sorted[i]->work, sorted[i]->place, columns, count);
	if (hist->others.of[WORK_faults])
		print_row(text, &hist->others, "(others)", columns, count);
}

/* First what is being counted, then the names of the columns, then the rows, most first.  `unsure`
 * is a number of faults, see kernel/trace_hist.h. */
int proc_show_trace_hist(struct text *text, const struct text_node *node)
{
	const struct trace_row **sorted = kmalloc(TRACE_ROWS * sizeof(*sorted));
	struct trace_hist *hist = NULL;
	int err = sorted ? 0 : -ENOMEM;

	mutex_lock(&trace_lock);
	if (!err)
		err = trace_hist_copy(&hist);
	text_print(text, "# %s\n", by_names[atomic_load_relaxed(&trace_by)]);
	mutex_unlock(&trace_lock);
	if (hist)
		print_hist(text, hist, sorted);
	kfree(hist);
	kfree(sorted);
	return err;
}
