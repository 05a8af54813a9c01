/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/cpu.h - the processor: its features and the per-CPU area.
 *
 * Each CPU reaches its own struct cpu through %gs.  In the kernel GS.base always points here;
 * swapgs on every way in and out keeps it so.  Fields marked [own] are touched by their CPU only.
 */
#pragma once

#include "lib/types.h"

enum { CPU_MAX = 64 };

/* Room for extended registers: at most those of x87, SSE and AVX, which cpu_detect() may choose. */
enum { FPU_AREA_SIZE = 512 + 64 + 256 };

struct task;
struct mmu_context;

struct cpu {
	struct cpu *self;               /* at %gs:0 */
	struct task *task;              /* [own] the running one; read it as `current` */
	virt_t kernel_stack;            /* [own] top of the running task's kernel stack */
	virt_t user_stack;              /* [own] scratch for the system-call door */
	uint64_t canary;                /* [own] at %gs:32; the running task's with SAN=1 */
	uint32_t id;                    /* 0 is the boot CPU; dense */
	uint32_t apic_id;
	uint32_t preempt_depth;         /* [own] preemption is off while above zero */
	uint32_t irq_depth;             /* [own] interrupts being served */
	bool need_resched;              /* someone better may run; set by any CPU */
	bool online;
	struct mmu_context *loaded;     /* [own] the address space in CR3 */
	uint64_t gs_base;               /* [own] the program's: in the register, or that is 0 */
	struct task *idle;
	struct run_queue *queue;
	void *arch;                     /* struct cpu_arch: descriptor tables, exception stacks */
	uint64_t counters[32];          /* [own] see mm/counters.h */
	void *frame_cache;              /* [own] see mm/frame.c */
	uint64_t random_state;          /* [own] jitter */
	uint64_t lock_stats[48][3];     /* [own] by rank; see kernel/spinlock.c */
};

/* What CPUID offered and we use, the same on every CPU. */
struct cpu_features {
	bool nx, smep, smap, umip, pge, page_1g, fsgsbase, xsave, xsaveopt, erms, rdrand;
	bool invariant_tsc;
	uint64_t xcr0;                  /* what we enable */
	uint32_t xsave_bytes;           /* for that xcr0 */
	uint32_t phys_bits;
	char vendor[13], model_name[49];
	uint32_t family, model, stepping;
};

extern struct cpu_features cpu_features;
extern struct cpu *cpus[CPU_MAX];       /* by id; NULL beyond cpu_count */
extern uint32_t cpu_count;              /* CPUs online; constant once smp_start() is done */

/* The CPUs online, as a mask. */
static inline uint64_t cpu_online_mask(void)
{
	return UINT64_MAX >> (CPU_MAX - cpu_count);
}

/* This CPU.  Stable only while preemption is off. */
static inline struct cpu *this_cpu(void)
{
	struct cpu *cpu;
	__asm__ volatile("mov %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

/* A depth of this CPU's in one instruction: between looking up the CPU and reading its field, the
 * task may be moved, and see the depth of somebody else. */
#define cpu_depth(field) \
	({ \
		uint32_t depth_; \
		__asm__ volatile("movl %%gs:%c1, %0" : "=r"(depth_) \
				 : "i"(offsetof(struct cpu, field)) : "memory"); \
		depth_; \
	})

/* Add to one of this CPU's counters, a constant one: one instruction, so that a change of CPU
 * cannot lose it. */
#define cpu_counter_add(index, n) \
	__asm__ volatile("addq %0, %%gs:%c1" : : "er"((uint64_t)(n)), \
			 "i"(offsetof(struct cpu, counters) + (index) * sizeof(uint64_t)) \
			 : "memory", "cc")

/* The running task.  Always stable: a task reads itself. */
static inline struct task *current_task(void)
{
	struct task *task;
	__asm__ volatile("mov %%gs:8, %0" : "=r"(task));
	return task;
}
#define current current_task()

/* Boot CPU, before paging_start(): read CPUID; write STAC and CLAC where they are wanted, if they
 * exist.  The boot CPU's own area is boot_cpu, number 0. */
void cpu_detect(void);
extern struct cpu boot_cpu;

/*
 * Make `cpu` this CPU's area, and set CR0, CR4, EFER, XCR0 and the system-call MSRs.  Each CPU,
 * once, after gdt_setup().  It ends with protections on, so the boot CPU calls it when its own
 * tables (paging_start) are loaded or about to be.
 */
void cpu_setup(struct cpu *cpu);

/* The first protection that this CPU could have and has not: "WP", "SMEP", ...; NULL: none. */
const char *cpu_unprotected_by(void);

/* Make `cpu` this CPU's area: this_cpu() works from here on. */
void cpu_set_area(struct cpu *cpu);
