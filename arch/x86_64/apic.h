/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/apic.h - local and I/O interrupt controllers, interprocessor interrupts.
 *
 * Each CPU has a local APIC, through which CPUs interrupt each other and which holds the CPU's
 * timer.  I/O APICs bring the devices' interrupts; all go to the boot CPU, on vector
 * VECTOR_IRQ_BASE + ISA interrupt.  xAPIC (registers in memory) only, so APIC ids are at most 254.
 *
 * See: Intel SDM vol. 3A chapter 10 (APIC); 82093AA data sheet (I/O APIC).
 */
#pragma once

#include "lib/types.h"

/* Boot CPU: map the registers, mask the old controllers and every I/O APIC line, enable this CPU's
 * local APIC.  After acpi_start(). */
void apic_start(void);

/* Enable the local APIC of a further CPU. */
void apic_start_cpu(void);

/* This CPU's id, as others address it. */
uint32_t apic_id(void);

/* Tell the local APIC that the interrupt being served is done: once per interrupt that came through
 * it (devices, timer, other CPUs), but not for spurious ones and NMIs. */
void apic_end_of_interrupt(void);

/* Interrupt another CPU, or all others.  Any context.  Before apic_start() they do nothing. */
void apic_send(uint32_t to_apic_id, uint8_t vector);
void apic_send_others(uint8_t vector);
void apic_send_nmi(uint32_t to_apic_id);
void apic_send_nmi_others(void);

/* Reset another CPU; then let it run from `start`, a page below 1 MiB, in real mode. */
void apic_send_init(uint32_t to_apic_id);
void apic_send_startup(uint32_t to_apic_id, phys_t start);

/* Let ISA interrupt `irq` come, or hold it back. */
void apic_irq_enable(unsigned irq);
void apic_irq_disable(unsigned irq);

/* The local timer: counts down once at a fixed rate, then interrupts with VECTOR_TIMER. */
void apic_timer_set(uint32_t ticks);            /* 0 stops it */
uint32_t apic_timer_left(void);

/* Have VECTOR_TIMER come when the cycle counter passes IA32_TSC_DEADLINE, instead of by count. */
void apic_timer_use_deadline(void);
