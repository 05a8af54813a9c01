/* SPDX-License-Identifier: MIT */
/*
 * fs/proc_page.c - one page of a process; /proc/PID/{pagemap,clear_refs}, /proc/kpage{count,flags}.
 *
 * A page is a space's alone exactly when every count on its path is one.  How many others see it is
 * not told by its path: see mm/census.h.
 *
 * Binary files: one 64-bit word per page, at eight times its number.  What cannot be told here is
 * zero: no page is ever swapped out, and soft-dirty bits would be stores to shared tables.
 * See: Documentation/admin-guide/mm/pagemap of Linux.
 */

#include "fs/procfs.h"
#include "lib/abi/mman.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/census.h"
#include "mm/cursor.h"
#include "mm/slab.h"

enum { WORD = 8, WORDS_AT_ONCE = PAGE_SIZE / WORD };

/* ---- one page ---- */

/* Is the page at addr the object's own, and not a private copy? */
static bool is_of_object(const struct vma *vma, virt_t addr, pfn_t pfn)
{
	uint64_t index = (vma->offset + (addr - vma->start)) / PAGE_SIZE;
	pfn_t theirs;

	if (!vma->object || object_page(vma->object, index, OBJECT_READ, &theirs))
		return false;
	if (theirs != zero_frame)
		frame_put(theirs);
	return theirs == pfn;
}

/* The object's own hold on its page does not count. */
static bool page_is_exclusive(const struct leaf_visit *leaf, pfn_t pfn, bool has_keeper)
{
	if (leaf->level > 1)
		return leaf->is_exclusive;
	for (int level = 1; level < PTE_LEVELS; level++) {
		if (!frame_is_exclusive(leaf->tables[level]))
			return false;
	}
	return atomic_load_relaxed(&frame_refs[pfn]) <= 1u + has_keeper;
}

struct proc_page proc_page_look(const struct vma *vma, const struct leaf_visit *leaf)
{
	struct proc_page page = { .kind = PAGE_UNCOUNTED };
	pfn_t pfn = pte_pfn(leaf->leaf);
	bool has_keeper;

	if (!pte_is_counted(leaf->leaf))
		return page;
	has_keeper = is_of_object(vma, leaf->addr, pfn);
	page.is_exclusive = page_is_exclusive(leaf, pfn, has_keeper);
	if (!has_keeper)
		page.kind = PAGE_ANONYMOUS;
	else
		page.kind = vma->object->is_anonymous ? PAGE_SHARED : PAGE_FILE;
	page.is_dirty = page.kind != PAGE_FILE || pte_is_dirty(leaf->leaf);
	return page;
}

/* ---- words by page ---- */

/* A page of words, filled by `fill` from number `first` on, and as many of them as are wanted. */
static ssize_t words_read(uint64_t last, buffer_t to, size_t len, uint64_t *offset,
	void (*fill)(uint64_t *words, uint64_t first, uint64_t count, void *argument),
	void *argument)
{
	uint64_t *words;
	size_t done = 0;

	if (!is_aligned(*offset | len, WORD))
		return -EINVAL;
	if (*offset / WORD >= last)
		return 0;
	words = kmalloc(PAGE_SIZE);
	if (!words)
		return -ENOMEM;
	while (done < len && *offset / WORD < last) {
		uint64_t first = *offset / WORD;
		uint64_t count = MIN((len - done) / WORD, (size_t)WORDS_AT_ONCE);
		size_t bytes, copied;

		count = MIN(count, last - first);
		bytes = count * WORD;
		memset(words, 0, bytes);
		fill(words, first, count, argument);
		copied = buffer_put_partial(to, done, words, bytes);
		*offset += copied;
		done += copied;
		if (copied < bytes)
			break;
	}
	kfree(words);
	return done || !len ? (ssize_t)done : -EFAULT;
}

/* ---- pagemap ---- */

#define PAGEMAP_EXCLUSIVE (1ull << 56)
#define PAGEMAP_FILE      (1ull << 61)
#define PAGEMAP_PRESENT   (1ull << 63)

struct pagemap {
	struct space *space;
	uint64_t *words;
	uint64_t first;
	bool shows_frames;              /* numbers of frames: only to the superuser */
};

static void pagemap_leaf(const struct leaf_visit *leaf, void *argument) NO_LOCK_ANALYSIS
{
	struct pagemap *map = argument;
	const struct vma *vma = vma_find(map->space->vmas, leaf->addr);
	uint64_t word = PAGEMAP_PRESENT;
	struct proc_page page;

	if (!vma)
		return;
	page = proc_page_look(vma, leaf);
	if (map->shows_frames)
		word |= pte_pfn(leaf->leaf);
	if (page.kind == PAGE_FILE || page.kind == PAGE_SHARED)
		word |= PAGEMAP_FILE;
	if (page.is_exclusive)
		word |= PAGEMAP_EXCLUSIVE;
	map->words[(leaf->addr >> PAGE_SHIFT) - map->first] = word;
}

static void pagemap_fill(uint64_t *words, uint64_t first, uint64_t count, void *argument)
{
	struct pagemap *map = argument;

	map->words = words;
	map->first = first;
	write_lock(&map->space->lock);
	cursor_for_each(map->space, first << PAGE_SHIFT, (first + count) << PAGE_SHIFT,
		pagemap_leaf, map);
	write_unlock(&map->space->lock);
}

ssize_t proc_read_pagemap(const struct text_node *node, buffer_t to, size_t len, uint64_t *offset)
{
	struct pagemap map = { .space = proc_space(node), .shows_frames = process_is_privileged() };
	ssize_t done;

	if (!map.space)
		return 0;
	done = words_read(USER_END >> PAGE_SHIFT, to, len, offset, pagemap_fill, &map);
	space_put(map.space);
	return done;
}

/* ---- clear_refs ---- */

/* 1 to 4 would clear accessed and soft-dirty bits.  Accessed is always set, so that the processor
 * never stores to a shared table; soft-dirty is not kept.  5: the peak begins anew. */
int proc_store_clear_refs(const struct text_node *node, char *text)
{
	enum { CLEAR_FIRST = 1, CLEAR_PEAK = 5 };
	struct space *space;
	int64_t what;
	int err = text_parse_number(text, CLEAR_FIRST, CLEAR_PEAK, &what);

	if (err)
		return err;
	space = proc_space(node);
	if (!space)
		return -ESRCH;
	if (what == CLEAR_PEAK)
		WRITE_ONCE(space->resident_peak, READ_ONCE(space->resident));
	space_put(space);
	return 0;
}

/* ---- frames ---- */

/* Words by frame, for which all spaces and files are looked at first. */
static ssize_t frame_words_read(buffer_t to, size_t len, uint64_t *offset,
	void (*fill)(uint64_t *words, uint64_t first, uint64_t count, void *argument))
{
	struct census *census;
	ssize_t done;
	int err = census_take(&census);

	if (err)
		return err;
	done = words_read(frame_count, to, len, offset, fill, census);
	census_free(census);
	return done;
}

static void count_fill(uint64_t *words, uint64_t first, uint64_t count, void *argument)
{
	for (uint64_t i = 0; i < count; i++) {
		if (READ_ONCE(frames[first + i].kind) == FRAME_DATA)
			words[i] = census_mapped(argument, first + i);
	}
}

/* How often programs have each frame mapped.  Their tables and other frames have no such number. */
ssize_t proc_read_kpagecount(
	const struct text_node *node, buffer_t to, size_t len, uint64_t *offset)
{
	return frame_words_read(to, len, offset, count_fill);
}

#define KPF_UPTODATE  (1ull << 3)
#define KPF_LRU       (1ull << 5)
#define KPF_SLAB      (1ull << 7)
#define KPF_BUDDY     (1ull << 10)
#define KPF_MMAP      (1ull << 11)
#define KPF_ANON      (1ull << 12)
#define KPF_SWAPBACKED (1ull << 14)
#define KPF_ZERO_PAGE (1ull << 24)
#define KPF_PGTABLE   (1ull << 26)
#define KPF_RESERVED  (1ull << 32)

static void flags_fill(uint64_t *words, uint64_t first, uint64_t count, void *argument)
{
	static const uint64_t flags[FRAME_KINDS] = {
		[FRAME_FREE] = KPF_BUDDY,
		[FRAME_RESERVED] = KPF_RESERVED,
		[FRAME_SLAB] = KPF_SLAB,
		[FRAME_TABLE] = KPF_PGTABLE,
		[FRAME_DATA] = KPF_UPTODATE | KPF_LRU | KPF_SWAPBACKED,
		[FRAME_ZERO] = KPF_ZERO_PAGE,
	};

	for (uint64_t i = 0; i < count; i++) {
		enum frame_kind kind = READ_ONCE(frames[first + i].kind);

		words[i] = flags[kind];
		if (kind != FRAME_DATA || !census_mapped(argument, first + i))
			continue;
		words[i] |= KPF_MMAP;
		words[i] |= census_is_of_file(argument, first + i) ? 0 : KPF_ANON;
	}
}

ssize_t proc_read_kpageflags(
	const struct text_node *node, buffer_t to, size_t len, uint64_t *offset)
{
	return frame_words_read(to, len, offset, flags_fill);
}
