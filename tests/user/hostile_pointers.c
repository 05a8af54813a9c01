/* SPDX-License-Identifier: MIT */
/*
 * tests/user/hostile_pointers.c - every bad pointer in every argument of every call.
 *
 * The list of calls is the kernel's own.  The table below says of each what its arguments are, so
 * that a call which is new there and not here fails every_call_has_its_line.  While one pointer is
 * bad all others are good, and the call must answer EFAULT; then the kernel must still be well.
 */
#include "hostile.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum call {
#define SYSCALL(number_, name_) CALL_##name_ = number_,
#include "../../kernel/syscalls.def"
#undef SYSCALL
	CALLS = 512
};

/*
 * What an argument is:
 *   a number            as it is
 *   a descriptor        of a file of a page, a directory, this process, a pipe
 *   a page              of memory, good and not attacked
 *   a string            read up to its NUL: a name that is not there, is, or is a link
 *   IN, OUT             a structure read, or written, by the call
 *   BYTES_IN, BYTES_OUT as many as there are: a call that gets some of them tells how many
 * MAYBE: nothing (NULL) is no fault.  LOOSE: not used in each case, so that any answer will do.
 */
enum kind { NUMBER, FILE_FD, DIR_FD, SELF_FD, PIPE_FD, PAGE, STRING, NAME, LINK, IN, OUT,
	    BYTES_IN, BYTES_OUT, MAYBE = 16, LOOSE = 32 };

struct argument {
	int kind;
	long number;
};

struct line {
	bool is_known, has_pointers;
	struct argument arguments[6];
};

#define N(number_)  {NUMBER, number_}
#define F           {FILE_FD, 0}
#define D           {DIR_FD, 0}
#define P           {SELF_FD, 0}
#define PIPE        {PIPE_FD, 0}
#define M           {PAGE, 0}
#define S           {STRING, 0}
#define E           {NAME, 0}
#define L           {LINK, 0}
#define I           {IN, 0}
#define O           {OUT, 0}
#define BI          {BYTES_IN, 0}
#define BO          {BYTES_OUT, 0}
#define S0          {STRING | MAYBE, 0}
#define I0          {IN | MAYBE, 0}
#define O0          {OUT | MAYBE, 0}
#define IL          {IN | LOOSE, 0}
#define OL          {OUT | LOOSE, 0}
#define NONE(name_)      [CALL_##name_] = {true, false, {{0, 0}}}
#define CALL(name_, ...) [CALL_##name_] = {true, true, {__VA_ARGS__}}

static const struct line lines[CALLS] = {
	CALL(read, F, BO, N(16)), CALL(write, F, BI, N(16)), CALL(open, S, N(0)),
	NONE(close), CALL(stat, E, O), CALL(fstat, F, O), CALL(lstat, E, O),
	CALL(poll, I, N(1), N(0)), NONE(lseek), NONE(mmap), NONE(mprotect), NONE(munmap), NONE(brk),
	CALL(rt_sigaction, N(SIGUSR1), I0, O0, N(8)),
	CALL(rt_sigprocmask, N(SIG_BLOCK), I0, O0, N(8)), NONE(rt_sigreturn), NONE(ioctl),
	CALL(pread64, F, BO, N(16), N(0)), CALL(pwrite64, F, BI, N(16), N(0)),
	CALL(readv, F, I, N(1)), CALL(writev, F, I, N(1)), CALL(access, S, N(0)),
	CALL(pipe, O), CALL(select, N(1), I0, I0, I0, I0), NONE(sched_yield), NONE(mremap),
	NONE(msync), NONE(mincore), NONE(madvise), NONE(shmget), NONE(shmat), NONE(shmctl),
	NONE(dup), NONE(dup2), NONE(pause), CALL(nanosleep, I, OL),
	CALL(getitimer, N(0), O), NONE(alarm), CALL(setitimer, N(0), I0, O0), NONE(getpid),
	CALL(sendfile, F, F, O0, N(0)), NONE(socket), NONE(clone), NONE(fork), NONE(vfork),
	CALL(execve, L, I0, I0), NONE(exit), CALL(wait4, N(-1), OL, N(WNOHANG), OL), NONE(kill),
	CALL(uname, O), NONE(shmdt), NONE(fcntl), NONE(flock), NONE(fsync), NONE(fdatasync),
	CALL(truncate, S, N(0)), NONE(ftruncate), CALL(getcwd, BO, N(256)), CALL(chdir, S),
	NONE(fchdir), CALL(rename, S, S), CALL(mkdir, S, N(0700)), CALL(rmdir, S),
	CALL(creat, S, N(0600)), CALL(link, E, S), CALL(unlink, S), CALL(symlink, S, S),
	CALL(readlink, L, BO, N(64)), CALL(chmod, S, N(0600)), NONE(fchmod),
	CALL(chown, S, N(-1), N(-1)), NONE(fchown), CALL(lchown, S, N(-1), N(-1)), NONE(umask),
	CALL(gettimeofday, O0, O0), CALL(getrlimit, N(RLIMIT_NOFILE), O),
	CALL(getrusage, N(RUSAGE_SELF), O), CALL(sysinfo, O), CALL(times, O0), NONE(getuid),
	CALL(syslog, N(3), OL, N(64)), NONE(getgid), NONE(setuid), NONE(setgid), NONE(geteuid),
	NONE(getegid), NONE(setpgid), NONE(getppid), NONE(getpgrp), NONE(setsid), NONE(setreuid),
	NONE(setregid), CALL(getgroups, N(32), BO), CALL(setgroups, N(1), BI), NONE(setresuid),
	CALL(getresuid, O, O, O), NONE(setresgid), CALL(getresgid, O, O, O), NONE(getpgid),
	NONE(setfsuid), NONE(setfsgid), NONE(getsid), CALL(rt_sigpending, O, N(8)),
	CALL(rt_sigtimedwait, I, OL, I0, N(8)), CALL(rt_sigqueueinfo, N(0), N(SIGUSR1), I),
	CALL(rt_sigsuspend, I, N(8)), CALL(sigaltstack, I0, OL), CALL(utime, S, I0),
	CALL(mknod, S, N(0100600), N(0)), CALL(statfs, E, O), CALL(fstatfs, F, O),
	NONE(getpriority), NONE(setpriority), CALL(sched_getparam, N(0), O0),
	CALL(sched_setscheduler, N(0), N(0), I0), NONE(sched_getscheduler),
	NONE(sched_get_priority_max), NONE(sched_get_priority_min), NONE(mlock), NONE(munlock),
	NONE(mlockall), NONE(munlockall), CALL(prctl, N(15), S), CALL(arch_prctl, N(0x1003), O),
	CALL(setrlimit, N(RLIMIT_CORE), I), CALL(chroot, S), NONE(sync), CALL(settimeofday, I0, I0),
	CALL(mount, S0, E, S0, N(0), IL), CALL(umount2, S, N(0)), NONE(reboot),
	CALL(sethostname, BI, N(16)), NONE(gettid), NONE(tkill), CALL(time, O0),
	CALL(futex, IL, N(0), N(1), I0, N(0), N(0)), CALL(sched_setaffinity, N(0), N(8), I),
	CALL(sched_getaffinity, N(0), N(8), O), CALL(getdents64, D, BO, N(4096)),
	NONE(set_tid_address), NONE(restart_syscall), NONE(fadvise64),
	CALL(clock_settime, N(0), I), CALL(clock_gettime, N(0), O), CALL(clock_getres, N(0), O0),
	CALL(clock_nanosleep, N(0), N(0), I, OL), NONE(exit_group), NONE(tgkill),
	CALL(utimes, S, I0), CALL(waitid, N(P_ALL), N(0), OL, N(WNOHANG | WEXITED), OL),
	CALL(openat, D, S, N(0)), CALL(mkdirat, D, S, N(0700)), CALL(mknodat, D, S, N(0100600)),
	CALL(fchownat, D, S, N(-1), N(-1), N(0)), CALL(futimesat, D, S0, I0),
	CALL(newfstatat, D, E, O, N(0)), CALL(unlinkat, D, S, N(0)), CALL(renameat, D, S, D, S),
	CALL(linkat, D, E, D, S, N(0)), CALL(symlinkat, S, D, S), CALL(readlinkat, D, L, BO, N(64)),
	CALL(fchmodat, D, S, N(0600)), CALL(faccessat, D, S, N(0)),
	CALL(pselect6, N(1), I0, I0, I0, I0, I0), CALL(ppoll, I, N(1), I0, I0, N(8)),
	NONE(set_robust_list), CALL(get_robust_list, N(0), O, O), NONE(sync_file_range),
	CALL(utimensat, D, S0, I0, N(0)), NONE(fallocate), NONE(dup3), CALL(pipe2, O, N(0)),
	CALL(preadv, F, I, N(1), N(0)), CALL(pwritev, F, I, N(1), N(0)),
	CALL(rt_tgsigqueueinfo, N(0), N(0), N(SIGUSR1), I),
	CALL(prlimit64, N(0), N(RLIMIT_NOFILE), I0, O0), NONE(syncfs), CALL(getcpu, O0, O0),
	CALL(renameat2, D, S, D, S, N(0)), CALL(getrandom, BO, N(16), N(0)),
	CALL(memfd_create, S, N(0)), CALL(execveat, D, L, I0, I0, N(0)), NONE(mlock2),
	CALL(copy_file_range, F, I0, F, I0, N(1), N(0)), CALL(statx, D, E, N(0), N(0x7ff), O),
	CALL(pidfd_send_signal, P, N(0), I0, N(0)), NONE(pidfd_open), CALL(clone3, I, N(88)),
	NONE(close_range), NONE(pidfd_getfd), CALL(faccessat2, D, S, N(0), N(0)),
	CALL(futex_waitv, I0, N(1), N(0), I0, N(1)),
};

/* Calls that take different pointers for different numbers. */
#define ALSO(name_, ...) {CALL_##name_, {true, true, {__VA_ARGS__}}}
static const struct { enum call call; struct line line; } more_lines[] = {
	ALSO(fcntl, F, N(F_GETLK), I), ALSO(fcntl, F, N(F_SETLK), I),
	ALSO(fcntl, F, N(F_SETLKW), I),
	ALSO(ioctl, PIPE, N(FIONREAD), O), ALSO(ioctl, PIPE, N(FIONBIO), I),
	ALSO(mincore, M, N(4096), O), ALSO(shmctl, N(0), N(3), O), ALSO(shmctl, N(0), N(14), O),
	ALSO(prctl, N(16), O), ALSO(prctl, N(2), O), ALSO(arch_prctl, N(0x1004), O),
	ALSO(readv, PIPE, I, N(1)), ALSO(sigaltstack, N(0), O0),
};
enum { MORE_LINES = sizeof(more_lines) / sizeof(more_lines[0]) };

static const char *const call_names[CALLS] = {
#define SYSCALL(number_, name_) [number_] = #name_,
#include "../../kernel/syscalls.def"
#undef SYSCALL
};

TEST(every_call_has_its_line)
{
	for (int call = 0; call < CALLS; call++) {
		if (!!call_names[call] != lines[call].is_known)
			dprintf(STDOUT_FILENO, "# %s (%d) has no line\n", call_names[call], call);
		CHECK_EQ(lines[call].is_known, !!call_names[call]);
	}
}

/* ---- good arguments ---- */

enum { GOOD_BYTES = 4096 };

static struct { int file, directory, self, pipe[2]; } fds;
static char *good_bytes[6];

static void prepare(void)
{
	static char zeros[GOOD_BYTES];
	char path[] = "/tmp/hostile_pointers_XXXXXX";

	fds.file = mkstemp(path);
	CHECK(fds.file >= 0 && unlink(path) == 0);
	CHECK_EQ(write(fds.file, zeros, sizeof(zeros)), sizeof(zeros));
	fds.directory = open("/proc", O_RDONLY | O_DIRECTORY);
	fds.self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	CHECK(fds.directory >= 0 && fds.self >= 0 && pipe(fds.pipe) == 0);
	setgroups(2, (gid_t[]){0, 1});          /* if we may: so that there are some to be told */
	for (int i = 0; i < 6; i++)
		good_bytes[i] = hostile_map(PROT_READ | PROT_WRITE, 1);
}

static bool is_pointer(const struct argument *argument)
{
	return (argument->kind & ~(MAYBE | LOOSE)) >= STRING;
}

static long good_string(int place, const char *text)
{
	strcpy(good_bytes[place], text);
	return (long)good_bytes[place];
}

/* For structures that are read: all zeros is fine for all of them. */
static long good(const struct argument *argument, int place)
{
	switch (argument->kind & ~(MAYBE | LOOSE)) {
	case NUMBER:
		return argument->number;
	case FILE_FD:
		return fds.file;
	case DIR_FD:
		return fds.directory;
	case SELF_FD:
		return fds.self;
	case PIPE_FD:
		return fds.pipe[0];
	case STRING:
		return good_string(place, "no-such-name");
	case NAME:
		return good_string(place, "/proc/version");
	case LINK:
		return good_string(place, "/proc/self/exe");
	default:
		memset(good_bytes[place], 0, GOOD_BYTES);
		return (long)good_bytes[place];
	}
}

/* ---- bad ones ---- */

enum { BAD_MAX = HOSTILE_ADDRESSES + 8 };

/* No memory; memory without rights; only read; the first byte there and no more. */
static int bad_pointers(const struct argument *argument, uintptr_t *bad)
{
	int kind = argument->kind & ~(MAYBE | LOOSE), count = 0;
	void *no_rights = hostile_map(PROT_NONE, 1), *constant = hostile_map(PROT_READ, 1);
	char *edge = hostile_edge();

	memset(edge, 'x', 4096);
	for (int i = 0; i < HOSTILE_ADDRESSES; i++)
		bad[count++] = hostile_addresses[i];
	if (!(argument->kind & MAYBE))
		bad[count++] = 0;
	bad[count++] = (uintptr_t)edge + 4096;
	bad[count++] = (uintptr_t)no_rights;
	if (kind == STRING || kind == NAME || kind == LINK || kind == IN)
		bad[count++] = (uintptr_t)edge + 4095;
	if (kind == OUT || kind == BYTES_OUT)
		bad[count++] = (uintptr_t)constant;
	return count;
}

static void attack(enum call call, const struct argument *arguments, int place)
{
	uintptr_t bad[BAD_MAX];
	int count = bad_pointers(&arguments[place], bad);

	for (int i = 0; i < count; i++) {
		long with[6];

		for (int k = 0; k < 6; k++)
			with[k] = k == place ? (long)bad[i] : good(&arguments[k], k);
		errno = 0;
		lseek(fds.file, 0, SEEK_SET);
		lseek(fds.directory, 0, SEEK_SET);
		long result = syscall(call, with[0], with[1], with[2], with[3], with[4], with[5]);
		if (!(arguments[place].kind & LOOSE) && (result != -1 || errno != EFAULT)) {
			dprintf(STDOUT_FILENO, "# %s, argument %d = %#lx: %ld, %s\n",
				call_names[call], place + 1, bad[i], result, strerror(errno));
			_exit(EXIT_FAILURE);
		}
	}
}

/* In a process of its own: for what the call may have done until it met the pointer. */
static bool survives(enum call call, const struct line *line)
{
	pid_t pid = fork();

	if (pid != 0)
		return utest_wait(pid) == 0;
	for (int place = 0; place < 6; place++) {
		if (is_pointer(&line->arguments[place]))
			attack(call, line->arguments, place);
	}
	_exit(0);
}

TEST(bad_pointers_fault)
{
	int calls = 0, failures = 0;

	prepare();
	for (int call = 0; call < CALLS; call++) {
		if (!lines[call].has_pointers)
			continue;
		calls++;
		failures += !survives(call, &lines[call]);
	}
	for (int i = 0; i < MORE_LINES; i++)
		failures += !survives(more_lines[i].call, &more_lines[i].line);
	hostile_check_kernel();
	CHECK_EQ(failures, 0);
	CHECK(calls > 100);
}

/* A good piece before a bad one is moved; a bad one alone, or whose length is no length, is not. */
TEST(vectors_of_bad_pieces)
{
	char *page = hostile_map(PROT_READ | PROT_WRITE, 1);

	prepare();
	for (int i = 0; i < HOSTILE_ADDRESSES; i++) {
		struct iovec pieces[2] = {{page, 8}, {(void *)hostile_addresses[i], 64}};

		ssize_t done = pwritev(fds.file, pieces, 2, 0);
		CHECK(done == 8 || (done == -1 && errno == EFAULT));
		CHECK_ERRNO(preadv(fds.file, &pieces[1], 1, 0), EFAULT);
		CHECK_ERRNO(pwritev(fds.file, &pieces[1], 1, 0), EFAULT);
		pieces[1] = (struct iovec){page, (size_t)-1};
		CHECK_ERRNO(preadv(fds.file, pieces, 2, 0), EINVAL);
		pieces[1] = (struct iovec){page, (size_t)1 << 63};
		CHECK_ERRNO(writev(fds.file, pieces, 2), EINVAL);
	}
	CHECK_ERRNO(readv(fds.file, (struct iovec *)page, 1025), EINVAL);
	CHECK_ERRNO(readv(fds.file, (struct iovec *)page, -1), EINVAL);
}

/* Sizes that wrap around, or lead from good memory into the kernel's. */
TEST(lengths_that_lead_astray)
{
	static const size_t lengths[] = {
		(size_t)-1, (size_t)-4096, (size_t)1 << 63, KERNEL_HALF, USER_PAST, (size_t)1 << 47,
	};
	prepare();
	char *page = hostile_edge();
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		CHECK_ERRNO(syscall(SYS_read, fds.file, page, lengths[i]), EFAULT);
		CHECK_ERRNO(syscall(SYS_write, fds.file, page, lengths[i]), EFAULT);
		CHECK_ERRNO(munmap(page, lengths[i]), EINVAL);
		CHECK_ERRNO(syscall(SYS_mprotect, page, lengths[i], PROT_READ), ENOMEM);
		CHECK(mmap(page, lengths[i], PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		      MAP_FAILED);
	}
	for (int i = 0; i < HOSTILE_ADDRESSES; i++) {
		void *at = (void *)(hostile_addresses[i] & ~4095ul);

		if ((uintptr_t)at < USER_PAST - 4096)
			continue;
		CHECK_ERRNO(munmap(at, 1 << 20), EINVAL);
		CHECK(mprotect(at, 4096, PROT_WRITE) == -1);
		CHECK(madvise(at, 4096, MADV_DONTNEED) == -1);
		CHECK(mmap(at, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			0) == MAP_FAILED);
		CHECK(mremap(page, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, at) == MAP_FAILED ||
		      (uintptr_t)at == USER_PAST - 4096);
	}
	hostile_check_kernel();
}
