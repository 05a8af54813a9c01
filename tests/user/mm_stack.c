/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/mm_stack.c - the stack grows by being used, within its limit, above its gap.
 */
#include "memory.h"

#include <sys/resource.h>

enum { FRAME = 1024, GAP_PAGES = 256 };

/* Use so many bytes of stack.  The sum proves that every frame kept its contents. */
static __attribute__((noinline)) size_t recurse(size_t bytes)
{
	volatile char frame[FRAME];

	memset((char *)frame, (int)bytes, FRAME);
	if (bytes <= FRAME)
		return 1;
	size_t below = recurse(bytes - FRAME);

	return bytes_are(frame, FRAME, (char)bytes) ? below + 1 : 0;
}

static uintptr_t stack_start(void)
{
	char line[512];
	uintptr_t start = 0, found = 0;
	FILE *maps = fopen("/proc/self/maps", "r");

	CHECK(maps != NULL);
	while (fgets(line, sizeof(line), maps)) {
		CHECK_EQ(sscanf(line, "%lx-", &start), 1);
		if (strstr(line, "[stack]"))
			found = start;
	}
	fclose(maps);
	CHECK(found != 0);
	return found;
}

static void limit_stack(size_t bytes)
{
	struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};

	CHECK_EQ(setrlimit(RLIMIT_STACK, &limit), 0);
}

TEST(four_mebibytes_deep)
{
	limit_stack(8 * MIB);
	uintptr_t before = stack_start();
	CHECK_EQ(recurse(4 * MIB), 4 * MIB / FRAME);
	CHECK(stack_start() <= before - 3 * MIB);
	CHECK_EQ(recurse(4 * MIB), 4 * MIB / FRAME);
}

/* A page in each of so many frames. */
static __attribute__((noinline)) size_t descend(size_t frames)
{
	volatile char frame[16 * PAGE];

	frame[0] = 'd';
	return (frames > 1 ? descend(frames - 1) : 0) + (frame[0] == 'd');
}

/* What libraries and mappings leave free below it is enough. */
TEST(a_hundred_mebibytes_deep)
{
	const size_t frames = 100 * MIB / (16 * PAGE);

	pages_new(1);
	limit_stack(120 * MIB);
	CHECK_EQ(descend(frames), frames);
}

/* It lives in its parent's memory, but not under its limits. */
TEST(limit_of_a_vfork_child_is_its_own)
{
	limit_stack(8 * MIB);
	pid_t pid = vfork();
	if (pid == 0) {
		limit_stack(64 * KIB);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(recurse(2 * MIB), 2 * MIB / FRAME);
}

TEST(parent_and_child_grow_each_their_own)
{
	struct gate gate = gate_new();

	limit_stack(8 * MIB);
	CHECK_EQ(recurse(256 * KIB), 256);
	uintptr_t before = stack_start();
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(recurse(2 * MIB), 2 * MIB / FRAME);
		CHECK(stack_start() < before);
		gate_pass(gate);
		CHECK_EQ(recurse(3 * MIB), 3 * MIB / FRAME);
		_exit(0);
	}
	CHECK_EQ(stack_start(), before);
	CHECK_EQ(recurse(3 * MIB), 3 * MIB / FRAME);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(recurse(3 * MIB), 3 * MIB / FRAME);
}

TEST(child_of_a_deep_stack_sees_all_of_it)
{
	volatile char deep[2 * MIB];

	limit_stack(8 * MIB);
	pages_mark(deep, 512, 1);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(pages_have_marks(deep, 512, 1));
		pages_mark(deep, 512, 2);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(deep, 512, 1));
}

static uintptr_t limit_reached;         /* the lowest address that may be reached */

static void overflow(int number, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr;

	(void)number, (void)context;
	_exit(info->si_code == SEGV_MAPERR && at < limit_reached + 64 * KIB ? 7 : 1);
}

/* Without end: stopped at the limit, and the handler has a stack of its own. */
TEST(endless_recursion_is_a_segv_at_the_limit)
{
	stack_t alternate = {.ss_sp = malloc(SIGSTKSZ * 4), .ss_size = SIGSTKSZ * 4};
	struct sigaction action = {.sa_sigaction = overflow, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	limit_stack(MIB);
	pid_t pid = fork();
	if (pid == 0) {
		char here;
		limit_reached = (uintptr_t)&here - MIB;
		sigaltstack(&alternate, NULL);
		sigaction(SIGSEGV, &action, NULL);
		recurse(GIB);
		_exit(0);
	}
	CHECK_EXIT(pid, 7);
}

TEST(without_a_handler_it_kills)
{
	limit_stack(MIB);
	pid_t pid = fork();
	if (pid == 0) {
		recurse(GIB);
		_exit(0);
	}
	CHECK_KILLED(pid, SIGSEGV);
}

TEST(another_mapping_keeps_the_stack_away)
{
	limit_stack(8 * MIB);
	CHECK_EQ(recurse(128 * KIB), 128);
	uintptr_t start = stack_start();
	void *wall = (void *)(start - 300 * PAGE);

	CHECK(mmap(wall, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == wall);
	volatile char *allowed = (volatile char *)(start - 40 * PAGE);
	volatile char *refused = (volatile char *)(start - 60 * PAGE);
	CHECK_FAULT(refused, TO_WRITE, SIGSEGV, SEGV_MAPERR);
	CHECK_NO_FAULT(allowed, TO_WRITE);
	CHECK_EQ(stack_start(), (uintptr_t)allowed);
	CHECK_FAULT(refused, TO_READ, SIGSEGV, SEGV_MAPERR);
}

TEST(ordinary_mappings_do_not_grow)
{
	volatile char *memory = pages_new(8);

	pages_free(memory, 4);
	CHECK_FAULT(memory + 3 * PAGE, TO_WRITE, SIGSEGV, SEGV_MAPERR);
}

TEST(growing_mappings_do)
{
	volatile char *memory = memory_map(1024 * PAGE, PROT_NONE, MAP_PRIVATE);
	volatile char *last = memory + 1000 * PAGE;

	CHECK_EQ(munmap((void *)memory, 1024 * PAGE), 0);
	CHECK(mmap((void *)last, PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0) == last);
	last[0] = 1;
	CHECK_NO_FAULT(last - 3 * PAGE, TO_WRITE);
	CHECK_EQ(last[-2 * PAGE], 0);
	CHECK_EQ(last[0], 1);
}

TEST(code_on_the_stack_does_not_run)
{
	pid_t pid = fork();

	if (pid == 0) {
		volatile unsigned char code[] = {0xc3};
		((void (*)(void))(uintptr_t)code)();
		_exit(0);
	}
	CHECK_KILLED(pid, SIGSEGV);
}

/* The kernel lets the stack grow as well, when it writes there first. */
TEST(kernel_writes_below_the_stack_grow_it)
{
	int fds[2];

	limit_stack(8 * MIB);
	uintptr_t start = stack_start();
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(write(fds[1], "x", 1), 1);
	char *below = (char *)(start - 100 * PAGE);
	CHECK_EQ(read(fds[0], below, 1), 1);
	CHECK_EQ(*below, 'x');
	CHECK(stack_start() <= (uintptr_t)below);
}
