/* SPDX-License-Identifier: MIT */
// cow
// cowbell-only
/*
 * tests/user/proc_recount.c - what memory is in use for, counted again: page by page in every
 * process, frame by frame, and line by line in meminfo.
 *
 * Nobody else runs meanwhile, so that all numbers are exact.
 */
#include "meminfo.h"

/* With SAN=1 small objects that were freed stay where they are for a while, and come and go while
 * they are counted. */
static bool has_quarantine(void)
{
	return getenv("SAN") != NULL;
}

/* What the kernel has that is in no line of its own. */
static long long rest_kib(const struct meminfo *info)
{
	static const char *const parts[] = { "MemFree:", "AnonPages:", "\nCached:", "Slab:",
		"PageTables:", "KernelStack:" };
	long long rest = kib(info, "MemTotal:");

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		rest -= kib(info, parts[i]);
	return rest;
}

/* ---- a scene of everything ---- */

static volatile char *scene_private, *scene_shared;

static void scene_touch(const char *file)
{
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, 40 * PAGE), 0);
	volatile char *view = mmap(NULL, 40 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	volatile char *copy = mmap(NULL, 40 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(view != MAP_FAILED && copy != MAP_FAILED);
	pages_mark(view, 20, 1);
	CHECK(copy[3 * PAGE] == 4);
	copy[4 * PAGE] = 'c';
	scene_private = tables_new(2);
	scene_shared = memory_map(64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	pages_mark(scene_private, 700, 1);
	pages_mark(scene_shared, 30, 1);
	CHECK(scene_private[900 * PAGE] == 0);          /* the frame of zeros */
	CHECK_EQ(mlock((void *)scene_private, 100 * PAGE), 0);
	CHECK_EQ(protect(scene_private + 200 * PAGE, 50, PROT_NONE), 0);
	CHECK_EQ(munmap((void *)(scene_private + 400 * PAGE), 50 * PAGE), 0);
	close(fd);
}

/* A child and its child, who write to different pages of it. */
static pid_t scene_fork(struct gate gate)
{
	int ready[2];
	char byte = 0;

	CHECK_EQ(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		pid_t grandchild = fork();

		if (grandchild == 0) {
			pages_mark(scene_private + 600 * PAGE, 30, 3);
			gate_pass(gate);
			_exit(0);
		}
		pages_mark(scene_private + 10 * PAGE, 30, 2);
		child_settle(grandchild);
		CHECK_EQ(write(ready[1], &byte, 1), 1);
		gate_pass(gate);
		CHECK_EXIT(grandchild, 0);
		_exit(0);
	}
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	child_settle(pid);
	pages_mark(scene_private + 300 * PAGE, 20, 4);
	return pid;
}

static void check_audit(void)
{
	char text[512] = "";
	int fd = open("/proc/audit", O_RDONLY);

	CHECK(fd >= 0);
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	if (strcmp(text, "clean\n") != 0)
		dprintf(STDOUT_FILENO, "# %s\n", text);
	CHECK(strcmp(text, "clean\n") == 0);
}

/* ---- recounts ---- */

enum { FRAMES_MAX = 1 << 20, CHUNK = 512 };

static uint64_t frame_times[FRAMES_MAX], frame_flags[FRAMES_MAX];
static uint8_t frame_seen[FRAMES_MAX];  /* in pagemap */
static char maps[256 * 1024];
static long long resident_kib;          /* of all processes */

static size_t read_words(const char *path, uint64_t *words)
{
	int fd = open(path, O_RDONLY);
	ssize_t len;
	size_t count = 0;

	CHECK(fd >= 0);
	while ((len = read(fd, words + count, 65536)) > 0)
		count += (size_t)len / sizeof(*words);
	CHECK_EQ(len, 0);
	CHECK(count < FRAMES_MAX - 65536 / sizeof(*words));
	close(fd);
	return count;
}

static void see_range(int pagemap, uintptr_t from, uintptr_t to, uint64_t zero)
{
	static uint64_t words[CHUNK];

	while (from < to) {
		size_t count = (to - from) / PAGE < CHUNK ? (to - from) / PAGE : CHUNK;

		CHECK_EQ(pread(pagemap, words, count * 8, (off_t)(from / PAGE * 8)), count * 8);
		for (size_t i = 0; i < count; i++) {
			uint64_t frame = words[i] & ((1ull << 55) - 1);

			CHECK(frame < FRAMES_MAX);
			if (frame && frame != zero)
				frame_seen[frame]++;
		}
		from += count * PAGE;
	}
}

static void see_process(int pid, uint64_t zero)
{
	char path[32];
	ssize_t len = 0, n;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		return;                         /* no such process */
	while ((n = read(fd, maps + len, sizeof(maps) - 1 - (size_t)len)) > 0)
		len += n;
	close(fd);
	maps[len] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY);
	for (char *line = maps; *line; line = strchr(line, '\n') + 1) {
		char *end;
		uintptr_t from = strtoul(line, &end, 16);
		see_range(fd, from, strtoul(end + 1, NULL, 16), zero);
	}
	close(fd);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (proc_number(path, "VmRSS:") > 0)
		resident_kib += proc_number(path, "VmRSS:");
}

/* By number, for to read a directory takes memory for a while. */
static void see_all(uint64_t zero)
{
	enum { YOUNGER = 32 };

	memset(frame_seen, 0, sizeof(frame_seen));
	resident_kib = 0;
	for (int pid = 1; pid < getpid() + YOUNGER; pid++)
		see_process(pid, zero);
}

static uint64_t zero_frame(void)
{
	static const volatile char *never;
	uint64_t word = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (!never)
		never = pages_new(1);
	CHECK(*never == 0);
	CHECK_EQ(pread(fd, &word, 8, (off_t)((uintptr_t)never / PAGE * 8)), 8);
	close(fd);
	return word & ((1ull << 55) - 1);
}

#define KPF_LRU     (1ull << 5)
#define KPF_SLAB    (1ull << 7)
#define KPF_BUDDY   (1ull << 10)
#define KPF_MMAP    (1ull << 11)
#define KPF_ANON    (1ull << 12)
#define KPF_PGTABLE (1ull << 26)

static long long flagged_kib(size_t count, uint64_t set, uint64_t clear)
{
	long long frames = 0;

	for (size_t i = 0; i < count; i++)
		frames += (frame_flags[i] & set) == set && !(frame_flags[i] & clear);
	return frames * 4;
}

/* Everything is read twice: the first time makes the pages that it takes. */
static void check_frames(void)
{
	size_t count = 0;
	long long mapped_kib = 0;

	for (int i = 0; i < 2; i++) {
		see_all(zero_frame());
		count = read_words("/proc/kpagecount", frame_times);
		CHECK_EQ(read_words("/proc/kpageflags", frame_flags), count);
		meminfo_read(&after);
	}
	for (size_t i = 0; i < count; i++) {
		CHECK_EQ(frame_times[i], frame_seen[i]);
		mapped_kib += (long long)frame_times[i] * 4;
	}
	CHECK_EQ(mapped_kib, resident_kib);
	CHECK_EQ(kib(&after, "AnonPages:"), flagged_kib(count, KPF_ANON | KPF_MMAP, 0));
	CHECK_EQ(kib(&after, "Mapped:"), flagged_kib(count, KPF_MMAP, KPF_ANON));
	CHECK_EQ(kib(&after, "\nCached:"), flagged_kib(count, KPF_LRU, KPF_ANON));
	CHECK_EQ(kib(&after, "Shmem:"), kib(&after, "\nCached:"));
	if (!has_quarantine())
		CHECK_EQ(kib(&after, "Slab:"), flagged_kib(count, KPF_SLAB, 0));
	CHECK_EQ(kib(&after, "PageTables:"), flagged_kib(count, KPF_PGTABLE, 0));
}

TEST(processes_frames_and_meminfo_say_the_same)
{
	struct gate gate = gate_new();
	long long spaces = proc_number("/proc/ledger", "spaces ");

	scene_touch("/tmp/footprint");
	pid_t pid = scene_fork(gate);
	check_frames();
	check_audit();
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	spaces_settle(spaces);
	check_frames();
	CHECK_EQ(unlink("/tmp/footprint"), 0);
}

TEST(memory_is_only_moved_between_lines)
{
	meminfo_read(&after);
	meminfo_read(&before);
	meminfo_read(&before);
	scene_touch("/tmp/moved");
	meminfo_read(&after);
	CHECK_EQ(growth("Mlocked:"), 400);
	CHECK_EQ(growth("Unevictable:"), 400);
	CHECK_EQ(growth("Mapped:"), (20 + 30) * 4);
	CHECK_EQ(rest_kib(&after), rest_kib(&before));
	CHECK_EQ(unlink("/tmp/moved"), 0);
}

/* Two who lock the same frames lock them once. */
TEST(locked_frames_count_once)
{
	struct gate gate = gate_new();
	volatile char *shared = memory_map(16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);

	meminfo_read(&before);
	CHECK_EQ(mlock((void *)shared, 16 * PAGE), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(mlock((void *)shared, 8 * PAGE), 0);
		gate_pass(gate);
		_exit(0);
	}
	child_settle(pid);
	meminfo_read(&after);
	CHECK_EQ(growth("Mlocked:"), 64);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

TEST(promises_are_counted_by_the_page)
{
	meminfo_read(&before);
	volatile char *memory = pages_new(1000);
	meminfo_read(&after);
	CHECK_EQ(growth("Committed_AS:"), 4000);
	memory_map(1000 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE);
	meminfo_read(&after);
	CHECK_EQ(growth("Committed_AS:"), 4000);
	pages_free(memory, 1000);
	meminfo_read(&after);
	CHECK_EQ(growth("Committed_AS:"), 0);
}

/* Nobody holds much of a text that he made long: not in the middle of it, and nothing behind it. */
TEST(open_texts_hold_little)
{
	enum { RANGES = 300, FILES = 20, KIB_EACH = 48 };
	char *memory = mmap(NULL, 2 * RANGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static char text[64 * 1024];
	int fds[FILES];

	CHECK(memory != MAP_FAILED);
	for (int i = 0; i < RANGES; i++)
		CHECK_EQ(mprotect(memory + 2 * i * PAGE, PAGE, PROT_READ), 0);
	for (int i = 0; i < FILES; i++)
		CHECK((fds[i] = open("/proc/self/smaps", O_RDONLY)) >= 0);
	text[sizeof(text) - 1] = 1;
	meminfo_read(&before);
	meminfo_read(&before);
	for (int i = 0; i < FILES; i++)
		CHECK_EQ(pread(fds[i], text, 1, RANGES * 1000), 1);
	meminfo_read(&after);
	CHECK(-growth("MemFree:") > FILES * 4 && -growth("MemFree:") < FILES * KIB_EACH);
	while (read(fds[0], text, sizeof(text)) > 0)
		;
	for (int i = 0; i < FILES; i++)
		CHECK_EQ(pread(fds[i], text, sizeof(text), 1 << 30), 0);
	meminfo_read(&after);
	if (!has_quarantine())
		CHECK(-growth("MemFree:") < FILES * KIB_EACH / 8);
}

/* Reading it makes no slab that was not there the first time. */
TEST(slabs_add_up)
{
	static char text[64 * 1024];
	long long pages = 0, wrong = 0;

	for (int i = 0; i < 3; i++) {
		int fd = open("/proc/slabinfo", O_RDONLY);
		ssize_t len = 0, n;

		CHECK(fd >= 0);
		while ((n = read(fd, text + len, sizeof(text) - 1 - (size_t)len)) > 0)
			len += n;
		close(fd);
		text[len] = '\0';
		meminfo_read(&after);
	}
	char *line = strchr(strchr(text, '\n') + 1, '\n') + 1;  /* behind two lines of titles */
	for (; *line; line = strchr(line, '\n') + 1) {
		long long active, all, size, per_slab, per, used, slabs;

		CHECK_EQ(sscanf(line, "%*s %lld %lld %lld %lld %lld : tunables %*d %*d %*d : "
			"slabdata %lld %lld", &active, &all, &size, &per_slab, &per, &used, &slabs),
			7);
		pages += slabs * per;
		wrong += active > all || used > slabs || all != slabs * per_slab
			|| per_slab * size > per * PAGE;
	}
	CHECK_EQ(wrong, 0);
	if (!has_quarantine())
		CHECK_EQ(kib(&after, "Slab:"), pages * 4);
}
