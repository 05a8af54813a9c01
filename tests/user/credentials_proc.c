/* SPDX-License-Identifier: MIT */
/*
 * tests/user/credentials_proc.c - what a process keeps to itself, and from whom.
 *
 * Each test asks as somebody about a victim: a child that runs as somebody, too.
 */
#include "credentials.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Files that lie open, those that only who may look gets, and links that lead somewhere. */
static const char *const public[] = {"stat", "status", "statm", "cmdline", "comm", "limits",
	"oom_score", "oom_score_adj", "wchan", "cgroup", "mounts"};
static const char *const private[] = {"maps", "smaps", "smaps_rollup", "mem", "environ", "auxv",
	"pagemap", "personality"};
static const char *const links[] = {"exe", "cwd", "root", "fd/0"};

#define COUNT(array_) ((int)(sizeof(array_) / sizeof((array_)[0])))

static const char *name_of(pid_t pid, const char *file)
{
	static char name[64];

	snprintf(name, sizeof(name), "/proc/%d/%s", (int)pid, file);
	return name;
}

static int open_error(pid_t pid, const char *file, int flags)
{
	int fd = open(name_of(pid, file), flags);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static void check_public(pid_t victim)
{
	for (int i = 0; i < COUNT(public); i++)
		CHECK_EQ(open_error(victim, public[i], O_RDONLY), 0);
}

static void check_open_to_us(pid_t victim)
{
	char target[256];

	for (int i = 0; i < COUNT(private); i++)
		CHECK_EQ(open_error(victim, private[i], O_RDONLY), 0);
	CHECK_EQ(open_error(victim, "mem", O_RDWR), 0);
	for (int i = 0; i < COUNT(links); i++)
		CHECK(readlink(name_of(victim, links[i]), target, sizeof(target)) > 0);
	CHECK_EQ(open_error(victim, "fd", O_RDONLY), 0);
	CHECK_EQ(open_error(victim, "cwd", O_RDONLY), 0);
}

static void check_closed_to_us(pid_t victim)
{
	char target[256];

	for (int i = 0; i < COUNT(private); i++)
		CHECK_EQ(open_error(victim, private[i], O_RDONLY), EACCES);
	CHECK_EQ(open_error(victim, "mem", O_RDWR), EACCES);
	CHECK_EQ(open_error(victim, "clear_refs", O_WRONLY), EACCES);
	CHECK_EQ(open_error(victim, "oom_score_adj", O_WRONLY), EACCES);
	for (int i = 0; i < COUNT(links); i++)
		CHECK_ERRNO(readlink(name_of(victim, links[i]), target, sizeof(target)), EACCES);
	CHECK_EQ(open_error(victim, "fd", O_RDONLY), EACCES);
	CHECK_EQ(open_error(victim, "cwd", O_RDONLY), EACCES);
	CHECK_EQ(open_error(victim, "exe", O_RDONLY), EACCES);
	CHECK_EQ(open_error(victim, "root/etc", O_RDONLY), EACCES);
}

TEST(everybody_sees_what_is_public)
{
	pid_t victim = victim_start(OTHER);

	AS(SOMEBODY, check_public(victim));
	victim_end(victim);
}

TEST(strangers_see_nothing_more)
{
	pid_t victim = victim_start(OTHER);

	AS(SOMEBODY, check_closed_to_us(victim));
	AS(SOMEBODY, check_closed_to_us(1));
	victim_end(victim);
}

TEST(the_same_user_and_the_superuser_see_all)
{
	pid_t victim = victim_start(SOMEBODY);

	AS(SOMEBODY, check_open_to_us(victim));
	AS(0, check_open_to_us(victim));
	AS(SOMEBODY, {
		CHECK_EQ(chdir("/"), 0);
		check_open_to_us(getpid());
	});
	victim_end(victim);
}

/* Who was somebody else and became the user may still hold what was the other's. */
TEST(who_changed_its_id_is_closed)
{
	SUPERUSER_ONLY();
	pid_t victim = victim_start_by(SOMEBODY, false);

	AS(SOMEBODY, check_closed_to_us(victim));
	AS(0, check_open_to_us(victim));
	victim_end(victim);
}

TEST(who_hides_is_closed)
{
	pid_t victim = victim_start_by(SOMEBODY, true);
	struct stat status;

	AS(SOMEBODY, check_open_to_us(victim));
	victim_tell(victim);                    /* PR_SET_DUMPABLE, 0 */
	AS(SOMEBODY, check_closed_to_us(victim));
	CHECK_EQ(stat(name_of(victim, "maps"), &status), 0);
	CHECK_EQ(status.st_uid, 0);
	CHECK_EQ(stat(name_of(victim, ""), &status), 0);
	CHECK_EQ(status.st_uid, SOMEBODY);
	victim_end(victim);
}

/* Only one of its ids is ours: not enough. */
static void take_effective(void)
{
	CHECK_EQ(setresuid(SOMEBODY, OTHER, SOMEBODY), 0);
	CHECK_EQ(prctl(PR_SET_DUMPABLE, 1), 0);
}

TEST(one_id_is_not_enough)
{
	pid_t victim = victim_start_with(take_effective);

	AS(SOMEBODY, check_closed_to_us(victim));
	AS(OTHER, CHECK_EQ(open_error(victim, "maps", O_RDONLY), EACCES));
	victim_end(victim);
}

/* Where things lie is told in stat, too. */
static unsigned long stat_field(pid_t pid, int wanted)
{
	char text[1024];
	int fd = open(name_of(pid, "stat"), O_RDONLY);
	ssize_t len = read(fd, text, sizeof(text) - 1);

	CHECK(fd >= 0 && len > 0);
	close(fd);
	text[len] = '\0';
	char *at = strrchr(text, ')') + 2;
	for (int field = 3; field < wanted; field++)
		at = strchr(at, ' ') + 1;
	return strtoul(at, NULL, 10);
}

enum { STAT_CODE_START = 26, STAT_STACK = 28, STAT_DATA_START = 45, STAT_ARGUMENTS = 48 };

TEST(stat_does_not_say_where_things_lie)
{
	pid_t victim = victim_start(OTHER);

	AS(SOMEBODY, {
		CHECK(stat_field(victim, STAT_CODE_START) <= 1);
		CHECK(stat_field(victim, STAT_STACK) <= 1);
		CHECK_EQ(stat_field(victim, STAT_DATA_START), 0);
		CHECK_EQ(stat_field(victim, STAT_ARGUMENTS), 0);
		CHECK(stat_field(getpid(), STAT_CODE_START) > 1);
		CHECK(stat_field(getpid(), STAT_STACK) > 1);
	});
	AS(0, CHECK(stat_field(victim, STAT_STACK) > 1));
	victim_end(victim);
}

/* Numbers of frames are the superuser's, even of one's own memory. */
TEST(frames_are_not_told)
{
	AS(SOMEBODY, {
		static volatile char mine = 1;
		uint64_t word = 0;
		int fd = open("/proc/self/pagemap", O_RDONLY);

		mine++;
		CHECK_EQ(pread(fd, &word, 8, (off_t)((uintptr_t)&mine / 4096 * 8)), 8);
		CHECK(word >> 63);
		CHECK_EQ(word & ((1ull << 55) - 1), 0);
	});
}

/* Checked when it was opened; who had the right then keeps the file. */
TEST(an_open_file_stays_open)
{
	SUPERUSER_ONLY();
	pid_t victim = victim_start(OTHER);
	int maps = open(name_of(victim, "maps"), O_RDONLY);
	char text[64];

	CHECK(maps >= 0);
	AS(SOMEBODY, CHECK(read(maps, text, sizeof(text)) > 0));
	victim_end(victim);
}

/* ---- other calls about others ---- */

TEST(signals)
{
	pid_t victim = victim_start(OTHER);

	AS(SOMEBODY, {
		CHECK_ERRNO(kill(victim, 0), EPERM);
		CHECK_ERRNO(kill(victim, SIGKILL), EPERM);
		CHECK_ERRNO(kill(1, SIGTERM), EPERM);
		CHECK_ERRNO(syscall(SYS_tgkill, victim, victim, SIGKILL), EPERM);
		CHECK_EQ(syscall(SYS_tkill, victim, SIGCONT), 0);       /* in the same session */
		siginfo_t info = {.si_code = SI_USER};
		CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, victim, SIGUSR1, &info), EPERM);
		int fd = (int)syscall(SYS_pidfd_open, victim, 0);
		CHECK(fd >= 0);
		CHECK_ERRNO(syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0), EPERM);
		CHECK_ERRNO(syscall(SYS_pidfd_getfd, fd, 0, 0), EPERM);
	});
	AS(OTHER, CHECK_EQ(kill(victim, 0), 0));
	victim_end(victim);
}

TEST(limits)
{
	pid_t victim = victim_start(OTHER);
	struct rlimit limit;

	AS(SOMEBODY, {
		CHECK_ERRNO(prlimit(victim, RLIMIT_NOFILE, NULL, &limit), EPERM);
		CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
		CHECK_ERRNO(prlimit(victim, RLIMIT_NOFILE, &limit, NULL), EPERM);
		limit.rlim_max++;
		CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &limit), EPERM);
		limit.rlim_cur = limit.rlim_max = 10;
		CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	});
	AS(OTHER, CHECK_EQ(prlimit(victim, RLIMIT_NOFILE, NULL, &limit), 0));
	victim_end(victim);
}

TEST(scheduling)
{
	unsigned long mask = 1;

	if (setpriority(PRIO_PROCESS, 0, 0) < 0)        /* our starter may be nicer, or less so */
		SKIP("may not become less nice");
	pid_t victim = victim_start(OTHER);
	AS(SOMEBODY, {
		struct { int priority; } none = {0};

		CHECK_ERRNO(setpriority(PRIO_PROCESS, (id_t)victim, 5), EPERM);
		CHECK_ERRNO(syscall(SYS_sched_setaffinity, victim, sizeof(mask), &mask), EPERM);
		CHECK_ERRNO(syscall(SYS_sched_setscheduler, victim, 3, &none), EPERM);
		CHECK_EQ(getpriority(PRIO_PROCESS, (id_t)victim), 0);
		CHECK_EQ(setpriority(PRIO_PROCESS, 0, 5), 0);
		CHECK_ERRNO(setpriority(PRIO_PROCESS, 0, 4), EACCES);
	});
	AS(OTHER, CHECK_EQ(setpriority(PRIO_PROCESS, (id_t)victim, 3), 0));
	AS(0, CHECK_EQ(setpriority(PRIO_PROCESS, (id_t)victim, -3), 0));
	victim_end(victim);
}

static void take_real(void)
{
	CHECK_EQ(setresuid(OTHER, SOMEBODY, OTHER), 0);
}

/* For scheduling, the effective id of the one against real or effective of the other. */
TEST(scheduling_asks_for_less)
{
	pid_t victim = victim_start_with(take_real);
	unsigned long mask = ~0ul;

	AS(SOMEBODY, CHECK_EQ(syscall(SYS_sched_setaffinity, victim, sizeof(mask), &mask), 0));
	AS(SOMEBODY, CHECK_EQ(setpriority(PRIO_PROCESS, (id_t)victim, 5), 0));
	AS(OTHER, CHECK_EQ(setpriority(PRIO_PROCESS, (id_t)victim, 6), 0));
	victim_end(victim);
}

TEST(nice_limit_lets_one_down)
{
	SUPERUSER_ONLY();
	struct rlimit limit = {.rlim_cur = 25, .rlim_max = 25};       /* down to -5 */

	if (setrlimit(RLIMIT_NICE, &limit) < 0)
		SKIP("a superuser without all rights");
	AS(SOMEBODY, {
		CHECK_EQ(setpriority(PRIO_PROCESS, 0, -5), 0);
		CHECK_ERRNO(setpriority(PRIO_PROCESS, 0, -6), EACCES);
	});
}
