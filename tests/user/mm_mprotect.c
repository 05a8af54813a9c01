/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/mm_mprotect.c - rights change, contents do not.
 */
#include "memory.h"

TEST(read_only_can_be_read)
{
	volatile char *memory = pages_new(4);

	pages_mark(memory, 4, 1);
	CHECK_EQ(protect(memory, 4, PROT_READ), 0);
	CHECK(pages_have_marks(memory, 4, 1));
	CHECK_FAULT(memory + 2 * PAGE, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	CHECK_EQ(protect(memory, 4, PROT_READ | PROT_WRITE), 0);
	pages_mark(memory, 4, 2);
}

TEST(untouched_pages_obey_too)
{
	volatile char *memory = pages_new(4);

	CHECK_EQ(protect(memory, 4, PROT_READ), 0);
	CHECK_FAULT(memory, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	CHECK_EQ(memory[0], 0);
	CHECK_FAULT(memory, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	CHECK_EQ(protect(memory, 4, PROT_READ | PROT_WRITE), 0);
	memory[0] = 1;
	CHECK_EQ(memory[0], 1);
}

TEST(only_the_named_pages_change)
{
	volatile char *memory = pages_new(8);

	pages_mark(memory, 8, 1);
	CHECK_EQ(protect(memory + 3 * PAGE, 2, PROT_NONE), 0);
	CHECK_NO_FAULT(memory + 2 * PAGE, TO_WRITE);
	CHECK_FAULT(memory + 3 * PAGE, TO_READ, SIGSEGV, SEGV_ACCERR);
	CHECK_FAULT(memory + 4 * PAGE, TO_READ, SIGSEGV, SEGV_ACCERR);
	CHECK_NO_FAULT(memory + 5 * PAGE, TO_WRITE);
}

TEST(contents_come_back_from_none)
{
	volatile char *memory = pages_new(600);

	pages_mark(memory, 600, 1);
	for (int round = 0; round < 3; round++) {
		CHECK_EQ(protect(memory, 600, PROT_NONE), 0);
		CHECK_FAULT(memory + 599 * PAGE, TO_READ, SIGSEGV, SEGV_ACCERR);
		CHECK_EQ(protect(memory, 600, PROT_READ | PROT_WRITE), 0);
		CHECK(pages_have_marks(memory, 600, (char)(1 + round)));
		pages_mark(memory, 600, (char)(2 + round));
	}
}

/* Pages without rights are unmapped like others, and not seen again. */
TEST(what_had_no_rights_can_be_dropped)
{
	volatile char *memory = pages_new(8);

	pages_mark(memory, 8, 1);
	CHECK_EQ(protect(memory, 8, PROT_NONE), 0);
	CHECK_EQ(madvise((void *)memory, 4 * PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(protect(memory, 8, PROT_READ | PROT_WRITE), 0);
	CHECK(bytes_are(memory, 4 * PAGE, 0));
	CHECK(pages_have_marks(memory + 4 * PAGE, 4, 5));
	CHECK_EQ(protect(memory, 8, PROT_NONE), 0);
	pages_free(memory, 8);
}

TEST(many_ranges_at_once)
{
	volatile char *memory = pages_new(64);

	pages_mark(memory, 64, 1);
	for (int i = 0; i < 64; i += 2)
		CHECK_EQ(protect(memory + i * PAGE, 1, i % 4 ? PROT_NONE : PROT_READ), 0);
	CHECK_EQ(protect(memory, 64, PROT_READ), 0);
	CHECK(pages_have_marks(memory, 64, 1));
	for (int i = 0; i < 64; i++)
		CHECK_FAULT(memory + i * PAGE, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	CHECK_EQ(protect(memory, 64, PROT_READ | PROT_WRITE), 0);
	pages_mark(memory, 64, 2);
}

TEST(across_tables_and_fork)
{
	enum { PAGES = 1536 };
	volatile char *memory = tables_new(3);

	pages_mark(memory, PAGES, 1);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(protect(memory + 500 * PAGE, 600, PROT_READ), 0);
		CHECK(pages_have_marks(memory, PAGES, 1));
		CHECK_FAULT(memory + 500 * PAGE, TO_WRITE, SIGSEGV, SEGV_ACCERR);
		CHECK_FAULT(memory + 1099 * PAGE, TO_WRITE, SIGSEGV, SEGV_ACCERR);
		CHECK_NO_FAULT(memory + 499 * PAGE, TO_WRITE);
		CHECK_NO_FAULT(memory + 1100 * PAGE, TO_WRITE);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory, PAGES, 1));
	pages_mark(memory, PAGES, 2);
}

TEST(written_code_runs_after_its_page_became_code)
{
	static const unsigned char code[] = {0xb8, 7, 0, 0, 0, 0xc3};   /* mov eax, 7; ret */
	volatile char *memory = pages_new(1);

	memcpy((char *)memory, code, sizeof(code));
	CHECK_EQ(protect(memory, 1, PROT_READ | PROT_EXEC), 0);
	int (*run)(void) = (int (*)(void))(uintptr_t)memory;
	pid_t pid = fork();
	if (pid == 0)
		_exit(run());
	CHECK_EXIT(pid, 7);
	CHECK_EQ(run(), 7);
	CHECK_FAULT(memory, TO_WRITE, SIGSEGV, SEGV_ACCERR);
	CHECK_EQ(protect(memory, 1, PROT_READ | PROT_WRITE), 0);
	pid = fork();
	if (pid == 0)
		_exit(run());
	CHECK_KILLED(pid, SIGSEGV);
}

/* A handler that gives the rights back: the instruction runs again.  Collectors do that. */
static volatile char *guarded;
static volatile int guards;

static void give_rights_back(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	guards++;
	if (info->si_addr != guarded || protect(guarded, 1, PROT_READ | PROT_WRITE) < 0)
		_exit(1);
}

TEST(handler_may_give_rights_and_go_on)
{
	struct sigaction action = {.sa_sigaction = give_rights_back, .sa_flags = SA_SIGINFO};

	guarded = pages_new(1);
	guarded[0] = 1;
	sigaction(SIGSEGV, &action, NULL);
	for (int round = 0; round < 100; round++) {
		CHECK_EQ(protect(guarded, 1, round % 2 ? PROT_NONE : PROT_READ), 0);
		guarded[0] = (char)round;
		CHECK_EQ(guarded[0], round);
	}
	CHECK_EQ(guards, 100);
}
