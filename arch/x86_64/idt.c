/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/idt.c - 256 gates, which stack each uses.
 *
 * Owns: the table; constant after idt_start().
 * See: Intel SDM vol. 3A 6.14.1 (gates), arch/x86_64/trap_entry.asm (where they lead).
 */
#include "lib/types.h"
#include "arch/x86_64/gdt.h"
#include "arch/x86_64/idt.h"
#include "arch/x86_64/trap.h"

enum { GATE_INTERRUPT = 0x8e, GATE_FOR_PROGRAMS = 0x60 };

struct gate {
	uint16_t target_low;
	uint16_t selector;
	uint8_t stack;                  /* 0: the one in use; rsp[0] from a program */
	uint8_t type;
	uint16_t target_middle;
	uint32_t target_high;
	uint32_t reserved;
};

static_assert(sizeof(struct gate) == 16, "the CPU knows its gates' layout");

static ALIGNED(16) struct gate gates[256];

static void gate_fill(unsigned vector, uint8_t stack, uint8_t type);

void idt_start(void)
{
	for (unsigned vector = 0; vector < 256; vector++)
		gate_fill(vector, 0, GATE_INTERRUPT);
	gate_fill(VECTOR_DOUBLE_FAULT, IST_DOUBLE_FAULT, GATE_INTERRUPT);
	gate_fill(VECTOR_NMI, IST_NMI, GATE_INTERRUPT);
	gate_fill(VECTOR_MACHINE_CHECK, IST_MACHINE_CHECK, GATE_INTERRUPT);
	gate_fill(VECTOR_BREAKPOINT, 0, GATE_INTERRUPT | GATE_FOR_PROGRAMS);
	gate_fill(VECTOR_OVERFLOW, 0, GATE_INTERRUPT | GATE_FOR_PROGRAMS);
}

void idt_load(void)
{
	struct PACKED {
		uint16_t limit;
		virt_t base;
	} pointer = { sizeof(gates) - 1, (virt_t)gates };

	__asm__ volatile("lidt %0" : : "m"(pointer));
}

static void gate_fill(unsigned vector, uint8_t stack, uint8_t type)
{
	virt_t target = (virt_t)trap_vectors[vector];

	gates[vector] = (struct gate){
		.target_low = target & 0xffff,
		.selector = SELECTOR_KERNEL_CODE,
		.stack = stack,
		.type = type,
		.target_middle = target >> 16 & 0xffff,
		.target_high = target >> 32,
	};
}
