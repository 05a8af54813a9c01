/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/round.c - one round: its root directory, its threads, their children.
 *
 * Owns:       the memory at the addresses of tests/fuzz/fuzz.h, the descriptors 0 to 11.
 * Invariants: from round_threads() on nothing uses the C library's state or a thread's own
 *             storage: the calls may take both away.  What then crashes ends the round, no more.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

enum { CHILD_CALLS = 12, DEPTH_MAX = 2, FATAL = 11, STACK_SIZE = 0x10000 };
enum { SA_RESTORER_FLAG = 0x04000000 };

static const struct round *round_now;
static struct shared *const shared = (struct shared *)SHARED_AT;
static char stacks[THREADS_MAX][STACK_SIZE] __attribute__((aligned(16)));

/* ---- calls ---- */

static long simple(long number, uint64_t a, uint64_t b, uint64_t c)
{
	const uint64_t registers[ARGUMENTS] = { a, b, c };

	return door_call(number, registers, 0);
}

static void result_keep(const struct takes *what, unsigned position, long result)
{
	switch (what->number) {
	case SYS_mmap:
	case SYS_mremap:
	case SYS_shmat:
		slots.mapped[position % 4] = result;
		break;
	case SYS_fork:
	case SYS_vfork:
	case SYS_clone:
	case SYS_clone3:
	case SYS_shmget:
		slots.results[position % 4] = (int32_t)result;
		break;
	}
}

static void touch(const struct takes *what, uint64_t address)
{
	if (what->number == LOAD_NUMBER)
		door_load(address);
	else
		door_store(address);
}

static void call_make(const struct call *call, unsigned who, union birthplace here)
{
	const struct takes *what = &takes[call->what];
	uint64_t registers[ARGUMENTS];
	long result = 0;

	for (unsigned i = 0; i < ARGUMENTS; i++)
		registers[i] = argument_place(&call->arguments[i], i, who);
	__atomic_add_fetch(&shared->made[call->what], 1, __ATOMIC_RELAXED);
	if (what->number >= LOAD_NUMBER)
		touch(what, registers[0]);
	else
		result = door_call(what->number, registers, here.word);
	if (result < 0 && result > -4096)
		return;
	__atomic_add_fetch(&shared->succeeded[call->what], 1, __ATOMIC_RELAXED);
	result_keep(what, here.position, result);
}

/* In a child of its own, if the call says so; the child comes to round_child(). */
static void call_perform(unsigned position, unsigned who, unsigned depth)
{
	const struct call *call = &round_now->calls[position];
	union birthplace here = { .position = position, .depth = depth };

	if (!call->in_child || depth > 0) {
		call_make(call, who, here);
		return;
	}
	here.is_single = true;
	door_call(SYS_fork, (uint64_t[ARGUMENTS]){ 0 }, here.word);
}

/* ---- threads and children ---- */

void round_child(uint64_t birthplace, unsigned birth)
{
	union birthplace here = { .word = birthplace };
	unsigned thread = round_now->calls[here.position].thread, who = THREADS_MAX + birth;

	if (here.is_single) {
		here.is_single = false;
		here.depth++;
		call_make(&round_now->calls[here.position], who, here);
		return;
	}
	if (here.depth >= DEPTH_MAX)
		return;
	unsigned left = CHILD_CALLS;
	for (unsigned i = here.position + 1u; i < round_now->count && left > 0; i++) {
		if (round_now->calls[i].thread != thread)
			continue;
		call_perform(i, who, here.depth + 1);
		left--;
	}
}

static void thread_main(unsigned thread)
{
	shared->tids[thread] = simple(SYS_gettid, 0, 0, 0);
	for (unsigned i = 0; i < round_now->count; i++) {
		if (round_now->calls[i].thread != thread)
			continue;
		call_perform(i, thread, 0);
		shared->steps[thread]++;
	}
}

__attribute__((noreturn)) static void round_threads(void)
{
	const uint64_t flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			       CLONE_SYSVSEM;

	for (unsigned i = 1; i < round_now->threads; i++)
		door_thread(flags, stacks[i] + STACK_SIZE, thread_main, i);
	thread_main(0);
	for (;;)
		simple(SYS_exit, 0, 0, 0);
}

/* A touch of bad memory goes on behind it; any other fault is the end. */
void round_fault(int signal, void *info, void *context)
{
	greg_t *ip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	(void)signal, (void)info;
	if (*ip >= (greg_t)door_touch_begin && *ip < (greg_t)door_touch_end)
		*ip = (greg_t)door_touch_end;
	else
		simple(SYS_exit_group, FATAL, 0, 0);
}

/* ---- before the first call ---- */

static void catch(int signal, void (*handler)(void))
{
	const uint64_t action[4] = { (uint64_t)handler, SA_SIGINFO | SA_NODEFER | SA_RESTORER_FLAG,
				     (uint64_t)door_restorer, 0 };

	syscall(SYS_rt_sigaction, signal, action, NULL, 8);
}

static void map(uint64_t at, size_t size, int prot, int more)
{
	mmap((void *)at, size, prot, MAP_FIXED | MAP_ANONYMOUS | more, -1, 0);
}

static void make_memory(void)
{
	map(ARENA_AT, ARENA_SIZE / 4, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	map(ARENA_AT + 0x8000, 0x4000, PROT_READ | PROT_WRITE, MAP_SHARED);
	map(READ_ONLY_AT, 0x1000, PROT_READ, MAP_PRIVATE);
	map(CHILD_STACK_AT, (BIRTHS_MAX + 1) * CHILD_STACK_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE);
	for (unsigned i = 0; i < THREADS_MAX + BIRTHS_MAX; i++)
		map(SCRATCH_AT + i * SCRATCH_STEP, SCRATCH_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE);
	for (unsigned i = 0; i < MAPPED_SLOTS; i++)
		slots.mapped[i] = ARENA_AT + 0x200000 * i;
	slots.mapped[MAPPED_SLOTS - 2] = (uint64_t)round_run & ~0xfffull;
	slots.mapped[MAPPED_SLOTS - 1] = (uint64_t)syscall(SYS_brk, 0);
}

static void write_file(const char *name, const void *bytes, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);

	if (write(fd, bytes, len) < 0)
		_exit(FATAL);
	close(fd);
}

static void make_files(void)
{
	static char page[0x5000];

	memset(page, 'x', sizeof(page));
	write_file("a", page, sizeof(page));
	write_file("b", page, 100);
	write_file("script", "#!program word\n", 15);
	memcpy(page, "\177ELF\2\1\1", 7);
	write_file("broken", page, sizeof(page));
	mkdir("dir", 0777);
	write_file("dir/a", page, 10);
	mkfifo("fifo", 0666);
	if (symlink("a", "link") != 0 || link("/program", "program") != 0)
		_exit(FATAL);
}

static void move_fd(int fd, int to)
{
	if (fd >= 0 && fd != to) {
		dup2(fd, to);
		close(fd);
	}
}

static void make_descriptors(void)
{
	int ends[2];

	for (int fd = 0; fd < 32; fd++)
		close(fd);
	for (int fd = 0; fd < 3; fd++)
		move_fd(open("/dev/null", O_RDWR), fd);
	move_fd(open("a", O_RDWR), 3);
	move_fd(open(".", O_RDONLY | O_DIRECTORY), 4);
	if (pipe(ends) != 0)
		_exit(FATAL);
	move_fd(syscall(SYS_memfd_create, "memory", 3), 7);
	move_fd(open("/dev/zero", O_RDWR), 8);
	move_fd(open("/proc/self/mem", O_RDWR), 9);
	move_fd(open("/proc/self/smaps", O_RDONLY), 10);
	move_fd(syscall(SYS_pidfd_open, getpid(), 0), 11);
	move_fd(open("b", O_RDWR | O_APPEND), 12);
	move_fd(open("dir", O_RDONLY), 13);
}

/* Its own root directory, prepared by the supervisor; a session; the wanted user. */
static void enter(const char *root, unsigned user)
{
	const struct rlimit files = { 64, 64 };

	setsid();
	if (chroot(root) != 0 || chdir("/tmp") != 0)
		_exit(FATAL);
	setrlimit(RLIMIT_NOFILE, &files);
	if (user > 0 && (setgroups(0, NULL) != 0 || setresgid(user, user, user) != 0 ||
			 setresuid(user, user, user) != 0))
		_exit(FATAL);
	umask(0);
}

void round_run(const struct round *round)
{
	round_now = round;
	enter("/round", round->user);
	make_files();
	make_descriptors();
	make_memory();
	slots.results[4] = getpid();
	slots.results[5] = 1;
	slots.results[6] = -getpid();
	catch(SIGSEGV, (void (*)(void))round_fault);
	catch(SIGBUS, (void (*)(void))round_fault);
	catch(SIGUSR1, (void (*)(void))door_handler);
	round_threads();
}
