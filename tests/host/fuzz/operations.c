/* SPDX-License-Identifier: MIT */
/*
 * tests/host/fuzz/operations.c - bytes as operations on several spaces, CPUs and ways to fork.
 *
 * Owns: which space each CPU has loaded.
 * See:  tests/host/sim/world.c for what each step checks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "kernel/options.h"
#include "mm/huge_mode.h"
#include "tests/host/fuzz/operations.h"
#include "tests/host/sim/world.h"

enum { CPUS = 4, SPACES_MAX = 4 };      /* huge pages everywhere in all of them fit */

enum what {
	LOAD, STORE, EXECUTE, FORK, EXIT, MAP, MAP_FILE, UNMAP, PROTECT, MOVE, ADVISE, WRITE_FILE,
	CUT_FILE, PEEK, SETTING, STORE_ALL, WHATS
};

struct operation {
	enum what what;
	unsigned cpu;
	uint8_t space, a, b, c, d;
};

struct range {
	virt_t start, end;
};

static const uint32_t prots[] = {
	PROT_READ | PROT_WRITE, PROT_NONE, PROT_READ, PROT_READ | PROT_EXEC,
	PROT_READ | PROT_WRITE | PROT_EXEC,
};

static const struct { int number; const char *name; } advice[] = {
	{ MADV_DONTNEED, "DONTNEED" }, { MADV_DONTFORK, "DONTFORK" }, { MADV_DOFORK, "DOFORK" },
	{ MADV_WIPEONFORK, "WIPEONFORK" }, { MADV_KEEPONFORK, "KEEPONFORK" },
	{ MADV_HUGEPAGE, "HUGEPAGE" }, { MADV_NOHUGEPAGE, "NOHUGEPAGE" },
	{ MADV_COLLAPSE, "COLLAPSE" },
};

static struct world_space *loaded[CPUS];

/* ---- from bytes ---- */

static struct operation decode(const uint8_t *bytes)
{
	return (struct operation){
		.what = bytes[0] % WHATS, .cpu = bytes[1] >> 4 & (CPUS - 1), .space = bytes[1] & 7,
		.a = bytes[2], .b = bytes[3], .c = bytes[4], .d = bytes[5],
	};
}

/* The last space stands for those that are not there. */
static struct world_space *space_of(const struct operation *op)
{
	struct world_space *at = NULL;

	for (unsigned i = 0; i < WORLD_SPACES; i++)
		if (world_spaces[i].space && (!at || i <= op->space))
			at = &world_spaces[i];
	return at;
}

static unsigned first_spot(const struct operation *op)
{
	return op->a % SPOTS;
}

static unsigned last_spot(const struct operation *op)
{
	return MIN(first_spot(op) + op->b % (op->b & 0x80 ? SPOTS : 12), SPOTS - 1u);
}

/* From spot a to spot a + b; d makes it begin or end with a table, or somewhere between. */
static struct range range_of(const struct operation *op)
{
	struct range range = { spot_addr(first_spot(op)), spot_addr(last_spot(op)) + PAGE_SIZE };

	if (op->d & 1)
		range.start = align_down(range.start, 2 * MIB);
	if (op->d & 2)
		range.end = align_up(range.end, 2 * MIB);
	if (op->d & 4)
		range.end += (op->d >> 3) * PAGE_SIZE;
	return range;
}

static uint32_t prot_of(const struct operation *op)
{
	return prots[(op->c & 7) < COUNT(prots) ? op->c & 7 : 0];
}

static unsigned object_of(const struct operation *op)
{
	return (op->c >> 3 & 7) % MODEL_OBJECTS;
}

static bool is_shared(const struct operation *op)
{
	return op->c & 0x40;
}

static struct model_object *loose_object(const struct operation *op)
{
	return &model_objects[MODEL_OBJECTS - 1 - (op->c & 1)];
}

/* ---- doing ---- */

static void enter(const struct operation *op, struct world_space *at)
{
	world_enter(op->cpu, at);
	loaded[op->cpu] = at;
}

static void touch(const struct operation *op, struct world_space *at, enum access access)
{
	unsigned step = op->what == STORE_ALL ? 1 + op->c % 8 : 1;

	enter(op, at);
	for (unsigned spot = first_spot(op); spot <= last_spot(op); spot += step)
		world_access(at, spot, op->c & 1, access);
}

static void do_map(const struct operation *op, struct world_space *at)
{
	struct range range = range_of(op);
	struct model_object *object = op->what == MAP ? NULL : &model_objects[object_of(op)];
	bool shares = object && is_shared(op);
	struct map_request request = {
		.addr = range.start, .len = range.end - range.start, .prot = prot_of(op),
		.flags = MAP_FIXED | MAP_NORESERVE | (shares ? MAP_SHARED : MAP_PRIVATE),
		.vma_flags = VMA_MAYWRITE,
	};

	if (object && object->kind == (shares ? OBJECT_CONSTANT : OBJECT_COHERENT))
		return;
	if (object) {
		request.object = object->object;
		request.offset = op->d & 0x80 ? range.start : (op->d >> 3 & 3) * PAGE_SIZE;
	} else {
		request.flags |= MAP_ANONYMOUS;
	}
	world_map(at, &request, object);
}

/* One or two whole tables from island to island, or some neighbours. */
static void do_move(const struct operation *op, struct world_space *at)
{
	unsigned from = op->a % ISLANDS, to = op->b % ISLANDS, first = op->c % 6;
	unsigned count = 1 + op->d % (6 - first), target = op->d & 0x40 ? first : (op->c >> 4) % 6;

	if (from == to)
		return;
	virt_t start = spot_addr(from * ISLAND_SPOTS + first);
	uint64_t len = count * PAGE_SIZE;

	if (op->d & 0x80) {
		start = spot_addr(from * ISLAND_SPOTS);
		len = (1 + (op->d & 1)) * 2 * MIB;
		target = 0;
	}
	target = MIN(target, 6 - count);
	world_move(at, start, len, spot_addr(to * ISLAND_SPOTS + target));
}

static unsigned spaces_alive(void)
{
	unsigned alive = 0;

	for (unsigned i = 0; i < WORLD_SPACES; i++)
		alive += world_spaces[i].space != NULL;
	return alive;
}

static void do_fork(const struct operation *op, struct world_space *at)
{
	struct world_space *child;

	if (spaces_alive() < SPACES_MAX)
		world_fork(at, op->a % (FORK_SHARE_ROOT + 1), &child);
}

static void do_exit(struct world_space *at)
{
	if (spaces_alive() < 2)
		return;
	for (unsigned i = 0; i < CPUS; i++) {
		if (loaded[i] != at)
			continue;
		world_enter(i, NULL);
		loaded[i] = NULL;
	}
	world_exit(at);
}

static void write_file(const struct operation *op)
{
	struct model_object *object = loose_object(op);
	uint64_t index = op->a % FILE_PAGES, value = model_object_value(object, index);
	uint64_t at = index * PAGE_SIZE + word_offset(op->b & 1);

	object_write(object->object, at, (struct object_io){ .kernel = &value }, 8);
}

static void cut_file(const struct operation *op)
{
	struct object *object = loose_object(op)->object;
	uint64_t first = op->a % FILE_PAGES, last = first + 1 + op->b % 4;

	int err = op->b & 0x80 ? object_punch(object, first * PAGE_SIZE, last * PAGE_SIZE)
			       : object_resize(object, first * PAGE_SIZE);

	if (err)
		sim_violation("a file cannot be cut: %d", err);
}

static void perform(const struct operation *op)
{
	struct world_space *at = space_of(op);
	struct range range = range_of(op);

	switch (op->what) {
	case LOAD: touch(op, at, ACCESS_READ); break;
	case STORE: case STORE_ALL: touch(op, at, ACCESS_WRITE); break;
	case EXECUTE: touch(op, at, ACCESS_EXEC); break;
	case FORK: enter(op, at); do_fork(op, at); break;
	case EXIT: do_exit(at); break;
	case MAP: case MAP_FILE: enter(op, at); do_map(op, at); break;
	case UNMAP: enter(op, at); world_unmap(at, range.start, range.end); break;
	case PROTECT: enter(op, at); world_protect(at, range.start, range.end, prot_of(op)); break;
	case MOVE: enter(op, at); do_move(op, at); break;
	case ADVISE:
		enter(op, at);
		world_advise(at, range.start, range.end, advice[op->c % COUNT(advice)].number);
		break;
	case WRITE_FILE: write_file(op); break;
	case CUT_FILE: cut_file(op); break;
	case PEEK: world_peek(at, first_spot(op), op->c & 1); break;
	default: thp_set_mode(op->a & 1 ? THP_ALWAYS : THP_MADVISE); break;
	}
}

static void first_space(void)
{
	struct world_space *at = world_space_new();
	struct map_request request = {
		.addr = spot_addr(0), .len = spot_addr(SPOTS - 1) + PAGE_SIZE - spot_addr(0),
		.prot = PROT_READ | PROT_WRITE,
		.flags = MAP_FIXED | MAP_NORESERVE | MAP_PRIVATE | MAP_ANONYMOUS,
	};

	at->space = space_create();
	assert(at->space);
	world_map(at, &request, NULL);
}

void operations_run(const uint8_t *bytes, size_t size)
{
	static bool has_machine;

	sim_seed(1);
	if (has_machine)
		world_start_again();
	else
		world_start(CPUS);
	has_machine = true;
	memset(loaded, 0, sizeof(loaded));
	thp_set_mode(THP_MADVISE);
	first_space();
	for (size_t i = 0; i + OPERATION_BYTES <= size && i < OPERATIONS_MAX * OPERATION_BYTES;
	     i += OPERATION_BYTES) {
		struct operation op = decode(bytes + i);

		perform(&op);
		world_check();
	}
	world_end();
}

/* ---- text ---- */

static void range_print(const struct operation *op)
{
	struct range range = range_of(op);

	if (op->what == ADVISE)
		printf(" %s", advice[op->c % COUNT(advice)].name);
	if (op->what == MAP_FILE)
		printf(" object %u %s", object_of(op), is_shared(op) ? "shared" : "private");
	if (op->what == MAP || op->what == MAP_FILE || op->what == PROTECT)
		printf(" prot %u", prot_of(op));
	printf(" %lx-%lx, spots %u..%u", range.start, range.end, first_spot(op), last_spot(op));
}


static void details_print(const struct operation *op)
{
	static const char *const shares[] = { "none", "page", "table", "dir", "root" };

	switch (op->what) {
	case LOAD: case STORE: case EXECUTE: case STORE_ALL:
		printf(" spots %u..%u", first_spot(op), last_spot(op));
		break;
	case FORK:
		printf(" fork_share=%s", shares[op->a % COUNT(shares)]);
		break;
	case MAP: case MAP_FILE: case PROTECT: case UNMAP: case ADVISE:
		range_print(op);
		break;
	case MOVE:
		printf(" island %u to %u", op->a % ISLANDS, op->b % ISLANDS);
		break;
	case WRITE_FILE: case CUT_FILE:
		printf(" page %u", op->a % FILE_PAGES);
		break;
	case SETTING:
		printf(" huge pages %s", op->a & 1 ? "always" : "on request");
		break;
	default:
		break;
	}
}

void operations_print(const uint8_t *bytes, size_t size)
{
	static const char *const names[] = {
		"load", "store", "execute", "fork", "exit", "map", "map file", "unmap", "protect",
		"move", "advise", "write file", "cut file", "peek", "setting", "store some",
	};

	for (size_t i = 0; i + OPERATION_BYTES <= size; i += OPERATION_BYTES) {
		struct operation op = decode(bytes + i);

		for (unsigned byte = 0; byte < OPERATION_BYTES; byte++)
			printf("%02x ", bytes[i + byte]);
		printf("  # cpu %u, space %u: %s", op.cpu, op.space, names[op.what]);
		details_print(&op);
		printf("\n");
	}
}

size_t operations_parse(const char *text, uint8_t *bytes, size_t max)
{
	size_t size = 0;

	while (*text && size < max) {
		char *end;
		unsigned long byte = strtoul(text, &end, 16);

		if (end != text && *text != '#') {
			bytes[size++] = (uint8_t)byte;
			text = end;
			continue;
		}
		text = strchr(text, '\n');
		if (!text)
			break;
		text++;
	}
	return size;
}
