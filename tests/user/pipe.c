/* SPDX-License-Identifier: MIT */
/* Pipes and FIFOs: bytes, ends, atomic writes, capacity. */
#include "utest.h"
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { CAPACITY = 65536, PAGE = 4096 };

static int reader, writer;

static void open_pipe(int flags)
{
	int ends[2];

	CHECK(pipe2(ends, flags) == 0);
	reader = ends[0];
	writer = ends[1];
}

static int fill(size_t piece)
{
	static char bytes[CAPACITY];
	int total = 0;
	ssize_t n;

	while ((n = write(writer, bytes, piece)) > 0)
		total += n;
	CHECK(errno == EAGAIN);
	return total;
}

TEST(bytes_come_out_as_they_went_in)
{
	char text[16] = "";

	open_pipe(0);
	CHECK(write(writer, "hello ", 6) == 6);
	CHECK(write(writer, "world", 5) == 5);
	CHECK(read(reader, text, 3) == 3);
	CHECK(read(reader, text + 3, 13) == 8);
	CHECK(strcmp(text, "hello world") == 0);
}

TEST(megabytes_cross_between_processes)
{
	enum { TOTAL = 3 << 20 };
	static unsigned char bytes[10007];
	unsigned sum = 0, expected = 0;
	ssize_t n;

	open_pipe(0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7);
	pid_t pid = fork();
	if (pid == 0) {
		close(reader);
		for (int left = TOTAL; left > 0; left -= n) {
			size_t piece = left < (int)sizeof(bytes) ? (size_t)left : sizeof(bytes);
			n = write(writer, bytes, piece);
			if (n <= 0)
				_exit(1);
		}
		_exit(0);
	}
	close(writer);
	long total = 0;
	while ((n = read(reader, bytes, 5003)) > 0) {
		total += n;
		for (ssize_t i = 0; i < n; i++)
			sum += bytes[i];
	}
	CHECK_EQ(total, TOTAL);
	for (int i = 0; i < TOTAL; i++)
		expected += (unsigned char)(i % 10007 * 7);
	CHECK_EQ(sum, expected);
	CHECK_EXIT(pid, 0);
}

TEST(end_of_file_when_all_writers_are_gone)
{
	char byte;

	open_pipe(0);
	CHECK(write(writer, "x", 1) == 1);
	close(writer);
	CHECK(read(reader, &byte, 1) == 1);
	CHECK(read(reader, &byte, 1) == 0);
}

TEST(writing_to_nobody_is_sigpipe)
{
	open_pipe(0);
	close(reader);
	pid_t pid = fork();
	if (pid == 0) {
		write(writer, "x", 1);
		_exit(0);
	}
	CHECK_KILLED(pid, SIGPIPE);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERRNO(write(writer, "x", 1), EPIPE);
}

TEST(nonblocking_ends_say_again)
{
	char byte;

	open_pipe(O_NONBLOCK);
	CHECK_ERRNO(read(reader, &byte, 1), EAGAIN);
	CHECK_EQ(fill(1), CAPACITY);
	CHECK_EQ(read(reader, &byte, 1), 1);
}

TEST(small_writes_are_whole)
{
	static char bytes[PIPE_BUF];

	open_pipe(O_NONBLOCK);
	CHECK_EQ(fill(PIPE_BUF), CAPACITY);
	CHECK_EQ(read(reader, bytes, PIPE_BUF - 1), PIPE_BUF - 1);
	CHECK_ERRNO(write(writer, bytes, PIPE_BUF), EAGAIN);
	CHECK_EQ(read(reader, bytes, 1), 1);
	CHECK_EQ(write(writer, bytes, PIPE_BUF), PIPE_BUF);
}

TEST(concurrent_small_writes_do_not_mix)
{
	enum { WRITERS = 4, WRITES = 200, SIZE = 1000 };
	char record[SIZE];

	open_pipe(0);
	for (int w = 0; w < WRITERS; w++) {
		if (fork() == 0) {
			memset(record, 'a' + w, SIZE);
			for (int i = 0; i < WRITES; i++) {
				if (write(writer, record, SIZE) != SIZE)
					_exit(1);
			}
			_exit(0);
		}
	}
	close(writer);
	for (int i = 0; i < WRITERS * WRITES; i++) {
		for (int done = 0; done < SIZE;) {
			ssize_t n = read(reader, record + done, SIZE - done);
			CHECK(n > 0);
			done += n;
		}
		for (int j = 1; j < SIZE; j++)
			CHECK(record[j] == record[0]);
	}
	for (int w = 0; w < WRITERS; w++)
		CHECK_EXIT(-1, 0);
}

TEST(fionread_counts)
{
	int count = -1;

	open_pipe(0);
	CHECK(ioctl(reader, FIONREAD, &count) == 0);
	CHECK_EQ(count, 0);
	CHECK(write(writer, "hello", 5) == 5);
	CHECK(ioctl(reader, FIONREAD, &count) == 0);
	CHECK_EQ(count, 5);
}

TEST(capacity_can_change)
{
	char bytes[6];

	open_pipe(O_NONBLOCK);
	CHECK_EQ(fcntl(reader, F_GETPIPE_SZ), CAPACITY);
	CHECK(write(writer, "hello", 5) == 5);
	CHECK_EQ(fcntl(writer, F_SETPIPE_SZ, 2 * CAPACITY), 2 * CAPACITY);
	CHECK_EQ(fill(PAGE) + 5 > CAPACITY, 1);
	CHECK_ERRNO(fcntl(writer, F_SETPIPE_SZ, PAGE), EBUSY);
	CHECK(read(reader, bytes, 5) == 5);
	CHECK(memcmp(bytes, "hello", 5) == 0);
	CHECK_ERRNO(fcntl(STDOUT_FILENO + 100, F_GETPIPE_SZ), EBADF);
}

TEST(a_blocked_reader_is_woken)
{
	char byte = 0;

	open_pipe(0);
	pid_t pid = fork();
	if (pid == 0) {
		usleep(20000);
		write(writer, "x", 1);
		_exit(0);
	}
	CHECK(read(reader, &byte, 1) == 1 && byte == 'x');
	CHECK_EXIT(pid, 0);
}

static void on_alarm(int signal)
{
	(void)signal;
}

TEST(a_signal_interrupts_a_read)
{
	struct sigaction action = {.sa_handler = on_alarm};
	char byte;

	open_pipe(0);
	sigaction(SIGALRM, &action, NULL);
	ualarm(20000, 20000);
	CHECK_ERRNO(read(reader, &byte, 1), EINTR);
}

TEST(bad_memory_is_efault)
{
	char *memory = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	open_pipe(O_NONBLOCK);
	CHECK_ERRNO(write(writer, memory, 1), EFAULT);
	CHECK(write(writer, "x", 1) == 1);
	CHECK_ERRNO(read(reader, memory, 1), EFAULT);
	CHECK_ERRNO(pipe2((int *)memory, 0), EFAULT);
	CHECK_ERRNO(pipe2((int *)memory, 1 << 30), EINVAL);
}

TEST(writev_and_readv)
{
	char a[4], b[8];
	struct iovec out[] = {{"ab", 2}, {"", 0}, {"cdef", 4}};
	struct iovec in[] = {{a, 4}, {b, 8}};

	open_pipe(0);
	CHECK_EQ(writev(writer, out, 3), 6);
	CHECK_EQ(readv(reader, in, 2), 6);
	CHECK(memcmp(a, "abcd", 4) == 0 && memcmp(b, "ef", 2) == 0);
}

/* A reader waits for the first byte only, however many pieces it has room in. */
TEST(readv_takes_what_is_there)
{
	char head[8], body[PAGE];
	struct iovec in[] = {{head, 8}, {body, PAGE}};

	alarm(20);
	open_pipe(0);
	CHECK(write(writer, "request.", 8) == 8);
	CHECK_EQ(readv(reader, in, 2), 8);
	CHECK(memcmp(head, "request.", 8) == 0);
	CHECK(write(writer, "request.body", 12) == 12);
	CHECK_EQ(readv(reader, in, 2), 12);
	CHECK(memcmp(body, "body", 4) == 0);
	CHECK(write(writer, "req", 3) == 3);
	close(writer);
	CHECK_EQ(readv(reader, in, 2), 3);
	CHECK_EQ(readv(reader, in, 2), 0);
}

TEST(readv_takes_all_that_is_there)
{
	enum { PIECES = 64, PIECE = CAPACITY / PIECES };
	static char out[CAPACITY], in[CAPACITY + PIECES];
	struct iovec pieces[PIECES];

	for (int i = 0; i < CAPACITY; i++)
		out[i] = (char)(i * 31 >> 3);
	for (int i = 0; i < PIECES; i++)
		pieces[i] = (struct iovec){in + i * (PIECE + 1), PIECE};
	open_pipe(0);
	CHECK_EQ(write(writer, out, CAPACITY), CAPACITY);
	CHECK_EQ(readv(reader, pieces, PIECES), CAPACITY);
	for (int i = 0; i < PIECES; i++) {
		CHECK(memcmp(pieces[i].iov_base, out + i * PIECE, PIECE) == 0);
		CHECK_EQ(in[i * (PIECE + 1) + PIECE], 0);
	}
}

TEST(vectors_to_bad_memory_lose_nothing)
{
	char *memory = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char text[8] = "";
	struct iovec pieces[] = {{memory, 4}, {text, 4}};

	open_pipe(O_NONBLOCK);
	CHECK_EQ(write(writer, "abcdef", 6), 6);
	CHECK_ERRNO(readv(reader, pieces, 2), EFAULT);
	CHECK_EQ(read(reader, text, 8), 6);
	CHECK(memcmp(text, "abcdef", 6) == 0);
	CHECK_ERRNO(writev(writer, pieces, 2), EFAULT);
	CHECK_ERRNO(read(reader, text, 1), EAGAIN);
}

TEST(a_pipe_cannot_be_seeked_or_mapped)
{
	struct stat status;

	open_pipe(0);
	CHECK_ERRNO(lseek(reader, 0, SEEK_SET), ESPIPE);
	CHECK_ERRNO(pread(reader, &status, 1, 0), ESPIPE);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, reader, 0) == MAP_FAILED && errno == ENODEV);
	CHECK(fstat(reader, &status) == 0 && S_ISFIFO(status.st_mode));
	CHECK_ERRNO(write(reader, "x", 1), EBADF);
	CHECK_ERRNO(read(writer, &status, 1), EBADF);
}

TEST(fifo_meets_by_name)
{
	char text[8] = "";

	CHECK(mkfifo("fifo", 0600) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = open("fifo", O_WRONLY);
		_exit(fd >= 0 && write(fd, "hi", 2) == 2 ? 0 : 1);
	}
	int fd = open("fifo", O_RDONLY);
	CHECK(fd >= 0);
	CHECK(read(fd, text, sizeof(text)) == 2);
	CHECK(strcmp(text, "hi") == 0);
	CHECK(read(fd, text, sizeof(text)) == 0);
	CHECK_EXIT(pid, 0);
	close(fd);
	CHECK_ERRNO(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
	fd = open("fifo", O_RDONLY | O_NONBLOCK);
	CHECK(fd >= 0);
	CHECK(read(fd, text, 1) == 0);
	unlink("fifo");
}

/* Read all of the FIFO, and then have the writer go on: only one of each is ever there. */
static void read_one_message(int go_on)
{
	char text[8];
	int fd = open("fifo", O_RDONLY);

	CHECK(fd >= 0);
	CHECK_EQ(read(fd, text, sizeof(text)), 2);
	CHECK_EQ(read(fd, text, sizeof(text)), 0);
	close(fd);
	CHECK_EQ(write(go_on, "", 1), 1);
}

static void write_one_message(int may_go_on)
{
	char byte;
	int fd = open("fifo", O_WRONLY);

	if (fd < 0 || write(fd, "hi", 2) != 2 || close(fd) != 0 || read(may_go_on, &byte, 1) != 1)
		_exit(1);
}

/* Each side may find the other waiting in open(2), and be gone before that has looked. */
TEST(fifo_meets_who_leaves_at_once)
{
	enum { ROUNDS = 2000 };

	CHECK(mkfifo("fifo", 0600) == 0);
	open_pipe(0);
	pid_t pid = fork();
	for (int i = 0; i < ROUNDS; i++) {
		if (pid == 0)
			write_one_message(reader);
		else
			read_one_message(writer);
	}
	if (pid == 0)
		_exit(0);
	CHECK_EXIT(pid, 0);
	unlink("fifo");
}

/* Who comes after the last writer has gone may still be waiting for the next one. */
TEST(fifo_hangs_up_for_who_has_seen_a_writer)
{
	CHECK(mkfifo("fifo", 0600) == 0);
	int old = open("fifo", O_RDONLY | O_NONBLOCK);
	struct pollfd ends[] = {{old, POLLIN, 0}, {-1, POLLIN, 0}};

	CHECK_EQ(poll(ends, 1, 0), 0);
	close(open("fifo", O_WRONLY));
	ends[1].fd = open("fifo", O_RDONLY | O_NONBLOCK);
	CHECK_EQ(poll(ends, 2, 0), 1);
	CHECK(ends[0].revents == POLLHUP && ends[1].revents == 0);
	close(open("fifo", O_WRONLY));
	CHECK_EQ(poll(ends, 2, 0), 2);
	CHECK(ends[0].revents == POLLHUP && ends[1].revents == POLLHUP);
	unlink("fifo");
}

static void read_a_byte(void)
{
	char byte;
	int fd = open("fifo", O_RDONLY);

	_exit(fd >= 0 && read(fd, &byte, 1) == 1 ? 0 : 1);
}

/* Who found no reader and would not wait was never there, for a reader that comes just then. */
TEST(fifo_does_not_meet_who_will_not_wait)
{
	CHECK(mkfifo("fifo", 0600) == 0);
	for (int round = 0; round < 200; round++) {
		int fd;
		pid_t pid = fork();
		if (pid == 0)
			read_a_byte();
		while ((fd = open("fifo", O_WRONLY | O_NONBLOCK)) < 0)
			CHECK(errno == ENXIO);
		CHECK_EQ(write(fd, "x", 1), 1);
		close(fd);
		CHECK_EXIT(pid, 0);
	}
	unlink("fifo");
}
