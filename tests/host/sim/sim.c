/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/sim.c - the scheduler of the simulated machine.
 *
 * Owns: threads, their stacks, which thread each CPU runs.
 * Invariants: exactly one thread runs, or the machine itself does, on the real stack (self == NULL).  A
 *   CPU whose preemption is off, or that is inside an instruction, keeps its thread.
 * See: tests/host/sim/mmu.c for translation, tests/host/sim/kernel.c for locks.
 */
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/types.h"
#include "arch/x86_64/tlb.h"
#include "kernel/panic.h"
#include "tests/host/machine.h"
#include "tests/host/sim/mmu.h"
#include "tests/host/sim/sim.h"

enum { STACK_SIZE = 256 << 10, POINTS_MAX = 300, STEPS_WITHOUT_REST_MAX = 3000000 };

enum thread_state { THREAD_UNUSED, THREAD_READY, THREAD_WAITING, THREAD_ENDED };

struct sim_thread {
	enum thread_state state;
	void *stack_pointer;
	uint8_t *stack;
	void *asan_stack;
	struct sim_cpu *cpu;            /* where it runs; NULL: nowhere */
	struct mmu_context *context;
	void (*entry)(void *);
	void *argument;
	const void *waits_for;
	bool is_idle, is_resting;
	void (*at_release)(void *argument);
	void *release_argument;
	const void *locks[SIM_LOCKS_MAX];
	unsigned lock_ranks[SIM_LOCKS_MAX];
	unsigned lock_count;
};

struct sim_cpu sim_cpus[SIM_CPUS_MAX];
unsigned sim_cpu_count = 1;
uint64_t sim_steps;
bool sim_is_tracing;

static struct sim_thread threads[SIM_THREADS_MAX + SIM_CPUS_MAX];
static struct sim_thread machine;       /* what the real stack is, for the lists of locks */
static struct sim_thread *self;         /* NULL: the machine */
static void *machine_stack_pointer;
static const void *machine_stack;
static size_t machine_stack_size;

static uint64_t random_state;
static unsigned points_left;            /* until the running thread gives way */
static bool is_frozen, is_quiet_wanted, is_over;
static uint64_t last_progress;

static void schedule(void);
static void give_way(void);

/* ---- chance ---- */

void sim_seed(uint64_t seed)
{
	random_state = seed * 0x9e3779b97f4a7c15ull + 0x1234567;
	for (int i = 0; i < 8; i++)
		sim_random();
}

uint64_t sim_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

unsigned sim_below(unsigned n)
{
	return (sim_random() >> 20) % n;
}

/* ---- from stack to stack ---- */

void sim_switch(void **save, void *load);

__asm__(".text\n"
	".globl sim_switch\n"
	"sim_switch:\n"
	"	pushq %rbp\n	pushq %rbx\n	pushq %r12\n	pushq %r13\n	pushq %r14\n	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n	popq %r14\n	popq %r13\n	popq %r12\n	popq %rbx\n	popq %rbp\n"
	"	ret\n");

static void switch_to_machine(void)
{
	struct sim_thread *me = self;

	__sanitizer_start_switch_fiber(&me->asan_stack, machine_stack, machine_stack_size);
	sim_switch(&me->stack_pointer, machine_stack_pointer);
	__sanitizer_finish_switch_fiber(me->asan_stack, NULL, NULL);
}

static void switch_to_thread(struct sim_thread *thread)
{
	void *asan_stack;

	self = thread;
	host_become_cpu(thread->cpu - sim_cpus);
	__sanitizer_start_switch_fiber(&asan_stack, thread->stack, STACK_SIZE);
	sim_switch(&machine_stack_pointer, thread->stack_pointer);
	__sanitizer_finish_switch_fiber(asan_stack, NULL, NULL);
	self = NULL;
	host_become_cpu(0);
}

/* The first thing on a new stack: finish the switch that schedule() began. */
static void thread_begin(void)
{
	__sanitizer_finish_switch_fiber(NULL, &machine_stack, &machine_stack_size);
	sim_this_cpu()->area->preempt_depth--;
	self->entry(self->argument);
	sim_thread_exit();
}

/* ---- threads ---- */

static struct sim_thread *thread_create(void (*entry)(void *), void *argument,
					struct mmu_context *context)
{
	struct sim_thread *thread = NULL;
	uint64_t *top;

	for (size_t i = 0; i < COUNT(threads) && !thread; i++)
		if (threads[i].state == THREAD_UNUSED)
			thread = &threads[i];
	assert(thread);
	uint8_t *stack = thread->stack ? thread->stack : aligned_alloc(4096, STACK_SIZE);
	*thread = (struct sim_thread){ .state = THREAD_READY, .stack = stack, .entry = entry,
				       .argument = argument, .context = context };
	ASAN_UNPOISON_MEMORY_REGION(stack, STACK_SIZE);
	top = (uint64_t *)(stack + STACK_SIZE) - 1;    /* as a call leaves it: 8 mod 16 */
	*top = 0;
	*--top = (uint64_t)thread_begin;
	top -= 6;
	memset(top, 0, 6 * sizeof(*top));
	thread->stack_pointer = top;
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
	assert(self->lock_count == 0);
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
	tlb_activate(&kernel_context);
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

const void *sim_self(void)
{
	return self ? self : &machine;
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

	switch_to_machine();
	cpu = self->cpu;
	if (cpu->has_interrupt && !cpu->irqs_off && !cpu->in_instruction && sim_chance(3))
		take_interrupt(cpu);
	if (cpu->area->need_resched && may_preempt(cpu))
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
		    (!thread->cpu || thread->cpu == cpu))
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
		tlb_activate(next->context ? next->context : &kernel_context);
		cpu->running = next;
		if (!self->is_idle)
			self->cpu = NULL;
	}
	switch_to_machine();
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

/* A few points mostly, so that short windows are hit; sometimes many, so that long ones are passed. */
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
	switch_to_thread(cpu->running);
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

/* ---- locks held ---- */

static struct sim_thread *lock_holder(void)
{
	return self ? self : &machine;
}

void sim_lock_enter(const void *lock, unsigned rank)
{
	struct sim_thread *holder = lock_holder();

	for (unsigned i = 0; i < holder->lock_count; i++) {
		if (holder->locks[i] == lock)
			sim_violation("takes a lock of rank %u twice", rank);
		if (holder->lock_ranks[i] >= rank)
			sim_violation("takes a lock of rank %u while it holds one of rank %u", rank,
				      holder->lock_ranks[i]);
	}
	assert(holder->lock_count < SIM_LOCKS_MAX);
	holder->locks[holder->lock_count] = lock;
	holder->lock_ranks[holder->lock_count++] = rank;
}

void sim_lock_leave(const void *lock)
{
	struct sim_thread *holder = lock_holder();
	unsigned at = holder->lock_count;

	while (at > 0 && holder->locks[at - 1] != lock)
		at--;
	if (at == 0)
		sim_violation("releases a lock that it does not hold");
	holder->lock_count--;
	for (; at <= holder->lock_count; at++) {
		holder->locks[at - 1] = holder->locks[at];
		holder->lock_ranks[at - 1] = holder->lock_ranks[at];
	}
}

bool sim_holds(const void *lock)
{
	const struct sim_thread *holder = lock_holder();

	for (unsigned i = 0; i < holder->lock_count; i++) {
		if (holder->locks[i] == lock)
			return true;
	}
	return false;
}

unsigned sim_locks_held(void)
{
	return lock_holder()->lock_count;
}
