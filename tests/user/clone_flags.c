/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/clone_flags.c - what each flag of clone(2) and clone3(2) shares, stores and refuses.
 */
#include "memory.h"

#include <limits.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* The C library does not know these. */
#define CLONE_CLEAR_SIGHAND 0x100000000ul
#define CLONE_INTO_CGROUP 0x200000000ul

struct arguments {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid;
	uint64_t set_tid_size, cgroup;
};

enum { STACK = 16 * PAGE };

static long clone3(struct arguments *arguments, size_t size)
{
	return syscall(SYS_clone3, arguments, size);
}

/* As fork, with flags. */
static pid_t fork_with(uint64_t flags)
{
	struct arguments arguments = {.flags = flags, .exit_signal = SIGCHLD};

	return (pid_t)clone3(&arguments, sizeof(arguments));
}

static long clone_raw(unsigned long flags, void *stack, void *parent_tid, void *child_tid)
{
	return syscall(SYS_clone, flags, stack, parent_tid, child_tid, 0);
}

/* A child that runs `run` on a stack of its own; clone() of the C library. */
static pid_t start(int (*run)(void *), int flags, void *argument)
{
	char *stack = (char *)memory_map(STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	return clone(run, stack + STACK, flags | SIGCHLD, argument);
}

/* ---- what is shared ---- */

static int write_word(void *word)
{
	*(volatile int *)word = 7;
	return 0;
}

TEST(memory_is_shared_with_clone_vm)
{
	volatile int word = 1;

	CHECK_EXIT(start(write_word, 0, (void *)&word), 0);
	CHECK_EQ(word, 1);
	CHECK_EXIT(start(write_word, CLONE_VM, (void *)&word), 0);
	CHECK_EQ(word, 7);
}

static int close_descriptor(void *fd)
{
	return close(*(int *)fd);
}

TEST(descriptors_are_shared_with_clone_files)
{
	int fd = dup(STDOUT_FILENO);

	CHECK_EXIT(start(close_descriptor, 0, &fd), 0);
	CHECK(fcntl(fd, F_GETFD) >= 0);
	CHECK_EXIT(start(close_descriptor, CLONE_FILES, &fd), 0);
	CHECK_ERRNO(fcntl(fd, F_GETFD), EBADF);
}

static int change_place(void *path)
{
	umask(0123);
	return chdir(path);
}

TEST(places_are_shared_with_clone_fs)
{
	char before[PATH_MAX], after[PATH_MAX];

	umask(022);
	CHECK(getcwd(before, sizeof(before)));
	CHECK_EXIT(start(change_place, 0, "/"), 0);
	CHECK(strcmp(getcwd(after, sizeof(after)), before) == 0);
	CHECK_EQ(umask(022), 022);
	CHECK_EXIT(start(change_place, CLONE_FS, "/"), 0);
	CHECK(strcmp(getcwd(after, sizeof(after)), "/") == 0);
	CHECK_EQ(umask(022), 0123);
}

static int ignore_signal(void *unused)
{
	(void)unused;
	return signal(SIGUSR1, SIG_IGN) == SIG_ERR;
}

static void *handler_of(int number)
{
	struct sigaction action;

	CHECK_EQ(sigaction(number, NULL, &action), 0);
	return (void *)action.sa_handler;
}

TEST(actions_are_shared_with_clone_sighand)
{
	CHECK_EXIT(start(ignore_signal, CLONE_VM, NULL), 0);
	CHECK(handler_of(SIGUSR1) == SIG_DFL);
	CHECK_EXIT(start(ignore_signal, CLONE_VM | CLONE_SIGHAND, NULL), 0);
	CHECK(handler_of(SIGUSR1) == SIG_IGN);
}

static int send_self(void *unused)
{
	(void)unused;
	return kill(getpid(), SIGUSR1);
}

static volatile int handled;

static void note(int number)
{
	handled = number;
}

/* Shared actions, but each process has its own pending signals and masks. */
TEST(pending_signals_are_not_shared_with_clone_sighand)
{
	sigset_t set, pending;

	signal(SIGUSR1, note);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK_EXIT(start(send_self, CLONE_VM | CLONE_SIGHAND, NULL), 0);
	CHECK_EQ(sigpending(&pending), 0);
	CHECK(!sigismember(&pending, SIGUSR1));
	CHECK_EQ(handled, 0);
}

TEST(clear_sighand_forgets_handlers_and_keeps_ignored)
{
	signal(SIGUSR1, note);
	signal(SIGUSR2, SIG_IGN);
	pid_t pid = fork_with(CLONE_CLEAR_SIGHAND);
	if (pid == 0)
		_exit(handler_of(SIGUSR1) != SIG_DFL || handler_of(SIGUSR2) != SIG_IGN);
	CHECK_EXIT(pid, 0);
	CHECK(handler_of(SIGUSR1) == (void *)note);
}

/* ---- what is stored ---- */

TEST(numbers_are_stored_where_they_belong)
{
	volatile int parent = 0, child = 0;
	pid_t pid = (pid_t)clone_raw(SIGCHLD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, NULL,
		(void *)&parent, (void *)&child);

	if (pid == 0)
		_exit(child != getpid() || parent != 0);
	CHECK_EQ(parent, pid);
	CHECK_EQ(child, 0);
	CHECK_EXIT(pid, 0);
}

TEST(bad_places_for_numbers_are_passed_over)
{
	pid_t pid = (pid_t)clone_raw(SIGCHLD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID |
		CLONE_CHILD_CLEARTID, NULL, (void *)8, (void *)8);

	if (pid == 0)
		_exit(0);
	CHECK_EXIT(pid, 0);
}

static int return_at_once(void *unused)
{
	(void)unused;
	return 0;
}

/* The word is cleared and a waiter woken only while somebody else has the memory. */
TEST(cleartid_clears_and_wakes_in_shared_memory)
{
	volatile int word = 1;
	char *stack = (char *)memory_map(STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	pid_t pid = clone(return_at_once, stack + STACK, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD,
		NULL, NULL, NULL, (void *)&word);

	CHECK(pid > 0);
	while (word)
		syscall(SYS_futex, &word, 0 /* FUTEX_WAIT */, 1, NULL, NULL, 0);
	CHECK_EXIT(pid, 0);

	word = 1;
	pid = (pid_t)clone_raw(SIGCHLD | CLONE_CHILD_CLEARTID, NULL, NULL, (void *)&word);
	if (pid == 0)
		_exit(0);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(word, 1);
}

/* ---- families and signals ---- */

TEST(clone_parent_makes_a_sibling)
{
	int fds[2], status;
	pid_t grandchild;

	CHECK_EQ(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		pid_t sibling = (pid_t)clone_raw(SIGUSR1 | CLONE_PARENT, NULL, NULL, NULL);
		if (sibling == 0)
			_exit(21);
		CHECK_EQ(write(fds[1], &sibling, sizeof(sibling)), sizeof(sibling));
		CHECK_ERRNO(waitpid(sibling, NULL, __WALL), ECHILD);
		_exit(0);
	}
	CHECK_EQ(read(fds[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
	/* its exit signal is its maker's, SIGCHLD, whatever it asked for */
	CHECK_EQ(waitpid(grandchild, &status, 0), grandchild);
	CHECK_EQ(WEXITSTATUS(status), 21);
	CHECK_EXIT(pid, 0);
}

TEST(another_exit_signal_makes_a_clone_child)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pid_t pid = (pid_t)clone_raw(SIGUSR2, NULL, NULL, NULL);
	if (pid == 0)
		_exit(5);
	siginfo_t info;
	CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR2);
	CHECK_EQ(info.si_pid, pid);
	CHECK_EQ(info.si_status, 5);
	CHECK_ERRNO(waitpid(pid, NULL, 0), ECHILD);
	CHECK_EQ(waitpid(pid, NULL, __WCLONE), pid);
}

__attribute__((constructor)) static void play_the_next_program(void)
{
	if (getenv("NEXT_PROGRAM"))
		_exit(waitpid(-1, NULL, __WALL) > 0 ? 0 : 1);
}

static void end_at_once(void)
{
}

/* What it makes is its parent's, who does not know. */
static void end_by_a_sibling(void)
{
	if (clone_raw(SIGCHLD | CLONE_PARENT, NULL, NULL, NULL) != 0)
		for (;;)
			pause();
}

static void check_next_program(void (*end)(void))
{
	char *arguments[] = {"next", NULL};
	char *environment[] = {"NEXT_PROGRAM=1", NULL};
	int gate[2];

	CHECK_EQ(pipe2(gate, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (clone_raw(SIGKILL, NULL, NULL, NULL) == 0) {
			close(gate[1]);
			(void)!read(gate[0], &(char){0}, 1);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			end();
			_exit(0);
		}
		execve("/proc/self/exe", arguments, environment);
		_exit(99);
	}
	close(gate[1]);
	CHECK_EXIT(pid, 0);
}

/* What the program before wanted to hear could end one with more rights. */
TEST(exit_signal_is_not_for_the_next_program)
{
	check_next_program(end_at_once);
}

TEST(exit_signal_of_a_sibling_is_not_for_the_next_program)
{
	check_next_program(end_by_a_sibling);
}

TEST(no_exit_signal_is_silent)
{
	sigset_t set, pending;

	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pid_t pid = (pid_t)clone_raw(0, NULL, NULL, NULL);
	if (pid == 0)
		_exit(0);
	CHECK_EQ(waitpid(pid, NULL, __WALL), pid);
	CHECK_EQ(sigpending(&pending), 0);
	CHECK(!sigismember(&pending, SIGCHLD));
}

TEST(flags_without_meaning_here_are_accepted)
{
	pid_t pid = (pid_t)clone_raw(SIGCHLD | CLONE_PTRACE | CLONE_UNTRACED | CLONE_IO |
		CLONE_SYSVSEM | CLONE_DETACHED, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	CHECK_EXIT(pid, 0);
}

/* ---- what is refused ---- */

TEST(flags_that_contradict_each_other)
{
	static const unsigned long bad[] = {
		CLONE_THREAD, CLONE_THREAD | CLONE_VM, CLONE_SIGHAND,
		CLONE_THREAD | CLONE_SIGHAND, CLONE_NEWNS | CLONE_FS, CLONE_NEWUSER | CLONE_FS,
		CLONE_NEWIPC | CLONE_SYSVSEM, CLONE_PIDFD | CLONE_DETACHED,
		CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWPID,
		CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWUSER,
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_ERRNO(clone_raw(bad[i] | SIGCHLD, NULL, NULL, NULL), EINVAL);
}

TEST(pidfd_and_parent_tid_need_different_places)
{
	int word;

	CHECK_ERRNO(clone_raw(SIGCHLD | CLONE_PIDFD | CLONE_PARENT_SETTID, NULL, &word, NULL),
		EINVAL);
}

TEST(segment_base_beyond_the_user_half)
{
	CHECK_ERRNO(syscall(SYS_clone, SIGCHLD | CLONE_SETTLS, 0, 0, 0, 0xffff800000000000ul),
		EPERM);
}

TEST(namespaces_need_privileges)
{
	static const unsigned long kinds[] = {CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID,
		CLONE_NEWNET, CLONE_NEWCGROUP};

	CHECK_EQ(setresuid(65534, 65534, 65534), 0);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		CHECK_ERRNO(clone_raw(kinds[i] | SIGCHLD, NULL, NULL, NULL), EPERM);
}

TEST(number_of_processes_is_limited)
{
	struct rlimit limit = {1, 1};

	CHECK_EQ(setrlimit(RLIMIT_NPROC, &limit), 0);
	CHECK_EQ(setresuid(64321, 64321, 64321), 0);
	CHECK_ERRNO(fork(), EAGAIN);
	CHECK_ERRNO(clone_raw(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, NULL, NULL, NULL), EAGAIN);
}

/* ---- clone3 ---- */

TEST(sizes_of_the_structure)
{
	static _Alignas(16) char page[2 * PAGE];
	struct arguments *arguments = (struct arguments *)page;

	arguments->exit_signal = SIGCHLD;
	CHECK_ERRNO(clone3(arguments, 0), EINVAL);
	CHECK_ERRNO(clone3(arguments, 63), EINVAL);
	CHECK_ERRNO(clone3(arguments, PAGE + 1), E2BIG);
	page[2000] = 1;
	CHECK_ERRNO(clone3(arguments, PAGE), E2BIG);
	page[2000] = 0;
	CHECK_ERRNO(clone3((void *)8, sizeof(*arguments)), EFAULT);
	static const size_t good[] = {64, 80, 88, 1024, PAGE};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		pid_t pid = (pid_t)clone3(arguments, good[i]);
		if (pid == 0)
			_exit(0);
		CHECK_EXIT(pid, 0);
	}
}

#define CHECK_REFUSED(error, ...) \
	do { \
		struct arguments refused_ = {__VA_ARGS__}; \
		CHECK_ERRNO(clone3(&refused_, sizeof(refused_)), error); \
	} while (0)

TEST(clone3_refuses_what_makes_no_sense)
{
	int32_t tids[40] = {1};

	CHECK_REFUSED(EINVAL, .exit_signal = 65);
	CHECK_REFUSED(EINVAL, .exit_signal = 1ul << 32);
	CHECK_REFUSED(EINVAL, .flags = 1ul << 40);
	CHECK_REFUSED(EINVAL, .flags = CLONE_DETACHED);
	CHECK_REFUSED(EINVAL, .flags = SIGCHLD);
	CHECK_REFUSED(EINVAL, .flags = CLONE_VM | CLONE_SIGHAND | CLONE_CLEAR_SIGHAND);
	CHECK_REFUSED(EINVAL, .flags = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD,
		.exit_signal = SIGCHLD);
	CHECK_REFUSED(EINVAL, .flags = CLONE_PARENT, .exit_signal = SIGCHLD);
	CHECK_REFUSED(EINVAL, .stack = (uintptr_t)tids);
	CHECK_REFUSED(EINVAL, .stack_size = PAGE);
	CHECK_REFUSED(EINVAL, .stack = 1ul << 62, .stack_size = PAGE);
	CHECK_REFUSED(EINVAL, .set_tid = (uintptr_t)tids);
	CHECK_REFUSED(EINVAL, .set_tid_size = 1);
	CHECK_REFUSED(EINVAL, .set_tid = (uintptr_t)tids, .set_tid_size = 33);
	CHECK_REFUSED(EINVAL, .flags = CLONE_INTO_CGROUP, .cgroup = 1ul << 32);
	CHECK_REFUSED(EBADF, .flags = CLONE_INTO_CGROUP, .cgroup = STDOUT_FILENO);
	CHECK_REFUSED(EFAULT, .flags = CLONE_PIDFD, .pidfd = 8);
}

TEST(clone3_runs_on_the_stack_it_is_given)
{
	/* the child comes back from the call on another stack: it may only exit */
	volatile char *stack = memory_map(STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	struct arguments arguments = {
		.exit_signal = SIGCHLD, .stack = (uintptr_t)stack, .stack_size = STACK,
	};
	long result, top = 0;

	__asm__ volatile("syscall\n"
			 "test %%rax, %%rax\n"
			 "jnz 1f\n"
			 "mov %%rsp, %%rdi\n"
			 "sub %2, %%rdi\n"
			 "sub %3, %%rdi\n"
			 "mov $231, %%eax\n" /* exit_group(how far the stack is from its top) */
			 "syscall\n"
			 "1:\n"
			 : "=a"(result)
			 : "0"(SYS_clone3), "r"(stack), "r"((long)STACK), "D"(&arguments),
			   "S"(sizeof(arguments)), "r"(top)
			 : "rcx", "r11", "memory");
	CHECK(result > 0);
	CHECK_EXIT((pid_t)result, 0);
}

/* A number that was just free. */
static pid_t free_number(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	CHECK_EXIT(pid, 0);
	return pid;
}

TEST(set_tid_chooses_the_number)
{
	if (geteuid() != 0)
		SKIP("needs privileges");
	pid_t wanted = free_number();
	struct arguments arguments = {
		.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&wanted, .set_tid_size = 1,
	};
	pid_t pid = (pid_t)clone3(&arguments, sizeof(arguments));
	if (pid == 0)
		_exit(getpid() != wanted);
	CHECK_EQ(pid, wanted);
	CHECK_ERRNO(clone3(&arguments, sizeof(arguments)), EEXIST);
	CHECK_EXIT(pid, 0);
	wanted = 0;
	CHECK_ERRNO(clone3(&arguments, sizeof(arguments)), EINVAL);
	wanted = INT32_MAX;
	CHECK_ERRNO(clone3(&arguments, sizeof(arguments)), EINVAL);
	wanted = free_number();
	CHECK_EQ(setresuid(65534, 65534, 65534), 0);
	CHECK_ERRNO(clone3(&arguments, sizeof(arguments)), EPERM);
}

TEST(set_tid_comes_back_again_and_again)
{
	if (geteuid() != 0)
		SKIP("needs privileges");
	pid_t wanted = free_number();
	struct arguments arguments = {
		.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&wanted, .set_tid_size = 1,
	};
	for (int i = 0; i < 50; i++) {
		pid_t pid = (pid_t)clone3(&arguments, sizeof(arguments));
		if (pid == 0)
			_exit(i);
		CHECK_EQ(pid, wanted);
		CHECK_EXIT(pid, i);
	}
}
