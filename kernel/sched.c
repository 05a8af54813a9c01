/* SPDX-License-Identifier: MIT */
/*
 * kernel/sched.c - run queues, choosing the next task.
 *
 *                     task_wake                     chosen
 *        sleeping ----------------> waiting <-----------------> running ---> dead
 *            ^                      (queued)   slice over, yield   |
 *            +-----------------------------------------------------+
 *                     schedule() in a state other than RUNNABLE
 *
 * Owns:        one queue of waiting tasks per CPU, and the mask of idle CPUs.
 * Invariants:  a task is in at most one of: a queue, some queue's `running`.  Which, changes only
 *              under the lock of the queue of task->cpu, as does task->cpu itself.
 *              A preempted task stays queued whatever its state says: it was about to look at
 *              its condition once more.
 *              on_cpu is true from being chosen until the CPU is off the task's stack.  Another CPU
 *              may choose it earlier and waits; the CPU it waits for chose before, so no circle.
 *              If a task waits that an idle CPU could run, that CPU has been told: who queues looks
 *              at idle_cpus afterwards, who idles looks at the queues after setting its bit.
 * Locks:       run_queue.lock with interrupts off; two of them in the order of CPU numbers.
 */
#include "kernel/sched.h"

#include "lib/bits.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/gdt.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/timer.h"
#include "arch/x86_64/tlb.h"
#include "arch/x86_64/trap.h"
#include "kernel/clock.h"
#include "kernel/spinlock.h"
#include "kernel/upcall.h"

struct ALIGNED(64) run_queue {
	struct spinlock lock;
	uint32_t waiting;               /* [lock; others may look] how many are in `tasks` */
	struct list tasks;              /* [lock] runnable, in turn */
	struct task *running;           /* [lock] whom the CPU chose last */
	struct task *leaving;           /* [own] whom the switch under way leaves */
	struct task *moving;            /* [own] the same, if it may not run here any more */
	uint64_t switches;              /* [own] */
};

enum switch_reason { SWITCH_VOLUNTARY, SWITCH_FORCED };

static struct run_queue queues[CPU_MAX];
static uint64_t idle_cpus;              /* atomic: CPUs with nothing to do and nobody sent yet */

/* In arch/x86_64/switch.asm. */
void switch_stacks(uint64_t *save, uint64_t next);
void sched_begin(void);

static void reschedule(enum switch_reason reason);
static struct task *queue_choose(struct cpu *cpu, enum switch_reason reason);
static void queue_pull(struct cpu *cpu);
static void switch_to(struct cpu *cpu, struct task *next, enum switch_reason reason);
static inline void switch_finish(void);
static void task_move_on(struct run_queue *queue);
static void task_bury(struct task *dead);
static struct run_queue *task_lock_queue(const struct task *task);
static void queue_add(struct run_queue *queue, struct task *task);
static void task_place(struct task *task, struct run_queue *queue);
static uint32_t cpu_choose(const struct task *task);
static void cpu_notify(uint32_t id);
static void idle_notify(uint64_t cpu_mask);

/* ---- a CPU's life --------------------------------------------------------------------------- */

static void cpu_adopt_idle(struct cpu *cpu, struct task *idle)
{
	struct run_queue *queue = &queues[cpu->id];

	spin_init(&queue->lock, RANK_RUN_QUEUE);
	list_init(&queue->tasks);
	queue->running = idle;
	task_init_idle(idle, cpu);
	cpu->queue = queue;
	cpu->idle = idle;
	cpu->task = idle;
}

void sched_start(void)
{
	static struct task boot_idle;

	cpu_adopt_idle(this_cpu(), &boot_idle);
}

struct task *sched_create_idle(struct cpu *cpu)
{
	struct task *idle = upcall_task_alloc();

	if (idle)
		cpu_adopt_idle(cpu, idle);
	return idle;
}

void sched_idle(void)
{
	struct cpu *cpu = this_cpu();

	assert(current == cpu->idle);
	cpu->preempt_depth = 0;
	for (;;) {
		cli();
		reschedule(SWITCH_VOLUNTARY);
		queue_pull(cpu);
		if (cpu->queue->waiting == 0 && !cpu->need_resched)
			sti_hlt();
		sti();
	}
}

/* ---- choosing ------------------------------------------------------------------------------- */

void schedule(void)
{
	assert(irq_enabled());
	assert(this_cpu()->irq_depth == 0 && this_cpu()->preempt_depth <= 1);
	assert(current != this_cpu()->idle);

	cli();
	reschedule(SWITCH_VOLUNTARY);
	sti();
}

void task_yield(void)
{
	cli();
	if (this_cpu()->queue->waiting > 0)
		reschedule(SWITCH_VOLUNTARY);
	sti();
}

void schedule_preempt(void)
{
	const struct cpu *cpu = this_cpu();

	if (cpu->need_resched && cpu->preempt_depth == 0 && cpu->irq_depth == 0)
		reschedule(SWITCH_FORCED);
}

/* What preempt_enable and spin_unlock_irq do when somebody better may run. */
void preempt_reschedule(void)
{
	if (!irq_enabled())
		return;
	cli();
	schedule_preempt();
	sti();
}

void reschedule_point(void)
{
	if (preempt_is_wanted())
		preempt_reschedule();
}

/* Interrupts off.  Returns when the running task has been chosen again, perhaps on another CPU. */
static void reschedule(enum switch_reason reason)
{
	struct cpu *cpu = this_cpu();
	struct task *task = cpu->task;

	if (unlikely(task->work & WORK_RESCHEDULE))
		task_remove_work(task, WORK_RESCHEDULE);
	if (cpu->queue->waiting == 0 && (task->state != TASK_RUNNABLE || task == cpu->idle))
		queue_pull(cpu);

	struct task *next = queue_choose(cpu, reason);
	if (next != task)
		switch_to(cpu, next, reason);
}

static struct task *queue_choose(struct cpu *cpu, enum switch_reason reason)
{
	struct run_queue *queue = cpu->queue;
	struct task *task = cpu->task;
	bool may_stay = task->allowed_cpus & BIT(cpu->id);

	spin_lock_irqs_off(&queue->lock);
	cpu->need_resched = false;
	if (task == cpu->idle) {
		;                               /* never queued */
	} else if (reason == SWITCH_FORCED || (task->state == TASK_RUNNABLE && may_stay)) {
		queue_add(queue, task);
	} else if (task->state == TASK_RUNNABLE) {
		queue->moving = task;
	}

	struct task *next = cpu->idle;
	if (queue->waiting > 0) {
		next = list_entry(list_pop_front(&queue->tasks), struct task, run_node);
		queue->waiting--;
	}
	if (next == cpu->idle)
		atomic_or(&idle_cpus, BIT(cpu->id));
	else if (task == cpu->idle)
		atomic_and(&idle_cpus, ~BIT(cpu->id));
	queue->running = next;
	spin_unlock_irqs_off(&queue->lock);
	return next;
}

/* The other CPU with the most waiting tasks, or NULL. */
static struct run_queue *queue_longest(const struct cpu *cpu)
{
	struct run_queue *longest = NULL;
	uint32_t most = 0;

	for (uint32_t id = 0; id < cpu_count; id++) {
		uint32_t waiting = READ_ONCE(queues[id].waiting);
		if (id == cpu->id || waiting <= most)
			continue;
		most = waiting;
		longest = &queues[id];
	}
	return longest;
}

/* Take one task that may run here from the longest queue of another CPU.  Interrupts off. */
NO_LOCK_ANALYSIS static void queue_pull(struct cpu *cpu)
{
	struct run_queue *mine = cpu->queue, *other = queue_longest(cpu);
	struct task *task;

	if (!other)
		return;
	spin_lock_irqs_off(mine < other ? &mine->lock : &other->lock);
	spin_lock_irqs_off(mine < other ? &other->lock : &mine->lock);
	list_for_each_entry(task, &other->tasks, run_node) {
		if (!(task->allowed_cpus & BIT(cpu->id)))
			continue;
		list_remove(&task->run_node);
		other->waiting--;
		list_push_back(&mine->tasks, &task->run_node);
		mine->waiting++;
		task->cpu = cpu->id;
		break;
	}
	spin_unlock_irqs_off(&other->lock);
	spin_unlock_irqs_off(&mine->lock);
}

/* ---- switching ------------------------------------------------------------------------------ */

static void switch_to(struct cpu *cpu, struct task *next, enum switch_reason reason)
{
	struct run_queue *queue = cpu->queue;
	struct task *task = cpu->task;
	uint32_t preempt_depth = cpu->preempt_depth;
	uint64_t now = cycles_now_ns();

	task->run_time_ns += now - task->run_start_ns;
	next->run_start_ns = now;
	next->slice_end_ns = now + SLICE_NS;
	if (queue->waiting > 0)
		clock_arm(next->slice_end_ns);
	if (next->thread)
		clock_look_at(now + CLOCK_LOOK_NS);
	if (reason == SWITCH_FORCED)
		task->switches_forced++;
	else
		task->switches_voluntary++;
	queue->switches++;

	while (atomic_load_acquire(&next->on_cpu) && next != cpu->idle)
		pause();
	/* A full barrier: who adds work and sees us not running yet, whose work we shall see. */
	(void)atomic_xchg(&next->on_cpu, true);
	if (task->fpu || next->fpu)
		task_switch_registers(task, next);
	cpu_set_kernel_stack(next->stack + KSTACK_SIZE);
	tlb_activate(next->context ? next->context : &kernel_context);
	queue->leaving = task;
	cpu->task = next;
	cpu->preempt_depth = 1;
	switch_stacks(&task->stack_pointer, next->stack_pointer);
	switch_finish();
	this_cpu()->preempt_depth = preempt_depth;
}

/* On the new stack: let go of the old one. */
static inline void switch_finish(void)
{
	struct run_queue *queue = this_cpu()->queue;
	struct task *leaving = queue->leaving;
	bool is_dead = leaving->state == TASK_DEAD;

	if (leaving != this_cpu()->idle)
		atomic_store_release(&leaving->on_cpu, false);
	if (unlikely(queue->moving != NULL))
		task_move_on(queue);
	if (unlikely(is_dead))
		task_bury(leaving);
}

/* It may not run here any more. */
__attribute__((noinline))
static void task_move_on(struct run_queue *queue)
{
	struct task *moving = queue->moving;

	queue->moving = NULL;
	task_place(moving, task_lock_queue(moving));
}

/* Behind locks whose holders may be stopped: who waits for us must reach us. */
__attribute__((noinline))
static void task_bury(struct task *dead)
{
	sti();
	upcall_task_dead(dead);
	cli();
}

/* A new task's first act. */
void sched_begin(void)
{
	switch_finish();
	this_cpu()->preempt_depth = 0;
}

void task_exit(void)
{
	assert_may_sleep();
	assert(current->lock_depth == 0);

	cli();
	WRITE_ONCE(current->state, TASK_DEAD);
	reschedule(SWITCH_VOLUNTARY);
	panic("a dead task runs");
}

void task_wait_off_cpu(struct task *task)
{
	while (READ_ONCE(task->state) != TASK_DEAD || atomic_load_acquire(&task->on_cpu)) {
		task_yield();
		pause();
	}
}

void task_set_context(struct mmu_context *context)
{
	uint64_t flags = irq_save();
	current->context = context;
	tlb_activate(context ? context : &kernel_context);
	irq_restore(flags);
}

/* ---- waking --------------------------------------------------------------------------------- */

/* Lock the queue that decides about a task.  Interrupts off. */
NO_LOCK_ANALYSIS static struct run_queue *task_lock_queue(const struct task *task)
{
	for (;;) {
		struct run_queue *queue = &queues[READ_ONCE(task->cpu)];
		spin_lock_irqs_off(&queue->lock);
		if (likely(queue == &queues[task->cpu]))
			return queue;
		spin_unlock_irqs_off(&queue->lock);
	}
}

static void queue_add(struct run_queue *queue, struct task *task)
{
	list_push_back(&queue->tasks, &task->run_node);
	queue->waiting++;
}

NO_LOCK_ANALYSIS bool task_wake_from(struct task *task, unsigned mask)
{
	uint64_t flags = irq_save();
	struct run_queue *queue = task_lock_queue(task);
	bool is_asleep = mask & 1u << task->state;
	bool is_away = queue->running != task && !list_node_is_linked(&task->run_node);

	if (is_asleep)
		WRITE_ONCE(task->state, TASK_RUNNABLE);
	if (is_asleep && is_away)
		task_place(task, queue);
	else
		spin_unlock_irqs_off(&queue->lock);
	irq_restore(flags);
	return is_asleep;
}

/*
 * Queue a runnable task, neither running nor queued, where it had best run.  Interrupts off; the
 * queue of task->cpu is locked, and unlocked on return: until its CPU is told, the task is
 * nobody's, so its old queue may be left before the new one is locked.
 */
NO_LOCK_ANALYSIS static void task_place(struct task *task, struct run_queue *queue)
{
	uint32_t id = cpu_choose(task);

	if (id != task->cpu) {
		WRITE_ONCE(task->cpu, id);
		spin_unlock_irqs_off(&queue->lock);
		queue = &queues[id];
		spin_lock_irqs_off(&queue->lock);
	}
	queue_add(queue, task);
	bool is_first = queue->waiting == 1;
	spin_unlock_irqs_off(&queue->lock);
	if (is_first)
		cpu_notify(id);
	if (cpu_count > 1)
		idle_notify(task->allowed_cpus & ~BIT(id));
}

/* A CPU that went idle while the task was on its way to a busy one may have it. */
static void idle_notify(uint64_t cpu_mask)
{
	memory_barrier();
	uint64_t idle = atomic_load_relaxed(&idle_cpus) & cpu_mask;
	if (unlikely(idle != 0))
		apic_send(cpus[bit_lowest(idle)]->apic_id, VECTOR_RESCHEDULE);
}

/* Where it ran last, if that CPU is idle; else an idle one, thereby taken; else the last. */
static uint32_t cpu_choose(const struct task *task)
{
	uint64_t idle = atomic_load_relaxed(&idle_cpus) & task->allowed_cpus;

	while (idle != 0) {
		uint32_t id = idle & BIT(task->cpu) ? task->cpu : bit_lowest(idle);
		if (atomic_and(&idle_cpus, ~BIT(id)) & BIT(id))
			return id;
		idle &= ~BIT(id);
	}
	if (task->allowed_cpus & BIT(task->cpu))
		return task->cpu;
	return bit_lowest(task->allowed_cpus);
}

/* A task waits there now, the first one. */
static void cpu_notify(uint32_t id)
{
	if (id == this_cpu()->id)
		sched_interrupt();
	else
		apic_send(cpus[id]->apic_id, VECTOR_RESCHEDULE);
}

/* Somebody waits here now.  Whoever runs has the rest of its slice, which may be over already. */
void sched_interrupt(void)
{
	struct cpu *cpu = this_cpu();

	if (cpu->task == cpu->idle)
		cpu->need_resched = true;
	else if (cpu->queue->waiting > 0)
		clock_arm(cpu->task->slice_end_ns);
}

void sched_mark(void)
{
	struct cpu *cpu = this_cpu();

	cpu->need_resched = true;
	atomic_or(&cpu->task->work, WORK_RESCHEDULE);
}

void task_wake(struct task *task)
{
	task_wake_from(task, 1u << TASK_SLEEPING | 1u << TASK_INTERRUPTIBLE);
}

void task_wake_interruptible(struct task *task)
{
	task_wake_from(task, 1u << TASK_INTERRUPTIBLE);
}

NO_LOCK_ANALYSIS void task_set_allowed_cpus(struct task *task, uint64_t cpu_mask)
{
	uint64_t flags = irq_save();
	struct run_queue *queue = task_lock_queue(task);
	bool must_move = !(cpu_mask & BIT(task->cpu));
	bool is_queued = list_node_is_linked(&task->run_node) && task->state == TASK_RUNNABLE;

	assert(cpu_mask != 0);
	task->allowed_cpus = cpu_mask;
	if (must_move && is_queued) {
		list_remove(&task->run_node);
		queue->waiting--;
		task_place(task, queue);
	} else {
		spin_unlock_irqs_off(&queue->lock);
	}
	irq_restore(flags);
	if (must_move && task == current)
		schedule();
	else if (must_move && !is_queued)
		task_add_work(task, WORK_RESCHEDULE);
}

/* ---- work and numbers ----------------------------------------------------------------------- */

void task_add_work(struct task *task, uint32_t bits)
{
	atomic_or(&task->work, bits);
	if (task != current && atomic_load_relaxed(&task->on_cpu))
		apic_send(cpus[READ_ONCE(task->cpu)]->apic_id, VECTOR_RESCHEDULE);
}

void task_remove_work(struct task *task, uint32_t bits)
{
	atomic_and(&task->work, ~bits);
}

uint64_t task_run_time_ns(const struct task *task)
{
	uint64_t total = task->run_time_ns;

	if (task->on_cpu)
		total += cycles_now_ns() - task->run_start_ns;
	return total;
}

bool sched_sample(bool is_in_program)
{
	struct task *task = current;

	if (!task || !task->thread)
		return false;
	uint64_t total_ns = task_run_time_ns(task);
	if (!is_in_program)
		WRITE_ONCE(task->kernel_ns, task->kernel_ns + total_ns - task->sampled_ns);
	task->sampled_ns = total_ns;
	return true;
}

uint64_t sched_idle_ns(uint32_t cpu)
{
	const struct task *idle = cpus[cpu]->idle;
	uint64_t total = idle->run_time_ns;

	if (queues[cpu].running == idle)
		total += cycles_now_ns() - idle->run_start_ns;
	return total;
}

void sched_totals_get(struct sched_totals *out)
{
	*out = (struct sched_totals){ .tasks_created = tasks_created() };
	for (uint32_t id = 0; id < cpu_count; id++) {
		out->switches += queues[id].switches;
		out->idle_ns += sched_idle_ns(id);
		out->runnable += queues[id].waiting + (queues[id].running != cpus[id]->idle);
	}
}
