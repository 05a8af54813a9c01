/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/fork_wait.c - children: made, ended, waited for.
 */
#include "memory.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

PAGES_ARE_COUNTED

static void sleep_ms(long ms)
{
	struct timespec left = {.tv_nsec = ms * 1000000};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

TEST(child_knows_its_parent)
{
	pid_t parent = getpid(), pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK_EQ(getppid(), parent);
		CHECK(getpid() != parent);
		_exit(7);
	}
	CHECK_EXIT(pid, 7);
}

TEST(child_has_a_copy_of_memory)
{
	static int data = 1;
	int *heap = malloc(sizeof(*heap)), stack = 1;

	*heap = 1;
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(data == 1 && *heap == 1 && stack == 1);
		data = *heap = stack = 2;
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(data == 1 && *heap == 1 && stack == 1);
	free(heap);
}

TEST(three_generations)
{
	pid_t pid = fork();

	if (pid == 0) {
		pid_t grandchild = fork();
		if (grandchild == 0)
			_exit(5);
		CHECK_EXIT(grandchild, 5);
		_exit(6);
	}
	CHECK_EXIT(pid, 6);
}

TEST(status_says_which_signal)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		raise(SIGTERM);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGTERM);
}

TEST(nohang_returns_at_once)
{
	int status, fds[2];
	char byte;

	CHECK_EQ(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(read(fds[0], &byte, 1), 1);
		_exit(1);
	}
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	CHECK_EQ(write(fds[1], "x", 1), 1);
	CHECK_EXIT(pid, 1);
}

TEST(no_child_is_an_error)
{
	CHECK_ERRNO(waitpid(-1, NULL, 0), ECHILD);
	CHECK_ERRNO(waitpid(1, NULL, WNOHANG), ECHILD);
	CHECK_ERRNO(waitpid(-1, NULL, 0x4000), EINVAL);
}

TEST(any_child_in_any_order)
{
	enum { CHILDREN = 20 };
	bool seen[CHILDREN] = {false};

	for (int i = 0; i < CHILDREN; i++) {
		if (fork() == 0)
			_exit(i);
	}
	for (int i = 0; i < CHILDREN; i++) {
		int status;
		CHECK(waitpid(-1, &status, 0) > 0);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) < CHILDREN);
		CHECK(!seen[WEXITSTATUS(status)]);
		seen[WEXITSTATUS(status)] = true;
	}
	CHECK_ERRNO(wait(NULL), ECHILD);
}

TEST(orphan_goes_to_init)
{
	int fds[2];
	pid_t seen = 0;

	CHECK_EQ(pipe(fds), 0);
	pid_t middle = fork();
	if (middle == 0) {
		pid_t self = getpid();
		if (fork() == 0) {
			while (getppid() == self)
				sleep_ms(1);
			pid_t parent = getppid();
			CHECK(write(fds[1], &parent, sizeof(parent)) == sizeof(parent));
			_exit(0);
		}
		_exit(0);
	}
	CHECK_EXIT(middle, 0);
	CHECK_EQ(read(fds[0], &seen, sizeof(seen)), sizeof(seen));
	CHECK(seen != middle && seen > 0);
}

TEST(ignoring_sigchld_needs_no_wait)
{
	signal(SIGCHLD, SIG_IGN);
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	CHECK_ERRNO(waitpid(pid, NULL, 0), ECHILD);
	while (kill(pid, 0) == 0)
		sched_yield();          /* Linux forgets it a moment later */
	CHECK_EQ(errno, ESRCH);
}

TEST(wait4_tells_consumption)
{
	struct rusage usage;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		volatile char *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (int i = 0; i < 1 << 20; i += 4096)
			memory[i] = 1;
		_exit(0);
	}
	CHECK_EQ(wait4(pid, &status, 0, &usage), pid);
	CHECK(usage.ru_minflt >= 256);
	CHECK(usage.ru_maxrss >= 1024);
	CHECK_EQ(getrusage(RUSAGE_CHILDREN, &usage), 0);
	CHECK(usage.ru_minflt >= 256);
}

TEST(a_thousand_forks)
{
	for (int i = 0; i < 1000; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(i & 0x7f);
		CHECK_EXIT(pid, i & 0x7f);
	}
}

TEST(many_children_live_at_once)
{
	enum { CHILDREN = 300 };
	int fds[2];
	char byte;

	CHECK_EQ(pipe(fds), 0);
	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			close(fds[1]);
			_exit(read(fds[0], &byte, 1) == 0 ? 0 : 1);
		}
	}
	close(fds[1]);
	for (int i = 0; i < CHILDREN; i++) {
		int status;
		CHECK(wait(&status) > 0);
		CHECK_EQ(status, 0);
	}
}

TEST(killed_while_forking)
{
	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			setpgid(0, 0);
			for (;;) {
				pid_t child = fork();
				if (child == 0)
					_exit(0);
				waitpid(child, NULL, 0);
			}
		}
		setpgid(pid, pid);
		sched_yield();
		CHECK_EQ(kill(-pid, SIGKILL), 0);
		CHECK_KILLED(pid, SIGKILL);
	}
}

TEST(clone_writes_the_tids)
{
	pid_t parent_tid = 0;
	static pid_t child_tid;
	long flags = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD;
	pid_t pid = syscall(SYS_clone, flags, NULL, &parent_tid, &child_tid, 0);

	if (pid == 0)
		_exit(child_tid == syscall(SYS_gettid) ? 0 : 1);
	CHECK_EQ(parent_tid, pid);
	CHECK_EQ(child_tid, 0);
	CHECK_EXIT(pid, 0);
}

TEST(clone_refuses_nonsense)
{
	CHECK_ERRNO(syscall(SYS_clone, CLONE_THREAD, NULL, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, NULL, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_NEWNS | CLONE_FS, NULL, NULL, NULL, 0), EINVAL);
}

/* ---- the parent's end ---- */

static int told[2];

static void tell_sender(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	int values[] = {info->si_code, info->si_pid};

	_exit(write(told[1], values, sizeof(values)) == sizeof(values) ? 0 : 1);
}

TEST(end_of_the_parent_comes_as_its_signal)
{
	struct sigaction action = {.sa_sigaction = tell_sender, .sa_flags = SA_SIGINFO};
	int ready[2], values[2];
	char byte;

	CHECK_EQ(pipe(told), 0);
	CHECK_EQ(pipe(ready), 0);
	pid_t parent = fork();
	if (parent == 0) {
		if (fork() == 0) {
			sigaction(SIGUSR1, &action, NULL);
			prctl(PR_SET_PDEATHSIG, SIGUSR1);
			CHECK_EQ(write(ready[1], "x", 1), 1);
			sleep(30);
			_exit(1);               /* nobody tells us */
		}
		CHECK_EQ(read(ready[0], &byte, 1), 1);
		_exit(0);
	}
	CHECK_EXIT(parent, 0);
	close(told[1]);
	CHECK_EQ(read(told[0], values, sizeof(values)), sizeof(values));
	CHECK_EQ(values[0], SI_USER);
	CHECK_EQ(values[1], parent);
}
