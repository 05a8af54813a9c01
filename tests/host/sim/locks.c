/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/locks.c - locks, preemption and the end, for simulated CPUs.
 *
 * Owns: nothing.  These take the place of the plain ones in tests/host/machine.c.  Who waits for a
 * spinlock keeps its CPU and lets the others run; who waits for a sleeping lock gives its CPU up.
 */
#include <stdarg.h>
#include <stdio.h>

#include "lib/types.h"
#include "arch/x86_64/smp.h"
#include "kernel/hooks.h"
#include "kernel/mutex.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/sched.h"
#include "kernel/spinlock.h"
#include "tests/host/sim/sim.h"

/* kernel/mutex.h leaves the encoding of a state to its keeper. */
#define WRITER  0x80000000u
#define WAITING 0x40000000u

void jitter(void)
{
	sim_point();
}

/* ---- what is held, and in which order ---- */

static void lock_note(const void *lock, unsigned rank)
{
	struct sim_locks *locks = sim_locks();

	for (unsigned i = 0; i < locks->count; i++) {
		if (locks->held[i] == lock)
			sim_violation("takes a lock of rank %u twice", rank);
		if (locks->ranks[i] >= rank)
			sim_violation("takes a lock of rank %u while it holds one of rank %u", rank,
				      locks->ranks[i]);
	}
	assert(locks->count < SIM_LOCKS_MAX);
	locks->held[locks->count] = lock;
	locks->ranks[locks->count++] = rank;
}

static void lock_forget(const void *lock)
{
	struct sim_locks *locks = sim_locks();
	unsigned at = locks->count;

	while (at > 0 && locks->held[at - 1] != lock)
		at--;
	if (at == 0)
		sim_violation("releases a lock that it does not hold");
	locks->count--;
	for (; at <= locks->count; at++) {
		locks->held[at - 1] = locks->held[at];
		locks->ranks[at - 1] = locks->ranks[at];
	}
}

/* ---- preemption and spinlocks ---- */

void preempt_disable(void)
{
	this_cpu()->preempt_depth++;
}

void preempt_enable(void)
{
	assert(this_cpu()->preempt_depth > 0);
	this_cpu()->preempt_depth--;
}

static unsigned rank_of(const struct spinlock *lock)
{
#ifdef COWBELL_DEBUG
	return lock->rank;
#else
	return RANK_FRAME;
#endif
}

void spin_lock(struct spinlock *lock)
{
	sim_point();
	preempt_disable();
	lock_note(lock, rank_of(lock));
	while (lock->held)
		sim_spin();
	lock->held = 1;
}

bool spin_try_lock(struct spinlock *lock)
{
	sim_point();
	if (lock->held)
		return false;
	spin_lock(lock);
	return true;
}

void spin_unlock(struct spinlock *lock)
{
	assert(lock->held);
	lock_forget(lock);
	lock->held = 0;
	preempt_enable();
	sim_point();
}

uint64_t spin_lock_irq(struct spinlock *lock)
{
	spin_lock(lock);
	return 0;
}

void spin_unlock_irq(struct spinlock *lock, uint64_t flags)
{
	spin_unlock(lock);
}

void spin_lock_byte(uint8_t *lock)
{
	sim_point();
	preempt_disable();
	lock_note(lock, RANK_TABLE);
	while (*lock)
		sim_spin();
	*lock = 1;
}

void spin_unlock_byte(uint8_t *lock)
{
	assert(*lock == 1);
	lock_forget(lock);
	*lock = 0;
	preempt_enable();
	sim_point();
}

/* ---- sleeping locks ---- */

void mutex_lock(struct mutex *mutex)
{
	sim_point();
	assert_may_sleep();
	lock_note(mutex, mutex->rank);
	while (mutex->state)
		sim_wait(mutex);
	mutex->state = MUTEX_HELD;
	mutex->owner = (struct task *)sim_locks();      /* who, as an address */
}

void mutex_unlock(struct mutex *mutex)
{
	assert(mutex->state == MUTEX_HELD && mutex->owner == (struct task *)sim_locks());
	lock_forget(mutex);
	mutex->state = MUTEX_FREE;
	mutex->owner = NULL;
	sim_wake(mutex);
	sim_point();
}

void assert_may_sleep(void)
{
	assert(this_cpu()->preempt_depth == 0);
}

void reschedule_point(void)
{
	assert_may_sleep();
	sim_point();
}

/* Who yields has done nothing yet, and waits for others: they run, even now. */
void task_yield(void)
{
	assert_may_sleep();
	if (!sim_is_running())
		return;
	this_cpu()->need_resched = true;
	sim_spin();
}

/* The audit runs while all threads rest. */
void smp_stop_others(void)
{
}

void smp_resume_others(void)
{
}

void rwlock_init(struct rwlock *lock, enum lock_rank rank)
{
	*lock = (struct rwlock){ .rank = rank };
}

void read_lock(struct rwlock *lock)
{
	sim_point();
	assert_may_sleep();
	lock_note(lock, lock->rank);
	while (lock->state & (WRITER | WAITING))
		sim_wait(lock);
	lock->state++;
}

void read_unlock(struct rwlock *lock)
{
	assert(!(lock->state & WRITER) && (lock->state & ~WAITING) > 0);
	lock_forget(lock);
	lock->state--;
	if (!(lock->state & ~WAITING))
		sim_wake(lock);
	if (lock->rank == RANK_SPACE)
		sim_released();
	sim_point();
}

void write_lock(struct rwlock *lock)
{
	sim_point();
	assert_may_sleep();
	lock_note(lock, lock->rank);
	while (lock->state & ~WAITING) {
		lock->state |= WAITING;
		sim_wait(lock);
	}
	lock->state = WRITER;
	lock->writer = (struct task *)sim_locks();      /* who, as an address */
}

bool write_try_lock(struct rwlock *lock)
{
	if (lock->state)
		return false;
	write_lock(lock);
	return true;
}

void write_unlock(struct rwlock *lock)
{
	assert(lock->state & WRITER && lock->writer == (struct task *)sim_locks());
	lock_forget(lock);
	lock->state = 0;
	lock->writer = NULL;
	sim_wake(lock);
	if (lock->rank == RANK_SPACE)
		sim_released();
	sim_point();
}

bool rwlock_is_held(const struct rwlock *lock)
{
	return lock->state & ~WAITING;
}

bool rwlock_is_write_held(const struct rwlock *lock)
{
	return lock->state & WRITER && lock->writer == (struct task *)sim_locks();
}

/* ---- the end ---- */

/* Thousands of worlds start: the kernel's log would drown the rest. */
void log_line(enum log_level level, const char *fmt, ...)
{
}

void panic(const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	sim_violation("panic: %s", text);
}

void assert_failed(const char *text, const char *file, int line)
{
	sim_violation("%s:%d: assert(%s)", file, line, text);
}
