/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/proc_sharing.c - what /proc says of memory that several processes see: to the page,
 * for each of them, also where their tables have different shapes.
 *
 * Three processes: the parent forks a child and writes to some pages, the child forks a grandchild,
 * which writes to others.  Where fork shares nothing, each has all pages for itself.
 */
#include "memory.h"

PAGES_ARE_COUNTED

enum { PAGES = 60, PARENT_WROTE = 8, GRANDCHILD_WROTE = 4 };
enum { PARENT, CHILD, GRANDCHILD, FAMILY };

static struct family {
	volatile char *pages;
	pid_t pid[FAMILY];
	struct gate gate;
} family;

/* Pages in a mapping of their own: a page without rights stands on both sides. */
static volatile char *island_new(size_t count, int flags, int fd)
{
	volatile char *sea = memory_map((count + 2) * PAGE, PROT_NONE, MAP_PRIVATE);
	void *island = mmap((void *)(sea + PAGE), count * PAGE, PROT_READ | PROT_WRITE,
		flags | MAP_FIXED, fd, 0);

	CHECK(island == sea + PAGE);
	return island;
}

static void live_as_child(int to_parent)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (int i = 0; i < GRANDCHILD_WROTE; i++)
			family.pages[(PARENT_WROTE + i) * PAGE] = 'g';
		gate_pass(family.gate);
		_exit(0);
	}
	child_settle(pid);
	CHECK_EQ(write(to_parent, &pid, sizeof(pid)), sizeof(pid));
	gate_pass(family.gate);
	CHECK_EXIT(pid, 0);
	_exit(0);
}

static void family_start(volatile char *pages)
{
	int pipes[2], to_child[2];
	char byte = 0;

	CHECK_EQ(pipe(pipes), 0);
	CHECK_EQ(pipe(to_child), 0);
	family.pages = pages;
	family.gate = gate_new();
	pages_mark(pages, PAGES, 1);
	family.pid[PARENT] = getpid();
	family.pid[CHILD] = fork();
	if (family.pid[CHILD] == 0) {
		CHECK_EQ(read(to_child[0], &byte, 1), 1);
		live_as_child(pipes[1]);
	}
	for (int i = 0; i < PARENT_WROTE; i++)
		pages[i * PAGE] = 'p';
	CHECK_EQ(write(to_child[1], &byte, 1), 1);
	CHECK_EQ(read(pipes[0], &family.pid[GRANDCHILD], sizeof(pid_t)), sizeof(pid_t));
	child_settle(family.pid[CHILD]);
}

static void family_end(void)
{
	gate_open(family.gate);
	CHECK_EXIT(family.pid[CHILD], 0);
}

/* ---- what is said of it ---- */

/* A field of the island in smaps. */
static long long island_kib(int who, const char *name)
{
	long long value = -1;
	bool is_here = false;
	char line[512], start[32];

	snprintf(line, sizeof(line), "/proc/%d/smaps", (int)family.pid[who]);
	FILE *stream = fopen(line, "r");
	CHECK(stream);
	snprintf(start, sizeof(start), "%08lx-", (unsigned long)(uintptr_t)family.pages);
	while (value < 0 && fgets(line, sizeof(line), stream)) {
		is_here |= strncmp(line, start, strlen(start)) == 0;
		if (is_here && strncmp(line, name, strlen(name)) == 0)
			value = strtoll(line + strlen(name), NULL, 10);
	}
	fclose(stream);
	return value;
}

static bool fork_shares_nothing(void)
{
	char share = 0;
	int fd = open("/proc/sys/vm/fork_share", O_RDONLY);

	if (fd >= 0) {
		CHECK_EQ(read(fd, &share, 1), 1);
		close(fd);
	}
	return share == 'n';
}

/* Pages seen by one, two and three processes, in KiB as smaps rounds them. */
static long long pss_of(int alone, int by_two, int by_three)
{
	const uint64_t page = (uint64_t)PAGE << 12;

	return (long long)((alone * page + by_two * (page / 2) + by_three * (page / 3)) >> 22);
}

static void check_island(int who, int alone, int by_two, int by_three)
{
	if (fork_shares_nothing()) {
		alone += by_two + by_three;
		by_two = by_three = 0;
	}
	CHECK_EQ(island_kib(who, "Rss:"), PAGES * 4);
	CHECK_EQ(island_kib(who, "Private_Dirty:"), alone * 4);
	CHECK_EQ(island_kib(who, "Shared_Dirty:"), (by_two + by_three) * 4);
	CHECK_EQ(island_kib(who, "Pss:"), pss_of(alone, by_two, by_three));
	CHECK_EQ(island_kib(who, "Anonymous:"), PAGES * 4);
}

enum { ALL_THREE = PAGES - PARENT_WROTE - GRANDCHILD_WROTE };

TEST(each_gets_its_part_of_each_page)
{
	family_start(island_new(PAGES, MAP_PRIVATE | MAP_ANONYMOUS, -1));
	check_island(PARENT, PARENT_WROTE, GRANDCHILD_WROTE, ALL_THREE);
	check_island(CHILD, 0, PARENT_WROTE + GRANDCHILD_WROTE, ALL_THREE);
	check_island(GRANDCHILD, GRANDCHILD_WROTE, PARENT_WROTE, ALL_THREE);
	family_end();
}

/* The parts of all three: all frames there are, less what rounding takes from each. */
static void check_total(int frames)
{
	long long sum = 0;

	for (int who = 0; who < FAMILY; who++)
		sum += island_kib(who, "Pss:");
	CHECK(sum <= frames * 4);
	CHECK(sum >= frames * 4 - FAMILY);
}

TEST(parts_add_up_to_the_frames_there_are)
{
	family_start(island_new(PAGES, MAP_PRIVATE | MAP_ANONYMOUS, -1));
	check_total(fork_shares_nothing() ? FAMILY * PAGES
	                                  : PAGES + PARENT_WROTE + GRANDCHILD_WROTE);
	family_end();
}

/* Whoever has looked at them, they are no more than they are. */
TEST(shared_memory_stays_what_it_is)
{
	family_start(island_new(PAGES, MAP_SHARED | MAP_ANONYMOUS, -1));
	check_total(PAGES);
	for (int who = 0; who < FAMILY; who++)
		CHECK_EQ(island_kib(who, "Anonymous:"), 0);
	CHECK_EQ(island_kib(PARENT, "Rss:"), PAGES * 4);
	family_end();
}

TEST(pages_of_a_file_are_divided_until_they_are_written)
{
	char name[] = "/tmp/sharingXXXXXX";
	int fd = mkstemp(name);

	CHECK(fd >= 0);
	unlink(name);
	CHECK_EQ(ftruncate(fd, PAGES * PAGE), 0);
	family_start(island_new(PAGES, MAP_PRIVATE, fd));
	CHECK_EQ(island_kib(PARENT, "Anonymous:"), PAGES * 4);
	check_island(GRANDCHILD, GRANDCHILD_WROTE, PARENT_WROTE, ALL_THREE);
	family_end();
}

/* ---- frames ---- */

#define PRESENT   (1ull << 63)
#define FILE_PAGE (1ull << 61)
#define EXCLUSIVE (1ull << 56)
#define FRAME     ((1ull << 55) - 1)

static uint64_t word_at(const char *path, uint64_t number)
{
	int fd = open(path, O_RDONLY);
	uint64_t word = 0;

	CHECK(fd >= 0);
	CHECK_EQ(pread(fd, &word, sizeof(word), (off_t)(number * sizeof(word))), sizeof(word));
	close(fd);
	return word;
}

static uint64_t pagemap(int who, int page)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)family.pid[who]);
	return word_at(path, (uintptr_t)family.pages / PAGE + page);
}

static void check_frame(int who, int page, uint64_t times)
{
	uint64_t word = pagemap(who, page);

	if (fork_shares_nothing())
		times = 1;
	CHECK_EQ(word & (PRESENT | FILE_PAGE), PRESENT);
	CHECK_EQ((word & EXCLUSIVE) != 0, times == 1);
	CHECK_EQ(word_at("/proc/kpagecount", word & FRAME), times);
	uint64_t flags = word_at("/proc/kpageflags", word & FRAME);
	CHECK(flags & 1 << 11);                 /* mapped */
	CHECK(flags & 1 << 12);                 /* anonymous */
}

TEST(frames_are_mapped_as_often_as_processes_see_them)
{
	family_start(island_new(PAGES, MAP_PRIVATE | MAP_ANONYMOUS, -1));
	if ((pagemap(PARENT, 0) & FRAME) == 0 || access("/proc/kpagecount", R_OK) != 0) {
		family_end();
		SKIP("frames are not shown to us");
	}
	check_frame(PARENT, 0, 1);
	check_frame(CHILD, 0, 2);
	check_frame(GRANDCHILD, 0, 2);
	check_frame(PARENT, PARENT_WROTE, 2);
	check_frame(GRANDCHILD, PARENT_WROTE, 1);
	for (int who = 0; who < FAMILY; who++)
		check_frame(who, PAGES - 1, 3);
	family_end();
}

/* ---- who may look ---- */

TEST(others_may_not_look)
{
	char path[64];
	static const char *const secret[] = { "maps", "smaps", "smaps_rollup", "pagemap" };

	if (geteuid() != 0)
		SKIP("only the superuser can become somebody else");
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		CHECK_EQ(setresuid(65534, 65534, 65534), 0);
		for (size_t i = 0; i < sizeof(secret) / sizeof(*secret); i++) {
			snprintf(path, sizeof(path), "/proc/%d/%s", (int)parent, secret[i]);
			CHECK_ERRNO(open(path, O_RDONLY), EACCES);
		}
		snprintf(path, sizeof(path), "/proc/%d/clear_refs", (int)parent);
		CHECK_ERRNO(open(path, O_WRONLY), EACCES);
		CHECK_ERRNO(open("/proc/kpagecount", O_RDONLY), EACCES);
		CHECK_ERRNO(open("/proc/kpageflags", O_RDONLY), EACCES);
		snprintf(path, sizeof(path), "/proc/%d/status", (int)parent);
		CHECK(open(path, O_RDONLY) >= 0);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
}
