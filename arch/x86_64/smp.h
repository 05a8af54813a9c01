/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/smp.h - starts the other CPUs, calls functions on them.
 */
#pragma once

#include "lib/types.h"

/* Start every CPU that the firmware lists, up to options.smp.  Boot CPU, once, when tasks, clock
 * and frames work.  A CPU that does not come is reported and left out. */
void smp_start(void);

/* Run function(argument) on every online CPU in the mask, interrupts off, and wait until all have.
 * The caller has interrupts on and holds no spinlock that another CPU may want with them off. */
void smp_call_on(uint64_t cpu_mask, void (*function)(void *argument), void *argument);

/*
 * Bring all other CPUs to a halt, wherever they are; they go on answering shootdowns.  The caller,
 * with interrupts on and preemption off, then has the machine for itself until it calls resume;
 * meanwhile it must take no lock that a halted CPU may hold, and make no calls.
 */
void smp_stop_others(void);
void smp_resume_others(void);

/* VECTOR_CALL. */
void smp_call_interrupt(void);
