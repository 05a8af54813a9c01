/* SPDX-License-Identifier: MIT */
/*
 * tests/user/pidfd.c - descriptors that stand for processes.
 */
#include "memory.h"

#include <poll.h>
#include <sys/syscall.h>

struct arguments {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid;
	uint64_t set_tid_size, cgroup;
};

static int pidfd_open(pid_t pid, unsigned flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

static int pidfd_send(int fd, int number, siginfo_t *info, unsigned flags)
{
	return (int)syscall(SYS_pidfd_send_signal, fd, number, info, flags);
}

static int pidfd_getfd(int pidfd, int fd, unsigned flags)
{
	return (int)syscall(SYS_pidfd_getfd, pidfd, fd, flags);
}

static pid_t start_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	CHECK(pid > 0);
	return pid;
}

/* What poll says now, or after waiting for it. */
static short events_of(int fd, int timeout)
{
	struct pollfd entry = {.fd = fd, .events = POLLIN};

	CHECK(poll(&entry, 1, timeout) >= 0);
	return entry.revents;
}

static void wait_by_pidfd(int fd, int code, int status)
{
	siginfo_t info = {0};

	CHECK_EQ(waitid(P_PIDFD, (id_t)fd, &info, WEXITED), 0);
	CHECK_EQ(info.si_code, code);
	CHECK_EQ(info.si_status, status);
}

TEST(becomes_readable_when_the_process_ends)
{
	pid_t pid = start_sleeper();
	int fd = pidfd_open(pid, 0);

	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(events_of(fd, 0), 0);
	CHECK_EQ(kill(pid, SIGTERM), 0);
	CHECK_EQ(events_of(fd, -1), POLLIN);
	wait_by_pidfd(fd, CLD_KILLED, SIGTERM);
	CHECK(events_of(fd, -1) & POLLHUP);
	siginfo_t info;
	CHECK_ERRNO(waitid(P_PIDFD, (id_t)fd, &info, WEXITED), ECHILD);
	CHECK_ERRNO(pidfd_send(fd, 0, NULL, 0), ESRCH);
}

/* Since Linux 6.9; before, it could not be opened. */
TEST(opened_again_it_is_the_same_process)
{
	pid_t pid = start_sleeper();
	int fd = pidfd_open(pid, 0);
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	int again = open(name, O_RDWR);

	if (again < 0 && (errno == ENXIO || errno == EACCES))
		SKIP("not to be opened again");
	CHECK(again >= 0);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(events_of(again, 0), 0);
	CHECK_EQ(pidfd_send(again, SIGTERM, NULL, 0), 0);
	CHECK_EQ(events_of(again, -1), POLLIN);
	wait_by_pidfd(again, CLD_KILLED, SIGTERM);
	CHECK(events_of(again, -1) & POLLHUP);
}

TEST(clone_gives_one)
{
	struct arguments arguments = {.flags = CLONE_PIDFD, .exit_signal = SIGCHLD};
	int fd = -1;

	arguments.pidfd = (uintptr_t)&fd;
	pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
	if (pid == 0)
		_exit(fd == -1 ? 3 : 4);        /* the child sees neither the number nor the file */
	CHECK(fd >= 0);
	wait_by_pidfd(fd, CLD_EXITED, 3);
	close(fd);

	pid = (pid_t)syscall(SYS_clone, SIGCHLD | CLONE_PIDFD, NULL, &fd, NULL, 0);
	if (pid == 0)
		_exit(fcntl(fd, F_GETFD) < 0 ? 5 : 6);
	wait_by_pidfd(fd, CLD_EXITED, 5);
}

TEST(a_number_that_comes_back_is_somebody_else)
{
	if (geteuid() != 0)
		SKIP("needs privileges to choose a number");
	pid_t pid = start_sleeper();
	int fd = pidfd_open(pid, 0);
	struct arguments arguments = {
		.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1,
	};

	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_KILLED(pid, SIGKILL);
	pid_t again = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
	if (again == 0) {
		for (;;)
			pause();
	}
	CHECK_EQ(again, pid);
	CHECK_ERRNO(pidfd_send(fd, SIGKILL, NULL, 0), ESRCH);
	siginfo_t info;
	CHECK_ERRNO(waitid(P_PIDFD, (id_t)fd, &info, WEXITED), ECHILD);
	CHECK_EQ(kill(again, SIGKILL), 0);
	CHECK_KILLED(again, SIGKILL);
}

static siginfo_t seen;

static void note(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	seen = *info;
}

TEST(sends_signals)
{
	struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
	int fd = pidfd_open(getpid(), 0);
	siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};

	sigaction(SIGUSR1, &action, NULL);
	CHECK_EQ(pidfd_send(fd, SIGUSR1, NULL, 0), 0);
	CHECK(seen.si_code == SI_USER && seen.si_pid == getpid());
	info.si_value.sival_int = 42;
	CHECK_EQ(pidfd_send(fd, SIGUSR1, &info, 0), 0);
	CHECK(seen.si_code == SI_QUEUE && seen.si_value.sival_int == 42);
	CHECK_EQ(pidfd_send(fd, 0, NULL, 0), 0);
	CHECK_ERRNO(pidfd_send(fd, SIGUSR2, &info, 0), EINVAL);
	CHECK_ERRNO(pidfd_send(fd, 65, NULL, 0), EINVAL);
	CHECK_ERRNO(pidfd_send(fd, SIGUSR1, NULL, 1u << 30), EINVAL);
	CHECK_ERRNO(pidfd_send(STDOUT_FILENO, 0, NULL, 0), EBADF);
	CHECK_ERRNO(pidfd_send(-1, 0, NULL, 0), EBADF);
}

TEST(nobody_pretends_to_be_the_kernel)
{
	pid_t pid = start_sleeper();
	int fd = pidfd_open(pid, 0);
	siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_USER};

	CHECK_ERRNO(pidfd_send(fd, SIGUSR1, &info, 0), EPERM);
	CHECK_EQ(pidfd_send(fd, SIGKILL, NULL, 0), 0);
	CHECK_KILLED(pid, SIGKILL);
}

TEST(signals_need_permission)
{
	int fd = pidfd_open(getppid(), 0);

	if (geteuid() != 0)
		SKIP("needs privileges to give up");
	CHECK_EQ(setresuid(65534, 65534, 65534), 0);
	CHECK_ERRNO(pidfd_send(fd, SIGUSR1, NULL, 0), EPERM);
	CHECK_ERRNO(pidfd_getfd(fd, 0, 0), EPERM);
}

TEST(what_pidfd_open_refuses)
{
	pid_t gone = fork();

	if (gone == 0)
		_exit(0);
	int zombie = pidfd_open(gone, 0);
	CHECK(zombie >= 0);
	CHECK_EXIT(gone, 0);
	CHECK_ERRNO(pidfd_open(gone, 0), ESRCH);
	CHECK_ERRNO(pidfd_open(0, 0), EINVAL);
	CHECK_ERRNO(pidfd_open(-1, 0), EINVAL);
	CHECK_ERRNO(pidfd_open(getpid(), 1), EINVAL);
}

TEST(nonblocking_waits_do_not_wait)
{
	pid_t pid = start_sleeper();
	int fd = pidfd_open(pid, O_NONBLOCK);
	siginfo_t info = {0};

	CHECK(fd >= 0);
	CHECK_ERRNO(waitid(P_PIDFD, (id_t)fd, &info, WEXITED), EAGAIN);
	CHECK_EQ(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG), 0);
	CHECK_EQ(info.si_pid, 0);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(events_of(fd, -1), POLLIN);
	wait_by_pidfd(fd, CLD_KILLED, SIGKILL);
}

TEST(waitid_wants_a_pidfd_of_a_child)
{
	siginfo_t info;

	CHECK_ERRNO(waitid(P_PIDFD, STDOUT_FILENO, &info, WEXITED), EBADF);
	CHECK_ERRNO(waitid(P_PIDFD, 999, &info, WEXITED), EBADF);
	CHECK_ERRNO(waitid(P_PIDFD, (id_t)-1, &info, WEXITED), EINVAL);
	CHECK_ERRNO(waitid(P_PIDFD, (id_t)pidfd_open(getpid(), 0), &info, WEXITED), ECHILD);
}

TEST(getfd_takes_a_file_of_the_other)
{
	int fds[2], ready[2];
	char byte;

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(fds[1], 77);
		CHECK_EQ(write(ready[1], "r", 1), 1);
		for (;;)
			pause();
	}
	close(fds[1]);
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	int pidfd = pidfd_open(pid, 0), stolen = pidfd_getfd(pidfd, 77, 0);
	CHECK(stolen >= 0);
	CHECK_EQ(fcntl(stolen, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(write(stolen, "x", 1), 1);
	CHECK_EQ(read(fds[0], &byte, 1), 1);
	CHECK_EQ(byte, 'x');
	CHECK_ERRNO(pidfd_getfd(pidfd, 78, 0), EBADF);
	CHECK_ERRNO(pidfd_getfd(pidfd, 77, 1), EINVAL);
	CHECK_ERRNO(pidfd_getfd(STDOUT_FILENO, 77, 0), EBADF);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_KILLED(pid, SIGKILL);
	CHECK_ERRNO(pidfd_getfd(pidfd, 77, 0), ESRCH);
}

TEST(many_wait_for_one_end)
{
	enum { WAITERS = 8 };
	struct gate gate = gate_new();
	pid_t waiters[WAITERS], pid = fork();

	if (pid == 0) {
		gate_pass(gate);
		_exit(0);
	}
	int fd = pidfd_open(pid, 0);
	for (int i = 0; i < WAITERS; i++) {
		waiters[i] = fork();
		if (waiters[i] == 0) {
			close(gate.fd[1]);
			_exit(!(events_of(fd, -1) & POLLIN));
		}
	}
	gate_open(gate);
	for (int i = 0; i < WAITERS; i++)
		CHECK_EXIT(waiters[i], 0);
	CHECK_EXIT(pid, 0);
}
