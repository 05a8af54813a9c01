/* SPDX-License-Identifier: MIT */
/*
 * kernel/sched_account.c - who ran how long, and where.
 *
 * Owns:        task.sampled_ns and kernel_ns: whether a program's time was its own or the kernel's
 *              is found out by looking now and then.
 * Locks:       a task's run queue for its time, so that it never goes back; none for totals.
 */
#include "kernel/sched.h"

#include "arch/x86_64/timer.h"
#include "kernel/run_queue.h"

/* The clock of the CPU where it was chosen may be a little ahead of ours. */
NO_LOCK_ANALYSIS uint64_t task_run_time_ns(const struct task *task)
{
	uint64_t flags = irq_save();
	struct run_queue *queue = task_lock_queue(task);
	uint64_t total = task->run_time_ns, now = cycles_now_ns();

	if (queue->running == task && now > task->run_start_ns)
		total += now - task->run_start_ns;
	spin_unlock_irqs_off(&queue->lock);
	irq_restore(flags);
	return total;
}

bool sched_sample(bool is_in_program)
{
	struct task *task = current;

	if (!task)
		return false;
	this_cpu()->queue->is_sampling = task->thread != NULL;
	if (!task->thread)
		return false;
	uint64_t total_ns = task_run_time_ns(task);
	if (!is_in_program)
		WRITE_ONCE(task->kernel_ns, task->kernel_ns + total_ns - task->sampled_ns);
	task->sampled_ns = total_ns;
	return true;
}

uint64_t sched_idle_ns(uint32_t cpu)
{
	return task_run_time_ns(cpus[cpu]->idle);
}

void sched_totals_get(struct sched_totals *out)
{
	*out = (struct sched_totals){ .tasks_created = tasks_created() };
	for (uint32_t id = 0; id < cpu_count; id++) {
		const struct run_queue *queue = cpus[id]->queue;

		out->switches += READ_ONCE(queue->switches);
		out->idle_ns += sched_idle_ns(id);
		out->runnable += READ_ONCE(queue->waiting)
			+ (READ_ONCE(queue->running) != cpus[id]->idle);
	}
}
