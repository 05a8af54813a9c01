/* SPDX-License-Identifier: MIT */
/*
 * tests/user/segv_codes.c - what a program is told about its own faults.
 */
#include "utest.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static sigjmp_buf back;
static volatile int fault_signal, fault_code;
static void *volatile fault_at;

static void note(int signal, siginfo_t *info, void *context)
{
	(void)context;
	fault_signal = signal;
	fault_code = info->si_code;
	fault_at = info->si_addr;
	siglongjmp(back, 1);
}

static void catch_all(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
	struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

#define EXPECT_FAULT(statement_, signal_, code_, at_) \
	do { \
		catch_all(); \
		fault_signal = 0; \
		if (sigsetjmp(back, 1) == 0) { \
			statement_; \
		} \
		CHECK_EQ(fault_signal, signal_); \
		CHECK_EQ(fault_code, code_); \
		CHECK_EQ((uintptr_t)fault_at, (uintptr_t)(at_)); \
	} while (0)

static volatile char *volatile nowhere = (char *)16;
static volatile char *volatile in_the_kernel = (char *)0xffffffff80100000;
static volatile char *volatile not_canonical = (char *)0x0000900000000000;

static volatile char *map(int protection, size_t pages)
{
	void *memory = mmap(NULL, pages * 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

TEST(nothing_mapped)
{
	volatile char *memory = map(PROT_READ | PROT_WRITE, 1);

	munmap((void *)memory, 4096);
	EXPECT_FAULT(memory[5] = 1, SIGSEGV, SEGV_MAPERR, memory + 5);
	EXPECT_FAULT((void)memory[6], SIGSEGV, SEGV_MAPERR, memory + 6);
	EXPECT_FAULT(*nowhere = 1, SIGSEGV, SEGV_MAPERR, 16);
}

TEST(write_to_what_is_read_only)
{
	volatile char *memory = map(PROT_READ, 1);

	EXPECT_FAULT(memory[9] = 1, SIGSEGV, SEGV_ACCERR, memory + 9);
	(void)memory[9];
	EXPECT_FAULT(memory[9] = 1, SIGSEGV, SEGV_ACCERR, memory + 9);
}

TEST(write_after_protection)
{
	volatile char *memory = map(PROT_READ | PROT_WRITE, 1);

	memory[0] = 1;
	CHECK_EQ(mprotect((void *)memory, 4096, PROT_READ), 0);
	EXPECT_FAULT(memory[0] = 2, SIGSEGV, SEGV_ACCERR, memory);
	CHECK_EQ(memory[0], 1);
	CHECK_EQ(mprotect((void *)memory, 4096, PROT_NONE), 0);
	EXPECT_FAULT((void)memory[0], SIGSEGV, SEGV_ACCERR, memory);
}

TEST(data_is_not_executed)
{
	volatile char *memory = map(PROT_READ | PROT_WRITE, 1);

	memory[0] = (char)0xc3;
	EXPECT_FAULT(((void (*)(void))memory)(), SIGSEGV, SEGV_ACCERR, memory);
}

TEST(beyond_the_end_of_a_file)
{
	char path[] = "/tmp/segv_codes_XXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	unlink(path);
	CHECK_EQ(ftruncate(fd, 100), 0);
	volatile char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memory[99] = 1;
	EXPECT_FAULT(memory[4096] = 1, SIGBUS, BUS_ADRERR, memory + 4096);
	EXPECT_FAULT((void)memory[5000], SIGBUS, BUS_ADRERR, memory + 5000);
}

TEST(kernel_addresses)
{
	EXPECT_FAULT((void)*in_the_kernel, SIGSEGV, SEGV_MAPERR,
		0xffffffff80100000);
	EXPECT_FAULT((void)*not_canonical, SIGSEGV, SI_KERNEL, 0);
}

static volatile int zero;

TEST(division_by_zero)
{
	static void *volatile at;

	EXPECT_FAULT({
		__asm__ volatile(
			"lea 1f(%%rip), %%rax\n"
			"mov %%rax, %0\n"
			"xor %%edx, %%edx\n"
			"1: divl %1\n"
			: "=m"(at) : "m"(zero) : "rax", "rdx");
	}, SIGFPE, FPE_INTDIV, at);
}

TEST(invalid_instruction)
{
	static void *volatile at;

	EXPECT_FAULT({
		__asm__ volatile("lea 1f(%%rip), %%rax; mov %%rax, %0; 1: ud2"
			: "=m"(at) : : "rax");
	}, SIGILL, ILL_ILLOPN, at);
}

TEST(privileged_instruction)
{
	EXPECT_FAULT(__asm__ volatile("hlt"), SIGSEGV, SI_KERNEL, 0);
	EXPECT_FAULT(__asm__ volatile("cli"), SIGSEGV, SI_KERNEL, 0);
	EXPECT_FAULT(__asm__ volatile("outb %%al, $0x80" : : "a"(0)), SIGSEGV, SI_KERNEL, 0);
}

TEST(breakpoint)
{
	EXPECT_FAULT(__asm__ volatile("int3"), SIGTRAP, SI_KERNEL, 0);
}

TEST(other_interrupts)
{
	EXPECT_FAULT(__asm__ volatile("int $0x40"), SIGSEGV, SI_KERNEL, 0);
	EXPECT_FAULT(__asm__ volatile("int $14"), SIGSEGV, SI_KERNEL, 0);
}

static volatile int steps;

static void count_step(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	steps += info->si_code == TRAP_TRACE;
}

TEST(single_steps)
{
	struct sigaction action = {.sa_sigaction = count_step, .sa_flags = SA_SIGINFO};

	sigaction(SIGTRAP, &action, NULL);
	__asm__ volatile(
		"pushfq\n"
		"orl $0x100, (%%rsp)\n"
		"popfq\n"
		"nop\n"
		"nop\n"
		"pushfq\n"
		"andl $~0x100, (%%rsp)\n"
		"popfq\n"
		: : : "memory", "cc");
	CHECK(steps >= 3 && steps <= 6);
}

TEST(blocked_fault_is_death)
{
	pid_t pid = fork();

	if (pid == 0) {
		sigset_t set;
		catch_all();
		sigemptyset(&set);
		sigaddset(&set, SIGSEGV);
		sigprocmask(SIG_BLOCK, &set, NULL);
		*nowhere = 1;
		_exit(0);
	}
	CHECK_KILLED(pid, SIGSEGV);
}

TEST(ignored_fault_is_death)
{
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGSEGV, SIG_IGN);
		*nowhere = 1;
		_exit(0);
	}
	CHECK_KILLED(pid, SIGSEGV);
}

TEST(bad_pointers_in_calls_are_errors)
{
	static void *const bad[] = {(void *)16, (void *)0xffffffff80100000,
		(void *)0x0000900000000000, (void *)0x00007ffffffff000};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad[i], NULL, 8), EFAULT);
		CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, NULL, bad[i], 8), EFAULT);
		CHECK_ERRNO(syscall(SYS_getrlimit, 0, bad[i]), EFAULT);
		CHECK_ERRNO(syscall(SYS_pipe, bad[i]), EFAULT);
		CHECK_ERRNO(syscall(SYS_execve, bad[i], NULL, NULL), EFAULT);
	}
	CHECK_ERRNO(syscall(1000), ENOSYS);
	CHECK_ERRNO(syscall(-1), ENOSYS);
}
