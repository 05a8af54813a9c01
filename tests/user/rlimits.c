/* SPDX-License-Identifier: MIT */
/*
 * tests/user/rlimits.c - limits, ids, names, priorities.
 */
#include "utest.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

TEST(limits_are_inherited)
{
	struct rlimit limit = {.rlim_cur = 100, .rlim_max = 200}, now;

	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(getrlimit(RLIMIT_NOFILE, &now), 0);
		_exit(now.rlim_cur == 100 && now.rlim_max == 200 ? 0 : 1);
	}
	CHECK_EXIT(pid, 0);
}

TEST(soft_is_not_above_hard)
{
	struct rlimit limit = {.rlim_cur = 200, .rlim_max = 100};

	CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &limit), EINVAL);
	CHECK_ERRNO(syscall(SYS_prlimit64, 0, 99, NULL, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_prlimit64, 0x7ffffff0, RLIMIT_NOFILE, NULL, NULL), ESRCH);
	CHECK_ERRNO(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, (void *)8, NULL), EFAULT);
}

TEST(files_end_at_their_limit)
{
	struct rlimit limit = {.rlim_cur = 10, .rlim_max = 10};
	int fd, opened = 0;

	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while ((fd = dup(0)) >= 0 && opened < 20)
		opened++;
	CHECK_EQ(errno, EMFILE);
	CHECK(opened <= 7);
}

/* Nothing is made, and nothing cut, for an open file that cannot be had. */
TEST(no_descriptor_no_new_file)
{
	struct rlimit limit = {.rlim_cur = 10, .rlim_max = 10};
	char old[] = "/tmp/rlimits-XXXXXX", new[sizeof(old) + 4];
	int fd = mkstemp(old);
	struct stat status;

	CHECK_EQ(write(fd, "text", 4), 4);
	snprintf(new, sizeof(new), "%s-new", old);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (dup(0) >= 0)
		;
	CHECK_ERRNO(open(new, O_WRONLY | O_CREAT, 0600), EMFILE);
	CHECK_ERRNO(open(old, O_WRONLY | O_TRUNC), EMFILE);
	CHECK_ERRNO(open("/tmp/missing/file", O_RDONLY), EMFILE);
	CHECK_ERRNO(open("/tmp", O_RDONLY | O_TMPFILE), EINVAL);        /* flags come first */
	CHECK_ERRNO(stat(new, &status), ENOENT);
	CHECK_EQ(stat(old, &status), 0);
	CHECK_EQ(status.st_size, 4);
	unlink(old);
}

TEST(stack_limit_is_sensible)
{
	struct rlimit limit;

	CHECK_EQ(getrlimit(RLIMIT_STACK, &limit), 0);
	CHECK(limit.rlim_cur >= 1 << 20);
}

/* Nobody else has this number: his processes are counted, and all are sent signals. */
static unsigned somebody;

__attribute__((constructor)) static void choose_somebody(void)
{
	somebody = 62000 + (unsigned)getpid() % 2000;
}

static void become_somebody(void)
{
	if (geteuid() != 0)
		SKIP("only the superuser can become somebody else");
	CHECK_EQ(setgroups(0, NULL), 0);
	CHECK_EQ(setgid(somebody), 0);
	CHECK_EQ(setuid(somebody), 0);
}

TEST(hard_limit_only_sinks)
{
	struct rlimit limit = {.rlim_cur = 50, .rlim_max = 50};

	become_somebody();
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_max = 60;
	CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &limit), EPERM);
}

TEST(processes_end_at_their_limit)
{
	struct rlimit limit = {.rlim_cur = 4, .rlim_max = 4};
	int forked = 0;

	become_somebody();
	CHECK_EQ(setrlimit(RLIMIT_NPROC, &limit), 0);
	for (; forked < 10; forked++) {
		pid_t pid = fork();
		if (pid < 0)
			break;
		if (pid == 0) {
			for (;;)
				pause();
		}
	}
	int error = errno;
	signal(SIGTERM, SIG_IGN);
	kill(-1, SIGTERM);
	while (wait(NULL) > 0)
		;
	CHECK_EQ(error, EAGAIN);
	CHECK_EQ(forked, 3);
}

/* Until they are waited for they have their numbers. */
TEST(ended_processes_count)
{
	struct rlimit limit = {.rlim_cur = 10, .rlim_max = 10};
	int forked = 0;

	become_somebody();
	CHECK_EQ(setrlimit(RLIMIT_NPROC, &limit), 0);
	for (pid_t pid; forked < 100 && (pid = fork()) >= 0; forked++) {
		if (pid == 0)
			_exit(0);
	}
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(forked, 9);
	while (wait(NULL) > 0)
		forked--;
	CHECK_EQ(forked, 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	CHECK_EXIT(pid, 0);
}

TEST(who_gives_up_rights_has_none)
{
	uid_t real, effective, saved;

	become_somebody();
	CHECK_EQ(getresuid(&real, &effective, &saved), 0);
	CHECK(real == somebody && effective == somebody && saved == somebody);
	CHECK_ERRNO(setuid(0), EPERM);
	CHECK_ERRNO(setreuid(0, (uid_t)-1), EPERM);
	CHECK_ERRNO(setresuid((uid_t)-1, 0, (uid_t)-1), EPERM);
	CHECK_ERRNO(kill(1, SIGTERM), EPERM);
	CHECK_ERRNO(setgroups(0, NULL), EPERM);
}

TEST(effective_id_comes_and_goes)
{
	if (geteuid() != 0)
		SKIP("only the superuser can become somebody else");
	CHECK_EQ(setresuid((uid_t)-1, 77, (uid_t)-1), 0);
	CHECK(geteuid() == 77 && getuid() == 0);
	CHECK_EQ(seteuid(0), 0);
	CHECK_EQ(geteuid(), 0);
}

TEST(groups_are_kept)
{
	gid_t in[3] = {5, 6, 7}, out[3];

	if (geteuid() != 0)
		SKIP("only the superuser can choose groups");
	CHECK_EQ(setgroups(3, in), 0);
	CHECK_EQ(getgroups(0, NULL), 3);
	CHECK_EQ(getgroups(3, out), 3);
	CHECK(out[0] == 5 && out[1] == 6 && out[2] == 7);
	CHECK_ERRNO(getgroups(2, out), EINVAL);
}

TEST(names_and_switches)
{
	char name[16];

	CHECK_EQ(prctl(PR_SET_NAME, "a name that is much too long"), 0);
	CHECK_EQ(prctl(PR_GET_NAME, name), 0);
	CHECK(strcmp(name, "a name that is ") == 0);
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
	CHECK_EQ(prctl(PR_SET_DUMPABLE, 0), 0);
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	CHECK_ERRNO(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
	CHECK_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 0);
	CHECK_EQ(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	CHECK_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
	CHECK_ERRNO(prctl(PR_SET_THP_DISABLE, 1, 1, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(123456), EINVAL);
	CHECK_ERRNO(prctl(PR_CAPBSET_READ, 1000), EINVAL);
}

TEST(death_of_the_parent_can_be_told)
{
	int fds[2];
	char byte;

	CHECK_EQ(pipe(fds), 0);
	pid_t middle = fork();
	if (middle == 0) {
		int ready[2];
		CHECK_EQ(pipe(ready), 0);
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			write(ready[1], "x", 1);
			for (;;)
				pause();
		}
		CHECK_EQ(read(ready[0], &byte, 1), 1);
		_exit(0);
	}
	close(fds[1]);
	CHECK_EXIT(middle, 0);
	CHECK_EQ(read(fds[0], &byte, 1), 0);    /* closed when the grandchild died */
}

TEST(affinity)
{
	cpu_set_t set;

	CHECK_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	CHECK(CPU_COUNT(&set) >= 1);
	utest_stay_on_one_cpu();
	CPU_ZERO(&set);
	CHECK_ERRNO(sched_setaffinity(0, sizeof(set), &set), EINVAL);
	CHECK_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	CHECK_EQ(CPU_COUNT(&set), 1);
	CHECK_EQ(sched_yield(), 0);
}

TEST(niceness)
{
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 7), 0);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 7);
	pid_t pid = fork();
	if (pid == 0)
		_exit(getpriority(PRIO_PROCESS, 0));
	CHECK_EXIT(pid, 7);
	CHECK_ERRNO(setpriority(99, 0, 0), EINVAL);
	CHECK_ERRNO(getpriority(PRIO_PROCESS, 0x7ffffff0), ESRCH);
	CHECK_EQ(syscall(SYS_sched_get_priority_max, SCHED_FIFO), 99);
	CHECK_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);
}
