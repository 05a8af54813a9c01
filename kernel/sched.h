/* SPDX-License-Identifier: MIT */
/*
 * kernel/sched.h - run queues, choosing the next task.
 *
 * Each CPU has its queue and its idle task.  Round robin with a slice of SLICE_NS; a task that
 * sleeps keeps what is left of its slice, and when it wakes goes ahead of those who wait for a new
 * one, to the CPU where it ran last, or to an idle one; a CPU about to idle takes from the longest
 * queue that has a task for it.  Without a second runnable task no
 * slice is timed; a CPU in a program still looks at the clock each CLOCK_LOOK_NS.
 *
 * To sleep: set the state, check the condition, schedule().  Use kernel/wait.h, which does it
 * right.
 */
#pragma once

#include "lib/atomic.h"
#include "kernel/task.h"
#include "arch/x86_64/cpu.h"

#define SLICE_NS 4000000ull

/* Before any task exists: make what runs now the boot CPU's idle task.  It may wake tasks, but not
 * sleep.  When boot is done it calls sched_idle(). */
void sched_start(void);
NORETURN void sched_idle(void);

/* A further CPU: `idle` is the task on whose stack it will begin; that calls sched_idle(), with
 * interrupts off. */
struct task *sched_create_idle(struct cpu *cpu);

/* Make it runnable if it sleeps in one of the states of `mask` (bits 1 << enum task_state).
 * True if it was woken.  Any context. */
bool task_wake_from(struct task *task, unsigned mask);
bool task_wake_irqs_off(struct task *task, unsigned mask);      /* if interrupts are off already */

/* A new one, too. */
static inline void task_wake(struct task *task)
{
	(void)task_wake_from(task, 1u << TASK_SLEEPING | 1u << TASK_INTERRUPTIBLE);
}

/* For a signal. */
static inline void task_wake_interruptible(struct task *task)
{
	(void)task_wake_from(task, 1u << TASK_INTERRUPTIBLE);
}

/* Set the running task's state before a sleep; the barrier makes the check after it safe. */
static inline void task_prepare_sleep(enum task_state state)
{
	(void)atomic_xchg(&current->state, state);
}

/* Let another task run.  Returns when this one is chosen again.  Interrupts and preemption on. */
void schedule(void);

/* On the way back from an interrupt or fault to the kernel, interrupts off: switch if that was
 * asked for and preemption is on.  Returns with interrupts off. */
void schedule_preempt(void);

/* VECTOR_RESCHEDULE: another CPU has work for this one, or wants its task to look at task.work. */
void sched_interrupt(void);

/* The tick that clock_arm() asked for: if its slice is over, the running task gives up this CPU on
 * the way out of the interrupt. */
void sched_tick(uint64_t now_ns);

/* Give up the CPU to others that are runnable, staying runnable: sched_yield(2). */
void task_yield(void);

/* A good place to let others run during long work in the kernel. */
void reschedule_point(void);

/* The running task ends here, no lock held; its stack goes to upcall_task_dead(). */
NORETURN void task_exit(void);

/* Wait until `task`, which is on its way out, is off its CPU. */
void task_wait_off_cpu(struct task *task);

/* Switch the running task to another space's context (exec, exit).  NULL: the kernel's root. */
void task_set_context(struct mmu_context *context);

/* Where a task may run, as a mask that has an online CPU in it; it moves if it must. */
void task_set_allowed_cpus(struct task *task, uint64_t cpu_mask);

/* How long it ran until now. */
uint64_t task_run_time_ns(const struct task *task);

/* The timer found the running task in its program or not: so, says the account of its time, it was
 * since the last look.  False: nobody accounts for this task.  Interrupts off. */
bool sched_sample(bool is_in_program);

void task_add_work(struct task *task, uint32_t bits);   /* and kick its CPU if it runs elsewhere */
static inline void task_remove_work(struct task *task, uint32_t bits)
{
	atomic_and(&task->work, ~bits);
}

static inline bool task_has_signal_work(const struct task *task)
{
	return atomic_load_relaxed(&task->work) & WORK_SIGNAL;
}

/* Totals since boot; `runnable` is how many run or could run now. */
struct sched_totals { uint64_t switches, tasks_created, idle_ns; uint32_t runnable; };
void sched_totals_get(struct sched_totals *out);
uint64_t sched_idle_ns(uint32_t cpu);
