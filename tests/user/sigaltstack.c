/* SPDX-License-Identifier: MIT */
/*
 * tests/user/sigaltstack.c - handlers on a stack of their own.
 */
#include "utest.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { STACK_BYTES = 65536 };

static char memory[STACK_BYTES];
static volatile bool was_inside;
static volatile int flags_inside;

static bool is_inside(const void *at)
{
	return (const char *)at >= memory && (const char *)at < memory + sizeof(memory);
}

static void look(int signal)
{
	stack_t now;

	(void)signal;
	was_inside = is_inside(&now);
	sigaltstack(NULL, &now);
	flags_inside = now.ss_flags;
}

static void use_memory(void)
{
	stack_t stack = {.ss_sp = memory, .ss_size = sizeof(memory)};

	CHECK_EQ(sigaltstack(&stack, NULL), 0);
}

static void handle(int signal, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	CHECK_EQ(sigaction(signal, &action, NULL), 0);
}

TEST(disabled_at_first)
{
	stack_t now;

	CHECK_EQ(sigaltstack(NULL, &now), 0);
	CHECK(now.ss_flags & SS_DISABLE);
}

TEST(handler_runs_on_it)
{
	use_memory();
	handle(SIGUSR1, look, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(was_inside);
	CHECK_EQ(flags_inside, SS_ONSTACK);
	stack_t now;
	sigaltstack(NULL, &now);
	CHECK_EQ(now.ss_flags, 0);
	CHECK(now.ss_sp == memory && now.ss_size == sizeof(memory));
}

TEST(only_if_asked_for)
{
	use_memory();
	handle(SIGUSR1, look, 0);
	raise(SIGUSR1);
	CHECK(!was_inside);
	CHECK_EQ(flags_inside, 0);
}

static volatile bool nested_inside;

static void look_nested(int signal)
{
	(void)signal;
	nested_inside = is_inside(&signal);
}

static void raise_another(int signal)
{
	look(signal);
	raise(SIGUSR2);
}

TEST(nested_handler_stays_on_it)
{
	use_memory();
	handle(SIGUSR1, raise_another, SA_ONSTACK);
	handle(SIGUSR2, look_nested, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(was_inside && nested_inside);
}

static void change_inside(int signal)
{
	stack_t stack = {.ss_sp = memory, .ss_size = sizeof(memory)};

	(void)signal;
	was_inside = sigaltstack(&stack, NULL) == -1 && errno == EPERM;
}

TEST(cannot_be_changed_while_in_use)
{
	use_memory();
	handle(SIGUSR1, change_inside, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(was_inside);
}

TEST(bad_stacks_are_refused)
{
	stack_t small = {.ss_sp = memory, .ss_size = 100};
	stack_t strange = {.ss_sp = memory, .ss_size = sizeof(memory), .ss_flags = 0x40};

	CHECK_ERRNO(syscall(SYS_sigaltstack, &small, NULL), ENOMEM);
	CHECK_ERRNO(syscall(SYS_sigaltstack, &strange, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_sigaltstack, (void *)8, NULL), EFAULT);
}

static sigjmp_buf back;

static void escape(int signal)
{
	was_inside = is_inside(&signal);
	siglongjmp(back, 1);
}

__attribute__((noinline)) static int dig(volatile char *above)
{
	volatile char frame[4096];

	frame[0] = above ? above[0] : 1;
	return frame[0] ? dig(frame) + frame[0] : 0;
}

TEST(stack_overflow_can_be_caught)
{
	struct rlimit limit = {.rlim_cur = 256 * 1024, .rlim_max = RLIM_INFINITY};

	CHECK_EQ(setrlimit(RLIMIT_STACK, &limit), 0);
	use_memory();
	handle(SIGSEGV, escape, SA_ONSTACK);
	if (sigsetjmp(back, 1) == 0)
		dig(NULL);
	CHECK(was_inside);
}

TEST(overflow_without_it_is_death)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit limit = {.rlim_cur = 256 * 1024, .rlim_max = RLIM_INFINITY};
		setrlimit(RLIMIT_STACK, &limit);
		handle(SIGSEGV, escape, 0);
		_exit(dig(NULL));
	}
	CHECK_KILLED(pid, SIGSEGV);
}

TEST(too_small_for_a_frame_is_death)
{
	pid_t pid = fork();

	if (pid == 0) {
		char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
		munmap(page, 4096);
		stack_t stack = {.ss_sp = page, .ss_size = 4096};
		syscall(SYS_sigaltstack, &stack, NULL);
		handle(SIGUSR1, look, SA_ONSTACK);
		raise(SIGUSR1);
		_exit(0);
	}
	CHECK_KILLED(pid, SIGSEGV);
}
