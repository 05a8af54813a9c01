/* SPDX-License-Identifier: MIT */
/*
 * kernel/panic.c - the end, and the assertions that lead to it.
 *
 * Owns:        the last words.  One CPU dies, the others halt at its NMI.  A panic inside a panic
 *              says so and leaves at once, so that a broken machine ends rather than loops.
 * Invariants:  nothing here takes a lock, allocates or follows a pointer it has not checked.
 */
#include "kernel/panic.h"

#include "lib/atomic.h"
#include "lib/format.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/gdt.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/power.h"
#include "arch/x86_64/timer.h"
#include "kernel/event.h"
#include "kernel/options.h"
#include "kernel/printk.h"
#include "kernel/symbols.h"
#include "kernel/task.h"
#include "kernel/upcall.h"

enum { BACKTRACE_MAX = 32, EVENTS_SHOWN = 32 };

static uint32_t dying;                  /* atomic: 0, or 1 + the CPU that panicked first */

NORETURN static void panic_die(const char *message, virt_t frame_pointer);
NORETURN static void panic_leave(void);

void panic(const char *fmt, ...)
{
	static char message[256];
	uint32_t nobody = 0, self = 1 + this_cpu()->id;
	va_list args;

	cli();
	console_break_locks();
	if (!atomic_cmpxchg(&dying, &nobody, self)) {
		if (nobody != self)
			power_halt();
		console_print("panic: a second one while dying of the first\n");
		panic_leave();
	}
	va_start(args, fmt);
	format_buffer_va(message, sizeof(message), fmt, args);
	va_end(args);
	panic_die(message, (virt_t)__builtin_frame_address(0));
}

/* The call is the last instruction of its function, perhaps. */
void assert_failed(const char *text, const char *file, int line)
{
	struct symbol function = { .name = "?" };

	(void)symbol_find((virt_t)__builtin_return_address(0) - 1, &function);
	panic("%s:%d: %s: assertion failed: %s", file, line, function.name, text);
}

bool panic_has_begun(void)
{
	return atomic_load_relaxed(&dying) != 0;
}

static void panic_die(const char *message, virt_t frame_pointer)
{
	apic_send_nmi_others();
	console_print("\npanic: %s\n", message);
	console_print("CPU %u of %u, %lu us after boot\n", this_cpu()->id, cpu_count,
		cycles_now_ns() / 1000);
	if (current)
		upcall_describe_task(current);
	backtrace_print(frame_pointer, 0);
	events_print_last(EVENTS_SHOWN);
	panic_leave();
}

static void panic_leave(void)
{
	if (options.panic_seconds < 0 || options.selftest)
		power_debug_exit(EXIT_PANIC);
	if (options.panic_seconds == 0)
		power_halt();
	cycles_spin_ns((uint64_t)options.panic_seconds * 1000000000);
	power_reset();
}

/* ---- backtrace ------------------------------------------------------------------------------ */

/* What a function with a frame pointer leaves on the stack. */
struct call_frame {
	struct call_frame *caller;
	virt_t return_address;
};

static bool contains(virt_t start, size_t len, virt_t addr)
{
	return addr - start < len && addr - start + sizeof(struct call_frame) <= len;
}

/* Is there a stack of the kernel's that this CPU may be on? */
static bool is_on_stack(virt_t addr)
{
	const struct cpu *cpu = this_cpu();

	if (addr % 8 != 0 || addr < DIRECT_MAP)
		return false;
	return contains((virt_t)data_start, (size_t)(image_end - data_start), addr)
		|| (cpu->task && contains(cpu->task->stack, KSTACK_SIZE, addr))
		|| (cpu->arch && contains((virt_t)cpu->arch, sizeof(struct cpu_arch), addr));
}

/* A return address stands behind its call, perhaps already in the next function: `behind` is 1. */
static void backtrace_line(virt_t addr, uint64_t behind)
{
	struct symbol symbol;

	if (symbol_find(addr - behind, &symbol))
		console_print("  %#lx %s+%#lx\n", addr, symbol.name, symbol.offset + behind);
	else
		console_print("  %#lx\n", addr);
}

void backtrace_print(virt_t frame_pointer, virt_t instruction)
{
	console_print("backtrace:\n");
	if (instruction)
		backtrace_line(instruction, 0);
	for (int i = 0; i < BACKTRACE_MAX && is_on_stack(frame_pointer); i++) {
		const struct call_frame *frame = (const struct call_frame *)frame_pointer;
		if (frame->return_address < (virt_t)text_start
			|| frame->return_address >= (virt_t)text_end)
			return;
		backtrace_line(frame->return_address, 1);
		frame_pointer = (virt_t)frame->caller;
	}
}

#ifndef COWBELL_SAN
void __stack_chk_fail(void);

/* The compiler's call, where a function finds another canary than it left. */
void __stack_chk_fail(void)
{
	panic("canary: the stack of the function that ends here was overwritten");
}
#endif
