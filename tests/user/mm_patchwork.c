/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/mm_patchwork.c - tables that many ranges of all kinds share, changed at random by
 * three generations of processes, against a model.
 *
 * The arena is three tables large.  Each of its pages is nothing, private memory, or a page of a
 * file, shared or private.  What a process expects of its private pages it keeps in private memory,
 * so that fork inherits it; what it expects of the file stands in memory that all share.  One
 * process acts at a time; the others hold what they share.
 */
#include "memory.h"


enum {
	PAGES = 3 * 512, FILE_PAGES = 1024,
	RUN_MAX = 700, STEPS = 60, GENERATIONS = 3, ROUNDS = 3,
	READ_WRITE = PROT_READ | PROT_WRITE,
	PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
};

enum kind { NOTHING, PRIVATE, FILE_SHARED, FILE_PRIVATE };

static struct page {
	enum kind kind;
	int prot;
	int file_page;                  /* of the two kinds of a file */
	bool has_own;                   /* a copy, or memory that was written */
	char own;
	int cuts;                       /* of the file's page when the copy was made */
	bool is_wiped;                  /* by the next fork */
	bool is_lost;                   /* to the next child */
} pages[PAGES];

/* What is the same for all. */
struct file_model {
	char byte[FILE_PAGES];
	int cuts[FILE_PAGES];           /* truncations take copies away */
};

static struct file_model *file;
static volatile char *arena;
static int fd;
static uint64_t state;

static uint32_t random_below(uint32_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % n;
}

static volatile char *at(int i)
{
	return arena + (size_t)i * PAGE;
}

static bool copy_is_there(const struct page *page)
{
	return page->has_own &&
		(page->kind == PRIVATE || page->cuts == file->cuts[page->file_page]);
}

static char expected(const struct page *page)
{
	if (page->kind != FILE_SHARED && copy_is_there(page))
		return page->own;
	return page->kind == PRIVATE ? 0 : file->byte[page->file_page];
}

static void check_all(void)
{
	for (int i = 0; i < PAGES; i++) {
		if (pages[i].kind != NOTHING && pages[i].prot & PROT_READ)
			CHECK_EQ(*at(i), expected(&pages[i]));
	}
}

/* ---- what may happen to pages from..to-1 ---- */

static void map_pages(int from, int to)
{
	enum kind kind = PRIVATE + random_below(3);
	int first = random_below(FILE_PAGES - RUN_MAX);
	int flags = MAP_FIXED | (kind == FILE_SHARED ? MAP_SHARED : MAP_PRIVATE);

	flags |= kind == PRIVATE ? MAP_ANONYMOUS : 0;
	CHECK(mmap((void *)at(from), (size_t)(to - from) * PAGE, READ_WRITE, flags,
		kind == PRIVATE ? -1 : fd, kind == PRIVATE ? 0 : (off_t)first * PAGE) == at(from));
	for (int i = from; i < to; i++)
		pages[i] = (struct page){.kind = kind, .prot = READ_WRITE,
			.file_page = first + i - from};
}

static void unmap_pages(int from, int to)
{
	CHECK_EQ(munmap((void *)at(from), (size_t)(to - from) * PAGE), 0);
	for (int i = from; i < to; i++)
		pages[i] = (struct page){0};
}

static void write_pages(int from, int to)
{
	int step = 1 + random_below(40);
	char value = (char)random_below(256);

	for (int i = from; i < to; i += step) {
		struct page *page = &pages[i];
		if (page->kind == NOTHING || !(page->prot & PROT_WRITE))
			continue;
		*at(i) = value;
		if (page->kind == FILE_SHARED) {
			file->byte[page->file_page] = value;
			continue;
		}
		page->has_own = true;
		page->own = value;
		page->cuts = file->cuts[page->file_page];
	}
}

/* How far from `from` on there is something. */
static int mapped_until(int from, int to)
{
	while (from < to && pages[from].kind != NOTHING)
		from++;
	return from;
}

static void protect_pages(int from, int to)
{
	static const int rights[] = {PROT_NONE, PROT_READ, READ_WRITE, READ_WRITE};
	int prot = rights[random_below(4)];

	to = mapped_until(from, to);
	if (from == to)
		return;
	CHECK_EQ(protect(at(from), to - from, prot), 0);
	for (int i = from; i < to; i++)
		pages[i].prot = prot;
}

static void drop_pages(int from, int to)
{
	to = mapped_until(from, to);
	if (from == to)
		return;
	CHECK_EQ(madvise((void *)at(from), (size_t)(to - from) * PAGE, MADV_DONTNEED), 0);
	for (int i = from; i < to; i++)
		pages[i].has_own = false;
}

static void lock_pages(int from, int to)
{
	to = mapped_until(from, from + 8 < to ? from + 8 : to);
	if (from == to)
		return;
	/* some may have no rights */
	(void)!mlock((void *)at(from), (size_t)(to - from) * PAGE);
	CHECK_EQ(munlock((void *)at(from), (size_t)(to - from) * PAGE), 0);
	for (int i = from; i < to; i++) {
		struct page *page = &pages[i];
		if (page->kind != FILE_PRIVATE || !(page->prot & PROT_WRITE) || copy_is_there(page))
			continue;
		*at(i) = *at(i);                /* locked or not: now there is a copy */
		page->has_own = true;
		page->own = *at(i);
		page->cuts = file->cuts[page->file_page];
	}
}

static void mark_pages(int from, int to)
{
	int wanted = random_below(2) ? MADV_DONTFORK : MADV_WIPEONFORK;

	for (int i = from; i < to; i++) {
		if (pages[i].kind != PRIVATE)
			return;
	}
	CHECK_EQ(madvise((void *)at(from), (size_t)(to - from) * PAGE, wanted), 0);
	for (int i = from; i < to; i++) {
		pages[i].is_lost |= wanted == MADV_DONTFORK;
		pages[i].is_wiped |= wanted == MADV_WIPEONFORK;
	}
}

/* To a free place.  More than one range does not move as one: then nothing has changed. */
static void move_pages(int from, int to)
{
	int count = to - from, target = random_below(PAGES - count);

	if (target < to && from < target + count)
		return;
	unmap_pages(target, target + count);
	if (mapped_until(from, to) != to)
		return;
	void *moved = mremap((void *)at(from), (size_t)count * PAGE, (size_t)count * PAGE,
		MREMAP_MAYMOVE | MREMAP_FIXED, (void *)at(target));
	if (moved == MAP_FAILED) {
		CHECK_EQ(errno, EFAULT);
		return;
	}
	CHECK(moved == at(target));
	for (int i = 0; i < count; i++) {
		pages[target + i] = pages[from + i];
		pages[from + i] = (struct page){0};
	}
}

/* ---- what may happen to the file ---- */

static void write_file(void)
{
	int page = random_below(FILE_PAGES);
	char value = (char)random_below(256);

	CHECK_EQ(pwrite(fd, &value, 1, (off_t)page * PAGE), 1);
	file->byte[page] = value;
}

static void punch_file(void)
{
	int from = random_below(FILE_PAGES), count = 1 + random_below(FILE_PAGES - from);

	CHECK_EQ(fallocate(fd, PUNCH, (off_t)from * PAGE, (off_t)count * PAGE), 0);
	memset(file->byte + from, 0, count);
}

static void cut_file(void)
{
	int from = random_below(FILE_PAGES);

	CHECK_EQ(ftruncate(fd, (off_t)from * PAGE), 0);
	CHECK_EQ(ftruncate(fd, (off_t)FILE_PAGES * PAGE), 0);
	memset(file->byte + from, 0, FILE_PAGES - from);
	for (int i = from; i < FILE_PAGES; i++)
		file->cuts[i]++;
}

static void act(int steps)
{
	static void (*const on_pages[])(int from, int to) = {
		map_pages, map_pages, unmap_pages, write_pages, write_pages, write_pages,
		write_pages, protect_pages, protect_pages, drop_pages, lock_pages, mark_pages,
		move_pages, move_pages,
	};
	static void (*const on_file[])(void) = {write_file, write_file, punch_file, cut_file};
	enum { ON_PAGES = sizeof(on_pages) / sizeof(*on_pages) };
	enum { ON_FILE = sizeof(on_file) / sizeof(*on_file) };

	while (steps--) {
		int from = random_below(PAGES), what = random_below(ON_PAGES + ON_FILE);
		int count = 1 + random_below(random_below(3) ? 40 : RUN_MAX - 1);
		if (what < ON_PAGES)
			on_pages[what](from, from + count < PAGES ? from + count : PAGES);
		else
			on_file[what - ON_PAGES]();
	}
	check_all();
}

static void be_born(void)
{
	for (int i = 0; i < PAGES; i++) {
		if (pages[i].is_lost)
			pages[i] = (struct page){0};
		if (pages[i].is_wiped)
			pages[i].has_own = false;
	}
}

/* The parent acts while its child holds what they share; then the child, and its children. */
static void live(int generation)
{
	for (int round = 0; round < ROUNDS; round++) {
		struct gate gate = gate_new();

		act(STEPS);
		pid_t pid = generation < GENERATIONS ? fork() : -1;
		if (pid == 0) {
			be_born();
			state += 77;
			gate_pass(gate);
			check_all();
			live(generation + 1);
			_exit(0);
		}
		act(STEPS);
		gate_open(gate);
		if (pid > 0)
			CHECK_EXIT(pid, 0);
		check_all();
	}
}

static void run(uint64_t seed)
{
	file = (struct file_model *)memory_map(sizeof(*file), READ_WRITE, MAP_SHARED);
	fd = memfd_create("patchwork", 0);
	CHECK_EQ(ftruncate(fd, (off_t)FILE_PAGES * PAGE), 0);
	arena = tables_new(3);
	pages_free(arena, PAGES);
	state = seed;
	map_pages(0, 600);
	map_pages(600, 1100);
	map_pages(1100, PAGES);
	live(1);
}

TEST(first_patchwork) { run(1); }
TEST(second_patchwork) { run(20); }
