/* SPDX-License-Identifier: MIT */
/* Runs of quadwords in C, so that the sanitizers see them; and no clash with pause(2).  Under the
 * simulated machine (-DSIM) its CPUs execute what concerns interrupts and translation. */
#pragma once

#define pause pause_by_insn
#define stosq stosq_by_insn
#define movsq movsq_by_insn
#ifdef SIM
#define irq_enabled irq_enabled_by_insn
#define irq_save    irq_save_by_insn
#define irq_restore irq_restore_by_insn
#define read_cr3    read_cr3_by_insn
#define write_cr3   write_cr3_by_insn
#define read_cr4    read_cr4_by_insn
#define write_cr4   write_cr4_by_insn
#define invlpg      invlpg_by_insn
#endif
#include_next "arch/x86_64/insn.h"
#undef pause
#undef stosq
#undef movsq

static inline void stosq(void *to, uint64_t value, size_t count)
{
	uint64_t *words = to;

	for (size_t i = 0; i < count; i++)
		words[i] = value;
}

static inline void movsq(void *to, const void *from, size_t count)
{
	uint64_t *words = to;
	const uint64_t *source = from;

	for (size_t i = 0; i < count; i++)
		words[i] = source[i];
}

#ifdef SIM
#undef irq_enabled
#undef irq_save
#undef irq_restore
#undef read_cr3
#undef write_cr3
#undef read_cr4
#undef write_cr4
#undef invlpg

bool irq_enabled(void);
uint64_t irq_save(void);
void irq_restore(uint64_t flags);
uint64_t read_cr3(void);
void write_cr3(uint64_t value);
uint64_t read_cr4(void);
void write_cr4(uint64_t value);
void invlpg(virt_t addr);

void sim_spin(void);
#define pause() sim_spin()
#endif
