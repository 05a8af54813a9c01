/* SPDX-License-Identifier: MIT */
/* Reading and writing at positions, in several pieces, and from file to file. */
#include "temp_dir.h"

#include <limits.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

DIR_TEST(positioned_calls_leave_the_position)
{
	char bytes[8];
	int fd = file_with("f", "0123456789");

	CHECK_EQ(pread(fd, bytes, 4, 3), 4);
	CHECK(memcmp(bytes, "3456", 4) == 0);
	CHECK_EQ(pwrite(fd, "abc", 3, 1), 3);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
	CHECK_EQ(pread(fd, bytes, 8, 10), 0);
	CHECK_EQ(pread(fd, bytes, 8, 8), 2);
	CHECK(file_holds("f", "0abc456789"));
	CHECK_ERRNO(pread(fd, bytes, 1, -1), EINVAL);
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(forked_processes_share_the_position)
{
	int fd = file_with("f", "");
	pid_t pid = fork();

	if (pid == 0)
		_exit(write(fd, "child", 5) != 5);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(write(fd, "parent", 6), 6);
	CHECK(file_holds("f", "childparent"));
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(seek_goes_where_it_is_sent)
{
	int fd = file_with("f", "0123456789");

	CHECK_EQ(lseek(fd, -3, SEEK_END), 7);
	CHECK_EQ(lseek(fd, 1, SEEK_CUR), 8);
	CHECK_EQ(lseek(fd, 100, SEEK_SET), 100);
	CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_ERRNO(lseek(fd, 0, 99), EINVAL);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 100);
	CHECK_ERRNO(lseek(fd, 10, SEEK_DATA), ENXIO);
	CHECK_EQ(lseek(fd, 4, SEEK_HOLE), 10);
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(pipes_have_no_position)
{
	int fds[2];
	char byte;

	CHECK_EQ(pipe(fds), 0);
	CHECK_ERRNO(lseek(fds[0], 0, SEEK_CUR), ESPIPE);
	CHECK_ERRNO(pread(fds[0], &byte, 1, 0), ESPIPE);
	CHECK_ERRNO(pwrite(fds[1], "x", 1, 0), ESPIPE);
}

DIR_TEST(vectors_gather_and_scatter)
{
	char a[3], b[4];
	struct iovec out[] = {{"one", 3}, {"", 0}, {"two", 3}, {"three", 5}};
	struct iovec in[] = {{a, 3}, {b, 4}};
	int fd = file_with("f", "");

	CHECK_EQ(writev(fd, out, 4), 11);
	CHECK(file_holds("f", "onetwothree"));
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_EQ(readv(fd, in, 2), 7);
	CHECK(memcmp(a, "one", 3) == 0 && memcmp(b, "twot", 4) == 0);
	CHECK_EQ(readv(fd, in, 2), 4);
	CHECK_EQ(preadv(fd, in, 2, 9), 2);
	CHECK_EQ(pwritev(fd, out, 1, 11), 3);
	CHECK(file_holds("f", "onetwothreeone"));
	CHECK_EQ(writev(fd, out, 0), 0);
	CHECK_ERRNO(writev(fd, out, -1), EINVAL);
	CHECK_EQ(close(fd), 0);
}

/* As many pieces as there may be, of all lengths, to the file and back. */
DIR_TEST(vectors_of_many_pieces)
{
	enum { SIZE = IOV_MAX * (IOV_MAX - 1) / 2 };
	static char out[SIZE], in[SIZE];
	struct iovec to[IOV_MAX], from[IOV_MAX];
	int fd = file_with("f", "");

	for (size_t i = 0, at = 0; i < IOV_MAX; at += i++) {
		to[i] = (struct iovec){out + at, i};
		from[IOV_MAX - 1 - i] = (struct iovec){in + SIZE - at - i, i};
	}
	for (int i = 0; i < SIZE; i++)
		out[i] = (char)(i * 31 >> 5);
	CHECK_EQ(pwritev(fd, to, IOV_MAX, 1000), SIZE);
	CHECK_EQ(preadv(fd, from, IOV_MAX, 1000), SIZE);
	CHECK(memcmp(in, out, SIZE) == 0);
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(vectors_end_before_bad_memory)
{
	static char byte;
	struct iovec pieces[] = {{"one", 3}, {(void *)16, 3}, {"two", 3}};
	int fd = file_with("f", "");

	CHECK_EQ(writev(fd, pieces, 3), 3);
	CHECK_ERRNO(writev(fd, pieces + 1, 2), EFAULT);
	CHECK(file_holds("f", "one"));
	pieces[0] = (struct iovec){&byte, 1};
	CHECK_EQ(preadv(fd, pieces, 2, 1), 1);
	CHECK_EQ(byte, 'n');
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(vectors_reach_devices_and_memory)
{
	char target[16] = "................", a[4] = "aaaa", b[4] = "bbbb";
	struct iovec out[] = {{"abc", 3}, {"defg", 4}}, in[] = {{a, 3}, {b, 3}};
	int memory = open("/proc/self/mem", O_RDWR), zero = open("/dev/zero", O_RDWR);

	CHECK_EQ(readv(zero, in, 2), 6);
	CHECK(memcmp(a, "\0\0\0a", 4) == 0 && memcmp(b, "\0\0\0b", 4) == 0);
	CHECK_EQ(writev(zero, out, 2), 7);
	CHECK_EQ(pwritev(memory, out, 2, (off_t)(uintptr_t)(target + 4)), 7);
	CHECK(memcmp(target, "....abcdefg.....", 16) == 0);
	CHECK_EQ(preadv(memory, in, 2, (off_t)(uintptr_t)(target + 5)), 6);
	CHECK(memcmp(a, "bcda", 4) == 0 && memcmp(b, "efgb", 4) == 0);
}

enum { WRITERS = 4, ROUNDS = 300, HEAD = 5, BODY = 3000, RECORD = HEAD + BODY };

/* One record again and again, of two pieces. */
static void append_records(char letter)
{
	int fd = open("log", O_WRONLY | O_APPEND);
	char head[HEAD], body[BODY];
	struct iovec pieces[] = {{head, HEAD}, {body, BODY}};

	memset(head, letter, HEAD);
	memset(body, letter, BODY);
	for (int i = 0; i < ROUNDS; i++)
		CHECK_EQ(writev(fd, pieces, 2), RECORD);
	_exit(0);
}

/* By processes that share nothing but the file, as when several programs have one log. */
DIR_TEST(vectors_are_appended_whole)
{
	int fd = file_with("log", "");
	char record[RECORD];
	pid_t pids[WRITERS];

	for (int i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			append_records((char)('a' + i));
	}
	for (int i = 0; i < WRITERS; i++)
		CHECK_EXIT(pids[i], 0);
	for (int i = 0; i < WRITERS * ROUNDS; i++) {
		CHECK_EQ(pread(fd, record, RECORD, i * RECORD), RECORD);
		for (int at = 1; at < RECORD; at++)
			CHECK_EQ(record[at], record[0]);
	}
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(vector_to_a_pipe_is_one_message)
{
	struct iovec out[] = {{"hello, ", 7}, {"world", 5}};
	char bytes[32];
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(writev(fds[1], out, 2), 12);
	CHECK_EQ(read(fds[0], bytes, sizeof(bytes)), 12);
	CHECK(memcmp(bytes, "hello, world", 12) == 0);
}

DIR_TEST(sendfile_copies)
{
	off_t at = 2;
	int in = file_with("in", "0123456789"), out = file_with("out", "");

	CHECK_EQ(lseek(in, 8, SEEK_SET), 8);
	int appends = open("appended", O_WRONLY | O_CREAT | O_APPEND, 0600);
	CHECK_ERRNO(sendfile(appends, in, &at, 4), EINVAL);
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	int pipe_end = open("fifo", O_RDWR | O_APPEND);
	CHECK_EQ(sendfile(pipe_end, in, &(off_t){0}, 4), 4);    /* a pipe has no end to append to */
	CHECK_EQ(close(pipe_end), 0);
	CHECK_EQ(sendfile(out, in, &at, 4), 4);
	CHECK_EQ(at, 6);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 8);
	CHECK_EQ(sendfile(out, in, NULL, 100), 2);
	CHECK_EQ(sendfile(out, in, NULL, 100), 0);
	CHECK(file_holds("out", "234589"));
	CHECK_EQ(close(in), 0);
	CHECK_ERRNO(sendfile(out, in, NULL, 1), EBADF);
	CHECK_EQ(close(out), 0);
}

DIR_TEST(copy_file_range_copies)
{
	off_t from = 1, to = 3;
	int in = file_with("in", "0123456789"), out = file_with("out", "");

	CHECK_EQ(copy_file_range(in, &from, out, &to, 4, 0), 4);
	CHECK_EQ(from, 5);
	CHECK_EQ(to, 7);
	CHECK_EQ(lseek(in, 5, SEEK_SET), 5);
	CHECK_EQ(copy_file_range(in, NULL, out, NULL, 100, 0), 5);
	CHECK_EQ(lseek(out, 0, SEEK_CUR), 5);
	CHECK(file_holds("out", "5678934"));
	CHECK_ERRNO(copy_file_range(in, NULL, out, NULL, 1, 1), EINVAL);
	CHECK_EQ(close(in), 0);
	CHECK_EQ(close(out), 0);
}

DIR_TEST(descriptors_are_duplicated)
{
	int fd = file_with("f", "0123456789");
	int copy = dup(fd);

	CHECK_EQ(lseek(copy, 3, SEEK_SET), 3);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
	CHECK_EQ(dup2(fd, 50), 50);
	CHECK_EQ(dup2(50, 50), 50);
	CHECK_ERRNO(dup2(51, 51), EBADF);
	CHECK_ERRNO(dup2(fd, -1), EBADF);
	CHECK_ERRNO(dup3(fd, fd, 0), EINVAL);
	CHECK_EQ(dup3(fd, 51, O_CLOEXEC), 51);
	CHECK_EQ(fcntl(51, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(50, F_GETFD), 0);
	CHECK_EQ(fcntl(fd, F_DUPFD, 50), 52);
	CHECK_EQ(fcntl(fd, F_DUPFD_CLOEXEC, 50), 53);
	CHECK_EQ(fcntl(53, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(53, F_SETFD, 0), 0);
	CHECK_EQ(fcntl(53, F_GETFD), 0);
	CHECK_ERRNO(fcntl(fd, F_DUPFD, -1), EINVAL);
	CHECK_EQ(close(copy), 0);
	CHECK_EQ(dup(fd), copy);
}
