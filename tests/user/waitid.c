/* SPDX-License-Identifier: MIT */
/*
 * tests/user/waitid.c - waiting with all the details.
 */
#include "utest.h"
#include "memory.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static pid_t start_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	return pid;
}

TEST(tells_exit_codes)
{
	siginfo_t info = {0};
	pid_t pid = fork();

	if (pid == 0)
		_exit(77);
	CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED), 0);
	CHECK_EQ(info.si_pid, pid);
	CHECK_EQ(info.si_signo, SIGCHLD);
	CHECK_EQ(info.si_code, CLD_EXITED);
	CHECK_EQ(info.si_status, 77);
	CHECK_EQ(info.si_uid, getuid());
}

TEST(tells_signals)
{
	siginfo_t info = {0};
	pid_t pid = start_sleeper();

	kill(pid, SIGTERM);
	CHECK_EQ(waitid(P_ALL, 0, &info, WEXITED), 0);
	CHECK(info.si_pid == pid && info.si_code == CLD_KILLED && info.si_status == SIGTERM);
}

TEST(nowait_leaves_the_zombie)
{
	siginfo_t info = {0};
	pid_t pid = fork();

	if (pid == 0)
		_exit(1);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
		CHECK_EQ(info.si_status, 1);
	}
	CHECK_EXIT(pid, 1);
	CHECK_ERRNO(waitid(P_PID, (id_t)pid, &info, WEXITED), ECHILD);
}

TEST(nohang_clears_the_info)
{
	siginfo_t info;
	pid_t pid = start_sleeper();

	memset(&info, 0xff, sizeof(info));
	CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG), 0);
	CHECK(info.si_pid == 0 && info.si_signo == 0);
	kill(pid, SIGKILL);
	CHECK_KILLED(pid, SIGKILL);
}

TEST(stop_and_continue)
{
	siginfo_t info = {0};
	pid_t pid = start_sleeper();

	kill(pid, SIGSTOP);
	CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WSTOPPED), 0);
	CHECK(info.si_code == CLD_STOPPED && info.si_status == SIGSTOP);
	kill(pid, SIGCONT);
	CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WCONTINUED), 0);
	CHECK(info.si_code == CLD_CONTINUED && info.si_status == SIGCONT);
	kill(pid, SIGKILL);
	CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WSTOPPED), 0);
	CHECK_EQ(info.si_code, CLD_KILLED);
}

TEST(group_of_children)
{
	siginfo_t info = {0};
	pid_t inside = fork();

	if (inside == 0) {
		setpgid(0, 0);
		_exit(2);
	}
	setpgid(inside, inside);
	pid_t outside = fork();
	if (outside == 0)
		_exit(3);
	CHECK_EQ(waitid(P_PGID, (id_t)inside, &info, WEXITED), 0);
	CHECK_EQ(info.si_pid, inside);
	CHECK_EQ(waitpid(0, NULL, 0), outside);
	CHECK_ERRNO(waitid(P_PGID, (id_t)inside, &info, WEXITED), ECHILD);
}

TEST(clone_children_are_asked_for)
{
	int status;
	pid_t pid = (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, 0);

	if (pid == 0)
		_exit(4);
	CHECK_ERRNO(waitpid(pid, &status, 0), ECHILD);
	CHECK_EQ(waitpid(pid, &status, __WCLONE), pid);
	CHECK_EQ(WEXITSTATUS(status), 4);

	pid = (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, 0);
	if (pid == 0)
		_exit(5);
	CHECK_EQ(waitpid(pid, &status, __WALL), pid);
	CHECK_EQ(WEXITSTATUS(status), 5);
}

TEST(refuses_nonsense)
{
	siginfo_t info;

	CHECK_ERRNO(waitid(P_ALL, 0, &info, 0), EINVAL);
	CHECK_ERRNO(waitid(P_ALL, 0, &info, WEXITED | 0x100), EINVAL);
	CHECK_ERRNO(waitid(17, 0, &info, WEXITED), EINVAL);
	CHECK_ERRNO(waitid(P_PID, 0, &info, WEXITED), EINVAL);
	CHECK_ERRNO(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
}

/* There is nothing but its end to be heard from a child that has ended. */
TEST(who_has_ended_will_not_stop)
{
	siginfo_t info;
	pid_t pid = fork();

	if (pid == 0)
		_exit(3);
	CHECK_ERRNO(waitid(P_PID, (id_t)pid, &info, WSTOPPED), ECHILD);
	CHECK_ERRNO(waitid(P_ALL, 0, &info, WSTOPPED | WCONTINUED), ECHILD);
	CHECK_ERRNO(waitid(P_ALL, 0, &info, WSTOPPED | WNOHANG), ECHILD);
	CHECK_EXIT(pid, 3);
}

TEST(usage_of_a_child_is_also_that_of_its_children)
{
	enum { FAULTS = 700 };
	struct rusage usage;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		pid_t grandchild = fork();
		if (grandchild == 0) {
			volatile char *memory = pages_new(FAULTS);
			CHECK_EQ(madvise((void *)memory, FAULTS * PAGE, MADV_NOHUGEPAGE), 0);
			pages_mark(memory, FAULTS, 1);
			for (int i = 0; i < 10; i++)
				usleep(10000);
			_exit(0);
		}
		CHECK_EXIT(grandchild, 0);
		_exit(0);
	}
	CHECK_EQ(wait4(pid, &status, 0, &usage), pid);
	CHECK(status == 0 && usage.ru_minflt >= FAULTS && usage.ru_nvcsw >= 10);
}

TEST(usage_comes_too)
{
	struct rusage usage;
	siginfo_t info;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	memset(&usage, 0xff, sizeof(usage));
	CHECK_EQ(syscall(SYS_waitid, P_PID, pid, &info, WEXITED, &usage), 0);
	CHECK(usage.ru_utime.tv_sec >= 0 && usage.ru_utime.tv_sec < 1000);
	CHECK(usage.ru_minflt >= 0 && usage.ru_minflt < 1000);
}
