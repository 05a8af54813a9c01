/* SPDX-License-Identifier: MIT */
/*
 * tests/user/memory.h - pages to try things on, faults that are expected, children in step.
 *
 *   volatile char *page = pages_new(1);
 *   CHECK_FAULT(page, TO_WRITE, SIGSEGV, SEGV_ACCERR);
 */
#pragma once

#include "utest.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { PAGE = 4096, TABLE = 512 * PAGE };       /* what a last-level table covers */

#define KIB (1ul << 10)
#define MIB (1ul << 20)
#define GIB (1ul << 30)

/* For programs that count: each page that they have is one that they touched, and each touch of a
 * new one is a fault. */
#define PAGES_ARE_COUNTED \
	__attribute__((constructor)) static void pages_are_counted(void) \
	{ \
		prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); \
	}

/* ---- memory ---- */

static inline volatile char *memory_map(size_t len, int prot, int flags)
{
	void *memory = mmap(NULL, len, prot, flags | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

/* Private, writable, untouched. */
static inline volatile char *pages_new(size_t count)
{
	return memory_map(count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

/* The same at a multiple of 2 MiB, so that it starts a table. */
static inline volatile char *tables_new(size_t count)
{
	volatile char *memory = pages_new((count + 1) * 512);
	uintptr_t from = ((uintptr_t)memory + TABLE - 1) / TABLE * TABLE;

	return (volatile char *)from;
}

static inline void pages_free(volatile char *memory, size_t count)
{
	CHECK_EQ(munmap((void *)memory, count * PAGE), 0);
}

/* One byte of each page says which page it is. */
static inline void pages_mark(volatile char *memory, size_t count, char first)
{
	for (size_t i = 0; i < count; i++)
		memory[i * PAGE] = (char)(first + i);
}

static inline bool pages_have_marks(const volatile char *memory, size_t count, char first)
{
	for (size_t i = 0; i < count; i++) {
		if (memory[i * PAGE] != (char)(first + i))
			return false;
	}
	return true;
}

static inline bool bytes_are(const volatile char *memory, size_t len, char value)
{
	for (size_t i = 0; i < len; i++) {
		if (memory[i] != value)
			return false;
	}
	return true;
}

static inline int protect(volatile char *memory, size_t pages, int prot)
{
	return mprotect((void *)memory, pages * PAGE, prot);
}

/* ---- faults ---- */

enum access { TO_READ, TO_WRITE };

static sigjmp_buf fault_return;
static siginfo_t fault_seen;

static inline void fault_note(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	fault_seen = *info;
	siglongjmp(fault_return, 1);
}

/* What touching this byte raises; si_signo is 0 when it raises nothing. */
static inline siginfo_t fault_of(volatile char *at, enum access access)
{
	struct sigaction action = {.sa_sigaction = fault_note, .sa_flags = SA_SIGINFO};
	struct sigaction old_segv, old_bus;

	sigaction(SIGSEGV, &action, &old_segv);
	sigaction(SIGBUS, &action, &old_bus);
	fault_seen = (siginfo_t){0};
	if (sigsetjmp(fault_return, 1) == 0) {
		if (access == TO_WRITE)
			*at = 1;
		else
			(void)*at;
	}
	sigaction(SIGSEGV, &old_segv, NULL);
	sigaction(SIGBUS, &old_bus, NULL);
	return fault_seen;
}

#define CHECK_FAULT(at, access, signal_, code) \
	do { \
		siginfo_t check_info_ = fault_of((at), (access)); \
		CHECK_EQ(check_info_.si_signo, (signal_)); \
		CHECK_EQ(check_info_.si_code, (code)); \
		CHECK_EQ(check_info_.si_addr, (uintptr_t)(at)); \
	} while (0)

#define CHECK_NO_FAULT(at, access) CHECK_EQ(fault_of((at), (access)).si_signo, 0)

/* ---- children in step ---- */

/* A gate holds everybody back who passes it, until its opener opens it (or is gone). */
struct gate { int fd[2]; };

static inline struct gate gate_new(void)
{
	struct gate gate;

	CHECK_EQ(pipe(gate.fd), 0);
	return gate;
}

/* Those who pass do not hold it closed themselves. */
static inline void gate_pass(struct gate gate)
{
	char byte;

	close(gate.fd[1]);
	CHECK_EQ(read(gate.fd[0], &byte, 1), 0);
}

static inline void gate_open(struct gate gate)
{
	close(gate.fd[1]);
	close(gate.fd[0]);
}

/* Until the child has come to where it sleeps: then it changes nothing more by itself. */
static inline void child_settle(pid_t pid)
{
	char path[32], text[256], *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	do {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = read(fd, text, sizeof(text) - 1);

		close(fd);
		CHECK(n > 0);
		text[n] = '\0';
		state = strrchr(text, ')');
		CHECK(!state || state[2] != 'Z');
		sched_yield();
	} while (state && state[2] != 'S');
}

/* ---- what /proc says ---- */

/* The number behind `name` in a file of lines `name value`; -1 if there is none. */
static inline long long proc_number(const char *path, const char *name)
{
	static char text[256 * 1024];
	size_t len = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	close(fd);
	text[len] = '\0';
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, strlen(name)) == 0)
			return strtoll(line + strlen(name), NULL, 10);
	}
	return -1;
}

static inline bool is_cowbell(void)
{
	return access("/proc/cow", F_OK) == 0;
}

/* Does the value of fork_share begin with one of these letters?  Other kernels have none. */
static inline bool fork_shares_one_of(const char *firsts)
{
	char name;
	int fd = open("/proc/sys/vm/fork_share", O_RDONLY);

	if (fd < 0)
		return false;
	CHECK_EQ(read(fd, &name, 1), 1);
	close(fd);
	return strchr(firsts, name);
}
