/* SPDX-License-Identifier: MIT */
/*
 * tests/user/sigreturn_fp.c - registers across a handler, and frames that a program has forged.
 */
#include "utest.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

static volatile int count;

/* Uses SSE and x87 registers for something else. */
static void clobber(int signal)
{
	volatile double x = signal;
	volatile long double y = signal;

	for (int i = 0; i < 100; i++) {
		x = x * 1.5 + i;
		y = y * 1.25L - i;
	}
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm5, %%xmm5; pcmpeqd %%xmm15, %%xmm15"
		: : : "xmm0", "xmm5", "xmm15");
	count++;
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	CHECK_EQ(sigaction(signal, &action, NULL), 0);
}

TEST(sse_registers_survive_a_handler)
{
	uint64_t in[2] = {0x0123456789abcdef, 0xfedcba9876543210}, out[2][2];

	signal(SIGUSR1, clobber);
	__asm__ volatile(
		"movups (%[in]), %%xmm5\n"
		"movups (%[in]), %%xmm15\n"
		"syscall\n"
		"movups %%xmm5, (%[out])\n"
		"movups %%xmm15, 16(%[out])\n"
		: : [in] "r"(in), [out] "r"(out), "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1)
		: "rcx", "r11", "memory", "xmm5", "xmm15");
	CHECK_EQ(count, 1);
	CHECK(memcmp(out[0], in, sizeof(in)) == 0);
	CHECK(memcmp(out[1], in, sizeof(in)) == 0);
}

TEST(registers_survive_a_switch)
{
	uint64_t in[2] = {0x1111111122222222, 0x3333333344444444}, out[2];
	struct timespec pause = {.tv_nsec = 5000000};

	for (int i = 0; i < 2; i++) {
		if (fork() == 0) {
			in[0] += (uint64_t)getpid();
			break;
		}
	}
	for (int round = 0; round < 5; round++) {
		__asm__ volatile(
			"movups (%[in]), %%xmm7\n"
			"syscall\n"
			"movups %%xmm7, (%[out])\n"
			: : [in] "r"(in), [out] "r"(out), "a"(SYS_nanosleep), "D"(&pause), "S"(0)
			: "rcx", "r11", "memory", "xmm7");
		CHECK(memcmp(out, in, sizeof(in)) == 0);
	}
	while (wait(NULL) > 0)
		;
}

TEST(general_registers_survive_a_handler)
{
	uint64_t before = 0x5555aaaa5555aaaa, after[3];

	signal(SIGUSR1, clobber);
	__asm__ volatile(
		"mov %[before], %%r12\n"
		"mov %[before], %%r9\n"
		"mov %[before], %%rbx\n"
		"syscall\n"
		"mov %%r12, (%[after])\n"
		"mov %%r9, 8(%[after])\n"
		"mov %%rbx, 16(%[after])\n"
		: : [before] "r"(before), [after] "r"(after), "a"(SYS_kill), "D"(getpid()),
		"S"(SIGUSR1)
		: "rcx", "r11", "memory", "r12", "r9", "rbx");
	CHECK(after[0] == before && after[1] == before && after[2] == before);
}

TEST(red_zone_survives_a_handler)
{
	uint64_t below = 0;

	signal(SIGUSR1, clobber);
	__asm__ volatile(
		"movq $0x7777, -8(%%rsp)\n"
		"movq $0x7777, -128(%%rsp)\n"
		"syscall\n"
		"mov -128(%%rsp), %[below]\n"
		"and -8(%%rsp), %[below]\n"
		: [below] "=&r"(below) : "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1)
		: "rcx", "r11", "memory");
	CHECK_EQ(below, 0x7777);
}

static volatile bool is_aligned, has_state;

static void look(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uintptr_t state = (uintptr_t)uc->uc_mcontext.fpregs;

	(void)signal;
	is_aligned = (uintptr_t)__builtin_frame_address(0) % 16 == 0 && state % 64 == 0 &&
		(uintptr_t)info % 8 == 0;
	has_state = state != 0 && uc->uc_mcontext.gregs[REG_RIP] != 0;
}

TEST(frame_is_aligned)
{
	handle(SIGUSR1, look);
	raise(SIGUSR1);
	CHECK(is_aligned && has_state);
}

static void change(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signal, (void)info;
	uc->uc_mcontext.gregs[REG_RBX] = 0x1234;
	sigaddset(&uc->uc_sigmask, SIGUSR2);
	uc->uc_mcontext.fpregs->_xmm[6].element[0] = 0x600d;
}

TEST(handler_may_change_what_it_returns_to)
{
	uint64_t rbx, xmm6[2];
	sigset_t now;

	handle(SIGUSR1, change);
	__asm__ volatile(
		"xor %%ebx, %%ebx\n"
		"pxor %%xmm6, %%xmm6\n"
		"syscall\n"
		"mov %%rbx, %[rbx]\n"
		"movups %%xmm6, (%[xmm6])\n"
		: [rbx] "=&r"(rbx)
		: [xmm6] "r"(xmm6), "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1)
		: "rcx", "r11", "memory", "rbx", "xmm6");
	CHECK_EQ(rbx, 0x1234);
	CHECK_EQ(xmm6[0], 0x600d);
	sigprocmask(SIG_BLOCK, NULL, &now);
	CHECK(sigismember(&now, SIGUSR2));
}

/* ---- forged frames: the program may die of them, nothing else may happen ---- */

static void (*forge)(ucontext_t *uc);

static void forge_and_return(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)info;
	forge(context);
}

static int run_forged(void (*how)(ucontext_t *uc))
{
	pid_t pid = fork();

	if (pid == 0) {
		forge = how;
		handle(SIGUSR1, forge_and_return);
		raise(SIGUSR1);
		_exit(0);
	}
	return utest_wait(pid);
}

static void kernel_rip(ucontext_t *uc)
{
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)0xffffffff80100000;
}

static void bent_rip(ucontext_t *uc)
{
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)0x0000800000000000;
}

static void null_rip(ucontext_t *uc)
{
	uc->uc_mcontext.gregs[REG_RIP] = 0;
}

static void kernel_rsp(ucontext_t *uc)
{
	uc->uc_mcontext.gregs[REG_RSP] = (greg_t)0xffff888000001000;
}

static void kernel_segments(ucontext_t *uc)
{
	uc->uc_mcontext.gregs[REG_CSGSFS] = 0x10 | (greg_t)0x18 << 48;
}

static void strange_flags(ucontext_t *uc)
{
	const greg_t iopl_if_vif = 0x3000 | 0x80000 | 0x100000;

	uc->uc_mcontext.gregs[REG_EFL] = (uc->uc_mcontext.gregs[REG_EFL] | iopl_if_vif) & ~0x200;
}

static void kernel_fpu(ucontext_t *uc)
{
	uc->uc_mcontext.fpregs = (void *)0xffff888000001000;
}

static void bad_mxcsr(ucontext_t *uc)
{
	uc->uc_mcontext.fpregs->mxcsr = 0xffffffff;
}

static void bad_xsave_header(ucontext_t *uc)
{
	memset((char *)uc->uc_mcontext.fpregs + 512, 0xff, 64);
}

TEST(forged_rip_is_death)
{
	CHECK_EQ(run_forged(kernel_rip), 128 + SIGSEGV);
	CHECK_EQ(run_forged(bent_rip), 128 + SIGSEGV);
	CHECK_EQ(run_forged(null_rip), 128 + SIGSEGV);
}

TEST(forged_rsp_is_death)
{
	CHECK_EQ(run_forged(kernel_rsp), 128 + SIGSEGV);
}

TEST(forged_flags_are_sanitised)
{
	CHECK_EQ(run_forged(strange_flags), 0);
}

TEST(forged_segments_give_no_rights)
{
	int status = run_forged(kernel_segments);

	CHECK(status == 0 || status == 128 + SIGSEGV);
}

TEST(forged_fpu_state_is_refused)
{
	CHECK_EQ(run_forged(kernel_fpu), 128 + SIGSEGV);
	int status = run_forged(bad_mxcsr);
	CHECK(status == 0 || status == 128 + SIGSEGV);
	status = run_forged(bad_xsave_header);
	CHECK(status == 0 || status == 128 + SIGSEGV);
}

TEST(sigreturn_from_nowhere_is_death)
{
	pid_t pid = fork();

	if (pid == 0) {
		__asm__ volatile("mov $0x10, %%rsp; syscall" : : "a"(SYS_rt_sigreturn) : "memory");
		_exit(0);
	}
	CHECK_KILLED(pid, SIGSEGV);
}
