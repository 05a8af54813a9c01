/* SPDX-License-Identifier: MIT */
// cow
// cowbell-only
/*
 * tests/user/mm_overcommit.c - what may be promised: vm.overcommit_* and Committed_AS.
 *
 * The settings are the system's: each test puts them back before it ends, whatever happens, because
 * its work is done by a child.
 */
#include "memory.h"

#include <sys/shm.h>
#include <sys/syscall.h>

#define VM "/proc/sys/vm/"

static long long kib(const char *name)
{
	return proc_number("/proc/meminfo", name);
}

static void set_vm(const char *name, long long value)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), VM "%s", name);
	int fd = open(path, O_WRONLY), len = snprintf(text, sizeof(text), "%lld\n", value);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, (size_t)len), len);
	close(fd);
}

static long long get_vm(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), VM "%s", name);
	return proc_number(path, "");
}

/* In a child, under other settings; they are put back. */
static void check_in_mode(int mode, long long limit_kib, void (*run)(void))
{
	long long ratio = get_vm("overcommit_ratio");

	set_vm("overcommit_kbytes", limit_kib);
	set_vm("overcommit_memory", mode);
	pid_t pid = fork();
	if (pid == 0) {
		run();
		_exit(0);
	}
	int status = utest_wait(pid);
	set_vm("overcommit_memory", 0);
	set_vm("overcommit_ratio", ratio);
	CHECK_EQ(status, 0);
}

static void *try_map(size_t len, int prot, int flags)
{
	return mmap(NULL, len, prot, flags | MAP_ANONYMOUS, -1, 0);
}

static void *map_over(void *at, size_t len, int prot)
{
	return mmap(at, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

enum { RW = PROT_READ | PROT_WRITE };

TEST(settings_show_what_was_written)
{
	CHECK_EQ(get_vm("overcommit_memory"), 0);
	CHECK_EQ(get_vm("overcommit_ratio"), 50);
	CHECK_EQ(get_vm("overcommit_kbytes"), 0);
	CHECK(get_vm("min_free_kbytes") > 0);
	CHECK(get_vm("admin_reserve_kbytes") > 0 && get_vm("user_reserve_kbytes") > 0);
	set_vm("overcommit_kbytes", 4000);
	CHECK_EQ(get_vm("overcommit_ratio"), 0);
	CHECK_EQ(kib("CommitLimit:"), 4000);
	set_vm("overcommit_ratio", 50);
	CHECK_EQ(get_vm("overcommit_kbytes"), 0);
	CHECK_EQ(kib("CommitLimit:"), kib("MemTotal:") / 4 * 50 / 100 * 4);
	int fd = open(VM "overcommit_memory", O_WRONLY);
	CHECK_ERRNO(write(fd, "3\n", 2), EINVAL);
}

TEST(private_writable_memory_is_promised_per_page)
{
	long long before = kib("Committed_AS:");
	volatile char *memory = pages_new(256);

	CHECK_EQ(kib("Committed_AS:"), before + 1024);
	CHECK_EQ(munmap((void *)memory, 100 * PAGE), 0);
	CHECK_EQ(kib("Committed_AS:"), before + 1024 - 400);
	CHECK_EQ(munmap((void *)memory, 256 * PAGE), 0);
	CHECK_EQ(kib("Committed_AS:"), before);
}

TEST(what_cannot_be_written_is_not_promised)
{
	long long before = kib("Committed_AS:");

	memory_map(MIB, PROT_READ, MAP_PRIVATE);
	memory_map(MIB, PROT_NONE, MAP_PRIVATE);
	memory_map(MIB, RW, MAP_PRIVATE | MAP_NORESERVE);
	CHECK_EQ(kib("Committed_AS:"), before);
}

/* Copies of a file's pages may be needed; its own pages are promised when they come. */
TEST(private_views_of_files_are_promised)
{
	int fd = memfd_create("promised", 0);
	long long before;

	CHECK_EQ(ftruncate(fd, MIB), 0);
	before = kib("Committed_AS:");
	void *shared = mmap(NULL, MIB, RW, MAP_SHARED, fd, 0);
	void *reader = mmap(NULL, MIB, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(shared != MAP_FAILED && reader != MAP_FAILED);
	CHECK_EQ(kib("Committed_AS:"), before);
	void *private = mmap(NULL, MIB, RW, MAP_PRIVATE, fd, 0);
	CHECK_EQ(kib("Committed_AS:"), before + 1024);
	*(volatile char *)private = 'p';
	CHECK_EQ(kib("Committed_AS:"), before + 1024 + 4);      /* the file's page was a hole */
	CHECK_EQ(munmap(private, MIB), 0);
	CHECK_EQ(kib("Committed_AS:"), before + 4);
}

TEST(rights_that_come_later_are_promised_once)
{
	long long before = kib("Committed_AS:");
	volatile char *memory = memory_map(MIB, PROT_READ, MAP_PRIVATE);

	CHECK_EQ(protect(memory, 256, RW), 0);
	CHECK_EQ(kib("Committed_AS:"), before + 1024);
	memory[0] = 1;
	CHECK_EQ(protect(memory, 256, PROT_READ), 0);
	CHECK_EQ(protect(memory, 256, RW), 0);
	CHECK_EQ(kib("Committed_AS:"), before + 1024);
	CHECK_EQ(munmap((void *)memory, MIB), 0);
	CHECK_EQ(kib("Committed_AS:"), before);
}

TEST(shared_memory_is_promised_once)
{
	long long before = kib("Committed_AS:");
	volatile char *memory = memory_map(MIB, RW, MAP_SHARED);
	struct gate gate = gate_new();

	CHECK_EQ(kib("Committed_AS:"), before + 1024);
	memory[0] = 1;
	CHECK_EQ(kib("Committed_AS:"), before + 1024);
	long long mine = kib("Committed_AS:");
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		_exit(0);
	}
	long long both = kib("Committed_AS:");
	CHECK(both > mine && both < mine + 1024);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(munmap((void *)memory, MIB), 0);
}

TEST(moving_promises_nothing_and_growing_the_difference)
{
	long long before = kib("Committed_AS:");
	char *memory = (char *)pages_new(256);

	memory = mremap(memory, MIB, 2 * MIB, MREMAP_MAYMOVE);
	CHECK(memory != MAP_FAILED);
	CHECK_EQ(kib("Committed_AS:"), before + 2048);
	char *place = (char *)pages_new(1024);
	memory = mremap(memory, 2 * MIB, 2 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	CHECK(memory == place);
	CHECK_EQ(kib("Committed_AS:"), before + 4096);
	char *twin = mremap(memory, MIB, MIB, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	CHECK(twin != MAP_FAILED);
	CHECK_EQ(kib("Committed_AS:"), before + 4096 + 1024);
	memory = mremap(memory, 4 * MIB, MIB, 0);
	CHECK_EQ(kib("Committed_AS:"), before + 2048);
}

TEST(replacing_a_mapping_promises_the_difference)
{
	long long before = kib("Committed_AS:");
	char *memory = (char *)pages_new(256);

	for (int i = 0; i < 3; i++)
		CHECK(map_over(memory, MIB, RW) == memory);
	CHECK_EQ(kib("Committed_AS:"), before + 1024);
	CHECK(map_over(memory, MIB, PROT_NONE) == memory);
	CHECK_EQ(kib("Committed_AS:"), before);
}

TEST(guess_refuses_only_what_can_never_be)
{
	size_t total = (size_t)kib("MemTotal:") * KIB;

	CHECK(try_map(total + PAGE * 16, RW, MAP_PRIVATE) == MAP_FAILED && errno == ENOMEM);
	CHECK(try_map(total + PAGE * 16, RW, MAP_SHARED) == MAP_FAILED && errno == ENOMEM);
	for (int i = 0; i < 4; i++)
		CHECK(try_map(total / 2, RW, MAP_PRIVATE) != MAP_FAILED);
	CHECK(try_map(1ul << 40, PROT_NONE, MAP_PRIVATE) != MAP_FAILED);
	CHECK(try_map(1ul << 40, RW, MAP_PRIVATE | MAP_NORESERVE) != MAP_FAILED);
	pid_t pid = fork();     /* its sum is more than there is: each part was not */
	if (pid == 0)
		_exit(0);
	CHECK_EXIT(pid, 0);
}

static void map_anything(void)
{
	CHECK(try_map(1ul << 40, RW, MAP_PRIVATE) != MAP_FAILED);
	CHECK(try_map(1ul << 40, RW, MAP_SHARED) != MAP_FAILED);
}

TEST(always_refuses_nothing)
{
	check_in_mode(1, 0, map_anything);
}

/* More than there are numbers for, if all are added up. */
static void share_without_end(void)
{
	for (int i = 0; i < 2100; i++)
		CHECK(shmget(IPC_PRIVATE, -(1ul << 24), 0600) < 0);
	CHECK(kib("Committed_AS:") > 0);
}

TEST(what_nobody_could_see_is_refused_always)
{
	check_in_mode(1, 0, share_without_end);
}

/* In mode 2, with a little room left: whatever asks for more is refused, and changes nothing. */
static void refuse_all(void)
{
	char *read_only = (char *)memory_map(16 * MIB, PROT_READ, MAP_PRIVATE);
	char *small = (char *)pages_new(1);
	char *heap = (char *)syscall(SYS_brk, 0);
	long long before = kib("Committed_AS:");

	CHECK(try_map(16 * MIB, RW, MAP_PRIVATE) == MAP_FAILED && errno == ENOMEM);
	CHECK(try_map(16 * MIB, RW, MAP_PRIVATE | MAP_NORESERVE) == MAP_FAILED && errno == ENOMEM);
	CHECK(try_map(16 * MIB, RW, MAP_SHARED) == MAP_FAILED && errno == ENOMEM);
	CHECK_ERRNO(mprotect(read_only, 16 * MIB, RW), ENOMEM);
	CHECK(mremap(small, PAGE, 16 * MIB, MREMAP_MAYMOVE) == MAP_FAILED && errno == ENOMEM);
	CHECK(syscall(SYS_brk, heap + 16 * MIB) == (long)heap);
	CHECK_EQ(kib("Committed_AS:"), before);
	small[0] = 1;
	CHECK(try_map(16 * MIB, PROT_NONE, MAP_PRIVATE) != MAP_FAILED);
	CHECK(try_map(16 * MIB, PROT_READ, MAP_PRIVATE) != MAP_FAILED);
}

TEST(never_refuses_before_the_fact)
{
	check_in_mode(2, kib("Committed_AS:") + 8192, refuse_all);
}

static void fork_too_much(void)
{
	long long room = kib("CommitLimit:") - kib("Committed_AS:");
	size_t pages = (size_t)room / 4 * 2 / 3;
	volatile char *memory = pages_new(pages);

	pages_mark(memory, pages < 100 ? pages : 100, 1);
	CHECK_ERRNO(fork(), ENOMEM);
	pages_free(memory, pages);
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	CHECK_EXIT(pid, 0);
}

TEST(fork_is_refused_before_the_fact)
{
	check_in_mode(2, kib("Committed_AS:") + 65536, fork_too_much);
}

/* What a child may have to copy, and the tables for it. */
static void fork_promises_tables(void)
{
	struct gate gate = gate_new();

	volatile char *memory = pages_new(4096);
	long long before = kib("Committed_AS:");
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		_exit(0);
	}
	long long mode2 = kib("Committed_AS:") - before;
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK(mode2 >= 16384 + 8 * 4 && mode2 < 16384 + 4096);
	memory[0] = 1;
}

TEST(fork_promises_pages_and_tables)
{
	check_in_mode(2, kib("MemTotal:"), fork_promises_tables);
}

static void grow_the_stack(int levels)
{
	volatile char frame[64 * 1024];

	frame[0] = (char)levels;
	if (levels > 1)
		grow_the_stack(levels - 1);
	frame[1] = frame[0];
}

/* The stack grows by faults: there is nobody to tell but by a signal. */
static void stack_too_deep(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		grow_the_stack(100);
		_exit(0);
	}
	CHECK_KILLED(pid, SIGSEGV);
}

TEST(the_stack_is_refused_too)
{
	check_in_mode(2, kib("Committed_AS:") + 5000, stack_too_deep);
}

static void reserve_of_the_superuser(void)
{
	long long room = kib("CommitLimit:") - kib("Committed_AS:");
	long long reserve = get_vm("admin_reserve_kbytes");
	size_t len = (size_t)(room - reserve / 2) * KIB;

	CHECK(reserve > 0 && room > reserve);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(setresuid(65534, 65534, 65534), 0);
		CHECK(try_map(len - MIB, RW, MAP_PRIVATE) == MAP_FAILED && errno == ENOMEM);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
}

TEST(the_superuser_has_a_reserve)
{
	check_in_mode(2, kib("MemTotal:"), reserve_of_the_superuser);
}

static void file_too_large(void)
{
	static char page[PAGE];
	int fd = open("/tmp/too_large", O_CREAT | O_RDWR | O_TRUNC, 0600);
	ssize_t n;
	long long pages = 0;

	CHECK(fd >= 0);
	while ((n = write(fd, page, PAGE)) == PAGE)
		pages++;
	int error = errno;
	CHECK_EQ(unlink("/tmp/too_large"), 0);
	close(fd);
	CHECK_EQ(error, ENOSPC);
	CHECK(pages > 100 && pages < 4096);
}

/* Files are memory: each page is a promise when it comes. */
TEST(files_are_promised_page_by_page)
{
	check_in_mode(2, kib("Committed_AS:") + 8192, file_too_large);
}
