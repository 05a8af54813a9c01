/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/bench.h - what the parts of the bench share.
 *
 * The bench is one static program that measures what fork, faults, switches and memory cost.  It
 * runs on any Linux, as process 1 or from a shell.  A metric is a function; each runs in a child of
 * its own, so that none finds what another left behind, and prints lines of the form
 *
 *	NAME MEDIAN UNIT LEAST MOST
 *	NAME VALUE UNIT
 *
 * Between clock_start() and clock_stop() there are only bare system calls, loads and stores.  The
 * clock is RDTSC: under QEMU's -icount shift=0 it counts instructions, elsewhere cycles.  What an
 * empty measurement takes is subtracted from each; the loop that visits pages is not, it costs four
 * instructions a page.
 *
 * A metric that cannot go on ends its process by fail(), which says why.
 */
#pragma once

#define _GNU_SOURCE

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, SAMPLES_MAX = 512, LARGE = 2 << 20, LARGE_PAGES = LARGE / PAGE };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Which run a metric belongs to. */
enum set {
	SET_TABLE,                      /* the table of costs */
	SET_CURVES,                     /* points of the plots */
	SET_LOCKS,                      /* several processors at once */
	SET_LATENCY,                    /* the longest time, not the usual one */
};

struct metric {
	const char *name;
	void (*measure)(const struct metric *metric);
	uint64_t size;                  /* MiB, pages, children: the function knows */
	unsigned rounds;
	enum set set;
};

/* The metrics of each part; an entry without a name ends them. */
extern const struct metric fork_metrics[], program_metrics[], fault_metrics[], shared_metrics[],
	range_metrics[], switch_metrics[], memory_metrics[], lock_metrics[], latency_metrics[];

/* ---- system calls, without the C library's additions; errors are negative ---- */

static inline long call6(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall" : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static inline long call3(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
}

static inline long call0(long number)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(number) : "rcx", "r11", "memory");
	return result;
}

static inline int fork_raw(void)
{
	return (int)call0(SYS_fork);
}

/* The process that ended; any child when pid is -1. */
static inline int wait_for(int pid)
{
	return (int)call6(SYS_wait4, pid, 0, 0, 0, 0, 0);
}

static inline void leave(int status) __attribute__((noreturn));
static inline void leave(int status)
{
	call3(SYS_exit_group, status, 0, 0);
	__builtin_trap();
}

static inline long map_raw(size_t bytes, int flags)
{
	return call6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1,
		     0);
}

static inline long unmap_raw(long at, size_t bytes)
{
	return call3(SYS_munmap, at, (long)bytes, 0);
}

/* ---- the clock ---- */

extern uint64_t clock_empty;            /* ticks of an empty measurement */

/* For tools/profile: calls that next to nothing else makes tell where measurements begin and
 * end. */
extern bool is_profiled;
#define SYS_PROFILE_START SYS_getppid
#define SYS_PROFILE_STOP  SYS_getpgrp

static inline uint64_t ticks_now(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static inline uint64_t clock_start(void)
{
	if (is_profiled)
		call0(SYS_PROFILE_START);
	return ticks_now();
}

static inline uint64_t clock_stop(uint64_t start)
{
	uint64_t ticks = ticks_now() - start;

	if (is_profiled)
		call0(SYS_PROFILE_STOP);
	return ticks > clock_empty ? ticks - clock_empty : 0;
}

/* The ticks of a loop of two instructions. */
uint64_t clock_of_loop(uint64_t rounds);

static inline bool clock_counts_instructions(void)
{
	return clock_of_loop(50000) / 100 == 1000;
}

/* ---- samples, and lines made of them ---- */

/* Remembers a sample of the running metric; those beyond SAMPLES_MAX are dropped. */
void sample_add(uint64_t ticks);
void samples_forget(void);

/* Prints median, least and most of the samples under NAME SUFFIX, each divided by `operations`, and
 * forgets them. */
void report(const struct metric *metric, const char *suffix, uint64_t operations, const char *unit);

/* Prints one value, in hundredths. */
void report_value(const struct metric *metric, const char *suffix, int64_t hundredths,
		  const char *unit);

/* Ends a metric and prints why: something is wrong, or this machine is too small for it. */
void fail(const struct metric *metric, const char *why) __attribute__((noreturn));
void skip(const struct metric *metric, const char *why) __attribute__((noreturn));

/* Returns `result` unless it is an error, which ends the metric. */
long must(const struct metric *metric, long result);

/* ---- memory ---- */

/* Whole MiB at a multiple of 2 MiB, so that large pages may serve where there are; or nothing. */
struct area {
	volatile char *base;
	uint64_t pages;
	long mapped_at;
	size_t mapped_bytes;
};

struct area area_map(const struct metric *metric, uint64_t mib, int flags);
void area_unmap(const struct area *area);

/* Four instructions a page each. */
static inline void area_write(const struct area *area)
{
	for (volatile char *at = area->base, *end = at + area->pages * PAGE; at < end; at += PAGE)
		*at = 1;
}

static inline void area_read(const struct area *area)
{
	for (volatile char *at = area->base, *end = at + area->pages * PAGE; at < end; at += PAGE)
		(void)*at;
}

bool area_holds(const struct area *area, char value);

/* Free memory of the machine, and all of it. */
uint64_t free_kib(void);
uint64_t total_kib(void);

/* ---- other processes ---- */

struct pipe_ends {
	int out, in;                    /* read from, write to */
};

struct pipe_ends pipe_make(const struct metric *metric);
void pipe_close(const struct pipe_ends *ends);

/* Has a child run `work`, which fills `count` answers, and waits for it. */
void ask_child(const struct metric *metric, void (*work)(void *argument, uint64_t *answers),
	       void *argument, uint64_t *answers, unsigned count);

void sleep_ms(unsigned ms);

/* The path of this very program. */
extern const char *program_path;
