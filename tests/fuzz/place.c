/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/place.c - from symbols to registers and memory.
 *
 * Owns:       the scratch memory of each thread and child, where structures are written.
 * Invariants: nothing here uses the C library's state: calls before may have taken it away.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

enum { STRUCTURE_MAX = 0x100, SA_RESTORER_FLAG = 0x04000000 };

struct slots slots;

struct writer {
	uint64_t *at;                   /* NULL: nowhere to write */
	unsigned count, max;
	struct chance chance;
};

static void put(struct writer *writer, uint64_t word)
{
	if (writer->count < writer->max)
		writer->at[writer->count++] = word;
}

static void put_chosen(struct writer *writer, enum class class)
{
	put(writer, choose_number(&writer->chance, class));
}

/* Two numbers of 32 bits. */
static void put_pair(struct writer *writer, uint64_t low, uint64_t high)
{
	put(writer, (low & 0xffffffff) | high << 32);
}

static uint64_t scratch_of(unsigned who)
{
	return SCRATCH_AT + (uint64_t)who * SCRATCH_STEP;
}

/* ---- what is in each structure ---- */

/* Numbers, or a word that some files understand. */
static void fill_buffer(struct writer *writer)
{
	static const char *const texts[] = {
		"page", "always", "1", "0", "root", "madvise", "-1", "never",
		"lowerdir=.,upperdir=dir",
		"size=64k", "clear", "99999999999999999999",
	};
	const char *text = texts[chance_below(&writer->chance, sizeof(texts) / sizeof(*texts))];

	if (chance_one_in(&writer->chance, 4) && writer->max >= 8) {
		strcpy((char *)writer->at, text);
		return;
	}
	for (unsigned i = 0; i < 12; i++)
		put_chosen(writer, chance_one_in(&writer->chance, 2) ? COUNT : NUMBER);
}

static void fill_times(struct writer *writer)
{
	for (unsigned i = 0; i < 4; i++) {
		bool is_odd = chance_one_in(&writer->chance, 12);

		put(writer, is_odd ? choose_number(&writer->chance, NUMBER) : 0);
		put(writer, chance_below(&writer->chance, is_odd ? 2000000000 : 3000));
	}
}

static void fill_sigset(struct writer *writer)
{
	put(writer, chance_next(&writer->chance) & chance_next(&writer->chance));
	put(writer, 8);
}

static void fill_action(struct writer *writer)
{
	const uint64_t handlers[] = { 0, 1, (uint64_t)door_handler, (uint64_t)door_handler,
				      choose_number(&writer->chance, ADDRESS) };

	put(writer, handlers[chance_below(&writer->chance, 5)]);
	put(writer, (chance_next(&writer->chance) & 0xd8000007) | SA_RESTORER_FLAG);
	put(writer, (uint64_t)door_restorer);
	fill_sigset(writer);
}

static void fill_signal_stack(struct writer *writer)
{
	put_chosen(writer, ADDRESS);
	put(writer, chance_one_in(&writer->chance, 3) ? 2 : 0);
	put_chosen(writer, LENGTH);
}

static void fill_siginfo(struct writer *writer)
{
	put_pair(writer, choose_number(&writer->chance, SIGNAL), 0);
	put_pair(writer, chance_one_in(&writer->chance, 3) ? 0 : -1, 0);
	for (unsigned i = 0; i < 4; i++)
		put_chosen(writer, NUMBER);
}

static void fill_vector(struct writer *writer)
{
	for (unsigned i = 0; i < 6; i++) {
		put_chosen(writer, ADDRESS);
		put_chosen(writer, SIZE);
	}
}

static void fill_pollfds(struct writer *writer)
{
	for (unsigned i = 0; i < 6; i++)
		put_pair(writer, choose_number(&writer->chance, FD),
			 chance_next(&writer->chance) & 0x3f);
}

static void fill_limits(struct writer *writer)
{
	put_chosen(writer, LENGTH);
	if (chance_one_in(&writer->chance, 2))
		put(writer, -1ull);
	else
		put_chosen(writer, LENGTH);
}

/* Two strings behind their pointers. */
static void fill_strings(struct writer *writer)
{
	uint64_t text = (uint64_t)(writer->at + 4);

	put(writer, text);
	put(writer, chance_one_in(&writer->chance, 8) ? choose_number(&writer->chance, ADDRESS)
						      : text + 2);
	put(writer, 0);
	put(writer, 0);
	put(writer, 0x3d6162632d0031);
}

static void fill_clone(struct writer *writer)
{
	uint64_t scratch = (uint64_t)(writer->at + 16);

	put(writer, choose_number(&writer->chance, CLONE_FLAGS) & ~0xffull);
	for (unsigned i = 0; i < 3; i++)
		put(writer, scratch + 8 * i);
	put(writer, chance_one_in(&writer->chance, 2) ? 17 : 0);
	put(writer, chance_one_in(&writer->chance, 2) ? 0 : ARENA_AT);
	put(writer, chance_one_in(&writer->chance, 2) ? 0 : 0x2000);
	put_chosen(writer, ADDRESS);
	put(writer, chance_one_in(&writer->chance, 6) ? scratch : 0);
	put(writer, chance_one_in(&writer->chance, 6));
	put(writer, chance_one_in(&writer->chance, 6) ? 3 : 0);
}

static void fill_futexes(struct writer *writer)
{
	for (unsigned i = 0; i < 5; i++) {
		put_chosen(writer, FUTEX_VALUE);
		put_chosen(writer, FUTEX_WORD);
		put_pair(writer, chance_one_in(&writer->chance, 2) ? 2 : 0x82, 0);
	}
}

static void fill_robust(struct writer *writer)
{
	uint64_t here = (uint64_t)writer->at;

	put(writer, chance_one_in(&writer->chance, 2) ? here
						      : choose_number(&writer->chance, FUTEX_WORD));
	put(writer, choose_number(&writer->chance, COUNT) * 8);
	put_chosen(writer, FUTEX_WORD);
}

static void fill(struct writer *writer, enum class class)
{
	switch (class) {
	case TIMESPEC: case ITIMERVAL: fill_times(writer); break;
	case SIGSET: fill_sigset(writer); break;
	case SIGACTION: fill_action(writer); break;
	case SIGNAL_STACK: fill_signal_stack(writer); break;
	case SIGINFO: fill_siginfo(writer); break;
	case IOVEC: fill_vector(writer); break;
	case POLLFDS: fill_pollfds(writer); break;
	case FDSET: put(writer, chance_next(&writer->chance) & 0xfff8); break;
	case LIMITS: fill_limits(writer); break;
	case STRINGS: fill_strings(writer); break;
	case CLONE_ARGUMENTS: fill_clone(writer); break;
	case FUTEX_VECTOR: fill_futexes(writer); break;
	case ROBUST_LIST: fill_robust(writer); break;
	case OFFSET_PLACE: put_chosen(writer, OFFSET); break;
	default: fill_buffer(writer); break;
	}
}

/* ---- where it lies ---- */

static uint64_t structure_place(const struct argument *argument, unsigned index, unsigned who)
{
	uint64_t base = scratch_of(who) + index * 0xa00;
	struct writer writer = { (uint64_t *)base, 0, STRUCTURE_MAX / 8, { argument->value } };

	switch (argument->place) {
	case NOWHERE: return 0;
	case KERNEL: return 0xffff888000100000 + (argument->value & ~7ull);
	case NON_CANONICAL: return 0x800000000000 - (argument->value & 8);
	case READ_ONLY: return READ_ONLY_AT + 8 * index;
	case ARENA_PLACE: return ARENA_AT + (argument->value & 0x3ffff8);
	case ODD: writer.at = (uint64_t *)(base + 1 + argument->value % 7); break;
	case END:
		writer.at = (uint64_t *)(scratch_of(who) + SCRATCH_SIZE - 8);
		writer.max = 1;
		break;
	}
	fill(&writer, argument->class);
	return (uint64_t)writer.at;
}

uint64_t argument_place(const struct argument *argument, unsigned index, unsigned who)
{
	switch (argument->kind) {
	case AS_MAPPED: return slots.mapped[argument->slot % MAPPED_SLOTS] + argument->value;
	case AS_RESULT: return (uint64_t)(int64_t)slots.results[argument->slot % RESULT_SLOTS];
	case AS_PATH: return (uint64_t)paths[argument->value % paths_count];
	case AS_STRUCTURE: return structure_place(argument, index, who);
	default: return argument->value;
	}
}
