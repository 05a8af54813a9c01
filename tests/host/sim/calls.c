/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/calls.c - the memory calls of programs, and what they mean.
 *
 * Invariants: a call and its meaning in the model become visible at one instant: see
 *   sim_at_release().
 */
#include "lib/abi/errno.h"
#include "kernel/options.h"
#include "kernel/panic.h"
#include "mm/mmap.h"
#include "tests/host/sim/world.h"

static void check_memory_was_short(int err)
{
	if (err == -ENOMEM && !world_has_failed())
		sim_violation("out of memory, with enough of it");
}

int world_map(struct world_space *at, const struct map_request *request,
	      struct model_object *object)
{
	virt_t addr = request->addr;
	int err;

	if (at->is_moving)
		return -EAGAIN;
	at->mapping++;
	sim_at_release(sim_freeze, NULL);
	err = space_map(at->space, request, &addr);
	sim_at_release(NULL, NULL);
	sim_trace("space %u: map %lx+%lx prot %u flags %x object %u: %d", at->model.id,
		  request->addr, request->len, request->prot, request->flags,
		  object ? object->id : 0, err);
	check_memory_was_short(err);
	if (!err) {
		assert(addr == request->addr);
		model_map(&at->model, request, object);
		at->changes++;
	}
	at->mapping--;
	sim_thaw();
	return err;
}

int world_unmap(struct world_space *at, virt_t start, virt_t end)
{
	int err;

	sim_at_release(sim_freeze, NULL);
	err = space_unmap(at->space, start, end - start);
	sim_at_release(NULL, NULL);
	sim_trace("space %u: unmap %lx-%lx: %d", at->model.id, start, end, err);
	check_memory_was_short(err);
	if (!err)
		model_unmap(&at->model, start, end);
	at->changes++;
	sim_thaw();
	return err;
}

/* -ENOMEM also says that part of the range is not mapped. */
int world_protect(struct world_space *at, virt_t start, virt_t end, uint32_t prot)
{
	int err;

	sim_at_release(sim_freeze, NULL);
	err = space_protect(at->space, start, end - start, prot);
	sim_at_release(NULL, NULL);
	sim_trace("space %u: protect %lx-%lx %u: %d", at->model.id, start, end, prot, err);
	if (!err)
		model_protect(&at->model, start, end, prot);
	sim_thaw();
	return err;
}

/*
 * The new place is emptied first and stays so until the pages come, because nothing else is mapped
 * meanwhile: so what is seen there is what moved.  -EFAULT: the source is not one range.
 */
int world_move(struct world_space *at, virt_t from, uint64_t len, virt_t to)
{
	virt_t addr = to;
	int err;

	if (at->is_moving || at->mapping > 0)
		return -EAGAIN;
	at->is_moving = true;
	err = world_unmap(at, to, to + len);
	if (err) {
		at->is_moving = false;
		return err;
	}
	at->move_from = from;
	at->move_to = to;
	at->move_len = len;
	sim_at_release(sim_freeze, NULL);
	err = space_remap(at->space, from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, &addr);
	sim_at_release(NULL, NULL);
	sim_trace("space %u: move %lx+%lx to %lx: %d", at->model.id, from, len, to, err);
	check_memory_was_short(err);
	if (!err)
		model_move(&at->model, from, len, to);
	at->changes++;
	at->move_len = 0;
	at->is_moving = false;
	sim_thaw();
	return err;
}

/* -ENOMEM also says that part of the range is not mapped; what is mapped was advised all the
 * same. */
int world_advise(struct world_space *at, virt_t start, virt_t end, int advice)
{
	uint64_t failures;
	int err;

	sim_at_release(sim_freeze, NULL);
	failures = world_failures();
	err = space_advise(at->space, start, end - start, advice);
	sim_at_release(NULL, NULL);
	sim_trace("space %u: advise %lx-%lx %d: %d", at->model.id, start, end, advice, err);
	if (!err || (err == -ENOMEM && world_failures() == failures))
		model_advise(&at->model, start, end, advice);
	at->changes++;
	sim_thaw();
	return err;
}

/* The parent's memory as it was at the instant of a fork. */
struct snapshot {
	const struct model_space *parent;
	struct model_space model;
	bool is_taken;
};

static void snapshot_take(void *argument)
{
	struct snapshot *snapshot = argument;

	if (!snapshot->is_taken)
		snapshot->model = *snapshot->parent;
	snapshot->is_taken = true;
}

int world_fork(struct world_space *parent, enum fork_share share, struct world_space **out)
{
	struct snapshot snapshot = { .parent = &parent->model };
	struct world_space *child = world_space_new();
	struct space *space;
	int err;

	if (!child)
		return -EAGAIN;
	options.fork_share = share;
	sim_at_release(snapshot_take, &snapshot);
	err = space_fork(parent->space, &space);
	sim_at_release(NULL, NULL);
	check_memory_was_short(err);
	snapshot_take(&snapshot);               /* if nothing ran beside */
	if (!err) {
		child->space = space;
		model_fork(&child->model, &snapshot.model);
		*out = child;
	} else {
		child->threads = 0;
	}
	sim_trace("space %u: fork %d makes %u: %d", parent->model.id, share, child->model.id, err);
	return err;
}
