/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/mmu.c - TLBs, walks and control registers of the simulated CPUs.
 *
 * Owns: what each CPU has cached, and its CR3.
 * Invariants: a CPU caches entries of the tree in CR3 only.
 * See: arch/x86_64/tlb.c, which runs on these CPUs as it is.
 */
#include <string.h>

#include "lib/bits.h"
#include "lib/types.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/paging.h"
#include "kernel/panic.h"
#include "mm/frame.h"
#include "mm/mmu.h"
#include "tests/host/sim/mmu.h"
#include "tests/host/sim/sim.h"

enum { TLB_SIZE = 256, UPPER_SIZE = 64, ROOT_LEVEL = PTE_LEVELS };

struct tlb_entry {
	bool is_valid, is_huge;
	virt_t page;                    /* or the first of 2 MiB */
	struct mmu_translation translation;     /* of that page */
};

/* An entry of a table of level 2..4: it names a table one level lower. */
struct upper_entry {
	bool is_valid, can_write;
	int level;                      /* of the table it names */
	virt_t prefix;                  /* first address it covers */
	pfn_t table;
};

static struct mmu_cpu {
	struct tlb_entry tlb[TLB_SIZE];
	struct upper_entry upper[UPPER_SIZE];
	phys_t cr3;
} caches[SIM_CPUS_MAX];

phys_t kernel_root;                     /* 0: nothing can be reached through it */
virt_t (*mmu_speculation_target)(void);

static bool walk(struct sim_cpu *cpu, virt_t addr, bool is_speculative,
		 struct mmu_translation *out);

static struct mmu_cpu *caches_of(struct sim_cpu *cpu)
{
	return &caches[cpu - sim_cpus];
}

static struct tlb_entry *tlb_slot(struct sim_cpu *cpu, virt_t page)
{
	return &caches_of(cpu)->tlb[(page >> PAGE_SHIFT) * 0x9e3779b97f4a7c15ull >> 56];
}

static virt_t huge_floor(virt_t addr)
{
	return align_down(addr, 2 * MIB);
}

/* What is cached for the address: for its page, or for the 2 MiB around it.  NULL: nothing. */
static struct tlb_entry *tlb_find(struct sim_cpu *cpu, virt_t addr)
{
	struct tlb_entry *page = tlb_slot(cpu, page_floor(addr));
	struct tlb_entry *huge = tlb_slot(cpu, huge_floor(addr));

	if (page->is_valid && !page->is_huge && page->page == page_floor(addr))
		return page;
	if (huge->is_valid && huge->is_huge && huge->page == huge_floor(addr))
		return huge;
	return NULL;
}

static struct upper_entry *upper_slot(struct sim_cpu *cpu, virt_t prefix, int level)
{
	uint64_t key = prefix >> (PAGE_SHIFT + PTE_INDEX_BITS * level);

	return &caches_of(cpu)->upper[(key * 4 + level) * 0x9e3779b97f4a7c15ull >> 58];
}

static virt_t upper_prefix(virt_t addr, int level)
{
	return addr & ~(pte_span(level + 1) - 1);
}

/* ---- dropping ---- */

static void drop_uppers(struct sim_cpu *cpu)
{
	memset(caches_of(cpu)->upper, 0, sizeof(caches_of(cpu)->upper));
}

static void drop_all(struct sim_cpu *cpu)
{
	memset(caches_of(cpu)->tlb, 0, sizeof(caches_of(cpu)->tlb));
	drop_uppers(cpu);
}

static void drop_page(struct sim_cpu *cpu, virt_t page)
{
	for (struct tlb_entry *entry; (entry = tlb_find(cpu, page)) != NULL;)
		entry->is_valid = false;
}

/* A page fault drops what was used for the address, on all levels, and no more. */
static void drop_used(struct sim_cpu *cpu, virt_t page)
{
	drop_page(cpu, page);
	for (int level = 1; level < ROOT_LEVEL; level++) {
		struct upper_entry *upper = upper_slot(cpu, page, level);

		if (upper->level == level && upper->prefix == upper_prefix(page, level))
			upper->is_valid = false;
	}
}

/* ---- walking ---- */

void mmu_check_frame(pfn_t frame, virt_t addr)
{
	if (frame >= frame_count)
		sim_violation("%lx translates to frame %lx, beyond all memory", addr, frame);
	if (frames[frame].kind == FRAME_ZERO)
		return;
	if (frames[frame].kind != FRAME_DATA || frame_refs[frame] == 0)
		sim_violation("%lx translates to frame %lx: kind %d, count %u", addr, frame,
			      frames[frame].kind, frame_refs[frame]);
}

static void check_table(const char *walk_kind, virt_t addr, pfn_t table, int level)
{
	const struct frame *frame = &frames[table];

	if (table >= frame_count || frame->kind != FRAME_TABLE || frame->level != level ||
	    frame_refs[table] == 0)
		sim_violation("a %s walk of %lx reads frame %lx as a table of level %d", walk_kind,
			      addr, table, level);
}

/* Rights live in the leaf; accessed is preset, dirty comes with the right to write. */
static void check_entry(pte_t entry, int level, virt_t addr)
{
	uint64_t always = PTE_PRESENT | PTE_USER | PTE_ACCESSED;
	uint64_t upper = always | PTE_WRITE | PTE_FRAME;
	bool is_huge = pte_is_huge(entry), is_leaf = level == 1 || is_huge;

	if ((entry.bits & always) != always || (is_huge && level != 2) ||
	    (!is_leaf && (entry.bits & ~upper)) ||
	    (is_huge && !is_aligned(pte_pfn(entry), PTE_PER_TABLE)) ||
	    (is_leaf && pte_is_writable(entry) != pte_is_dirty(entry)))
		sim_violation("the entry for %lx in a table of level %d is %lx", addr, level,
			      entry.bits);
}

/* From which table does this walk start?  Any cached upper entry will do. */
static pfn_t walk_start(struct sim_cpu *cpu, virt_t addr, int *level, bool *can_write)
{
	for (int below = 1; below < ROOT_LEVEL; below++) {
		struct upper_entry *upper = upper_slot(cpu, addr, below);

		if (upper->is_valid && upper->level == below &&
		    upper->prefix == upper_prefix(addr, below) && !sim_chance(8)) {
			*level = below;
			*can_write = upper->can_write;
			return upper->table;
		}
	}
	*level = ROOT_LEVEL;
	*can_write = true;
	return caches_of(cpu)->cr3 >> PAGE_SHIFT;
}

static void note_upper(struct sim_cpu *cpu, virt_t addr, int level, pfn_t table, bool can_write)
{
	*upper_slot(cpu, addr, level) = (struct upper_entry){
		.is_valid = true, .can_write = can_write, .level = level,
		.prefix = upper_prefix(addr, level), .table = table };
}

/* Cache the leaf found in a table of `level`; answer for the page. */
static void note_leaf(struct sim_cpu *cpu, virt_t addr, int level, struct mmu_translation *out)
{
	bool is_huge = level == 2;
	virt_t start = is_huge ? huge_floor(addr) : page_floor(addr);

	*tlb_slot(cpu, start) = (struct tlb_entry){ true, is_huge, start, *out };
	out->frame += (page_floor(addr) - start) >> PAGE_SHIFT;
	mmu_check_frame(out->frame, addr);
}

/* Descend to the leaf, caching what is met.  False: not present. */
static bool walk(struct sim_cpu *cpu, virt_t addr, bool is_speculative, struct mmu_translation *out)
{
	bool can_write;
	int level;
	pfn_t table = walk_start(cpu, addr, &level, &can_write);
	pte_t entry;

	for (;; level--) {
		if (!is_speculative)
			sim_point();
		check_table(is_speculative ? "speculative" : "demand", addr, table, level);
		entry = frame_entries(table)[pte_index(addr, level)];
		if (!pte_is_present(entry))
			return false;
		check_entry(entry, level, addr);
		can_write = can_write && pte_is_writable(entry);
		if (level == 1 || pte_is_huge(entry))
			break;
		table = pte_pfn(entry);
		note_upper(cpu, addr, level - 1, table, can_write);
	}
	if (can_write && pte_pfn(entry) == zero_frame)
		sim_violation("%lx may be written in the frame of zeros", addr);
	*out = (struct mmu_translation){ pte_pfn(entry), can_write, pte_is_executable(entry) };
	note_leaf(cpu, addr, level, out);
	return true;
}

static bool is_allowed(const struct mmu_translation *translation, enum access access)
{
	switch (access) {
	case ACCESS_WRITE:
		return translation->can_write;
	case ACCESS_EXEC:
		return translation->can_execute;
	default:
		return true;
	}
}

bool mmu_translate(virt_t addr, enum access access, struct mmu_translation *out)
{
	struct sim_cpu *cpu = sim_this_cpu();
	const struct tlb_entry *entry = tlb_find(cpu, addr);
	bool is_cached = entry;

	if (is_cached) {
		*out = entry->translation;
		out->frame += (page_floor(addr) - entry->page) >> PAGE_SHIFT;
		if (is_allowed(out, access))
			return true;
	}
	/* A cached entry that forbids the access may fault at once; or the CPU looks again. */
	if ((!is_cached || sim_chance(2)) && walk(cpu, addr, false, out) && is_allowed(out, access))
		return true;
	drop_used(cpu, page_floor(addr));
	return false;
}

/* ---- instructions ---- */

uint64_t read_cr3(void)
{
	return caches_of(sim_this_cpu())->cr3;
}

void write_cr3(uint64_t value)
{
	sim_point();
	caches_of(sim_this_cpu())->cr3 = value;
	drop_all(sim_this_cpu());
	sim_point();
}

/* No page is global, so CR4.PGE stays clear. */
uint64_t read_cr4(void)
{
	return 0;
}

void write_cr4(uint64_t value)
{
}

void invlpg(virt_t addr)
{
	struct sim_cpu *cpu = sim_this_cpu();

	sim_point();
	drop_page(cpu, page_floor(addr));
	drop_uppers(cpu);
}

bool irq_enabled(void)
{
	return !sim_this_cpu()->irqs_off;
}

uint64_t irq_save(void)
{
	uint64_t flags = irq_enabled() ? RFLAGS_INTERRUPTS : 0;

	sim_this_cpu()->irqs_off = true;
	return flags;
}

void irq_restore(uint64_t flags)
{
	sim_this_cpu()->irqs_off = !(flags & RFLAGS_INTERRUPTS);
	sim_point();
}

void apic_send(uint32_t to_apic_id, uint8_t vector)
{
	sim_interrupt(&sim_cpus[to_apic_id]);
}

/* ---- what goes on between two steps ---- */

static void forget_something(struct sim_cpu *cpu)
{
	struct mmu_cpu *mine = caches_of(cpu);

	if (sim_chance(2))
		mine->tlb[sim_below(TLB_SIZE)].is_valid = false;
	else
		mine->upper[sim_below(UPPER_SIZE)].is_valid = false;
}

void mmu_background(struct sim_cpu *cpu)
{
	struct mmu_translation ignored;

	if (caches_of(cpu)->cr3 != kernel_root && !cpu->in_instruction && sim_chance(6))
		walk(cpu, mmu_speculation_target(), true, &ignored);
	if (sim_chance(4))
		forget_something(cpu);
}

/* ---- inspection ---- */

/* What the tree says now: the table of `level` on the path, or the leaf's frame for level 0; for
 * level 1 perhaps a huge leaf's. */
static bool true_path(phys_t root, virt_t addr, int level, struct mmu_translation *out,
		      bool *is_huge)
{
	pfn_t at = root >> PAGE_SHIFT;
	pte_t entry = PTE_NONE;

	out->can_write = true;
	for (int above = ROOT_LEVEL; above > level; above--) {
		entry = frame_entries(at)[pte_index(addr, above)];
		if (!pte_is_present(entry) || (pte_is_huge(entry) && level == 0))
			return false;
		out->can_write = out->can_write && pte_is_writable(entry);
		at = pte_pfn(entry);
	}
	*is_huge = pte_is_huge(entry);
	out->frame = at;
	out->can_execute = (level > 0 && !*is_huge) || pte_is_executable(entry);
	return true;
}

static void check_cached(struct sim_cpu *cpu, virt_t addr, int level, bool was_huge,
			 const struct mmu_translation *cached)
{
	struct mmu_translation now;
	bool is_huge;

	if (!true_path(caches_of(cpu)->cr3, addr, level, &now, &is_huge) || is_huge != was_huge)
		sim_violation("CPU %d still has frame %lx cached for %lx, level %d: it is gone",
			      (int)(cpu - sim_cpus), cached->frame, addr, level);
	if (now.frame != cached->frame)
		sim_violation("CPU %d still has frame %lx cached for %lx, level %d: now it is %lx",
			      (int)(cpu - sim_cpus), cached->frame, addr, level, now.frame);
	if ((cached->can_write && !now.can_write) || (cached->can_execute && !now.can_execute))
		sim_violation("CPU %d has more rights cached for %lx, level %d, than there are",
			      (int)(cpu - sim_cpus), addr, level);
}

static void check_cpu(struct sim_cpu *cpu)
{
	struct mmu_cpu *mine = caches_of(cpu);

	for (unsigned i = 0; i < TLB_SIZE; i++) {
		if (mine->tlb[i].is_valid)
			check_cached(cpu, mine->tlb[i].page, mine->tlb[i].is_huge,
				     mine->tlb[i].is_huge, &mine->tlb[i].translation);
	}
	for (unsigned i = 0; i < UPPER_SIZE; i++) {
		const struct upper_entry *upper = &mine->upper[i];

		if (upper->is_valid)
			check_cached(cpu, upper->prefix, upper->level, false,
				     &(struct mmu_translation){ upper->table, upper->can_write,
								false });
	}
}

void mmu_check_caches(void)
{
	for (unsigned i = 0; i < sim_cpu_count; i++) {
		if (caches[i].cr3 != kernel_root)
			check_cpu(&sim_cpus[i]);
	}
}
