/* SPDX-License-Identifier: MIT */
/* What a user may have in pipes. */
#include "credentials.h"
#include "memory.h"

#include <fcntl.h>
#include <sys/resource.h>

/* Nobody else's: all that he has is counted, or ended. */
static unsigned user;

__attribute__((constructor)) static void choose_user(void)
{
	user = 61000 + 2 * ((unsigned)getpid() % 450);
}

#define LIMITS "/proc/sys/fs/pipe-user-pages-"

enum { LARGE = 1 << 20, DEFAULT = 65536, PIPES_MAX = 400 };

static int readers[PIPES_MAX], writers[PIPES_MAX];

static long limit_get(const char *name)
{
	long pages;
	FILE *file = fopen(name, "r");

	CHECK(file && fscanf(file, "%ld", &pages) == 1);
	fclose(file);
	return pages;
}

static void limit_set(const char *name, long pages)
{
	FILE *file = fopen(name, "w");

	CHECK(file && fprintf(file, "%ld\n", pages) > 0 && fclose(file) == 0);
}

static void pipe_new(int i)
{
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	readers[i] = ends[0];
	writers[i] = ends[1];
}

static int grow(int i)
{
	return fcntl(writers[i], F_SETPIPE_SZ, LARGE);
}

/* So many large pipes as this user may have.  How many. */
static int grow_all(void)
{
	int count = 0;

	do
		pipe_new(count);
	while (grow(count++) == LARGE && count < PIPES_MAX);
	CHECK_EQ(errno, EPERM);
	return count - 1;
}

static int large_pipes_allowed(void)
{
	long soft = limit_get(LIMITS "soft");

	if (soft == 0 || soft * PAGE / LARGE >= PIPES_MAX)
		SKIP("too many pipes are allowed");
	return (int)(soft * PAGE / LARGE);
}

TEST(a_user_has_so_many_pages)
{
	int allowed = large_pipes_allowed();

	AS(user, {
		int count = grow_all(), last = fcntl(writers[count], F_GETPIPE_SZ);
		char bytes[PAGE];

		CHECK_EQ(count, allowed);
		CHECK(last > 0 && last <= 2 * PAGE);
		CHECK_EQ(write(writers[count], bytes, PAGE), PAGE);
		CHECK_EQ(fcntl(writers[0], F_SETPIPE_SZ, PAGE), PAGE);
		CHECK_ERRNO(grow(count), EPERM);        /* a few pages short */
		CHECK_EQ(fcntl(writers[count], F_SETPIPE_SZ, LARGE / 2), LARGE / 2);
		close(readers[1]);
		close(writers[1]);
		CHECK_EQ(grow(count), LARGE);
		CHECK_EQ(read(readers[count], bytes, PAGE), PAGE);
	});
	AS(user, {
		pipe_new(0);
		CHECK_EQ(fcntl(writers[0], F_GETPIPE_SZ), DEFAULT);
	});
}

TEST(another_user_has_his_own)
{
	int allowed = large_pipes_allowed(), ready[2];
	char byte;

	SUPERUSER_ONLY();
	CHECK_EQ(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		become(user);
		CHECK_EQ(grow_all(), allowed);
		CHECK_EQ(write(ready[1], "x", 1), 1);
		pause();
	}
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	AS(user + 1, CHECK_EQ(grow_all(), allowed));
	for (int i = 0; i < allowed + 5; i++) {         /* the superuser as many as he likes */
		pipe_new(i);
		CHECK_EQ(grow(i), LARGE);
	}
	kill(pid, SIGKILL);
	CHECK_KILLED(pid, SIGKILL);
}

/* The limits are the system's: put back by who set them, whatever happens. */
TEST(beyond_the_hard_limit_there_are_none)
{
	if (!is_cowbell())
		SKIP("changes settings of the whole machine");
	CHECK_EQ(limit_get(LIMITS "hard"), 0);
	limit_set(LIMITS "hard", 40);
	pid_t pid = fork();
	if (pid == 0) {
		int ends[2];

		become(user);
		CHECK_EQ(access(LIMITS "hard", W_OK), -1);
		pipe_new(0);
		pipe_new(1);
		CHECK_ERRNO(pipe(ends), ENFILE);
		CHECK_ERRNO(grow(0), EPERM);
		close(readers[1]);
		close(writers[1]);
		pipe_new(2);
		_exit(0);
	}
	int status = utest_wait(pid);
	limit_set(LIMITS "hard", 0);
	CHECK_EQ(status, 0);
}
