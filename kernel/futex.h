/* SPDX-License-Identifier: MIT */
/*
 * kernel/futex.h - wait and wake on a user word.
 *
 * A word is named by (space, address), or by (object, offset) when its range is shared: never by its frame,
 * which copy-on-write may replace.
 */
#pragma once

#include "kernel/process.h"

long futex_wait(virt_t addr, uint32_t value, uint32_t bitset, bool is_shared, uint64_t deadline_ns);
long futex_wake(virt_t addr, uint32_t count, uint32_t bitset, bool is_shared);
long futex_requeue(virt_t from, virt_t to, uint32_t wake, uint32_t move, const uint32_t *expected,
		   bool is_shared);
void futex_exit_robust(struct thread *thread);          /* robust list of a dying thread */
