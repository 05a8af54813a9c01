/* SPDX-License-Identifier: MIT */
/*
 * tests/user/hostile_frames.c - signal frames that no kernel wrote.
 *
 * A handler changes the frame it came with, and returns: the kernel takes back what the program
 * could have done itself, and ends it by SIGSEGV for all else.
 */
#include "hostile.h"

#include <ucontext.h>

enum { REGISTER_EFLAGS = 17, REGISTER_SEGMENTS = 18 };
enum { FP_SOFTWARE = 464, FP_HEADER = 512, FP_MXCSR = 24 };

static void (*forge)(ucontext_t *context);

static void handler(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)info;
	forge(context);
}

/* Come back from a signal by a frame that was forged. */
static void come_back(void (*how)(ucontext_t *context))
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	forge = how;
	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	CHECK_EQ(raise(SIGUSR1), 0);
}

#define FORGED(name_, end_, ...) \
	static void forge_##name_(ucontext_t *context) \
	{ \
		greg_t *registers = context->uc_mcontext.gregs; \
		unsigned char *fp = (void *)context->uc_mcontext.fpregs; \
		(void)registers, (void)fp; \
		__VA_ARGS__; \
	} \
	TEST(name_) { end_(come_back(forge_##name_)); }
#define KILLS(...) DIES(SIGSEGV, __VA_ARGS__)

/* cs, gs, fs, ss: sixteen bits each. */
#define SET_SEGMENT(place_, value_) \
	(((uint16_t *)&registers[REGISTER_SEGMENTS])[place_] = (value_))

FORGED(nothing_changed, LIVES, {})
FORGED(rip_of_the_kernel, KILLS, registers[REG_RIP] = (greg_t)KERNEL_IMAGE)
FORGED(rip_not_canonical, KILLS, registers[REG_RIP] = (greg_t)NOT_CANONICAL)
FORGED(rip_high_not_canonical, KILLS, registers[REG_RIP] = (greg_t)(KERNEL_HALF - 1))
FORGED(rip_past_all_pages, KILLS, registers[REG_RIP] = (greg_t)USER_PAST)
FORGED(rsp_of_the_kernel, KILLS, registers[REG_RSP] = (greg_t)KERNEL_RAM)
FORGED(cs_of_the_kernel, KILLS, SET_SEGMENT(0, 0x08))
FORGED(cs_of_the_other_kernel, KILLS, SET_SEGMENT(0, 0x10))
FORGED(cs_null, KILLS, SET_SEGMENT(0, 0))
FORGED(cs_of_a_local_table, KILLS, SET_SEGMENT(0, 0x37))
FORGED(ss_null, KILLS, SET_SEGMENT(3, 0))
FORGED(ss_of_the_kernel, KILLS, SET_SEGMENT(3, 0x08))
FORGED(ss_beyond_the_table, KILLS, SET_SEGMENT(3, 0xfff8))
FORGED(fs_and_gs_are_nothing, LIVES, SET_SEGMENT(1, 0x08); SET_SEGMENT(2, 0x10))
FORGED(fp_state_in_the_kernel, KILLS, context->uc_mcontext.fpregs = (void *)KERNEL_RAM)
FORGED(fp_state_not_canonical, KILLS, context->uc_mcontext.fpregs = (void *)NOT_CANONICAL)
FORGED(fp_state_nowhere, KILLS, context->uc_mcontext.fpregs = (void *)4096)
FORGED(fp_state_left_out, LIVES, context->uc_mcontext.fpregs = NULL)
FORGED(mxcsr_reserved_bits, KILLS, memset(fp + FP_MXCSR, 0xff, 4))
FORGED(xsave_parts_unknown, KILLS, memset(fp + FP_HEADER, 0xff, 8))
FORGED(xsave_form_unknown, KILLS, memset(fp + FP_HEADER + 8, 0xff, 8))
FORGED(xsave_reserved_words, KILLS, memset(fp + FP_HEADER + 16, 0xff, 48))
FORGED(xsave_first_magic_gone, LIVES, memset(fp + FP_SOFTWARE, 0, 4))
FORGED(xsave_size_too_large, LIVES, memset(fp + FP_SOFTWARE + 16, 0xff, 4))
FORGED(xsave_second_magic_gone, LIVES, {
	uint32_t size;

	memcpy(&size, fp + FP_SOFTWARE + 16, sizeof(size));
	memset(fp + size, 0, 4);
})
FORGED(alternate_stack_in_the_kernel, LIVES,
	context->uc_stack = (stack_t){.ss_sp = (void *)KERNEL_RAM, .ss_size = 65536})

static uint64_t flags_now(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; pop %0" : "=r"(flags) : : "memory");
	return flags;
}

static void forge_flags(ucontext_t *context)
{
	context->uc_mcontext.gregs[REGISTER_EFLAGS] |= 0x3000 | 0x20000 | 0x1b0000;
	context->uc_mcontext.gregs[REGISTER_EFLAGS] &= ~0x200l;
}

/* IOPL and the flags of interrupts and virtual modes stay the kernel's. */
TEST(flags_of_the_kernel)
{
	LIVES({
		come_back(forge_flags);
		CHECK_EQ(flags_now() & 0x1b3000, 0);
		CHECK(flags_now() & 0x200);
		FAULTS(SIGSEGV, __asm__ volatile("cli"));
	});
}

static void forge_mask(ucontext_t *context)
{
	memset(&context->uc_sigmask, 0xff, 8);
}

TEST(mask_spares_kill)
{
	DIES(SIGKILL, come_back(forge_mask); kill(getpid(), SIGKILL));
}

/* Memory above a handler's stack pointer that is no frame at all. */
TEST(return_without_a_signal)
{
	for (volatile int i = 0; i < HOSTILE_ADDRESSES; i++)
		DIES(SIGSEGV, {
			__asm__ volatile("mov %0, %%rsp\n syscall"
				: : "r"(hostile_addresses[i]), "a"(SYS_rt_sigreturn)
				: "rcx", "r11", "memory");
		});
	DIES(SIGSEGV, {
		void *zeros = hostile_map(PROT_READ | PROT_WRITE, 2);
		__asm__ volatile("mov %0, %%rsp\n syscall"
			: : "r"(zeros), "a"(SYS_rt_sigreturn) : "rcx", "r11", "memory");
	});
}

static char small_stack[100];

/* A handler's stack that does not hold the frame. */
TEST(frame_does_not_fit)
{
	DIES(SIGSEGV, {
		stack_t stack = {.ss_sp = (void *)(USER_PAST - 65536), .ss_size = 65536};
		struct sigaction action = {.sa_handler = hostile_note, .sa_flags = SA_ONSTACK};

		CHECK_EQ(sigaltstack(&stack, NULL), 0);
		sigaction(SIGUSR1, &action, NULL);
		raise(SIGUSR1);
	});
	for (volatile int i = 0; i < HOSTILE_ADDRESSES; i++)
		DIES(SIGSEGV, {
			stack_t stack = {.ss_sp = (void *)hostile_addresses[i]};
			struct sigaction action = {.sa_handler = hostile_note};

			stack.ss_size = 1ul << 62;
			action.sa_flags = SA_ONSTACK;
			CHECK_EQ(sigaltstack(&stack, NULL), 0);
			sigaction(SIGUSR1, &action, NULL);
			raise(SIGUSR1);
		});
	stack_t small = {.ss_sp = small_stack, .ss_size = 100}, strange = {.ss_flags = 77};
	CHECK_ERRNO(syscall(SYS_sigaltstack, &small, NULL), ENOMEM);
	CHECK_ERRNO(syscall(SYS_sigaltstack, &strange, NULL), EINVAL);
}

/* ---- at random ---- */

static uint64_t random_state;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Registers are left alone: what such a program would run, no oracle should. */
static void forge_randomly(ucontext_t *context)
{
	unsigned char *fp = (void *)context->uc_mcontext.fpregs;
	unsigned char *place[] = {fp, fp + FP_SOFTWARE, fp + FP_HEADER};
	static const unsigned size[] = {512, 48, 320};

	for (int i = 0; i < 8; i++) {
		unsigned part = random_next() % 3;

		place[part][random_next() % size[part]] = (unsigned char)random_next();
	}
}

TEST(damaged_frames)
{
	int killed = 0, lived = 0;

	for (int seed = 1; seed <= 300; seed++) {
		pid_t pid = fork();

		if (pid == 0) {
			random_state = (uint64_t)seed * 0x9e3779b97f4a7c15;
			come_back(forge_randomly);
			_exit(0);
		}
		int status = utest_wait(pid);
		killed += status == 128 + SIGSEGV;
		lived += status == 0 || status == 128 + SIGFPE;
		CHECK_EQ(killed + lived, seed);
	}
	CHECK(killed > 10 && lived > 10);
	hostile_check_kernel();
}
