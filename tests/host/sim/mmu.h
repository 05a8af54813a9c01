/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/mmu.h - translation as x86-64 CPUs may do it.
 *
 * Each CPU has a TLB and caches of upper-level entries (paging-structure caches), and uses the
 * liberties of the manual (Intel SDM vol. 3A 4.10): it keeps what nobody told it to drop, starts
 * a walk in the middle, walks ahead of the program, and forgets at any time.  INVLPG drops a page
 * and all upper levels; a page fault drops what was used for its address; loading CR3 drops
 * everything.
 *
 * Every walk checks what it meets: only live tables of the right level, only live frames of data,
 * rights where they belong.  The CPU never writes to a table, because nothing it would write is
 * ever missing.
 */
#pragma once

#include "lib/types.h"
#include "kernel/upcall.h"
#include "tests/host/sim/sim.h"

struct mmu_translation {
	pfn_t frame;
	bool can_write, can_execute;
};

/*
 * One attempt of the running CPU to translate addr for an access, inside an instruction.  False:
 * a page fault; what was cached for the address is dropped.
 */
bool mmu_translate(virt_t addr, enum access access, struct mmu_translation *out);

/* What goes on between two steps: late interrupts, walks ahead, forgetting. */
void mmu_background(struct sim_cpu *cpu);

/* Where walks ahead of the program go: an address by chance. */
extern virt_t (*mmu_speculation_target)(void);

/* Everything that CPUs have cached must be in the trees still: call it when no flush is under
 * way. */
void mmu_check_caches(void);

/* Is the frame something a CPU may read through, at this moment? */
void mmu_check_frame(pfn_t frame, virt_t addr);
