/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/power.c - leaving: off, reset, QEMU's debug exit.
 *
 * Each way tries what the machine may have, best first, and ends in a halt.  Where ACPI's sleep
 * control lies on real machines only an AML interpreter could tell; here are the places of QEMU's.
 * See: ACPI Specification 6.4, 4.8.3.2 (PM1 control); QEMU docs/specs.
 */
#include "arch/x86_64/insn.h"
#include "arch/x86_64/power.h"

enum {
	PORT_PM1_CONTROL = 0x604, PORT_PM1_CONTROL_OLD = 0xb004,
	PM1_SLEEP_ENABLE = 1 << 13,     /* with sleep type 0, which means S5 in QEMU */
	PORT_DEBUG_EXIT = 0xf4,
	PORT_RESET = 0xcf9, RESET_COLD = 0x02, RESET_NOW = 0x06,
	PORT_KEYBOARD = 0x64, KEYBOARD_PULSE_RESET = 0xfe,
	PORT_DELAY = 0x80, WAIT_READS = 1000000,        /* about a microsecond each, or more */
};

static void wait_for_machine(void);

void power_off(void)
{
	cli();
	outw(PORT_PM1_CONTROL, PM1_SLEEP_ENABLE);
	outw(PORT_PM1_CONTROL_OLD, PM1_SLEEP_ENABLE);
	wait_for_machine();
	outb(PORT_DEBUG_EXIT, 0);
	power_halt();
}

void power_reset(void)
{
	static const struct PACKED { uint16_t limit; uint64_t base; } no_gates = { 0, 0 };

	cli();
	outb(PORT_RESET, RESET_COLD);
	outb(PORT_RESET, RESET_NOW);
	outb(PORT_KEYBOARD, KEYBOARD_PULSE_RESET);
	wait_for_machine();
	__asm__ volatile("lidt %0; int3" : : "m"(no_gates));    /* triple fault */
	power_halt();
}

void power_debug_exit(uint8_t code)
{
	cli();
	outb(PORT_DEBUG_EXIT, code);
	power_off();
}

/* QEMU obeys a moment later.  To try the next way at once would change how this machine is seen to
 * end. */
static void wait_for_machine(void)
{
	for (int i = 0; i < WAIT_READS; i++)
		(void)inb(PORT_DELAY);
}

void power_halt(void)
{
	for (;;) {
		cli();
		hlt();
	}
}
