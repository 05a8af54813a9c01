/* SPDX-License-Identifier: MIT */
/*
 * kernel/run_queue.h - one CPU's waiting tasks, for the scheduler and its accounts.
 */
#pragma once

#include "lib/list.h"
#include "kernel/spinlock.h"
#include "kernel/task.h"

struct ALIGNED(64) run_queue {
	struct spinlock lock;
	uint32_t waiting;               /* [lock; others may look] how many are in the two lists */
	struct list woken;              /* [lock] slept, and have some of their slice left */
	struct list in_turn;            /* [lock] wait for a new slice, after those */
	struct task *running;           /* [lock] whom the CPU chose last */
	bool is_ticking;                /* [own] the timer is set: somebody waited */
	bool is_sampling;               /* [own] the timer is set: a program ran */
	struct task *parting;           /* [own] whom the switch under way leaves for good */
	uint64_t switches;              /* [own] */
};

extern struct run_queue run_queues[CPU_MAX];    /* by CPU number */

/* Lock the queue that decides about a task.  Interrupts off. */
NO_LOCK_ANALYSIS static inline struct run_queue *task_lock_queue(const struct task *task)
{
	for (;;) {
		uint32_t id = READ_ONCE(task->cpu);
		struct run_queue *queue = &run_queues[id];
		spin_lock_irqs_off(&queue->lock);
		if (likely(id == READ_ONCE(task->cpu)))
			return queue;
		spin_unlock_irqs_off(&queue->lock);
	}
}

/* Queued, neither running nor in a queue before.  Lock held. */
static inline void queue_add(struct run_queue *queue, struct task *task)
{
	list_push_back(task->slice_left_ns > 0 ? &queue->woken : &queue->in_turn, &task->run_node);
	queue->waiting++;
}

/* If nobody waits here, have one that may run here, from the longest queue that has one.
 * Interrupts off. */
void queue_pull(struct cpu *cpu);
