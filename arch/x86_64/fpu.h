/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/fpu.h - x87, SSE and AVX state.
 *
 * The kernel itself never touches these registers.  A task's state lies in its fpu area (64-byte
 * aligned, fpu_state_bytes() long) while it does not run: at the top of its kernel stack.  XSAVE
 * when the CPU has it, else FXSAVE.
 */
#pragma once

#include "lib/types.h"
#include "arch/x86_64/cpu.h"

size_t fpu_state_bytes(void);

/* The state every program starts with. */
void fpu_state_reset(void *state);

/* Registers -> memory that held some before, or (fork) whose contents are undefined. */
static inline void fpu_save(void *state);
void fpu_save_first(void *state);

/* Memory, which must be sane -> registers. */
static inline void fpu_restore(const void *state);

/*
 * The signal frame: fpu_user_bytes() with the XSAVE header and the FP_XSTATE magic numbers that
 * Linux puts there.  fpu_to_user writes the running task's registers at the 64-byte aligned user
 * address; fpu_from_user takes them back, checking everything a program could have forged
 * (-EINVAL, -EFAULT: registers unchanged or reset).  `at` 0 in fpu_from_user resets.
 */
size_t fpu_user_bytes(void);
MUST_CHECK int fpu_to_user(virt_t at);
MUST_CHECK int fpu_from_user(virt_t at);

static inline void fpu_save(void *state)
{
	if (likely(cpu_features.xsaveopt))
		__asm__ volatile("xsaveopt64 (%0)" : : "r"(state), "a"(-1), "d"(-1) : "memory");
	else if (cpu_features.xsave)
		__asm__ volatile("xsave64 (%0)" : : "r"(state), "a"(-1), "d"(-1) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" : : "r"(state) : "memory");
}

static inline void fpu_restore(const void *state)
{
	if (likely(cpu_features.xsave))
		__asm__ volatile("xrstor64 (%0)" : : "r"(state), "a"(-1), "d"(-1) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" : : "r"(state) : "memory");
}
