/* SPDX-License-Identifier: MIT */
/*
 * mm/weight.h - what would come back if a space went away.
 *
 * The resident set says little here: a hundred children that share a gigabyte have a gigabyte each,
 * and ending one of them gives back a stack.  What counts is what hangs on this space alone.
 */
#pragma once

#include "mm/space.h"

struct space_weight {
	uint64_t own;                   /* frames, tables included, that nobody else holds */
	uint64_t shared;                /* its part of MAP_SHARED memory without a name */
	uint64_t resident;              /* RSS */
};

/* Walks the tables that are the space's own; may sleep. */
void space_weigh(struct space *space, struct space_weight *weight);
