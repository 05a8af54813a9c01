/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/trap.c - tells faults, interrupts and bugs apart.
 *
 *   vector            from a program              from the kernel
 *   page fault        resolve, else a signal      user copies: resolve, else its fix-up; or panic
 *   other exception   a signal                    panic
 *   interrupt         its handler                 its handler
 *   NMI               print where this CPU is (or halt, if another CPU has panicked)
 *   double fault, machine check                   panic
 *
 * Owns:        the table of interrupt handlers.
 * Invariants:  trap() is entered and left with interrupts off; between, they are on only while a
 *              program's fault is served (or a user copy's, if they were on there).
 *              The kernel touches programs' memory only in usercopy.asm: a kernel fault at any
 *              other instruction is a bug, whatever the address.
 * See:         arch/x86_64/trap_entry.asm, arch/x86_64/usercopy.asm, kernel/upcall.h.
 */
#include "lib/abi/errno.h"
#include "lib/atomic.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/power.h"
#include "arch/x86_64/shadow.h"
#include "arch/x86_64/smp.h"
#include "arch/x86_64/tlb.h"
#include "arch/x86_64/trap.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/sched.h"
#include "kernel/task.h"
#include "kernel/upcall.h"

enum { IRQS = 16 };                     /* of the ISA bus */

/* Beyond it, in the programs' half, no address is canonical. */
#define CANONICAL_END (1ull << 47)

/* A fault at `at` that stays unresolved goes on at `fixup`.  From usercopy.asm. */
struct fixup {
	virt_t at, fixup;
};
extern const struct fixup extable_start[], extable_end[];

static void (*irq_handlers[IRQS])(void);

static void user_fault_unresolved(struct trap_frame *frame, virt_t addr, int err);
static void kernel_page_fault(struct trap_frame *frame, virt_t addr);
static enum access fault_access(uint64_t error);
static virt_t fixup_find(virt_t at);
static void exception(struct trap_frame *frame);
static void interrupt(struct trap_frame *frame);
static void nmi(struct trap_frame *frame);
NORETURN static void double_fault(struct trap_frame *frame);
NORETURN static void kernel_died(const struct trap_frame *frame, const char *why, virt_t addr);

void trap(struct trap_frame *frame)
{
	switch (frame->vector) {
	case VECTOR_PAGE_FAULT:
		kernel_page_fault(frame, read_cr2());
		break;
	case VECTOR_NMI:
		nmi(frame);
		break;
	case VECTOR_DOUBLE_FAULT:
		double_fault(frame);
	case VECTOR_MACHINE_CHECK:
		kernel_died(frame, "machine check", 0);
	default:
		if (frame->vector < VECTOR_IRQ_BASE)
			exception(frame);
		else
			interrupt(frame);
	}
}

/* Work may have changed the frame, a signal's handler may be anywhere: a rip that IRET would choke
 * on is the program's fault, not ours. */
void trap_exit_to_user(struct trap_frame *frame)
{
	for (;;) {
		while (atomic_load_relaxed(&current->work) != 0) {
			sti();
			upcall_return_to_user(frame);
			cli();
		}
		if (frame->rip < CANONICAL_END)
			return;
		sti();
		upcall_exception(frame, VECTOR_PROTECTION, 0, frame->rip);
		cli();
	}
}

void irq_attach(unsigned irq, void (*handler)(void))
{
	assert(irq < IRQS && !irq_handlers[irq]);
	irq_handlers[irq] = handler;
	apic_irq_enable(irq);
}

/* ---- page faults ---- */

/* When memory had to be found first, the instruction runs again and faults again. */
static inline int page_fault_resolve(virt_t addr, uint64_t error)
{
	int err = upcall_page_fault(addr, fault_access(error));

	return unlikely(err == -ENOMEM) ? upcall_find_memory() : err;
}

void trap_user_page_fault(struct trap_frame *frame)
{
	virt_t addr = read_cr2();
	bool is_sound = addr < USER_END
			&& (frame->error & (FAULT_USER | FAULT_RESERVED)) == FAULT_USER;

	sti();
	int err = likely(is_sound) ? upcall_page_fault(addr, fault_access(frame->error)) : -EFAULT;
	if (unlikely(err))
		user_fault_unresolved(frame, addr, err);
	cli();
}

/* Some processors make a program's far return or IRET read its stack as the kernel would, which
 * SMAP refuses whatever the entries say: to run it again would be for ever.  Hence FAULT_USER. */
__attribute__((noinline))
static void user_fault_unresolved(struct trap_frame *frame, virt_t addr, int err)
{
	if (frame->error & FAULT_RESERVED) {
		cli();                  /* to be told on the CPU that met them */
		kernel_died(frame, "reserved bits in a table entry", addr);
	}
	if (err == -ENOMEM)
		err = upcall_find_memory();
	if (err)
		upcall_exception(frame, VECTOR_PAGE_FAULT, err, addr);
}

/* A guarded instruction that SMAP or SMEP refuses, though the entries allow it: to resolve the
 * fault and run it again would be for ever. */
static bool is_refused_by_mode(const struct trap_frame *frame)
{
	bool is_open = frame->rflags & RFLAGS_AC || !cpu_features.smap;

	return frame->error & FAULT_PRESENT && (frame->error & FAULT_FETCH || !is_open);
}

__attribute__((noinline))
static void kernel_page_fault(struct trap_frame *frame, virt_t addr)
{
	virt_t fixup = fixup_find(frame->rip);

	if (frame->error & FAULT_RESERVED)
		kernel_died(frame, "reserved bits in a table entry", addr);
	if (fixup == 0 && addr < PAGE_SIZE)
		kernel_died(frame, "the kernel followed a null pointer", addr);
	if (fixup == 0 && addr < USER_END)
		kernel_died(frame, "the kernel touched a program's memory unguarded", addr);
	if ((fixup == 0 || addr >= USER_END) && frame->error & FAULT_PRESENT)
		kernel_died(frame, "the kernel broke its own protection", addr);
	if (fixup == 0 || addr >= USER_END)
		kernel_died(frame, "the kernel touched memory that is not there", addr);

	if (frame->rflags & RFLAGS_IF)
		sti();
	int err = is_refused_by_mode(frame) ? -EACCES : page_fault_resolve(addr, frame->error);
	cli();
	if (err)
		frame->rip = fixup;
}

static enum access fault_access(uint64_t error)
{
	if (error & FAULT_FETCH)
		return ACCESS_EXEC;
	return error & FAULT_WRITE ? ACCESS_WRITE : ACCESS_READ;
}

/* Where to go on, or 0.  The table is short. */
static virt_t fixup_find(virt_t at)
{
	for (const struct fixup *entry = extable_start; entry < extable_end; entry++)
		if (entry->at == at)
			return entry->fixup;
	return 0;
}

/* ---- other exceptions ---- */

static const char *exception_name(uint64_t vector)
{
	static const char *const names[VECTOR_IRQ_BASE] = {
		[VECTOR_DIVIDE] = "divide error",
		[VECTOR_DEBUG] = "debug trap",
		[VECTOR_NMI] = "NMI",
		[VECTOR_BREAKPOINT] = "breakpoint",
		[VECTOR_OVERFLOW] = "overflow",
		[VECTOR_BOUND] = "bound exceeded",
		[VECTOR_INVALID_OPCODE] = "invalid opcode",
		[VECTOR_NO_FPU] = "FPU not available",
		[VECTOR_DOUBLE_FAULT] = "double fault",
		[VECTOR_INVALID_TSS] = "invalid TSS",
		[VECTOR_NO_SEGMENT] = "segment not present",
		[VECTOR_STACK] = "stack fault",
		[VECTOR_PROTECTION] = "general protection fault",
		[VECTOR_PAGE_FAULT] = "page fault",
		[VECTOR_FPU] = "x87 error",
		[VECTOR_ALIGNMENT] = "alignment check",
		[VECTOR_MACHINE_CHECK] = "machine check",
		[VECTOR_SIMD] = "SIMD error",
	};

	return vector < COUNT(names) && names[vector] ? names[vector] : "unknown exception";
}

static void exception(struct trap_frame *frame)
{
	if (!frame_is_user(frame))
		kernel_died(frame, exception_name(frame->vector), frame->rip);
	sti();
	upcall_exception(frame, frame->vector, 0, frame->rip);
	cli();
}

static void double_fault(struct trap_frame *frame)
{
	virt_t addr = read_cr2();
	virt_t guard = addr & PAGE_MASK;

	if (frame->rsp - guard <= 2 * PAGE_SIZE)
		kernel_died(frame, "kernel stack overflow", addr);
	kernel_died(frame, "double fault", addr);
}

/* What is broken may break the report as well; then only the panic is left. */
static void kernel_died(const struct trap_frame *frame, const char *why, virt_t addr)
{
	static uint32_t reporting;      /* atomic: 0, or 1 + the CPU that does */
	uint32_t nobody = 0;

	console_break_locks();
	if (atomic_cmpxchg(&reporting, &nobody, 1 + this_cpu()->id)) {
		frame_print(frame);
		if (frame->vector == VECTOR_PAGE_FAULT)
			paging_print_walk(addr);
		shadow_explain(frame, addr);
		backtrace_print(frame->rbp, frame->rip);
	} else if (nobody != 1 + this_cpu()->id) {
		power_halt();
	}
	panic("%s: vector %lu, error %#lx, address %#lx, at %#lx", why, frame->vector,
	      frame->error, addr, frame->rip);
}

/* ---- interrupts ---- */

/* The end comes last: a line that signals by its level is quiet only when its device was served. */
static void device_interrupt(uint64_t irq)
{
	if (irq < IRQS && irq_handlers[irq])
		irq_handlers[irq]();
	apic_end_of_interrupt();
}

static void interrupt(struct trap_frame *frame)
{
	struct cpu *cpu = this_cpu();

	cpu->irq_depth++;
	switch (frame->vector) {
	case VECTOR_TIMER:
		apic_end_of_interrupt();
		upcall_timer(frame_is_user(frame));
		break;
	case VECTOR_RESCHEDULE:
		apic_end_of_interrupt();
		sched_interrupt();
		break;
	case VECTOR_CALL:
		apic_end_of_interrupt();
		smp_call_interrupt();
		break;
	case VECTOR_SHOOTDOWN:
		apic_end_of_interrupt();
		tlb_interrupt();
		break;
	case VECTOR_SPURIOUS:
		break;
	default:
		device_interrupt(frame->vector - VECTOR_IRQ_BASE);
	}
	cpu->irq_depth--;
}

/*
 * Somebody outside wants to know where we hang, or another CPU has panicked.  An NMI from outside
 * reaches all CPUs; they take turns.  Whoever holds the console's lock may be the one that hangs.
 */
static void nmi(struct trap_frame *frame)
{
	static uint32_t turn;
	const struct cpu *cpu = this_cpu();

	if (panic_has_begun())
		power_halt();
	while (atomic_xchg(&turn, 1) != 0)
		pause();
	console_break_locks();
	console_print("CPU %u:\n", cpu->id);
	frame_print(frame);
	if (cpu->task)
		upcall_describe_task(cpu->task);
	backtrace_print(frame->rbp, frame->rip);
	atomic_store_release(&turn, 0);
}

void frame_print(const struct trap_frame *frame)
{
#define REGISTER(name) { #name, offsetof(struct trap_frame, name) }
	static const struct { const char *name; size_t offset; } registers[] = {
		REGISTER(rip), REGISTER(rsp), REGISTER(rflags), REGISTER(cs),
		REGISTER(rax), REGISTER(rbx), REGISTER(rcx), REGISTER(rdx),
		REGISTER(rsi), REGISTER(rdi), REGISTER(rbp), REGISTER(r8),
		REGISTER(r9), REGISTER(r10), REGISTER(r11), REGISTER(r12),
		REGISTER(r13), REGISTER(r14), REGISTER(r15), REGISTER(ss),
	};
#undef REGISTER

	console_print("%s (vector %lu, error %#lx)\n", exception_name(frame->vector), frame->vector,
		      frame->error);
	for (size_t i = 0; i < COUNT(registers); i++) {
		const uint64_t *value = (const void *)((const char *)frame + registers[i].offset);

		console_print("%8s %016lx%s", registers[i].name, *value, i % 4 == 3 ? "\n" : "");
	}
	console_print("%8s %016lx%8s %016lx\n", "cr2", read_cr2(), "cr3", read_cr3());
}
