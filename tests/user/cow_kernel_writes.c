/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/cow_kernel_writes.c - what the kernel writes for a program goes to that program only.
 *
 * In each test the kernel's result is the first write to a page that two processes share.
 */
#include "memory.h"

#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

/* Fork with this page full of 'A'; the parent runs `write_it`, the child does, and each sees only
 * its own. */
static void both_write(void (*write_it)(volatile char *page))
{
	struct gate gate = gate_new();
	volatile char *page = pages_new(1);

	memset((char *)page, 'A', PAGE);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		gate_pass(gate);
		CHECK(bytes_are(page, PAGE, 'A'));
		write_it(page);
		CHECK(!bytes_are(page, PAGE, 'A'));
		_exit(0);
	}
	pid_t other = fork();
	if (other == 0) {
		write_it(page);
		_exit(bytes_are(page, PAGE, 'A') ? 1 : 0);
	}
	CHECK_EXIT(other, 0);
	CHECK(bytes_are(page, PAGE, 'A'));
	write_it(page);
	CHECK(!bytes_are(page, PAGE, 'A'));
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

static void write_by_read(volatile char *page)
{
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(write(fds[1], "kernel", 6), 6);
	CHECK_EQ(read(fds[0], (char *)page + 100, 6), 6);
	CHECK_EQ(memcmp((char *)page + 99, "AkernelA", 8), 0);
	close(fds[0]);
	close(fds[1]);
}

TEST(read_from_a_pipe)
{
	both_write(write_by_read);
}

static void write_by_readv(volatile char *page)
{
	struct iovec parts[2] = {{(char *)page, 3}, {(char *)page + 2000, 3}};
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(write(fds[1], "kernel", 6), 6);
	CHECK_EQ(readv(fds[0], parts, 2), 6);
	CHECK_EQ(memcmp((char *)page + 2000, "nelA", 4), 0);
	close(fds[0]);
	close(fds[1]);
}

TEST(readv_to_two_places)
{
	both_write(write_by_readv);
}

static void write_by_getcwd(volatile char *page)
{
	CHECK_EQ(chdir("/proc"), 0);
	CHECK(getcwd((char *)page + 8, 100) == (char *)page + 8);
	CHECK_EQ(strcmp((char *)page + 8, "/proc"), 0);
}

TEST(getcwd_result)
{
	both_write(write_by_getcwd);
}

static void write_by_stat(volatile char *page)
{
	struct stat *result = (struct stat *)(page + 512);

	CHECK_EQ(stat("/proc", result), 0);
	CHECK(S_ISDIR(result->st_mode));
}

TEST(stat_result)
{
	both_write(write_by_stat);
}

static void write_by_clock(volatile char *page)
{
	struct timespec *now = (struct timespec *)(page + 64);

	CHECK_EQ(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, now), 0);
	CHECK(now->tv_nsec >= 0 && now->tv_nsec < 1000000000);
}

TEST(clock_gettime_result)
{
	both_write(write_by_clock);
}

static void write_by_wait(volatile char *page)
{
	int *status = (int *)(page + 40);
	pid_t pid = fork();

	if (pid == 0)
		_exit(3);
	CHECK_EQ(waitpid(pid, status, 0), pid);
	CHECK_EQ(WEXITSTATUS(*status), 3);
}

TEST(wait_status)
{
	both_write(write_by_wait);
}

static void write_by_pipe(volatile char *page)
{
	int *fds = (int *)(page + 16);

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(close(fds[0]), 0);
	CHECK_EQ(close(fds[1]), 0);
}

TEST(pipe_descriptors)
{
	both_write(write_by_pipe);
}

static void write_by_signal(volatile char *page)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	CHECK_EQ(sigaction(SIGUSR1, &ignore, NULL), 0);
	CHECK_EQ(sigaction(SIGUSR1, NULL, (struct sigaction *)(page + 256)), 0);
	CHECK(((struct sigaction *)(page + 256))->sa_handler == SIG_IGN);
}

TEST(old_signal_action)
{
	both_write(write_by_signal);
}

/* A result that covers the ends of two pages. */
TEST(read_across_a_page_boundary)
{
	volatile char *page = pages_new(2);
	int fds[2];

	memset((char *)page, 'A', 2 * PAGE);
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(write(fds[1], "12345678", 8), 8);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(read(fds[0], (char *)page + PAGE - 4, 8), 8);
		CHECK_EQ(memcmp((char *)page + PAGE - 5, "A12345678A", 10), 0);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(bytes_are(page, 2 * PAGE, 'A'));
}

TEST(read_into_untouched_memory_leaves_zeros_elsewhere)
{
	volatile char *page = pages_new(2), *other = pages_new(1);
	int fds[2];

	CHECK_EQ(page[0] + page[PAGE] + other[0], 0);
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(write(fds[1], "kernel", 6), 6);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(read(fds[0], (char *)page, 6), 6);
		CHECK_EQ(memcmp((char *)page, "kernel", 7), 0);
		CHECK(bytes_are(page + PAGE, PAGE, 0));
		CHECK(bytes_are(other, PAGE, 0));
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(bytes_are(page, 2 * PAGE, 0));
	CHECK(bytes_are(other, PAGE, 0));
}

/* The data must stay in the pipe for somebody with a better buffer. */
static void reads_refused(volatile char *page)
{
	int fds[2];
	char back[6];

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(write(fds[1], "kernel", 6), 6);
	CHECK_ERRNO(read(fds[0], (char *)page, 6), EFAULT);
	CHECK_EQ(read(fds[0], back, 6), 6);
	close(fds[0]);
	close(fds[1]);
}

TEST(refused_where_the_program_may_not_write)
{
	volatile char *page = pages_new(1);

	page[0] = 'A';
	CHECK_EQ(protect(page, 1, PROT_READ), 0);
	reads_refused(page);
	pid_t pid = fork();
	if (pid == 0) {
		reads_refused(page);
		_exit(0);
	}
	reads_refused(page);
	CHECK_EXIT(pid, 0);
	reads_refused(page);
	CHECK_EQ(page[0], 'A');
}

TEST(refused_where_the_program_may_not_look)
{
	volatile char *page = pages_new(1);
	int fds[2];

	page[0] = 'A';
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(protect(page, 1, PROT_NONE), 0);
	reads_refused(page);
	CHECK_ERRNO(write(fds[1], (char *)page, 1), EFAULT);
	CHECK_ERRNO(stat((char *)page, (struct stat *)&fds), EFAULT);
	pid_t pid = fork();
	if (pid == 0) {
		reads_refused(page);
		CHECK_ERRNO(write(fds[1], (char *)page, 1), EFAULT);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(protect(page, 1, PROT_READ), 0);
	CHECK_EQ(write(fds[1], (char *)page, 1), 1);
}

TEST(refused_where_nothing_is_mapped)
{
	volatile char *page = pages_new(1);

	pages_free(page, 1);
	reads_refused(page);
	reads_refused((volatile char *)0xffff888000000000ul);
	reads_refused((volatile char *)0xffffffff80100000ul);
}

TEST(tid_of_the_child_is_written_to_its_copy)
{
	volatile pid_t *tid = (volatile pid_t *)pages_new(1);

	*tid = -1;
	pid_t pid = syscall(SYS_clone, CLONE_CHILD_SETTID | SIGCHLD, NULL, NULL, tid, 0);
	if (pid == 0)
		_exit(*tid == syscall(SYS_gettid) ? 0 : 1);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(*tid, -1);
}

TEST(tid_for_the_parent_is_not_in_the_childs_copy)
{
	volatile pid_t *tid = (volatile pid_t *)pages_new(1);

	*tid = -1;
	pid_t pid = syscall(SYS_clone, CLONE_PARENT_SETTID | SIGCHLD, NULL, tid, NULL, 0);
	if (pid == 0)
		_exit(*tid == -1 ? 0 : 1);
	CHECK_EQ(*tid, pid);
	CHECK_EXIT(pid, 0);
}

/* write(2) takes the bytes that are there at that moment. */
TEST(bytes_written_are_not_what_the_other_writes_later)
{
	volatile char *page = pages_new(1);
	int fds[2];
	char back[4];

	strcpy((char *)page, "old");
	CHECK_EQ(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(write(fds[1], (char *)page, 4), 4);
		strcpy((char *)page, "new");
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(read(fds[0], back, 4), 4);
	CHECK_EQ(strcmp(back, "old"), 0);
	CHECK_EQ(strcmp((char *)page, "old"), 0);
}
