/* SPDX-License-Identifier: MIT */
/*
 * tests/torture/pages.c - what a thread of a storm does to its pages, and what they must hold.
 *
 * A page holds a stamp, a number that no other write uses, in WORDS places: the i-th holds
 * stamp + i.  Its record says what it holds (now) and, while it is being written, what it will hold
 * (next).  Records lie in private memory like the pages, so a fork snapshots both; stores become
 * visible in order, and so a child may find exactly this of a page that was being written:
 *
 *      now next      words, from the first
 *      old old       old ............      nobody was at it
 *      old new       new new old ....      somebody was
 *      new new       new ............      it was done
 *
 * A thread that takes away or moves pages says so (is_busy) and takes it back when every page is at
 * home and recorded.  The child gives such a stripe up and maps a fresh one.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- pages ---------------------------------------------------------------------------------- */

struct run {
	unsigned first, count;
};

static size_t stride(void)
{
	return storm.is_huge ? HUGE_STRIDE : 1;
}

static char *stripe_start(const struct worker *worker)
{
	size_t size = STRIPE * stride() * PAGE;
	size_t below_middle = storm.is_huge ? 2 * size : size + size / 2;

	return (char *)ARENA_MIDDLE - below_middle + worker->index * size;
}

char *page_at(const struct worker *worker, unsigned page)
{
	return stripe_start(worker) + page * stride() * PAGE;
}

static volatile uint64_t *word_of(char *page, unsigned i)
{
	return (uint64_t *)page + i * WORD_GAP;
}

static struct run run_choose(struct worker *worker)
{
	struct run run = {.first = below(worker, STRIPE)};
	unsigned most = below(worker, 8) ? RUN_MAX : STRIPE;
	unsigned left = STRIPE - run.first;

	run.count = 1 + below(worker, most < left ? most : left);
	return run;
}

static size_t run_size(struct run run)
{
	return run.count * stride() * PAGE;
}

/* What a word must hold: zero, or its stamp. */
static uint64_t word_expected(uint64_t stamp, unsigned i)
{
	return stamp ? stamp + i : 0;
}

void page_check(struct worker *worker, unsigned page, char *at)
{
	uint64_t stamp = worker->records[page].now;

	for (unsigned i = 0; i < WORDS; i++) {
		uint64_t found = *word_of(at, i), expected = word_expected(stamp, i);
		if (found != expected)
			failed("page %u at %p, word %u: %#lx, not %#lx", page, (void *)at, i,
				found, expected);
	}
}

void page_write(struct worker *worker, unsigned page, char *at)
{
	struct record *record = &worker->records[page];
	uint64_t stamp = worker->next_stamp;

	worker->next_stamp += WORDS;
	record->next = stamp;
	for (unsigned i = 0; i < WORDS; i++) {
		*word_of(at, i) = stamp + i;
		jiggle(worker);
	}
	record->now = stamp;
}

static void run_check(struct worker *worker, struct run run, char *start)
{
	for (unsigned i = 0; i < run.count; i++)
		page_check(worker, run.first + i, start + i * stride() * PAGE);
}

static void run_forget(struct worker *worker, struct run run)
{
	for (unsigned i = 0; i < run.count; i++)
		worker->records[run.first + i].now = worker->records[run.first + i].next = 0;
}

/* All of a stripe is of one kind, so that it stays one range, and can be moved. */
static void map_at(char *start, size_t size)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	while (mmap(start, size, PROT_READ | PROT_WRITE, flags, -1, 0) != start)
		must_wait("mmap");
	if (storm.is_huge && madvise(start, size, MADV_HUGEPAGE) < 0)
		failed("madvise: %s", strerror(errno));
}

static void protect(char *start, size_t size, int rights)
{
	while (mprotect(start, size, rights) < 0)
		must_wait("mprotect");
}

void stripe_map(const struct worker *worker)
{
	map_at(stripe_start(worker), STRIPE * stride() * PAGE);
}

/* ---- operations on pages -------------------------------------------------------------------- */

void op_write(struct worker *worker)
{
	struct run run = run_choose(worker);

	for (unsigned i = 0; i < run.count; i++) {
		unsigned page = run.first + i;
		page_check(worker, page, page_at(worker, page));
		page_write(worker, page, page_at(worker, page));
	}
}

void op_check(struct worker *worker)
{
	run_check(worker, (struct run){0, STRIPE}, stripe_start(worker));
}

/* Unmapped, and mapped again: zeros. */
void op_renew(struct worker *worker)
{
	struct run run = run_choose(worker);
	char *start = page_at(worker, run.first);

	worker->is_busy = true;
	while (below(worker, 2) && munmap(start, run_size(run)) < 0)
		must_wait("munmap");
	jiggle(worker);
	map_at(start, run_size(run));
	run_forget(worker, run);
	worker->is_busy = false;
	run_check(worker, run, start);
}

void op_drop(struct worker *worker)
{
	struct run run = run_choose(worker);
	char *start = page_at(worker, run.first);

	worker->is_busy = true;
	while (madvise(start, run_size(run), MADV_DONTNEED) < 0)
		must_wait("madvise");
	run_forget(worker, run);
	worker->is_busy = false;
	run_check(worker, run, start);
}

/* The kernel may not write there either. */
static void expect_kernel_refuses(char *start)
{
	int ends[2];
	char byte = 1;

	if (pipe(ends) < 0 || write(ends[1], &byte, 1) != 1)
		failed("pipe: %s", strerror(errno));
	if (read(ends[0], start, 1) != -1 || errno != EFAULT)
		failed("the kernel wrote to %p, which is read-only", (void *)start);
	close(ends[0]);
	close(ends[1]);
}

void op_protect(struct worker *worker)
{
	struct run run = run_choose(worker);
	char *start = page_at(worker, run.first);

	protect(start, run_size(run), PROT_READ);
	run_check(worker, run, start);
	expect_kernel_refuses(start);
	protect(start, run_size(run), PROT_READ | PROT_WRITE);
	page_write(worker, run.first, start);
	run_check(worker, run, start);
}

void op_hide(struct worker *worker)
{
	struct run run = run_choose(worker);
	char *start = page_at(worker, run.first);

	protect(start, run_size(run), PROT_NONE);
	jiggle(worker);
	protect(start, run_size(run), PROT_READ | PROT_WRITE);
	run_check(worker, run, start);
}

static void move(char *from, char *to, size_t size)
{
	while (mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED)
		must_wait("mremap");
}

/* Far away, at the same place in a table or at another, and back. */
void op_move(struct worker *worker)
{
	struct run run = run_choose(worker);
	char *home = page_at(worker, run.first);
	char *away = home + (FAR_AWAY - ARENA_MIDDLE) + (below(worker, 2) ? 0 : 5 * PAGE);

	worker->is_busy = true;
	move(home, away, run_size(run));
	run_check(worker, run, away);
	page_write(worker, run.first, away);
	jiggle(worker);
	move(away, home, run_size(run));
	worker->is_busy = false;
	run_check(worker, run, home);
}

/* The kernel reads one page and writes another. */
void op_pipe(struct worker *worker)
{
	unsigned from = below(worker, STRIPE), to = below(worker, STRIPE);
	struct record *record = &worker->records[to];
	int ends[2];

	if (pipe(ends) < 0 || write(ends[1], page_at(worker, from), PAGE) != PAGE)
		failed("pipe: %s", strerror(errno));
	jiggle(worker);
	record->next = worker->records[from].now;
	if (read(ends[0], page_at(worker, to), PAGE) != PAGE)
		failed("read: %s", strerror(errno));
	record->now = record->next;
	close(ends[0]);
	close(ends[1]);
	page_check(worker, to, page_at(worker, to));
}

/* Pages may become one huge page; nobody sees a difference. */
void op_collapse(struct worker *worker)
{
	if (!storm.is_huge)
		return;
	(void)!madvise(stripe_start(worker), STRIPE * stride() * PAGE, 25 /* MADV_COLLAPSE */);
	op_check(worker);
}

/* One word of memory that all processes share: nobody else counts there. */
void op_count(struct worker *worker)
{
	volatile uint64_t *word = (uint64_t *)SHARED_PLACE
		+ (serial * THREADS + worker->index) % (PAGE / sizeof(uint64_t));

	if (*word < worker->counted)
		failed("a shared word fell from %lu to %lu", worker->counted, *word);
	atomic_fetch_add((_Atomic uint64_t *)word, 1);
	worker->counted++;
}

/* ---- inherited pages ------------------------------------------------------------------------ */

/* What a child finds in the stripe of a thread that it does not have. */
static void page_adopt(struct worker *worker, unsigned page)
{
	struct record *record = &worker->records[page];
	uint64_t now = record->now, next = record->next;
	char *at = page_at(worker, page);
	unsigned news = 0;

	while (now != next && news < WORDS && *word_of(at, news) == word_expected(next, news))
		news++;
	for (unsigned i = news; i < WORDS; i++) {
		uint64_t found = *word_of(at, i), expected = word_expected(now, i);
		if (found != expected)
			failed("inherited page %u at %p, word %u: %#lx, not %#lx or %#lx", page,
				(void *)at, i, found, expected, word_expected(next, i));
	}
	page_write(worker, page, at);
}

void stripe_adopt(struct worker *worker)
{
	size_t size = STRIPE * stride() * PAGE;

	if (worker->is_busy) {
		(void)!munmap(stripe_start(worker) + (FAR_AWAY - ARENA_MIDDLE), size + 5 * PAGE);
		stripe_map(worker);
		run_forget(worker, (struct run){0, STRIPE});
		return;
	}
	protect(stripe_start(worker), size, PROT_READ | PROT_WRITE);
	for (unsigned page = 0; page < STRIPE; page++)
		page_adopt(worker, page);
}
