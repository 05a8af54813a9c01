/* SPDX-License-Identifier: MIT */
/*
 * tests/user/hostile_registers.c - instructions, flags, segments and stacks that no program has.
 */
#include "hostile.h"

#include <sched.h>

enum { ARCH_SET_GS = 0x1001, ARCH_SET_FS, ARCH_GET_FS, ARCH_GET_GS };

/* ---- instructions of the kernel ---- */

#define REFUSED(name_, signal_, ...) \
	TEST(name_) \
	{ \
		FAULTS(signal_, __asm__ volatile(__VA_ARGS__)); \
		hostile_check_kernel(); \
	}

REFUSED(interrupts_off, SIGSEGV, "cli")
REFUSED(interrupts_on, SIGSEGV, "sti")
REFUSED(halt, SIGSEGV, "hlt")
REFUSED(port_in, SIGSEGV, "inb $0x60, %%al" : : : "rax")
REFUSED(port_out, SIGSEGV, "outb %%al, $0xf4" : : "a"(1))
REFUSED(port_in_by_dx, SIGSEGV, "inl %%dx, %%eax" : : "d"(0xcf8) : "rax")
REFUSED(port_out_string, SIGSEGV, "outsb" : : "d"(0x3f8), "S"("x") : "memory")
REFUSED(cr0_read, SIGSEGV, "mov %%cr0, %%rax" : : : "rax")
REFUSED(cr0_write, SIGSEGV, "mov %%rax, %%cr0" : : "a"(0))
REFUSED(cr2_read, SIGSEGV, "mov %%cr2, %%rax" : : : "rax")
REFUSED(cr3_read, SIGSEGV, "mov %%cr3, %%rax" : : : "rax")
REFUSED(cr3_write, SIGSEGV, "mov %%rax, %%cr3" : : "a"(0))
REFUSED(cr4_write, SIGSEGV, "mov %%rax, %%cr4" : : "a"(0))
REFUSED(cr8_write, SIGSEGV, "mov %%rax, %%cr8" : : "a"(15))
REFUSED(dr0_write, SIGSEGV, "mov %%rax, %%dr0" : : "a"(0))
REFUSED(dr7_read, SIGSEGV, "mov %%dr7, %%rax" : : : "rax")
REFUSED(dr7_write, SIGSEGV, "mov %%rax, %%dr7" : : "a"(0x401))
REFUSED(msr_read, SIGSEGV, "rdmsr" : : "c"(0xc0000080) : "rax", "rdx")
REFUSED(msr_write, SIGSEGV, "wrmsr" : : "c"(0xc0000082), "a"(0), "d"(0))
REFUSED(counter_read, SIGSEGV, "rdpmc" : : "c"(0) : "rax", "rdx")
REFUSED(page_flush, SIGSEGV, "invlpg (%%rax)" : : "a"(0))
REFUSED(caches_dropped, SIGSEGV, "invd")
REFUSED(caches_written, SIGSEGV, "wbinvd")
REFUSED(task_switched_flag, SIGSEGV, "clts")
REFUSED(machine_status, SIGSEGV, "lmsw %%ax" : : "a"(0))
REFUSED(gs_swapped, SIGSEGV, "swapgs")
REFUSED(system_return, SIGSEGV, "sysretq" : : "c"(KERNEL_IMAGE) : "r11")
REFUSED(xcr0_write, SIGSEGV, "xsetbv" : : "c"(0), "a"(1), "d"(0))
REFUSED(programs_opened, SIGILL, "stac")
REFUSED(programs_closed, SIGILL, "clac")
REFUSED(resume_from_nowhere, SIGILL, "rsm")
REFUSED(monitor, SIGILL, "monitor" : : "a"(0), "c"(0), "d"(0))
REFUSED(undefined, SIGILL, "ud2")

static char table[16] __attribute__((aligned(16)));

REFUSED(segments_table, SIGSEGV, "lgdt %0" : : "m"(table))
REFUSED(interrupts_table, SIGSEGV, "lidt %0" : : "m"(table))
REFUSED(local_table, SIGSEGV, "lldt %%ax" : : "a"(0))
REFUSED(task_register, SIGSEGV, "ltr %%ax" : : "a"(0x40))

/* Every vector: a gate for programs leads to 3 and 4 only.  (128 is another door of Linux.) */
TEST(software_interrupts)
{
	unsigned char *code = hostile_map(PROT_READ | PROT_WRITE | PROT_EXEC, 1);

	for (int vector = 0; vector < 256; vector++) {
		code[0] = 0xcd;
		code[1] = (unsigned char)vector;
		code[2] = 0xc3;
		if (vector != 0x80)
			FAULTS(vector == 3 ? SIGTRAP : SIGSEGV, ((void (*)(void))code)());
	}
	hostile_check_kernel();
}

/* Processors do not agree whether there are such instructions. */
TEST(instructions_of_some)
{
	int signal = SIGNAL_OF(__asm__ volatile(".byte 0xf1"));        /* a debugger's trap */

	CHECK(signal == SIGTRAP || signal == SIGILL);
	signal = SIGNAL_OF(__asm__ volatile("sysexitl" : : "c"(0), "d"(0)));
	CHECK(signal == SIGSEGV || signal == SIGILL);
	signal = SIGNAL_OF(__asm__ volatile("sysenter" : : "a"(-1) : "rcx", "rdx"));
	CHECK(signal == SIGSEGV || signal == SIGILL);
}

/* ---- flags ---- */

enum { FLAG_TF = 0x100, FLAG_IF = 0x200, FLAG_DF = 0x400, FLAG_IOPL = 0x3000, FLAG_NT = 0x4000,
       FLAG_RF = 0x10000, FLAG_VM = 0x20000, FLAG_AC = 0x40000 };

static uint64_t flags_read(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; pop %0" : "=r"(flags) : : "memory");
	return flags;
}

static void flags_write(uint64_t flags)
{
	__asm__ volatile("push %0; popfq" : : "r"(flags) : "memory", "cc");
}

TEST(popf_gives_no_rights)
{
	flags_write(flags_read() | FLAG_IOPL | FLAG_VM | FLAG_RF);
	CHECK_EQ(flags_read() & (FLAG_IOPL | FLAG_VM), 0);
	flags_write(flags_read() & ~(uint64_t)FLAG_IF);
	CHECK(flags_read() & FLAG_IF);
	FAULTS(SIGSEGV, __asm__ volatile("cli"));
	FAULTS(SIGSEGV, __asm__ volatile("outb %%al, $0xf4" : : "a"(1)));
}

/* What a kernel meets that is entered with such a flag: calls, faults, a fork, a signal. */
static void enter_every_way(void)
{
	volatile char *fresh = hostile_map(PROT_READ | PROT_WRITE, 1);

	fresh[0] = 1;
	hostile_check_kernel();
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	CHECK_EXIT(pid, 0);
	hostile_catch();
	FAULTS(SIGSEGV, *(volatile char *)KERNEL_IMAGE = 1);
}

TEST(nested_task)
{
	LIVES(flags_write(flags_read() | FLAG_NT); enter_every_way());
}

TEST(alignment_checked)
{
	LIVES(flags_write(flags_read() | FLAG_AC); (void)syscall(SYS_getpid));
}

/* Backwards: the kernel's own string instructions must go forwards. */
TEST(direction_down)
{
	char *page = hostile_map(PROT_READ | PROT_WRITE, 4);
	long result;

	strcpy(page, "/proc");
	__asm__ volatile("std\n syscall\n cld"
		: "=a"(result) : "a"(SYS_access), "D"(page), "S"(F_OK)
		: "rcx", "r11", "memory");
	CHECK_EQ(result, 0);
	__asm__ volatile("std\n movb $1, 4096(%0)\n cld" : : "r"(page) : "memory");
	CHECK_EQ(page[4096], 1);
	for (int i = 1; i < 4096; i++)
		CHECK_EQ(page[4096 + i], 0);
}

static volatile int steps;

static void count_step(int signal)
{
	steps += signal == SIGTRAP;
}

TEST(stepping_through_the_door)
{
	signal(SIGTRAP, count_step);
	flags_write(flags_read() | FLAG_TF);
	for (int i = 0; i < 20; i++) {
		long pid;

		__asm__ volatile("syscall" : "=a"(pid) : "a"(SYS_getpid) : "rcx", "r11", "memory");
	}
	flags_write(flags_read() & ~(uint64_t)FLAG_TF);
	CHECK(steps >= 60);
	hostile_check_kernel();
}

/* A load of the stack segment puts off the step to behind the next instruction: the door. */
TEST(stepping_behind_a_stack_segment)
{
	signal(SIGTRAP, count_step);
	__asm__ volatile(
		"mov %%ss, %%ebx\n"
		"pushfq\n"
		"orl $0x100, (%%rsp)\n"
		"popfq\n"
		"mov %%ebx, %%ss\n"
		"syscall\n"
		"pushfq\n"
		"andl $~0x100, (%%rsp)\n"
		"popfq\n"
		: : "a"(SYS_getppid) : "rbx", "rcx", "r11", "memory", "cc");
	hostile_check_kernel();
}

/* ---- segments ---- */

static unsigned own_code_segment(void)
{
	unsigned selector;

	__asm__ volatile("mov %%cs, %0" : "=r"(selector));
	return selector;
}

/* Any selector as code, but our own, and Linux's for 32-bit programs. */
TEST(code_segments)
{
	for (volatile unsigned selector = 0; selector < 0x100; selector++) {
		if (selector == own_code_segment() || (selector & ~3u) == 0x20)
			continue;
		FAULTS(SIGSEGV, __asm__ volatile(
			"push %0\n lea 1f(%%rip), %%rax\n push %%rax\n lretq\n 1:\n add $16, %%rsp"
			: : "r"((uint64_t)selector) : "rax", "memory"));
	}
	hostile_check_kernel();
}

/* As the kernel's IRET would take them. */
TEST(interrupt_return)
{
	for (volatile unsigned selector = 0; selector < 0x30; selector += 8)
		FAULTS(SIGSEGV, __asm__ volatile(
			"mov %%rsp, %%rbx\n push %1\n push %%rbx\n pushfq\n push %0\n"
			"lea 1f(%%rip), %%rax\n push %%rax\n iretq\n 1:"
			: : "r"((uint64_t)selector), "r"((uint64_t)selector + 8)
			: "rax", "rbx", "memory"));
	hostile_check_kernel();
}

#define LOAD(register_) \
	static void load_##register_(unsigned selector) \
	{ \
		__asm__ volatile("mov %0, %%" #register_ : : "r"(selector) : "memory"); \
	}
LOAD(ds)
LOAD(es)
LOAD(gs)
LOAD(ss)

/* Whatever a load says: the program can go on, and others are not disturbed. */
TEST(data_segments)
{
	static void (*const loads[])(unsigned) = {load_ds, load_es, load_gs, load_ss};
	volatile int refused = 0, taken = 0;

	hostile_catch();
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		for (unsigned selector = 0; selector < 0x200; selector++) {
			int signal = SIGNAL_OF(loads[i](selector));

			CHECK(signal == 0 || signal == SIGSEGV || signal == SIGBUS);
			refused += signal != 0;
			taken += signal == 0;
		}
	}
	CHECK(refused > 1000 && taken >= 9);
	enter_every_way();
}

TEST(bases)
{
	static const uintptr_t bad[] = {
		USER_PAST + 1, NOT_CANONICAL, NOT_CANONICAL | 8, KERNEL_HALF, KERNEL_RAM,
		KERNEL_IMAGE, UINTPTR_MAX, 1ul << 63,
	};
	uint64_t before, after;

	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_GET_GS, &before), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_ERRNO(syscall(SYS_arch_prctl, ARCH_SET_GS, bad[i]), EPERM);
		CHECK_ERRNO(syscall(SYS_arch_prctl, ARCH_SET_FS, bad[i]), EPERM);
	}
	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_GET_GS, &after), 0);
	CHECK_EQ(after, before);
	CHECK_ERRNO(syscall(SYS_arch_prctl, ARCH_GET_GS, KERNEL_IMAGE), EFAULT);
	CHECK_ERRNO(syscall(SYS_clone, SIGCHLD | 0x80000, 0, 0, 0, NOT_CANONICAL), EPERM);
}

/* A base at the very end, so that what lies behind it is not canonical. */
TEST(base_at_the_end)
{
	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_SET_GS, USER_PAST - 8), 0);
	FAULTS(SIGSEGV, __asm__ volatile("mov %%gs:0, %%rax" : : : "rax"));
	FAULTS(SIGSEGV, __asm__ volatile("mov %%gs:8, %%rax" : : : "rax"));
	enter_every_way();
}

/* ---- where to run, where to push ---- */

TEST(code_anywhere)
{
	for (int i = 0; i < HOSTILE_ADDRESSES; i++)
		FAULTS(SIGSEGV, ((void (*)(void))hostile_addresses[i])());
	hostile_check_kernel();
}

/* The call is the last instruction before the end of all pages: SYSRET would have to go beyond. */
TEST(call_at_the_edge)
{
	unsigned char *page = mmap((void *)(USER_PAST - 4096), 4096,
		PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (page == MAP_FAILED) {
		CHECK_EQ(errno, ENOMEM);
		SKIP("the last page is not to be had");
	}
	page[4094] = 0x0f;
	page[4095] = 0x05;
	FAULTS(SIGSEGV, __asm__ volatile("jmp *%0" : : "r"(page + 4094), "a"(SYS_getpid)));
	hostile_check_kernel();
}

static void with_stack_at(uintptr_t rsp)
{
	__asm__ volatile("mov %0, %%rsp\n push %%rax" : : "r"(rsp) : "memory");
}

TEST(stack_anywhere)
{
	for (int i = 0; i < HOSTILE_ADDRESSES; i++) {
		int signal = SIGNAL_OF(with_stack_at(hostile_addresses[i]));

		CHECK(signal == SIGSEGV || signal == SIGBUS);
	}
}

/* No stack for the signal either. */
TEST(stack_nowhere_kills)
{
	DIES(SIGSEGV, {
		signal(SIGILL, hostile_note);
		__asm__ volatile("mov %0, %%rsp\n ud2" : : "r"(KERNEL_IMAGE));
	});
	DIES(SIGSEGV, {
		signal(SIGILL, hostile_note);
		__asm__ volatile("mov %0, %%rsp\n ud2" : : "r"(NOT_CANONICAL));
	});
	DIES(SIGSEGV, {
		signal(SIGILL, hostile_note);
		__asm__ volatile("mov %0, %%rsp\n ud2" : : "r"(8l));
	});
}

/* The kernel is entered and left with any stack, by calls and by interrupts. */
TEST(stack_is_not_looked_at)
{
	for (int i = 0; i < HOSTILE_ADDRESSES; i++) {
		long pid;

		__asm__ volatile(
			"mov %%rsp, %%rbx\n"
			"mov %2, %%rsp\n"
			"syscall\n"
			"mov $200000, %%ecx\n"
			"1: dec %%ecx\n"
			"jnz 1b\n"
			"mov %%rbx, %%rsp\n"
			: "=a"(pid) : "a"(SYS_getpid), "r"(hostile_addresses[i])
			: "rbx", "rcx", "r11", "memory");
		CHECK_EQ(pid, getpid());
	}
}

/* ---- segments ---- */

/* Lose the FS base, on which the C library relies, and go on without both for ever. */
static void lose_base(void)
{
	__asm__ volatile(
		"mov %%ss, %%edx\n"
		"mov %%edx, %%fs\n"
		"mov %%edx, %%gs\n"
		"1: mov %0, %%eax\n"
		"syscall\n"
		"jmp 1b\n"
		: : "i"(SYS_sched_yield) : "rax", "rcx", "rdx", "r11", "memory");
}

/* Parent and child have the same base. */
TEST(a_base_that_one_loses_is_there_for_the_next)
{
	static volatile char own;
	uintptr_t base;

	utest_stay_on_one_cpu();
	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_SET_GS, &own), 0);
	pid_t pid = fork();
	if (pid == 0)
		lose_base();
	for (int i = 0; i < 1000; i++) {
		own = 1;
		__asm__ volatile("mov %%fs:0, %0\n movb $2, %%gs:0" : "=r"(base) : : "memory");
		CHECK_EQ(*(uintptr_t *)base, base);
		CHECK_EQ(own, 2);
		sched_yield();
	}
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_KILLED(pid, SIGKILL);
}

/* ---- numbers of calls ---- */

TEST(calls_that_are_not_there)
{
	static const long numbers[] = {-1, -4096, 1000, 4095, 4096, 0x40000000, INT32_MIN,
		INT32_MAX, 0x7fffffffffffffff, 0x40000000ffffffff };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		CHECK_ERRNO(syscall(numbers[i], 0, 0, 0, 0, 0, 0), ENOSYS);
	CHECK_EQ(syscall(0x4000000000000000 | SYS_getpid), getpid());   /* 32 bits count */
}
