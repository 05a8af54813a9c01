/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/smp.c - starts the other CPUs, calls functions on them.
 *
 * Owns:        the page below 1 MiB where they begin, and one call per CPU that makes it.
 * Invariants:  ids are given in the order in which CPUs come online, without holes; cpu_count grows
 *              when one is there.
 *              A call is constant while anything is pending; its CPU waits for that with preemption
 *              off and interrupts on, so two CPUs that call each other both answer.
 * Locks:       none; `stopping` keeps two CPUs from stopping each other, and is waited for with
 *              interrupts on, so that the loser stops.
 * See:         arch/x86_64/ap_entry.asm; arch/x86_64/tlb.c, which works alike; Intel SDM vol. 3A
 *              8.4.4.
 */
#include "arch/x86_64/smp.h"

#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "boot/bootinfo.h"
#include "arch/x86_64/acpi.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/gdt.h"
#include "arch/x86_64/idt.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/timer.h"
#include "arch/x86_64/tlb.h"
#include "arch/x86_64/trap.h"
#include "kernel/clock.h"
#include "kernel/event.h"
#include "kernel/options.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/sched.h"
#include "kernel/spinlock.h"
#include "kernel/upcall.h"

/* Intel's protocol asks for 10 ms after INIT; CPUs of this century need none of it. */
enum { INIT_NS = 10000, STARTUP_TRIES = 2, STARTUP_POLLS = 1000, STARTUP_POLL_NS = 100000 };

enum { EFER_LONG_MODE = 1 << 8, EFER_NX = 1 << 11 };

/* What every further CPU needs one of. */
struct cpu_memory {
	struct cpu cpu;
	struct cpu_arch arch;
};

struct ALIGNED(64) call {
	uint64_t pending;               /* atomic: CPUs that have not returned from it yet */
	void (*function)(void *argument);
	void *argument;
	uint64_t from;                  /* atomic: CPUs whose calls this one has to serve */
};

static struct call calls[CPU_MAX];
static uint32_t stopping;               /* atomic: 1 while somebody has stopped the others */
static uint64_t stop_number;            /* atomic: changes when the others may go on */
static uint64_t stopped;                /* atomic: CPUs that stand still */

/* In ap_entry.asm: the code to copy, its variables, and the variables it reads in place. */
extern uint8_t ap_page[], ap_page_end[];
extern uint8_t ap_gdt_pointer[], ap_far_pointer[], ap_boot_root[], ap_efer[];
extern phys_t ap_kernel_root;
extern virt_t ap_stack;
extern struct cpu *ap_cpu;
NORETURN void smp_cpu_main(struct cpu *cpu);

static phys_t page_choose(void);
static void page_fill(phys_t page);
static void cpu_add(uint32_t apic_id, phys_t page);
static struct cpu *cpu_prepare(uint32_t apic_id);
static bool cpu_start(struct cpu *cpu, phys_t page);

/* ---- starting ------------------------------------------------------------------------------- */

void smp_start(void)
{
	uint32_t limit = options.smp ? MIN(options.smp, (uint32_t)CPU_MAX) : CPU_MAX;
	phys_t page = page_choose();

	if (acpi.cpu_count <= 1 || limit == 1)
		return;
	if (page == 0) {
		log_warn("smp: no free page below 1 MiB; using one CPU");
		return;
	}
	page_fill(page);
	for (uint32_t i = 0; i < acpi.cpu_count && cpu_count < limit; i++)
		if (acpi.apic_ids[i] != cpus[0]->apic_id)
			cpu_add(acpi.apic_ids[i], page);
	events_start();
}

/* A usable page below 1 MiB that is not page 0; 0 if there is none. */
static phys_t page_choose(void)
{
	for (size_t i = 0; i < bootinfo.memory_count; i++) {
		const struct boot_memory *memory = &bootinfo.memory[i];
		phys_t page = MAX(page_ceil(memory->start), (phys_t)PAGE_SIZE);
		phys_t end = MIN(page_floor(memory->end), (phys_t)MIB);
		if (memory->kind == BOOT_MEMORY_USABLE && page < end
			&& page >= bootinfo.initramfs_end)
			return page;
		if (memory->kind == BOOT_MEMORY_USABLE && page + PAGE_SIZE <= end
			&& page + PAGE_SIZE <= bootinfo.initramfs_start)
			return page;
	}
	return 0;
}

/* Add to, or set, one of the page's own 32-bit variables. */
static void page_add(phys_t page, const uint8_t *variable, uint64_t number)
{
	uint8_t *at = (uint8_t *)phys_to_virt(page) + (variable - ap_page);
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	value += (uint32_t)number;
	memcpy(at, &value, sizeof(value));
}

static void page_fill(phys_t page)
{
	assert(boot_root < UINT32_MAX && ap_page_end - ap_page <= (ssize_t)PAGE_SIZE);

	memcpy(phys_to_virt(page), ap_page, (size_t)(ap_page_end - ap_page));
	page_add(page, ap_gdt_pointer + sizeof(uint16_t), page);
	page_add(page, ap_far_pointer, page);
	page_add(page, ap_boot_root, boot_root);
	page_add(page, ap_efer, EFER_LONG_MODE | (cpu_features.nx ? EFER_NX : 0));
	ap_kernel_root = kernel_root;
}

static void cpu_add(uint32_t apic_id, phys_t page)
{
	struct cpu *cpu = cpu_prepare(apic_id);

	if (!cpu) {
		log_warn("smp: no memory for CPU %u", cpu_count);
		return;
	}
	if (!cpu_start(cpu, page)) {
		log_warn("smp: the CPU with APIC id %u does not start", apic_id);
		return;
	}
	atomic_store_release(&cpu_count, cpu_count + 1);
}

/* What a CPU that did not start was given is used for the next. */
static struct cpu *cpu_prepare(uint32_t apic_id)
{
	struct cpu *cpu = cpus[cpu_count];

	if (!cpu) {
		struct cpu_memory *memory = upcall_boot_alloc(sizeof(*memory));
		if (!memory)
			return NULL;
		cpu = &memory->cpu;
		cpu->self = cpu;
		cpu->id = cpu_count;
		cpu->canary = boot_cpu.canary;
		cpu->arch = &memory->arch;
		if (!sched_create_idle(cpu))
			return NULL;
		cpus[cpu_count] = cpu;
	}
	cpu->apic_id = apic_id;
	return cpu;
}

static bool cpu_start(struct cpu *cpu, phys_t page)
{
	ap_cpu = cpu;
	ap_stack = task_stack_top(cpu->idle);
	memory_barrier();

	apic_send_init(cpu->apic_id);
	cycles_spin_ns(INIT_NS);
	for (int try = 0; try < STARTUP_TRIES; try++) {
		apic_send_startup(cpu->apic_id, page);
		for (int i = 0; i < STARTUP_POLLS; i++) {
			uint64_t until = cycles_now_ns() + STARTUP_POLL_NS;
			while (!atomic_load_acquire(&cpu->online) && cycles_now_ns() < until)
				pause();
			if (cpu->online)
				return true;
		}
	}
	apic_send_init(cpu->apic_id);           /* not later, either */
	return false;
}

/* From ap_entry.asm, on the kernel's tables and the idle task's stack, interrupts off. */
void smp_cpu_main(struct cpu *cpu)
{
	cpu_set_area(cpu);
	gdt_setup(cpu);
	idt_load();
	cpu_setup(cpu);
	tlb_start_cpu();
	apic_start_cpu();
	clock_start_cpu();
	upcall_cpu_start(cpu);
	atomic_store_release(&cpu->online, true);
	sched_idle();
}

/* ---- calling -------------------------------------------------------------------------------- */

/* Preemption off.  Returns what was asked: all that are online but this one. */
static uint64_t call_post(uint64_t cpu_mask, void (*function)(void *argument), void *argument)
{
	uint32_t self = this_cpu()->id;
	struct call *call = &calls[self];
	uint64_t targets = cpu_mask & cpu_online_mask() & ~BIT(self);

	assert(atomic_load_relaxed(&call->pending) == 0);
	call->function = function;
	call->argument = argument;
	atomic_store_release(&call->pending, targets);
	for (uint64_t left = targets; left; left &= left - 1) {
		unsigned target = bit_lowest(left);
		if (atomic_or(&calls[target].from, BIT(self)) == 0)
			apic_send(cpus[target]->apic_id, VECTOR_CALL);
	}
	return targets;
}

static void call_wait(void)
{
	while (atomic_load_acquire(&calls[this_cpu()->id].pending))
		pause();
}

void smp_call_on(uint64_t cpu_mask, void (*function)(void *argument), void *argument)
{
	assert(irq_enabled() && cpu_depth(irq_depth) == 0);

	preempt_disable();
	call_post(cpu_mask, function, argument);
	if (cpu_mask & BIT(this_cpu()->id)) {
		uint64_t flags = irq_save();
		function(argument);
		irq_restore(flags);
	}
	call_wait();
	preempt_enable();
}

void smp_call_interrupt(void)
{
	uint32_t self = this_cpu()->id;
	uint64_t from = atomic_xchg(&calls[self].from, 0);

	for (; from; from &= from - 1) {
		struct call *call = &calls[bit_lowest(from)];
		call->function(call->argument);
		atomic_and(&call->pending, ~BIT(self));
	}
}

/* ---- stopping ------------------------------------------------------------------------------- */

static void stop_here(void *number)
{
	atomic_or(&stopped, BIT(this_cpu()->id));
	while (atomic_load_acquire(&stop_number) == (uint64_t)number) {
		tlb_interrupt();
		pause();
	}
	atomic_and(&stopped, ~BIT(this_cpu()->id));
}

void smp_stop_others(void)
{
	assert(irq_enabled() && cpu_depth(irq_depth) == 0);

	preempt_disable();
	while (atomic_xchg(&stopping, 1) != 0)
		pause();
	uint64_t number = atomic_load_relaxed(&stop_number);
	uint64_t targets = call_post(UINT64_MAX, stop_here, (void *)number);
	while (atomic_load_acquire(&stopped) != targets)
		pause();
}

void smp_resume_others(void)
{
	assert(atomic_load_relaxed(&stopping) == 1);

	atomic_add_return(&stop_number, 1);
	call_wait();
	atomic_store_release(&stopping, 0);
	preempt_enable();
}
