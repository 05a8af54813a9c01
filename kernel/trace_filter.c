/* SPDX-License-Identifier: MIT */
/*
 * kernel/trace_filter.c - which events are worth recording: by kind, process and address.
 *
 * Locks: none; a filter belongs to whoever has it.  kernel/event.c has the one in force.
 */
#include "kernel/trace_filter.h"

#include "lib/abi/errno.h"
#include "lib/string.h"
#include "arch/x86_64/layout.h"

#define PID_WORD   "pid="
#define RANGE_WORD "range="
#define EVERY      "all"

static int parse_pids(struct trace_filter *filter, const char *list);
static int parse_range(struct trace_filter *filter, const char *text);
static int parse_hex(const char **text, char end, virt_t *out);

/* ---- words ---- */

int trace_filter_parse(struct trace_filter *filter, const char *word)
{
	if (string_equals(word, "off")) {
		*filter = (struct trace_filter){ 0 };
		return 0;
	}
	if (string_starts_with(word, PID_WORD))
		return parse_pids(filter, word + strlen(PID_WORD));
	if (string_starts_with(word, RANGE_WORD))
		return parse_range(filter, word + strlen(RANGE_WORD));
	return *word ? event_mask_parse(word, &filter->events) : -EINVAL;
}

static int parse_pids(struct trace_filter *filter, const char *list)
{
	int32_t pids[TRACE_PIDS_MAX];
	uint32_t count = 0;

	if (string_equals(list, EVERY)) {
		filter->pid_count = 0;
		return 0;
	}
	for (;;) {
		uint64_t pid;
		int err = number_parse(list, &pid, &list);
		if (err || pid == 0 || pid > INT32_MAX || count == TRACE_PIDS_MAX)
			return -EINVAL;
		pids[count++] = (int32_t)pid;
		if (*list == '\0')
			break;
		if (*list++ != ',')
			return -EINVAL;
	}
	memcpy(filter->pids, pids, sizeof(pids));
	filter->pid_count = count;
	return 0;
}

static int parse_range(struct trace_filter *filter, const char *text)
{
	virt_t start = 0, end = 0;

	if (!string_equals(text, EVERY)) {
		int err = parse_hex(&text, '-', &start);
		if (!err)
			err = parse_hex(&text, '\0', &end);
		if (err || start >= end || end > USER_END)
			return -EINVAL;
	}
	filter->start = start;
	filter->end = end;
	return 0;
}

/* With or without 0x, up to and including the character `end`. */
static int parse_hex(const char **text, char end, virt_t *out)
{
	const char *at = *text + (string_starts_with(*text, "0x") ? 2 : 0);
	virt_t value = 0;
	int digits = 0;

	for (; *at && *at != end; at++, digits++) {
		const char *all = "0123456789abcdef";
		const char *digit = strchr(all, *at >= 'A' && *at <= 'F' ? *at + 'a' - 'A' : *at);
		if (!digit || digits == 16)
			return -EINVAL;
		value = value << 4 | (virt_t)(digit - all);
	}
	if (digits == 0 || *at != end)
		return -EINVAL;
	*text = at + (end != '\0');
	*out = value;
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

char *trace_word(char **text)
{
	char *word = *text, *end;

	while (is_blank(*word))
		word++;
	for (end = word; *end && !is_blank(*end); end++)
		;
	*text = end + (*end != '\0');
	*end = '\0';
	return end > word ? word : NULL;
}

void trace_filter_format(const struct trace_filter *filter, struct sink *sink)
{
	const uint64_t every = (1ull << EVENT_TYPES) - 1;
	const char *before = "";

	if ((filter->events & every) == every || !(filter->events & every))
		format_sink(sink, "%s", filter->events & every ? EVERY : "none");
	for (unsigned type = 0; type < EVENT_TYPES && (filter->events & every) != every; type++) {
		if (!(filter->events & 1ull << type))
			continue;
		format_sink(sink, "%s%s", before, event_name(type));
		before = ",";
	}
	format_sink(sink, " " PID_WORD);
	for (uint32_t i = 0; i < filter->pid_count; i++)
		format_sink(sink, "%s%d", i ? "," : "", filter->pids[i]);
	format_sink(sink, "%s " RANGE_WORD, filter->pid_count ? "" : EVERY);
	if (filter->end)
		format_sink(sink, "%#lx-%#lx", filter->start, filter->end);
	else
		format_sink(sink, EVERY);
}

/* ---- answers ---- */

bool trace_filter_has_pid(const struct trace_filter *filter, int32_t pid)
{
	for (uint32_t i = 0; i < filter->pid_count; i++) {
		if (filter->pids[i] == pid)
			return true;
	}
	return filter->pid_count == 0;
}

bool trace_filter_meets(const struct trace_filter *filter, virt_t start, virt_t end)
{
	return filter->end == 0 || (start < filter->end && filter->start < end);
}

/* What the event is about; empty: nothing that has an address. */
static void event_range(const struct event *event, virt_t *start, virt_t *end)
{
	*start = *end = 0;
	for (unsigned i = 0; i < EVENT_ARGUMENTS; i++) {
		switch (event_argument(event->type, i)) {
		case ARGUMENT_address:
		case ARGUMENT_start:
			*start = event->arguments[i];
			*end = *start + 1;
			break;
		case ARGUMENT_end:
			*end = event->arguments[i];
			break;
		default:
			break;
		}
	}
}

bool trace_filter_accepts(const struct trace_filter *filter, const struct event *event)
{
	virt_t start, end;

	if (!(filter->events & 1ull << event->type) ||
	    !trace_filter_has_pid(filter, (int32_t)event->pid))
		return false;
	event_range(event, &start, &end);
	return trace_filter_meets(filter, start, end);
}
