/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/tlb.h - flush a page, a range, a space, on every CPU that needs it.
 *
 * A CPU may cache translations and upper-level entries of the space it has loaded, and of no other:
 * switching spaces loads CR3, which drops them (no PCID), and kernel tasks load the kernel's root
 * (no lazy TLB).  So a flush concerns exactly the CPUs in `cpus`.
 *
 *   switch-in:  set own bit in cpus -> full barrier -> load CR3
 *   flush:      store the entry -> full barrier -> read cpus -> IPI -> wait
 *
 * The opposite order on either side loses a flush.  One INVLPG drops the page and all cached
 * upper-level entries (SDM vol. 3A 4.10.4), so it also covers replaced tables on the path of the
 * page.
 *
 * Waiting for the others needs interrupts on and no lock that they may spin for with interrupts off
 * (rule 10 of docs/COW.md).
 */
#pragma once

#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/types.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "kernel/event.h"

/* Above this many pages a flush drops everything instead of page by page. */
enum { TLB_RANGE_PAGES = 32 };

struct mmu_context {
	phys_t root;                    /* of the level-4 table; constant while loaded anywhere */
	uint64_t cpus;                  /* atomic: who has it loaded; not kept for the kernel */
	uint64_t id;                    /* for events: the space's */
};

extern struct mmu_context kernel_context;

/* Load `context` on this CPU (interrupts off).  Does nothing if it is loaded already. */
void tlb_activate(struct mmu_context *context);

/* Drop all that any CPU may have cached of [start, end) (page aligned) in `context`, also of the
 * tables on its path; returns when every CPU has done so. */
void tlb_flush_range(struct mmu_context *context, virt_t start, virt_t end);

/* The same for one page, where preemption is off: under a table's lock. */
static inline void tlb_flush_page(struct mmu_context *context, virt_t addr);

void tlb_flush_all(struct mmu_context *context);

/* The same for kernel addresses, on all CPUs. */
void tlb_flush_kernel(virt_t start, virt_t end);

/* Drop one page on this CPU: after a spurious fault. */
void tlb_flush_local_page(virt_t addr);

/* This CPU runs on the kernel's root from now on; the start of all the rest. */
void tlb_start_cpu(void);

/* VECTOR_SHOOTDOWN; also called by who waits with interrupts off. */
void tlb_interrupt(void);

/* Shootdowns sent and acknowledged, all CPUs together since boot. */
uint64_t tlb_shootdowns_sent(void);
uint64_t tlb_shootdowns_received(void);

/* Ask the CPUs of the mask, not this one, to flush, and wait until they have.  NULL: kernel
 * addresses.  Preemption is off. */
void tlb_shoot_down(const struct mmu_context *context, uint64_t targets, virt_t start, virt_t end);

static inline void tlb_flush_page(struct mmu_context *context, virt_t addr)
{
	const struct cpu *cpu = this_cpu();
	if (likely(cpu->loaded == context))
		invlpg(addr);
	event_detail(flush, context->id, addr, addr + PAGE_SIZE);
	memory_barrier();
	uint64_t targets = atomic_load_relaxed(&context->cpus) & ~BIT(cpu->id);
	if (unlikely(targets != 0))
		tlb_shoot_down(context, targets, addr, addr + PAGE_SIZE);
}
