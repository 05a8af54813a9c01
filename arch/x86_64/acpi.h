/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/acpi.h - finds CPUs and interrupt controllers in the firmware tables.
 *
 * Only the fixed tables are read (MADT, FADT); there is no AML interpreter.  All that is wanted of
 * them is copied into `acpi`, once, at boot.
 *
 * See: ACPI Specification 6.4, chapter 5.2.
 */
#pragma once

#include "lib/types.h"
#include "arch/x86_64/cpu.h"

enum { ACPI_IO_APICS_MAX = 8, ISA_IRQS = 16 };

struct acpi_io_apic {
	phys_t address;
	uint32_t irq_base;              /* its first global interrupt */
};

/* How an ISA interrupt arrives. */
struct acpi_isa_irq {
	uint32_t global;                /* at which global interrupt */
	bool active_low, level;         /* normally high, edge */
};

struct acpi {
	bool has_madt;                  /* else: one CPU, no I/O APIC */
	bool has_8259;                  /* the old interrupt controllers are there, to be masked */
	phys_t local_apic;
	uint32_t cpu_count;             /* usable CPUs, at most CPU_MAX */
	uint32_t apic_ids[CPU_MAX];
	uint32_t io_apic_count;
	struct acpi_io_apic io_apics[ACPI_IO_APICS_MAX];
	struct acpi_isa_irq isa_irqs[ISA_IRQS];
	uint16_t pm_timer_port;         /* 0: none */
	bool pm_timer_is_32bit;         /* else 24 */
};

extern struct acpi acpi;

/* Read the tables.  After paging_start().  Broken or missing tables leave the defaults of an old
 * PC: one CPU, ISA interrupts where they always were. */
void acpi_start(void);
