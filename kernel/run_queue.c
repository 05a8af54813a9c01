/* SPDX-License-Identifier: MIT */
/*
 * kernel/run_queue.c - taking a task from another CPU's queue.
 *
 * Invariants:  only who has nobody waiting takes one, so whom others queued there is never kept
 *              waiting for it: they asked no other CPU to have that task.
 * Locks:       both queues', in the order of CPU numbers.
 */
#include "kernel/run_queue.h"

#include "lib/bits.h"

/* The CPU with the most waiting tasks among those of a mask, or NULL. */
static struct run_queue *queue_longest(uint64_t cpu_mask)
{
	struct run_queue *longest = NULL;
	uint32_t most = 0;

	for (uint32_t id = 0; id < cpu_count; id++) {
		uint32_t waiting = READ_ONCE(run_queues[id].waiting);
		if (!(cpu_mask & BIT(id)) || waiting <= most)
			continue;
		most = waiting;
		longest = &run_queues[id];
	}
	return longest;
}

/* The first of a list that may run on a CPU, or NULL. */
static struct task *list_first_for(const struct list *list, const struct cpu *cpu)
{
	struct task *task;

	list_for_each_entry(task, list, run_node) {
		if (task->allowed_cpus & BIT(cpu->id))
			return task;
	}
	return NULL;
}

/* Take one task that may run here from the queue of another CPU, unless one waits here by now. */
NO_LOCK_ANALYSIS static void queue_pull_from(struct cpu *cpu, struct run_queue *other)
{
	struct run_queue *mine = cpu->queue;
	struct task *task;

	spin_lock_irqs_off(mine < other ? &mine->lock : &other->lock);
	spin_lock_irqs_off(mine < other ? &other->lock : &mine->lock);
	task = list_first_for(&other->woken, cpu);
	if (!task)
		task = list_first_for(&other->in_turn, cpu);
	if (task && mine->waiting == 0) {
		list_remove(&task->run_node);
		other->waiting--;
		task->cpu = cpu->id;
		queue_add(mine, task);
	}
	spin_unlock_irqs_off(&other->lock);
	spin_unlock_irqs_off(&mine->lock);
}

void queue_pull(struct cpu *cpu)
{
	uint64_t others = ~BIT(cpu->id);
	struct run_queue *other;

	while (READ_ONCE(cpu->queue->waiting) == 0 && (other = queue_longest(others)) != NULL) {
		queue_pull_from(cpu, other);
		others &= ~BIT(other - run_queues);
	}
}
