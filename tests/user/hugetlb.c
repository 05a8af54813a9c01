/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/hugetlb.c - MAP_HUGETLB: huge pages set aside in a pool.
 */
#include "memory.h"

enum { HUGE = 512 * PAGE, POOL = 6 };

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif

static long long pool(const char *line)
{
	return proc_number("/proc/meminfo", line);
}

static bool pool_resize(long long pages)
{
	int fd = open("/proc/sys/vm/nr_hugepages", O_WRONLY);
	bool is_done = fd >= 0 && dprintf(fd, "%lld\n", pages) > 0;

	close(fd);
	return is_done && pool("HugePages_Total:") == pages;
}

/* Only where the pool is ours to fill: others may have set pages aside for themselves. */
#define NEED_POOL() \
	do { \
		if (pool("HugePages_Total:") != 0) \
			SKIP("the pool is somebody's"); \
		if (!pool_resize(POOL)) { \
			pool_resize(0); \
			SKIP("no huge pages to be had"); \
		} \
	} while (0)

/* Everything that was taken is back. */
static void pool_end(void)
{
	CHECK_EQ(pool("HugePages_Free:"), POOL);
	CHECK_EQ(pool("HugePages_Rsvd:"), 0);
	CHECK(pool_resize(0));
}

static volatile char *map(size_t pages, int flags)
{
	return mmap(NULL, pages * HUGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | flags, -1, 0);
}

static void unmap(volatile char *memory, size_t pages)
{
	CHECK_EQ(munmap((void *)memory, pages * HUGE), 0);
}

TEST(a_pool_without_pages_has_none_to_give)
{
	if (pool("HugePages_Total:") != 0)
		SKIP("there are some");
	CHECK_ERRNO((long)map(1, 0), ENOMEM);
	CHECK_ERRNO((long)map(1, 22 << MAP_HUGE_SHIFT), EINVAL);
}

TEST(a_mapping_is_promised_its_pages)
{
	NEED_POOL();
	volatile char *memory = map(2, 0);
	CHECK(memory != MAP_FAILED);
	CHECK_EQ((uintptr_t)memory % HUGE, 0);
	CHECK_EQ(pool("HugePages_Rsvd:"), 2);
	CHECK_EQ(pool("HugePages_Free:"), POOL);
	CHECK_ERRNO((long)map(POOL - 1, 0), ENOMEM);
	memory[HUGE + 5] = 'x';
	CHECK_EQ(pool("HugePages_Rsvd:"), 1);
	CHECK_EQ(pool("HugePages_Free:"), POOL - 1);
	CHECK(bytes_are(memory + HUGE + 6, HUGE - 6, 0));
	unmap(memory, 2);
	pool_end();
}

TEST(a_length_is_rounded_up_and_may_not_be_cut)
{
	NEED_POOL();
	volatile char *memory = mmap(NULL, HUGE + PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	CHECK(memory != MAP_FAILED);
	memory[2 * HUGE - 1] = 'x';
	CHECK_ERRNO(munmap((void *)(memory + PAGE), HUGE), EINVAL);
	CHECK_ERRNO(munmap((void *)memory, PAGE), EINVAL);
	CHECK_ERRNO(protect(memory + PAGE, 1, PROT_READ), EINVAL);
	CHECK_EQ(protect(memory + HUGE, 512, PROT_READ), 0);
	CHECK_EQ(memory[2 * HUGE - 1], 'x');
	CHECK_FAULT(memory + HUGE, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	unmap(memory, 1);
	unmap(memory + HUGE, 1);
	pool_end();
}

TEST(parent_and_child_part)
{
	struct gate gate = gate_new();

	NEED_POOL();
	volatile char *memory = map(2, 0);
	CHECK(memory != MAP_FAILED);
	pages_mark(memory, 1024, 1);
	pid_t pid = fork();
	if (pid == 0) {
		memory[3 * PAGE] = 'c';
		CHECK(pages_have_marks(memory + 4 * PAGE, 1020, 5));
		gate_pass(gate);
		CHECK(pages_have_marks(memory + 4 * PAGE, 1020, 5));
		CHECK_EQ(memory[3 * PAGE], 'c');
		_exit(0);
	}
	child_settle(pid);
	CHECK_EQ(memory[3 * PAGE], 4);
	CHECK_EQ(pool("HugePages_Free:"), POOL - 3);
	memory[HUGE] = 'p';
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory + HUGE + PAGE, 511, 2));
	unmap(memory, 2);
	pool_end();
}

/* The child was promised nothing. */
TEST(a_child_that_finds_no_page_gets_a_signal)
{
	NEED_POOL();
	volatile char *memory = map(POOL, 0);
	CHECK(memory != MAP_FAILED);
	pages_mark(memory, POOL * 512, 1);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(pages_have_marks(memory, POOL * 512, 1));
		CHECK_EQ(fault_of(memory, TO_WRITE).si_signo, SIGBUS);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory, POOL * 512, 1));
	memory[0] = 'x';
	unmap(memory, POOL);
	pool_end();
}

TEST(dropped_pages_go_back_and_come_as_zeros)
{
	NEED_POOL();
	volatile char *memory = map(2, 0);
	CHECK(memory != MAP_FAILED);
	pages_mark(memory, 1024, 1);
	CHECK_EQ(madvise((void *)memory, HUGE, MADV_DONTNEED), 0);
	CHECK(bytes_are(memory, HUGE, 0));
	CHECK(pages_have_marks(memory + HUGE, 512, 1));
	unmap(memory, 2);
	pool_end();
}

TEST(exit_gives_everything_back)
{
	NEED_POOL();
	pid_t pid = fork();
	if (pid == 0) {
		volatile char *memory = map(4, 0);

		CHECK(memory != MAP_FAILED);
		memory[0] = memory[2 * HUGE] = 'x';
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	pool_end();
}

TEST(they_are_counted_apart)
{
	NEED_POOL();
	long long resident = proc_number("/proc/self/smaps_rollup", "Rss:");
	volatile char *memory = map(1, 0);
	CHECK(memory != MAP_FAILED);
	memory[0] = 'x';
	CHECK_EQ(proc_number("/proc/self/smaps_rollup", "Private_Hugetlb:"), 2048);
	CHECK(proc_number("/proc/self/smaps_rollup", "Rss:") < resident + 2048);
	unmap(memory, 1);
	pool_end();
}
