/* SPDX-License-Identifier: MIT */
/*
 * fs/proc_faults.c - /proc/faults: allocations and user copies that fail on purpose.
 *
 * Write "N M SITE", and of all that the writer and the processes it then makes ask for there, the
 * N-th and the M-th request fail; 0 means none, and everywhere.  Read: how many were asked for, how
 * many failed, who asked for those; then a line for each place that ever asked: address, what for,
 * how often, how often it failed, its first turn in the plan.  Only test builds (HOOKS=1) know
 * anything.
 *
 * See: kernel/hooks.h.
 */

#include "fs/procfs.h"
#include "kernel/hooks.h"
#include "lib/string.h"

static void show_site(struct text *text, const struct fault_site *site)
{
	if (site->caller)
		text_print(text, "%lx %s %u %u %lu\n", site->caller, site->what, site->hits,
			site->failures, site->first);
}

int proc_show_faults(struct text *text, const struct text_node *node)
{
	struct fault_plan plan = fault_plan_get();
	struct fault_site site;

	text_print(text, "asked %lu\nfailed %lu\nby %lx %lx\n", plan.asked, plan.failed,
		plan.failed_at[0], plan.failed_at[1]);
	for (unsigned i = 0; fault_site_get(i, &site); i++)
		show_site(text, &site);
	return 0;
}

int proc_store_faults(const struct text_node *node, char *line)
{
	struct fault_plan plan = { 0 };
	uint64_t *words[] = { &plan.fails_at[0], &plan.fails_at[1], &plan.caller };
	const char *rest = line;

	for (unsigned i = 0; i < COUNT(words); i++) {
		while (*rest == ' ')
			rest++;
		if (number_parse(rest, words[i], &rest))
			return -EINVAL;
	}
	fault_plan_begin(&plan);
	return 0;
}
