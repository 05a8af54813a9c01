/* SPDX-License-Identifier: MIT */
/*
 * tests/user/hostile_memory.c - memory that is not the program's to write, and memory that changes
 * under the kernel's hands.
 */
// cow
#include "hostile.h"

#include <fcntl.h>
#include <pthread.h>

enum { PAGE = 4096 };

static int memory_open(void)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static ssize_t poke(int fd, const volatile void *at, const char *text)
{
	return pwrite(fd, text, strlen(text), (off_t)(uintptr_t)at);
}

/* ---- /proc/self/mem ---- */

/* What may only be read is written for a debugger's sake, but in a page of the writer's own. */
TEST(forced_write_is_private)
{
	char path[] = "/tmp/hostile_memory_XXXXXX", text[5] = "";
	int file = mkstemp(path), memory = memory_open();

	CHECK(file >= 0 && unlink(path) == 0);
	CHECK_EQ(write(file, "file", 4), 4);
	const volatile char *view = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
	const volatile char *other = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
	CHECK_EQ(poke(memory, view, "mine"), 4);
	CHECK_EQ(view[0], 'm');
	CHECK_EQ(other[0], 'f');
	CHECK_EQ(pread(file, text, 4, 0), 4);
	CHECK(strcmp(text, "file") == 0);
	FAULTS(SIGSEGV, *(volatile char *)view = 'x');  /* the writer has no right more */
	CHECK_EQ(view[0], 'm');
}

TEST(forced_write_after_a_fork_is_the_writers)
{
	char *page = hostile_map(PROT_READ | PROT_WRITE, 1);
	int memory = memory_open();

	strcpy(page, "both");
	CHECK_EQ(mprotect(page, PAGE, PROT_READ), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(strcmp(page, "both") == 0);
		CHECK_EQ(poke(memory_open(), page, "soon"), 4);
		CHECK(strcmp(page, "soon") == 0);
		CHECK_EQ(mprotect(page, PAGE, PROT_READ | PROT_WRITE), 0);
		page[0] = 'n';
		_exit(strcmp(page, "noon") == 0 ? 0 : 1);
	}
	CHECK_EXIT(pid, 0);
	CHECK(strcmp(page, "both") == 0);
	CHECK_EQ(poke(memory, page, "self"), 4);
	CHECK(strcmp(page, "self") == 0);
	FAULTS(SIGSEGV, *(volatile char *)page = 'x');
}

TEST(forced_write_to_zeros_and_to_code)
{
	static const char constant[] = "constant";
	char *zeros = hostile_map(PROT_READ, 2);
	int memory = memory_open();

	CHECK_EQ(zeros[0], 0);
	CHECK_EQ(poke(memory, zeros + PAGE - 2, "abcd"), 4);
	CHECK(zeros[PAGE - 2] == 'a' && zeros[PAGE + 1] == 'd');
	CHECK_EQ(((volatile char *)hostile_map(PROT_READ, 1))[PAGE - 2], 0);
	CHECK_EQ(poke(memory, constant, "C"), 1);
	CHECK_EQ(((const volatile char *)constant)[0], 'C');
	CHECK_EQ(pwrite(memory, (void *)memory_open, 16, (off_t)(uintptr_t)memory_open), 16);
	CHECK(memory_open() >= 0);
}

TEST(forced_write_stops_at_what_is_shared)
{
	char path[] = "/tmp/hostile_memory_XXXXXX";
	int file = mkstemp(path), memory = memory_open();

	CHECK(file >= 0 && unlink(path) == 0);
	CHECK_EQ(write(file, "file", 4), 4);
	const volatile char *view = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0);
	CHECK_ERRNO(poke(memory, view, "mine"), EIO);
	CHECK_EQ(view[0], 'f');
	int constant = open("/proc/self/exe", O_RDONLY);
	CHECK_ERRNO(write(constant, "x", 1), EBADF);
	CHECK(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, constant, 0) == MAP_FAILED);
	CHECK_EQ(errno, EACCES);
}

TEST(memory_that_is_not_there)
{
	int memory = memory_open();
	char byte = 0, *edge = hostile_edge();
	char two[2 * PAGE];

	for (int i = 0; i < HOSTILE_ADDRESSES; i++) {
		if ((off_t)hostile_addresses[i] < 0)
			continue;
		CHECK_ERRNO(pread(memory, &byte, 1, (off_t)hostile_addresses[i]), EIO);
		CHECK_ERRNO(pwrite(memory, &byte, 1, (off_t)hostile_addresses[i]), EIO);
	}
	CHECK_EQ(pread(memory, two, sizeof(two), (off_t)(uintptr_t)edge), PAGE);
	CHECK_EQ(pwrite(memory, two, sizeof(two), (off_t)(uintptr_t)edge), PAGE);
	CHECK_ERRNO(pread(memory, (void *)KERNEL_RAM, 8, (off_t)(uintptr_t)edge), EFAULT);
}

/* The next program of a child, see below: says that it is there, and waits. */
TEST(next_program)
{
	char byte;

	if (!getenv("NEXT_PROGRAM"))
		return;
	CHECK_EQ(write(STDERR_FILENO, "x", 1), 1);
	CHECK_EQ(read(STDIN_FILENO, &byte, 1), 0);
}

/* Who opened one program's memory has not opened the next one's, which may have more rights. */
TEST(memory_of_the_next_program)
{
	char name[32], line[64];
	int before[2], ready[2], end[2];
	char *arguments[] = {"hostile_memory", "next_program", NULL};
	char *environment[] = {"NEXT_PROGRAM=yes", NULL};

	CHECK(pipe(before) == 0 && pipe(ready) == 0 && pipe(end) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(end[0], STDIN_FILENO);
		dup2(ready[1], STDERR_FILENO);
		close(end[1]);
		CHECK_EQ(read(before[0], line, 1), 1);
		dup2(ready[1], STDOUT_FILENO);
		execve("/proc/self/exe", arguments, environment);
		_exit(1);
	}
	close(end[0]);
	snprintf(name, sizeof(name), "/proc/%d/mem", (int)pid);
	int memory = open(name, O_RDWR);
	snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
	int maps = open(name, O_RDONLY);
	CHECK(memory >= 0 && maps >= 0);
	off_t at = (off_t)(uintptr_t)name & -(off_t)PAGE;
	CHECK_EQ(pread(memory, line, 1, at), 1);
	CHECK_EQ(write(before[1], "x", 1), 1);
	CHECK_EQ(read(ready[0], line, 1), 1);
	CHECK_EQ(pread(memory, line, 1, at), 0);
	CHECK_EQ(pwrite(memory, "x", 1, at), 0);
	CHECK_EQ(read(maps, line, sizeof(line)), 0);
	close(end[1]);
	CHECK_EXIT(pid, 0);
}

/* The famous race: a page is written by force while another thread throws the copy away. */
static const volatile char *raced;
static volatile bool is_over;

static void *throw_away(void *argument)
{
	while (!is_over)
		madvise((void *)raced, PAGE, MADV_DONTNEED);
	return argument;
}

TEST(forced_write_in_a_race)
{
	char path[] = "/tmp/hostile_memory_XXXXXX", text[5] = "";
	int file = mkstemp(path), memory = memory_open();
	pthread_t thread;

	CHECK(file >= 0 && unlink(path) == 0);
	CHECK_EQ(write(file, "file", 4), 4);
	raced = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
	CHECK_EQ(pthread_create(&thread, NULL, throw_away, NULL), 0);
	for (int i = 0; i < 3000; i++) {
		CHECK_EQ(poke(memory, raced, "mine"), 4);
		char seen = raced[0];
		CHECK(seen == 'f' || seen == 'm');
	}
	is_over = true;
	pthread_join(thread, NULL);
	CHECK_EQ(pread(file, text, 4, 0), 4);
	CHECK(strcmp(text, "file") == 0);
}

/* ---- memory that goes while the kernel copies ---- */

static char *stage;

static void *unmap_and_map(void *argument)
{
	while (!is_over) {
		munmap(stage + PAGE, PAGE);
		mmap(stage + PAGE, PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	}
	return argument;
}

static void *forbid_and_allow(void *argument)
{
	while (!is_over) {
		mprotect(stage + PAGE, PAGE, PROT_NONE);
		mprotect(stage + PAGE, PAGE, PROT_READ);
		mprotect(stage + PAGE, PAGE, PROT_READ | PROT_WRITE);
	}
	return argument;
}

/* Copies end at the page that has gone, or within it, when it goes meanwhile, or do not begin. */
static void copy_in_a_race(void *(*disturb)(void *))
{
	int fds[2], zero = open("/dev/zero", O_RDONLY);
	pthread_t thread;

	stage = hostile_map(PROT_READ | PROT_WRITE, 3);
	CHECK(pipe(fds) == 0 && zero >= 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	CHECK_EQ(pthread_create(&thread, NULL, disturb, NULL), 0);
	for (int i = 0; i < 1500; i++) {
		ssize_t in = read(zero, stage + PAGE - 100, 200);
		CHECK((in >= 100 && in <= 200) || (in < 0 && errno == EFAULT));
		ssize_t out = write(fds[1], stage + PAGE - 50, 100);
		CHECK((out >= 50 && out <= 100) || (out < 0 && errno == EFAULT));
		ssize_t back = read(fds[0], stage + PAGE - 1, 1000);
		CHECK(back >= 1 || (back < 0 && (errno == EFAULT || errno == EAGAIN)));
		while (read(fds[0], (char[512]){0}, 512) > 0)
			;
		CHECK(syscall(SYS_fstat, zero, stage + PAGE - 16) == 0 || errno == EFAULT);
		CHECK(open(stage + PAGE - 3, O_RDONLY) < 0);
	}
	is_over = true;
	pthread_join(thread, NULL);
	hostile_check_kernel();
}

TEST(unmapped_while_copied)
{
	copy_in_a_race(unmap_and_map);
}

TEST(forbidden_while_copied)
{
	copy_in_a_race(forbid_and_allow);
}
