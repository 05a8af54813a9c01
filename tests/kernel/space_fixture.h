/* SPDX-License-Identifier: MIT */
/*
 * tests/kernel/space_fixture.h - spaces to try things on.
 *
 * No program runs in them: faults are raised by fault_resolve() and bytes move through
 * mm/uaccess.h, so each step of copy-on-write can be looked at from outside.
 */
#pragma once

#include "kernel/ktest.h"
#include "kernel/panic.h"
#include "mm/cursor.h"
#include "mm/fault.h"
#include "mm/mmap.h"
#include "mm/uaccess.h"

enum { TEST_BASE = 0x20000000 };        /* 2 MiB aligned: starts a table */

/* A space with `pages` pages of private anonymous memory at TEST_BASE. */
static inline struct space *test_space(uint64_t pages)
{
	struct space *space = OBTAIN(space_create());
	space->is_exact = true;         /* the work is counted */
	space_layout(space, 0, 0);
	struct map_request request = {
		.addr = TEST_BASE, .len = pages * PAGE_SIZE, .prot = PROT_READ | PROT_WRITE,
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
	};
	virt_t addr;
	EXPECT_EQ(space_map(space, &request, &addr), 0);
	return space;
}

static inline struct space *test_fork(struct space *parent)
{
	struct space *child = NULL;
	EXPECT_EQ(space_fork(parent, &child), 0);
	assert(child);
	return child;
}

static inline virt_t test_page(uint64_t index)
{
	return TEST_BASE + index * PAGE_SIZE;
}

static inline void test_poke(struct space *space, virt_t at, uint8_t value)
{
	EXPECT_EQ(space_write(space, at, &value, 1), 0);
}

static inline uint8_t test_peek(struct space *space, virt_t at)
{
	uint8_t value = 0xee;
	EXPECT_EQ(space_read(space, at, &value, 1), 0);
	return value;
}

static inline pte_t test_leaf(struct space *space, virt_t at)
{
	write_lock(&space->lock);
	pte_t leaf = cursor_peek(space, at);
	write_unlock(&space->lock);
	return leaf;
}

static inline pfn_t test_frame(struct space *space, virt_t at)
{
	return pte_pfn(test_leaf(space, at));
}

/* How much of one kind of work a space has done. */
static inline uint64_t test_work(const struct space *space, enum work kind)
{
	return space->work.of[kind];
}
