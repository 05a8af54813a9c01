/* SPDX-License-Identifier: MIT */
/*
 * tests/user/hostile_limits.c - taking all there is, within limits.
 */
#include "credentials.h"
#include "hostile.h"
#include "memory.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/resource.h>

/* Nobody else's: all that he has is counted, or ended. */
static unsigned user;

__attribute__((constructor)) static void choose_user(void)
{
	user = 60000 + 2 * ((unsigned)getpid() % 450);
}

static void limit_to(int which, rlim_t value)
{
	struct rlimit limit = {value, value};

	CHECK_EQ(setrlimit(which, &limit), 0);
}

/* Each child forks as fast as it can until it is refused, then waits for the end. */
static void bomb(int *gate)
{
	while (fork() >= 0)
		;
	close(gate[1]);
	(void)!read(gate[0], &(char){0}, 1);
	_exit(0);
}

TEST(fork_bomb)
{
	AS(user, {
		int gate[2];

		CHECK_EQ(pipe(gate), 0);
		limit_to(RLIMIT_NPROC, 60);
		pid_t pid = fork();
		if (pid == 0)
			bomb(gate);
		int refused = 0;
		for (int i = 0; i < 2000 && refused < 20; i++) {
			pid_t more = fork();
			if (more == 0)
				_exit(0);
			refused += more < 0 && errno == EAGAIN;
		}
		CHECK(refused > 0);
		signal(SIGTERM, SIG_IGN);
		kill(-1, SIGKILL);              /* all of this user's but us */
		while (wait(NULL) > 0)
			;
	});
	hostile_check_kernel();
}

static void *thread_wait(void *gate)
{
	(void)!read(*(int *)gate, &(char){0}, 1);
	return NULL;
}

/* Those that the bomb before killed may not have been waited for yet, and count. */
TEST(thread_bomb)
{
	AS(user + 1, {
		int gate[2], started = 0, error;
		pthread_t threads[100];
		pthread_attr_t small;

		CHECK_EQ(pipe(gate), 0);
		limit_to(RLIMIT_NPROC, 40);
		pthread_attr_init(&small);
		pthread_attr_setstacksize(&small, 16384);
		while (started < 100 && !(error = pthread_create(&threads[started], &small,
			thread_wait, gate)))
			started++;
		CHECK_EQ(error, EAGAIN);
		CHECK(started > 0 && started < 40);
		close(gate[1]);
		for (int i = 0; i < started; i++)
			pthread_join(threads[i], NULL);
	});
}

TEST(all_descriptors)
{
	LIVES({
		int fds[2], count = 0;

		limit_to(RLIMIT_NOFILE, 200);
		while (dup(0) >= 0)
			count++;
		CHECK_EQ(errno, EMFILE);
		CHECK(count >= 90);
		CHECK_ERRNO(pipe(fds), EMFILE);
		CHECK_ERRNO(open("/proc", O_RDONLY), EMFILE);
		CHECK_ERRNO(syscall(SYS_memfd_create, "x", 0), EMFILE);
		CHECK_ERRNO(syscall(SYS_pidfd_open, getpid(), 0), EMFILE);
		CHECK_ERRNO(dup2(0, 200), EBADF);
		CHECK_ERRNO(fcntl(0, F_DUPFD, 200), EINVAL);
		CHECK_EQ(fork() == 0 ? (_exit(0), 0) : 0, 0);
		wait(NULL);
	});
}

TEST(all_addresses)
{
	LIVES({
		int count = 0;

		limit_to(RLIMIT_AS, 64 << 20);
		while (mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
		       MAP_FAILED)
			count++;
		CHECK_EQ(errno, ENOMEM);
		CHECK(count > 30 && count < 64);
		CHECK(sbrk(128 << 20) == (void *)-1);
	});
}

/* More ranges than may be: every second page with other rights. */
TEST(all_ranges)
{
	LIVES({
		size_t pages = 140000;
		char *memory = mmap(NULL, pages * 4096, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		size_t i = 0;

		CHECK(memory != MAP_FAILED);
		while (i < pages && mprotect(memory + i * 4096, 4096, PROT_READ) == 0)
			i += 2;
		CHECK(i < pages);
		CHECK_EQ(errno, ENOMEM);
		CHECK_EQ(munmap(memory, pages * 4096), 0);
	});
}

TEST(locked_memory)
{
	AS(user, {
		char *memory = hostile_map(PROT_READ | PROT_WRITE, 64);

		limit_to(RLIMIT_MEMLOCK, 16 * 4096);
		CHECK_ERRNO(mlock(memory, 64 * 4096), ENOMEM);
		CHECK_EQ(mlock(memory, 8 * 4096), 0);
		CHECK_ERRNO(mlockall(MCL_CURRENT), ENOMEM);
	});
}

TEST(queued_signals)
{
	AS(user, {
		int count = 0;

		limit_to(RLIMIT_SIGPENDING, 50);
		sigset_t all;
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, NULL);
		while (count < 200 && sigqueue(getpid(), SIGRTMIN + 1, (union sigval){0}) == 0)
			count++;
		CHECK_EQ(errno, EAGAIN);
		CHECK(count >= 40 && count <= 50);
	});
}

/* They are counted for all of a user's processes. */
TEST(queued_signals_of_children)
{
	AS(user, {
		sigset_t all;
		int gate[2];

		limit_to(RLIMIT_SIGPENDING, 50);
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, NULL);
		while (sigqueue(getpid(), SIGRTMIN + 1, (union sigval){0}) == 0)
			;
		CHECK_EQ(errno, EAGAIN);
		CHECK_EQ(pipe(gate), 0);
		pid_t pid = fork();
		if (pid == 0) {
			CHECK_ERRNO(sigqueue(getpid(), SIGRTMIN, (union sigval){0}), EAGAIN);
			CHECK_EQ(read(gate[0], &(char){0}, 1), 1);
			CHECK_EQ(sigqueue(getpid(), SIGRTMIN, (union sigval){0}), 0);
			_exit(0);
		}
		child_settle(pid);
		CHECK_EQ(sigwaitinfo(&all, NULL), SIGRTMIN + 1);
		CHECK_EQ(write(gate[1], "", 1), 1);
		CHECK_EXIT(pid, 0);
	});
}

static int deeper(long levels)
{
	volatile char here[4000];

	here[0] = (char)levels;
	return (levels ? deeper(levels - 1) : 0) + here[0];
}

/* The stack's end, by going there and by leaping over it. */
TEST(stack_without_end)
{
	limit_to(RLIMIT_STACK, 1 << 20);
	DIES(SIGSEGV, deeper(LONG_MAX));
	DIES(SIGSEGV, {
		volatile uintptr_t here = (uintptr_t)&here;
		*(volatile char *)(here - (64l << 20)) = 1;
	});
}

/* A link that leads to itself, a script that is its own interpreter, a name without end. */
TEST(loops)
{
	char script[] = "/tmp/hostile_limits_XXXXXX", link[64], name[8192];
	int fd = mkstemp(script);

	snprintf(link, sizeof(link), "%s.link", script);
	CHECK_EQ(symlink(link, link), 0);
	CHECK_ERRNO(open(link, O_RDONLY), ELOOP);
	CHECK_ERRNO(execl(link, "x", NULL), ELOOP);
	CHECK(dprintf(fd, "#!%s\n", script) > 0 && fchmod(fd, 0755) == 0 && close(fd) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		execl(script, "x", NULL);
		_exit(errno == ELOOP ? 0 : 1);
	}
	CHECK_EXIT(pid, 0);
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	CHECK_ERRNO(open(name, O_RDONLY), ENAMETOOLONG);
	for (size_t i = 0; i < sizeof(name) - 1; i += 2)
		name[i] = '.', name[i + 1] = '/';
	CHECK_ERRNO(open(name, O_RDONLY), ENAMETOOLONG);
	CHECK(unlink(link) == 0 && unlink(script) == 0);
}

/* More words for a program than there is room for. */
TEST(arguments_without_end)
{
	size_t size = 200000;
	char *word = hostile_map(PROT_READ | PROT_WRITE, size / 4096 + 1);
	char **words = hostile_map(PROT_READ | PROT_WRITE, 1000);

	memset(word, 'w', size);
	words[0] = word;
	CHECK_ERRNO(execv("/proc/self/exe", words), E2BIG);
	word[1000] = '\0';
	for (int i = 0; i < 20000; i++)
		words[i] = word;
	CHECK_ERRNO(execv("/proc/self/exe", words), E2BIG);
	for (int i = 0; i < 500000; i++)
		words[i] = "";
	CHECK_ERRNO(execv("/proc/self/exe", words), E2BIG);
	words[0] = (char *)KERNEL_RAM;
	words[1] = NULL;
	CHECK_ERRNO(execv("/proc/self/exe", words), EFAULT);
}
