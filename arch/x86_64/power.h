/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/power.h - leaving: off, reset, QEMU's debug exit.
 *
 * None of these syncs, stops other CPUs or returns.
 */
#pragma once

#include "lib/types.h"

/* Codes for power_debug_exit; QEMU's own exit status is 2 * code + 1. */
enum { EXIT_PASS = 0x10, EXIT_FAIL = 0x11, EXIT_PANIC = 0x12 };

NORETURN void power_off(void);
NORETURN void power_reset(void);

/* Leave QEMU with a status, if it has the isa-debug-exit device at 0xf4; else power off. */
NORETURN void power_debug_exit(uint8_t code);

/* Interrupts off, for ever. */
NORETURN void power_halt(void);
