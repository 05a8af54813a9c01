/* SPDX-License-Identifier: MIT */
/*
 * kernel/process.h - processes, their threads, groups and sessions.
 *
 * A process is what getpid names: threads that share signals' actions, limits and a parent.  A thread adds
 * to a task what signals, futexes and waiting need.  Families and groups are under one lock,
 * process_tree_lock (RANK_PROCESS_TREE).
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
struct file;

enum { RLIMITS = 16 };

/* One queued signal with its information. */
struct signal_entry {
	struct list_node node;
	struct abi_siginfo info;
};

struct signal_queue {
	uint64_t pending;               /* bit n-1: signal n */
	struct list entries;
};

/* Signal actions, shared by clone(CLONE_SIGHAND). */
struct signal_actions {
	uint32_t refs;                  /* atomic */
	struct spinlock lock;           /* RANK_SIGNAL: also guards queues and masks of its processes' threads */
	struct abi_sigaction of[64];    /* [lock] by signal - 1 */
};

struct thread {
	struct task *task;
	struct process *process;
	struct list_node node;          /* [tree] in process->threads */
	int32_t tid;
	uint64_t blocked;               /* [own; others read under signals lock] */
	uint64_t saved_blocked;         /* [own] to restore after rt_sigsuspend, ppoll... */
	bool has_saved_blocked;
	struct signal_queue queue;      /* [signals lock] directed at this thread */
	struct abi_stack alternate_stack;
	virt_t clear_child_tid;         /* set_tid_address; 0: none */
	virt_t robust_list;
	uint64_t restart_deadline_ns;   /* restart_syscall */
	int (*restart)(struct thread *thread);
	uint64_t restart_arguments[4];
	struct fdtable *files;          /* counted */
	struct fs_context *fs;          /* counted */
	uint64_t user_ns, kernel_ns;
};

enum process_state { PROCESS_ALIVE, PROCESS_ZOMBIE, PROCESS_REAPED };

struct process {
	uint32_t refs;                  /* atomic: the pid table, threads, /proc files */
	int32_t pid;
	enum process_state state;       /* [tree] */
	struct process *parent;         /* [tree] */
	struct list children;           /* [tree] by sibling */
	struct list_node sibling;
	struct list threads;            /* [tree] */
	uint32_t thread_count;          /* [tree] */
	struct thread *leader;          /* the first thread; NULL once reaped */
	int32_t group, session;         /* [tree] process group and session ids */
	struct list_node all;           /* [tree] every process */
	struct tty *tty;                /* [tree] controlling terminal */

	struct signal_actions *actions; /* counted; signals lock = actions->lock */
	struct signal_queue queue;      /* [signals lock] directed at the process */
	int32_t exit_signal;            /* sent to the parent; 0: none */
	int32_t exit_status;            /* [tree] wait status, once a zombie */
	bool is_exiting;                /* [tree] exit_group, or a fatal signal */
	int32_t group_exit_status;
	int32_t stop_signal;            /* [signals lock] stopped by; 0: running */
	bool stop_reported, continued;  /* [tree] for wait */
	uint32_t stopped_threads;       /* [signals lock] */
	struct wait_queue child_wait;   /* parents sleep here for their children */
	bool has_execed;                /* setpgid: -EACCES after exec */

	struct credentials credentials; /* [own] */
	struct abi_rlimit limits[RLIMITS];
	char name[TASK_NAME_MAX];       /* comm */
	struct path *executable;        /* counted place of /proc/self/exe; NULL: kernel */
	int32_t parent_death_signal;
	bool is_dumpable, no_new_privs;
	uint64_t start_ns;
	uint64_t user_ns, kernel_ns, children_user_ns, children_kernel_ns;     /* [tree] of the dead */
	uint64_t min_faults, children_min_faults;
	struct wait_queue *vfork_wait;  /* parent sleeping in vfork; see kernel/fork.c */
	bool *vfork_done;               /* [tree] */
	uint64_t alarm_deadline_ns, alarm_interval_ns;
	int oom_score_adj;
};

extern struct spinlock process_tree_lock;
extern struct process *init_process;

static inline struct process *current_process(void) { return current->process; }
static inline struct thread *current_thread(void)   { return current->thread; }

struct process *process_create(void);           /* one reference, no pid yet; NULL: no memory */
void process_get(struct process *process);
void process_put(struct process *process);
struct process *process_find(int32_t pid);      /* alive or zombie, counted; NULL */
struct thread *thread_create(struct task *task);
void thread_destroy(struct thread *thread);

/* A place in its family; process_tree_lock is held. */
void process_adopt(struct process *child, struct process *parent) REQUIRES(process_tree_lock);

/* Every process, tree lock held: `visit` must not sleep. */
void process_for_each(void (*visit)(struct process *process, void *argument), void *argument);
uint32_t processes_count(void);

/* Is the running process privileged (euid 0)? May it signal that one? */
bool process_is_privileged(void);
bool process_may_signal(const struct process *target, int signal);

struct signal_actions *signal_actions_create(void);
struct signal_actions *signal_actions_copy(struct signal_actions *from);
