/* SPDX-License-Identifier: MIT */
/*
 * kernel/hooks.h - the handles by which test builds shake the kernel.
 *
 * FAULT_POINT(name) is true when this allocation or user copy shall fail.  jitter() may pause, so
 * that a seed chooses the interleaving under -icount.  Both compile to nothing unless COWBELL_HOOKS
 * is defined (make HOOKS=1).
 */
#pragma once

#include "lib/types.h"

struct fault_point {
	const char *name, *file;
	uint32_t line;
	uint32_t hits;                  /* atomic: how often it was passed */
	uint32_t failures;              /* atomic: how often it was made to fail */
};

#ifdef COWBELL_HOOKS
bool fault_point_fails(struct fault_point *point);
void jitter(void);
#define FAULT_POINT(name_) \
	({ \
		static struct fault_point point_ \
			__attribute__((section(".fault_points"), used, aligned(8))) = \
			{ .name = name_, .file = __FILE__, .line = __LINE__ }; \
		fault_point_fails(&point_); \
	})
#else
#define FAULT_POINT(name_) false
static inline void jitter(void)
{
}
#endif

/* Make the n-th next fault point passed by the running task fail; 0: never.  For tests; without
 * COWBELL_HOOKS it does nothing. */
void fault_points_arm(uint64_t nth);
