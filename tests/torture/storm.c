/* SPDX-License-Identifier: MIT */
/*
 * tests/torture/storm.c - processes and threads that do everything to their memory at once.
 *
 * Pauses in between make QEMU run another CPU (-icount): they come from the seed, too.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STAMPS = 1 << 20, STACK_SIZE = 64 << 10 };      /* stamps of one thread */

/* Shared by all processes of all storms. */
static struct {
	_Atomic uint32_t serial;        /* of the next process */
	_Atomic int32_t forks_left;
	_Atomic bool has_failed;
	char why[300];
	_Atomic uint64_t done[OPERATION_KINDS];
} *shared;

struct storm storm;
uint32_t serial;
static struct worker workers[THREADS];  /* private: each process has its own */
static pthread_t threads[THREADS];
static _Thread_local struct worker *self;

static void process_run(void) __attribute__((noreturn));

/* The first to fail says why; the process is over, the others follow. */
void failed(const char *format, ...)
{
	if (!atomic_exchange(&shared->has_failed, true)) {
		va_list args;
		int len = snprintf(shared->why, sizeof(shared->why), "process %u, thread %u: ",
			serial, self ? self->index : 0);
		va_start(args, format);
		vsnprintf(shared->why + len, sizeof(shared->why) - len, format, args);
		va_end(args);
	}
	_exit(1);
}

uint64_t below(struct worker *worker, uint64_t limit)
{
	uint64_t x = worker->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	worker->random = x;
	return (x * 0x2545f4914f6cdd1dull >> 32) % limit;
}

void jiggle(struct worker *worker)
{
	if (below(worker, 4) != 0)
		return;
	for (uint64_t n = below(worker, 6); n > 0; n--)
		__builtin_ia32_pause();
}

void must_wait(const char *call)
{
	if (!storm.is_poor || (errno != ENOMEM && errno != EAGAIN))
		failed("%s: %s", call, strerror(errno));
	usleep(1000);
}

/* ---- operations on threads and processes ---------------------------------------------------- */

static void on_signal(int number)
{
	(void)number;
	if (self)
		self->signals++;
}

void op_signal(struct worker *worker)
{
	uint64_t before = worker->signals;

	syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
	if (worker->signals == before)
		failed("a signal did not come");
	(void)!kill(getpid(), SIGUSR2);         /* whichever thread gets it */
}

static void *short_life(void *argument)
{
	volatile char stack[2 * PAGE];

	self = argument;
	stack[0] = stack[sizeof(stack) - 1] = 1;
	page_write(self, 0, page_at(self, 0));
	return NULL;
}

/* Its stack is mapped and unmapped while others run in the space. */
void op_thread(struct worker *worker)
{
	pthread_t thread;

	while ((errno = pthread_create(&thread, NULL, short_life, worker)) != 0)
		must_wait("pthread_create");
	pthread_join(thread, NULL);
	page_check(worker, 0, page_at(worker, 0));
}

static void child_wait(void)
{
	int status;
	pid_t pid = waitpid(-1, &status, 0);

	if (pid < 0)
		failed("a child is lost: %s", strerror(errno));
	if (!storm_end_is_good(status))
		failed("a child ended with %#x", status);
}

/* In the child of a fork: all stripes are its own now. */
static void child_run(struct worker *forker)
{
	serial = atomic_fetch_add(&shared->serial, 1);
	op_check(forker);
	for (unsigned i = 0; i < THREADS; i++) {
		if (&workers[i] != forker)
			stripe_adopt(&workers[i]);
	}
	process_run();
}

static bool may_fork(void)
{
	return atomic_fetch_sub(&shared->forks_left, 1) > 0;
}

void op_fork(struct worker *worker)
{
	if (!may_fork())
		return;
	pid_t pid = fork();
	if (pid == 0)
		child_run(worker);
	if (pid < 0) {
		must_wait("fork");
		return;
	}
	worker->forked++;
	if (below(worker, 4) == 0) {
		jiggle(worker);
		kill(pid, SIGKILL);
	}
	op_write(worker);
}

/* A new program: the space is replaced under threads, or borrowed meanwhile. */
void op_spawn(struct worker *worker)
{
	static char *const words[] = {"/init", STORM_EXEC_WORD, NULL};
	static char *const environment[] = {NULL};

	if (!may_fork())
		return;
	pid_t pid = below(worker, 2) ? vfork() : fork();
	if (pid == 0) {
		do
			execve(words[0], words, environment);
		while (storm.is_poor && errno == ENOMEM && sched_yield() == 0);
		_exit(2);
	}
	if (pid < 0)
		must_wait("vfork");
	else
		worker->forked++;
}

/* ---- a process ------------------------------------------------------------------------------ */

static void (*const operations[OPERATION_KINDS])(struct worker *) = {
#define X(name) [OP_##name] = op_##name,
	OPERATIONS(X)
#undef X
};

/* By weight: what is frequent stands here more than once. */
static const uint8_t mixture[] = {
	OP_write, OP_write, OP_write, OP_write, OP_check, OP_renew, OP_drop, OP_protect, OP_hide,
	OP_move, OP_pipe, OP_signal, OP_thread, OP_fork, OP_fork, OP_spawn, OP_collapse, OP_count,
};

static void *worker_run(void *argument)
{
	self = argument;
	for (unsigned i = 0; i < storm.steps && !shared->has_failed; i++) {
		enum operation op = mixture[below(self, sizeof(mixture))];
		operations[op](self);
		atomic_fetch_add_explicit(&shared->done[op], 1, memory_order_relaxed);
		jiggle(self);
	}
	op_check(self);
	return NULL;
}

static void worker_init(struct worker *worker, unsigned index)
{
	worker->index = index;
	worker->random = (storm.seed + 1) * 0x9e3779b97f4a7c15ull
		^ (serial * THREADS + index + 1) * 0xd6e8feb86659fd93ull;
	worker->next_stamp = 1 + (uint64_t)(serial * THREADS + index) * STAMPS;
	worker->is_busy = false;
	worker->forked = 0;
	worker->counted = 0;
}

static void process_run(void)
{
	unsigned forked = 0;
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	for (unsigned i = 0; i < THREADS; i++) {
		worker_init(&workers[i], i);
		while ((errno = pthread_create(&threads[i], &attributes, worker_run,
				&workers[i])) != 0)
			must_wait("pthread_create");
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		forked += workers[i].forked;
	}
	while (forked-- > 0)
		child_wait();
	_exit(0);
}

/* ---- the storm ------------------------------------------------------------------------------ */

void storms_prepare(void)
{
	int flags = MAP_SHARED | MAP_ANONYMOUS;
	void *memory = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, flags, -1, 0);
	void *counts = mmap((void *)SHARED_PLACE, PAGE, PROT_READ | PROT_WRITE, flags | MAP_FIXED,
		-1, 0);

	if (memory == MAP_FAILED || counts == MAP_FAILED) {
		perror("mmap");
		_exit(1);
	}
	shared = memory;
	memset(shared, 0, sizeof(*shared));
	memset(counts, 0, PAGE);
}

static void first_process(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].index = i;
		stripe_map(&workers[i]);
	}
	process_run();
}

bool storm_end_is_good(int status)
{
	return status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

bool storm_run(const struct storm *wanted, char *why, size_t size)
{
	int status, bad_status = 0;
	pid_t pid;

	storm = *wanted;
	serial = atomic_fetch_add(&shared->serial, 1);
	shared->forks_left = (int32_t)storm.forks;
	shared->has_failed = false;
	shared->why[0] = '\0';
	pid_t first = fork();
	if (first == 0)
		first_process();
	while ((pid = waitpid(-1, &status, 0)) > 0) {
		if (!storm_end_is_good(status) || (pid == first && status != 0 && !storm.is_poor))
			bad_status = status;
	}
	if (first < 0)
		snprintf(why, size, "fork: %s", strerror(errno));
	else if (shared->has_failed)
		snprintf(why, size, "%s", shared->why);
	else if (bad_status)
		snprintf(why, size, "a process ended with status %#x", bad_status);
	else
		return true;
	return false;
}

void storms_print(char *text, size_t size)
{
	static const char *const names[] = {
#define X(name) #name,
		OPERATIONS(X)
#undef X
	};
	size_t len = 0;

	for (unsigned i = 0; i < OPERATION_KINDS; i++)
		len += snprintf(text + len, size - len, "%s%s %lu", i ? ", " : "", names[i],
			(unsigned long)shared->done[i]);
}
