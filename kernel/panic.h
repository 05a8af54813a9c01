/* SPDX-License-Identifier: MIT */
/*
 * kernel/panic.h - the end, and the assertions that lead to it.
 *
 * A panic stops the other CPUs (NMI), prints CPU, task, symbolised backtrace and the last events,
 * and leaves QEMU with its own status or halts (panic= on the command line).
 */
#pragma once

#include "lib/types.h"

NORETURN void panic(const char *fmt, ...) PRINTF_LIKE(1, 2);
NORETURN void assert_failed(const char *text, const char *file, int line);

#define assert(condition) \
	do { \
		if (unlikely(!(condition))) \
			assert_failed(#condition, __FILE__, __LINE__); \
	} while (0)

/* Print the calls that led here, starting from a frame pointer. */
void backtrace_print(virt_t frame_pointer, virt_t instruction);

/* Has a CPU begun to die?  The others halt when its NMI reaches them. */
bool panic_has_begun(void);
