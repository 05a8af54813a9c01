/* SPDX-License-Identifier: MIT */
/*
 * fs/proc_tail.c - /proc/tail: the longest stretches of each kind, and how long locks were held.
 *
 * Write anything, and all is forgotten and measured from now on.  Read, in a build that measures
 * (TAIL=1; in others it is "unmeasured"):
 *
 *   elapsed 100000
 *   interrupts_off 1234 sh: spin_lock_irq+0x1 - task_wake+0x2 < wake_all+0x3 < ...
 *   fault 5678 sh: faults_copy frames_copied
 *   held process_tree 100 4321
 *
 * The stopwatch of this CPU.  The longest of a kind come first: ticks, who ran, where it began,
 * where it ended and who called that.  Of a fault: what it did.  A rank of locks: how often taken,
 * for how many ticks held.
 *
 * See: kernel/tail.h.
 */

#include "fs/procfs.h"
#include "kernel/spinlock.h"
#include "kernel/symbols.h"
#include "kernel/tail.h"
#include "mm/counters.h"

static void print_place(struct text *text, const char *before, virt_t addr)
{
	struct symbol symbol;

	if (symbol_find(addr - 1, &symbol))
		text_print(text, "%s%s+%#lx", before, symbol.name, symbol.offset + 1);
	else
		text_print(text, "%s%lx", before, addr);
}

static void print_way(struct text *text, const struct tail_stretch *stretch)
{
	print_place(text, " ", stretch->from);
	for (unsigned i = 0; i < TAIL_CALLERS && stretch->callers[i]; i++)
		print_place(text, i == 0 ? " - " : " < ", stretch->callers[i]);
	if (stretch->what)
		text_print(text, " vector %lu", stretch->what);
}

static void print_work(struct text *text, uint64_t mask)
{
	for (unsigned kind = 0; kind < WORK_KINDS; kind++)
		if (mask >> kind & 1)
			text_print(text, " %s", work_name(kind));
}

static void print_kind(struct text *text, enum tail_kind kind)
{
	static const char *const names[TAIL_KINDS] = {
		[TAIL_FAULT] = "fault",
		[TAIL_INTERRUPTS_OFF] = "interrupts_off",
		[TAIL_PREEMPTION_OFF] = "preemption_off",
		[TAIL_SHOOTDOWN] = "shootdown",
	};
	struct tail_stretch stretch;

	for (unsigned n = 0; tail_get(kind, n, &stretch); n++) {
		text_print(text, "%s %lu %s:", names[kind], stretch.ticks, stretch.task);
		if (kind == TAIL_FAULT)
			print_work(text, stretch.what);
		else
			print_way(text, &stretch);
		text_print(text, "\n");
	}
}

int proc_show_tail(struct text *text, const struct text_node *node)
{
	uint64_t times, ticks;

	if (!TAIL_IS_MEASURED) {
		text_print(text, "unmeasured\n");
		return 0;
	}
	text_print(text, "elapsed %lu\n", tail_now());
	for (enum tail_kind kind = 0; kind < TAIL_KINDS; kind++)
		print_kind(text, kind);
	for (unsigned rank = 1; rank < RANK_COUNT; rank++) {
		tail_held_get(rank, &times, &ticks);
		if (times)
			text_print(text, "held %s %lu %lu\n", lock_rank_name(rank), times, ticks);
	}
	return 0;
}

int proc_store_tail(const struct text_node *node, char *line)
{
	tail_restart();
	return 0;
}
