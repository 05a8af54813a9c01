/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/fiber.h - stacks to change to and from.
 *
 * A fiber has a stack of its own and runs until it leaves; then whoever entered it, on the
 * program's real stack, goes on.  The sanitizers are told of each change.
 */
#pragma once

#include "lib/types.h"

struct fiber {
	void *stack_pointer;            /* while it does not run */
	uint8_t *stack;
	void *sanitizer;
};

/* A fresh one that starts in `begin`, which calls fiber_begun() first and never returns.  The
 * stack of an earlier one in the same place is used again. */
void fiber_make(struct fiber *fiber, void (*begin)(void));
void fiber_begun(void);

void fiber_enter(struct fiber *fiber);          /* from the real stack */
void fiber_leave(struct fiber *fiber);          /* the running one */
