/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/timer.c - calibrated cycle counter, one-shot timer.
 *
 * Owns:        the rates of the cycle counter and of the local APIC's timer, and the choice between
 *              that and the TSC deadline.
 * Invariants:  a rate becomes a factor of 2^-32 nanoseconds (or ticks), so a conversion is one
 *              multiplication of 64 by 64 bits and a shift; factors are constant after
 *              cycles_start().
 * See:         Intel SDM vol. 3B 17.17 (TSC), 3A 10.5.4 (APIC timer); ACPI 6.4, 4.8.3.3 (PM timer).
 */
#include "arch/x86_64/timer.h"

#include "arch/x86_64/acpi.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "kernel/panic.h"
#include "kernel/printk.h"

#define NS_IN_SECOND 1000000000ul
#define LONGEST_NS   (3600 * NS_IN_SECOND)      /* far beyond what the countdown can do */

enum { PM_TIMER_HZ = 3579545, PIT_HZ = 1193182 };
enum { PIT_CHANNEL_2 = 0x42, PIT_COMMAND = 0x43, PIT_GATE = 0x61 };
enum { PIT_LATCH_2 = 2 << 6, PIT_RATE_2 = 2 << 6 | 3 << 4 | 2 << 1, PIT_GATE_ON = 1,
       PIT_SPEAKER = 2 };
enum { MEASURED_US = 1000, TRIES = 3 };

/* A counter of known rate to measure others with. */
struct reference {
	uint32_t (*read)(void);
	uint32_t hz, mask;              /* mask: the bits it has */
};

/* All counters at one moment. */
struct moment {
	uint64_t cycles;
	uint32_t reference, ticks;
};

static uint64_t start_cycles, tsc_hz, tick_hz;
static uint64_t ns_factor;              /* ns per cycle * 2^32; 0 until calibrated */
static uint64_t cycle_factor;           /* cycles per ns * 2^32 */
static uint64_t tick_factor;            /* ticks per ns * 2^32 */
static bool has_deadline;

static bool rates_from_cpuid(void);
static bool rates_from_hypervisor(void);
static void rates_measure(void);

void cycles_start(void)
{
	has_deadline = cpuid(1, 0).ecx & 1 << 24;
	if (!rates_from_hypervisor() && !rates_from_cpuid())
		rates_measure();
	if (tsc_hz == 0 || tick_hz == 0)
		panic("timer: a counter stands still");
	cycle_factor = (tsc_hz / 1000 << 32) / (NS_IN_SECOND / 1000);
	tick_factor = (tick_hz / 1000 << 32) / (NS_IN_SECOND / 1000);
	start_cycles = rdtsc();
	ns_factor = (NS_IN_SECOND << 32) / tsc_hz;
	log_info("timer: cycle counter at %lu kHz, %s", tsc_hz / 1000,
		has_deadline ? "interrupts by deadline" : "interrupts by countdown");
}

static uint64_t scale(uint64_t number, uint64_t factor)
{
	return (uint64_t)((__uint128_t)number * factor >> 32);
}

uint64_t cycles_now_ns(void)
{
	return scale(rdtsc() - start_cycles, ns_factor);
}

uint64_t cycles_hz(void)
{
	return tsc_hz;
}

void cycles_spin_ns(uint64_t ns)
{
	uint64_t start = rdtsc(), cycles = scale(ns, cycle_factor);

	while (rdtsc() - start < cycles)
		pause();
}

void oneshot_start_cpu(void)
{
	if (has_deadline)
		apic_timer_use_deadline();
}

void oneshot_set(uint64_t deadline_ns)
{
	uint64_t now = cycles_now_ns();
	uint64_t ns = deadline_ns > now ? MIN(deadline_ns - now, LONGEST_NS) : 0;

	if (has_deadline) {
		wrmsr(MSR_TSC_DEADLINE, rdtsc() + scale(ns, cycle_factor) + 1);
		return;
	}
	uint64_t ticks = scale(ns, tick_factor) + 1;
	apic_timer_set((uint32_t)MIN(ticks, (uint64_t)UINT32_MAX));
}

/* ---- rates that somebody tells -------------------------------------------------------------- */

/* A convention of hypervisors: TSC and bus rate in kHz. */
static bool rates_from_hypervisor(void)
{
	enum { HYPERVISOR_PRESENT = 1u << 31, LEAF_MAX = 0x40000000, LEAF_RATES = 0x40000010 };

	if (!(cpuid(1, 0).ecx & HYPERVISOR_PRESENT) || cpuid(LEAF_MAX, 0).eax < LEAF_RATES)
		return false;
	struct cpuid rates = cpuid(LEAF_RATES, 0);
	tsc_hz = rates.eax * 1000ull;
	tick_hz = rates.ebx * 1000ull;
	return tsc_hz != 0 && tick_hz != 0;
}

/* Leaf 15h: the crystal's rate, which the APIC timer counts, and the TSC's ratio to it. */
static bool rates_from_cpuid(void)
{
	if (cpuid(0, 0).eax < 0x15)
		return false;
	struct cpuid ratio = cpuid(0x15, 0);
	if (ratio.eax == 0 || ratio.ebx == 0 || ratio.ecx == 0)
		return false;
	tick_hz = ratio.ecx;
	tsc_hz = (uint64_t)ratio.ecx * ratio.ebx / ratio.eax;
	return true;
}

/* ---- measuring ------------------------------------------------------------------------------ */

static uint32_t pm_timer_read(void)
{
	return inl(acpi.pm_timer_port);
}

/* Counts down; its complement counts up. */
static uint32_t pit_read(void)
{
	outb(PIT_COMMAND, PIT_LATCH_2);
	uint8_t low = inb(PIT_CHANNEL_2);
	return ~(uint32_t)(inb(PIT_CHANNEL_2) << 8 | low);
}

static void pit_start(void)
{
	outb(PIT_GATE, (uint8_t)((inb(PIT_GATE) & ~PIT_SPEAKER) | PIT_GATE_ON));
	outb(PIT_COMMAND, PIT_RATE_2);
	outb(PIT_CHANNEL_2, 0);
	outb(PIT_CHANNEL_2, 0);
}

/* The moment at which the reference next changes.  If something came between two readings (a host
 * that runs others), the next change may be sharper; keep the sharpest. */
static struct moment moment_catch(const struct reference *reference)
{
	struct moment best = { 0 };
	uint64_t best_gap = UINT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		uint32_t first = reference->read(), now;
		uint64_t before, after = rdtsc();
		do {
			before = after;
			now = reference->read();
			after = rdtsc();
		} while (now == first);
		uint32_t ticks = apic_timer_left();
		uint64_t gap = rdtsc() - before;
		if (gap >= best_gap)
			continue;
		best_gap = gap;
		best = (struct moment){ after, now, ticks };
	}
	return best;
}

static void rates_measure(void)
{
	struct reference reference = { pit_read, PIT_HZ, 0xffff };

	if (acpi.pm_timer_port) {
		uint32_t mask = acpi.pm_timer_is_32bit ? 0xffffffff : 0xffffff;
		reference = (struct reference){ pm_timer_read, PM_TIMER_HZ, mask };
	} else {
		pit_start();
	}

	uint64_t flags = irq_save();
	apic_timer_set(UINT32_MAX);
	struct moment start = moment_catch(&reference);
	uint32_t wanted = (uint32_t)((uint64_t)reference.hz * MEASURED_US / 1000000);
	while (((reference.read() - start.reference) & reference.mask) < wanted)
		pause();
	struct moment end = moment_catch(&reference);
	apic_timer_set(0);
	irq_restore(flags);

	uint32_t passed = (end.reference - start.reference) & reference.mask;
	tsc_hz = (end.cycles - start.cycles) * reference.hz / passed;
	tick_hz = (uint64_t)(start.ticks - end.ticks) * reference.hz / passed;
}
