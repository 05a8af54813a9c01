/* SPDX-License-Identifier: MIT */
// cow
/* /proc: the files parse, and agree with what the program knows of itself. */
#include "utest.h"
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>

enum { PAGE = 4096, TEXT_MAX = 262144 };

static char text[TEXT_MAX];

/* The whole file as a string; its length. */
static size_t slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	size_t len = 0;
	ssize_t n;

	CHECK(fd >= 0);
	while ((n = read(fd, text + len, TEXT_MAX - 1 - len)) > 0)
		len += n;
	CHECK(n == 0);
	close(fd);
	text[len] = '\0';
	return len;
}

/* The number behind "Name:" in what was read. */
static long field(const char *name)
{
	char *at = text;
	size_t len = strlen(name);

	while (at && strncmp(at, name, len) != 0) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	CHECK(at && at[len] == ':');
	return strtol(at + len + 1, NULL, 10);
}

/* The line of smaps or maps for a range that holds the address; NULL: none. */
static char *find_range(uintptr_t address)
{
	for (char *at = text; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
		uintptr_t start, end;
		if (sscanf(at, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2 &&
			address >= start && address < end)
			return at;
	}
	return NULL;
}

/* Every other page may be read: so many ranges that nobody makes their lines at once. */
static char *many_ranges(int count)
{
	char *memory = mmap(NULL, 2 * count * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	for (int i = 0; i < count; i++)
		CHECK_EQ(mprotect(memory + 2 * i * PAGE, PAGE, PROT_READ), 0);
	return memory;
}

TEST(a_long_text_has_each_range_once)
{
	enum { RANGES = 1500, PIECE = 777 };
	uintptr_t memory = (uintptr_t)many_ranges(RANGES), start, end, last = 0;
	int fd = open("/proc/self/maps", O_RDONLY), in_memory = 0;
	char piece[PIECE];
	ssize_t n;
	size_t len = 0;

	while ((n = read(fd, text + len, PIECE)) > 0)
		len += n;
	CHECK_EQ(n, 0);
	text[len] = '\0';
	for (char *at = text; *at; at = strchr(at, '\n') + 1) {
		CHECK_EQ(sscanf(at, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end), 2);
		CHECK(start >= last && end > start);
		last = end;
		in_memory += start >= memory && end <= memory + 2 * RANGES * PAGE;
	}
	CHECK(in_memory >= 2 * RANGES - 1);
	for (size_t at = len - PIECE; at > 20000; at -= 20000) {
		CHECK(pread(fd, piece, PIECE, (off_t)at) > 0);
		CHECK(strncmp(piece, text + at, 100) == 0);
	}
	CHECK_EQ(pread(fd, piece, PIECE, (off_t)len), 0);
	close(fd);
}

TEST(status_tells_who_we_are)
{
	slurp("/proc/self/status");
	CHECK_EQ(field("Pid"), getpid());
	CHECK_EQ(field("Tgid"), getpid());
	CHECK_EQ(field("PPid"), getppid());
	CHECK_EQ(field("Uid"), getuid());
	CHECK_EQ(field("Gid"), getgid());
	CHECK_EQ(field("Threads"), 1);
	CHECK_EQ(field("TracerPid"), 0);
	CHECK(strncmp(text, "Name:\t", 6) == 0 && strstr(text, "proc_files\n"));
	CHECK(strstr(text, "State:\tR (running)\n"));
	CHECK(field("VmSize") > 0 && field("VmRSS") > 0 && field("VmRSS") <= field("VmSize"));
	CHECK(field("VmHWM") >= field("VmRSS") - 64 && field("VmPeak") >= field("VmSize"));
	CHECK(field("VmStk") > 0 && field("VmExe") > 0 && field("FDSize") >= 3);
}

TEST(status_tells_of_signals)
{
	sigset_t blocked;
	unsigned long pending = 0, mask = 0, ignored = 0;

	signal(SIGUSR1, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR2);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	kill(getpid(), SIGUSR2);
	slurp("/proc/self/status");
	CHECK(sscanf(strstr(text, "ShdPnd:"), "ShdPnd: %lx", &pending) == 1);
	CHECK(sscanf(strstr(text, "SigBlk:"), "SigBlk: %lx", &mask) == 1);
	CHECK(sscanf(strstr(text, "SigIgn:"), "SigIgn: %lx", &ignored) == 1);
	CHECK(pending & 1ul << (SIGUSR2 - 1));
	CHECK(mask & 1ul << (SIGUSR2 - 1));
	CHECK(ignored & 1ul << (SIGUSR1 - 1));
}

TEST(resident_memory_grows_with_what_is_touched)
{
	enum { PAGES = 1024 };
	slurp("/proc/self/status");
	long before = field("RssAnon");
	char *memory = mmap(
		NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < PAGES; i++)
		memory[i * PAGE] = 1;
	slurp("/proc/self/status");
	long grown = field("RssAnon") - before;
	CHECK(grown >= PAGES * 4 - 512 && grown <= PAGES * 4 + 512);
}

TEST(stat_has_its_52_fields)
{
	char state, name[32];
	int pid, parent, group, session, fields = 0;

	slurp("/proc/self/stat");
	CHECK(sscanf(text, "%d (%31[^)]) %c %d %d %d", &pid, name, &state, &parent, &group,
		      &session) == 6);
	CHECK_EQ(pid, getpid());
	CHECK_EQ(parent, getppid());
	CHECK_EQ(group, getpgrp());
	CHECK_EQ(session, getsid(0));
	CHECK_EQ(state, 'R');
	for (char *at = strtok(strchr(text, ')') + 2, " \n"); at; at = strtok(NULL, " \n"))
		fields++;
	CHECK_EQ(fields, 50);
}

TEST(state_of_a_child)
{
	char state = 0;
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (state != 'S') {
		slurp(path);
		CHECK(sscanf(text, "%*d (%*[^)]) %c", &state) == 1);
	}
	kill(pid, SIGSTOP);
	while (state != 'T') {
		slurp(path);
		CHECK(sscanf(text, "%*d (%*[^)]) %c", &state) == 1);
	}
	kill(pid, SIGKILL);
	while (state != 'Z') {
		slurp(path);
		CHECK(sscanf(text, "%*d (%*[^)]) %c", &state) == 1);
	}
	CHECK_KILLED(pid, SIGKILL);
	CHECK_ERRNO(open(path, O_RDONLY), ENOENT);
}

TEST(maps_shows_every_mapping_with_its_rights)
{
	char *memory =
		mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t at = (uintptr_t)memory, start, end;
	char rights[5];

	CHECK(mprotect(memory + PAGE, PAGE, PROT_READ) == 0);
	slurp("/proc/self/maps");
	char *line = find_range(at + PAGE);
	CHECK(line && sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &start, &end, rights) == 3);
	CHECK(start == at + PAGE && end == at + 2 * PAGE && strcmp(rights, "r--p") == 0);
	line = find_range(at);
	CHECK(line && sscanf(line, "%*x-%*x %4s", rights) == 1 && strcmp(rights, "rw-p") == 0);
	line = find_range((uintptr_t)&start);
	CHECK(line && strstr(line, "[stack]"));
	line = find_range((uintptr_t)slurp);
	CHECK(line && sscanf(line, "%*x-%*x %4s", rights) == 1 && strcmp(rights, "r-xp") == 0);
	CHECK(strstr(line, "proc_files\n"));

	munmap(memory, 3 * PAGE);
	slurp("/proc/self/maps");
	CHECK(!find_range(at + PAGE));
}

TEST(maps_read_in_small_pieces_is_the_same)
{
	char pieces[TEXT_MAX];
	int fd = open("/proc/self/maps", O_RDONLY);
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, pieces + len, 7)) > 0)
		len += n;
	close(fd);
	CHECK(len > 0);
	slurp("/proc/self/maps");
	CHECK(strncmp(text, pieces, 200) == 0);
}

/* Where fork copies everything at once (fork_share=none), nothing is ever shared. */
static bool fork_shares(void)
{
	return access("/proc/sys/vm/fork_share", F_OK) < 0 ||
	       (slurp("/proc/sys/vm/fork_share") > 0 && strcmp(text, "none\n") != 0);
}

TEST(smaps_tells_private_from_shared)
{
	enum { PAGES = 64, WRITTEN = 16 };
	int shared = fork_shares() ? PAGES - WRITTEN : 0;
	char *memory = mmap(
		NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int down[2];

	memset(memory, 1, PAGES * PAGE);
	CHECK(pipe(down) == 0);
	slurp("/proc/self/smaps");
	char *range = find_range((uintptr_t)memory);
	CHECK(range);
	CHECK_EQ(strtol(strstr(range, "Rss:") + 4, NULL, 10), PAGES * 4);
	CHECK_EQ(strtol(strstr(range, "Private_Dirty:") + 14, NULL, 10), PAGES * 4);

	pid_t pid = fork();
	if (pid == 0) {
		char byte;
		close(down[1]);
		_exit(read(down[0], &byte, 1) == 0 ? 0 : 1);
	}
	memset(memory, 2, WRITTEN * PAGE);
	slurp("/proc/self/smaps");
	range = find_range((uintptr_t)memory);
	CHECK_EQ(strtol(strstr(range, "Rss:") + 4, NULL, 10), PAGES * 4);
	CHECK_EQ(strtol(strstr(range, "Private_Dirty:") + 14, NULL, 10), (PAGES - shared) * 4);
	CHECK_EQ(strtol(strstr(range, "Shared_Dirty:") + 13, NULL, 10), shared * 4);
	CHECK_EQ(strtol(strstr(range, "Pss:") + 4, NULL, 10), (PAGES - shared) * 4 + shared * 2);
	close(down[1]);
	CHECK_EXIT(pid, 0);
}

TEST(links_lead_where_they_say)
{
	char target[512], here[512];
	struct stat a, b;
	ssize_t len = readlink("/proc/self/cwd", target, sizeof(target) - 1);

	CHECK(len > 0);
	target[len] = '\0';
	CHECK(getcwd(here, sizeof(here)) && strcmp(target, here) == 0);
	len = readlink("/proc/self/exe", target, sizeof(target) - 1);
	CHECK(len > 0);
	target[len] = '\0';
	CHECK(stat("/proc/self/exe", &a) == 0 && stat(target, &b) == 0);
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	len = readlink("/proc/self", target, sizeof(target) - 1);
	CHECK(len > 0);
	target[len] = '\0';
	CHECK_EQ(atoi(target), getpid());
}

TEST(descriptors_are_listed_and_can_be_reopened)
{
	int fd = open("data", O_RDWR | O_CREAT | O_TRUNC, 0600), count = 0;
	char path[64], target[512];
	struct dirent *entry;

	CHECK(fd >= 0 && write(fd, "hello", 5) == 5);
	DIR *directory = opendir("/proc/self/fd");
	CHECK(directory);
	while ((entry = readdir(directory)))
		count += entry->d_name[0] != '.' && atoi(entry->d_name) == fd;
	closedir(directory);
	CHECK_EQ(count, 1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t len = readlink(path, target, sizeof(target) - 1);
	CHECK(len > 5 && memcmp(target + len - 5, "/data", 5) == 0);
	int again = open(path, O_RDONLY);
	CHECK(again >= 0 && read(again, target, 5) == 5 && memcmp(target, "hello", 5) == 0);
	unlink("data");
	close(fd);
	CHECK_ERRNO(open(path, O_RDONLY), ENOENT);
}

TEST(a_pipe_has_a_name_in_fd)
{
	int ends[2];
	char path[64], target[64];
	struct stat status;

	CHECK(pipe(ends) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	ssize_t len = readlink(path, target, sizeof(target) - 1);
	CHECK(len > 0);
	target[len] = '\0';
	CHECK(strncmp(target, "pipe:[", 6) == 0);
	CHECK(fstat(ends[0], &status) == 0);
	CHECK_EQ(strtoul(target + 6, NULL, 10), status.st_ino);
}

TEST(cmdline_comm_and_environ)
{
	char *nul;

	CHECK(slurp("/proc/self/cmdline") > 0);
	CHECK((nul = memchr(text, '\0', TEXT_MAX)) && strstr(text, "proc_files"));
	slurp("/proc/self/environ");
	slurp("/proc/self/comm");
	CHECK(strstr(text, "proc_files\n"));
}

static void *list_threads(void *result)
{
	struct dirent *entry;
	int count = 0;
	DIR *directory = opendir("/proc/self/task");

	while ((entry = readdir(directory)))
		count += entry->d_name[0] != '.';
	closedir(directory);
	*(int *)result = count;
	return NULL;
}

TEST(threads_are_listed)
{
	pthread_t thread;
	int count = 0;
	char path[64];

	CHECK(pthread_create(&thread, NULL, list_threads, &count) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK_EQ(count, 2);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	slurp(path);
	CHECK_EQ(atoi(text), getpid());
}

TEST(every_process_is_listed)
{
	struct dirent *entry;
	bool found_us = false, found_init = false;
	DIR *directory = opendir("/proc");

	CHECK(directory);
	while ((entry = readdir(directory))) {
		found_us |= atoi(entry->d_name) == getpid();
		found_init |= atoi(entry->d_name) == 1;
	}
	closedir(directory);
	CHECK(found_us && found_init);
	CHECK_ERRNO(open("/proc/4000000/stat", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("/proc/01/stat", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("/proc/self/nothing", O_RDONLY), ENOENT);
}

TEST(the_system_in_numbers)
{
	double up, idle;
	struct utsname uts;

	slurp("/proc/meminfo");
	CHECK(field("MemTotal") > field("MemFree") && field("MemFree") > 0);
	CHECK(field("MemAvailable") > 0 && field("Cached") >= 0 && field("SwapTotal") >= 0);
	slurp("/proc/uptime");
	CHECK(sscanf(text, "%lf %lf", &up, &idle) == 2 && up > 0);
	slurp("/proc/loadavg");
	CHECK(sscanf(text, "%lf %*f %*f %*d/%*d %*d", &up) == 1);
	slurp("/proc/stat");
	CHECK(strncmp(text, "cpu  ", 5) == 0 && strstr(text, "\ncpu0 ") &&
		strstr(text, "\nbtime "));
	CHECK(strstr(text, "\nprocesses ") && strstr(text, "\nprocs_running ") &&
		strstr(text, "\nctxt "));
	slurp("/proc/cpuinfo");
	CHECK(strstr(text, "processor\t: 0\n") && strstr(text, "model name\t: "));
	slurp("/proc/mounts");
	CHECK(strstr(text, " /proc proc "));
	slurp("/proc/filesystems");
	CHECK(strstr(text, "nodev\tproc\n"));
	slurp("/proc/version");
	CHECK(uname(&uts) == 0 && strstr(text, uts.release));
	slurp("/proc/sys/kernel/osrelease");
	CHECK(strncmp(text, uts.release, strlen(uts.release)) == 0);
	slurp("/proc/sys/kernel/pid_max");
	CHECK(atoi(text) >= 300);
}

TEST(what_was_opened_can_be_read_again)
{
	char first[64], second[64];
	int fd = open("/proc/self/comm", O_RDONLY);

	ssize_t n = read(fd, first, sizeof(first));
	CHECK(n > 0 && read(fd, second, sizeof(second)) == 0);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	CHECK_EQ(read(fd, second, sizeof(second)), n);
	CHECK(memcmp(first, second, n) == 0);
	CHECK_EQ(pread(fd, second, 3, 2), 3);
	CHECK(memcmp(first + 2, second, 3) == 0);
}

TEST(nobody_changes_proc)
{
	CHECK(open("/proc/self/new", O_WRONLY | O_CREAT, 0600) < 0);
	CHECK(mkdir("/proc/new", 0700) < 0);
	CHECK(unlink("/proc/version") < 0);
	CHECK(rename("/proc/version", "/proc/other") < 0);
	CHECK_ERRNO(read(open("/proc", O_RDONLY), text, 1), EISDIR);
}
