/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/threads_vm.c - one memory, two processes: CLONE_VM without CLONE_THREAD, and vfork.
 */
#include "futex.h"

enum { STACK = 16 * PAGE };

/* What the two tell each other by. */
static volatile uint32_t stage;
static volatile long told;
static struct gate gate;

static void reach(uint32_t next)
{
	stage = next;
	futex(&stage, FUTEX_WAKE | FUTEX_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void wait_for_stage(uint32_t wanted)
{
	for (uint32_t seen; (seen = stage) < wanted; )
		futex(&stage, FUTEX_WAIT | FUTEX_PRIVATE, seen, NULL, NULL, 0);
}

static pid_t start(int (*run)(void *), int flags)
{
	char *stack = (char *)memory_map(STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	pid_t pid = clone(run, stack + STACK, CLONE_VM | flags | SIGCHLD, NULL);

	CHECK(pid > 0);
	return pid;
}

/* ---- one memory ---- */

static volatile char *late_page;

static int change_memory(void *unused)
{
	wait_for_stage(1);
	late_page = pages_new(1);
	late_page[0] = 'a';
	told = getppid();
	reach(2);
	wait_for_stage(3);
	_exit(late_page[1] == 'b' ? (unused != NULL) : 1);
}

TEST(each_sees_what_the_other_maps_and_writes)
{
	pid_t pid = start(change_memory, 0);

	reach(1);
	wait_for_stage(2);
	CHECK_EQ(told, getpid());
	CHECK_EQ(late_page[0], 'a');
	late_page[1] = 'b';
	reach(3);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(late_page[0], 'a');
}

static int wait_to_end(void *unused)
{
	wait_for_stage(1);
	_exit(unused != NULL);
}

TEST(both_have_the_same_resident_set)
{
	char path[64];
	enum { PAGES = 64 };
	pid_t pid = start(wait_to_end, 0);
	volatile char *memory = pages_new(PAGES);

	pages_mark(memory, PAGES, 1);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	long long theirs = proc_number(path, "VmSize:");
	CHECK_EQ(theirs, proc_number("/proc/self/status", "VmSize:"));
	CHECK(proc_number(path, "VmRSS:") >= PAGES * 4);
	CHECK_EQ(proc_number(path, "Threads:"), 1);
	reach(1);
	CHECK_EXIT(pid, 0);
}

/* ---- one goes ---- */

__attribute__((constructor)) static void play_program(void)
{
	const char *status = getenv("END_WITH");

	if (status)
		_exit(atoi(status));
}

static int execute(void *unused)
{
	static char *argv[] = {"self", NULL}, *environment[] = {"END_WITH=12", NULL};

	execve("/proc/self/exe", argv, environment);
	_exit(unused == NULL);
}

TEST(exec_of_one_leaves_the_memory_to_the_other)
{
	volatile char *memory = pages_new(8);

	pages_mark(memory, 8, 1);
	pid_t pid = start(execute, 0);
	CHECK_EXIT(pid, 12);
	CHECK(pages_have_marks(memory, 8, 1));
}

static volatile char *marked;
static int result_fd;

static int look_at_marked(void *unused)
{
	wait_for_stage(1);
	/* until the parent is gone, whose memory this was */
	while (getppid() == told)
		sched_yield();
	char result = unused == NULL && pages_have_marks(marked, 8, 1) ? 'k' : 'f';
	syscall(SYS_write, result_fd, &result, 1);
	_exit(0);
}

TEST(memory_outlives_who_made_it)
{
	int fds[2];
	char byte;

	CHECK_EQ(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		marked = pages_new(8);
		pages_mark(marked, 8, 1);
		told = getpid();
		result_fd = fds[1];
		start(look_at_marked, 0);
		reach(1);
		_exit(0);
	}
	close(fds[1]);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(read(fds[0], &byte, 1), 1);
	CHECK_EQ(byte, 'k');
	/* the pipe ends when the last one with it has ended */
	CHECK_EQ(read(fds[0], &byte, 1), 0);
}

TEST(each_is_waited_for_by_itself)
{
	enum { CHILDREN = 20 };
	pid_t pids[CHILDREN];

	for (int i = 0; i < CHILDREN; i++)
		pids[i] = start(wait_to_end, i % 2 ? CLONE_FILES | CLONE_SIGHAND : 0);
	CHECK_EQ(waitpid(-1, NULL, WNOHANG), 0);
	reach(1);
	for (int i = CHILDREN - 1; i >= 0; i--)
		CHECK_EXIT(pids[i], 0);
}

static int *volatile nowhere = (int *)8;

static int follow_a_bad_pointer(void *unused)
{
	*nowhere = 1;
	return unused != NULL;
}

/* Handlers are shared with CLONE_SIGHAND, death is not. */
TEST(a_fault_ends_one_of_them)
{
	CHECK_KILLED(start(follow_a_bad_pointer, CLONE_SIGHAND), SIGSEGV);
	CHECK_KILLED(start(follow_a_bad_pointer, 0), SIGSEGV);
}

/* ---- vfork ---- */

TEST(a_killed_child_lets_the_parent_go_on)
{
	pid_t pid = vfork();

	if (pid == 0) {
		kill(getpid(), SIGKILL);
		_exit(0);
	}
	CHECK_KILLED(pid, SIGKILL);
}

static int run_while_parent_is_dead(void)
{
	char byte;

	/* the reader at the other end of the gate kills the parent, then opens */
	syscall(SYS_close, gate.fd[1]);
	syscall(SYS_read, gate.fd[0], &byte, 1);
	return marked[0] == 1 && marked[7 * PAGE] == 8 ? 0 : 1;
}

TEST(the_child_outlives_a_killed_parent)
{
	int fds[2];
	char result = 'x';

	CHECK_EQ(pipe(fds), 0);
	gate = gate_new();
	pid_t pid = fork();
	if (pid == 0) {
		marked = pages_new(8);
		pages_mark(marked, 8, 1);
		if (vfork() == 0) {
			char byte = 'b';
			syscall(SYS_write, fds[1], &byte, 1);
			byte = run_while_parent_is_dead() ? 'f' : 'k';
			syscall(SYS_write, fds[1], &byte, 1);
			_exit(0);
		}
		_exit(1);
	}
	close(fds[1]);
	CHECK_EQ(read(fds[0], &result, 1), 1);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_KILLED(pid, SIGKILL);
	gate_open(gate);
	CHECK_EQ(read(fds[0], &result, 1), 1);
	CHECK_EQ(result, 'k');
	CHECK_EQ(read(fds[0], &result, 1), 0);
}

/* A stop waits until the child has let go, like every signal but SIGKILL. */
TEST(a_stopped_parent_stops_afterwards)
{
	volatile char *order = memory_map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		pid_t self = getpid(), child = vfork();
		if (child == 0) {
			syscall(SYS_kill, self, SIGSTOP);
			order[0] = 'c';
			_exit(0);
		}
		order[1] = order[0];
		_exit(waitpid(child, &status, 0) == child ? 4 : 5);
	}
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(order[0], 'c');
	CHECK_EQ(order[1], 0);
	CHECK_EQ(kill(pid, SIGCONT), 0);
	CHECK_EXIT(pid, 4);
}

static void *vfork_and_wait(void *unused)
{
	pid_t pid = vfork();

	if (pid == 0) {
		syscall(SYS_close, gate.fd[1]);
		char byte;
		syscall(SYS_read, gate.fd[0], &byte, 1);
		_exit(6);
	}
	CHECK_EXIT(pid, 6);
	return unused;
}

TEST(other_threads_run_while_one_is_suspended)
{
	gate = gate_new();
	pthread_t thread = thread_new(vfork_and_wait, NULL);
	volatile char *memory = pages_new(16);

	pages_mark(memory, 16, 3);
	pid_t pid = fork();
	if (pid == 0)
		_exit(pages_have_marks(memory, 16, 3) ? 0 : 1);
	CHECK_EXIT(pid, 0);
	gate_open(gate);
	thread_join(thread);
}

TEST(vfork_within_vfork)
{
	static volatile int depth;
	pid_t pid = vfork();

	if (pid == 0) {
		pid_t inner = vfork();
		if (inner == 0) {
			depth = 2;
			_exit(2);
		}
		int status;
		waitpid(inner, &status, 0);
		_exit(depth == 2 && WEXITSTATUS(status) == 2 ? 1 : 9);
	}
	CHECK_EQ(depth, 2);
	CHECK_EXIT(pid, 1);
}

TEST(vfork_flag_without_shared_memory_waits_too)
{
	volatile char *order = memory_map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	volatile int mine = 1;
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, 0);

	if (pid == 0) {
		mine = 2;
		usleep(2000);
		order[0] = 'c';
		_exit(0);
	}
	CHECK_EQ(order[0], 'c');
	CHECK_EQ(mine, 1);
	CHECK_EXIT(pid, 0);
}
