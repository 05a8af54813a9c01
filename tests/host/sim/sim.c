/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/sim.c - the scheduler of the simulated machine.
 *
 * Owns: threads, their stacks, which thread each CPU runs.
 * Invariants: exactly one thread runs, or the machine itself does, on the real stack (self ==
 *   NULL).  A CPU whose preemption is off, or that is inside an instruction, keeps its thread.
 * See: tests/host/sim/mmu.c for translation, tests/host/sim/locks.c for locks.
 */
#include <sanitizer/common_interface_defs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/types.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/tlb.h"
#include "kernel/panic.h"
#include "tests/host/machine.h"
#include "tests/host/sim/fiber.h"
#include "tests/host/sim/mmu.h"
#include "tests/host/sim/sim.h"

enum { POINTS_MAX = 300, AWAY_MAX = 600 };
enum { STEPS_WITHOUT_REST_MAX = 3000000 };

enum thread_state { THREAD_UNUSED, THREAD_READY, THREAD_WAITING, THREAD_ENDED };

struct sim_thread {
	enum thread_state state;
	struct fiber fiber;
	struct sim_cpu *cpu;            /* where it runs; NULL: nowhere */
	struct mmu_context *context;
	void (*entry)(void *);
	void *argument;
	const void *waits_for;
	uint64_t away_until;            /* step: until then no CPU takes it */
	bool is_idle, is_resting;
	void (*at_release)(void *argument);
	void *release_argument;
	struct sim_locks locks;
};

struct sim_cpu sim_cpus[SIM_CPUS_MAX];
unsigned sim_cpu_count = 1;
uint64_t sim_steps;
bool sim_is_tracing;
void (*sim_at_violation)(void);

static struct sim_thread threads[SIM_THREADS_MAX + SIM_CPUS_MAX];
static struct sim_thread machine;       /* what the real stack is, for the lists of locks */
static struct sim_thread *self;         /* NULL: the machine */
static unsigned points_left;            /* until the running thread gives way */
static bool is_frozen, is_quiet_wanted, is_over;
static uint64_t last_progress;

static void schedule(void);
static void give_way(void);

/* ---- threads ---- */

static void leave_to_machine(void)
{
	fiber_leave(&self->fiber);
}

static void enter_thread(struct sim_thread *thread)
{
	self = thread;
	host_become_cpu(thread->cpu - sim_cpus);
	fiber_enter(&thread->fiber);
	self = NULL;
	host_become_cpu(0);
}

/* The first thing on a new stack: finish the switch that schedule() began. */
static void thread_begin(void)
{
	fiber_begun();
	sim_this_cpu()->area->preempt_depth--;
	self->entry(self->argument);
	sim_thread_exit();
}


static struct sim_thread *thread_create(void (*entry)(void *), void *argument,
					struct mmu_context *context)
{
	struct sim_thread *thread = NULL;

	for (size_t i = 0; i < COUNT(threads) && !thread; i++)
		if (threads[i].state == THREAD_UNUSED)
			thread = &threads[i];
	assert(thread);
	*thread = (struct sim_thread){
		.state = THREAD_READY, .fiber = thread->fiber,
		.entry = entry, .argument = argument, .context = context,
	};
	fiber_make(&thread->fiber, thread_begin);
	return thread;
}

struct sim_thread *sim_thread_start(void (*entry)(void *), void *argument,
				    struct mmu_context *context)
{
	return sim_threads_alive() == SIM_THREADS_MAX ? NULL
						      : thread_create(entry, argument, context);
}

unsigned sim_threads_alive(void)
{
	unsigned alive = 0;

	for (size_t i = 0; i < COUNT(threads); i++)
		alive += threads[i].state != THREAD_UNUSED && !threads[i].is_idle;
	return alive;
}

void sim_thread_exit(void)
{
	assert(self->locks.count == 0);
	self->state = THREAD_ENDED;
	schedule();
	abort();
}

void sim_leave_context(void)
{
	struct cpu *area;

	if (!self)
		return;
	area = sim_this_cpu()->area;
	area->preempt_depth++;
	self->context = NULL;
	uint64_t flags = irq_save();
	tlb_activate(&kernel_context);
	irq_restore(flags);
	area->preempt_depth--;
}

static void idle_main(void *unused)
{
	for (;;) {
		give_way();
		schedule();
	}
}

/* ---- scheduling ---- */

struct sim_cpu *sim_this_cpu(void)
{
	return self ? self->cpu : &sim_cpus[this_cpu()->id];
}

bool sim_is_running(void)
{
	return self;
}

struct sim_locks *sim_locks(void)
{
	return self ? &self->locks : &machine.locks;
}

static bool may_preempt(const struct sim_cpu *cpu)
{
	return cpu->area->preempt_depth == 0 && !cpu->in_instruction && !cpu->irqs_off;
}

static void take_interrupt(struct sim_cpu *cpu)
{
	cpu->has_interrupt = false;
	cpu->irqs_off = true;
	cpu->area->irq_depth++;
	tlb_interrupt();
	cpu->area->irq_depth--;
	cpu->irqs_off = false;
}

void sim_interrupt(struct sim_cpu *cpu)
{
	uint32_t here = this_cpu()->id;

	cpu->has_interrupt = true;
	if (self)
		return;
	host_become_cpu(cpu->area->id);
	take_interrupt(cpu);
	host_become_cpu(here);
}

static void give_way(void)
{
	struct sim_cpu *cpu;

	leave_to_machine();
	cpu = self->cpu;
	if (cpu->has_interrupt && !cpu->irqs_off && !cpu->in_instruction && sim_chance(3))
		take_interrupt(cpu);
	if (!cpu->area->need_resched || !may_preempt(cpu))
		return;
	if (sim_chance(8))              /* whoever is in a narrow place stays there for long */
		self->away_until = sim_steps + sim_below(AWAY_MAX);
	schedule();
}

void sim_point(void)
{
	if (!self || is_frozen || points_left-- > 0)
		return;
	points_left = 0;
	give_way();
}

void sim_spin(void)
{
	if (!self)
		sim_violation("waits for another CPU, but there is none");
	is_frozen = false;
	points_left = 0;
	give_way();
}

void sim_wait(const void *what)
{
	if (!self)
		sim_violation("would sleep, but nobody could wake it");
	assert(may_preempt(self->cpu));
	is_frozen = false;
	self->waits_for = what;
	self->state = THREAD_WAITING;
	schedule();
}

void sim_wake(const void *what)
{
	for (size_t i = 0; i < COUNT(threads); i++) {
		if (threads[i].state == THREAD_WAITING && threads[i].waits_for == what)
			threads[i].state = THREAD_READY;
	}
}

static struct sim_thread *choose_next(struct sim_cpu *cpu)
{
	struct sim_thread *ready[COUNT(threads)];
	unsigned count = 0;

	for (size_t i = 0; i < COUNT(threads); i++) {
		struct sim_thread *thread = &threads[i];

		if (thread->state == THREAD_READY && !thread->is_idle &&
		    (!thread->cpu || thread->cpu == cpu) && thread->away_until <= sim_steps)
			ready[count++] = thread;
	}
	return count == 0 || sim_chance(12) ? cpu->idle : ready[sim_below(count)];
}

/* As in the kernel: on the old thread's stack, preemption off, load what the next one needs. */
static void schedule(void)
{
	struct sim_cpu *cpu = self->cpu;
	struct sim_thread *next = choose_next(cpu);

	cpu->area->need_resched = false;
	cpu->area->preempt_depth++;
	if (next != self) {
		if (!next->is_idle)
			next->cpu = cpu;        /* taken: no other CPU chooses it */
		uint64_t flags = irq_save();
		tlb_activate(next->context ? next->context : &kernel_context);
		irq_restore(flags);
		cpu->running = next;
		if (!self->is_idle)
			self->cpu = NULL;
	}
	leave_to_machine();
	self->cpu->area->preempt_depth--;
}

void sim_at_release(void (*call)(void *argument), void *argument)
{
	if (!self)
		return;
	self->at_release = call;
	self->release_argument = argument;
}

void sim_released(void)
{
	if (self && self->at_release)
		self->at_release(self->release_argument);
}

void sim_freeze(void *unused)
{
	is_frozen = true;
}

void sim_thaw(void)
{
	is_frozen = false;
}

/* ---- runs ---- */

void sim_start(unsigned count)
{
	sim_cpu_count = count;
	for (unsigned i = 0; i < count; i++) {
		struct sim_cpu *cpu = &sim_cpus[i];

		cpu->area = cpus[i];
		cpu->idle = thread_create(idle_main, NULL, NULL);
		cpu->idle->is_idle = true;
		cpu->idle->cpu = cpu;
		cpu->running = cpu->idle;
		cpu->area->apic_id = i;
		host_become_cpu(i);
		tlb_start_cpu();
	}
	host_become_cpu(0);
}

void sim_rest(void)
{
	last_progress = sim_steps;
	self->is_resting = true;
	do {
		points_left = 0;
		give_way();
	} while (is_quiet_wanted && !is_over);
	self->is_resting = false;
}

bool sim_is_over(void)
{
	return is_over;
}

static bool all_at_rest(void)
{
	for (size_t i = 0; i < COUNT(threads); i++) {
		const struct sim_thread *thread = &threads[i];

		if (thread->state != THREAD_UNUSED && !thread->is_idle && !thread->is_resting)
			return false;
	}
	return true;
}

static void bury_ended(void)
{
	for (size_t i = 0; i < COUNT(threads); i++) {
		if (threads[i].state == THREAD_ENDED && !threads[i].cpu)
			threads[i].state = THREAD_UNUSED;
	}
}

/* A few points mostly, so that short windows are hit; sometimes many, so that long ones are
 * passed. */
static unsigned choose_points(void)
{
	switch (sim_below(8)) {
	case 0:
		return sim_below(POINTS_MAX);
	case 1:
	case 2:
		return sim_below(40);
	default:
		return sim_below(5);
	}
}

static void step(void)
{
	struct sim_cpu *cpu = &sim_cpus[sim_below(sim_cpu_count)];

	sim_steps++;
	mmu_background(cpu);
	if (sim_chance(12))
		cpu->area->need_resched = true;
	points_left = choose_points();
	enter_thread(cpu->running);
	bury_ended();
}

static void watch_progress(void)
{
	if (sim_steps - last_progress > STEPS_WITHOUT_REST_MAX)
		sim_violation("no thread has finished anything for long: a deadlock");
}

/* Preemption is off where schedule() has left a CPU, but not for who looks on from outside. */
static void set_preempt_depths(uint32_t depth)
{
	for (unsigned i = 0; i < sim_cpu_count; i++)
		sim_cpus[i].area->preempt_depth = depth;
}

static void look(void (*inspect)(void))
{
	uint32_t depth = sim_cpus[0].area->preempt_depth;

	sim_cpus[0].area->preempt_depth = 0;
	inspect();
	sim_cpus[0].area->preempt_depth = depth;
}

void sim_run(uint64_t steps, uint64_t quiet_interval, void (*inspect)(void))
{
	uint64_t end = sim_steps + steps, next_quiet = sim_steps + quiet_interval;

	last_progress = sim_steps;
	is_over = false;
	set_preempt_depths(1);
	while (sim_steps < end || !all_at_rest()) {
		step();
		watch_progress();
		is_quiet_wanted = sim_steps >= MIN(next_quiet, end);
		if (is_quiet_wanted && all_at_rest()) {
			look(inspect);
			next_quiet = sim_steps + quiet_interval;
			is_quiet_wanted = false;
		}
	}
	look(inspect);
	is_over = true;
	while (sim_threads_alive() > 0) {
		step();
		watch_progress();
	}
	look(inspect);
	set_preempt_depths(0);
}

/* ---- telling ---- */

void sim_violation(const char *fmt, ...)
{
	va_list args;

	printf("# violation at step %llu, CPU %d: ", (unsigned long long)sim_steps,
	       self ? (int)(self->cpu - sim_cpus) : -1);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	if (getenv("TRACE"))
		__sanitizer_print_stack_trace();
	if (sim_at_violation)
		sim_at_violation();
	_exit(1);
}

void sim_trace_line(const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%8llu cpu%d thread%d: ", (unsigned long long)sim_steps,
		self ? (int)(self->cpu - sim_cpus) : -1, self ? (int)(self - threads) : -1);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}
