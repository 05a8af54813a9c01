/* SPDX-License-Identifier: MIT */
/*
 * fs/proc_races.c - /proc/races: where two CPUs met at one variable without agreement.
 *
 * The first line is how many different pairs of places were seen since boot, or "unchecked" in a
 * build that does not look (SAN=race does).  Then a line for each: how often, and for both places
 * the address in the kernel's code, M for marked or P for plain, W for write or R for read, size.
 *
 * See: kernel/race.h.
 */

#include "fs/procfs.h"
#include "kernel/race.h"

static void print_side(struct text *text, const struct race_access *side)
{
	text_print(text, " %lx %c%c%lu", side->at, side->is_marked ? 'M' : 'P',
		side->is_write ? 'W' : 'R', side->size);
}

int proc_show_races(struct text *text, const struct text_node *node)
{
	struct race race;

	if (!RACES_ARE_LOOKED_FOR) {
		text_print(text, "unchecked\n");
		return 0;
	}
	text_print(text, "%u\n", races_seen());
	for (uint32_t n = 0; race_get(n, &race); n++) {
		text_print(text, "%u", race.times);
		print_side(text, &race.sides[0]);
		print_side(text, &race.sides[1]);
		text_print(text, "\n");
	}
	return 0;
}
