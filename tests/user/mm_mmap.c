/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/mm_mmap.c - anonymous memory: where it lies, what it holds, what /proc says of it.
 */
#include "memory.h"

#include <sys/sysinfo.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* ---- what /proc/self/maps and smaps say ---- */

struct range {
	uintptr_t start, end;
	char rights[5];
};

/* The range that holds `at`; false if there is none. */
static bool maps_find(const volatile void *at, struct range *range)
{
	char line[512];
	bool is_found = false;
	FILE *maps = fopen("/proc/self/maps", "r");

	CHECK(maps != NULL);
	while (!is_found && fgets(line, sizeof(line), maps)) {
		CHECK_EQ(sscanf(line, "%lx-%lx %4s", &range->start, &range->end, range->rights), 3);
		is_found = range->start <= (uintptr_t)at && (uintptr_t)at < range->end;
	}
	fclose(maps);
	return is_found;
}

/* Resident pages of the range that holds `at`, from smaps. */
static long resident(const volatile void *at)
{
	char line[512];
	uintptr_t start, end;
	bool is_here = false;
	long kib = -1;
	FILE *smaps = fopen("/proc/self/smaps", "r");

	CHECK(smaps != NULL);
	while (kib < 0 && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			is_here = start <= (uintptr_t)at && (uintptr_t)at < end;
		else if (is_here)
			sscanf(line, "Rss: %ld", &kib);
	}
	fclose(smaps);
	CHECK(kib >= 0);
	return kib * KIB / PAGE;
}

static void check_maps(volatile char *at, size_t pages, const char *rights)
{
	struct range range;

	CHECK(maps_find(at, &range));
	CHECK_EQ(strcmp(range.rights, rights), 0);
	CHECK(range.start <= (uintptr_t)at && range.end >= (uintptr_t)at + pages * PAGE);
}

/* ---- tests ---- */

TEST(new_memory_is_zero_and_aligned)
{
	volatile char *memory = pages_new(5);

	CHECK_EQ((uintptr_t)memory % PAGE, 0);
	CHECK(bytes_are(memory, 5 * PAGE, 0));
	pages_mark(memory, 5, 1);
	CHECK(pages_have_marks(memory, 5, 1));
}

/* What was used before must not show: the frames come back zeroed. */
TEST(memory_is_zero_again_after_it_was_given_back)
{
	for (int round = 0; round < 4; round++) {
		volatile char *memory = pages_new(256);
		CHECK(bytes_are(memory, 256 * PAGE, 0));
		memset((char *)memory, 0xff, 256 * PAGE);
		pages_free(memory, 256);
	}
}

TEST(a_length_is_rounded_up_to_pages)
{
	volatile char *memory = memory_map(PAGE + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	memory[2 * PAGE - 1] = 1;
	CHECK_EQ(munmap((void *)memory, PAGE + 1), 0);
	CHECK_FAULT(memory + PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
}

TEST(a_free_hint_is_taken)
{
	volatile char *memory = pages_new(16);

	pages_free(memory + 4 * PAGE, 4);
	void *hint = (void *)(memory + 5 * PAGE);
	CHECK(mmap(hint, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == hint);
}

TEST(a_hint_that_is_taken_is_not_used)
{
	volatile char *memory = pages_new(1);

	memory[0] = 'A';
	void *other = mmap((void *)memory, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(other != MAP_FAILED && other != (void *)memory);
	CHECK_EQ(memory[0], 'A');
}

TEST(fixed_replaces_what_was_there)
{
	volatile char *memory = pages_new(8);

	pages_mark(memory, 8, 1);
	void *middle = (void *)(memory + 3 * PAGE);
	CHECK(mmap(middle, 2 * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == middle);
	CHECK(bytes_are(middle, 2 * PAGE, 0));
	CHECK(pages_have_marks(memory, 3, 1));
	CHECK(pages_have_marks(memory + 5 * PAGE, 3, 6));
}

TEST(fixed_replaces_for_the_caller_only)
{
	volatile char *memory = pages_new(8);

	pages_mark(memory, 8, 1);
	pid_t pid = fork();
	if (pid == 0) {
		void *middle = (void *)(memory + 3 * PAGE);
		CHECK(mmap(middle, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			-1, 0) == middle);
		CHECK(bytes_are(middle, 2 * PAGE, 0));
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory, 8, 1));
}

TEST(noreplace_takes_free_places_only)
{
	volatile char *memory = pages_new(4);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;

	memory[3 * PAGE] = 'A';
	pages_free(memory, 3);
	CHECK(mmap((void *)memory, 2 * PAGE, PROT_READ, flags, -1, 0) == memory);
	CHECK(mmap((void *)(memory + 2 * PAGE), 2 * PAGE, PROT_READ, flags, -1, 0) == MAP_FAILED);
	CHECK_EQ(errno, EEXIST);
	CHECK_EQ(memory[3 * PAGE], 'A');
}

TEST(rights_are_what_was_asked_for)
{
	volatile char *none = memory_map(PAGE, PROT_NONE, MAP_PRIVATE);
	volatile char *read = memory_map(PAGE, PROT_READ, MAP_PRIVATE);

	CHECK_FAULT(none, TO_READ, SIGSEGV, SEGV_ACCERR);
	CHECK_FAULT(none, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	CHECK_NO_FAULT(read, TO_READ);
	CHECK_FAULT(read, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	CHECK_EQ(read[0], 0);
}

static int run_code(volatile char *memory)
{
	static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};  /* mov eax, 42; ret */

	memcpy((char *)memory, code, sizeof(code));
	return ((int (*)(void))(uintptr_t)memory)();
}

TEST(code_runs_only_where_it_may)
{
	CHECK_EQ(run_code(memory_map(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE)), 42);
	pid_t pid = fork();
	if (pid == 0)
		_exit(run_code(pages_new(1)));
	CHECK_KILLED(pid, SIGSEGV);
}

TEST(maps_agrees_with_what_was_mapped)
{
	volatile char *memory = pages_new(16);

	check_maps(memory, 16, "rw-p");
	CHECK_EQ(protect(memory + 4 * PAGE, 4, PROT_READ), 0);
	CHECK_EQ(protect(memory + 8 * PAGE, 2, PROT_NONE), 0);
	pages_free(memory + 10 * PAGE, 2);
	check_maps(memory, 4, "rw-p");
	check_maps(memory + 4 * PAGE, 4, "r--p");
	check_maps(memory + 8 * PAGE, 2, "---p");
	check_maps(memory + 12 * PAGE, 4, "rw-p");
	struct range range;
	CHECK(!maps_find(memory + 10 * PAGE, &range));
	CHECK(maps_find(memory + 4 * PAGE, &range));
	CHECK_EQ(range.start, (uintptr_t)memory + 4 * PAGE);
	CHECK_EQ(range.end, (uintptr_t)memory + 8 * PAGE);
	check_maps(memory_map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED), 1, "rw-s");
}

/* What was cut in pieces and made equal again is one range again. */
TEST(equal_neighbours_are_one_range)
{
	volatile char *memory = pages_new(16);
	struct range range;

	CHECK_EQ(protect(memory + 4 * PAGE, 4, PROT_READ), 0);
	CHECK_EQ(protect(memory + 4 * PAGE, 4, PROT_READ | PROT_WRITE), 0);
	CHECK(maps_find(memory, &range));
	CHECK(range.end >= (uintptr_t)memory + 16 * PAGE);
}

TEST(child_has_the_same_maps_but_its_own_changes)
{
	volatile char *memory = pages_new(16);

	pid_t pid = fork();
	if (pid == 0) {
		struct range range;
		check_maps(memory, 16, "rw-p");
		CHECK_EQ(protect(memory, 4, PROT_READ), 0);
		pages_free(memory + 8 * PAGE, 8);
		check_maps(memory, 4, "r--p");
		CHECK(!maps_find(memory + 8 * PAGE, &range));
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	check_maps(memory, 16, "rw-p");
}

/* A mapping with neighbours of other rights, so that smaps shows it alone. */
static volatile char *pages_alone(size_t count)
{
	volatile char *memory = memory_map((count + 2) * PAGE, PROT_NONE, MAP_PRIVATE);

	CHECK_EQ(protect(memory + PAGE, count, PROT_READ | PROT_WRITE), 0);
	madvise((void *)memory, (count + 2) * PAGE, MADV_NOHUGEPAGE);
	return memory + PAGE;
}

TEST(resident_is_exactly_what_was_written)
{
	volatile char *memory = pages_alone(64);

	CHECK_EQ(resident(memory), 0);
	pages_mark(memory, 10, 1);
	CHECK_EQ(resident(memory), 10);
	memory[63 * PAGE] = 1;
	CHECK_EQ(resident(memory), 11);
	CHECK_EQ(madvise((void *)memory, 5 * PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(resident(memory), 6);
	memory[9 * PAGE] = 2;
	CHECK_EQ(resident(memory), 6);
	CHECK_EQ(protect(memory, 64, PROT_NONE), 0);
	CHECK_EQ(protect(memory, 64, PROT_READ | PROT_WRITE), 0);
	CHECK_EQ(resident(memory), 6);
}

TEST(resident_is_the_same_in_the_child)
{
	volatile char *memory = pages_alone(64);

	pages_mark(memory, 20, 1);
	CHECK_EQ(memory[40 * PAGE], 0);         /* the shared zeros are nobody's */
	long mine = resident(memory);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(resident(memory), mine);
		memory[0] = 2;
		CHECK_EQ(resident(memory), mine);
		memory[41 * PAGE] = 1;
		CHECK_EQ(resident(memory), mine + 1);
		CHECK_EQ(munmap((void *)(memory + 60 * PAGE), 4 * PAGE), 0);
		CHECK_EQ(resident(memory), mine + 1);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(mine, 20);
	CHECK_EQ(resident(memory), 20);
}

static long status_pages(const char *name)
{
	return proc_number("/proc/self/status", name) * (long)KIB / PAGE;
}

/* Linux counts in batches per CPU, so the sum may be some pages behind. */
TEST(status_counts_touched_and_mapped_pages)
{
	enum { PAGES = 1024, SLACK = 160 };
	long rss = status_pages("VmRSS:"), size = status_pages("VmSize:");
	volatile char *memory = pages_new(PAGES);

	madvise((void *)memory, PAGES * PAGE, MADV_NOHUGEPAGE);
	CHECK_EQ(status_pages("VmSize:"), size + PAGES);
	long slack = is_cowbell() ? 0 : SLACK;
	rss = status_pages("VmRSS:");
	pages_mark(memory, PAGES, 1);
	CHECK(labs(status_pages("VmRSS:") - rss - PAGES) <= slack);
	pages_free(memory, PAGES);
	CHECK(labs(status_pages("VmRSS:") - rss) <= slack);
	CHECK_EQ(status_pages("VmSize:"), size);
	CHECK(status_pages("VmPeak:") >= size + PAGES);
}

static unsigned long long free_bytes(void)
{
	struct sysinfo info;

	CHECK_EQ(sysinfo(&info), 0);
	return (unsigned long long)info.freeram * info.mem_unit;
}

TEST(a_terabyte_reserved_costs_nothing)
{
	size_t len = 1024 * GIB;
	unsigned long long before = free_bytes();
	volatile char *memory = memory_map(len, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_NORESERVE);

	madvise((void *)memory, len, MADV_NOHUGEPAGE);
	memory[0] = 1;
	memory[len / 2] = 2;
	memory[len - 1] = 3;
	if (is_cowbell())
		CHECK(before - free_bytes() < 256 * KIB);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(memory[len / 2], 2);
		memory[len / 4] = 4;
		CHECK_EQ(munmap((void *)memory, len), 0);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(memory[len - 1], 3);
	CHECK_EQ(memory[len / 4], 0);
	CHECK_EQ(munmap((void *)memory, len), 0);
	CHECK_FAULT(memory + len / 2, TO_READ, SIGSEGV, SEGV_MAPERR);
}

/* As many ranges as vm.max_map_count allows, and not one more. */
TEST(ranges_have_a_limit)
{
	const uintptr_t base = 64 * 1024 * GIB;
	long limit = proc_number("/proc/sys/vm/max_map_count", "");
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
	long count = 0;

	CHECK(limit > 0);
	if (limit > 100000)
		SKIP("vm.max_map_count is large here");
	while (count <= limit) {
		void *at = (void *)(base + (uintptr_t)count * 2 * PAGE);
		if (mmap(at, PAGE, PROT_READ, flags, -1, 0) == MAP_FAILED)
			break;
		count++;
	}
	CHECK_EQ(errno, ENOMEM);
	CHECK(count > limit - 64 && count <= limit);
	CHECK_EQ(munmap((void *)base, 3 * PAGE), 0);    /* less is always possible */
	CHECK(mmap((void *)base, PAGE, PROT_READ, flags, -1, 0) == (void *)base);
	pid_t pid = fork();
	if (pid == 0)
		_exit(*(volatile char *)base);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(munmap((void *)base, (size_t)limit * 2 * PAGE), 0);
}

/* Parts of a range replaced by ranges more than there may be: refused, and nothing is gone. */
TEST(a_map_refused_for_the_number_of_ranges_replaces_nothing)
{
	const uintptr_t base = 64 * 1024 * GIB;
	long limit = proc_number("/proc/sys/vm/max_map_count", "");
	int flags = MAP_PRIVATE | MAP_ANONYMOUS, rights = PROT_READ | PROT_WRITE;
	volatile char *memory = (volatile char *)base;

	CHECK(limit > 0);
	if (limit > 100000)
		SKIP("vm.max_map_count is large here");
	for (uintptr_t at = base; at < base + (uintptr_t)(limit + 1) * 4 * PAGE; at += 4 * PAGE) {
		if (mmap((void *)at, 3 * PAGE, rights, flags | MAP_FIXED, -1, 0) == MAP_FAILED)
			break;
	}
	CHECK_EQ(errno, ENOMEM);
	pages_mark(memory, 3, 'a');
	for (int page = 0; page < 3; page++) {
		errno = 0;
		CHECK(mmap((void *)(memory + page * PAGE), PAGE, PROT_NONE, flags | MAP_FIXED, -1,
			0) == MAP_FAILED);
		CHECK_EQ(errno, ENOMEM);
	}
	CHECK(pages_have_marks(memory, 3, 'a'));
	CHECK_EQ(munmap((void *)base, (size_t)limit * 4 * PAGE), 0);
}

TEST(populate_touches_everything_at_once)
{
	volatile char *memory = memory_map(32 * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_POPULATE);
	unsigned char present[32] = {0};

	CHECK_EQ(mincore((void *)memory, 32 * PAGE, present), 0);
	for (int i = 0; i < 32; i++)
		CHECK(present[i] & 1);
}

TEST(mincore_tells_touched_pages)
{
	volatile char *memory = pages_new(8);
	unsigned char present[8] = {0};

	madvise((void *)memory, 8 * PAGE, MADV_NOHUGEPAGE);
	memory[2 * PAGE] = 1;
	memory[5 * PAGE] = 1;
	CHECK_EQ(mincore((void *)memory, 8 * PAGE, present), 0);
	for (int i = 0; i < 8; i++)
		CHECK_EQ(present[i] & 1, i == 2 || i == 5);
}
