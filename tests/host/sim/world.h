/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/world.h - programs on the simulated machine, and the oracle that watches them.
 *
 * A world has a few spaces, each with threads that load, store, fork, map, protect, move and exit
 * at random. Everything goes through the kernel's own memory system; every answer, every value is
 * compared with the model, and at quiet moments everything is recounted (world_check).
 */
#pragma once

#include "lib/types.h"
#include "tests/host/sim/model.h"
#include "tests/host/sim/sim.h"

#ifndef WORLD_RAM_MIB
#define WORLD_RAM_MIB 320
#endif

enum { WORLD_SPACES = 8 };

struct world_space {
	struct space *space;            /* NULL: free */
	unsigned threads;
	unsigned mapping;               /* calls under way that may map something */
	uint64_t changes;               /* of what is mapped, so far */
	bool is_moving;                 /* see world_move() */
	virt_t move_from, move_to;
	uint64_t move_len;              /* 0: none */
	struct model_space model;
};

extern struct world_space world_spaces[WORLD_SPACES];

/* What threads do, each with its share of all operations. */
enum world_op {
	OP_LOAD, OP_STORE, OP_EXECUTE, OP_FORK, OP_EXIT, OP_THREAD, OP_MAP, OP_UNMAP, OP_PROTECT,
	OP_MOVE, OP_ADVISE, OP_OBJECT_WRITE, OP_OBJECT_CUT, OP_PEEK, WORLD_OPS
};

struct world_plan {
	unsigned cpus;
	uint64_t steps, quiet_interval;
	unsigned spots;                 /* how many of them are used, 0: all */
	unsigned first_threads;         /* of the first space */
	unsigned threads_max, spaces_max;
	unsigned failures_per_1000;     /* fault points that fail */
	bool does_first_only_fork;      /* children only load, store and exit */
	bool wants_huge;                /* huge pages wherever they fit */
	bool maps_loose_only;           /* views of files that are written and cut, nothing else */
	unsigned share[WORLD_OPS];
};

/* A fresh machine with its objects and no space. */
void world_start(unsigned cpus);

/* The same on the machine that world_end() has left. */
void world_start_again(void);

/* Run a plan from a seed, then end everything and look for what is left.  Violations end the
 * process. */
void world_run(const struct world_plan *plan, uint64_t seed);

/* ---- single steps; also for tests that do one thing at a time ---- */

struct world_space *world_space_new(void);
struct world_space *world_space_find(const struct space *space);

/* One access by the running thread, faults included.  0, or what the fault said: -EFAULT,
 * -EACCES, -ENXIO; -ENOMEM only if failures are injected. */
int world_access(struct world_space *at, unsigned spot, unsigned word, enum access access);
int world_load(struct world_space *at, unsigned spot);
int world_store(struct world_space *at, unsigned spot);

int world_map(struct world_space *at, const struct map_request *request,
	      struct model_object *object);
int world_unmap(struct world_space *at, virt_t start, virt_t end);
int world_protect(struct world_space *at, virt_t start, virt_t end, uint32_t prot);
int world_move(struct world_space *at, virt_t from, uint64_t len, virt_t to);
int world_advise(struct world_space *at, virt_t start, virt_t end, int advice);
int world_fork(struct world_space *parent, enum fork_share share, struct world_space **child);
void world_exit(struct world_space *at);        /* one of its threads ends */

/* The CPU that runs this loads the space: for tests without threads. */
void world_enter(unsigned cpu, const struct world_space *at);

/* Every page of a space holds what the model says.  Everything recounted agrees with what is
 * kept: see tests/host/sim/check.c.  The same as sim_run()'s inspection. */
void world_check(void);

/* The kernel reads the word through space_read(), from whatever space the caller is in. */
int world_peek(struct world_space *at, unsigned spot, unsigned word);

/* Make allocations fail: the n-th from now (0: none), or so many of a thousand. */
void world_fail_nth(uint64_t n);
void world_fail_often(unsigned per_1000);
bool world_has_failed(void);            /* since the last of these calls */
uint64_t world_failures(void);          /* ever */

/* What waits for memory finds some, unless this is set: then its program is the one to end. */
extern bool world_gives_up;

/* Put everything back; what remains allocated is a leak. */
void world_end(void);

/* The tag of the last violation-free run: operations done, for the report. */
struct world_totals { uint64_t done[WORLD_OPS], refused[WORLD_OPS]; };
extern struct world_totals world_totals;
