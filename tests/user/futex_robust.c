/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/futex_robust.c - locks whose owner has gone: get_robust_list(2), by hand.
 *
 * The children here fork and exit without the C library's list, so that the list is the test's own.
 */
#include "futex.h"

#include <stddef.h>

enum { LIMIT = 2048 };

struct node {
	uint64_t next;
	futex_t word;
};

struct head {
	uint64_t list;
	int64_t offset;
	uint64_t pending;
};

/* In shared memory, so that the parent sees what becomes of it. */
struct lists {
	struct head head;
	struct node nodes[LIMIT + 10];
};

static struct lists *lists_new(void)
{
	struct lists *lists = (struct lists *)memory_map(sizeof(*lists), PROT_READ | PROT_WRITE,
		MAP_SHARED);

	lists->head.list = (uintptr_t)&lists->head;
	lists->head.offset = offsetof(struct node, word);
	return lists;
}

/* Hang the first `count` nodes behind the head, held by the caller. */
static void lists_hold(struct lists *lists, int count)
{
	uint32_t tid = (uint32_t)syscall(SYS_gettid);

	lists->head.list = (uintptr_t)&lists->nodes[0];
	for (int i = 0; i < count; i++) {
		uint64_t after = (uintptr_t)&lists->nodes[i + 1];
		lists->nodes[i].next = i + 1 < count ? after : (uintptr_t)&lists->head;
		lists->nodes[i].word = tid;
	}
}

static void list_announce(struct lists *lists)
{
	CHECK_EQ(syscall(SYS_set_robust_list, &lists->head, sizeof(lists->head)), 0);
}

/* A child prepares its list and ends; what became of the first words. */
static void end_with(struct lists *lists, void (*prepare)(struct lists *lists))
{
	pid_t pid = fork();

	if (pid == 0) {
		prepare(lists);
		list_announce(lists);
		syscall(SYS_exit, 0);
	}
	CHECK_EXIT(pid, 0);
}

/* ---- how one may go ---- */

static void hold_three(struct lists *lists)
{
	lists_hold(lists, 3);
	lists->nodes[1].word |= FUTEX_WAITERS;
}

static void check_three_died(const struct lists *lists)
{
	CHECK_EQ(lists->nodes[0].word, FUTEX_OWNER_DIED);
	CHECK_EQ(lists->nodes[1].word, FUTEX_OWNER_DIED | FUTEX_WAITERS);
	CHECK_EQ(lists->nodes[2].word, FUTEX_OWNER_DIED);
}

TEST(by_exit)
{
	struct lists *lists = lists_new();

	end_with(lists, hold_three);
	check_three_died(lists);
}

TEST(by_a_signal)
{
	struct lists *lists = lists_new();
	struct gate gate = gate_new();
	pid_t pid = fork();

	if (pid == 0) {
		hold_three(lists);
		list_announce(lists);
		close(gate.fd[1]);
		for (;;)
			pause();
	}
	gate_pass(gate);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_KILLED(pid, SIGKILL);
	check_three_died(lists);
}

__attribute__((constructor)) static void play_program(void)
{
	const char *gate = getenv("WAIT_FOR_END_OF");
	char byte;

	if (gate)
		_exit(read(atoi(gate), &byte, 1) != 0);
}

static void execute_and_wait(struct gate gate)
{
	char number[16];

	close(gate.fd[1]);
	snprintf(number, sizeof(number), "%d", gate.fd[0]);
	setenv("WAIT_FOR_END_OF", number, 1);
	execl("/proc/self/exe", "self", NULL);
}

/* The process lives on, but what it held is out of its reach. */
TEST(by_exec)
{
	struct lists *lists = lists_new();
	struct gate gate = gate_new();
	pid_t pid = fork();

	if (pid == 0) {
		hold_three(lists);
		list_announce(lists);
		execute_and_wait(gate);
		_exit(9);
	}
	while (lists->nodes[2].word != FUTEX_OWNER_DIED)
		sched_yield();
	check_three_died(lists);
	CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

struct execution {
	struct lists *lists;
	struct gate gate;
	volatile bool is_ready;
};

static void *hold_and_sleep(void *argument)
{
	struct execution *execution = argument;

	hold_three(execution->lists);
	list_announce(execution->lists);
	execution->is_ready = true;
	for (;;)
		pause();
	return NULL;
}

TEST(by_anothers_exec)
{
	struct execution execution = {lists_new(), gate_new(), false};
	pid_t pid = fork();

	if (pid == 0) {
		thread_new(hold_and_sleep, &execution);
		while (!execution.is_ready)
			sched_yield();
		execute_and_wait(execution.gate);
		_exit(9);
	}
	gate_open(execution.gate);
	CHECK_EXIT(pid, 0);
	check_three_died(execution.lists);
}

static void *hold_and_execute(void *argument)
{
	struct execution *execution = argument;

	hold_three(execution->lists);
	list_announce(execution->lists);
	execute_and_wait(execution->gate);
	_exit(9);
}

/* It comes back with another number, but held them by the old one. */
TEST(by_exec_of_a_later_thread)
{
	if (!is_cowbell())
		SKIP("Linux compares with the new number");
	struct execution execution = {lists_new(), gate_new(), false};
	pid_t pid = fork();
	if (pid == 0) {
		thread_new(hold_and_execute, &execution);
		for (;;)
			pause();
	}
	gate_open(execution.gate);
	CHECK_EXIT(pid, 0);
	check_three_died(execution.lists);
}

/* ---- waking ---- */

static void *wait_while_held(void *word)
{
	futex_t *held = word;

	for (uint32_t seen; !((seen = *held) & FUTEX_OWNER_DIED); )
		futex_wait(held, seen);
	return NULL;
}

TEST(who_waits_is_woken)
{
	struct lists *lists = lists_new();
	struct gate gate = gate_new(), held = gate_new();

	pid_t pid = fork();
	if (pid == 0) {
		hold_three(lists);
		list_announce(lists);
		close(held.fd[1]);
		gate_pass(gate);
		_exit(0);
	}
	gate_pass(held);
	pthread_t waiter = thread_new(wait_while_held, (void *)&lists->nodes[1].word);
	gate_open(gate);
	thread_join(waiter);
	CHECK_EXIT(pid, 0);
}

/* It had released the word but not yet woken anybody. */
static void release_without_waking(struct lists *lists)
{
	lists->nodes[0].word = FUTEX_WAITERS;
	lists->head.pending = (uintptr_t)&lists->nodes[0];
}

static void *wait_once(void *word)
{
	while (futex_wait(word, FUTEX_WAITERS) < 0 && errno == EINTR)
		;
	return NULL;
}

TEST(a_wake_up_that_was_under_way_is_made_up_for)
{
	struct lists *lists = lists_new();

	lists->nodes[0].word = FUTEX_WAITERS;
	pid_t sleeper = fork();
	if (sleeper == 0) {
		wait_once((void *)&lists->nodes[0].word);
		_exit(0);
	}
	/* until it sleeps, nobody is there to be woken: so more than one must die */
	while (waitpid(sleeper, NULL, WNOHANG) == 0)
		end_with(lists, release_without_waking);
	CHECK_EQ(lists->nodes[0].word, FUTEX_WAITERS);
}

/* ---- what else is in the list ---- */

static void hold_pending(struct lists *lists)
{
	lists->nodes[5].word = (uint32_t)syscall(SYS_gettid);
	lists->head.pending = (uintptr_t)&lists->nodes[5];
}

TEST(a_lock_just_taken_is_pending)
{
	struct lists *lists = lists_new();

	end_with(lists, hold_pending);
	CHECK_EQ(lists->nodes[5].word, FUTEX_OWNER_DIED);
}

static void list_anothers(struct lists *lists)
{
	lists_hold(lists, 3);
	lists->nodes[1].word = 1;
	lists->nodes[2].word = 0;
	lists->nodes[3].word = (uint32_t)getppid() | FUTEX_WAITERS;
	lists->head.pending = (uintptr_t)&lists->nodes[3];
}

TEST(words_of_others_are_left_alone)
{
	struct lists *lists = lists_new();

	end_with(lists, list_anothers);
	CHECK_EQ(lists->nodes[0].word, FUTEX_OWNER_DIED);
	CHECK_EQ(lists->nodes[1].word, 1);
	CHECK_EQ(lists->nodes[2].word, 0);
	CHECK_EQ(lists->nodes[3].word, (uint32_t)getpid() | FUTEX_WAITERS);
}

static void hold_with_inheritance(struct lists *lists)
{
	lists_hold(lists, 3);
	lists->head.list |= 1;
	lists->nodes[0].next |= 1;
}

TEST(the_lowest_bit_of_a_link_is_no_address)
{
	struct lists *lists = lists_new();

	end_with(lists, hold_with_inheritance);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(lists->nodes[i].word, FUTEX_OWNER_DIED);
}

static void hold_in_a_circle(struct lists *lists)
{
	lists_hold(lists, 3);
	lists->nodes[2].next = (uintptr_t)&lists->nodes[0];
	lists->nodes[5].word = (uint32_t)syscall(SYS_gettid);
	lists->head.pending = (uintptr_t)&lists->nodes[5];
}

TEST(a_circle_without_the_head_ends)
{
	struct lists *lists = lists_new();

	end_with(lists, hold_in_a_circle);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(lists->nodes[i].word, FUTEX_OWNER_DIED);
	CHECK_EQ(lists->nodes[5].word, FUTEX_OWNER_DIED);
}

static void hold_too_many(struct lists *lists)
{
	lists_hold(lists, LIMIT + 10);
}

TEST(long_lists_are_cut_off)
{
	struct lists *lists = lists_new();

	end_with(lists, hold_too_many);
	CHECK_EQ(lists->nodes[LIMIT - 1].word, FUTEX_OWNER_DIED);
	CHECK(lists->nodes[LIMIT].word != FUTEX_OWNER_DIED);
}

static void link_to_nowhere(struct lists *lists)
{
	lists_hold(lists, 3);
	lists->nodes[1].next = 8;
}

static void link_to_the_kernel(struct lists *lists)
{
	lists_hold(lists, 3);
	lists->nodes[1].next = 0xffff800000000000ul;
}

static void word_is_askew(struct lists *lists)
{
	lists_hold(lists, 3);
	lists->head.offset++;
}

TEST(bad_lists_are_followed_up_to_the_mistake)
{
	struct lists *lists = lists_new();

	end_with(lists, link_to_nowhere);
	CHECK_EQ(lists->nodes[0].word, FUTEX_OWNER_DIED);
	CHECK_EQ(lists->nodes[1].word, FUTEX_OWNER_DIED);
	CHECK(lists->nodes[2].word != FUTEX_OWNER_DIED);
	end_with(lists, link_to_the_kernel);
	CHECK_EQ(lists->nodes[1].word, FUTEX_OWNER_DIED);
	end_with(lists, word_is_askew);
	CHECK(lists->nodes[0].word != FUTEX_OWNER_DIED);
}

TEST(a_head_that_is_not_there)
{
	pid_t pid = fork();

	if (pid == 0) {
		CHECK_EQ(syscall(SYS_set_robust_list, 8, sizeof(struct head)), 0);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
}

/* ---- the calls ---- */

TEST(the_list_can_be_asked_for)
{
	struct head head, *seen;
	size_t size;

	CHECK_EQ(syscall(SYS_set_robust_list, &head, sizeof(head)), 0);
	CHECK_EQ(syscall(SYS_get_robust_list, 0, &seen, &size), 0);
	CHECK(seen == &head && size == sizeof(head));
	CHECK_EQ(syscall(SYS_get_robust_list, getpid(), &seen, &size), 0);
	CHECK(seen == &head);
	CHECK_ERRNO(syscall(SYS_set_robust_list, &head, sizeof(head) - 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_get_robust_list, 0, 8, &size), EFAULT);
	CHECK_ERRNO(syscall(SYS_get_robust_list, 0, &seen, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_get_robust_list, INT_MAX, &seen, &size), ESRCH);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(syscall(SYS_get_robust_list, 0, &seen, &size), 0);
		_exit(seen != NULL);    /* a child has none */
	}
	CHECK_EXIT(pid, 0);
	if (geteuid() != 0)
		return;
	CHECK_EQ(setresuid(65534, 65534, 65534), 0);
	CHECK_ERRNO(syscall(SYS_get_robust_list, getppid(), &seen, &size), EPERM);
}
