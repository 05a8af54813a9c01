/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/serial.c - the UART: put a byte, get a byte.
 *
 * Owns: the eight ports of COM1.
 * Locks: none; a panic must be able to print whatever was going on.
 * See: PC16550D data sheet, chapter 8.
 */
#include "arch/x86_64/insn.h"
#include "arch/x86_64/serial.h"

enum serial_port {
	PORT_DATA = 0x3f8,              /* with the divisor latch open: divisor, low byte */
	PORT_INTERRUPTS,                /* divisor, high byte */
	PORT_FIFO,
	PORT_LINE,
	PORT_MODEM,
	PORT_STATUS,
	PORT_SCRATCH = 0x3ff,
};

enum {
	INTERRUPT_ON_DATA = 1,
	FIFO_ENABLE_AND_CLEAR = 0x07,
	LINE_8N1 = 0x03, LINE_DIVISOR_LATCH = 0x80,
	MODEM_DTR_RTS_OUT2 = 0x0b,      /* OUT2 lets the interrupt through */
	STATUS_DATA = 0x01, STATUS_ROOM = 0x20, STATUS_NOTHING_THERE = 0xff,
	DIVISOR_115200 = 1,
};

/* A transmitter that is not ready by then is broken.  A poll takes a microsecond on real ports. */
enum { POLLS_MAX = 100000 };

static bool is_present;

void serial_start(void)
{
	outb(PORT_SCRATCH, 0x5a);
	if (inb(PORT_SCRATCH) != 0x5a || inb(PORT_STATUS) == STATUS_NOTHING_THERE)
		return;
	outb(PORT_INTERRUPTS, 0);
	outb(PORT_LINE, LINE_DIVISOR_LATCH);
	outb(PORT_DATA, DIVISOR_115200);
	outb(PORT_INTERRUPTS, DIVISOR_115200 >> 8);
	outb(PORT_LINE, LINE_8N1);
	outb(PORT_FIFO, FIFO_ENABLE_AND_CLEAR);
	outb(PORT_MODEM, MODEM_DTR_RTS_OUT2);
	is_present = true;
}

void serial_put(uint8_t byte)
{
	if (!is_present)
		return;
	for (int i = 0; !(inb(PORT_STATUS) & STATUS_ROOM); i++)
		if (i == POLLS_MAX)
			return;
	outb(PORT_DATA, byte);
}

void serial_write(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		serial_put((uint8_t)bytes[i]);
}

int serial_get(void)
{
	if (!is_present || !(inb(PORT_STATUS) & STATUS_DATA))
		return -1;
	return inb(PORT_DATA);
}

void serial_enable_input(void)
{
	if (is_present)
		outb(PORT_INTERRUPTS, INTERRUPT_ON_DATA);
}
