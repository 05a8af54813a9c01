/* SPDX-License-Identifier: MIT */
/*
 * kernel/hooks.h - the handles by which test builds shake the kernel.
 *
 * FAULT_POINT(what) is true when this allocation or user copy shall fail.  jitter() may pause, so
 * that a seed chooses the interleaving under -icount.  Both compile to nothing unless COWBELL_HOOKS
 * is defined (make HOOKS=1).
 *
 * A site is a place that asks: the call of kmalloc(), not the fault point in it.  The functions
 * that ask in others' name stand together in the image (linker.ld), so the first return address
 * outside of them says who asked; tests/harness/sites.py finds the same places in the image, also
 * those that nobody came to.  What the kernel's own tests ask for never fails.
 */
#pragma once

#include "lib/types.h"

struct fault_site {
	virt_t caller;                  /* atomic: behind the call; 0: nobody yet */
	const char *what;               /* it asked for last */
	uint32_t hits;                  /* atomic: how often it asked */
	uint32_t failures;              /* atomic: how often it got nothing because of us */
	uint64_t first;                 /* atomic: its first turn in the plan; 0: none */
};

/* What shall fail in a tree of tasks.  They share one count, so that of the whole run of a program
 * exactly the n-th request fails, whoever of its processes and threads makes it. */
struct fault_plan {
	virt_t caller;                  /* the site that is meant; 0: all */
	uint64_t fails_at[2];           /* of its requests; 0: none */
	uint64_t asked;                 /* atomic: requests so far */
	uint64_t failed;                /* atomic: of them */
	virt_t failed_at[2];            /* by whom they were made */
};

#ifdef COWBELL_HOOKS
bool fault_point_fails(const char *what);
void jitter(void);
#define FAULT_POINT(what_) fault_point_fails(what_)
#else
#define FAULT_POINT(what_) false
static inline void jitter(void)
{
}
#endif

/* Make the n-th next fault point passed by the running task fail; 0: never.  For tests; without
 * COWBELL_HOOKS it does nothing, like all below. */
void fault_points_arm(uint64_t nth);

/* Begin a new plan, of which `caller` and `fails_at` are used: it counts what the running task asks
 * for from now on, and all tasks that it and they create. */
void fault_plan_begin(const struct fault_plan *wanted);
struct fault_plan fault_plan_get(void);

/* What a task made by the running one begins with in task.fault_point_at. */
uint64_t fault_points_inherited(void);

/* The table of sites, by index: in vacant places the caller is 0.  False: beyond its end. */
bool fault_site_get(unsigned index, struct fault_site *site);
