/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/mm_accounting.c - what /proc says of memory: of a process, of a page, of the system.
 */
#include "memory.h"

#include <sys/syscall.h>

PAGES_ARE_COUNTED

#define SELF "/proc/self/"

static volatile char *kept;             /* by the children of a test */

/* The sum of a field over all ranges in smaps. */
static long long smaps_sum(const char *name)
{
	FILE *file = fopen(SELF "smaps", "r");
	long long sum = 0;
	char line[512];

	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, strlen(name)) == 0)
			sum += strtoll(line + strlen(name), NULL, 10);
	}
	fclose(file);
	return sum;
}

static long long status_kib(const char *name)
{
	return proc_number(SELF "status", name);
}

static long long rollup_kib(const char *name)
{
	return proc_number(SELF "smaps_rollup", name);
}

/* A field of the range that begins at `at`, in smaps. */
static long long range_kib(volatile char *at, const char *name)
{
	FILE *file = fopen(SELF "smaps", "r");
	long long value = -1;
	bool is_here = false;
	char line[512], start[32];

	CHECK(file);
	snprintf(start, sizeof(start), "%08lx-", (unsigned long)(uintptr_t)at);
	while (value < 0 && fgets(line, sizeof(line), file)) {
		is_here |= strncmp(line, start, strlen(start)) == 0;
		if (is_here && strncmp(line, name, strlen(name)) == 0)
			value = strtoll(line + strlen(name), NULL, 10);
	}
	fclose(file);
	return value;
}

/* Pages in a mapping of their own: a page without rights stands on both sides. */
static volatile char *island_new(size_t count, int flags)
{
	volatile char *sea = memory_map((count + 2) * PAGE, PROT_NONE, MAP_PRIVATE);
	void *island = mmap((void *)(sea + PAGE), count * PAGE, PROT_READ | PROT_WRITE,
		flags | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	CHECK(island == sea + PAGE);
	return island;
}

static void read_numbers(const char *path, long long *numbers, int count)
{
	FILE *file = fopen(path, "r");

	CHECK(file);
	for (int i = 0; i < count; i++)
		CHECK_EQ(fscanf(file, "%lld", &numbers[i]), 1);
	fclose(file);
}

/* ---- a process ---- */

TEST(resident_memory_is_told_by_kind)
{
	char name[] = "/tmp/accountingXXXXXX";
	int fd = mkstemp(name);

	CHECK(fd >= 0);
	unlink(name);
	CHECK_EQ(ftruncate(fd, 8 * PAGE), 0);
	volatile char *anonymous = island_new(16, MAP_PRIVATE), *shared = island_new(4, MAP_SHARED);
	volatile char *file = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(file != MAP_FAILED);
	status_kib("RssAnon:");                 /* what reading itself takes is there already */
	long long anon = status_kib("RssAnon:"), shmem = status_kib("RssShmem:");
	pages_mark(anonymous, 16, 1);
	pages_mark(shared, 4, 1);
	CHECK(file[0] == 0);
	file[PAGE] = 1;
	long long grown = status_kib("RssAnon:") - anon;
	CHECK(grown >= 17 * 4 && grown <= 19 * 4);
	CHECK(status_kib("RssShmem:") >= shmem + 16);
	CHECK_EQ(range_kib(anonymous, "Rss:"), 64);
	CHECK_EQ(range_kib(anonymous, "Anonymous:"), 64);
	CHECK_EQ(range_kib(anonymous, "Private_Dirty:"), 64);
	CHECK_EQ(range_kib(shared, "Rss:"), 16);
	CHECK_EQ(range_kib(shared, "Anonymous:"), 0);
	CHECK_EQ(range_kib(file, "Anonymous:"), 4);
}

TEST(all_files_say_the_same)
{
	long long statm[7];

	pages_mark(pages_new(64), 64, 1);
	smaps_sum("Rss:");
	rollup_kib("Rss:");
	status_kib("VmRSS:");
	long long sum = smaps_sum("Rss:"), rollup = rollup_kib("Rss:"), rss = status_kib("VmRSS:");
	read_numbers(SELF "statm", statm, 7);
	CHECK(sum - rollup >= 0 && sum - rollup <= 8);  /* Linux leaves its vdso out */
	CHECK(rss - sum <= 64 && sum - rss <= 64);      /* Linux counts in batches */
	CHECK(statm[1] * 4 - sum <= 64 && sum - statm[1] * 4 <= 64);
	CHECK(statm[0] * 4 - status_kib("VmSize:") <= 16);      /* the heap may have moved */
	CHECK_EQ(rss, status_kib("RssAnon:") + status_kib("RssFile:") + status_kib("RssShmem:"));
	long long dirty = smaps_sum("Private_Dirty:");  /* with a buffer that is gone later */
	CHECK(dirty - rollup_kib("Private_Dirty:") >= 0);
	CHECK(dirty - rollup_kib("Private_Dirty:") <= 8);
	CHECK(status_kib("VmHWM:") >= rss && status_kib("VmPeak:") >= status_kib("VmSize:"));
	CHECK(status_kib("VmPTE:") > 0);
	CHECK_EQ(status_kib("VmSwap:"), 0);
}

TEST(fork_shares_and_writing_makes_private)
{
	struct gate gate = gate_new();

	kept = island_new(64, MAP_PRIVATE);
	pages_mark(kept, 64, 1);
	CHECK_EQ(range_kib(kept, "Private_Dirty:"), 256);
	CHECK_EQ(range_kib(kept, "Shared_Dirty:"), 0);
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		_exit(0);
	}
	for (int written = 1; written <= 4; written++) {
		kept[written * PAGE] = 'x';
		long long mine = range_kib(kept, "Private_Dirty:");
		CHECK_EQ(mine + range_kib(kept, "Shared_Dirty:"), 256);
		CHECK(mine >= written * 4);
	}
	CHECK_EQ(range_kib(kept, "Rss:"), 256);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(range_kib(kept, "Private_Dirty:"), 256);
}

/* Half for each of two. */
TEST(shared_pages_are_divided_among_their_holders)
{
	struct gate gate = gate_new();

	kept = island_new(64, MAP_PRIVATE);
	pages_mark(kept, 64, 1);
	CHECK_EQ(range_kib(kept, "Pss:"), 256);
	if (fork_shares_one_of("n"))
		SKIP("nothing is shared");
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		_exit(0);
	}
	CHECK_EQ(range_kib(kept, "Pss:"), 128);
	CHECK_EQ(range_kib(kept, "Shared_Dirty:"), 256);
	kept[0] = 'x';
	CHECK_EQ(range_kib(kept, "Pss:"), 4 + 126);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

TEST(the_peak_can_begin_anew)
{
	int fd = open(SELF "clear_refs", O_WRONLY);

	CHECK(fd >= 0);
	volatile char *memory = pages_new(2048);
	pages_mark(memory, 2048, 1);
	pages_free(memory, 2048);
	CHECK(status_kib("VmHWM:") >= status_kib("VmRSS:") + 7000);
	CHECK_EQ(write(fd, "5", 1), 1);
	CHECK(status_kib("VmHWM:") < status_kib("VmRSS:") + 1000);
	for (char what = '1'; what <= '4'; what++)
		CHECK_EQ(write(fd, &what, 1), 1);
	CHECK_ERRNO(write(fd, "0", 1), EINVAL);
	CHECK_ERRNO(write(fd, "6", 1), EINVAL);
}

/* ---- a page ---- */

#define PRESENT   (1ull << 63)
#define FILE_PAGE (1ull << 61)
#define EXCLUSIVE (1ull << 56)
#define SOFT_DIRTY (1ull << 55)
#define FRAME     ((1ull << 55) - 1)

static uint64_t pagemap(volatile char *at)
{
	static int fd = -1;
	uint64_t word = 0;

	if (fd < 0)
		fd = open(SELF "pagemap", O_RDONLY);
	CHECK(fd >= 0);
	CHECK_EQ(pread(fd, &word, 8, (off_t)((uintptr_t)at / PAGE * 8)), 8);
	return word;
}

TEST(pagemap_tells_what_is_there)
{
	volatile char *memory = pages_new(4), *shared = memory_map(PAGE, PROT_READ | PROT_WRITE,
		MAP_SHARED);

	CHECK_EQ(pagemap(memory) & PRESENT, 0);
	memory[0] = 1;
	shared[0] = 1;
	CHECK_EQ(pagemap(memory) & (PRESENT | FILE_PAGE | EXCLUSIVE), PRESENT | EXCLUSIVE);
	CHECK_EQ(pagemap(memory + PAGE), pagemap(memory + 2 * PAGE));
	CHECK_EQ(pagemap(shared) & (PRESENT | FILE_PAGE), PRESENT | FILE_PAGE);
	CHECK_EQ(madvise((void *)memory, PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(pagemap(memory) & PRESENT, 0);
	CHECK_EQ(pagemap((char *)PAGE), 0);
}

/* Who keeps soft-dirty bits shows them clear until the next write; who does not, always. */
TEST(soft_dirty_is_clear_once_it_was_cleared)
{
	volatile char *memory = pages_new(1);
	int fd = open(SELF "clear_refs", O_WRONLY);

	memory[0] = 1;
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "4", 1), 1);
	CHECK_EQ(pagemap(memory) & SOFT_DIRTY, 0);
	CHECK_EQ(memory[0], 1);
}

TEST(pagemap_is_read_in_words)
{
	int fd = open(SELF "pagemap", O_RDONLY);
	volatile char *memory = pages_new(1200);
	static uint64_t words[1200];

	CHECK(fd >= 0);
	for (int i = 0; i < 1200; i += 3)
		memory[i * PAGE] = 1;
	off_t at = (off_t)((uintptr_t)memory / PAGE * 8);
	CHECK_ERRNO(pread(fd, words, 4, at), EINVAL);
	CHECK_ERRNO(pread(fd, words, 8, at + 4), EINVAL);
	CHECK_EQ(pread(fd, words, sizeof(words), at), sizeof(words));
	for (int i = 0; i < 1200; i++)
		CHECK_EQ(words[i] >> 63, i % 3 == 0);
	CHECK_EQ(pread(fd, words, 8, (off_t)1 << 50), 0);
}

TEST(writing_after_fork_changes_the_frame)
{
	volatile char *memory = pages_new(2);
	struct gate gate = gate_new();

	pages_mark(memory, 2, 1);
	uint64_t before = pagemap(memory);
	if ((before & FRAME) == 0)
		SKIP("frames are not shown to us");
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		_exit(0);
	}
	memory[0] = 'x';
	if ((pagemap(memory + PAGE) & EXCLUSIVE) == 0)          /* it was shared at all */
		CHECK(((pagemap(memory) ^ before) & FRAME) != 0);
	CHECK(pagemap(memory) & EXCLUSIVE);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

TEST(frames_are_secret)
{
	volatile char *memory = pages_new(1);

	if (geteuid() != 0)
		SKIP("only the superuser can become somebody else");
	memory[0] = 1;
	CHECK_EQ(setresuid(65534, 65534, 65534), 0);
	int fd = open(SELF "pagemap", O_RDONLY);
	uint64_t word = 0;
	if (fd < 0)
		return;                         /* not even that */
	CHECK_EQ(pread(fd, &word, 8, (off_t)((uintptr_t)memory / PAGE * 8)), 8);
	CHECK_EQ(word & FRAME, 0);
	CHECK(word & PRESENT);
}

TEST(a_frame_knows_how_often_it_is_mapped)
{
	int fd = open("/proc/kpagecount", O_RDONLY);
	volatile char *memory = pages_new(1);
	uint64_t count = 0;

	memory[0] = 1;
	off_t frame = (off_t)(pagemap(memory) & FRAME);
	if (fd < 0 || frame == 0)
		SKIP("frames are not shown to us");
	CHECK_EQ(pread(fd, &count, 8, frame * 8), 8);
	CHECK_EQ(count, 1);
	int flags = open("/proc/kpageflags", O_RDONLY);
	CHECK(flags >= 0);
	CHECK_EQ(pread(flags, &count, 8, frame * 8), 8);
	CHECK(count & (1 << 11));               /* mapped */
}

/* ---- who goes first ---- */

static ssize_t write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	CHECK(fd >= 0);
	ssize_t n = write(fd, text, strlen(text));
	int error = errno;
	close(fd);
	errno = error;
	return n;
}

TEST(adjustment_has_two_scales)
{
	CHECK_EQ(write_text(SELF "oom_score_adj", "500"), 3);
	CHECK_EQ(proc_number(SELF "oom_score_adj", ""), 500);
	CHECK_EQ(proc_number(SELF "oom_adj", ""), 8);
	CHECK_EQ(write_text(SELF "oom_adj", "15"), 2);
	CHECK_EQ(proc_number(SELF "oom_score_adj", ""), 1000);
	CHECK_EQ(proc_number(SELF "oom_adj", ""), 15);
	CHECK_ERRNO(write_text(SELF "oom_score_adj", "1001"), EINVAL);
	CHECK_ERRNO(write_text(SELF "oom_score_adj", "-1001"), EINVAL);
	CHECK_ERRNO(write_text(SELF "oom_score_adj", "high"), EINVAL);
	CHECK_ERRNO(write_text(SELF "oom_adj", "16"), EINVAL);
	pid_t pid = fork();
	if (pid == 0)
		_exit(proc_number(SELF "oom_score_adj", "") == 1000 ? 0 : 1);
	CHECK_EXIT(pid, 0);
	CHECK(proc_number(SELF "oom_score", "") >= 1000);
}

TEST(nobody_may_spare_himself)
{
	if (geteuid() != 0)
		SKIP("only the superuser can become somebody else");
	CHECK_EQ(write_text(SELF "oom_score_adj", "0"), 1);
	int fd = open(SELF "oom_score_adj", O_WRONLY);
	CHECK(fd >= 0);
	CHECK_EQ(setresuid(65534, 65534, 65534), 0);
	CHECK_EQ(write(fd, "300", 3), 3);
	CHECK_EQ(pwrite(fd, "100", 3, 0), 3);   /* back, but not below what he was given */
	CHECK_ERRNO(pwrite(fd, "-1", 2, 0), EACCES);
}

/* ---- the system ---- */

TEST(meminfo_and_vmstat_have_linux_names)
{
	static const char *const lines[] = { "MemTotal:", "MemFree:", "MemAvailable:", "Buffers:",
		"Cached:", "SwapCached:", "Active:", "Inactive:", "Active(anon):",
		"Inactive(anon):", "Active(file):", "Inactive(file):", "Unevictable:", "Mlocked:",
		"SwapTotal:", "SwapFree:", "Dirty:", "Writeback:", "AnonPages:", "Mapped:",
		"Shmem:", "Slab:", "SReclaimable:", "SUnreclaim:", "KernelStack:", "PageTables:",
		"CommitLimit:", "Committed_AS:" };
	static const char *const counts[] = { "nr_free_pages ", "nr_mlock ", "nr_anon_pages ",
		"nr_mapped ", "nr_file_pages ", "nr_shmem ", "nr_page_table_pages ", "pgfault ",
		"pgmajfault ", "oom_kill " };

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		CHECK(proc_number("/proc/meminfo", lines[i]) >= 0);
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		CHECK(proc_number("/proc/vmstat", counts[i]) >= 0);
	CHECK(proc_number("/proc/meminfo", "MemFree:") < proc_number("/proc/meminfo", "MemTotal:"));
}

static long long anonymous_kib(void)
{
	return proc_number("/proc/meminfo", "AnonPages:");
}

/* Peak extra memory after fork is the pages written, and the tables to find them. */
TEST(fork_costs_the_pages_written)
{
	enum { WRITTEN = 200 };
	struct gate gate = gate_new();

	if (!is_cowbell())
		SKIP("others run here, too");
	volatile char *memory = tables_new(2);
	pages_mark(memory, 1024, 1);
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		_exit(0);
	}
	child_settle(pid);
	anonymous_kib();
	memory[0] = 'x';
	bool is_shared = !(pagemap(memory + PAGE) & EXCLUSIVE);
	long long tables = proc_number("/proc/meminfo", "PageTables:"), before = anonymous_kib();
	for (int i = 1; i <= WRITTEN; i++)
		memory[i * PAGE] = 'x';
	CHECK_EQ(anonymous_kib() - before, is_shared ? WRITTEN * 4 : 0);
	CHECK_EQ(proc_number("/proc/meminfo", "PageTables:"), tables);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

TEST(the_audit_counts_the_same)
{
	struct gate gate = gate_new();
	char text[512] = "";

	if (!is_cowbell())
		SKIP("there is no audit");
	volatile char *memory = tables_new(2), *shared = memory_map(64 * PAGE,
		PROT_READ | PROT_WRITE, MAP_SHARED);
	pages_mark(memory, 700, 1);
	pages_mark(shared, 64, 1);
	CHECK_EQ(mlock((void *)memory, 100 * PAGE), 0);
	pid_t pid = fork();
	if (pid == 0) {
		memory[5 * PAGE] = 'y';
		gate_pass(gate);
		_exit(0);
	}
	memory[3 * PAGE] = 'x';
	CHECK_EQ(protect(memory + 200 * PAGE, 100, PROT_READ), 0);
	CHECK_EQ(munmap((void *)(memory + 400 * PAGE), 50 * PAGE), 0);
	CHECK_EQ(proc_number("/proc/meminfo", "Mlocked:"), 400);
	int fd = open("/proc/audit", O_RDONLY);
	CHECK(fd >= 0);
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	if (strcmp(text, "clean\n") != 0)
		dprintf(STDOUT_FILENO, "# %s\n", text);
	CHECK(strcmp(text, "clean\n") == 0);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}
