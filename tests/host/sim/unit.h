/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/unit.h - one behaviour at a time, on a machine that does nothing else.
 *
 * UNIT(name) { ... } is a TEST in a process and a world of its own.  HOLDS() ends it at the first
 * thing that is not so.  Afterwards everything is recounted, and nothing may be left.
 */
#pragma once

#include "lib/types.h"
#include "mm/counters.h"
#include "mm/mmap.h"
#include "tests/host/sim/seeds.h"
#include "tests/host/sim/sim.h"

#define UNIT(name)                                                                                 \
	static void unit_##name(void);                                                             \
	TEST(name)                                                                                 \
	{                                                                                          \
		EXPECT(seeds_pass(UNIT_PROGRAM "." #name, 1, unit_world, unit_##name));            \
	}                                                                                          \
	static void unit_##name(void)

#define HOLDS(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			sim_violation("%s:%d: %s", __FILE__, __LINE__, #condition);                \
	} while (0)

enum { RW = PROT_READ | PROT_WRITE };

/* The first page of the tests' memory: 1 GiB, so that tables of every level begin with it. */
#define BASE (1 * GIB)
#define PAGE(n) (BASE + (n) * PAGE_SIZE)

/* What seeds_pass() runs: a world around the test. */
void unit_world(uint64_t seed, const void *test);

/* A space with `pages` of private anonymous memory from BASE on, readable and writable; 0: none. */
struct space *unit_space(uint64_t pages);
struct space *unit_fork(struct space *parent, enum fork_share share);
void unit_exit(struct space *space);    /* its only user ends; no CPU keeps it */

void unit_map(struct space *space, virt_t addr, uint64_t pages, uint32_t prot);
void unit_map_object(struct space *space, virt_t addr, uint64_t pages, struct object *object,
		     uint32_t type);

/* Run the program's access on CPU 0 (or `cpu`): how many page faults it took, or the fault's
 * error. */
int unit_access(struct space *space, virt_t addr, enum access access);
int unit_access_on(unsigned cpu, struct space *space, virt_t addr, enum access access);

/* Store and load a word; both must be allowed. */
void unit_put(struct space *space, virt_t addr, uint64_t value);
uint64_t unit_get(struct space *space, virt_t addr);

/* The leaf as the hardware sees it, and the frame it names. */
pte_t unit_leaf(struct space *space, virt_t addr);
pfn_t unit_frame(struct space *space, virt_t addr);

/* Work done for the space, or for all together, so far. */
uint64_t unit_work(const struct space *space, enum work kind);
uint64_t unit_work_of_all(enum work kind);
