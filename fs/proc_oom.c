/* SPDX-License-Identifier: MIT */
/*
 * fs/proc_oom.c - /proc/PID/{oom_score,oom_score_adj,oom_adj}: who goes first when memory is out.
 *
 * oom_adj is the older scale of the same number, from -17 to 15.
 * See: proc(5), kernel/oom.h.
 */

#include "fs/procfs.h"
#include "kernel/oom.h"

enum { OLD_NEVER = -17, OLD_MAX = 15 };

int proc_show_oom_score(struct text *text, const struct text_node *node)
{
	text_print(text, "%d\n", oom_score(node->process));
	return 0;
}

int proc_show_oom_score_adj(struct text *text, const struct text_node *node)
{
	text_print(text, "%d\n", READ_ONCE(node->process->oom_score_adj));
	return 0;
}

int proc_store_oom_score_adj(const struct text_node *node, char *text)
{
	int64_t value;
	int err = text_parse_number(text, OOM_ADJUST_MIN, OOM_ADJUST_MAX, &value);

	return err ? err : oom_set_adjust(node->process, (int)value);
}

int proc_show_oom_adj(struct text *text, const struct text_node *node)
{
	int adjust = READ_ONCE(node->process->oom_score_adj);
	int old = adjust == OOM_ADJUST_MAX ? (int)OLD_MAX : adjust * -OLD_NEVER / OOM_ADJUST_MAX;

	text_print(text, "%d\n", MIN(old, (int)OLD_MAX));
	return 0;
}

int proc_store_oom_adj(const struct text_node *node, char *text)
{
	int64_t value;
	int err = text_parse_number(text, OLD_NEVER, OLD_MAX, &value);

	if (err)
		return err;
	value = value == OLD_MAX ? (int64_t)OOM_ADJUST_MAX : value * OOM_ADJUST_MAX / -OLD_NEVER;
	return oom_set_adjust(node->process, (int)value);
}
