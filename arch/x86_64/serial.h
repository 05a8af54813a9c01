/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/serial.h - the UART: put a byte, get a byte.
 *
 * COM1, a 16550, 115200 baud, 8N1.  Output is polled and needs nothing but the ports, so it works
 * from the first line of C to the last line of a panic.  Callers serialise output.
 */
#pragma once

#include "lib/types.h"

enum { SERIAL_IRQ = 4 };

/* Set up the UART.  Harmless if there is none; then output is dropped and input never comes. */
void serial_start(void);

void serial_put(uint8_t byte);
void serial_write(const char *bytes, size_t len);       /* as they are: no \n to \r\n */

/* The next byte that came in, or -1. */
int serial_get(void);

/* Have the UART interrupt (SERIAL_IRQ) when bytes come in. */
void serial_enable_input(void);
