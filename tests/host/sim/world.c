/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/world.c - single steps of programs, each compared with the model.
 *
 * Owns: the spaces and objects of a world.
 * Invariants: a call and its meaning in the model become visible at one instant (sim_freeze), so
 *   that the model is exact for every thread at every step.
 */
#include <string.h>

#include "lib/abi/errno.h"
#include "arch/x86_64/usercopy.h"
#include "kernel/hooks.h"
#include "kernel/options.h"
#include "kernel/upcall.h"
#include "mm/ahead.h"
#include "mm/audit.h"
#include "mm/fault.h"
#include "mm/mmu.h"
#include "mm/uaccess.h"
#include "tests/host/machine.h"
#include "tests/host/sim/mmu.h"
#include "tests/host/sim/world.h"

enum { FAULTS_MAX = 1000 };

struct world_space world_spaces[WORLD_SPACES];

static unsigned spaces_made;
static struct ledger ledger_at_start;

/* ---- failing on purpose ---- */

static uint64_t fail_in;                /* fault points from now; 0: never */
static unsigned fail_per_1000;
static uint64_t failure_count;
static bool has_failed;
bool world_gives_up;

/* A promise refused is another thing than no memory: a fault then says so (-ENXIO). */
bool fault_point_fails(const char *what)
{
	if (strcmp(what, "promise") == 0)
		return false;
	bool fails = fail_in > 0 && --fail_in == 0;

	fails = fails || (sim_is_running() && fail_per_1000 > sim_below(1000));
	has_failed = has_failed || fails;
	failure_count += fails;
	if (fails)
		sim_trace("fails: %s", what);
	return fails;
}

void world_fail_nth(uint64_t n)
{
	fail_in = n;
	has_failed = false;
}

void world_fail_often(unsigned per_1000)
{
	fail_per_1000 = per_1000;
	has_failed = per_1000 > 0;
}

bool world_has_failed(void)
{
	return has_failed;
}

uint64_t world_failures(void)
{
	return failure_count;
}

int upcall_find_memory(void)
{
	return has_failed && !world_gives_up ? 0 : -ENOMEM;
}

/* ---- the machine ---- */

static virt_t any_spot(void)
{
	return spot_addr(sim_below(SPOTS)) + 8 * sim_below(512);
}

static void object_fill(struct model_object *object)
{
	for (uint64_t index = 0; index < FILE_PAGES; index += 1 + index % 3) {
		for (unsigned word = 0; word < WORDS; word++) {
			uint64_t value = model_object_value(object, index);
			uint64_t at = index * PAGE_SIZE + word_offset(word);
			ssize_t done = object_write(object->object, at,
						    (struct object_io){ .kernel = &value }, 8);

			assert(done == 8);
			model_object_store(object, index, word, value);
		}
	}
}

static void objects_make(void)
{
	model_start();
	for (unsigned i = 0; i < MODEL_OBJECTS; i++) {
		struct model_object *object = &model_objects[i];

		object->object = object_create(object->size_pages * PAGE_SIZE,
					       object->size_pages > FILE_PAGES);
		assert(object->object);
		if (object->kind == OBJECT_CONSTANT)
			object_fill(object);
	}
}

void world_start(unsigned cpus)
{
	host_machine_start(WORLD_RAM_MIB * MIB);
	cpu_count = cpus;
	frames_start();
	for (unsigned i = 1; i < cpus; i++) {
		host_become_cpu(i);
		frames_start_cpu(this_cpu());
	}
	host_become_cpu(0);
	spaces_start();
	objects_start();
	mmap_start();
	mmu_speculation_target = any_spot;
	sim_start(cpus);
	ledger_take(&ledger_at_start);
	objects_make();
}

void world_start_again(void)
{
	ledger_take(&ledger_at_start);
	objects_make();
}

struct world_space *world_space_new(void)
{
	struct world_space *at = NULL;

	for (unsigned i = 0; i < WORLD_SPACES && !at; i++) {
		if (!world_spaces[i].space && world_spaces[i].threads == 0)
			at = &world_spaces[i];
	}
	if (!at)
		return NULL;
	*at = (struct world_space){ .threads = 1, .model.id = ++spaces_made };
	return at;
}

void world_enter(unsigned cpu, const struct world_space *at)
{
	host_become_cpu(cpu);
	this_cpu()->preempt_depth++;
	tlb_activate(at ? &at->space->mmu : &kernel_context);
	this_cpu()->preempt_depth--;
}

/* ---- access ---- */

static const char *access_name(enum access access)
{
	static const char *const names[] = { "load", "store", "fetch" };

	return names[access];
}

/* Pages that move may be seen at the new place before the call is over. */
static struct model_page *page_of(struct world_space *at, unsigned spot)
{
	virt_t addr = spot_addr(spot);

	if (addr >= at->move_to && addr - at->move_to < at->move_len)
		return &at->model.page[spot_at(addr - at->move_to + at->move_from)];
	return &at->model.page[spot];
}

/* The instant of an access: the frame is found, the rights were there. */
static void access_commit(struct world_space *at, unsigned spot, unsigned word, enum access access,
			  pfn_t frame)
{
	struct model_page *page = page_of(at, spot);
	uint64_t *bytes = (uint64_t *)((char *)frame_bytes(frame) + word_offset(word));

	mmu_check_frame(frame, spot_addr(spot));
	if (!model_allows(page, access))
		sim_violation("space %u: a %s at %lx passes against the rights of its range",
			      at->model.id, access_name(access), spot_addr(spot));
	if (access == ACCESS_WRITE) {
		if (frame == zero_frame)
			sim_violation("a store at %lx hits the frame of zeros", spot_addr(spot));
		*bytes = model_new_value(&at->model, spot);
		model_store(page, word, *bytes);
		sim_trace("space %u: spot %u.%u := %lx in frame %lx", at->model.id, spot, word,
			  *bytes, frame);
		return;
	}
	sim_trace("space %u: spot %u.%u is %lx in frame %lx", at->model.id, spot, word, *bytes,
		  frame);
	if (!model_accepts_value(page, word, *bytes))
		sim_violation("space %u: a %s at %lx, word %u, sees %lx, should see %lx",
			      at->model.id, access_name(access), spot_addr(spot), word, *bytes,
			      page->word[word].value);
}

static bool access_try(struct world_space *at, unsigned spot, unsigned word, enum access access)
{
	struct sim_cpu *cpu = sim_this_cpu();
	struct mmu_translation translation;
	bool is_done;

	cpu->in_instruction = true;
	assert(cpu->area->loaded == &at->space->mmu);
	is_done = mmu_translate(spot_addr(spot), access, &translation);
	if (is_done) {
		sim_point();
		access_commit(at, spot, word, access, translation.frame);
	}
	cpu->in_instruction = false;
	return is_done;
}

static int access_fault(struct world_space *at, unsigned spot, enum access access)
{
	int err;

	sim_point();
	if (options.fault_ahead > 0 && sim_chance(3))   /* any guess may be there */
		at->space->ahead = ahead_word(spot_addr(spot), 1 + sim_below(300));
	sim_at_release(sim_freeze, NULL);
	err = fault_resolve(at->space, spot_addr(spot) + 8 * sim_below(512), access);
	sim_at_release(NULL, NULL);
	sim_trace("space %u: fault at spot %u, %s: %d", at->model.id, spot, access_name(access),
		  err);
	if (err == -ENOMEM ? !has_failed
			   : !model_accepts_answer(&at->model.page[spot], access, err))
		sim_violation("space %u: a fault at %lx, %s, is answered by %d", at->model.id,
			      spot_addr(spot), access_name(access), err);
	sim_thaw();
	return err;
}

int world_access(struct world_space *at, unsigned spot, unsigned word, enum access access)
{
	for (unsigned tries = 0; tries < FAULTS_MAX; tries++) {
		int err;

		if (access_try(at, spot, word, access))
			return 0;
		err = access_fault(at, spot, access);
		if (err)
			return err;
	}
	sim_violation("space %u: %s at %lx faults for ever", at->model.id, access_name(access),
		      spot_addr(spot));
}

int world_load(struct world_space *at, unsigned spot)
{
	return world_access(at, spot, 0, ACCESS_READ);
}

int world_store(struct world_space *at, unsigned spot)
{
	return world_access(at, spot, 0, ACCESS_WRITE);
}

/* While the kernel looks, threads store: it may find any of their values, but no other program's.
 * */
static bool peek_accepts(const struct world_space *at, const struct model_page *before,
			 const struct model_page *after, unsigned word, uint64_t value)
{
	return value == 0 || model_is_from(&at->model, before, value) ||
	       model_accepts_value(before, word, value) || model_accepts_value(after, word, value);
}

int world_peek(struct world_space *at, unsigned spot, unsigned word)
{
	struct space *space = at->space;
	struct model_page before = at->model.page[spot];
	unsigned id = at->model.id;
	uint64_t changes = at->changes, value;
	int err;

	space->users++;         /* as space_get(), but nobody comes between */
	err = space_read(space, spot_addr(spot) + word_offset(word), &value, sizeof(value));
	space_put(space);
	if (err || at->model.id != id || at->changes != changes)
		return err;
	if (!peek_accepts(at, &before, &at->model.page[spot], word, value))
		sim_violation("space %u: the kernel reads %lx at %lx, word %u", id, value,
			      spot_addr(spot), word);
	return 0;
}

/* No test reads or writes an object straight from a program's memory. */
size_t user_copy(void *to, const void *from, size_t len)
{
	return len;
}

int clear_user(virt_t to, size_t len)
{
	return -EFAULT;
}

/* ---- the end ---- */

void world_exit(struct world_space *at)
{
	struct space *space = at->space;

	sim_trace("space %u: a thread exits", at->model.id);
	sim_leave_context();
	if (--at->threads > 0)
		return;
	at->threads = 1;                /* not free for others before the tree is gone */
	at->space = NULL;
	space_put(space);
	at->threads = 0;
}

void world_end(void)
{
	struct ledger now;

	for (unsigned i = 0; i < sim_cpu_count; i++)
		world_enter(i, NULL);
	host_become_cpu(0);
	for (unsigned i = 0; i < WORLD_SPACES; i++) {
		while (world_spaces[i].space)
			world_exit(&world_spaces[i]);
	}
	for (unsigned i = 0; i < MODEL_OBJECTS; i++)
		object_put(model_objects[i].object);
	ledger_take(&now);
	if (memcmp(&now, &ledger_at_start, sizeof(now)) != 0)
		sim_violation("left behind: %lld frames, %lld pieces of memory, %lld spaces, "
			      "%lld objects",
			      (long long)(ledger_at_start.free_frames - now.free_frames),
			      (long long)(now.slab_objects - ledger_at_start.slab_objects),
			      (long long)(now.spaces - ledger_at_start.spaces),
			      (long long)(now.objects - ledger_at_start.objects));
}
