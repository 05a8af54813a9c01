/* SPDX-License-Identifier: MIT */
// needs: threads
/*
 * tests/user/fork_parts.c - after a fork, descriptors and places are each one's own, whoever
 * changes them first.
 */
#include "temp_dir.h"

#include <pthread.h>
#include <sys/syscall.h>

#ifndef CLOSE_RANGE_UNSHARE
enum { CLOSE_RANGE_UNSHARE = 2 };
#endif

/* A child that waits until its parent has changed something; then its parent hears its verdict. */
struct watcher {
	pid_t pid;
	int go;
};

static struct watcher watch(bool (*is_as_before)(int fd), int fd)
{
	struct watcher watcher;
	int ends[2];
	char byte;

	CHECK_EQ(pipe(ends), 0);
	watcher.pid = fork();
	if (watcher.pid == 0)
		_exit(read(ends[0], &byte, 1) == 1 && is_as_before(fd) ? 0 : 1);
	watcher.go = ends[1];
	return watcher;
}

static void ask(const struct watcher *watcher)
{
	CHECK_EQ(write(watcher->go, "", 1), 1);
	CHECK_EXIT(watcher->pid, 0);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) == 0;
}

static bool is_closed(int fd)
{
	return fcntl(fd, F_GETFD) == -1 && errno == EBADF;
}

DIR_TEST(what_a_parent_closes_stays_open_in_its_child)
{
	int fd = file_with("f", "x");
	struct watcher watcher = watch(is_open, fd);

	CHECK_EQ(close(fd), 0);
	ask(&watcher);
	CHECK(is_closed(fd));
}

DIR_TEST(what_a_parent_opens_and_marks_is_not_its_childs)
{
	int fd = file_with("f", "x"), spare = 99;
	struct watcher marked = watch(is_open, fd), opened = watch(is_closed, spare);

	CHECK_EQ(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
	CHECK_EQ(dup2(fd, spare), spare);
	ask(&marked);
	ask(&opened);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

DIR_TEST(what_a_child_changes_is_not_its_parents)
{
	int fd = file_with("f", "x"), spare = 99;
	pid_t pid = fork();

	if (pid == 0) {
		CHECK_EQ(dup2(fd, spare), spare);
		CHECK_EQ(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
		CHECK_EQ(close(fd), 0);
		umask(077);
		CHECK_EQ(mkdir("below", 0755), 0);
		CHECK_EQ(chdir("below"), 0);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(is_open(fd) && is_closed(spare));
	CHECK_EQ(umask(022), 022);
	CHECK_EQ(access("f", F_OK), 0);
	CHECK_EQ(rmdir("below"), 0);
}

static bool stands_by_f(int fd)
{
	(void)fd;
	return access("f", F_OK) == 0 && umask(0) == 022;
}

DIR_TEST(where_a_parent_goes_its_child_does_not)
{
	int fd = file_with("f", "x");
	struct watcher watcher = watch(stands_by_f, fd);

	CHECK_EQ(mkdir("below", 0755), 0);
	CHECK_EQ(chdir("below"), 0);
	umask(077);
	ask(&watcher);
	CHECK_EQ(chdir(".."), 0);
}

/* ---- ends of pipes ---- */

DIR_TEST(a_pipe_ends_when_the_last_of_a_family_has_closed_it)
{
	int ends[2];
	char byte;

	CHECK_EQ(pipe(ends), 0);
	struct watcher watcher = watch(is_open, ends[1]);

	CHECK_EQ(close(ends[1]), 0);
	CHECK_EQ(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	CHECK_ERRNO(read(ends[0], &byte, 1), EAGAIN);
	ask(&watcher);
	CHECK_EQ(read(ends[0], &byte, 1), 0);
}

/* ---- locks on ranges ---- */

static int try_lock(int fd, short type)
{
	struct flock range = {.l_type = type, .l_whence = SEEK_SET};

	return fcntl(fd, F_SETLK, &range);
}

static bool finds_it_locked(int fd)
{
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_GETLK, &range) == 0 && range.l_type == F_WRLCK &&
	       range.l_pid == getppid() && try_lock(fd, F_WRLCK) == -1 && close(fd) == 0;
}

DIR_TEST(what_a_parent_locks_before_or_after_is_not_its_childs)
{
	int fd = file_with("f", "x");
	struct watcher early = watch(finds_it_locked, fd);

	CHECK_EQ(try_lock(fd, F_WRLCK), 0);
	struct watcher late = watch(finds_it_locked, fd), last = watch(finds_it_locked, fd);

	ask(&early);
	ask(&late);
	ask(&last);
}

static bool can_lock(int fd)
{
	return try_lock(fd, F_WRLCK) == 0;
}

DIR_TEST(what_a_child_locks_ends_with_it)
{
	int fd = file_with("f", "x");
	struct watcher watcher = watch(can_lock, fd);

	ask(&watcher);
	CHECK_EQ(try_lock(fd, F_WRLCK), 0);
}

/* ---- threads ---- */

static void *close_it(void *fd)
{
	return (void *)(intptr_t)close((int)(intptr_t)fd);
}

static void close_in_a_thread(int fd)
{
	pthread_t thread;
	void *result;

	CHECK_EQ(pthread_create(&thread, NULL, close_it, (void *)(intptr_t)fd), 0);
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK(result == NULL);
	CHECK(is_closed(fd));
}

DIR_TEST(what_a_thread_closes_is_closed_for_its_process_alone)
{
	int fd = file_with("f", "x"), other = file_with("g", "x");
	struct watcher before = watch(is_open, fd);

	close_in_a_thread(fd);
	struct watcher between = watch(is_open, other);

	close_in_a_thread(other);
	ask(&before);
	ask(&between);
}

/* The child's table is full, so that it must grow: its own, not the one it shares. */
DIR_TEST(a_child_that_opens_many_grows_a_table_of_its_own)
{
	int first = file_with("f", "x"), most = first;

	while (most % 32 != 31)
		most = dup(first);
	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			CHECK_EQ(open("f", O_RDONLY), most + 1);
			CHECK(is_open(first) && is_open(most));
			_exit(0);
		}
		CHECK(is_open(first) && is_open(most) && is_closed(most + 1));
		CHECK_EXIT(pid, 0);
	}
	CHECK_EQ(open("f", O_RDONLY), most + 1);
}

static bool others_find_locked(int fd)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };
	pid_t pid = fork();

	if (pid == 0) {
		CHECK_EQ(fcntl(fd, F_GETLK, &range), 0);
		_exit(range.l_type == F_WRLCK && range.l_pid == getppid());
	}
	return utest_wait(pid) == 1;
}

/* Whoever looks into /proc knows the table, too, but does not share it: nothing that asks whether
 * somebody does may take a copy, which would own no ranges. */
DIR_TEST(ranges_stay_locked_while_others_look_at_the_descriptors)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };
	int fd = file_with("f", "0123456789");
	char name[64], target[64];

	snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)getpid(), fd);
	pid_t looker = fork();
	while (looker == 0)
		CHECK(readlink(name, target, sizeof(target)) > 0);
	CHECK_EQ(fcntl(fd, F_SETLK, &range), 0);
	for (int i = 0; i < 3000; i++) {
		CHECK_EQ(close(dup(0)), 0);
		CHECK_EQ(syscall(SYS_close_range, 900, 901, CLOSE_RANGE_UNSHARE), 0);
	}
	CHECK(others_find_locked(fd));
	kill(looker, SIGKILL);
	CHECK_EQ(waitpid(looker, NULL, 0), looker);
}

/* More than one frame holds. */
DIR_TEST(large_tables_are_each_ones_own_from_the_start)
{
	enum { MANY = 900 };
	int fd = file_with("f", "x");

	for (int i = 0; i < MANY; i++)
		CHECK(dup(fd) >= 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(close(fd + MANY), 0);
		CHECK(is_closed(fd + MANY) && is_open(fd + MANY - 1));
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(is_open(fd + MANY));
}
