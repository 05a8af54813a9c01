/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/sim.h - several CPUs in one thread of the build machine.
 *
 * A run is a pure function of its seed.  Every simulated thread has a stack of its own; one real
 * thread carries them all and changes from one to the next only at scheduling points: each load
 * and store of an entry, each atomic operation, each lock, each step of a shootdown calls
 * sim_point().  The machine then picks a CPU by chance and lets it go on for a few points;
 * between, it may deliver an interrupt, walk page tables ahead of the program, or forget a cached
 * translation.
 *
 *     machine            CPU 0                   CPU 1                  CPU 2
 *   pick CPU 1 ------------------------------> 3 points of a fork
 *   deliver to 0 ---->  drops its TLB
 *   pick CPU 0 ------>  1 point of a store
 *   pick CPU 1 ------------------------------> 7 points of the fork     ...
 *
 * Code that runs outside sim_run(), on the real stack, meets no scheduling: other CPUs stand
 * still, but keep what they have cached, and answer at once.
 */
#pragma once

#include "lib/types.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/tlb.h"

enum { SIM_CPUS_MAX = 4, SIM_THREADS_MAX = 24, SIM_LOCKS_MAX = 8 };

struct sim_thread;

struct sim_locks {
	const void *held[SIM_LOCKS_MAX];
	unsigned ranks[SIM_LOCKS_MAX];
	unsigned count;
};

struct sim_cpu {
	struct cpu *area;
	struct sim_thread *running;     /* its idle thread if nothing else */
	struct sim_thread *idle;
	bool in_instruction;            /* interrupts wait for its end */
	bool irqs_off;                  /* RFLAGS.IF is clear, or an interrupt is being served */
	bool has_interrupt;             /* a shootdown's, not yet taken */
};

extern struct sim_cpu sim_cpus[SIM_CPUS_MAX];
extern unsigned sim_cpu_count;
extern uint64_t sim_steps;              /* since the start of the run: the machine's clock */

/* ---- chance ---- */

void sim_seed(uint64_t seed);
uint64_t sim_random(void);
unsigned sim_below(unsigned n);
static inline bool sim_chance(unsigned one_in) { return sim_below(one_in) == 0; }

/* ---- threads ---- */

/* A thread whose CPU has `context` loaded while it runs.  NULL: there are too many. */
struct sim_thread *sim_thread_start(void (*entry)(void *), void *argument,
				    struct mmu_context *context);
NORETURN void sim_thread_exit(void);
unsigned sim_threads_alive(void);

/* The running thread gives its context up: the kernel's is loaded instead. */
void sim_leave_context(void);

/* The CPU that executes this; outside sim_run(), the one of host_become_cpu(). */
struct sim_cpu *sim_this_cpu(void);

/* Inside sim_run(): is there something to schedule? */
bool sim_is_running(void);

/* Interrupt a CPU, soon; outside sim_run(), at once. */
void sim_interrupt(struct sim_cpu *cpu);

/* ---- scheduling ---- */

void sim_point(void);                   /* others may run here */
void sim_spin(void);                    /* others must run here: waiting for another CPU */
void sim_wait(const void *what);        /* sleep until sim_wake(what) */
void sim_wake(const void *what);

/*
 * What the running thread's next calls do becomes true for others when they release a space's lock.
 * Then call(argument) is called, so that the oracle can keep up; NULL: nothing.
 *
 * sim_freeze is such a call: from there on no others run until sim_thaw(), or until the thread
 * has to wait for others.
 */
void sim_at_release(void (*call)(void *argument), void *argument);
void sim_freeze(void *unused);
void sim_thaw(void);
void sim_released(void);                /* locks say so */

/* ---- runs ---- */

/* Each thread calls this between two operations: it returns when the machine is not being
 * inspected. */
void sim_rest(void);

/* Has the machine taken its last step, so that threads should end? */
bool sim_is_over(void);

/* Run all threads for `steps`; every `quiet_interval` steps let all come to rest and call `inspect`
 * on the real stack; at the end as well.  Returns with all threads at rest or ended. */
void sim_run(uint64_t steps, uint64_t quiet_interval, void (*inspect)(void));

/* Set the machine up: CPUs with their idle threads. */
void sim_start(unsigned count);

/* ---- telling ---- */

/* The run found something: say what and where, and end the process. */
NORETURN void sim_violation(const char *fmt, ...) PRINTF_LIKE(1, 2);
extern void (*sim_at_violation)(void);  /* instead of the end of the process; NULL: nothing */

/* With TRACE in the environment: one line with step, CPU and thread. */
extern bool sim_is_tracing;
void sim_trace_line(const char *fmt, ...) PRINTF_LIKE(1, 2);
#define sim_trace(...) do { if (sim_is_tracing) sim_trace_line(__VA_ARGS__); } while (0)

/* The locks that the running thread, or the real stack, holds: see tests/host/sim/locks.c. */
struct sim_locks *sim_locks(void);
