/* SPDX-License-Identifier: MIT */
/*
 * fs/proc_task.c - /proc/PID/{auxv,cgroup,personality,wchan}: small things tools ask of a thread.
 *
 * See: proc(5).
 */
#include "fs/procfs.h"
#include "kernel/wchan.h"
#include "mm/slab.h"
#include "mm/space.h"
#include "mm/uaccess.h"

/* What the program was told when it began, as it lies on its stack now. */
int proc_show_auxv(struct text *text, const struct text_node *node)
{
	struct space *space = proc_space(node);
	size_t len;
	char *vector;

	if (!space)
		return 0;
	len = space->program.auxv_end - space->program.auxv_start;
	vector = kmalloc(len);
	if (vector && !space_read(space, space->program.auxv_start, vector, len))
		text_put(text, vector, len);
	space_put(space);
	kfree(vector);
	return vector ? 0 : -ENOMEM;
}

/* There is one group of all, and no limits for it. */
int proc_show_cgroup(struct text *text, const struct text_node *node)
{
	text_print(text, "0::/\n");
	return 0;
}

int proc_show_personality(struct text *text, const struct text_node *node)
{
	text_print(text, "00000000\n");
	return 0;
}

/* "0" for one that runs, and for who may not know. */
int proc_show_wchan(struct text *text, const struct text_node *node)
{
	const struct thread *thread;
	struct symbol function;
	bool is_asleep = false;

	spin_lock(&process_tree_lock);
	thread = process_may_look(node->process) ? proc_thread(node) : NULL;
	if (thread && !thread->has_exited && node->process->state == PROCESS_ALIVE)
		is_asleep = task_sleeps_in(thread->task, &function);
	spin_unlock(&process_tree_lock);
	text_print(text, "%s", is_asleep ? function.name : "0");
	return 0;
}
