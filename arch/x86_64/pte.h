/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/pte.h - the format of a table entry; mm/ knows its bits only from here.
 *
 *   63 NX   52 VIEW   51..12 frame   11 PARKED   10 UNCOUNTED   9 SHARED   8 GLOBAL   7 HUGE   6 D
 *   5 A   4 UNCACHED   2 U   1 W   0 P
 *
 * Entries that name tables are always P|U|A; their W bit means only "what I name is mine alone".
 * Rights live in the leaf.  A is preset, D comes and goes with W, so the CPU never writes a table
 * (Intel SDM vol. 3A 4.8): shared tables stay bit for bit the same.
 *
 *   HUGE       leaf, in a table of level 2 or 3: names 2 MiB or 1 GiB of frames, see mm/huge.h
 *   SHARED     leaf: a view of a MAP_SHARED object, never copied on write
 *   VIEW       leaf: names the page of an object, and not a copy of the space's own
 *   UNCOUNTED  leaf: names a frame without holding it: the zero frame, device memory
 *   PARKED     leaf, not present: a PROT_NONE page that still holds its frame; the address bits are
 *              inverted, so that no CPU can speculate through them
 */
#pragma once

#include "lib/types.h"

typedef struct { uint64_t bits; } pte_t;

#define PTE_PRESENT   (1ull << 0)
#define PTE_WRITE     (1ull << 1)
#define PTE_USER      (1ull << 2)
#define PTE_UNCACHED  (1ull << 4)
#define PTE_ACCESSED  (1ull << 5)
#define PTE_DIRTY     (1ull << 6)
#define PTE_HUGE      (1ull << 7)
#define PTE_GLOBAL    (1ull << 8)
#define PTE_SHARED    (1ull << 9)
#define PTE_UNCOUNTED (1ull << 10)
#define PTE_PARKED    (1ull << 11)
#define PTE_VIEW      (1ull << 52)
#define PTE_NX        (1ull << 63)
#define PTE_FRAME     0x000ffffffffff000ull

enum { PTE_PER_TABLE = 512, PTE_INDEX_BITS = 9, PTE_LEVELS = 4 };
enum { PTE_PER_LINE = 8 };              /* of the cache */

#define PTE_NONE ((pte_t){ 0 })

static inline bool pte_is_none(pte_t e)      { return e.bits == 0; }
static inline bool pte_is_present(pte_t e)   { return e.bits & PTE_PRESENT; }
static inline bool pte_is_writable(pte_t e)  { return e.bits & PTE_WRITE; }
static inline bool pte_is_shared(pte_t e)    { return e.bits & PTE_SHARED; }
static inline bool pte_is_parked(pte_t e)    { return e.bits & PTE_PARKED; }
static inline bool pte_is_view(pte_t e)      { return e.bits & PTE_VIEW; }
static inline bool pte_is_uncounted(pte_t e) { return e.bits & PTE_UNCOUNTED; }
static inline bool pte_is_huge(pte_t e)      { return e.bits & PTE_HUGE; }
static inline bool pte_is_executable(pte_t e) { return !(e.bits & PTE_NX); }
static inline bool pte_is_dirty(pte_t e)     { return e.bits & PTE_DIRTY; }

/* Does the entry hold a reference to the frame it names? */
static inline bool pte_is_counted(pte_t e)
{
	return !pte_is_none(e) && !pte_is_uncounted(e);
}

/* An entry, not none, with nothing special about it: present, counted, not SHARED, not huge.  Most
 * are. */
static inline bool pte_is_plain(pte_t e)
{
	return !(e.bits & (PTE_SHARED | PTE_UNCOUNTED | PTE_PARKED | PTE_HUGE));
}

/* In a table of level 2 or above: does it name a table? */
static inline bool pte_is_table(pte_t e)
{
	return (e.bits & (PTE_PRESENT | PTE_HUGE)) == PTE_PRESENT;
}

/* And that one the holder's own? */
static inline bool pte_is_own_table(pte_t e)
{
	return (e.bits & (PTE_WRITE | PTE_HUGE)) == PTE_WRITE;
}

static inline pfn_t pte_pfn(pte_t e)
{
	uint64_t bits = pte_is_parked(e) ? ~e.bits : e.bits;
	return (bits & PTE_FRAME) >> PAGE_SHIFT;
}

/* The same where the entry is known to be present: one that names a table, say. */
static inline pfn_t pte_present_pfn(pte_t e)
{
	return (e.bits & PTE_FRAME) >> PAGE_SHIFT;
}

/* What every present entry of a program's half has. */
#define PTE_NAMED (PTE_PRESENT | PTE_USER | PTE_ACCESSED)

static inline pte_t pte_to_table(pfn_t pfn)
{
	return (pte_t){ pfn << PAGE_SHIFT | PTE_NAMED | PTE_WRITE };
}

/* A leaf without the right to write. */
static inline pte_t pte_to_frame(pfn_t pfn, bool executable)
{
	return (pte_t){ pfn << PAGE_SHIFT | PTE_NAMED | (executable ? 0 : PTE_NX) };
}

#define PTE_WRITTEN (PTE_WRITE | PTE_DIRTY)

static inline pte_t pte_with_write(pte_t leaf)    { return (pte_t){ leaf.bits | PTE_WRITTEN }; }
static inline pte_t pte_without_write(pte_t e)    { return (pte_t){ e.bits & ~PTE_WRITTEN }; }
/* Below an entry that forbids writing; whether it was written to stays known. */
static inline pte_t pte_seen_read_only(pte_t e)   { return (pte_t){ e.bits & ~PTE_WRITE }; }
/* A plain leaf for the next frame. */
static inline pte_t pte_next_frame(pte_t e)       { return (pte_t){ e.bits + PAGE_SIZE }; }
static inline pte_t pte_owned(pte_t table)        { return (pte_t){ table.bits | PTE_WRITE }; }
static inline pte_t pte_as_shared(pte_t leaf)     { return (pte_t){ leaf.bits | PTE_SHARED }; }
static inline pte_t pte_as_view(pte_t leaf)       { return (pte_t){ leaf.bits | PTE_VIEW }; }
static inline pte_t pte_without_view(pte_t leaf)  { return (pte_t){ leaf.bits & ~PTE_VIEW }; }
static inline pte_t pte_as_uncounted(pte_t leaf)  { return (pte_t){ leaf.bits | PTE_UNCOUNTED }; }
static inline pte_t pte_as_huge(pte_t leaf)       { return (pte_t){ leaf.bits | PTE_HUGE }; }
static inline pte_t pte_with_exec(pte_t leaf)     { return (pte_t){ leaf.bits & ~PTE_NX }; }
static inline pte_t pte_without_exec(pte_t leaf)  { return (pte_t){ leaf.bits | PTE_NX }; }

/* Rights that leaves may have at most, for many of them: what stays and what is added. */
struct pte_rights {
	uint64_t kept, added;
};

static inline struct pte_rights pte_rights(bool may_write, bool may_execute)
{
	return (struct pte_rights){ may_write ? ~0ull : ~PTE_WRITTEN, may_execute ? 0 : PTE_NX };
}

static inline pte_t pte_limited(pte_t leaf, struct pte_rights rights)
{
	return (pte_t){ (leaf.bits & rights.kept) | rights.added };
}

/* Park a present, counted leaf: not present, no rights, also not to execute when it comes back;
 * still holding its frame. */
static inline pte_t pte_park(pte_t leaf)
{
	uint64_t kept =
		leaf.bits & (PTE_SHARED | PTE_VIEW | PTE_HUGE | PTE_ACCESSED | PTE_USER);
	return (pte_t){ kept | PTE_NX | PTE_PARKED | (~leaf.bits & PTE_FRAME) };
}

/* The present leaf again, read-only. */
static inline pte_t pte_unpark(pte_t parked)
{
	uint64_t kept = parked.bits & (PTE_SHARED | PTE_VIEW | PTE_HUGE | PTE_NX);
	return (pte_t){ kept | PTE_NAMED | (~parked.bits & PTE_FRAME) };
}

/* Which entry of a level's table covers addr?  Level 1 tables hold leaves. */
static inline unsigned pte_index(virt_t addr, int level)
{
	return addr >> (PAGE_SHIFT + PTE_INDEX_BITS * (level - 1)) & (PTE_PER_TABLE - 1);
}

/* Bytes that one entry of a level's table covers. */
static inline uint64_t pte_span(int level)
{
	return 1ull << (PAGE_SHIFT + PTE_INDEX_BITS * (level - 1));
}

/* The `i`-th of the entries that a huge leaf in a table of `level` stands for.  In a parked one the
 * bits that change are all ones. */
static inline pte_t pte_part(pte_t huge, int level, unsigned i)
{
	uint64_t bits = huge.bits ^ i * pte_span(level - 1);

	return (pte_t){ level == 2 ? bits & ~PTE_HUGE : bits };
}
