/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/mm_flags.c - flags of mmap, guard pages, and how many ranges there may be.
 *
 * See: mmap(2), proc(5), proc_sys_vm(5).
 */
#include "memory.h"

#include <sys/resource.h>
#include <sys/shm.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

enum { READ_WRITE = PROT_READ | PROT_WRITE, ANONYMOUS = MAP_PRIVATE | MAP_ANONYMOUS };

static void *map_at(volatile void *at, size_t pages, int prot, int flags)
{
	return mmap((void *)at, pages * PAGE, prot, flags, -1, 0);
}

/* ---- what /proc/self/maps shows ---- */

struct lines {
	char text[512 * 1024];
	size_t len;
};

static struct lines lines;

static void maps_read(void)
{
	int fd = open("/proc/self/maps", O_RDONLY);
	ssize_t n;

	lines.len = 0;
	CHECK(fd >= 0);
	while ((n = read(fd, lines.text + lines.len, sizeof(lines.text) - 1 - lines.len)) > 0)
		lines.len += n;
	close(fd);
	CHECK(lines.len < sizeof(lines.text) - 1);
	lines.text[lines.len] = '\0';
}

/* The ranges that lie in [start, start + pages): their rights, one after the other. */
static const char *rights_in(volatile char *start, size_t pages)
{
	static char rights[256];
	unsigned long from, to;
	char word[5];

	maps_read();
	rights[0] = '\0';
	for (char *line = lines.text; *line; line = strchr(line, '\n') + 1) {
		CHECK_EQ(sscanf(line, "%lx-%lx %4s", &from, &to, word), 3);
		if (from >= (uintptr_t)start && to <= (uintptr_t)start + pages * PAGE) {
			strcat(rights, word);
			strcat(rights, " ");
		}
	}
	return rights;
}

#define CHECK_RIGHTS(start, pages, expected) CHECK(strcmp(rights_in(start, pages), expected) == 0)

/* Between two ranges without rights, so that it merges with nobody. */
static volatile char *alone(size_t pages)
{
	volatile char *memory = memory_map((pages + 2) * PAGE, PROT_NONE, MAP_PRIVATE);

	pages_free(memory, 1);
	pages_free(memory + (pages + 1) * PAGE, 1);
	CHECK_EQ(protect(memory + PAGE, pages, READ_WRITE), 0);
	return memory + PAGE;
}

TEST(ranges_split_and_merge)
{
	volatile char *memory = alone(9);

	CHECK_RIGHTS(memory, 9, "rw-p ");
	CHECK_EQ(protect(memory + 3 * PAGE, 3, PROT_READ), 0);
	CHECK_RIGHTS(memory, 9, "rw-p r--p rw-p ");
	CHECK_EQ(protect(memory + 4 * PAGE, 1, PROT_NONE), 0);
	CHECK_RIGHTS(memory, 9, "rw-p r--p ---p r--p rw-p ");
	CHECK_EQ(protect(memory + 2 * PAGE, 5, PROT_READ), 0);
	CHECK_RIGHTS(memory, 9, "rw-p r--p rw-p ");
	CHECK_EQ(protect(memory, 9, READ_WRITE), 0);
	CHECK_RIGHTS(memory, 9, "rw-p ");
	pages_free(memory + 4 * PAGE, 1);
	CHECK_RIGHTS(memory, 9, "rw-p rw-p ");
	CHECK(map_at(memory + 4 * PAGE, 1, READ_WRITE, ANONYMOUS | MAP_FIXED) == memory + 4 * PAGE);
	CHECK_RIGHTS(memory, 9, "rw-p ");
	CHECK(map_at(memory + 4 * PAGE, 1, READ_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED) ==
		memory + 4 * PAGE);
	CHECK_RIGHTS(memory, 9, "rw-p rw-s rw-p ");
}

TEST(pieces_of_a_file_merge_where_they_continue_each_other)
{
	volatile char *memory = alone(6);
	int fd = memfd_create("pieces", 0);

	CHECK_EQ(ftruncate(fd, 8 * PAGE), 0);
	for (int i = 0; i < 3; i++)
		CHECK(mmap((void *)(memory + i * PAGE), PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
			i * PAGE) == memory + i * PAGE);
	CHECK(mmap((void *)(memory + 3 * PAGE), PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
		7 * PAGE) == memory + 3 * PAGE);
	CHECK_RIGHTS(memory, 6, "r--s r--s rw-p ");
}

/* A range that was split by one process is whole for the other. */
TEST(splits_are_each_processes_own)
{
	volatile char *memory = alone(8);
	struct gate gate = gate_new();

	pages_mark(memory, 8, 1);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(protect(memory + 2 * PAGE, 2, PROT_READ), 0);
		gate_pass(gate);
		CHECK_RIGHTS(memory, 8, "rw-p r--p rw-p ");
		_exit(0);
	}
	CHECK_EQ(protect(memory + 5 * PAGE, 1, PROT_NONE), 0);
	CHECK_RIGHTS(memory, 8, "rw-p ---p rw-p ");
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

/* ---- guard pages ---- */

TEST(guards_stop_both_sides_of_a_buffer)
{
	volatile char *memory = pages_new(6);

	pages_mark(memory, 6, 1);
	CHECK_EQ(protect(memory, 1, PROT_NONE), 0);
	CHECK_EQ(protect(memory + 5 * PAGE, 1, PROT_NONE), 0);
	CHECK_FAULT(memory + PAGE - 1, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	CHECK_FAULT(memory + 5 * PAGE, TO_READ, SIGSEGV, SEGV_ACCERR);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_FAULT(memory + 5 * PAGE, TO_WRITE, SIGSEGV, SEGV_ACCERR);
		CHECK_FAULT(memory, TO_READ, SIGSEGV, SEGV_ACCERR);
		CHECK(pages_have_marks(memory + PAGE, 4, 2));
		CHECK_EQ(protect(memory, 6, READ_WRITE), 0);
		CHECK(pages_have_marks(memory, 6, 1));
		memory[0] = 'c';
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_FAULT(memory, TO_READ, SIGSEGV, SEGV_ACCERR);
	int fds[2];
	CHECK_EQ(pipe(fds), 0);
	CHECK_ERRNO(write(fds[1], (char *)memory, 1), EFAULT);
	CHECK_EQ(write(fds[1], (char *)memory + PAGE, 4), 4);
	CHECK_ERRNO(read(fds[0], (char *)memory + 5 * PAGE, 4), EFAULT);
}

/* ---- flags ---- */

TEST(flags_that_change_nothing_to_see)
{
	static const int flags[] = {MAP_NORESERVE, MAP_STACK, MAP_POPULATE, MAP_NONBLOCK,
		MAP_POPULATE | MAP_NONBLOCK, MAP_DENYWRITE, MAP_EXECUTABLE};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		volatile char *memory = memory_map(4 * PAGE, READ_WRITE, MAP_PRIVATE | flags[i]);
		CHECK(bytes_are(memory, 4 * PAGE, 0));
		pages_mark(memory, 4, 1);
		CHECK(pages_have_marks(memory, 4, 1));
	}
}

TEST(noreplace_says_what_is_in_the_way)
{
	volatile char *memory = pages_new(8);

	memory[0] = 1;
	pages_free(memory + 4 * PAGE, 4);
	CHECK(map_at(memory, 1, READ_WRITE, ANONYMOUS | MAP_FIXED_NOREPLACE) == MAP_FAILED);
	CHECK_EQ(errno, EEXIST);
	CHECK(map_at(memory + 3 * PAGE, 2, READ_WRITE, ANONYMOUS | MAP_FIXED_NOREPLACE) ==
		MAP_FAILED);
	CHECK_EQ(errno, EEXIST);
	CHECK(map_at(memory + 4 * PAGE, 4, READ_WRITE, ANONYMOUS | MAP_FIXED_NOREPLACE) ==
		memory + 4 * PAGE);
	CHECK_EQ(memory[0], 1);
}

TEST(locked_and_populated_is_there)
{
	unsigned char present[4] = {0};
	volatile char *memory = mmap(NULL, 4 * PAGE, READ_WRITE, ANONYMOUS | MAP_LOCKED, -1, 0);

	CHECK(memory != MAP_FAILED);
	CHECK_EQ(mincore((void *)memory, 4 * PAGE, present), 0);
	CHECK_EQ(present[0] & present[1] & present[2] & present[3] & 1, 1);
	CHECK_ERRNO(madvise((void *)memory, PAGE, MADV_DONTNEED), EINVAL);
}

/* A stack that grows is a range that begins lower; it keeps away from what lies below. */
TEST(growing_down_keeps_its_distance)
{
	volatile char *area = memory_map(2048 * PAGE, PROT_NONE, MAP_PRIVATE);

	pages_free(area, 2048);
	volatile char *top = area + 2000 * PAGE;
	CHECK(map_at(top, 4, READ_WRITE, ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED) == top);
	top[0] = 1;
	for (int i = 1; i < 100; i++)
		CHECK_NO_FAULT(top - i * PAGE, TO_WRITE);
	pid_t pid = fork();
	if (pid == 0) {
		for (int i = 100; i < 200; i++)
			CHECK_NO_FAULT(top - i * PAGE, TO_WRITE);
		CHECK_EQ(top[0], 1);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(map_at(area + 1500 * PAGE, 4, READ_WRITE, ANONYMOUS | MAP_FIXED) ==
		area + 1500 * PAGE);
	CHECK_FAULT(area + 1600 * PAGE, TO_WRITE, SIGSEGV, SEGV_MAPERR);
	CHECK_NO_FAULT(area + 1800 * PAGE, TO_WRITE);
}

TEST(a_hint_inside_a_range_goes_elsewhere)
{
	volatile char *memory = pages_new(4);
	volatile char *other = map_at(memory + PAGE + 123, 1, READ_WRITE, ANONYMOUS);

	CHECK(other != MAP_FAILED);
	CHECK(other < memory || other >= memory + 4 * PAGE);
	CHECK_EQ((uintptr_t)other % PAGE, 0);
	pages_free(memory + 2 * PAGE, 1);
	CHECK(map_at(memory + 2 * PAGE + 5, 1, READ_WRITE, ANONYMOUS) == memory + 2 * PAGE);
}

TEST(the_address_space_has_a_limit)
{
	struct rlimit limit = {0}, old;
	long long size = proc_number("/proc/self/status", "VmSize:") * KIB;

	CHECK_EQ(getrlimit(RLIMIT_AS, &old), 0);
	volatile char *memory = pages_new(4);
	limit.rlim_cur = size + 64 * PAGE;
	limit.rlim_max = old.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
	CHECK(map_at(NULL, 1024, PROT_NONE, ANONYMOUS) == MAP_FAILED && errno == ENOMEM);
	CHECK(mremap((void *)memory, 4 * PAGE, 1024 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK_EQ(errno, ENOMEM);
	CHECK(map_at(NULL, 4, PROT_NONE, ANONYMOUS) != MAP_FAILED);
}

/* Whatever makes it larger is asked, and what takes another's place makes it no larger. */
TEST(the_address_space_has_a_limit_for_all_who_grow_it)
{
	enum { PAGES = 32, LEAVE_BEHIND = 4 };
	volatile char *memory = pages_new(PAGES);
	int segment = shmget(IPC_PRIVATE, PAGES * PAGE, 0600), moves = 0;
	struct rlimit limit;

	CHECK_EQ(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = proc_number("/proc/self/status", "VmSize:") * KIB + PAGES * PAGE / 2;
	CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
	CHECK(map_at(memory, PAGES, READ_WRITE, ANONYMOUS | MAP_FIXED) == memory);
	CHECK(shmat(segment, NULL, 0) == (void *)-1 && errno == ENOMEM);
	CHECK_EQ(shmctl(segment, IPC_RMID, NULL), 0);
	while (moves < 100 && mremap((void *)memory, 8 * PAGE, 8 * PAGE,
				     MREMAP_MAYMOVE | LEAVE_BEHIND) != MAP_FAILED)
		moves++;
	CHECK_EQ(errno, ENOMEM);
	CHECK_EQ(moves, 2);
}

TEST(zeros_are_mapped_with_validation)
{
	int fd = open("/dev/zero", O_RDWR);
	volatile char *memory = mmap(NULL, PAGE, READ_WRITE, MAP_SHARED_VALIDATE, fd, 0);

	CHECK(fd >= 0 && memory != MAP_FAILED);
	memory[0] = 'z';
	pid_t pid = fork();
	if (pid == 0) {
		memory[1] = memory[0];
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(memory[1], 'z');
}

/* ---- addresses ---- */

TEST(addresses_of_31_bits_are_had_or_refused)
{
	const uintptr_t end = 2 * GIB;
	const size_t pages = 64 * MIB / PAGE;
	int flags = ANONYMOUS | MAP_32BIT | MAP_NORESERVE, got = 0;
	char *at = map_at((void *)0x90000000, 1, PROT_NONE, flags);

	CHECK(at != MAP_FAILED && (uintptr_t)at + PAGE <= end);
	while ((at = map_at(NULL, pages, PROT_NONE, flags)) != MAP_FAILED) {
		CHECK((uintptr_t)at + pages * PAGE <= end);
		got++;
	}
	CHECK_EQ(errno, ENOMEM);
	CHECK(got >= 8);
}

/* ---- how many ranges ---- */

static bool set_limit(long limit)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%ld\n", limit);
	int fd = open("/proc/sys/vm/max_map_count", O_WRONLY);
	bool is_done = fd >= 0 && write(fd, text, len) == len;

	close(fd);
	return is_done;
}

/* Linux counts all but the page of its own at the end of the address space. */
static long ranges_now(void)
{
	static char text[64 * 1024];
	int fd = open("/proc/self/maps", O_RDONLY);
	long count = 0;
	ssize_t n;

	CHECK(fd >= 0);
	while ((n = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			count += text[i] == '\n';
	}
	close(fd);
	return count - !is_cowbell();
}

/* With every second page of a block readable, each page is a range. */
static void fill_up_to_the_limit(long limit)
{
	size_t pages = (size_t)limit + 8;
	volatile char *memory = memory_map(pages * PAGE, PROT_NONE, MAP_PRIVATE), *last;
	long at = 0;

	while (protect(memory + at * PAGE, 1, PROT_READ) == 0)
		at += 2;
	CHECK_EQ(errno, ENOMEM);
	CHECK(ranges_now() >= limit - 1 && ranges_now() <= limit);
	while (map_at(NULL, 1, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS) != MAP_FAILED)
		CHECK(ranges_now() <= limit + 1);       /* to which Linux lets mmap() go */
	CHECK_EQ(errno, ENOMEM);
	CHECK_EQ(ranges_now(), is_cowbell() ? limit : limit + 1);
	last = memory + (pages - 2) * PAGE;             /* inside a range */
	CHECK_EQ(protect(memory, 1, PROT_READ | PROT_EXEC), 0);         /* a whole one */
	CHECK_EQ(mlock((void *)memory, PAGE), 0);
	CHECK_EQ(madvise((void *)memory, PAGE, MADV_DONTFORK), 0);
	CHECK_ERRNO(protect(last, 1, PROT_READ), ENOMEM);
	CHECK_ERRNO(munmap((void *)last, PAGE), ENOMEM);
	CHECK_ERRNO(mlock((void *)last, PAGE), ENOMEM);
	CHECK_ERRNO(madvise((void *)last, PAGE, MADV_DONTFORK), EAGAIN);
	CHECK(mremap((void *)last, PAGE, PAGE, MREMAP_MAYMOVE | 4) == MAP_FAILED);
	CHECK_EQ(errno, ENOMEM);
	CHECK_EQ(munmap((void *)memory, pages * PAGE), 0);
	CHECK(map_at(NULL, 1, READ_WRITE, ANONYMOUS) != MAP_FAILED);
}

TEST(the_limit_of_ranges_is_exact)
{
	long limit = proc_number("/proc/sys/vm/max_map_count", "");

	if (limit > 100000)
		SKIP("vm.max_map_count is large here");
	CHECK(limit > 0);
	fill_up_to_the_limit(limit);
}

/* Which takes a hole, a range, and two cuts to unlock what stays behind. */
TEST(a_locked_piece_moves_below_the_limit_or_not_at_all)
{
	enum { LEAVE_BEHIND = 4 };

	if (!is_cowbell())
		SKIP("the limit is everybody's");
	volatile char *from = pages_new(3), *to = memory_map(3 * PAGE, PROT_NONE, MAP_PRIVATE);
	void *moved = MAP_FAILED;
	long old = proc_number("/proc/sys/vm/max_map_count", ""), room = 0;

	CHECK_EQ(protect(from, 3, READ_WRITE), 0);
	CHECK_EQ(mlock((void *)from, 3 * PAGE), 0);
	for (; moved == MAP_FAILED && room < 8; room++) {
		CHECK(set_limit(ranges_now() + room));
		moved = mremap((void *)(from + PAGE), PAGE, PAGE,
			       MREMAP_MAYMOVE | MREMAP_FIXED | LEAVE_BEHIND, to + PAGE);
		CHECK(moved == to + PAGE || errno == ENOMEM);
	}
	CHECK(set_limit(old));
	CHECK(moved == to + PAGE && room > 3);
}

TEST(the_limit_of_ranges_can_be_set)
{
	long limit = proc_number("/proc/sys/vm/max_map_count", ""), low = 300;

	if (!is_cowbell())
		SKIP("it is everybody's");
	CHECK(set_limit(low));
	CHECK_EQ(proc_number("/proc/sys/vm/max_map_count", ""), low);
	pid_t pid = fork();
	if (pid == 0) {
		fill_up_to_the_limit(low);
		_exit(0);
	}
	int status = utest_wait(pid);
	CHECK(set_limit(limit));
	CHECK_EQ(status, 0);
	CHECK(!set_limit(-1));
	CHECK_EQ(proc_number("/proc/sys/vm/max_map_count", ""), limit);
}
