/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/mm_mlock.c - mlock, mlock2, munlock, mlockall, MAP_LOCKED, RLIMIT_MEMLOCK.
 */
#include "memory.h"

#include <sys/resource.h>
#include <sys/syscall.h>

enum { FIRST_LIMIT = 8 };               /* pages, where a test sets a limit */

static long long locked_kib(void)
{
	return proc_number("/proc/self/status", "VmLck:");
}

/* A field of the range that contains `at`, in /proc/self/smaps; -1: none. */
static long long smaps_number(volatile char *at, const char *name)
{
	unsigned long start, end;
	long long value = -1;
	bool is_here = false;
	char line[512];
	FILE *file = fopen("/proc/self/smaps", "r");

	CHECK(file);
	while (value < 0 && fgets(line, sizeof(line), file)) {
		char dash;
		if (sscanf(line, "%lx%c%lx ", &start, &dash, &end) == 3 && dash == '-')
			is_here = (uintptr_t)at >= start && (uintptr_t)at < end;
		else if (is_here && strncmp(line, name, strlen(name)) == 0)
			value = strtoll(line + strlen(name), NULL, 10);
	}
	fclose(file);
	return value;
}

static bool is_resident(volatile char *at)
{
	unsigned char vector = 0;

	CHECK_EQ(mincore((void *)at, PAGE, &vector), 0);
	return vector & 1;
}

/* Soft limit, as somebody who is not the superuser. */
static void become_limited(size_t pages)
{
	struct rlimit limit = {.rlim_cur = pages * PAGE, .rlim_max = pages * PAGE};

	CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	if (geteuid() == 0)
		CHECK_EQ(setresuid(65534, 65534, 65534), 0);
}

static int lock(volatile char *memory, size_t pages)
{
	return mlock((void *)memory, pages * PAGE);
}

static int unlock(volatile char *memory, size_t pages)
{
	return munlock((void *)memory, pages * PAGE);
}

static int lock_on_fault(volatile char *memory, size_t pages)
{
	return (int)syscall(SYS_mlock2, memory, pages * PAGE, 1);
}

TEST(locked_pages_are_there_when_the_call_returns)
{
	volatile char *memory = pages_new(4);

	CHECK(!is_resident(memory + PAGE));
	CHECK_EQ(lock(memory, 4), 0);
	for (int i = 0; i < 4; i++)
		CHECK(is_resident(memory + i * PAGE));
	CHECK_EQ(locked_kib(), 16);
	CHECK(bytes_are(memory, 4 * PAGE, 0));
}

TEST(lock_is_a_flag_that_splits_and_merges)
{
	volatile char *memory = pages_new(8);

	CHECK_EQ(lock(memory + 2 * PAGE, 4), 0);
	CHECK_EQ(locked_kib(), 16);
	CHECK_EQ(unlock(memory + 3 * PAGE, 1), 0);
	CHECK_EQ(locked_kib(), 12);
	CHECK_EQ(lock(memory + 2 * PAGE, 4), 0);
	CHECK_EQ(locked_kib(), 16);
	CHECK_EQ(unlock(memory, 8), 0);
	CHECK_EQ(locked_kib(), 0);
	CHECK_EQ(smaps_number(memory, "Locked:"), 0);
}

TEST(locks_do_not_nest)
{
	volatile char *memory = pages_new(2);

	CHECK_EQ(lock(memory, 2), 0);
	CHECK_EQ(lock(memory, 2), 0);
	CHECK_EQ(locked_kib(), 8);
	CHECK_EQ(unlock(memory, 2), 0);
	CHECK_EQ(locked_kib(), 0);
}

/* A part of what is locked is locked again, or gets rights again: its range ends further on. */
TEST(parts_of_a_locked_range_are_touched_again)
{
	static const int kinds[] = {MAP_PRIVATE, MAP_SHARED};

	for (int i = 0; i < 2; i++) {
		volatile char *memory = memory_map(8 * PAGE, PROT_READ | PROT_WRITE, kinds[i]);

		CHECK_EQ(mlock((void *)memory, 8 * PAGE), 0);
		CHECK_EQ(mlock((void *)memory, PAGE), 0);
		CHECK_EQ(mlock((void *)(memory + 3 * PAGE), PAGE), 0);
		CHECK_EQ(protect(memory + PAGE, 2, PROT_READ | PROT_WRITE), 0);
		CHECK_EQ(munlock((void *)memory, 8 * PAGE), 0);
	}
}

TEST(addresses_are_rounded_outward)
{
	volatile char *memory = pages_new(3);

	CHECK_EQ(mlock((void *)(memory + 100), PAGE), 0);
	CHECK_EQ(locked_kib(), 8);
	CHECK_EQ(munlock((void *)(memory + PAGE + 5), 1), 0);
	CHECK_EQ(locked_kib(), 4);
	CHECK_EQ(mlock((void *)memory, 0), 0);
	CHECK_EQ(locked_kib(), 4);
}

TEST(holes_and_overflow_are_refused)
{
	volatile char *memory = pages_new(4);

	CHECK_EQ(munmap((void *)(memory + 2 * PAGE), PAGE), 0);
	CHECK_ERRNO(lock(memory, 4), ENOMEM);
	CHECK_ERRNO(unlock(memory, 4), ENOMEM);
	CHECK_ERRNO(mlock((void *)(memory + 2 * PAGE), 1), ENOMEM);
	CHECK_ERRNO(mlock((void *)memory, (size_t)-1 - (uintptr_t)memory), EINVAL);
	CHECK_ERRNO(syscall(SYS_mlock2, memory, PAGE, 2), EINVAL);
}

TEST(what_may_not_be_touched_cannot_be_locked)
{
	volatile char *memory = memory_map(PAGE, PROT_NONE, MAP_PRIVATE);

	CHECK_ERRNO(lock(memory, 1), ENOMEM);
}

TEST(on_fault_brings_nothing_by_itself)
{
	volatile char *memory = pages_new(4);

	CHECK_EQ(lock_on_fault(memory, 4), 0);
	CHECK_EQ(locked_kib(), 16);
	CHECK(!is_resident(memory));
	memory[0] = 1;
	CHECK(is_resident(memory));
	CHECK_EQ(smaps_number(memory, "Locked:"), 4);
	CHECK_EQ(lock(memory, 4), 0);
	CHECK(is_resident(memory + 3 * PAGE));
	CHECK_EQ(smaps_number(memory, "Locked:"), 16);
}

TEST(locking_breaks_what_fork_shared)
{
	volatile char *memory = pages_new(8);
	struct gate gate = gate_new();

	pages_mark(memory, 8, 'a');
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		_exit(pages_have_marks(memory, 8, 'a') ? 0 : 1);
	}
	CHECK_EQ(lock(memory, 8), 0);
	CHECK_EQ(smaps_number(memory, "Private_Dirty:"), 32);
	CHECK_EQ(smaps_number(memory, "Shared_Dirty:"), 0);
	if (is_cowbell()) {
		proc_number("/proc/self/cow", "frames_copied");         /* its own buffer */
		long long copied = proc_number("/proc/self/cow", "frames_copied");
		for (int i = 0; i < 8; i++)
			memory[i * PAGE] = 'x';
		CHECK_EQ(proc_number("/proc/self/cow", "frames_copied"), copied);
	}
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

TEST(reading_a_locked_private_file_copies_it_once)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/tmp", O_TMPFILE | O_RDWR, 0600);
	char name[] = "/tmp/mlockXXXXXX", byte = 'f';

	if (fd < 0) {
		fd = mkstemp(name);
		CHECK(fd >= 0);
		unlink(name);
	}
	CHECK_EQ(pwrite(fd, &byte, 1, 0), 1);
	volatile char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(memory != MAP_FAILED);
	CHECK_EQ(lock(memory, 1), 0);
	CHECK_EQ(smaps_number(memory, "Anonymous:"), 4);
	byte = 'g';
	CHECK_EQ(pwrite(fd, &byte, 1, 0), 1);
	CHECK_EQ(memory[0], 'f');
}

TEST(rights_that_come_later_break_too)
{
	volatile char *memory = memory_map(4 * PAGE, PROT_READ, MAP_PRIVATE);

	CHECK_EQ(lock(memory, 4), 0);
	CHECK_EQ(smaps_number(memory, "Anonymous:"), 0);
	CHECK_EQ(protect(memory, 4, PROT_READ | PROT_WRITE), 0);
	CHECK_EQ(smaps_number(memory, "Anonymous:"), 16);
}

/* What could be written already is left to the faults. */
TEST(rights_that_were_there_break_nothing)
{
	volatile char *memory = pages_new(4);
	struct gate gate = gate_new();

	if (fork_shares_one_of("n"))
		SKIP("nothing is shared");
	pages_mark(memory, 4, 'a');
	CHECK_EQ(lock(memory, 4), 0);
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		_exit(pages_have_marks(memory, 4, 'a') ? 0 : 1);
	}
	CHECK_EQ(protect(memory, 4, PROT_READ | PROT_WRITE), 0);
	CHECK_EQ(protect(memory, 4, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	CHECK_EQ(smaps_number(memory, "Shared_Dirty:"), 16);
	CHECK_EQ(smaps_number(memory, "Private_Dirty:"), 0);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

TEST(children_have_no_locks)
{
	volatile char *memory = pages_new(4);

	CHECK_EQ(lock(memory, 4), 0);
	CHECK_EQ(mlockall(MCL_FUTURE), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(locked_kib(), 0);
		CHECK_EQ(madvise((void *)memory, 4 * PAGE, MADV_DONTNEED), 0);
		volatile char *more = pages_new(2);
		CHECK(!is_resident(more));
		CHECK_EQ(locked_kib(), 0);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(locked_kib(), 16);
	CHECK_ERRNO(madvise((void *)memory, 4 * PAGE, MADV_DONTNEED), EINVAL);
}

TEST(locked_pages_are_not_given_up)
{
	volatile char *memory = pages_new(4);

	memory[0] = 7;
	CHECK_EQ(lock(memory, 4), 0);
	CHECK_ERRNO(madvise((void *)memory, 4 * PAGE, MADV_DONTNEED), EINVAL);
	CHECK_ERRNO(madvise((void *)memory, 4 * PAGE, MADV_FREE), EINVAL);
	CHECK_EQ(memory[0], 7);
	CHECK_EQ(unlock(memory, 4), 0);
	CHECK_EQ(madvise((void *)memory, 4 * PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(memory[0], 0);
}

TEST(unmapping_unlocks)
{
	volatile char *memory = pages_new(4);

	CHECK_EQ(lock(memory, 4), 0);
	CHECK_EQ(munmap((void *)memory, PAGE), 0);
	CHECK_EQ(locked_kib(), 12);
	void *over = mmap((void *)(memory + PAGE), PAGE, PROT_READ,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(over == memory + PAGE);
	CHECK_EQ(locked_kib(), 8);
	CHECK_EQ(munmap((void *)(memory + PAGE), 3 * PAGE), 0);
	CHECK_EQ(locked_kib(), 0);
}

TEST(map_locked_is_locked)
{
	volatile char *memory = memory_map(4 * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_LOCKED);

	CHECK_EQ(locked_kib(), 16);
	CHECK(is_resident(memory + 3 * PAGE));
}

TEST(what_moves_stays_locked)
{
	volatile char *memory = memory_map(4 * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_LOCKED);

	memory[0] = 9;
	memory = mremap((void *)memory, 4 * PAGE, 16 * PAGE, MREMAP_MAYMOVE);
	CHECK(memory != MAP_FAILED);
	CHECK_EQ(locked_kib(), 64);
	CHECK_EQ(memory[0], 9);
	CHECK(is_resident(memory + 15 * PAGE));
	memory = mremap((void *)memory, 16 * PAGE, 2 * PAGE, 0);
	CHECK_EQ(locked_kib(), 8);
}

TEST(all_that_is_there)
{
	pages_new(4);
	long long size = proc_number("/proc/self/status", "VmSize:");

	CHECK_EQ(mlockall(MCL_CURRENT | MCL_ONFAULT), 0);
	CHECK(locked_kib() >= size - 64);       /* Linux leaves its vdso out */
	volatile char *later = pages_new(4);
	CHECK(!is_resident(later));
	CHECK(locked_kib() <= size);
	CHECK_EQ(munlockall(), 0);
	CHECK_EQ(locked_kib(), 0);
}

TEST(all_that_comes)
{
	CHECK_EQ(mlockall(MCL_FUTURE), 0);
	CHECK_EQ(locked_kib(), 0);
	volatile char *memory = pages_new(4);
	CHECK(is_resident(memory + 3 * PAGE));
	CHECK_EQ(locked_kib(), 16);
	CHECK_EQ(mlockall(MCL_FUTURE | MCL_ONFAULT), 0);
	memory = pages_new(4);
	CHECK(!is_resident(memory));
	CHECK_EQ(munlockall(), 0);
	pages_new(4);
	CHECK_EQ(locked_kib(), 0);
}

TEST(the_heap_grows_locked)
{
	long heap = syscall(SYS_brk, 0);
	long grown = (heap / PAGE + 16) * PAGE;

	CHECK_EQ(mlockall(MCL_FUTURE), 0);
	CHECK_EQ(syscall(SYS_brk, grown), grown);
	CHECK(locked_kib() >= 15 * 4);
	CHECK(is_resident((char *)grown - PAGE));
}

TEST(flags_of_mlockall_are_judged)
{
	CHECK_ERRNO(mlockall(0), EINVAL);
	CHECK_ERRNO(mlockall(MCL_ONFAULT), EINVAL);
	CHECK_ERRNO(mlockall(MCL_CURRENT | 8), EINVAL);
}

TEST(the_limit_is_a_sum)
{
	volatile char *memory = pages_new(32);

	become_limited(FIRST_LIMIT);
	CHECK_EQ(lock(memory, FIRST_LIMIT), 0);
	CHECK_ERRNO(lock(memory + 16 * PAGE, 1), ENOMEM);
	CHECK_EQ(lock(memory, FIRST_LIMIT), 0);         /* the same pages count once */
	CHECK_ERRNO(lock(memory, FIRST_LIMIT + 1), ENOMEM);
	CHECK_EQ(unlock(memory, 1), 0);
	CHECK_EQ(lock(memory + 16 * PAGE, 1), 0);
	CHECK_EQ(locked_kib(), FIRST_LIMIT * 4);
}

TEST(the_limit_holds_for_mappings)
{
	become_limited(FIRST_LIMIT);
	void *memory = mmap(NULL, (FIRST_LIMIT + 1) * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	CHECK(memory == MAP_FAILED && errno == EAGAIN);
	memory = mmap(NULL, FIRST_LIMIT * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	CHECK(memory != MAP_FAILED);
	void *grown = mremap(memory, FIRST_LIMIT * PAGE, (FIRST_LIMIT + 1) * PAGE, MREMAP_MAYMOVE);
	CHECK(grown == MAP_FAILED && errno == EAGAIN);
	CHECK_EQ(mlockall(MCL_FUTURE), 0);
	memory = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory == MAP_FAILED && errno == EAGAIN);
	CHECK_ERRNO(mlockall(MCL_CURRENT), ENOMEM);
}

TEST(a_limit_of_zero_forbids)
{
	volatile char *memory = pages_new(1);

	become_limited(0);
	CHECK_ERRNO(lock(memory, 1), EPERM);
	CHECK_ERRNO(lock_on_fault(memory, 1), EPERM);
	CHECK_ERRNO(mlockall(MCL_CURRENT), EPERM);
	/* the C library's own mmap() calls it ENOMEM */
	CHECK_ERRNO(syscall(SYS_mmap, 0, PAGE, PROT_READ,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0), EPERM);
	CHECK_EQ(unlock(memory, 1), 0);
	CHECK_EQ(munlockall(), 0);
}

TEST(the_superuser_has_no_limit)
{
	struct rlimit limit = {0, 0};
	volatile char *memory = pages_new(4);

	if (geteuid() != 0)
		SKIP("not the superuser");
	CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	if (lock(memory, 4) != 0 && !is_cowbell())
		SKIP("a superuser without that right");
	CHECK_EQ(locked_kib(), 16);
}
