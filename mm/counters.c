/* SPDX-License-Identifier: MIT */
/*
 * mm/counters.c - exact counts of the work done.
 *
 * Owns: the system-wide counts, one set per CPU, each written by its CPU only.
 * See:  mm/counters.h for what is counted.
 */
#include "mm/counters.h"

static_assert(WORK_KINDS <= COUNT(((struct cpu *)0)->counters), "struct cpu holds every count");

const char *work_name(enum work kind)
{
	static const char *const names[WORK_KINDS] = {
#define X(name) [WORK_##name] = #name,
		WORK_LIST(X)
#undef X
	};
	return names[kind];
}

void work_totals(struct work_counts *out)
{
	for (unsigned kind = 0; kind < WORK_KINDS; kind++) {
		out->of[kind] = 0;
		for (uint32_t id = 0; id < cpu_count; id++)
			out->of[kind] += atomic_load_relaxed(&cpus[id]->counters[kind]);
	}
}
