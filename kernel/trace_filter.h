/* SPDX-License-Identifier: MIT */
/*
 * kernel/trace_filter.h - which events are worth recording: by kind, process and address.
 *
 *   frame_copy,table_* pid=12,13 range=0x400000-0x500000
 *
 * A range is of program addresses, its end not included.  Events that are not about an address lie
 * in no range.
 */
#pragma once

#include "lib/format.h"
#include "kernel/event.h"

enum { TRACE_PIDS_MAX = 16 };

struct trace_filter {
	uint64_t events;                /* bits of enum event_type */
	int32_t pids[TRACE_PIDS_MAX];
	uint32_t pid_count;             /* 0: every process, and the kernel */
	virt_t start, end;              /* end 0: any event, with an address or without */
};

/*
 * Change the filter by one word:
 *   a list as event_mask_parse() wants it      pid=N[,N...]     range=START-END, hexadecimal
 *   off: no event, and the rest forgotten      pid=all          range=all
 * -EINVAL: none of these; the filter is as it was.
 */
MUST_CHECK int trace_filter_parse(struct trace_filter *filter, const char *word);

/* Write it as words that trace_filter_parse() understands. */
void trace_filter_format(const struct trace_filter *filter, struct sink *sink);

bool trace_filter_accepts(const struct trace_filter *filter, const struct event *event);

/* The two questions that are not about the kind of event. */
bool trace_filter_has_pid(const struct trace_filter *filter, int32_t pid);
bool trace_filter_meets(const struct trace_filter *filter, virt_t start, virt_t end);

/* Cut the next word off a text: words are separated by blanks and newlines.  NULL: no more. */
char *trace_word(char **text);
