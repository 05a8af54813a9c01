/* SPDX-License-Identifier: MIT */
/*
 * kernel/process.h - processes, their threads, groups and sessions.
 *
 * A process is what getpid names: threads that share signals' actions, limits and a parent.  A
 * thread adds to a task what signals, futexes and waiting need.  Families and groups are under one
 * lock, process_tree_lock (RANK_PROCESS_TREE); what belongs to signals is under actions->lock,
 * taken inside it.
 *
 *   process_create    process_enlist    thread_leave, last thread    process_reap
 *        UNBORN -----------> ALIVE -----------------> ZOMBIE -----------------> REAPED
 *                                                              freed with the last reference
 */
#pragma once

#include "lib/abi/sched.h"
#include "lib/abi/signal.h"
#include "lib/abi/types.h"
#include "lib/list.h"
#include "kernel/credentials.h"
#include "kernel/sched.h"
#include "kernel/spinlock.h"
#include "kernel/wait.h"
#include "kernel/pid.h"

struct fdtable;
struct fs_context;
struct space;
struct path;
struct tty;

enum { RLIMITS = 16 };

/* One queued signal with its information. */
struct signal_entry {
	struct list_node node;
	struct abi_siginfo info;
	uint32_t user;                  /* whose limit it counts against */
};

struct signal_queue {
	uint64_t pending;               /* bit n-1: signal n */
	struct list entries;
};

/* What programs said in sigaction(2), copy-on-write: fork counts one more holder, and who has other
 * holders beside it copies the table before it writes. */
struct signal_table {
	uint32_t refs;                  /* atomic */
	struct abi_sigaction of[NSIG];  /* by signal - 1 */
};

/* Signal actions, shared by clone(CLONE_SIGHAND).  Of the masks, bit n-1 is signal n's. */
struct signal_actions {
	uint32_t refs;                  /* atomic */
	struct spinlock lock;           /* RANK_SIGNAL: also for its threads' queues and masks */
	uint64_t given;                 /* [lock] has an entry in the table */
	uint64_t caught;                /* [lock] has a handler, the entry's */
	uint64_t ignored;               /* [lock] SIG_IGN, whatever the entry says; else SIG_DFL */
	struct signal_table *table;     /* [lock] counted; NULL while nothing is given */
};

/* What happens for a signal; the lock is held.  SIG_DFL, SIG_IGN or an address. */
static inline uint64_t signal_handler(const struct signal_actions *actions, int signal)
{
	uint64_t bit = 1ull << (signal - 1);

	if (actions->caught & bit)
		return actions->table->of[signal - 1].handler;
	return actions->ignored & bit ? SIG_IGN : SIG_DFL;
}

/* A process that one of its parent's threads is making, and what many are sent meanwhile of whom
 * its parent is one: it would be one of them. */
struct birth {
	struct list_node node;          /* [parent's signals lock] in its births */
	uint64_t signals;               /* [parent's signals lock] to be pending from the start */
};

struct thread {
	uint32_t refs;                  /* atomic: its place in the process; its task */
	struct task *task;
	struct process *process;        /* counted */
	struct list_node node;          /* [tree] in process->threads */
	int32_t tid;                    /* [tree] */
	bool has_exited;                /* [tree] */
	bool is_borrowing;              /* [own] its parent sleeps in vfork until exec or exit */
	bool must_die;                  /* [signals lock] ends before it returns to its program */
	bool is_stopped;                /* [signals lock] */
	uint64_t blocked;               /* [own; others read under signals lock] */
	uint64_t awaited;               /* [signals lock] for these it sleeps in rt_sigtimedwait */
	uint64_t saved_blocked;         /* [own] to restore after rt_sigsuspend, ppoll... */
	bool has_saved_blocked;
	struct signal_queue queue;      /* [signals lock] directed at this thread */
	struct abi_stack alternate_stack;
	uint64_t trap_vector, trap_error, trap_addr;    /* [own] the last fault, for frames */
	virt_t clear_child_tid;         /* set_tid_address; 0: none */
	virt_t robust_list;
	uint64_t restart_deadline_ns;   /* restart_syscall */
	int (*restart)(struct thread *thread);
	uint64_t restart_arguments[4];
	struct fs_context *fs;          /* counted */
	uint64_t user_ns_told;          /* atomic: what was said last of the time in the program */
	void (*begin)(void *argument);  /* [own] first act, in the kernel, instead of a program's */
	void *begin_argument;
};

/* Unborn: a fork that has not succeeded yet; who has its descriptor sees it. */
enum process_state { PROCESS_UNBORN, PROCESS_ALIVE, PROCESS_ZOMBIE, PROCESS_REAPED };

/* What somebody consumed. */
struct process_times {
	uint64_t user_ns, kernel_ns;
	uint64_t min_faults;
	int64_t resident_peak;          /* pages */
	uint64_t switches_voluntary, switches_forced;
};

struct process {
	uint32_t refs;                  /* atomic: the tree until reaped, threads, /proc files */
	int32_t pid;
	enum process_state state;       /* [tree] */
	struct process *parent;         /* [tree] */
	uint64_t parent_program;        /* [tree] which of its programs was ours */
	int32_t parent_pid;             /* [tree; others may look] its number, 0: none */
	struct list children;           /* [tree] by sibling; zombies first */
	struct list_node sibling;
	struct list threads;            /* [tree] that have not exited */
	uint32_t thread_count;          /* [tree] length of threads */
	uint32_t live;                  /* atomic: threads that have not begun to exit */
	struct thread *leader;          /* [tree] the thread called pid; NULL once reaped */
	int32_t group, session;         /* [tree] process group and session ids */
	struct list_node all;           /* [tree] every process */
	struct tty *tty;                /* [tree] controlling terminal */

	struct signal_actions *actions; /* counted; changes in exec, under the tree lock */
	struct signal_queue queue;      /* [signals lock] directed at the process */
	struct list births;             /* [signals lock] struct birth */
	int32_t exit_signal;            /* sent to the parent; 0: none */
	int32_t exit_status;            /* [tree] wait status, once a zombie */
	bool is_exiting;                /* [signals lock] exit_group, fatal signal, or none live */
	int32_t group_exit_status;      /* [signals lock] its wait status then */
	bool is_protected;              /* [signals lock] init: does not die or stop by default */
	int32_t stop_signal;            /* [signals lock] stopped by; 0: running */
	bool is_stop_wanted;            /* [signals lock] a stop was taken; SIGCONT undoes it */
	uint32_t stopped_threads;       /* [signals lock] */
	bool stop_reported, continued;  /* [tree] for wait */
	struct wait_queue child_wait;   /* for children, in exec for threads; of who waits for us
					 * in vfork or by a descriptor */
	bool has_execed;                /* setpgid: -EACCES after exec */
	uint64_t program;               /* [tree] how many it has begun, from 1 */

	struct path *executable;        /* [tree] /proc/self/exe, see executable_get; NULL: none */
	int32_t parent_death_signal;    /* [tree] 0: none */
	bool is_dumpable, no_new_privs; /* [tree; own threads may look] */
	uint64_t oom_victim_ns;         /* [tree] chosen to die for lack of memory; 0: not */
	uint64_t start_ns;
	struct process_times past;      /* [tree] of dead threads and of spaces left */
	struct process_times past_children;     /* [tree] waited for, and theirs */
	uint64_t alarm_deadline_ns, alarm_interval_ns;  /* [tree] 0: none, once */
	bool has_rung;                  /* [tree] its SIGALRM is to be taken before the next one */
	int oom_score_adj;              /* [tree] -1000 to 1000, see kernel/oom.h */
	int oom_score_adj_least;        /* [tree] as the superuser set it last */

	/* What a child has from its parent; undefined in a new one. */
	char name[TASK_NAME_MAX];       /* comm of the leader */
	struct abi_rlimit limits[RLIMITS];
	struct credentials credentials; /* [own to read; tree to change] */
};

extern struct spinlock process_tree_lock;
extern struct process *init_process;

static inline struct process *current_process(void) { return current->process; }
static inline struct thread *current_thread(void)   { return current->thread; }

/* Sleep until the condition holds or this thread must die; signals that do not kill it wait. */
#define wait_event_unless_dying(queue, condition) \
	((void)wait_loop_(queue, (condition) || READ_ONCE(current_thread()->must_die), \
			  TASK_INTERRUPTIBLE, WAIT_FOREVER, false))

/* The signals lock of a process other than the running one: the tree lock is held. */
static inline struct spinlock *process_signals(const struct process *process)
{
	return &process->actions->lock;
}

/* Once at boot, after slabs. */
void processes_start(void);

/* One reference; no pid, no actions, no name, limits and credentials yet; NULL: no memory. */
struct process *process_create(void);
void process_get(struct process *process);
void process_put(struct process *process);      /* never sleeps */
/* Alive or zombie, by any of its threads' numbers, counted; NULL. */
struct process *process_find(int32_t pid);

/* As calls name one: by any thread's number, 0 for the running one.  Tree lock held.  NULL:
 * none. */
struct process *process_named(int32_t pid) REQUIRES(process_tree_lock);

/* The memory of a task and of the thread it may be: one block, so that a fork allocates once.  The
 * task is zeroed, without a stack; NULL: no memory. */
struct task *task_block_alloc(void);
void task_block_free(struct task *task);

/* Make a task that has never run a thread of a process: one reference (its place), and the task's.
 * Its area for extended registers (task->fpu) is undefined. */
struct thread *thread_create(struct task *task, struct process *process);
void thread_get(struct thread *thread);
void thread_put(struct thread *thread);         /* the last one frees the task too; never sleeps */
void thread_destroy(struct thread *thread);     /* one that never ran, with its task */

/* A new process takes its place: the lists, a parent, a group and a session.  Tree lock held. */
void process_enlist(struct process *process, struct process *parent) REQUIRES(process_tree_lock);
void process_set_group(struct process *process, int32_t group) REQUIRES(process_tree_lock);
void process_set_session(struct process *process, int32_t session) REQUIRES(process_tree_lock);
/* A zombie leaves all lists; its numbers are free.  Tree lock held.  What is left of it, for
 * reaped_put(): better without the lock. */
MUST_CHECK struct thread *process_reap(struct process *process) REQUIRES(process_tree_lock);
void reaped_put(struct thread *leader);

/* Every process that is not reaped.  Tree lock held: `visit` must not sleep. */
void process_for_each(void (*visit)(struct process *process, void *argument), void *argument)
	REQUIRES(process_tree_lock);
uint32_t processes_count(void);

/* The process behind `after` in the order of their birth, counted; NULL: the first, and at the end.
 * `after` is given back.  Also ends when `after` has been reaped meanwhile. */
struct process *process_next(struct process *after);

/*
 * Is the running process privileged (euid 0)?  May it, the tree lock held,
 *   signal     send this signal to that one;
 *   inspect    take that one's descriptors: its real ids must be all of the other's;
 *   look       the same by the ids for files: /proc/PID;
 *   limit      see and change what that one may consume;
 *   schedule   say where and when that one runs?
 */
bool process_is_privileged(void);
bool process_may_signal(const struct process *target, int signal) REQUIRES(process_tree_lock);
bool process_may_inspect(const struct process *target) REQUIRES(process_tree_lock);
bool process_may_look(const struct process *target) REQUIRES(process_tree_lock);
bool process_may_limit(const struct process *target) REQUIRES(process_tree_lock);
bool process_may_schedule(const struct process *target) REQUIRES(process_tree_lock);

/* The running process takes other ids, at once for all who look.  With them goes what an older self
 * had allowed others: to be looked into, to be told of its parent's death. */
void process_set_credentials(const struct credentials *ids) REQUIRES(process_tree_lock);

/* All by default, or a copy; NULL: no memory. */
struct signal_actions *signal_actions_create(void);
struct signal_actions *signal_actions_copy(struct signal_actions *from);
void signal_actions_put(struct signal_actions *actions);

/* Have a table that nobody else holds; actions->lock is held.  -ENOMEM. */
MUST_CHECK int signal_table_own(struct signal_actions *actions);
void signal_table_put(struct signal_table *table);      /* NULL is fine */

/* What a process consumed until now, its dead and living threads together.  Tree lock held. */
void process_times(const struct process *process, struct process_times *times)
	REQUIRES(process_tree_lock);
void thread_times(struct thread *thread, struct process_times *times);
/* Both together: a sum; of peaks the higher one. */
void times_add(struct process_times *times, const struct process_times *more);

/* The program's file.  make counts *path; NULL: no memory.  get counts one more (NULL is fine). */
struct path *executable_make(const struct path *path);
struct path *executable_get(struct path *executable);
void executable_put(struct path *executable);   /* NULL is fine; may sleep */
