/* SPDX-License-Identifier: MIT */
// needs: threads
/*
 * tests/user/threads_files.c - descriptors of threads: one table, which others change while it is
 * read.
 */
#include "temp_dir.h"
#include "futex.h"

#include <stdatomic.h>

enum { PROCESSES = 8, ROUNDS = 20, FILES = 70 };       /* so many do not fit where a table begins */

static atomic_bool is_over;

static void *look_at_all(void *unused)
{
	while (!atomic_load(&is_over)) {
		for (int fd = 3; fd < FILES; fd++)
			CHECK(fcntl(fd, F_GETFL) >= 0 || errno == EBADF);
	}
	return unused;
}

/* The table grows in each process anew. */
static void open_and_close_many(void)
{
	int fds[FILES];
	pthread_t looker = thread_new(look_at_all, NULL);

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < FILES; i++) {
			fds[i] = open("f", O_RDONLY);
			CHECK(fds[i] >= 0);
		}
		for (int i = 0; i < FILES; i++)
			CHECK_EQ(close(fds[i]), 0);
	}
	atomic_store(&is_over, true);
	thread_join(looker);
}

DIR_TEST(who_looks_at_a_descriptor_sees_a_file_or_none)
{
	file_make("f", "text");
	for (int i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			open_and_close_many();
			_exit(0);
		}
		CHECK_EXIT(pid, 0);
	}
}

static void *look_at_one(void *fd)
{
	struct stat status;

	while (!atomic_load(&is_over)) {
		CHECK_EQ(fstat((int)(intptr_t)fd, &status), 0);
		CHECK_EQ(status.st_size, 4);
	}
	return fd;
}

/* dup2() over a descriptor is one step: it is never free in between. */
DIR_TEST(a_replaced_descriptor_is_never_free)
{
	file_make("f", "text");
	int fd = open("f", O_RDONLY), other = open("f", O_RDONLY);
	pid_t pid = fork();

	if (pid == 0) {
		CHECK_EQ(dup2(fd, FILES), FILES);
		pthread_t looker = thread_new(look_at_one, (void *)FILES);
		for (int i = 0; i < 3000; i++)
			CHECK_EQ(dup2(i % 2 ? fd : other, FILES), FILES);
		atomic_store(&is_over, true);
		thread_join(looker);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
}
