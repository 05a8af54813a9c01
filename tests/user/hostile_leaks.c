/* SPDX-License-Identifier: MIT */
/*
 * tests/user/hostile_leaks.c - memory comes without what was in it before.
 *
 * A child fills memory with a word that is not found elsewhere and goes.  Then fresh memory is
 * taken in every way there is, and none of it may hold anything but zeros.  Builds with
 * checks fill freed frames with a pattern by themselves, which is looked for in the same way.
 * Answers of calls are looked at, too: what in a structure is nobody's.
 */
// cow
#include "hostile.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/utsname.h>

enum { PAGES = 512, PAGE = 4096, BYTES = PAGES * PAGE };

/* Frames full of secrets become free: a program's, a file's, a pipe's. */
static void leave_secrets(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		uint64_t *words = hostile_map(PROT_READ | PROT_WRITE, 2 * PAGES);
		int fd = (int)syscall(SYS_memfd_create, "secrets", 0), fds[2];

		for (int i = 0; i < 2 * BYTES / 8; i++)
			words[i] = 0x5ec2e75ec2e75ec2;
		CHECK_EQ(write(fd, words, BYTES), BYTES);
		CHECK(pipe(fds) == 0 && write(fds[1], words, 65536) == 65536);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
}

static void check_zeros(const volatile void *memory, size_t len)
{
	const volatile uint64_t *words = memory;

	for (size_t i = 0; i < len / 8; i++)
		CHECK_EQ(words[i], 0);
}

TEST(anonymous_memory)
{
	leave_secrets();
	char *memory = hostile_map(PROT_READ | PROT_WRITE, PAGES);
	for (int i = 0; i < PAGES; i += 2)
		memory[i * PAGE + 8] = 0;       /* written first; the others are read first */
	check_zeros(memory, BYTES);
	CHECK_EQ(madvise(memory, BYTES, MADV_DONTNEED), 0);
	check_zeros(memory, BYTES);
}

TEST(huge_memory)
{
	leave_secrets();
	char *memory = hostile_map(PROT_READ | PROT_WRITE, 2 * PAGES);
	madvise(memory, 2 * BYTES, MADV_HUGEPAGE);
	for (int i = 0; i < 2 * PAGES; i += 7)
		memory[i * PAGE] = 0;
	check_zeros(memory, 2 * BYTES);
}

TEST(heap)
{
	leave_secrets();
	char *end = sbrk(0);
	char *start = (char *)(((uintptr_t)end + PAGE - 1) & -(uintptr_t)PAGE);

	CHECK_EQ(syscall(SYS_brk, start + BYTES), (long)start + BYTES);
	check_zeros(start, BYTES);
	CHECK_EQ(syscall(SYS_brk, start), (long)start);
	leave_secrets();
	CHECK_EQ(syscall(SYS_brk, start + BYTES), (long)start + BYTES);
	check_zeros(start, BYTES);
}

static __attribute__((noinline)) void look_at_stack(void)
{
	volatile char room[64 * PAGE];

	check_zeros((void *)(((uintptr_t)room + PAGE) & -(uintptr_t)PAGE), 60 * PAGE);
}

TEST(stack)
{
	leave_secrets();
	look_at_stack();
}

static void check_file(int fd)
{
	uint64_t page[PAGE / 8];

	leave_secrets();
	CHECK_EQ(pwrite(fd, "x", 1, BYTES - 1), 1);             /* before it a hole */
	CHECK_EQ(pread(fd, page, PAGE, 0), PAGE);
	check_zeros(page, PAGE);
	CHECK_EQ(pread(fd, page, PAGE, BYTES - PAGE), PAGE);
	check_zeros(page, PAGE - 8);
	CHECK_EQ(ftruncate(fd, BYTES + 5 * PAGE + 100), 0);
	char *view = mmap(NULL, BYTES + 6 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(view != MAP_FAILED);
	check_zeros(view, BYTES - 8);
	check_zeros(view + BYTES, 6 * PAGE);                    /* also behind the end */
	memset(view + BYTES, 's', 5 * PAGE);
	CHECK_EQ(ftruncate(fd, BYTES + 10), 0);                 /* cut, and grown again */
	CHECK_EQ(ftruncate(fd, BYTES + 5 * PAGE), 0);
	check_zeros(view + BYTES + 16, 5 * PAGE - 16);
}

TEST(files)
{
	char path[] = "/tmp/hostile_leaks_XXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0 && unlink(path) == 0);
	check_file(fd);
	check_file((int)syscall(SYS_memfd_create, "file", 0));
}

TEST(shared_memory)
{
	leave_secrets();
	check_zeros(mmap(NULL, BYTES, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0), BYTES);
	int id = shmget(IPC_PRIVATE, BYTES, 0600);
	void *segment = shmat(id, NULL, 0);
	CHECK(segment != (void *)-1);
	check_zeros(segment, BYTES);
	CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
}

/* A private copy of the last page of a file, and what is behind. */
TEST(copies_of_last_pages)
{
	int fd = (int)syscall(SYS_memfd_create, "short", 0);

	leave_secrets();
	CHECK_EQ(write(fd, "x", 1), 1);
	char *view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	view[0] = 0;
	check_zeros(view, PAGE);
}

/* What a pipe holds is what was written, however little of a page. */
TEST(pipes)
{
	char bytes[PAGE];
	int fds[2];

	leave_secrets();
	CHECK_EQ(pipe(fds), 0);
	for (int i = 0; i < 50; i++) {
		memset(bytes, 0x77, sizeof(bytes));
		CHECK_EQ(write(fds[1], "abc", 3), 3);
		CHECK_EQ(read(fds[0], bytes, sizeof(bytes)), 3);
		CHECK(bytes[2] == 'c' && bytes[3] == 0x77);
	}
}

/* The zeros behind a program's data, here and in a page that the file begins. */
static char zeros_of_the_program[8 * PAGE];
static char data_of_the_program[100] = "x";

TEST(tails_of_segments)
{
	const char *end = data_of_the_program + sizeof(data_of_the_program);

	CHECK(end && data_of_the_program[0] == 'x');
	check_zeros((void *)(((uintptr_t)zeros_of_the_program + 7) & -8ul),
		sizeof(zeros_of_the_program) - 8);
}

/* ---- answers ---- */

static unsigned char answer[4096] __attribute__((aligned(64)));

/* Calls use the kernel's stack: fill it with this and that, then see what is left behind. */
static void stir(void)
{
	struct stat status;
	char name[600];

	memset(name, 0xa5, sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	stat(name, &status);
	stat("/proc/self/../self/status", &status);
	memset(answer, 0xee, sizeof(answer));
}

/* Nobody's bytes are zero, or were not touched. */
static void check_padding(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		CHECK(answer[i] == 0 || answer[i] == 0xee);
}

TEST(padding_of_answers)
{
	struct timeval zero = {0};

	stir();
	CHECK_EQ(syscall(SYS_stat, "/proc", answer), 0);
	check_padding(36, 40);
	check_padding(120, 144);
	CHECK_EQ(answer[144], 0xee);
	stir();
	CHECK_EQ(syscall(SYS_statfs, "/proc", answer), 0);
	check_padding(88, 120);
	CHECK_EQ(answer[120], 0xee);
	stir();
	CHECK_EQ(syscall(SYS_statx, -100, "/proc", 0, 0x7ff, answer), 0);
	check_padding(30, 32);
	check_padding(192, 256);
	stir();
	CHECK_EQ(syscall(SYS_sysinfo, answer), 0);
	check_padding(82, 88);
	check_padding(108, 112);
	stir();
	CHECK_EQ(syscall(SYS_uname, answer), 0);
	for (int field = 0; field < 6; field++)
		check_padding(65 * field + strlen((char *)answer + 65 * field), 65 * (field + 1));
	stir();
	CHECK_EQ(syscall(SYS_sigaltstack, NULL, answer), 0);
	check_padding(12, 16);
	stir();
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	CHECK_EQ(syscall(SYS_waitid, P_PID, pid, answer, WEXITED, NULL), 0);
	check_padding(12, 16);
	check_padding(28, 128);
	stir();
	CHECK_EQ(syscall(SYS_getrusage, RUSAGE_SELF, answer), 0);
	CHECK_EQ(answer[144], 0xee);
	stir();
	CHECK_EQ(syscall(SYS_gettimeofday, answer, &zero), 0);
	CHECK_EQ(answer[16], 0xee);
}

TEST(padding_of_the_name)
{
	stir();
	CHECK_EQ(syscall(SYS_prctl, PR_SET_NAME, "x"), 0);
	CHECK_EQ(syscall(SYS_prctl, PR_GET_NAME, answer), 0);
	check_padding(1, 16);
	CHECK_EQ(answer[16], 0xee);
}

static void look_at_frame(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	memcpy(answer, info, 128);
	memcpy(answer + 1024, context, 64);
}

TEST(padding_of_frames)
{
	struct sigaction action = {.sa_sigaction = look_at_frame, .sa_flags = SA_SIGINFO};

	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	stir();
	CHECK_EQ(raise(SIGUSR1), 0);
	check_padding(12, 16);
	check_padding(1024 + 28, 1024 + 32);    /* behind the flags of the alternate stack */
}

TEST(padding_of_names)
{
	stir();
	int fd = open("/proc", O_RDONLY);
	long len = syscall(SYS_getdents64, fd, answer, sizeof(answer));

	CHECK(len > 100);
	for (long at = 0; at < len;) {
		uint16_t size = *(uint16_t *)(answer + at + 16);
		const char *name = (char *)answer + at + 19;

		check_padding((size_t)at + 19 + strlen(name), (size_t)at + size);
		at += size;
	}
}
