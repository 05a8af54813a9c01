/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/apic.c - local and I/O interrupt controllers, interprocessor interrupts.
 *
 * Owns:        the registers of both kinds, and the masks of the old 8259 controllers.
 * Invariants:  an I/O APIC line is open only between apic_irq_enable and apic_irq_disable.
 * Locks:       the local registers are each CPU's own, with interrupts off where two accesses
 *              belong together.  I/O APICs are set up by drivers during boot, one after the other.
 */
#include "arch/x86_64/apic.h"

#include "arch/x86_64/acpi.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/trap.h"
#include "kernel/panic.h"
#include "kernel/printk.h"

/* Offsets of local registers. */
enum {
	LOCAL_ID = 0x20, LOCAL_TASK_PRIORITY = 0x80, LOCAL_EOI = 0xb0, LOCAL_SPURIOUS = 0xf0,
	LOCAL_COMMAND = 0x300, LOCAL_COMMAND_TO = 0x310, LOCAL_TIMER = 0x320,
	LOCAL_LINT0 = 0x350, LOCAL_LINT1 = 0x360, LOCAL_LVT_ERROR = 0x370,
	LOCAL_TIMER_START = 0x380, LOCAL_TIMER_NOW = 0x390, LOCAL_TIMER_DIVIDE = 0x3e0,
	LOCAL_BYTES = 0x1000,
};

enum {
	SPURIOUS_ENABLE = 1 << 8,
	LVT_MASKED = 1 << 16, LVT_NMI = 4 << 8, LVT_DEADLINE = 2 << 17,
	DIVIDE_BY_1 = 0xb,
};

enum {
	COMMAND_FIXED = 0, COMMAND_NMI = 4 << 8, COMMAND_INIT = 5 << 8, COMMAND_STARTUP = 6 << 8,
	COMMAND_PENDING = 1 << 12, COMMAND_ASSERT = 1 << 14, COMMAND_OTHERS = 3 << 18,
};

#define APIC_BASE_ENABLE (1ull << 11)
#define APIC_BASE_X2APIC (1ull << 10)
#define APIC_BASE_ADDRESS 0xffffff000ull

/* An I/O APIC shows one register at a time. */
enum { IO_SELECT = 0x00, IO_WINDOW = 0x10, IO_BYTES = 0x20 };
enum { IO_VERSION = 1, IO_REDIRECTION = 0x10 };
enum { REDIRECT_LOW = 1 << 13, REDIRECT_LEVEL = 1 << 15, REDIRECT_MASKED = 1 << 16 };

enum { PIC_1_DATA = 0x21, PIC_2_DATA = 0xa1, PIC_1_COMMAND = 0x20, PIC_2_COMMAND = 0xa0,
       PIC_INIT = 0x11, PIC_8086 = 1 };

struct io_apic {
	volatile uint32_t *registers;
	uint32_t irq_base, lines;
};

static volatile uint32_t *local;        /* NULL before apic_start() */
static struct io_apic io_apics[ACPI_IO_APICS_MAX];

static void pic_mask(void);
static void io_apic_start(struct io_apic *io, const struct acpi_io_apic *info);
static void command_send(uint32_t to, uint32_t command);

static uint32_t local_read(unsigned at)
{
	return local[at / 4];
}

static void local_write(unsigned at, uint32_t value)
{
	local[at / 4] = value;
}

void apic_start(void)
{
	phys_t base = rdmsr(MSR_APIC_BASE) & APIC_BASE_ADDRESS;

	if (acpi.has_8259)
		pic_mask();
	local = paging_map_device(acpi.local_apic ? acpi.local_apic : base, LOCAL_BYTES);
	for (uint32_t i = 0; i < acpi.io_apic_count; i++)
		io_apic_start(&io_apics[i], &acpi.io_apics[i]);
	apic_start_cpu();
	this_cpu()->apic_id = apic_id();
}

void apic_start_cpu(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	if (base & APIC_BASE_X2APIC)
		panic("the firmware left the local APIC in x2APIC mode");
	wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
	local_write(LOCAL_TASK_PRIORITY, 0);
	local_write(LOCAL_TIMER, LVT_MASKED);
	local_write(LOCAL_LINT0, LVT_MASKED);
	local_write(LOCAL_LINT1, LVT_NMI);
	local_write(LOCAL_LVT_ERROR, LVT_MASKED);
	local_write(LOCAL_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
	local_write(LOCAL_TIMER_DIVIDE, DIVIDE_BY_1);
	local_write(LOCAL_TIMER, VECTOR_TIMER);
	apic_end_of_interrupt();
}

uint32_t apic_id(void)
{
	return local_read(LOCAL_ID) >> 24;
}

void apic_end_of_interrupt(void)
{
	local_write(LOCAL_EOI, 0);
}

/* Moved out of the exceptions' way before they are masked: even then spurious ones may come. */
static void pic_mask(void)
{
	outb(PIC_1_COMMAND, PIC_INIT);
	outb(PIC_2_COMMAND, PIC_INIT);
	outb(PIC_1_DATA, VECTOR_IRQ_BASE);
	outb(PIC_2_DATA, VECTOR_IRQ_BASE + 8);
	outb(PIC_1_DATA, 1 << 2);
	outb(PIC_2_DATA, 2);
	outb(PIC_1_DATA, PIC_8086);
	outb(PIC_2_DATA, PIC_8086);
	outb(PIC_1_DATA, 0xff);
	outb(PIC_2_DATA, 0xff);
}

/* ---- to other CPUs -------------------------------------------------------------------------- */

void apic_send(uint32_t to_apic_id, uint8_t vector)
{
	command_send(to_apic_id, COMMAND_FIXED | COMMAND_ASSERT | vector);
}

void apic_send_others(uint8_t vector)
{
	command_send(0, COMMAND_OTHERS | COMMAND_FIXED | COMMAND_ASSERT | vector);
}

void apic_send_nmi(uint32_t to_apic_id)
{
	command_send(to_apic_id, COMMAND_NMI | COMMAND_ASSERT);
}

/* CPUs that were never started wait for a startup message and ignore NMIs. */
void apic_send_nmi_others(void)
{
	command_send(0, COMMAND_OTHERS | COMMAND_NMI | COMMAND_ASSERT);
}

void apic_send_init(uint32_t to_apic_id)
{
	command_send(to_apic_id, COMMAND_INIT | COMMAND_ASSERT);
}

void apic_send_startup(uint32_t to_apic_id, phys_t start)
{
	assert(start < 0x100000 && start % PAGE_SIZE == 0);
	uint32_t page = (uint32_t)(start >> PAGE_SHIFT);
	command_send(to_apic_id, COMMAND_STARTUP | COMMAND_ASSERT | page);
}

static void command_send(uint32_t to, uint32_t command)
{
	if (!local)
		return;
	uint64_t flags = irq_save();
	while (local_read(LOCAL_COMMAND) & COMMAND_PENDING)
		pause();
	local_write(LOCAL_COMMAND_TO, to << 24);
	local_write(LOCAL_COMMAND, command);
	irq_restore(flags);
}

/* ---- from devices --------------------------------------------------------------------------- */

static uint32_t io_read(const struct io_apic *io, uint32_t index)
{
	io->registers[IO_SELECT / 4] = index;
	return io->registers[IO_WINDOW / 4];
}

static void io_write(const struct io_apic *io, uint32_t index, uint32_t value)
{
	io->registers[IO_SELECT / 4] = index;
	io->registers[IO_WINDOW / 4] = value;
}

static void io_apic_start(struct io_apic *io, const struct acpi_io_apic *info)
{
	io->registers = paging_map_device(info->address, IO_BYTES);
	io->irq_base = info->irq_base;
	io->lines = (io_read(io, IO_VERSION) >> 16 & 0xff) + 1;
	for (uint32_t line = 0; line < io->lines; line++)
		io_write(io, IO_REDIRECTION + 2 * line, REDIRECT_MASKED);
}

/* Where a line of the I/O APICs leads: `low` is the lower half of its redirection entry. */
static void irq_redirect(unsigned irq, uint32_t low)
{
	uint32_t global = acpi.isa_irqs[irq].global;

	for (uint32_t i = 0; i < acpi.io_apic_count; i++) {
		const struct io_apic *io = &io_apics[i];
		uint32_t line = global - io->irq_base;
		if (line >= io->lines)
			continue;
		io_write(io, IO_REDIRECTION + 2 * line + 1, cpus[0]->apic_id << 24);
		io_write(io, IO_REDIRECTION + 2 * line, low);
		return;
	}
	log_warn("apic: no I/O APIC has interrupt %u", global);
}

void apic_irq_enable(unsigned irq)
{
	assert(irq < ISA_IRQS);
	const struct acpi_isa_irq *isa = &acpi.isa_irqs[irq];
	uint32_t low = VECTOR_IRQ_BASE + irq;

	low |= isa->active_low ? REDIRECT_LOW : 0;
	low |= isa->level ? REDIRECT_LEVEL : 0;
	irq_redirect(irq, low);
}

void apic_irq_disable(unsigned irq)
{
	assert(irq < ISA_IRQS);
	irq_redirect(irq, REDIRECT_MASKED);
}

/* ---- the local timer ------------------------------------------------------------------------ */

void apic_timer_set(uint32_t ticks)
{
	local_write(LOCAL_TIMER_START, ticks);
}

uint32_t apic_timer_left(void)
{
	return local_read(LOCAL_TIMER_NOW);
}

void apic_timer_use_deadline(void)
{
	local_write(LOCAL_TIMER, LVT_DEADLINE | VECTOR_TIMER);
}
