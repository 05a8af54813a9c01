/* SPDX-License-Identifier: MIT */
/*
 * tests/torture/worker.h - a thread of a storm, and what it does to its pages.
 */
#pragma once

#include "storm.h"

enum {
	PAGE = 4096,
	THREADS = 3,
	STRIPE = 64,                    /* pages of a thread that are recorded */
	HUGE_STRIDE = 8,                /* in a huge stripe only each eighth is */
	RUN_MAX = 12,                   /* pages that one operation concerns */
	WORDS = 8,
	WORD_GAP = PAGE / WORDS / sizeof(uint64_t),
};

/* The stripes lie on both sides of 2 GiB: where a table, a directory and a third of the tree end.
 * Pages are moved to a place far away, and back. */
#define ARENA_MIDDLE 0x80000000ul
#define FAR_AWAY     0x140000000ul
#define SHARED_PLACE 0x1c0000000ul

#define OPERATIONS(X) \
	X(write) X(check) X(renew) X(drop) X(protect) X(hide) X(move) X(pipe) X(signal) X(thread) \
	X(fork) X(spawn) X(collapse) X(count)

enum operation {
#define X(name) OP_##name,
	OPERATIONS(X)
#undef X
	OPERATION_KINDS
};

struct record {
	volatile uint64_t now, next;
};

struct worker {
	uint64_t random, next_stamp;
	unsigned index;
	volatile bool is_busy;
	unsigned forked;                /* children not waited for */
	struct record records[STRIPE];
	volatile uint64_t signals;
	uint64_t counted;               /* its word in the page that all processes share */
};

extern struct storm storm;
extern uint32_t serial;                 /* of this process */

/* The first to fail says why; the process is over, the others follow. */
void failed(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* A call failed, as errno says.  Where memory may be missing it is to be made again, later. */
void must_wait(const char *call);

/* By the seed: a number below the limit; let others run, now and then. */
uint64_t below(struct worker *worker, uint64_t limit);
void jiggle(struct worker *worker);

/* Where a page of the stripe is when it is at home; does it hold what it should; write it. */
char *page_at(const struct worker *worker, unsigned page);
void page_check(struct worker *worker, unsigned page, char *at);
void page_write(struct worker *worker, unsigned page, char *at);

/* A fresh stripe; what a child makes of one whose thread it does not have. */
void stripe_map(const struct worker *worker);
void stripe_adopt(struct worker *worker);

#define X(name) void op_##name(struct worker *worker);
OPERATIONS(X)
#undef X
