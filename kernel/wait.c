/* SPDX-License-Identifier: MIT */
/*
 * kernel/wait.c - sleep until a condition holds.
 *
 * Owns:        queues of sleepers.  Those that a wake-up ends one by one (is_exclusive) stand
 *              behind the others, in order of arrival.
 * Invariants:  who wakes a sleeper takes it off the queue first, and both under the queue's lock;
 *              so when wait_dequeue() returns, nobody looks at the waiter or its task any more.
 *              One wake-up is never spent on a sleeper that was awake already.
 * Locks:       wait_queue.lock with interrupts off: interrupts wake too.
 */
#include "kernel/wait.h"

#include "kernel/clock.h"

void wait_queue_init(struct wait_queue *queue)
{
	spin_init(&queue->lock, RANK_WAIT);
	list_init(&queue->waiters);
}

void wait_enqueue(struct wait_queue *queue, struct waiter *waiter)
{
	assert(waiter->queue == NULL || waiter->queue == queue);

	waiter->queue = queue;
	jitter();
	cli();
	spin_lock_irqs_off(&queue->lock);
	if (!list_node_is_linked(&waiter->node)) {
		if (waiter->is_exclusive)
			list_push_back(&queue->waiters, &waiter->node);
		else
			list_push_front(&queue->waiters, &waiter->node);
	}
	spin_unlock_irqs_off(&queue->lock);
	sti();
}

void wait_dequeue_slow(struct waiter *waiter)
{
	uint64_t flags = spin_lock_irq(&waiter->queue->lock);
	list_remove(&waiter->node);
	spin_unlock_irq(&waiter->queue->lock, flags);
}

/* Queue locked.  Did this spend the wake-up? */
static bool waiter_wake(struct waiter *waiter)
{
	if (waiter->notify) {
		waiter->notify(waiter);
		return false;
	}
	list_remove(&waiter->node);
	unsigned asleep = 1u << TASK_SLEEPING | 1u << TASK_INTERRUPTIBLE;
	return task_wake_irqs_off(waiter->task, asleep) && waiter->is_exclusive;
}

void wake_all(struct wait_queue *queue)
{
	uint64_t flags = spin_lock_irq(&queue->lock);
	list_for_each_safe(node, &queue->waiters)
		waiter_wake(list_entry(node, struct waiter, node));
	spin_unlock_irq(&queue->lock, flags);
}

void wake_one(struct wait_queue *queue)
{
	uint64_t flags = spin_lock_irq(&queue->lock);
	list_for_each_safe(node, &queue->waiters) {
		if (waiter_wake(list_entry(node, struct waiter, node)))
			break;
	}
	spin_unlock_irq(&queue->lock, flags);
}

struct sleep_timer {
	struct timer timer;
	struct task *task;
};

static void sleep_timer_fire(struct timer *timer)
{
	task_wake(container_of(timer, struct sleep_timer, timer)->task);
}

bool schedule_with_timer(uint64_t deadline_ns)
{
	struct sleep_timer sleep = { .task = current };

	timer_init(&sleep.timer, sleep_timer_fire);
	timer_set(&sleep.timer, deadline_ns);
	schedule();
	timer_cancel(&sleep.timer);
	return clock_now_ns() < deadline_ns;
}
