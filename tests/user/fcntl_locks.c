/* SPDX-License-Identifier: MIT */
/* Locks on ranges of files and on whole files. */
#include "temp_dir.h"
#include "memory.h"

#include <sys/file.h>

static int lock(int fd, int command, short type, off_t start, off_t len)
{
	struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

	return fcntl(fd, command, &range);
}

/* In a child: can the range be locked for writing?  0, or the errno. */
static int child_tries(const char *name, short type, off_t start, off_t len)
{
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open(name, O_RDWR);

		_exit(lock(fd, F_SETLK, type, start, len) == 0 ? 0 : errno);
	}
	return utest_wait(pid);
}

DIR_TEST(readers_share_and_writers_do_not)
{
	int fd = file_with("f", "0123456789");

	CHECK_EQ(lock(fd, F_SETLK, F_RDLCK, 0, 5), 0);
	CHECK_EQ(child_tries("f", F_RDLCK, 0, 10), 0);
	CHECK_EQ(child_tries("f", F_WRLCK, 4, 1), EAGAIN);
	CHECK_EQ(child_tries("f", F_WRLCK, 5, 1), 0);
	CHECK_EQ(lock(fd, F_SETLK, F_UNLCK, 0, 5), 0);
	CHECK_EQ(child_tries("f", F_WRLCK, 4, 1), 0);
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(getlk_says_who)
{
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
	int fd = file_with("f", "0123456789");
	pid_t parent = getpid();

	CHECK_EQ(fcntl(fd, F_GETLK, &range), 0);
	CHECK_EQ(range.l_type, F_UNLCK);
	CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 3, 4), 0);
	pid_t pid = fork();

	if (pid == 0) {
		range.l_type = F_RDLCK;
		CHECK_EQ(fcntl(fd, F_GETLK, &range), 0);
		CHECK_EQ(range.l_type, F_WRLCK);
		CHECK_EQ(range.l_start, 3);
		CHECK_EQ(range.l_len, 4);
		CHECK_EQ(range.l_pid, parent);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(closing_any_descriptor_drops_the_locks)
{
	int fd = file_with("f", "text");
	int other = open("f", O_RDONLY);

	CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 0, 0), 0);
	CHECK_EQ(child_tries("f", F_WRLCK, 0, 0), EAGAIN);
	CHECK_EQ(close(other), 0);
	CHECK_EQ(child_tries("f", F_WRLCK, 0, 0), 0);
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(child_does_not_inherit)
{
	int fd = file_with("f", "text");

	CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 0, 0), 0);
	pid_t pid = fork();

	if (pid == 0) {
		CHECK_ERRNO(lock(fd, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
		CHECK_EQ(close(fd), 0);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(child_tries("f", F_WRLCK, 0, 0), EAGAIN);
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(waiting_ends_with_the_holder)
{
	int fds[2], fd = file_with("f", "text");
	char byte;

	CHECK_EQ(pipe(fds), 0);
	pid_t pid = fork();

	if (pid == 0) {
		CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 0, 0), 0);
		CHECK_EQ(write(fds[1], "x", 1), 1);
		usleep(20000);
		CHECK_EQ(pwrite(fd, "done", 4, 0), 4);
		_exit(0);
	}
	CHECK_EQ(read(fds[0], &byte, 1), 1);
	CHECK_EQ(lock(fd, F_SETLKW, F_WRLCK, 0, 0), 0);
	CHECK(file_holds("f", "done"));
	CHECK_EXIT(pid, 0);
}

/* Each has one half and waits for the other's. */
DIR_TEST(deadlock_is_noticed)
{
	int fds[2], fd = file_with("f", "0123456789");
	char byte;

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 0, 1), 0);
	pid_t pid = fork();

	if (pid == 0) {
		CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 1, 1), 0);
		CHECK_EQ(write(fds[1], "x", 1), 1);
		CHECK_EQ(lock(fd, F_SETLKW, F_WRLCK, 0, 1), 0);
		_exit(0);
	}
	CHECK_EQ(read(fds[0], &byte, 1), 1);
	child_settle(pid);
	CHECK_ERRNO(lock(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
	CHECK_EQ(lock(fd, F_SETLK, F_UNLCK, 0, 1), 0);
	CHECK_EXIT(pid, 0);
}

/* Whose lock was waited for does not stand in the way any more once it has given it up, even if the
 * waiter has not run since. */
DIR_TEST(who_has_let_go_may_wait)
{
	enum { ROUNDS = 100 };
	int fd = file_with("f", "0123456789");

	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(lock(fd, F_SETLKW, F_WRLCK, 1, 1), 0);
		int fds[2];
		char byte;

		CHECK_EQ(pipe(fds), 0);
		pid_t pid = fork();
		if (pid == 0) {
			CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 0, 1), 0);
			CHECK_EQ(write(fds[1], "x", 1), 1);
			CHECK_EQ(lock(fd, F_SETLKW, F_WRLCK, 1, 1), 0);
			_exit(0);
		}
		CHECK_EQ(read(fds[0], &byte, 1), 1);
		usleep(1000);
		CHECK_EQ(lock(fd, F_SETLK, F_UNLCK, 1, 1), 0);
		CHECK_EQ(lock(fd, F_SETLKW, F_WRLCK, 0, 1), 0);
		CHECK_EXIT(pid, 0);
		CHECK_EQ(lock(fd, F_SETLK, F_UNLCK, 0, 0), 0);
		CHECK_EQ(close(fds[0]), 0);
		CHECK_EQ(close(fds[1]), 0);
	}
}

DIR_TEST(mode_must_fit)
{
	file_make("f", "text");
	int reader = open("f", O_RDONLY), writer = open("f", O_WRONLY);

	CHECK_ERRNO(lock(reader, F_SETLK, F_WRLCK, 0, 0), EBADF);
	CHECK_ERRNO(lock(writer, F_SETLK, F_RDLCK, 0, 0), EBADF);
	CHECK_ERRNO(lock(writer, F_SETLK, 99, 0, 0), EINVAL);
	CHECK_ERRNO(lock(writer, F_SETLK, F_WRLCK, -1, 0), EINVAL);
	CHECK_EQ(lock(writer, F_SETLK, F_WRLCK, 10, -5), 0);
	CHECK_EQ(child_tries("f", F_RDLCK, 9, 1), EAGAIN);
	CHECK_EQ(child_tries("f", F_RDLCK, 10, 1), 0);
}

DIR_TEST(ranges_begin_in_the_file)
{
	int fd = file_with("f", "0123456789");

	CHECK_ERRNO(lock(fd, F_SETLK, F_WRLCK, -1, 1), EINVAL);
	CHECK_ERRNO(lock(fd, F_SETLK, F_WRLCK, 0, -1), EINVAL);
	CHECK_ERRNO(lock(fd, F_SETLK, F_WRLCK, INT64_MIN, -1), EINVAL);
	CHECK_ERRNO(lock(fd, F_SETLK, F_WRLCK, -1, INT64_MAX), EINVAL);
	CHECK_ERRNO(lock(fd, F_SETLK, F_WRLCK, 2, INT64_MAX), EOVERFLOW);
	CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 1, INT64_MAX), 0);
	CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 5, -5), 0);
}

DIR_TEST(flock_belongs_to_the_open_file)
{
	int fd = file_with("f", "text");
	int copy = dup(fd), other = open("f", O_RDONLY);

	CHECK_EQ(flock(fd, LOCK_EX), 0);
	CHECK_EQ(flock(copy, LOCK_EX | LOCK_NB), 0);
	CHECK_ERRNO(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	CHECK_EQ(close(fd), 0);
	CHECK_ERRNO(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	CHECK_EQ(flock(copy, LOCK_SH), 0);
	CHECK_EQ(flock(other, LOCK_SH | LOCK_NB), 0);
	CHECK_EQ(close(copy), 0);
	CHECK_EQ(flock(other, LOCK_EX | LOCK_NB), 0);
	CHECK_ERRNO(flock(other, LOCK_SH | LOCK_EX), EINVAL);
}

/* Another kind of lock is not got in one step: the old one goes first, so of two who share and both
 * want it alone, one waits for the other. */
DIR_TEST(flock_is_given_up_before_it_is_changed)
{
	file_make("f", "text");
	int fd = open("f", O_RDONLY), fds[2];
	char byte;

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(flock(fd, LOCK_SH), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int other = open("f", O_RDONLY);

		CHECK_EQ(close(fd), 0);
		CHECK_EQ(flock(other, LOCK_SH), 0);
		CHECK_EQ(write(fds[1], "x", 1), 1);
		CHECK_EQ(flock(other, LOCK_EX), 0);
		_exit(0);
	}
	CHECK_EQ(read(fds[0], &byte, 1), 1);
	CHECK_EQ(flock(fd, LOCK_EX), 0);
	CHECK_EQ(flock(fd, LOCK_UN), 0);
	CHECK_EXIT(pid, 0);
}

/* So does who will not wait for what he cannot have. */
DIR_TEST(flock_is_lost_when_its_change_fails)
{
	file_make("f", "text");
	int fd = open("f", O_RDONLY), other = open("f", O_RDONLY), third = open("f", O_RDONLY);

	CHECK_EQ(flock(fd, LOCK_SH), 0);
	CHECK_EQ(flock(other, LOCK_SH), 0);
	CHECK_ERRNO(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	CHECK_EQ(flock(other, LOCK_UN), 0);
	CHECK_EQ(flock(third, LOCK_EX | LOCK_NB), 0);
}

/* A FIFO has no position, whatever came and went before. */
DIR_TEST(locks_of_a_fifo_begin_at_its_beginning)
{
	struct flock range = {.l_type = F_RDLCK, .l_whence = SEEK_CUR, .l_len = 1};

	CHECK_EQ(mkfifo("f", 0600), 0);
	int first = open("f", O_RDONLY | O_NONBLOCK), writer = open("f", O_WRONLY);
	CHECK_EQ(close(writer), 0);
	int second = open("f", O_RDONLY | O_NONBLOCK);
	CHECK(first >= 0 && second >= 0);
	CHECK_EQ(fcntl(second, F_SETLK, &range), 0);
	CHECK_EQ(child_tries("f", F_WRLCK, 0, 1), EAGAIN);
	CHECK_EQ(child_tries("f", F_WRLCK, 1, 1), 0);
}
