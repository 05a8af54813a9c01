/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/idt.h - 256 gates, which stack each uses.
 *
 * One table for all CPUs.  All gates are interrupt gates: they begin with interrupts off.  Programs
 * may raise the breakpoint and overflow traps by instruction, nothing else.
 */
#pragma once

#include "lib/types.h"

void idt_start(void);           /* fill the table; once */
void idt_load(void);            /* on each CPU */
