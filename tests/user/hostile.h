/* SPDX-License-Identifier: MIT */
/*
 * tests/user/hostile.h - for programs that do what no program should.
 *
 * DIES(signal, statements) and FAULTS(signal, statements) say how an attack ends: the first by the
 * death of a child that makes it, the second by a signal that the attacker catches, so that many
 * can be made by one process.
 */
#pragma once

#include "utest.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* Addresses that are nobody's: below the least, beyond the last page, not canonical, the kernel's
 * direct map and image, the end of all. */
#define USER_PAST     0x7ffffffff000ul
#define NOT_CANONICAL 0x800000000000ul
#define KERNEL_HALF   0xffff800000000000ul
#define KERNEL_RAM    0xffff888000100000ul
#define KERNEL_IMAGE  0xffffffff80100000ul

static __attribute__((unused)) const uintptr_t hostile_addresses[] = {
	1, USER_PAST - 1, USER_PAST, USER_PAST + 4095, NOT_CANONICAL, NOT_CANONICAL + 4096,
	KERNEL_HALF, KERNEL_RAM, KERNEL_IMAGE, UINTPTR_MAX - 4095, UINTPTR_MAX - 7, UINTPTR_MAX,
};
enum { HOSTILE_ADDRESSES = sizeof(hostile_addresses) / sizeof(hostile_addresses[0]) };

static sigjmp_buf hostile_back;
static volatile int hostile_signal;

static inline void hostile_note(int signal)
{
	hostile_signal = signal;
	siglongjmp(hostile_back, 1);
}

/* Deadly signals are caught on a stack of their own: the attacker's may be anywhere. */
static inline void hostile_catch(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
	static char stack[65536] __attribute__((aligned(16)));
	struct sigaction action = {.sa_handler = hostile_note, .sa_flags = SA_ONSTACK};
	stack_t own = {.ss_sp = stack, .ss_size = sizeof(stack)};

	sigaltstack(&own, NULL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

/* Which signal the statements end by; 0: none. */
#define SIGNAL_OF(...) \
	({ \
		hostile_catch(); \
		hostile_signal = 0; \
		if (sigsetjmp(hostile_back, 1) == 0) { \
			__VA_ARGS__; \
		} \
		hostile_signal; \
	})
#define FAULTS(signal_, ...) CHECK_EQ(SIGNAL_OF(__VA_ARGS__), signal_)

/* The kernel is well: it still does what a program may ask. */
static inline void hostile_check_kernel(void)
{
	int fds[2];
	char byte = 'a';

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(write(fds[1], &byte, 1), 1);
	CHECK_EQ(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	close(fds[1]);
}

#define DIES(signal_, ...) \
	do { \
		pid_t dies_ = fork(); \
		CHECK(dies_ >= 0); \
		if (dies_ == 0) { \
			__VA_ARGS__; \
			_exit(0); \
		} \
		CHECK_KILLED(dies_, signal_); \
		hostile_check_kernel(); \
	} while (0)

/* The statements' child ends by itself and says that all was well. */
#define LIVES(...) \
	do { \
		pid_t lives_ = fork(); \
		CHECK(lives_ >= 0); \
		if (lives_ == 0) { \
			__VA_ARGS__; \
			_exit(0); \
		} \
		CHECK_EXIT(lives_, 0); \
		hostile_check_kernel(); \
	} while (0)

static inline void *hostile_map(int protection, size_t pages)
{
	void *memory = mmap(NULL, pages * 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

/* The last page before one that is not there. */
static inline char *hostile_edge(void)
{
	char *memory = hostile_map(PROT_READ | PROT_WRITE, 2);

	CHECK_EQ(munmap(memory + 4096, 4096), 0);
	return memory;
}
