/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/unit.c - one behaviour at a time.
 */
#include "kernel/options.h"
#include "kernel/panic.h"
#include "mm/audit.h"
#include "mm/cursor.h"
#include "mm/fault.h"
#include "tests/host/machine.h"
#include "tests/host/sim/mmu.h"
#include "tests/host/sim/unit.h"
#include "tests/host/sim/world.h"

void unit_world(uint64_t seed, const void *test)
{
	const char *wrong;

	sim_seed(seed);
	world_start(SIM_CPUS_MAX);
	((void (*)(void))test)();
	wrong = audit();
	if (wrong)
		sim_violation("audit: %s", wrong);
	mmu_check_caches();
	world_end();
}

struct space *unit_space(uint64_t pages)
{
	struct space *space = space_create();

	HOLDS(space);
	if (pages > 0)
		unit_map(space, BASE, pages, RW);
	return space;
}

struct space *unit_fork(struct space *parent, enum fork_share share)
{
	struct space *child;

	options.fork_share = share;
	HOLDS(space_fork(parent, &child) == 0);
	return child;
}

static void enter(unsigned cpu, struct mmu_context *context)
{
	host_become_cpu(cpu);
	preempt_disable();
	tlb_activate(context);
	preempt_enable();
}

void unit_exit(struct space *space)
{
	for (unsigned cpu = 0; cpu < SIM_CPUS_MAX; cpu++) {
		if (sim_cpus[cpu].area->loaded == &space->mmu)
			enter(cpu, &kernel_context);
	}
	host_become_cpu(0);
	space_put(space);
}

void unit_map(struct space *space, virt_t addr, uint64_t pages, uint32_t prot)
{
	struct map_request request = {
		.addr = addr, .len = pages * PAGE_SIZE, .prot = prot,
		.flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
	};

	HOLDS(space_map(space, &request, &addr) == 0 && addr == request.addr);
}

void unit_map_object(struct space *space, virt_t addr, uint64_t pages, struct object *object,
		     uint32_t type)
{
	struct map_request request = {
		.addr = addr, .len = pages * PAGE_SIZE, .prot = RW, .flags = MAP_FIXED | type,
		.vma_flags = VMA_MAYWRITE, .object = object,
	};

	HOLDS(space_map(space, &request, &addr) == 0 && addr == request.addr);
}

/* The frame that the access reaches, FRAME_NONE if it may not; counts its faults. */
static pfn_t reach(unsigned cpu, struct space *space, virt_t addr, enum access access, int *faults)
{
	struct mmu_translation translation;

	enter(cpu, &space->mmu);
	*faults = 0;
	while (!mmu_translate(addr, access, &translation)) {
		int err = fault_resolve(space, addr, access);

		if (err) {
			*faults = err;
			return FRAME_NONE;
		}
		HOLDS(++*faults < 10);
	}
	return translation.frame;
}

int unit_access_on(unsigned cpu, struct space *space, virt_t addr, enum access access)
{
	int faults;

	reach(cpu, space, addr, access, &faults);
	host_become_cpu(0);
	return faults;
}

int unit_access(struct space *space, virt_t addr, enum access access)
{
	return unit_access_on(0, space, addr, access);
}

static uint64_t *word_at(struct space *space, virt_t addr, enum access access)
{
	int faults;
	pfn_t frame = reach(0, space, addr, access, &faults);

	if (frame == FRAME_NONE)
		sim_violation("the program cannot reach %lx: %d", addr, faults);
	return (uint64_t *)((char *)frame_bytes(frame) + addr % PAGE_SIZE);
}

void unit_put(struct space *space, virt_t addr, uint64_t value)
{
	*word_at(space, addr, ACCESS_WRITE) = value;
}

uint64_t unit_get(struct space *space, virt_t addr)
{
	return *word_at(space, addr, ACCESS_READ);
}

pte_t unit_leaf(struct space *space, virt_t addr)
{
	pte_t leaf;

	write_lock(&space->lock);
	leaf = cursor_peek(space, addr);
	write_unlock(&space->lock);
	return leaf;
}

pfn_t unit_frame(struct space *space, virt_t addr)
{
	return pte_pfn(unit_leaf(space, addr));
}

uint64_t unit_work(const struct space *space, enum work kind)
{
	return space->work.of[kind];
}

uint64_t unit_work_of_all(enum work kind)
{
	struct work_counts totals;

	work_totals(&totals);
	return totals.of[kind];
}
