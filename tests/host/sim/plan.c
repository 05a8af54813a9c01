/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/plan.c - threads that do this and that, and runs of many of them.
 *
 * Owns: the plan of the run under way.
 * See: tests/host/sim/world.c for what each step checks.
 */
#include <stdio.h>

#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "kernel/options.h"
#include "mm/huge_mode.h"
#include "mm/uaccess.h"
#include "tests/host/sim/mmu.h"
#include "tests/host/sim/world.h"

struct world_totals world_totals;

static const struct world_plan *plan;

static void thread_main(void *argument);

/* ---- choosing ---- */

static unsigned spots_used(void)
{
	return plan->spots > 0 ? plan->spots : SPOTS;
}

/* Mostly the first pages of the first island, so that threads meet. */
static unsigned choose_spot(void)
{
	unsigned hot = MIN(spots_used(), 4u);

	return sim_chance(3) ? sim_below(spots_used()) : sim_below(hot);
}

struct range {
	virt_t start, end;
};

/* From a page or two to half the address space; its ends at spots or somewhere between. */
static struct range choose_range(void)
{
	unsigned first = sim_below(spots_used());
	unsigned width = sim_chance(4) ? sim_below(SPOTS) : sim_below(5);
	unsigned last = MIN(first + width, spots_used() - 1);
	struct range range = { spot_addr(first), spot_addr(last) + PAGE_SIZE };

	if (sim_chance(4))
		range.start = align_down(range.start, 2 * MIB);
	if (sim_chance(4))
		range.end += sim_below(200) * PAGE_SIZE;
	return range;
}

static uint32_t choose_prot(void)
{
	switch (sim_below(16)) {
	case 0:
		return PROT_NONE;
	case 1:
	case 2:
		return PROT_READ;
	case 3:
		return PROT_READ | PROT_EXEC;
	case 4:
		return PROT_READ | PROT_WRITE | PROT_EXEC;
	default:
		return PROT_READ | PROT_WRITE;
	}
}

/* ---- calls with chosen arguments ---- */

static bool object_may_be_mapped(const struct model_object *object, bool is_shared)
{
	switch (object->kind) {
	case OBJECT_CONSTANT:
		return !is_shared;
	case OBJECT_COHERENT:
		return is_shared;
	default:
		return true;
	}
}

static struct model_object *loose_object(void)
{
	return &model_objects[MODEL_OBJECTS - 1 - sim_below(2)];
}

static struct model_object *choose_object(void)
{
	if (plan->maps_loose_only)
		return loose_object();
	return sim_chance(2) ? NULL : &model_objects[sim_below(MODEL_OBJECTS)];
}

static int do_map(struct world_space *at)
{
	struct range range = choose_range();
	struct model_object *object = choose_object();
	bool is_shared = object && sim_chance(2);
	struct map_request request = {
		.addr = range.start, .len = range.end - range.start, .prot = choose_prot(),
		.flags = MAP_FIXED | MAP_NORESERVE | (is_shared ? MAP_SHARED : MAP_PRIVATE),
		.vma_flags = VMA_MAYWRITE,
	};

	if (object && !object_may_be_mapped(object, is_shared))
		return -EINVAL;
	if (object) {
		request.object = object->object;
		request.offset = sim_chance(3) ? range.start : sim_below(4) * PAGE_SIZE;
	} else {
		request.flags |= MAP_ANONYMOUS;
	}
	return world_map(at, &request, object);
}

/* From one island to another, at the same place in it; or a few neighbours to anywhere. */
static int do_move(struct world_space *at)
{
	unsigned from = sim_below(ISLANDS), to = sim_below(ISLANDS);
	unsigned first = sim_below(6), count = 1 + sim_below(6 - first), target = first;
	virt_t start, end;

	if (from == to || spots_used() < SPOTS)
		return -EINVAL;
	start = spot_addr(from * ISLAND_SPOTS + first);
	end = start + count * PAGE_SIZE;
	if (sim_chance(2)) {
		start = spot_addr(from * ISLAND_SPOTS);
		end = start + (1 + sim_below(2)) * 2 * MIB;
		target = 0;
	} else if (sim_chance(2)) {
		target = sim_below(6 - count + 1);
	}
	return world_move(at, start, end - start, spot_addr(to * ISLAND_SPOTS + target));
}

static int do_advise(struct world_space *at)
{
	static const int advice[] = { MADV_DONTNEED, MADV_DONTNEED, MADV_DONTNEED, MADV_DONTFORK,
				      MADV_DOFORK, MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_HUGEPAGE,
				      MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLLAPSE,
				      MADV_COLLAPSE };
	struct range range = choose_range();

	return world_advise(at, range.start, range.end, advice[sim_below(COUNT(advice))]);
}

/* Writers and resizers of a file keep apart, as by its inode's lock. */
static struct rwlock inode_lock;

/* Look into a space the way the kernel looks into another program's: at a word of any live one. */
static int do_peek(void)
{
	struct world_space *at = &world_spaces[sim_below(WORLD_SPACES)];

	return at->space ? world_peek(at, choose_spot(), sim_below(WORDS)) : -ESRCH;
}

static int do_object_write(void)
{
	struct model_object *object = loose_object();
	uint64_t index = sim_below(FILE_PAGES);
	uint64_t value = model_object_value(object, index);
	uint64_t at = index * PAGE_SIZE + word_offset(sim_below(WORDS));
	ssize_t done;

	write_lock(&inode_lock);
	done = object_write(object->object, at, (struct object_io){ .kernel = &value }, 8);
	write_unlock(&inode_lock);
	return done < 0 ? (int)done : 0;
}

static int do_object_cut(void)
{
	struct model_object *object = loose_object();
	uint64_t first = sim_below(sim_chance(2) ? 4 : FILE_PAGES), last = first + 1 + sim_below(4);
	int err;

	if (sim_chance(2))
		return object_punch(object->object, first * PAGE_SIZE, last * PAGE_SIZE);
	write_lock(&inode_lock);
	err = object_resize(object->object, first * PAGE_SIZE);
	write_unlock(&inode_lock);
	return err;
}

static int do_fork(struct world_space *at)
{
	struct world_space *child;
	unsigned alive = 0;
	int err;

	for (unsigned i = 0; i < WORLD_SPACES; i++)
		alive += world_spaces[i].space != NULL;
	if (alive >= plan->spaces_max)
		return -EAGAIN;
	err = world_fork(at, sim_below(FORK_SHARE_ROOT + 1), &child);
	if (!err && !sim_thread_start(thread_main, child, &child->space->mmu))
		world_exit(child);
	return err;
}

static int do_thread(struct world_space *at)
{
	if (at->threads >= plan->threads_max)
		return -EAGAIN;
	if (!sim_thread_start(thread_main, at, &at->space->mmu))
		return -EAGAIN;
	at->threads++;
	return 0;
}

/* ---- threads ---- */

static bool may_do(const struct world_space *at, enum world_op op)
{
	bool is_first = at == &world_spaces[0];

	if (op == OP_EXIT)
		return !is_first;
	if (op <= OP_EXECUTE || !plan->does_first_only_fork)
		return true;
	return is_first;
}

static enum world_op choose_op(const struct world_space *at)
{
	unsigned all = 0, pick;
	enum world_op op = 0;

	for (unsigned i = 0; i < WORLD_OPS; i++)
		all += plan->share[i];
	do {
		pick = sim_below(all);
		for (op = 0; pick >= plan->share[op]; op++)
			pick -= plan->share[op];
	} while (!may_do(at, op));
	return op;
}

static int do_op(struct world_space *at, enum world_op op)
{
	struct range range;

	switch (op) {
	case OP_LOAD:
		return world_access(at, choose_spot(), sim_below(WORDS), ACCESS_READ);
	case OP_STORE:
		return world_access(at, choose_spot(), sim_below(WORDS), ACCESS_WRITE);
	case OP_EXECUTE:
		return world_access(at, choose_spot(), sim_below(WORDS), ACCESS_EXEC);
	case OP_FORK:
		return do_fork(at);
	case OP_THREAD:
		return do_thread(at);
	case OP_MAP:
		return do_map(at);
	case OP_UNMAP:
		range = choose_range();
		return world_unmap(at, range.start, range.end);
	case OP_PROTECT:
		range = choose_range();
		return world_protect(at, range.start, range.end, choose_prot());
	case OP_MOVE:
		return do_move(at);
	case OP_ADVISE:
		return do_advise(at);
	case OP_PEEK:
		return do_peek();
	case OP_OBJECT_WRITE:
		return do_object_write();
	case OP_OBJECT_CUT:
		return do_object_cut();
	default:
		return 0;
	}
}

static void thread_main(void *argument)
{
	struct world_space *at = argument;
	enum world_op op = OP_LOAD;

	while (op != OP_EXIT) {
		sim_rest();
		if (sim_is_over())
			break;
		op = choose_op(at);
		if (op != OP_EXIT && do_op(at, op) != 0)
			world_totals.refused[op]++;
		world_totals.done[op]++;
	}
	world_exit(at);
}

/* ---- runs ---- */

/* CPUs look ahead where programs go, or may go next. */
static virt_t look_ahead(void)
{
	return spot_addr(choose_spot());
}

static void first_space_start(void)
{
	struct world_space *at = world_space_new();
	struct map_request request = {
		.addr = spot_addr(0), .prot = PROT_READ | PROT_WRITE,
		.len = spot_addr(spots_used() - 1) + PAGE_SIZE - spot_addr(0),
		.flags = MAP_FIXED | MAP_NORESERVE | MAP_PRIVATE | MAP_ANONYMOUS,
	};
	int err;

	at->space = space_create();
	assert(at->space);
	err = world_map(at, &request, NULL);
	assert(!err);
	at->threads = plan->first_threads;
	for (unsigned i = 0; i < plan->first_threads; i++)
		sim_thread_start(thread_main, at, &at->space->mmu);
}

void world_run(const struct world_plan *the_plan, uint64_t seed)
{
	plan = the_plan;
	sim_seed(seed);
	world_start(plan->cpus);
	rwlock_init(&inode_lock, RANK_INODE);
	mmu_speculation_target = look_ahead;
	thp_set_mode(plan->wants_huge ? THP_ALWAYS : THP_MADVISE);
	options.fault_ahead = sim_below(4);
	first_space_start();
	world_fail_often(plan->failures_per_1000);
	sim_run(plan->steps, plan->quiet_interval, world_check);
	world_fail_often(0);
	world_end();
	options.fault_ahead = 0;
}
