/* SPDX-License-Identifier: MIT */
/*
 * kernel/wait.h - sleep until a condition holds.
 *
 * A queue of sleepers.  The waker changes the condition, then calls wake; the sleeper says that it
 * sleeps, queues itself, then checks the condition, then sleeps: no wake-up is lost.  Queued first
 * and asleep only then, a wake-up in between would take it off the queue and leave it asleep.
 *
 *   wait_event(&pipe->readers, pipe->used > 0);
 *   int err = wait_event_interruptible(&pipe->readers, pipe->used > 0);     0 or -ERESTARTSYS
 */
#pragma once

#include "lib/abi/errno.h"
#include "kernel/sched.h"
#include "kernel/spinlock.h"

struct wait_queue {
	struct spinlock lock;           /* RANK_WAIT, taken with interrupts off */
	struct list waiters;            /* [lock] */
};

struct waiter {
	struct list_node node;          /* [queue lock] */
	struct wait_queue *queue;
	struct task *task;              /* woken when the queue is */
	/* if set, called (queue locked) instead of waking task: poll */
	void (*notify)(struct waiter *);
	bool is_exclusive;              /* wake_one stops at the first of these */
};

void wait_queue_init(struct wait_queue *queue);
static inline void waiter_init(struct waiter *waiter);  /* for the running task */
void wait_enqueue(struct wait_queue *queue, struct waiter *waiter);     /* interrupts are on */
static inline void wait_dequeue(struct waiter *waiter); /* also if it is not queued */

/* Any context. */
void wake_all(struct wait_queue *queue);
void wake_one(struct wait_queue *queue);

static inline void waiter_init(struct waiter *waiter)
{
	list_node_init(&waiter->node);
	waiter->queue = NULL;
	waiter->task = current;
	waiter->notify = NULL;
	waiter->is_exclusive = false;
}

/* Who was woken is off the queue already; once the lock is seen free, the waker is done too. */
void wait_dequeue_slow(struct waiter *waiter);
static inline void wait_dequeue(struct waiter *waiter)
{
	bool is_done = !waiter->queue ||
		       (atomic_load_acquire(&waiter->node.next) == &waiter->node &&
			atomic_load_acquire(&waiter->queue->lock.held) == 0);

	if (unlikely(!is_done))
		wait_dequeue_slow(waiter);
	waiter->queue = NULL;
}

static inline bool wait_has_signal(void)
{
	return task_has_signal_work(current);
}

/* Sleep until the deadline (CLOCK_MONOTONIC ns; WAIT_FOREVER) or a wake-up, in the state prepared.
 * False: the deadline passed. */
#define WAIT_FOREVER UINT64_MAX
bool schedule_with_timer(uint64_t deadline_ns);

static inline bool schedule_until(uint64_t deadline_ns)
{
	if (deadline_ns != WAIT_FOREVER)
		return schedule_with_timer(deadline_ns);
	schedule();
	return true;
}

#define wait_loop_(queue_, condition_, state_, deadline_, signals_) \
	({ \
		int result_ = 0; \
		struct waiter waiter_; \
		waiter_init(&waiter_); \
		while (!(condition_)) { \
			task_prepare_sleep(state_); \
			wait_enqueue((queue_), &waiter_); \
			if (condition_) \
				break; \
			if ((signals_) && wait_has_signal()) { \
				result_ = -ERESTARTSYS; \
				break; \
			} \
			if (!schedule_until(deadline_)) { \
				result_ = (condition_) ? 0 : -ETIMEDOUT; \
				break; \
			} \
		} \
		task_prepare_sleep(TASK_RUNNABLE); \
		wait_dequeue(&waiter_); \
		result_; \
	})

#define wait_event(queue, condition) \
	((void)wait_loop_(queue, condition, TASK_SLEEPING, WAIT_FOREVER, false))
#define wait_event_interruptible(queue, condition) \
	wait_loop_(queue, condition, TASK_INTERRUPTIBLE, WAIT_FOREVER, true)
/* 0, -ERESTARTSYS or -ETIMEDOUT */
#define wait_event_until(queue, condition, deadline_ns) \
	wait_loop_(queue, condition, TASK_INTERRUPTIBLE, deadline_ns, true)
