/* SPDX-License-Identifier: MIT */
// cow
// cowbell-only
/*
 * tests/user/reflink_cost.c - what sharing bytes costs, counted by the kernel: the same for a
 * gibibyte as for a page.
 */
#include "temp_dir.h"
#include "memory.h"

#include <sys/ioctl.h>
#include <sys/mount.h>

enum { CLONE = 0x40049409, CLONE_RANGE = 0x4020940d, PART_MIB = 32 };

struct clone_range {
	int64_t from_fd;
	uint64_t from, len, to;
};

static const char *const works[] = {"frames_copied ", "frames_zeroed ", "tables_created ",
	"tables_copied ", "entries_shared ", "faults "};
enum { WORKS = sizeof(works) / sizeof(*works) };

struct cost {
	long long work[WORKS], free_kib;
};

static struct cost cost_now(void)
{
	struct cost cost;

	cost.free_kib = proc_number("/proc/meminfo", "MemFree:");
	for (int i = 0; i < WORKS; i++)
		cost.work[i] = proc_number("/proc/cow", works[i]);
	return cost;
}

static int file_new(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0);
	return fd;
}

static int file_of_mib(const char *name, size_t mib)
{
	int fd = file_new(name);

	CHECK_EQ(ftruncate(fd, mib * MIB), 0);
	for (size_t at = 0; at < mib * MIB; at += PAGE)
		CHECK_EQ(pwrite(fd, "f", 1, at), 1);
	return fd;
}

/* ---- files larger than memory ---- */

static void may_promise(char mode)
{
	int fd = open("/proc/sys/vm/overcommit_memory", O_WRONLY);

	CHECK_EQ(write(fd, &mode, 1), 1);
	close(fd);
}

/* Limits and promises count a page as often as files have it: here is neither. */
static void run_without_limits(void (*run)(void))
{
	CHECK_EQ(mkdir("fs", 0755), 0);
	CHECK_EQ(mount("tmpfs", "fs", "tmpfs", 0, "size=0"), 0);
	may_promise('1');
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(chdir("fs"), 0);
		run();
		_exit(0);
	}
	int status = utest_wait(pid);
	may_promise('0');
	CHECK_EQ(umount("fs"), 0);
	CHECK_EQ(status, 0);
}

#define LARGE_TEST(name_) \
	static void large_##name_(void); \
	DIR_TEST(name_) { run_without_limits(large_##name_); } \
	static void large_##name_(void)

/* A gibibyte of pages, all present, in the memory of a part of it. */
static int file_of_a_gibibyte(void)
{
	int part = file_of_mib("part", PART_MIB), fd = file_new("big");

	for (size_t at = 0; at < GIB; at += PART_MIB * MIB) {
		struct clone_range range = {part, 0, PART_MIB * MIB, at};
		CHECK_EQ(ioctl(fd, CLONE_RANGE, &range), 0);
	}
	CHECK_EQ(stat_of("big").st_blocks, GIB / 512);
	return fd;
}

/* What the second of two clones of the file costs: the first has brought what looking needs. */
static struct cost clone_cost(int from, const char *name)
{
	int to = file_new(name);

	cost_now();
	CHECK_EQ(ioctl(to, CLONE, from), 0);
	CHECK_EQ(ftruncate(to, 0), 0);
	struct cost before = cost_now(), after, looking;
	CHECK_EQ(ioctl(to, CLONE, from), 0);
	after = cost_now();
	looking = cost_now();
	for (int i = 0; i < WORKS; i++)
		after.work[i] -= before.work[i] + (looking.work[i] - after.work[i]);
	after.free_kib = before.free_kib - after.free_kib;
	return after;
}

LARGE_TEST(a_gibibyte_costs_what_a_page_costs)
{
	int page = file_with("page", "x"), big = file_of_a_gibibyte();
	struct cost small_cost = clone_cost(page, "a"), big_cost = clone_cost(big, "b");

	for (int i = 0; i < WORKS; i++) {
		CHECK(big_cost.work[i] <= small_cost.work[i] + 1);
		CHECK(big_cost.work[i] < 8);
	}
	CHECK(big_cost.free_kib <= 64);
	CHECK_EQ(stat_of("b").st_size, GIB);
}

/* A write to a clone copies the page and the tables above it. */
LARGE_TEST(a_write_copies_one_page_and_its_path)
{
	int big = file_of_a_gibibyte(), twin = file_new("twin");

	CHECK_EQ(ioctl(twin, CLONE, big), 0);
	cost_now();
	struct cost before = cost_now();
	CHECK_EQ(pwrite(twin, "w", 1, 700 * MIB), 1);
	struct cost after = cost_now();
	CHECK(after.work[0] - before.work[0] <= 2);     /* frames_copied */
	CHECK(after.work[3] - before.work[3] <= 3);     /* tables_copied */
	CHECK(before.free_kib - after.free_kib <= 64);
}

LARGE_TEST(copying_a_gibibyte_shares_it_too)
{
	int big = file_of_a_gibibyte(), twin = file_new("twin");
	struct cost before = cost_now();

	CHECK_EQ(copy_file_range(big, NULL, twin, NULL, GIB, 0), GIB);
	struct cost after = cost_now();
	CHECK_EQ(after.work[0], before.work[0]);
	CHECK(before.free_kib - after.free_kib <= 128);
}

/* To copy a file up is to clone it. */
LARGE_TEST(copying_up_a_gibibyte_shares_it_too)
{
	CHECK_EQ(mkdir("base", 0755), 0);
	CHECK_EQ(mkdir("upper", 0755), 0);
	CHECK_EQ(mkdir("work", 0755), 0);
	CHECK_EQ(mkdir("merged", 0755), 0);
	int big = file_of_a_gibibyte();
	CHECK_EQ(rename("big", "base/big"), 0);
	close(big);
	CHECK_EQ(mount("overlay", "merged", "overlay", 0,
		"lowerdir=base,upperdir=upper,workdir=work"), 0);
	cost_now();
	struct cost before = cost_now();
	int fd = open("merged/big", O_RDWR);
	CHECK(fd >= 0);
	CHECK_EQ(pwrite(fd, "u", 1, 5), 1);
	struct cost after = cost_now();
	CHECK(after.work[0] - before.work[0] <= 2);
	CHECK(before.free_kib - after.free_kib <= 128);
	CHECK_EQ(stat_of("upper/big").st_size, GIB);
	close(fd);
	CHECK_EQ(umount("merged"), 0);
}
