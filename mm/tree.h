/* SPDX-License-Identifier: MIT */
/*
 * mm/tree.h - share, own, copy, regain, put: the one rule.
 *
 * A table is a frame whose contents are entries.  Every frame counts the entries that name it.
 *
 *   share  what an entry names: count one more, clear the write bit in both entries.
 *   own    what an entry names, before a write through it: if the count is one, set the write bit;
 *          else make a copy that is yours, point the entry at it, and, after the shootdown, count
 *          one fewer on the old one.  Copying a page copies its bytes.  Copying a table copies its
 *          entries and shares what each of them names.
 *
 *   before fork          after fork                       after the root wrote
 *
 *   root ─rw─► T:1       root ─r─► T:2 ◄─r─ child         root ─rw─► T':1    T:1 ◄─r─ child
 *               │                   │                                  │      │
 *              F:1                 F:1                                 └► F:2 ◄┘
 *
 * The write bit is a certificate: what I name is referenced by me alone.  A table with a count
 * above one is never stored to.  Whoever copies it leaves a stale tag on it: some of its write bits
 * may no longer be true.  When one owner is left, regain() keeps exactly those that still are.
 *
 * A huge leaf is a table nobody wrote down.  Its block of frames is counted like a table, by the
 * leaves that name it, and holds each of its frames as a table would.  Owning it when it is shared
 * writes the table down.
 *
 * Order (rule 3): unhook, shoot down, put - for tables as for frames.  What was unhooked waits in a
 * gather until the shootdown is done.
 *
 * This file knows no processes and no addresses.  Nothing here sleeps, but putting a large tree
 * lets others run between tables.
 * See docs/COW.md for the argument, mm/cursor.c for the descent.
 */
#pragma once

#include "lib/types.h"
#include "mm/counters.h"
#include "mm/frame.h"
#include "mm/mmu.h"

/*
 * To 2 MiB what the zero frame is to a page: a table all of whose entries name the zero frame, not
 * to be executed.  The kernel holds it for ever, so that whoever writes below it copies it first.
 */
extern pfn_t zero_table;

/* Make it: once, before the first space. */
void tree_start(void);

/* References that will be put once no CPU can use them any more. */
enum { GATHER_MAX = 32 };

struct gather {
	uint16_t count;
	bool must_flush;	/* an entry was removed or lost rights since the last flush */
	/* of the table the entry stood in: 1 names pages, 2.. tables */
	uint8_t levels[GATHER_MAX];
	pte_t entries[GATHER_MAX];
};

/* A fresh table of the level, all entries none, one holder.  FRAME_NONE: no memory. */
pfn_t table_alloc(int level, struct work_counts *work);

/* Copy the shared table `from`: its entries without their write bits (views of MAP_SHARED objects
 * keep theirs), one count more on all they name; tag `from` stale.  FRAME_NONE: nothing changed. */
pfn_t table_copy(pfn_t from, struct work_counts *work);

/* The caller is the only holder again, and its entry does not yet say so: make the write bits of a
 * stale table true. */
void table_regain(pfn_t table, struct work_counts *work);

/*
 * Make what *slot names (in a table of `level` >= 2 that the caller owns and has locked) a table of
 * the caller's own: create it if there is none, take it back if nobody else has it, else copy it
 * and gather the old one.  A huge leaf of 2 MiB is written down as a table, which is a copy, too.
 * 0, or -ENOMEM with nothing changed.
 */
MUST_CHECK int table_own(pte_t *slot, int level, struct gather *gather, struct work_counts *work);

/*
 * Fork's half: fill the fresh table `to` with `from`'s entries.  What an entry of level <=
 * share_level + 1 names is shared; tables above are copied, recursively.  share_level 0 shares
 * pages, 1 tables of pages, 2 directories, 3 all below the root.  `from`'s own entries keep their
 * write bits, which is why it is tagged stale, except at the root (edit_source), where they are
 * cleared.
 * -ENOMEM: `to` holds what was done so far; putting it undoes all of it.
 */
MUST_CHECK int table_share(pfn_t to, pfn_t from, int share_level, bool edit_source,
			   struct work_counts *work);

/* Count one fewer on what the entry of a level-`level` table names; the last holder frees it, and
 * all below it.  Only for entries no CPU can reach any more. */
void entry_put(pte_t entry, int level, struct work_counts *work);

/* The same for a whole table by its frame (a root). */
void table_put(pfn_t table, struct work_counts *work);

/*
 * Is the huge block, which the caller's entry names, held by that entry alone, and does nobody else
 * hold any of its frames?  Then it is tagged stale no longer.  [the lock of the entry's table]
 */
bool huge_regain(pfn_t block, int level);

/* Count one fewer on a huge block; the last holder puts its frames. */
void huge_put(pfn_t block, int level);

/* Pages below the entry that count in RSS. */
uint64_t entry_resident(pte_t entry, int level);

/* Frames that would come free if the entry went: what it names and all below, as far as nobody else
 * holds it. */
uint64_t entry_exclusive(pte_t entry, int level);

/* The table in which a slot lies. */
static inline pfn_t slot_table(const pte_t *slot)
{
	return frame_of(slot);
}

/* Store a leaf or a table entry into a table that is the caller's, keeping its totals.  [table
 * lock] */
static inline void entry_store(pte_t *slot, pte_t entry)
{
	struct frame *table = &frames[slot_table(slot)];
	pte_t old = pte_load(slot);

	table->used += !pte_is_none(entry) - !pte_is_none(old);
	if (table->level == 1)
		table->resident += pte_is_counted(entry) - pte_is_counted(old);
	pte_store(slot, entry);
}

static inline void gather_init(struct gather *gather)
{
	gather->count = 0;
	gather->must_flush = false;
}

static inline bool gather_is_full(const struct gather *gather)
{
	return gather->count == GATHER_MAX;
}

/* Keep the reference of an entry that was just unhooked from a table of `level`.  Not when full. */
void gather_add(struct gather *gather, pte_t entry, int level);

/* Put all that was gathered.  The flush, where one was needed, has been done.  No spinlock is held:
 * a large tree may hang on an entry. */
void gather_put(struct gather *gather, struct work_counts *work);
