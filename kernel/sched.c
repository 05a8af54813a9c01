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
 * Who runs on has a slice of time, and waits for the next one in turn.  A sleep does not use it up:
 * who wakes with some of it left goes ahead of those who wait for a new one.
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
#include "kernel/run_queue.h"
#include "kernel/spinlock.h"
#include "kernel/tail.h"
#include "kernel/upcall.h"

enum switch_reason { SWITCH_VOLUNTARY, SWITCH_FORCED };

struct run_queue run_queues[CPU_MAX];
static uint64_t idle_cpus;              /* atomic: CPUs with nothing to do and nobody sent yet */

/* For arch/x86_64/switch.asm. */
void sched_begin(struct task *leaving);

static void reschedule(enum switch_reason reason);
static ALWAYS_INLINE void choose_and_switch(enum switch_reason reason);
static void work_begin(struct task *task, const struct cpu *cpu, enum switch_reason reason);
static inline bool task_may_stay(const struct task *task, const struct cpu *cpu,
				 enum switch_reason reason);
static ALWAYS_INLINE struct task *queue_choose(struct run_queue *queue, struct cpu *cpu,
					       struct task *task, enum switch_reason reason);
static inline struct task *queue_take_first(struct run_queue *queue);
static inline void switch_to(struct run_queue *queue, struct cpu *cpu, struct task *task,
			     struct task *next, enum switch_reason reason);
static inline void slice_watch(struct run_queue *queue, const struct task *task);
static inline void canary_switch(struct cpu *cpu, struct task *task, const struct task *next);
static ALWAYS_INLINE struct task *switch_stacks(struct task *leaving, const struct task *next);
static inline void switch_finish(struct task *leaving);
static void task_part(struct run_queue *queue);
static ALWAYS_INLINE void task_place(struct task *task, struct run_queue *queue);
static uint32_t cpu_choose(const struct task *task, uint64_t idle);
static inline void cpu_notify(uint32_t id);
static inline void idle_notify(uint64_t cpu_mask);

/* ---- a CPU's life --------------------------------------------------------------------------- */

static void cpu_adopt_idle(struct cpu *cpu, struct task *idle)
{
	struct run_queue *queue = &run_queues[cpu->id];

	spin_init(&queue->lock, RANK_RUN_QUEUE);
	list_init(&queue->woken);
	list_init(&queue->in_turn);
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
		if (READ_ONCE(cpu->queue->waiting) == 0 && !cpu->need_resched)
			sti_hlt();
		sti();
	}
}

/* ---- choosing ------------------------------------------------------------------------------- */

void schedule(void)
{
	assert(irq_enabled() && cpu_depth(irq_depth) == 0 && cpu_depth(preempt_depth) == 0);
	assert(current != this_cpu()->idle);
	task_yield();
}

/* Also the way into a sleep: what the task's state says, choose_and_switch() does.  Nearly all
 * switches go this way, so it has a copy of its own of what reschedule() does. */
void task_yield(void)
{
	cli();
	choose_and_switch(SWITCH_VOLUNTARY);
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
	if (!irq_enabled() || cpu_depth(preempt_depth) > 0)
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

/* Interrupts off, preemption on.  Returns when the running task has been chosen again, perhaps on
 * another CPU. */
__attribute__((noinline))
static void reschedule(enum switch_reason reason)
{
	choose_and_switch(reason);
}

static ALWAYS_INLINE void choose_and_switch(enum switch_reason reason)
{
	struct cpu *cpu = this_cpu();
	struct run_queue *queue = cpu->queue;
	struct task *task = cpu->task;

	if (unlikely(atomic_load_relaxed(&task->work) & WORK_RESCHEDULE))
		work_begin(task, cpu, reason);
	if (READ_ONCE(queue->waiting) == 0) {
		if (task_may_stay(task, cpu, reason)) {
			cpu->need_resched = false;
			return;
		}
		queue_pull(cpu);
	}

	struct task *next = queue_choose(queue, cpu, task, reason);
	if (next != task)
		switch_to(queue, cpu, task, next, reason);
}

/* We shall do what was asked for; but a forced switch does not move a task that must, so that is
 * still to do.  In this order: the mask changes before the bit is set. */
static void work_begin(struct task *task, const struct cpu *cpu, enum switch_reason reason)
{
	task_remove_work(task, WORK_RESCHEDULE);
	if (reason == SWITCH_FORCED && !(READ_ONCE(task->allowed_cpus) & BIT(cpu->id)))
		atomic_or(&task->work, WORK_RESCHEDULE);
}

static inline bool task_may_stay(const struct task *task, const struct cpu *cpu,
				 enum switch_reason reason)
{
	bool wants_to_run = READ_ONCE(task->state) == TASK_RUNNABLE
		&& READ_ONCE(task->allowed_cpus) & BIT(cpu->id);

	return (reason == SWITCH_FORCED || wants_to_run) && task != cpu->idle;
}

/* The running task back to the queue, if it wants to run on; then who runs next. */
static ALWAYS_INLINE struct task *queue_choose(struct run_queue *queue, struct cpu *cpu,
					       struct task *task, enum switch_reason reason)
{
	struct task *next = cpu->idle;

	spin_lock_irqs_off(&queue->lock);
	uint64_t now = cycles_now_ns();         /* locked: not before a reader's */
	cpu->need_resched = false;
	task->run_time_ns += now - task->run_start_ns;
	task->slice_left_ns -= (int64_t)(now - task->run_start_ns);
	if ((task->state == TASK_RUNNABLE || reason == SWITCH_FORCED) && task != cpu->idle) {
		task->slice_left_ns = 0;        /* given up, if not used up */
		if (likely(task->allowed_cpus & BIT(cpu->id)) || reason == SWITCH_FORCED)
			queue_add(queue, task);
		else
			queue->parting = task;
	}
	if (likely(queue->waiting > 0)) {
		next = queue_take_first(queue);
		if (unlikely(task == cpu->idle))
			atomic_and(&idle_cpus, ~BIT(cpu->id));
	} else {
		atomic_or(&idle_cpus, BIT(cpu->id));
	}
	queue->running = next;
	next->run_start_ns = now;
	spin_unlock_irqs_off(&queue->lock);
	return next;
}

/* Who has slept goes first, until its slice is used up: so nobody who waits for a slice waits for
 * more than one of each other task, and who only reacts to others need not wait for those who
 * compute. */
static inline struct task *queue_take_first(struct run_queue *queue)
{
	bool is_woken = !list_is_empty(&queue->woken);
	struct list_node *first = is_woken ? queue->woken.head.next : queue->in_turn.head.next;
	struct task *task = list_entry(first, struct task, run_node);

	if (!is_woken)
		task->slice_left_ns = SLICE_NS;
	list_remove(first);
	queue->waiting--;
	return task;
}

/* ---- switching ------------------------------------------------------------------------------ */

static inline void switch_to(struct run_queue *queue, struct cpu *cpu, struct task *task,
			     struct task *next, enum switch_reason reason)
{
	uint64_t now = next->run_start_ns;

	if (reason == SWITCH_FORCED)
		task->switches_forced++;
	else
		task->switches_voluntary++;
	queue->switches++;

	/* Until then all that is its own belongs to the CPU that it leaves.  A full barrier: who
	 * adds work and sees us not running yet, whose work we shall see. */
	while (unlikely(atomic_xchg(&next->on_cpu, true)))
		pause();
	if (cpu_count > 1 && READ_ONCE(task->run_node.next) != &task->run_node) /* it waits now */
		idle_notify(task->allowed_cpus);
	if (READ_ONCE(queue->waiting) > 0)
		slice_watch(queue, next);
	if (unlikely(!queue->is_sampling) && next->thread) {
		queue->is_sampling = true;
		clock_look_at(now + CLOCK_LOOK_NS);
	}
	task_switch_registers(task, next);
	cpu_set_kernel_stack(cpu, task_stack_top(next));
	tlb_activate(next->context);
	cpu->task = next;
	canary_switch(cpu, task, next);
	switch_finish(switch_stacks(task, next));
}

/* Sanitized builds: functions that return compare what they find with cpu->canary.  The first task
 * of a CPU keeps the canary that it began with. */
static inline void canary_switch(struct cpu *cpu, struct task *task, const struct task *next)
{
#ifdef COWBELL_SAN
	static_assert(offsetof(struct cpu, canary) == 32, "the compiler was told so");
	task->canary = cpu->canary;
	cpu->canary = next->canary;
#endif
}

/*
 * A call of switch.asm that comes back when this task is chosen again, and then says whom the CPU
 * left for it.  All registers but that and the frame pointer are lost meanwhile; so the compiler
 * saves those it needs, once.
 */
static ALWAYS_INLINE struct task *switch_stacks(struct task *leaving, const struct task *next)
{
	uint64_t stack_pointer = next->stack_pointer;

	static_assert(offsetof(struct task, stack_pointer) == 0, "a task is where to save it");
	__asm__ volatile("call switch_stacks" : "+D"(leaving), "+S"(stack_pointer) : :
			 "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13",
			 "r14", "r15", "memory", "cc");
	return leaving;
}

/* On the new stack: let go of the old one. */
static inline void switch_finish(struct task *leaving)
{
	struct run_queue *queue = this_cpu()->queue;

	atomic_store_release(&leaving->on_cpu, false);
	if (unlikely(queue->parting != NULL))
		task_part(queue);
}

/* It is dead, or may not run here any more.  The dead are buried with interrupts on, for that takes
 * locks whose holders may be stopped: who waits for us must reach us. */
__attribute__((noinline))
static void task_part(struct run_queue *queue)
{
	struct task *parting = queue->parting;

	queue->parting = NULL;
	if (parting->state != TASK_DEAD) {
		task_place(parting, task_lock_queue(parting));
		return;
	}
	preempt_disable();
	sti();
	upcall_task_dead(parting);
	cli();
	tail_end(TAIL_PREEMPTION_OFF);
	this_cpu()->preempt_depth = 0;
}

/* A new task's first act. */
void sched_begin(struct task *leaving)
{
	switch_finish(leaving);
}

void task_exit(void)
{
	assert_may_sleep();
	DEBUG_NO_LOCKS();

	cli();
	WRITE_ONCE(current->state, TASK_DEAD);
	this_cpu()->queue->parting = current;
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
	current->context = context ? context : &kernel_context;
	tlb_activate(current->context);
	irq_restore(flags);
}

/* ---- waking --------------------------------------------------------------------------------- */

bool task_wake_from(struct task *task, unsigned mask)
{
	uint64_t flags = irq_save();
	bool is_woken = task_wake_irqs_off(task, mask);

	irq_restore(flags);
	return is_woken;
}

NO_LOCK_ANALYSIS bool task_wake_irqs_off(struct task *task, unsigned mask)
{
	struct run_queue *queue = task_lock_queue(task);
	bool is_asleep = mask & 1u << task->state;

	if (is_asleep) {
		WRITE_ONCE(task->state, TASK_RUNNABLE);
		if (queue->running != task && !list_node_is_linked(&task->run_node)) {
			task_place(task, queue);
			return true;
		}
	}
	spin_unlock_irqs_off(&queue->lock);
	return is_asleep;
}

/*
 * Queue a runnable task, neither running nor queued, where it had best run.  Interrupts off; the
 * queue of task->cpu is locked, and unlocked on return: until its CPU is told, the task is
 * nobody's, so its old queue may be left before the new one is locked.
 */
NO_LOCK_ANALYSIS static ALWAYS_INLINE void task_place(struct task *task, struct run_queue *queue)
{
	uint64_t idle = atomic_load_relaxed(&idle_cpus) & task->allowed_cpus;
	uint32_t id = task->cpu;

	if (idle != 0 || unlikely(!(task->allowed_cpus & BIT(id))))
		id = cpu_choose(task, idle);
	if (id != task->cpu) {
		WRITE_ONCE(task->cpu, id);
		spin_unlock_irqs_off(&queue->lock);
		queue = &run_queues[id];
		spin_lock_irqs_off(&queue->lock);
	}
	queue_add(queue, task);
	bool is_first = queue->waiting == 1;
	bool is_next = is_first && queue->running == cpus[id]->idle;
	uint64_t others = task->allowed_cpus & ~BIT(id);
	spin_unlock_irqs_off(&queue->lock);     /* from here on it may run, and be gone */
	if (is_first)
		cpu_notify(id);
	if (cpu_count > 1 && !is_next) {
		memory_barrier();
		idle_notify(others);
	}
}

/* A task waits at a busy CPU: one that is idle, perhaps only since we chose, may have it.  After a
 * full barrier. */
static inline void idle_notify(uint64_t cpu_mask)
{
	uint64_t idle = atomic_load_relaxed(&idle_cpus) & cpu_mask;
	if (unlikely(idle != 0))
		apic_send(cpus[bit_lowest(idle)]->apic_id, VECTOR_RESCHEDULE);
}

/* Where it ran last, if that CPU is idle; else an idle one, thereby taken; else the last. */
static uint32_t cpu_choose(const struct task *task, uint64_t idle)
{
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
static inline void cpu_notify(uint32_t id)
{
	struct cpu *cpu = this_cpu();

	if (unlikely(id != cpu->id))
		apic_send(cpus[id]->apic_id, VECTOR_RESCHEDULE);
	else if (cpu->task == cpu->idle)
		cpu->need_resched = true;
	else
		slice_watch(cpu->queue, cpu->task);
}

/* Somebody may wait here now.  Whoever runs has the rest of its slice, which may be over. */
void sched_interrupt(void)
{
	const struct cpu *cpu = this_cpu();

	if (READ_ONCE(cpu->queue->waiting) > 0)
		cpu_notify(cpu->id);
}

/* ---- slices --------------------------------------------------------------------------------- */

static inline uint64_t slice_end_ns(const struct task *task)
{
	return task->run_start_ns + (uint64_t)task->slice_left_ns;
}

/* Somebody waits: look at the clock when the slice of `task` ends, or sooner. */
static inline void slice_watch(struct run_queue *queue, const struct task *task)
{
	if (likely(queue->is_ticking))
		return;
	queue->is_ticking = true;
	clock_arm(slice_end_ns(task));
}

/* The tick may have been set for another task, that has left meanwhile. */
void sched_tick(uint64_t now_ns)
{
	struct cpu *cpu = this_cpu();
	struct run_queue *queue = cpu->queue;

	queue->is_ticking = false;
	if (READ_ONCE(queue->waiting) == 0)
		return;
	if (now_ns < slice_end_ns(cpu->task)) {
		slice_watch(queue, cpu->task);
		return;
	}
	cpu->need_resched = true;
	atomic_or(&cpu->task->work, WORK_RESCHEDULE);
}

NO_LOCK_ANALYSIS void task_set_allowed_cpus(struct task *task, uint64_t cpu_mask)
{
	uint64_t flags = irq_save();
	struct run_queue *queue = task_lock_queue(task);
	bool must_move = !(cpu_mask & BIT(task->cpu));
	bool is_waiting = list_node_is_linked(&task->run_node);
	bool is_queued = is_waiting && task->state == TASK_RUNNABLE;

	assert(cpu_mask != 0);
	task->allowed_cpus = cpu_mask;
	if (must_move && is_queued) {
		list_remove(&task->run_node);
		queue->waiting--;
		task_place(task, queue);
	} else {
		spin_unlock_irqs_off(&queue->lock);
		memory_barrier();
		if (is_waiting)
			idle_notify(cpu_mask);
	}
	irq_restore(flags);
	if (must_move && task == current)
		schedule();
	else if (must_move && !is_queued)
		task_add_work(task, WORK_RESCHEDULE);
}

/* ---- work ------------------------------------------------------------------------------------ */

void task_add_work(struct task *task, uint32_t bits)
{
	atomic_or(&task->work, bits);
	if (task != current && atomic_load_relaxed(&task->on_cpu))
		apic_send(cpus[READ_ONCE(task->cpu)]->apic_id, VECTOR_RESCHEDULE);
}
