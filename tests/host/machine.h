/* SPDX-License-Identifier: MIT */
/*
 * tests/host/machine.h - a machine for kernel code on the build machine.
 *
 * Kernel files compile with -DHOST -Itests/host/shim -I. and link with tests/host/machine.c.  A
 * header in tests/host/shim shadows the kernel's of the same name: it includes that one and
 * replaces what touches hardware.  All other headers are the kernel's own.  machine.c defines what
 * they declare, single-threaded and small; each definition is weak, so that a test or a larger
 * simulation replaces any of them by its own.
 */
#pragma once

#include "lib/types.h"
#include "arch/x86_64/cpu.h"
#include "kernel/event.h"

enum { HOST_CPUS = 8 };

/* RAM of `bytes`, firmware that knows of it (usable but for 640 KiB - 1 MiB), and HOST_CPUS CPUs,
 * of which this thread is number 0.  What an earlier call made is gone. */
void host_machine_start(uint64_t bytes);

/* Be another CPU from now on. */
void host_become_cpu(unsigned id);

/* Should this fault point fail?  NULL: none does. */
extern bool (*host_fault_hook)(const char *name);

/* Called for every event of event_mask, which starts as none. */
extern void (*host_event_hook)(enum event_type type, uint64_t a, uint64_t b, uint64_t c);

/* Is any spinlock held, or preemption off?  Both would be a mistake between tests. */
bool host_is_quiet(void);
