/* SPDX-License-Identifier: MIT */
/*
 * tests/user/odd_calls.c - calls that few programs make, once each.
 *
 * There is little to say about each; but each copies to or from the program, and when that is made
 * to fail (tools/failures), somebody must have called.
 */
#include "utest.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <termios.h>
#include <time.h>
#include <utime.h>

enum { ARCH_GET_FS = 0x1003, ARCH_GET_GS = 0x1004 };

TEST(clocks_of_old_agree)
{
	struct timeval before, after;
	struct timezone zone = {1, 1};
	time_t seconds = 0;

	CHECK_EQ(syscall(SYS_gettimeofday, &before, &zone), 0);
	CHECK_EQ(syscall(SYS_time, &seconds), seconds);
	CHECK_EQ(syscall(SYS_gettimeofday, &after, &zone), 0);
	CHECK(before.tv_sec - 1 <= seconds && seconds <= after.tv_sec);         /* a tick behind */
}

TEST(times_of_files_are_set_by_the_calls_of_old)
{
	struct utimbuf old = {.actime = 1000, .modtime = 2000};
	struct timeval newer[2] = {{3000, 5}, {4000, 6}};
	char name[] = "times-XXXXXX";
	int fd = mkstemp(name), left = -1;
	struct stat status;

	CHECK(fd >= 0);
	CHECK_EQ(syscall(SYS_utime, name, &old), 0);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK(status.st_atime == 1000 && status.st_mtime == 2000);
	CHECK_EQ(syscall(SYS_utimes, name, newer), 0);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK(status.st_mtime == 4000 && status.st_mtim.tv_nsec == 6000);
	CHECK_EQ(write(fd, "four", 4), 4);
	CHECK_EQ(lseek(fd, 1, SEEK_SET), 1);
	CHECK_EQ(ioctl(fd, FIONREAD, &left), 0);
	CHECK_EQ(left, 3);
	CHECK_EQ(unlink(name), 0);
}

TEST(the_scheduler_answers)
{
	struct sched_param param = {.sched_priority = 9};
	unsigned cpu = UINT_MAX, node = UINT_MAX;
	struct rlimit limit;

	CHECK_EQ(syscall(SYS_getcpu, &cpu, &node, NULL), 0);
	CHECK(cpu < 1024 && node < 1024);
	CHECK_EQ(syscall(SYS_sched_getparam, 0, &param), 0);
	CHECK_EQ(param.sched_priority, 0);
	CHECK_EQ(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &param), 0);
	CHECK_EQ(syscall(SYS_getrlimit, RLIMIT_CORE, &limit), 0);
	CHECK_EQ(syscall(SYS_setrlimit, RLIMIT_CORE, &limit), 0);
}

TEST(a_process_knows_its_registers_and_its_parent_s_end)
{
	uint64_t fs = 0, gs = 1;
	int signal = -1;

	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs), 0);
	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs), 0);
	CHECK(fs != 0 && gs == 0);
	CHECK_EQ(prctl(PR_GET_PDEATHSIG, &signal), 0);
	CHECK_EQ(signal, 0);
}

TEST(robust_lists_can_be_asked_for)
{
	void *head = NULL;
	size_t len = 0;

	CHECK_EQ(syscall(SYS_get_robust_list, 0, &head, &len), 0);
	CHECK(len == 24 || head == NULL);
}

TEST(many_pieces_are_one_write)
{
	enum { PIECES = 100 };
	char bytes[PIECES], back[PIECES];
	struct iovec pieces[PIECES];
	int ends[2], left = 0, yes = 1;

	CHECK_EQ(pipe(ends), 0);
	for (int i = 0; i < PIECES; i++) {
		bytes[i] = (char)i;
		pieces[i] = (struct iovec){&bytes[i], 1};
	}
	CHECK_EQ(writev(ends[1], pieces, PIECES), PIECES);
	CHECK_EQ(ioctl(ends[0], FIONREAD, &left), 0);
	CHECK_EQ(left, PIECES);
	CHECK_EQ(read(ends[0], back, PIECES), PIECES);
	CHECK_EQ(memcmp(bytes, back, PIECES), 0);
	CHECK_EQ(ioctl(ends[0], FIONBIO, &yes), 0);
	CHECK_ERRNO(read(ends[0], back, 1), EAGAIN);
}

TEST(chance_comes_from_a_file)
{
	char bytes[64] = "", zeros[64] = "";
	int fd = open("/dev/urandom", O_RDWR), bits = 0;

	CHECK(fd >= 0);
	CHECK_EQ(read(fd, bytes, sizeof(bytes)), sizeof(bytes));
	CHECK(memcmp(bytes, zeros, sizeof(bytes)) != 0);
	CHECK_EQ(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	CHECK_EQ(ioctl(fd, 0x80045200, &bits), 0);              /* RNDGETENTCNT */
	CHECK(bits > 0);
}

TEST(own_memory_is_a_file)
{
	static volatile uint32_t word = 7;
	uint32_t seen = 0, fresh = 8;
	int fd = open("/proc/self/mem", O_RDWR);

	if (fd < 0)
		SKIP("no /proc/self/mem");
	CHECK_EQ(pread(fd, &seen, sizeof(seen), (off_t)(uintptr_t)&word), sizeof(seen));
	CHECK_EQ(seen, 7);
	CHECK_EQ(pwrite(fd, &fresh, sizeof(fresh), (off_t)(uintptr_t)&word), sizeof(fresh));
	CHECK_EQ(word, 8);
}

TEST(the_console_is_a_terminal)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY | O_NONBLOCK);
	struct termios modes;
	struct winsize size;
	int left = -1;

	if (fd < 0 || !isatty(fd))
		SKIP("no console");
	CHECK_EQ(tcgetattr(fd, &modes), 0);
	CHECK_EQ(tcsetattr(fd, TCSANOW, &modes), 0);
	CHECK_EQ(ioctl(fd, TIOCGWINSZ, &size), 0);
	CHECK_EQ(ioctl(fd, TIOCSWINSZ, &size), 0);
	CHECK_EQ(ioctl(fd, FIONREAD, &left), 0);
	CHECK(left >= 0);
	CHECK_EQ(write(fd, "\r", 1), 1);
}

TEST(a_machine_may_be_called_what_it_is_called)
{
	char name[256];

	CHECK_EQ(gethostname(name, sizeof(name)), 0);
	if (sethostname(name, strlen(name)) < 0)
		SKIP("only the superuser names machines");
}

TEST(the_log_can_be_read)
{
	char text[512];
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), read_all = 3;

	if (fd < 0 || klogctl(read_all, text, sizeof(text)) < 0)
		SKIP("the log is not for us");
	CHECK(klogctl(read_all, text, sizeof(text)) > 0);
	CHECK(read(fd, text, sizeof(text)) > 0);
}
