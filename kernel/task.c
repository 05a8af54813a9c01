/* SPDX-License-Identifier: MIT */
/*
 * kernel/task.c - one thread of control: made, listed, destroyed.
 *
 * Owns:        the list of all tasks, and what a new task's stack looks like.  Its first switch
 *              "returns" into arch/x86_64/switch.asm:
 *
 *              task_stack_top()      extended registers, only of use to programs
 *              task_frame()          struct trap_frame, likewise
 *                                    of a kernel task: the function, its argument
 *                                    address of task_begin_kernel or task_begin_user
 *              stack_pointer ->      0: the frame pointer, as switch_stacks() saves it
 *
 * Invariants:  a program sets its FS and GS bases by system call only: they are in task.fs_base and
 *              gs_base.  But it can zero one by loading a selector, and so lose it.  Kernel tasks
 *              leave those registers alone; what is in that of GS is in cpu.gs_base, or zero.
 * Locks:       tasks_lock for the list.  Everything else belongs to the creator until the first
 *              wake.
 */
#include "kernel/task.h"

#include "lib/string.h"
#include "arch/x86_64/fpu.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/tlb.h"
#include "kernel/hooks.h"
#include "kernel/spinlock.h"
#include "kernel/upcall.h"

/* In arch/x86_64/switch.asm. */
void task_begin_kernel(void);
void task_begin_user(void);

/* What switch_stacks() pops, and then task_begin_kernel. */
struct first_frame {
	uint64_t frame_pointer, return_address;
	uint64_t entry, argument;
};

static struct spinlock tasks_lock = SPINLOCK_INIT(RANK_RUN_QUEUE);
static struct list tasks = LIST_INIT(tasks);    /* [tasks_lock] */
static uint64_t created;                        /* atomic */

static struct task *task_alloc(const char *name);
static void task_enlist(struct task *task);

struct task *task_create(const char *name, void (*entry)(void *), void *argument)
{
	struct task *task = task_alloc(name);

	if (!task)
		return NULL;
	struct first_frame *first = (struct first_frame *)task_frame(task) - 1;
	*first = (struct first_frame){
		.return_address = (uint64_t)task_begin_kernel,
		.entry = (uint64_t)entry,
		.argument = (uint64_t)argument,
	};
	task->stack_pointer = (uint64_t)first;
	return task;
}

struct task *task_create_user(const char *name)
{
	struct task *task = task_alloc(name);

	if (!task)
		return NULL;
	uint64_t *first = (uint64_t *)task_frame(task) - 2;
	first[0] = 0;                                   /* frame pointer */
	first[1] = (uint64_t)task_begin_user;           /* return address */
	task->stack_pointer = (uint64_t)first;
	return task;
}

static struct task *task_alloc(const char *name)
{
	struct task *task = upcall_task_alloc();

	if (!task)
		return NULL;
	assert(task->stack != 0);
	strlcpy(task->name, name, sizeof(task->name));
	task->state = TASK_SLEEPING;
	task->context = &kernel_context;
	task->cpu = READ_ONCE(this_cpu()->id);
	task->allowed_cpus = UINT64_MAX;
	task->fault_point_at = fault_points_inherited();
	atomic_inc(&created);
	task_enlist(task);
	return task;
}

void task_init_idle(struct task *task, const struct cpu *cpu)
{
	strlcpy(task->name, "idle", sizeof(task->name));
	task->state = TASK_RUNNABLE;
	task->cpu = cpu->id;
	task->on_cpu = true;
	task->context = &kernel_context;
	task->allowed_cpus = 1ull << cpu->id;
	task_enlist(task);
}

static void task_enlist(struct task *task)
{
	list_node_init(&task->run_node);
	uint64_t flags = spin_lock_irq(&tasks_lock);
	list_push_back(&tasks, &task->all_node);
	spin_unlock_irq(&tasks_lock, flags);
}

void task_destroy(struct task *task)
{
	assert(!task->on_cpu && !list_node_is_linked(&task->run_node));

	uint64_t flags = spin_lock_irq(&tasks_lock);
	list_remove(&task->all_node);
	spin_unlock_irq(&tasks_lock, flags);
	upcall_task_free(task);
}

void task_for_each(void (*visit)(struct task *task, void *argument), void *argument)
{
	struct task *task;

	uint64_t flags = spin_lock_irq(&tasks_lock);
	list_for_each_entry(task, &tasks, all_node)
		visit(task, argument);
	spin_unlock_irq(&tasks_lock, flags);
}

uint64_t tasks_created(void)
{
	return atomic_load_relaxed(&created);
}

void task_set_fs_base(uint64_t base)
{
	uint64_t flags = irq_save();

	current->fs_base = base;
	wrmsr(MSR_FS_BASE, base);
	irq_restore(flags);
}

void task_set_gs_base(uint64_t base)
{
	uint64_t flags = irq_save();

	current->gs_base = base;
	this_cpu()->gs_base = base;
	wrmsr(MSR_KERNEL_GS_BASE, base);
	irq_restore(flags);
}

/* A task has a program's registers exactly when it has an fpu area.  A base that should be there
 * already may have been lost by another program: only a zero is certain, which for FS is rare. */
void task_switch_registers(struct task *leaving, const struct task *next)
{
	struct cpu *cpu = this_cpu();

	if (likely(leaving->fpu != NULL))
		fpu_save(leaving->fpu);
	if (unlikely(next->fpu == NULL))
		return;
	fpu_restore(next->fpu);
	wrmsr(MSR_FS_BASE, next->fs_base);
	if (unlikely((cpu->gs_base | next->gs_base) != 0)) {
		cpu->gs_base = next->gs_base;
		wrmsr(MSR_KERNEL_GS_BASE, next->gs_base);
	}
}
