/* SPDX-License-Identifier: MIT */
/* Waiting for many files: poll, ppoll, select, pselect. */
#include "utest.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/select.h>
#include <time.h>

static int reader, writer;

static void open_pipe(int flags)
{
	int ends[2];

	CHECK(pipe2(ends, flags) == 0);
	reader = ends[0];
	writer = ends[1];
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

TEST(readiness_of_a_pipe)
{
	open_pipe(0);
	struct pollfd fds[] = {{reader, POLLIN, 0}, {writer, POLLOUT, 0}};

	CHECK_EQ(poll(fds, 2, 0), 1);
	CHECK_EQ(fds[0].revents, 0);
	CHECK_EQ(fds[1].revents, POLLOUT);
	CHECK(write(writer, "x", 1) == 1);
	CHECK_EQ(poll(fds, 2, -1), 2);
	CHECK_EQ(fds[0].revents, POLLIN);
}

TEST(a_full_pipe_is_not_writable)
{
	static char bytes[4096];

	open_pipe(O_NONBLOCK);
	while (write(writer, bytes, sizeof(bytes)) > 0)
		;
	struct pollfd fd = {writer, POLLOUT, 0};
	CHECK_EQ(poll(&fd, 1, 0), 0);
	CHECK(read(reader, bytes, sizeof(bytes)) == sizeof(bytes));
	CHECK_EQ(poll(&fd, 1, 0), 1);
}

TEST(hangup_and_error_come_unasked)
{
	open_pipe(0);
	int spare = dup(writer);
	struct pollfd fd = {reader, 0, 0};

	close(writer);
	CHECK_EQ(poll(&fd, 1, 0), 0);
	close(spare);
	CHECK_EQ(poll(&fd, 1, -1), 1);
	CHECK_EQ(fd.revents, POLLHUP);

	open_pipe(0);
	close(reader);
	fd = (struct pollfd){writer, 0, 0};
	CHECK_EQ(poll(&fd, 1, -1), 1);
	CHECK_EQ(fd.revents, POLLERR);
}

TEST(a_closed_descriptor_is_invalid_and_a_negative_one_ignored)
{
	struct pollfd fds[] = {{-1, POLLIN, 7}, {1000, POLLIN, 0}};

	CHECK_EQ(poll(fds, 2, -1), 1);
	CHECK_EQ(fds[0].revents, 0);
	CHECK_EQ(fds[1].revents, POLLNVAL);
}

TEST(poll_waits_for_its_time)
{
	open_pipe(0);
	struct pollfd fd = {reader, POLLIN, 0};
	long start = now_ms();

	CHECK_EQ(poll(&fd, 1, 50), 0);
	CHECK(now_ms() - start >= 49);
	start = now_ms();
	CHECK_EQ(poll(NULL, 0, 20), 0);
	CHECK(now_ms() - start >= 19);
}

TEST(poll_is_woken_by_any_of_many)
{
	enum { PIPES = 40 };
	struct pollfd fds[PIPES];
	int writers[PIPES];

	for (int i = 0; i < PIPES; i++) {
		open_pipe(0);
		fds[i] = (struct pollfd){reader, POLLIN, 0};
		writers[i] = writer;
	}
	pid_t pid = fork();
	if (pid == 0) {
		usleep(20000);
		write(writers[33], "x", 1);
		_exit(0);
	}
	CHECK_EQ(poll(fds, PIPES, -1), 1);
	CHECK_EQ(fds[33].revents, POLLIN);
	CHECK_EXIT(pid, 0);
}

static volatile int alarms;

static void on_alarm(int signal)
{
	(void)signal;
	alarms++;
}

static void catch_alarm(int flags)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = flags};

	sigaction(SIGALRM, &action, NULL);
}

TEST(a_handler_interrupts_poll_even_with_restart)
{
	catch_alarm(SA_RESTART);
	ualarm(20000, 20000);
	CHECK_ERRNO(poll(NULL, 0, -1), EINTR);
	CHECK(alarms > 0);
}

TEST(ppoll_lets_a_blocked_signal_in)
{
	sigset_t blocked, empty;

	catch_alarm(0);
	sigemptyset(&empty);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGALRM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	raise(SIGALRM);
	CHECK_EQ(alarms, 0);
	CHECK_ERRNO(ppoll(NULL, 0, NULL, &empty), EINTR);
	CHECK_EQ(alarms, 1);
	sigprocmask(SIG_BLOCK, NULL, &empty);
	CHECK(sigismember(&empty, SIGALRM));
}

TEST(ppoll_gives_the_mask_back_without_a_signal)
{
	struct timespec nothing = {0, 0};
	sigset_t full, after;

	sigfillset(&full);
	CHECK_EQ(ppoll(NULL, 0, &nothing, &full), 0);
	sigprocmask(SIG_BLOCK, NULL, &after);
	CHECK(!sigismember(&after, SIGALRM));
}

TEST(select_keeps_what_is_ready)
{
	fd_set in, out;

	open_pipe(0);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(reader, &in);
	FD_SET(writer, &out);
	CHECK_EQ(select(writer + 1, &in, &out, NULL, NULL), 1);
	CHECK(!FD_ISSET(reader, &in) && FD_ISSET(writer, &out));
	CHECK(write(writer, "x", 1) == 1);
	FD_SET(reader, &in);
	CHECK_EQ(select(writer + 1, &in, &out, NULL, NULL), 2);
	CHECK(FD_ISSET(reader, &in));
}

TEST(select_refuses_what_is_not_open)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(900, &in);
	struct timeval nothing = {0, 0};
	CHECK_ERRNO(select(-1, NULL, NULL, NULL, &nothing), EINVAL);
	CHECK_EQ(select(0, &in, NULL, NULL, &nothing), 0);
	open_pipe(0);
	CHECK(dup2(reader, 1000) == 1000);
	CHECK_ERRNO(select(1001, &in, NULL, NULL, &nothing), EBADF);
}

TEST(select_waits_for_its_time)
{
	struct timeval wait = {0, 50000};
	fd_set in;

	open_pipe(0);
	FD_ZERO(&in);
	FD_SET(reader, &in);
	long start = now_ms();
	CHECK_EQ(select(reader + 1, &in, NULL, NULL, &wait), 0);
	CHECK(now_ms() - start >= 49);
	CHECK(!FD_ISSET(reader, &in));
}

TEST(pselect_lets_a_blocked_signal_in)
{
	sigset_t blocked, empty;

	catch_alarm(0);
	sigemptyset(&empty);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGALRM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	raise(SIGALRM);
	CHECK_ERRNO(pselect(0, NULL, NULL, NULL, NULL, &empty), EINTR);
	CHECK_EQ(alarms, 1);
}

TEST(regular_files_and_null_are_always_ready)
{
	int null = open("/dev/null", O_RDWR);
	int file = open("file", O_RDWR | O_CREAT, 0600);
	struct pollfd fds[] = {{null, POLLIN | POLLOUT, 0}, {file, POLLIN | POLLOUT, 0}};

	CHECK_EQ(poll(fds, 2, 0), 2);
	CHECK_EQ(fds[0].revents, POLLIN | POLLOUT);
	CHECK_EQ(fds[1].revents, POLLIN | POLLOUT);
	unlink("file");
}
