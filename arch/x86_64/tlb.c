/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/tlb.c - flush a page, a range, a space, on every CPU that needs it.
 *
 *        initiator                              target
 *        fill own request, pending = targets
 *        own bit into each target's inbox  ---> take all bits of the inbox
 *        IPI if the inbox was empty             for each: flush if that space is loaded,
 *        wait until pending = 0            <--- own bit out of its pending
 *
 * Owns:        one request and one inbox per CPU; which space each CPU has loaded.
 * Invariants:  a request is constant while anything is pending; its CPU waits for that with
 *              preemption off and interrupts on, so two CPUs that flush each other both answer.
 *              A bit is in a CPU's inbox from before the interrupt is sent until it is served.
 *              cpu.loaded names what CR3 holds whenever an interrupt may look at it.
 * Locks:       none.
 * See:         arch/x86_64/tlb.h for the order of switch-in and flush; Intel SDM vol. 3A 4.10.
 */
#include "arch/x86_64/tlb.h"

#include "lib/atomic.h"
#include "lib/bits.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/trap.h"
#include "kernel/event.h"
#include "kernel/hooks.h"
#include "kernel/panic.h"
#include "kernel/spinlock.h"
#include "kernel/tail.h"

#define CR4_PGE (1ull << 7)

struct ALIGNED(64) request {
	uint64_t pending;               /* atomic: CPUs that have not flushed yet */
	const struct mmu_context *context;      /* NULL: kernel addresses, for every CPU */
	virt_t start, end;
	uint64_t sent, received;        /* [own] since boot */
};

struct ALIGNED(64) inbox {
	uint64_t from;                  /* atomic: CPUs whose request concerns this one */
};

struct mmu_context kernel_context;

static struct request requests[CPU_MAX];
static struct inbox inboxes[CPU_MAX];

static void flush_here(const struct mmu_context *context, virt_t start, virt_t end);

void tlb_start_cpu(void)
{
	kernel_context.root = kernel_root;
	assert(read_cr3() == kernel_root);
	this_cpu()->loaded = &kernel_context;
}

/* Nobody asks for the kernel context's mask: its flushes go to every CPU. */
void tlb_activate(struct mmu_context *context)
{
	struct cpu *cpu = this_cpu();
	struct mmu_context *old = cpu->loaded;
	uint64_t self = BIT(cpu->id);

	if (old == context)
		return;
	if (context != &kernel_context) {
		atomic_or(&context->cpus, self);        /* a full barrier */
		jitter();
		event_detail(space_load, context->id, cpu->id, 0);
	}
	write_cr3(context->root);
	cpu->loaded = context;
	if (old != &kernel_context) {
		event_detail(space_leave, old->id, cpu->id, 0);
		atomic_and(&old->cpus, ~self);
	}
}

void tlb_flush_local_page(virt_t addr)
{
	invlpg(addr);
}

void tlb_flush_range(struct mmu_context *context, virt_t start, virt_t end)
{
	assert(start < end && is_page_aligned(start | end));

	preempt_disable();
	const struct cpu *cpu = this_cpu();
	if (cpu->loaded == context)
		flush_here(context, start, end);
	event_detail(flush, context->id, start, end);
	memory_barrier();
	uint64_t targets = atomic_load_relaxed(&context->cpus) & ~BIT(cpu->id);
	if (targets)
		tlb_shoot_down(context, targets, start, end);
	preempt_enable();
}

void tlb_flush_all(struct mmu_context *context)
{
	tlb_flush_range(context, 0, USER_END);
}

void tlb_flush_kernel(virt_t start, virt_t end)
{
	assert(start < end && is_page_aligned(start | end));

	preempt_disable();
	flush_here(NULL, start, end);
	memory_barrier();
	uint64_t targets = cpu_online_mask() & ~BIT(this_cpu()->id);
	if (targets)
		tlb_shoot_down(NULL, targets, start, end);
	preempt_enable();
}

/* ---- on this CPU ---------------------------------------------------------------------------- */

/* Also global translations, which survive a load of CR3. */
static void flush_everything(void)
{
	uint64_t flags = irq_save(), cr4 = read_cr4();

	if (cr4 & CR4_PGE) {
		write_cr4(cr4 & ~CR4_PGE);
		write_cr4(cr4);
	} else {
		write_cr3(read_cr3());
	}
	irq_restore(flags);
}

static void flush_here(const struct mmu_context *context, virt_t start, virt_t end)
{
	if (end - start <= TLB_RANGE_PAGES * PAGE_SIZE) {
		for (virt_t addr = start; addr < end; addr += PAGE_SIZE)
			invlpg(addr);
	} else if (context) {
		write_cr3(context->root);
	} else {
		flush_everything();
	}
}

/* ---- on others ------------------------------------------------------------------------------ */

void tlb_shoot_down(
	const struct mmu_context *context, uint64_t targets, virt_t start, virt_t end)
{
	uint32_t self = this_cpu()->id;
	struct request *request = &requests[self];
	uint64_t id = context ? context->id : 0;

	assert(irq_enabled() && this_cpu()->irq_depth == 0);
	event(shootdown, id, start, end);
	tail_begin(TAIL_SHOOTDOWN);
	request->context = context;
	request->start = start;
	request->end = end;
	atomic_store_release(&request->pending, targets);

	for (uint64_t left = targets; left; left &= left - 1) {
		unsigned target = bit_lowest(left);
		request->sent++;
		if (atomic_or(&inboxes[target].from, BIT(self)) == 0)
			apic_send(cpus[target]->apic_id, VECTOR_SHOOTDOWN);
		jitter();
	}
	while (atomic_load_acquire(&request->pending))
		pause();
	tail_end_answered();
	event(shootdown_done, id, start, end);
}

static void request_serve(struct request *request)
{
	const struct cpu *cpu = this_cpu();
	const struct mmu_context *context = request->context;

	if (!context || cpu->loaded == context)
		flush_here(context, request->start, request->end);
	event(shootdown_ack, context ? context->id : 0, cpu->id, request - requests);
	requests[cpu->id].received++;
	tail_answer(request - requests);
	atomic_and(&request->pending, ~BIT(cpu->id));
}

void tlb_interrupt(void)
{
	uint64_t from = atomic_xchg(&inboxes[this_cpu()->id].from, 0);

	for (; from; from &= from - 1)
		request_serve(&requests[bit_lowest(from)]);
}

uint64_t tlb_shootdowns_sent(void)
{
	uint64_t sum = 0;

	for (uint32_t id = 0; id < cpu_count; id++)
		sum += READ_ONCE(requests[id].sent);
	return sum;
}

uint64_t tlb_shootdowns_received(void)
{
	uint64_t sum = 0;

	for (uint32_t id = 0; id < cpu_count; id++)
		sum += READ_ONCE(requests[id].received);
	return sum;
}
