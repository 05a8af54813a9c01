/* SPDX-License-Identifier: MIT */
// cowbell-only
/*
 * tests/user/mm_oom.c - out of memory: who goes, who stays, what is told.
 */
#include "memory.h"

#include <sched.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <time.h>

static long long free_kib(void)
{
	return proc_number("/proc/meminfo", "MemFree:");
}

static void set_adjust(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void nap_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static bool memory_comes_back(long long before_kib)
{
	for (int i = 0; i < 1000; i++) {
		if (free_kib() >= before_kib - 1024)
			return true;
		nap_ms(5);
	}
	return false;
}

/* Take memory until there is none. */
static _Noreturn void hog(void)
{
	for (;;)
		pages_mark(pages_new(256), 256, 1);
}

static pid_t start_hog(const char *adjust)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (adjust)
			set_adjust("/proc/self/oom_score_adj", adjust);
		hog();
	}
	return pid;
}

/* Somebody with `pages` pages of his own, who waits at the gate. */
static pid_t start_holder(struct gate gate, size_t pages, const char *adjust)
{
	struct gate ready = gate_new();
	pid_t pid = fork();

	if (pid == 0) {
		close(ready.fd[0]);
		if (adjust)
			set_adjust("/proc/self/oom_score_adj", adjust);
		pages_mark(pages_new(pages), pages, 1);
		close(ready.fd[1]);
		gate_pass(gate);
		_exit(0);
	}
	gate_pass(ready);
	return pid;
}

static bool is_alive(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

TEST(the_hog_goes_not_the_family_that_shares)
{
	enum { CHILDREN = 50, PAGES = 32768 };
	long long before = free_kib();
	volatile char *memory = pages_new(PAGES);
	struct gate gate = gate_new();
	pid_t children[CHILDREN];

	pages_mark(memory, PAGES, 1);
	for (int i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		CHECK(children[i] >= 0);
		if (children[i] == 0) {
			gate_pass(gate);
			_exit(pages_have_marks(memory, PAGES, 1) ? 0 : 1);
		}
	}
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(munmap((void *)memory, PAGES * PAGE), 0);
		hog();
	}
	CHECK_KILLED(pid, SIGKILL);
	for (int i = 0; i < CHILDREN; i++)
		CHECK(is_alive(children[i]));
	gate_open(gate);
	for (int i = 0; i < CHILDREN; i++)
		CHECK_EXIT(children[i], 0);
	pages_free(memory, PAGES);
	CHECK(memory_comes_back(before));
}

TEST(adjustment_decides)
{
	long long before = free_kib();
	struct gate gate = gate_new();
	pid_t wanted = start_holder(gate, 4096, "1000");
	pid_t other = start_hog("0");

	CHECK_KILLED(wanted, SIGKILL);
	CHECK_KILLED(other, SIGKILL);           /* later: it never ends by itself */
	CHECK(memory_comes_back(before));
	gate_open(gate);
}

TEST(who_is_exempt_stays)
{
	long long before = free_kib();
	struct gate gate = gate_new();
	pid_t exempt = start_holder(gate, free_kib() / 4 / 2, "-1000");
	pid_t other = start_hog(NULL);

	CHECK_KILLED(other, SIGKILL);
	CHECK(is_alive(exempt));
	gate_open(gate);
	CHECK_EXIT(exempt, 0);
	CHECK(memory_comes_back(before));
}

/* Memory without a name belongs to those who map it. */
TEST(shared_memory_counts_for_who_maps_it)
{
	long long before = free_kib();
	pid_t pid = fork();

	if (pid == 0) {
		size_t pages = (size_t)before / 4 + 4096;
		volatile char *memory = memory_map((pages - 8192) * PAGE, PROT_READ | PROT_WRITE,
			MAP_SHARED);
		pages_mark(memory, pages - 8192, 1);
		pages_mark(pages_new(16384), 16384, 1);
		_exit(0);
	}
	CHECK_KILLED(pid, SIGKILL);
	CHECK(memory_comes_back(before));
}

static int endless(void *unused)
{
	for (;;)
		pause();
	return unused != NULL;
}

/* Two processes, one space: with one goes the other, else nothing would come back. */
TEST(all_who_share_the_space_go)
{
	long long before = free_kib();
	pid_t twin, pid;
	char path[64];
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		char *stack = (char *)pages_new(16);
		twin = clone(endless, stack + 16 * PAGE, CLONE_VM | SIGCHLD, NULL);
		CHECK(twin > 0);
		CHECK_EQ(write(fds[1], &twin, sizeof(twin)), sizeof(twin));
		hog();
	}
	CHECK_EQ(read(fds[0], &twin, sizeof(twin)), sizeof(twin));
	CHECK_KILLED(pid, SIGKILL);
	CHECK(memory_comes_back(before));
	snprintf(path, sizeof(path), "/proc/%d/status", twin);
	CHECK(proc_number(path, "VmSize:") < 0);        /* a zombie, or nothing */
}

static int hog_on_loan(void *unused)
{
	if (!unused)
		hog();
	return 0;
}

/* As vfork: the child has nothing of its own, and ends with the space it was lent. */
TEST(a_space_on_loan_goes_with_its_owner)
{
	long long before = free_kib();
	pid_t pid = fork();

	if (pid == 0) {
		char *stack = (char *)pages_new(16);
		clone(hog_on_loan, stack + 16 * PAGE, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
		_exit(0);
	}
	CHECK_KILLED(pid, SIGKILL);
	CHECK(memory_comes_back(before));
}

TEST(many_hogs_at_once_end_one_after_the_other)
{
	enum { HOGS = 6 };
	long long before = free_kib();
	pid_t hogs[HOGS];

	for (int i = 0; i < HOGS; i++)
		hogs[i] = start_hog("500");
	for (int i = 0; i < HOGS; i++)
		CHECK_KILLED(hogs[i], SIGKILL);
	CHECK(memory_comes_back(before));
}

/* The kernel keeps a reserve: with all memory taken, calls still work or say ENOMEM. */
TEST(calls_go_on_while_memory_is_out)
{
	long long before = free_kib();
	pid_t other = start_hog("1000");

	for (int i = 0; i < 200; i++) {
		int fds[2];
		if (pipe(fds) == 0) {
			close(fds[0]);
			close(fds[1]);
		} else {
			CHECK_EQ(errno, ENOMEM);
		}
		sched_yield();
	}
	CHECK_KILLED(other, SIGKILL);
	CHECK(memory_comes_back(before));
}

/* vm.min_free_kbytes: programs are stopped before it is touched. */
TEST(the_reserve_is_kept_from_programs)
{
	enum { MORE_KIB = 24 * 1024 };
	long long before = free_kib(), kept = proc_number("/proc/sys/vm/min_free_kbytes", "");
	volatile long long *least = (volatile long long *)memory_map(PAGE,
		PROT_READ | PROT_WRITE, MAP_SHARED);
	char text[32];

	snprintf(text, sizeof(text), "%lld", kept + MORE_KIB);
	set_adjust("/proc/sys/vm/min_free_kbytes", text);
	CHECK_EQ(proc_number("/proc/sys/vm/min_free_kbytes", ""), kept + MORE_KIB);
	pid_t pid = fork();
	if (pid == 0) {
		for (;;) {
			pages_mark(pages_new(64), 64, 1);
			*least = free_kib();
		}
	}
	int status = utest_wait(pid);
	snprintf(text, sizeof(text), "%lld", kept);
	set_adjust("/proc/sys/vm/min_free_kbytes", text);
	CHECK_EQ(status, 128 + SIGKILL);
	CHECK(*least >= MORE_KIB && *least < kept + MORE_KIB + 4096);
	CHECK(memory_comes_back(before));
}

TEST(the_score_says_who_is_next)
{
	struct gate gate = gate_new();
	pid_t small = start_holder(gate, 16, NULL), large = start_holder(gate, 16384, NULL);
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/oom_score", small);
	long long small_score = proc_number(path, "");
	snprintf(path, sizeof(path), "/proc/%d/oom_score", large);
	long long large_score = proc_number(path, "");
	CHECK(small_score >= 600 && small_score < large_score);
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", large);
	set_adjust(path, "-1000");
	snprintf(path, sizeof(path), "/proc/%d/oom_score", large);
	CHECK_EQ(proc_number(path, ""), 0);
	CHECK_EQ(proc_number("/proc/1/oom_score", ""), 0);
	gate_open(gate);
	CHECK_EXIT(small, 0);
	CHECK_EXIT(large, 0);
}

TEST(kills_are_counted_and_told)
{
	static char log[64 * 1024];
	long long kills = proc_number("/proc/vmstat", "oom_kill");
	pid_t pid = start_hog(NULL);
	char line[64];

	CHECK_KILLED(pid, SIGKILL);
	CHECK(proc_number("/proc/vmstat", "oom_kill") >= kills + 1);
	int len = klogctl(3, log, sizeof(log) - 1);
	CHECK(len > 0);
	log[len] = '\0';
	snprintf(line, sizeof(line), "out of memory: killed process %d (mm_oom)", pid);
	CHECK(strstr(log, line));
	CHECK(strstr(log, "are kept for the kernel"));
}
