/* SPDX-License-Identifier: MIT */
/*
 * kernel/spinlock.h - spinlocks, and the order of all locks.
 *
 * The enum is the lock order: take only locks of a greater rank than those you hold.  Every lock,
 * spinning or sleeping, gets its rank at birth, and debug builds check it on every acquire.
 *
 * spin_lock() turns preemption off but leaves interrupts on, so that whoever spins still answers
 * shootdowns (rule 10 of docs/COW.md).  Locks that interrupt handlers take use the _irq forms.
 */
#pragma once

#include "lib/atomic.h"
#include "lib/types.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "kernel/hooks.h"
#include "kernel/panic.h"
#include "kernel/tail.h"

enum lock_rank {
	RANK_FILE = 1,          /* sleeping: an open file's position */
	RANK_SNAPSHOT,          /* sleeping: the text of an open file in /proc or /sys */
	RANK_TRACE,             /* sleeping: reading or choosing what is traced */
	RANK_MOUNT,             /* sleeping: the table of mounts */
	RANK_DIRECTORY,         /* sleeping: all names of one file system; an overlay's first */
	RANK_INODE,             /* sleeping: one file's contents; an overlay's first */
	RANK_PIPE,              /* sleeping: one pipe */
	RANK_TTY_OUTPUT,        /* sleeping: one write to a terminal */
	RANK_HOLD,              /* sleeping: changing many pages of one object */
	RANK_SPACE,             /* sleeping: ranges and root of one address space */
	RANK_OBJECT,            /* sleeping: the pages of one object */
	RANK_HUGETLB_SIZE,      /* sleeping: one change of a pool's size */
	RANK_OBJECTS,           /* the list of all objects */
	RANK_SEGMENTS,          /* the table of System V segments */
	RANK_SPACES,            /* the list of all spaces */
	RANK_OVERLAY,           /* which merged file stands for a real one */
	RANK_DENTRY,            /* names in use, and where file systems are mounted */
	RANK_RECORD,            /* locks on ranges of files */
	RANK_PROCESS_TREE,      /* families, groups, sessions: fork, exit, wait, setpgid */
	RANK_FDTABLE,           /* one descriptor table */
	RANK_CONTEXT,           /* where one process is: root, working directory, umask */
	RANK_PID,               /* numbers of processes and threads */
	RANK_SIGNAL,            /* signal state of one process; the name of the machine */
	RANK_FUTEX,             /* one bucket of sleepers; two of them by address */
	RANK_TTY,               /* a terminal's buffers */
	RANK_TABLE,             /* the entries of one table */
	RANK_HUGETLB,           /* one pool of huge pages */
	RANK_KSTACK,            /* free kernel stacks */
	RANK_SLAB,              /* one cache of small objects */
	RANK_FRAME,             /* free lists of frames */
	RANK_WAIT,              /* one queue of sleepers */
	RANK_TIMER,             /* one CPU's deadlines */
	RANK_RUN_QUEUE,         /* one CPU's runnable tasks, two by CPU number; all tasks */
	RANK_ENTROPY,           /* the random generator */
	RANK_EVENT,             /* the histograms of traced events */
	RANK_LOG,               /* the log ring */
	RANK_CONSOLE,           /* last: anyone may print */
	RANK_COUNT
};

/* Contracts.  clang -Wthread-safety checks them (make lint); gcc ignores them. */
#if defined(__clang__)
#define ANNOTATE(x) __attribute__((x))
#else
#define ANNOTATE(x)
#endif
#define CAPABILITY(name)       ANNOTATE(capability(name))
#define REQUIRES(...)          ANNOTATE(requires_capability(__VA_ARGS__))
#define REQUIRES_SHARED(...)   ANNOTATE(requires_shared_capability(__VA_ARGS__))
#define ACQUIRES(...)          ANNOTATE(acquire_capability(__VA_ARGS__))
#define ACQUIRES_SHARED(...)   ANNOTATE(acquire_shared_capability(__VA_ARGS__))
#define TRY_ACQUIRES(...)      ANNOTATE(try_acquire_capability(__VA_ARGS__))
#define RELEASES(...)          ANNOTATE(release_capability(__VA_ARGS__))
#define RELEASES_SHARED(...)   ANNOTATE(release_shared_capability(__VA_ARGS__))
#define NO_LOCK_ANALYSIS       ANNOTATE(no_thread_safety_analysis)

struct CAPABILITY("spinlock") spinlock {
	uint8_t held;
	uint8_t rank;                   /* who must wait counts it there */
};

#define SPINLOCK_INIT(rank_) { .held = 0, .rank = (rank_) }

void spin_init(struct spinlock *lock, enum lock_rank rank);

/* Interrupts stay as they are; preemption is off until spin_unlock.  Never taken by interrupt
 * handlers. */
static inline void spin_lock(struct spinlock *lock) ACQUIRES(*lock);
static inline bool spin_try_lock(struct spinlock *lock) TRY_ACQUIRES(true, *lock);
static inline void spin_unlock(struct spinlock *lock) RELEASES(*lock);

/* For locks that interrupt handlers take too.  Returns the interrupt state to give back.  With
 * interrupts off there is no preemption either. */
MUST_CHECK static inline uint64_t spin_lock_irq(struct spinlock *lock) ACQUIRES(*lock);
static inline void spin_unlock_irq(struct spinlock *lock, uint64_t flags) RELEASES(*lock);

/* The same where interrupts are known to be off already. */
static inline void spin_lock_irqs_off(struct spinlock *lock) ACQUIRES(*lock);
static inline void spin_unlock_irqs_off(struct spinlock *lock) RELEASES(*lock);

static inline bool spin_is_held(const struct spinlock *lock);

/* A one-byte lock for places where there are very many: the tables' metadata. */
static inline void spin_lock_byte(uint8_t *lock);
static inline void spin_unlock_byte(uint8_t *lock);

/* Preemption.  Counted; enabling reschedules if that was asked for meanwhile and interrupts are
 * on. */
static inline void preempt_disable(void);
static inline void preempt_enable(void);

/* Debug builds: note and check an acquire of a sleeping lock too.  `enter` comes before the wait,
 * so that a wrong order is found also when nobody is in the way; `note` does not check: for locks
 * that were only tried. */
void lock_rank_enter(const void *lock, enum lock_rank rank);
void lock_rank_note(const void *lock, enum lock_rank rank);
void lock_rank_leave(const void *lock);

/* Assert that this task may sleep here: no spinlock held, not in an interrupt.  The second only in
 * debug builds, for places that hardly ever sleep and are passed often. */
void assert_may_sleep(void);
void assert_no_locks(void);             /* sleeping ones neither; debug builds */
#ifdef COWBELL_DEBUG
#define DEBUG_MAY_SLEEP() assert_may_sleep()
#define DEBUG_NO_LOCKS()  assert_no_locks()
#else
#define DEBUG_MAY_SLEEP() ((void)0)
#define DEBUG_NO_LOCKS()  ((void)0)
#endif

/* What waiting for the spinlocks of one rank has cost since boot, on all CPUs: how often somebody
 * had to wait, how often they looked, and for how many ticks of the cycle counter; interrupts
 * served meanwhile are in it.  A lock that is free when it is taken counts nothing, and costs
 * nothing. */
struct lock_stat {
	uint64_t waits, looks, ticks;
};

void lock_stat_get(enum lock_rank rank, struct lock_stat *out);
const char *lock_rank_name(enum lock_rank rank);

/* The slow halves of the functions below. */
void spin_wait(uint8_t *held, enum lock_rank rank);
void preempt_reschedule(void);          /* if preemption and interrupts are on; in sched.c */

#ifdef COWBELL_DEBUG
#define DEBUG_LOCK_ENTER(lock, rank) lock_rank_enter(lock, rank)
#define DEBUG_LOCK_NOTE(lock, rank)  lock_rank_note(lock, rank)
#define DEBUG_LOCK_LEAVE(lock)       lock_rank_leave(lock)
#else
#define DEBUG_LOCK_ENTER(lock, rank) ((void)0)
#define DEBUG_LOCK_NOTE(lock, rank)  ((void)0)
#define DEBUG_LOCK_LEAVE(lock)       ((void)0)
#endif

static inline void preempt_disable(void)
{
	__asm__ volatile("incl %%gs:%c0" : : "i"(offsetof(struct cpu, preempt_depth)) : "memory");
	if (TAIL_IS_MEASURED && this_cpu()->preempt_depth == 1)
		tail_begin(TAIL_PREEMPTION_OFF);
}

/* Has this CPU been asked to choose again? */
static inline bool preempt_is_wanted(void)
{
	bool is_wanted;
	__asm__ volatile("cmpb $0, %%gs:%c1" : "=@ccne"(is_wanted)
			 : "i"(offsetof(struct cpu, need_resched)) : "memory");
	return is_wanted;
}

static inline void preempt_enable(void)
{
	if (TAIL_IS_MEASURED && this_cpu()->preempt_depth == 1)
		tail_end(TAIL_PREEMPTION_OFF);
	__asm__ volatile("decl %%gs:%c0" : : "i"(offsetof(struct cpu, preempt_depth)) : "memory");
	if (unlikely(preempt_is_wanted()))
		preempt_reschedule();
}

NO_LOCK_ANALYSIS static inline void spin_lock(struct spinlock *lock)
{
	jitter();
	preempt_disable();
	DEBUG_LOCK_ENTER(lock, lock->rank);
	if (unlikely(atomic_xchg(&lock->held, 1) != 0))
		spin_wait(&lock->held, lock->rank);
	tail_lock_taken(lock->rank);
}

NO_LOCK_ANALYSIS static inline bool spin_try_lock(struct spinlock *lock)
{
	jitter();
	preempt_disable();
	if (atomic_xchg(&lock->held, 1) != 0) {
		preempt_enable();
		return false;
	}
	DEBUG_LOCK_NOTE(lock, lock->rank);
	tail_lock_taken(lock->rank);
	return true;
}

NO_LOCK_ANALYSIS static inline void spin_unlock(struct spinlock *lock)
{
	DEBUG_LOCK_LEAVE(lock);
	tail_lock_released(lock->rank);
	atomic_store_release(&lock->held, 0);
	preempt_enable();
	jitter();
}

NO_LOCK_ANALYSIS static inline void spin_lock_irqs_off(struct spinlock *lock)
{
	DEBUG_LOCK_ENTER(lock, lock->rank);
	if (unlikely(atomic_xchg(&lock->held, 1) != 0))
		spin_wait(&lock->held, lock->rank);
	tail_lock_taken(lock->rank);
}

NO_LOCK_ANALYSIS static inline void spin_unlock_irqs_off(struct spinlock *lock)
{
	DEBUG_LOCK_LEAVE(lock);
	tail_lock_released(lock->rank);
	atomic_store_release(&lock->held, 0);
}

NO_LOCK_ANALYSIS static inline uint64_t spin_lock_irq(struct spinlock *lock)
{
	jitter();
	uint64_t flags = irq_save();
	spin_lock_irqs_off(lock);
	return flags;
}

NO_LOCK_ANALYSIS static inline void spin_unlock_irq(struct spinlock *lock, uint64_t flags)
{
	spin_unlock_irqs_off(lock);
	if (!(flags & RFLAGS_INTERRUPTS))
		return;
	sti();
	if (unlikely(preempt_is_wanted()))
		preempt_reschedule();
	jitter();
}

static inline bool spin_is_held(const struct spinlock *lock)
{
	return atomic_load_relaxed(&lock->held) != 0;
}

static inline void spin_lock_byte(uint8_t *lock)
{
	jitter();
	preempt_disable();
	DEBUG_LOCK_ENTER(lock, RANK_TABLE);
	if (unlikely(atomic_xchg(lock, 1) != 0))
		spin_wait(lock, RANK_TABLE);
	tail_lock_taken(RANK_TABLE);
}

static inline void spin_unlock_byte(uint8_t *lock)
{
	DEBUG_LOCK_LEAVE(lock);
	tail_lock_released(RANK_TABLE);
	atomic_store_release(lock, 0);
	preempt_enable();
	jitter();
}
