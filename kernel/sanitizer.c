/* SPDX-License-Identifier: MIT */
/*
 * kernel/sanitizer.c - what sanitizers do once they have found something; the canary.
 *
 * Owns:        what was caught, and which CPU reports.
 * Invariants:  the first CPU that reports dies of it; what printing that report would report is not
 *              looked at, and other CPUs wait for the NMI that stops them.
 * Locks:       none.
 */
#include "kernel/sanitizer.h"

#include "lib/atomic.h"
#include "lib/format.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/power.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/sched.h"
#include "kernel/symbols.h"
#include "kernel/task.h"

static uint32_t is_catching;            /* atomic */
static uint32_t caught;                 /* atomic: since sanitizer_catch() */
static const char *first_kind;          /* atomic: of those */
static uint32_t reporting;              /* atomic: 0, or 1 + the CPU that does */

bool sanitizer_found(const char *kind)
{
	uint32_t nobody = 0, self = 1 + this_cpu()->id;

	if (atomic_load_acquire(&is_catching)) {
		if (atomic_add_return(&caught, 1) == 1)
			atomic_store_release(&first_kind, kind);
		return false;
	}
	if (panic_has_begun())
		return false;
	if (atomic_cmpxchg(&reporting, &nobody, self)) {
		console_break_locks();
		return true;
	}
	if (nobody == self)
		return false;
	power_halt();
}

void sanitizer_die(const char *fmt, ...)
{
	static char message[192];
	va_list args;

	va_start(args, fmt);
	format_buffer_va(message, sizeof(message), fmt, args);
	va_end(args);
	panic("%s", message);
}

void sanitizer_catch(void)
{
	atomic_store_relaxed(&caught, 0);
	atomic_store_relaxed(&first_kind, (const char *)NULL);
	atomic_store_release(&is_catching, 1);
}

uint32_t sanitizer_caught(const char **kind)
{
	atomic_store_release(&is_catching, 0);
	if (kind)
		*kind = atomic_load_acquire(&first_kind);
	return atomic_load_acquire(&caught);
}

/* ---- who did it ----------------------------------------------------------------------------- */

/* What a function with a frame pointer leaves on the stack. */
struct call_frame {
	const struct call_frame *caller;
	virt_t return_address;
};

/* Callers' frames lie above, on the same stack. */
void sanitizer_note_calls(struct sanitizer_calls *calls)
{
	const struct call_frame *frame = __builtin_frame_address(0);

	calls->task = current ? current->tid : 0;
	for (size_t i = 0; i < COUNT(calls->at); i++) {
		const struct call_frame *caller = frame ? frame->caller : NULL;

		calls->at[i] = frame ? frame->return_address : 0;
		frame = (virt_t)caller - (virt_t)frame < KSTACK_SIZE ? caller : NULL;
	}
}

void sanitizer_print_calls(const char *what, const struct sanitizer_calls *calls)
{
	struct symbol symbol;

	console_print("%s by task %d:\n", what, calls->task);
	for (size_t i = 0; i < COUNT(calls->at) && calls->at[i] != 0; i++)
		if (symbol_find(calls->at[i] - 1, &symbol))
			console_print("  %#lx %s+%#lx\n", calls->at[i], symbol.name,
				symbol.offset + 1);
}

/* ---- the canary ----------------------------------------------------------------------------- */

void __stack_chk_fail(void);

/* The function that was to return has lost its way back: when a test wants that, its task ends. */
void __stack_chk_fail(void)
{
	if (sanitizer_found("canary"))
		sanitizer_die("canary: the stack of the function that ends here was overwritten");
	task_exit();
}
