/* SPDX-License-Identifier: MIT */
/*
 * kernel/task.h - one thread of control.
 *
 * The scheduler knows a task, its stack and its registers; what the task belongs to (process,
 * space, files) are pointers that higher layers fill.
 */
#pragma once

#include "lib/list.h"
#include "lib/types.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/trap.h"

#ifdef COWBELL_SAN
enum { KSTACK_SIZE = 16384 };           /* variables lie far apart */
#else
enum { KSTACK_SIZE = 8192 };
#endif
enum { TASK_NAME_MAX = 16 };

enum task_state {
	TASK_RUNNABLE,                  /* running, or on a run queue */
	TASK_SLEEPING,                  /* woken only by what it waits for */
	TASK_INTERRUPTIBLE,             /* woken by signals too */
	TASK_STOPPED,                   /* by a stop signal; woken by SIGCONT and SIGKILL */
	TASK_DEAD,                      /* will never run again */
};

/* Bits of task.work: reasons to take the slow way back to the program. */
enum { WORK_RESCHEDULE = 1, WORK_SIGNAL = 2 };

struct task {
	/* [the task itself, or the scheduler while it does not run] */
	uint64_t stack_pointer;         /* saved kernel stack pointer */
	virt_t stack;                   /* lowest address of the kernel stack */
	void *fpu;                      /* task_stack_top(); NULL for kernel tasks */
	uint64_t fs_base, gs_base;      /* the program's */
	struct mmu_context *context;    /* &space->mmu or &kernel_context */

	/* [run queue of its CPU] */
	uint32_t state;                 /* enum task_state; atomic to read */
	uint32_t cpu;                   /* where it runs or ran last */
	bool on_cpu;                    /* its registers are live on a CPU */
	int8_t nice;
	uint64_t allowed_cpus;          /* mask for sched_setaffinity */
	struct list_node run_node;
	uint64_t run_start_ns, run_time_ns;
	int64_t slice_left_ns;          /* at run_start_ns; not above 0: waits for a new one */
	/* [itself, interrupts off] how much of run_time_ns the last look at it covers, and what of
	 * that was spent in the kernel, see sched_sample() */
	uint64_t sampled_ns, kernel_ns;
	uint64_t switches_voluntary, switches_forced;

	uint32_t work;                  /* atomic: WORK_ bits */
#ifdef COWBELL_SAN
	uint64_t canary;                /* what stands between its stack's variables and calls */
#endif
#ifdef COWBELL_DEBUG
	uint32_t lock_depth;            /* [itself] locks held */
	const void *locks[12];          /* [itself] which, with lock_ranks */
	uint8_t lock_ranks[12];
#endif
	uint64_t fault_point_at;        /* [itself] n-th fault point to fail, see kernel/hooks.h */

	/* [set before it first runs] */
	char name[TASK_NAME_MAX];
	int32_t tid;
	struct process *process;        /* NULL for kernel tasks */
	struct space *space;	/* [itself; process tree lock to change] NULL for kernel tasks */
	struct thread *thread;	/* what signals and futexes know of it; NULL for kernel tasks */
	struct fdtable *files;	/* counted; [itself; process tree lock to change] NULL likewise */
	struct list_node all_node;      /* [list of all tasks] */
};

/* The kernel stack from the top: extended registers, then the program's others, then calls. */
static inline virt_t task_stack_top(const struct task *task)
{
	return task->stack + KSTACK_SIZE - FPU_AREA_SIZE;
}

static inline struct trap_frame *task_frame(const struct task *task)
{
	return (struct trap_frame *)task_stack_top(task) - 1;
}

/* A task that runs entry(argument) in the kernel when woken.  NULL: no memory. */
struct task *task_create(const char *name, void (*entry)(void *), void *argument);

/* A task that starts by returning to a program with the registers in task_frame(task), which the
 * caller fills before waking it.  No space, process or fpu yet.  NULL: no memory. */
struct task *task_create_user(const char *name);

/* Free a task that never ran, or that is dead and off every CPU. */
void task_destroy(struct task *task);

/* The running task's segment bases: arch_prctl(2), exec. */
void task_set_fs_base(uint64_t base);
void task_set_gs_base(uint64_t base);

/* Call `visit` for every task, idle ones too, with the list locked and interrupts off. */
void task_for_each(void (*visit)(struct task *task, void *argument), void *argument);

/* How many were created since boot, idle tasks not counted. */
uint64_t tasks_created(void);

/* For the scheduler, interrupts off: the program's registers that the kernel does not use itself,
 * from the CPU into the leaving task and from the next one into the CPU. */
void task_switch_registers(struct task *leaving, const struct task *next);

/* For the scheduler: fill and list a task that begins where it stands, without a switch. */
void task_init_idle(struct task *task, const struct cpu *cpu);
