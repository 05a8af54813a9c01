/* SPDX-License-Identifier: MIT */
/*
 * kernel/race.h - two CPUs at one variable without agreement: found by looking twice.
 *
 * In the build SAN=race the compiler calls us before every access to memory.  Now and then a plain
 * access waits there for a moment, with its address on show.  Whoever comes by meanwhile and
 * touches the same bytes has raced with it, unless both only read.  What was seen was there: two
 * accesses that a lock, or any other order, keeps apart never meet; nothing is reported by mistake.
 *
 *   CPU 0   x = 1: show x, wait ........... still alone?  go on
 *   CPU 1                        y = x: somebody shows x -> a race, both are named
 *
 * The rule is the language's: of two accesses that can come together, one of them a write, both
 * must be marked (READ_ONCE, WRITE_ONCE, atomic_*).  With one exception: a plain write of an
 * aligned word may meet a marked read.  The writer has the lock and whoever looks without it says
 * so; a mark at the writer would say nothing new, and cost instructions wherever it counts.
 */
#pragma once

#include "lib/types.h"
#include "kernel/task.h"

/* One side of a race. */
struct race_access {
	virt_t at;                      /* the instruction behind the access; 0: nobody we see */
	virt_t caller;                  /* where that function returns to */
	virt_t addr;                    /* the first byte */
	size_t size;                    /* in bytes */
	bool is_write, is_marked;
	uint32_t cpu;
	int32_t tid;
	char task[TASK_NAME_MAX];
};

/* Two places in the code, however often they met.  The first side waited, the other came by. */
struct race {
	struct race_access sides[2];
	uint32_t times;
};

#ifdef COWBELL_RACE

enum { RACE_PLAIN = 0, RACE_WRITE = 1, RACE_MARKED = 2 };

/* The instruction before `at`, in a function with that frame, is about to access these bytes. */
void race_look(const volatile void *addr, size_t size, unsigned kind, virt_t at,
	       const virt_t *frame);

/* Begin to look.  Once, when all CPUs run. */
void race_start(void);

/* How many different races were seen since boot.  All are in the log when it returns.  From a task
 * that may sleep. */
uint32_t races_seen(void);

/* The n-th of them, from 0.  False: not so many, or no longer remembered. */
bool race_get(uint32_t n, struct race *out);

/* From now on races at these bytes are only counted: a test wants them.  NULL: at none. */
void races_expect(const void *start, size_t len);
uint32_t races_expected(void);          /* how often they met since races_expect() */

enum { RACES_ARE_LOOKED_FOR = true };

#else

enum { RACES_ARE_LOOKED_FOR = false };

static inline void race_start(void)
{
}

static inline uint32_t races_seen(void)
{
	return 0;
}

static inline bool race_get(uint32_t n, struct race *out)
{
	return false;
}

static inline void races_expect(const void *start, size_t len)
{
}

static inline uint32_t races_expected(void)
{
	return 0;
}

#endif
