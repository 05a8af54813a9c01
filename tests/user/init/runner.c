/* SPDX-License-Identifier: MIT */
/*
 * tests/user/init/runner.c - the first program of a test boot.
 *
 * Runs every program in /tests, in the order of their names, and prints a TAP line for each:
 *
 *   1..2
 *   # begin fork
 *   (what the program prints)
 *   ok 1 - fork
 *   not ok 2 - mmap # ledger: free_frames 98311 -> 98310
 *
 * A program passes when it exits with 0 within its time, leaves as many free frames, slab objects,
 * pids and open files as there were before (/proc/ledger), and the audit of all page tables
 * (/proc/audit) finds nothing.  Then the machine is switched off.
 *
 * Arguments: patterns that choose programs.  SECONDS=n in the environment: time for one program.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	TICK_MS = 5,
	SETTLE_TRIES = 400,             /* exit finishes its work after the parent was told */
	LEDGER_LINES = 16,
	TEXT_MAX = 2048,
};

struct ledger {
	int count;
	struct {
		char name[32];
		long long value;
	} line[LEDGER_LINES];
};

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void pause_ms(long ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

/* One line, in one write. */
static void say(const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);

	if (len >= (int)sizeof(text))
		len = sizeof(text) - 1;
	for (int done = 0; done < len;) {
		ssize_t n = write(STDOUT_FILENO, text + done, len - done);
		if (n <= 0)
			return;
		done += n;
	}
}

/* The text of a small file, without its last newline.  False when it cannot be read. */
static bool read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;

	size_t len = 0;
	ssize_t n;
	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += n;
	close(fd);

	while (len > 0 && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	return true;
}

static bool ledger_read(struct ledger *ledger)
{
	char text[TEXT_MAX];

	ledger->count = 0;
	if (!read_text("/proc/ledger", text, sizeof(text)))
		return false;

	char *rest = text;
	for (char *line; (line = strsep(&rest, "\n")) && ledger->count < LEDGER_LINES;) {
		int i = ledger->count;
		if (sscanf(line, "%31s %lld", ledger->line[i].name, &ledger->line[i].value) == 2)
			ledger->count++;
	}
	return ledger->count > 0;
}

/* The first line that differs, as text; false when all are equal. */
static bool ledger_differs(const struct ledger *a, const struct ledger *b, char *text, size_t size)
{
	for (int i = 0; i < a->count && i < b->count; i++) {
		if (a->line[i].value != b->line[i].value) {
			snprintf(text, size, "ledger: %s %lld -> %lld", a->line[i].name,
				a->line[i].value, b->line[i].value);
			return true;
		}
	}
	return false;
}

static void reap_orphans(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* Frames and pids come back a moment after a process was waited for. */
static bool settled(const struct ledger *before, char *why, size_t size)
{
	for (int i = 0; i < SETTLE_TRIES; i++) {
		struct ledger now;
		reap_orphans();
		if (!ledger_read(&now)) {
			snprintf(why, size, "cannot read /proc/ledger");
			return false;
		}
		if (!ledger_differs(before, &now, why, size))
			return true;
		pause_ms(TICK_MS);
	}
	return false;
}

static bool audit_is_clean(char *why, size_t size)
{
	char text[TEXT_MAX];

	if (!read_text("/proc/audit", text, sizeof(text)))
		strcpy(text, "cannot read /proc/audit");
	if (strcmp(text, "clean") == 0)
		return true;
	snprintf(why, size, "audit: %.160s", text);
	return false;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *at)
{
	(void)status, (void)kind;
	return at->level == 0 ? 0 : remove(path);
}

static void empty_directory(const char *path)
{
	nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* In the child: a session of its own, the console, an empty directory to work in. */
static void become(const char *path)
{
	char *argv[] = {(char *)path, NULL};
	char *environment[] = {"PATH=/bin:/sbin", "HOME=/tmp", "TMPDIR=/tmp", NULL};

	setsid();
	if (chdir("/tmp") < 0)
		_exit(126);
	execve(path, argv, environment);
	_exit(127);
}

/* Wait for `pid`, which leads a session, at most `seconds`.  False: time is up, all are killed. */
static bool wait_within(pid_t pid, int seconds, int *status)
{
	for (long ms = 0; ms < seconds * 1000L; ms += TICK_MS) {
		pid_t gone = waitpid(pid, status, WNOHANG);
		if (gone == pid || gone < 0)
			return gone == pid;
		pause_ms(TICK_MS);
	}
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, status, 0);
	return false;
}

/* Run one program.  False: it failed, and `why` says how. */
static bool run(const char *path, int seconds, char *why, size_t size)
{
	pid_t pid = fork();
	if (pid == 0)
		become(path);
	if (pid < 0) {
		snprintf(why, size, "cannot fork: %s", strerror(errno));
		return false;
	}

	int status = 0;
	if (!wait_within(pid, seconds, &status))
		snprintf(why, size, "timed out after %d seconds", seconds);
	else if (WIFSIGNALED(status))
		snprintf(why, size, "killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		snprintf(why, size, "exit status %d", WEXITSTATUS(status));
	else
		return true;
	kill(-pid, SIGKILL);
	return false;
}

static void run_and_report(const char *name, int number, int seconds)
{
	struct ledger before;
	char path[300], why[400] = "";

	say("# begin %s\n", name);
	snprintf(path, sizeof(path), "/tests/%s", name);
	reap_orphans();
	bool has_ledger = ledger_read(&before);

	bool passed = run(path, seconds, why, sizeof(why));
	empty_directory("/tmp");
	if (passed && !has_ledger) {
		snprintf(why, sizeof(why), "cannot read /proc/ledger");
		passed = false;
	}
	passed = passed && settled(&before, why, sizeof(why)) && audit_is_clean(why, sizeof(why));

	if (passed)
		say("ok %d - %s\n", number, name);
	else
		say("not ok %d - %s # %s\n", number, name, why);
}

static bool is_chosen(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (fnmatch(argv[i], name, 0) == 0)
			return true;
	}
	return argc <= 1;
}

/* Fork and judge once for nothing: the memory that this touches is not the first program's. */
static void warm_up(void)
{
	struct ledger before;
	char why[400];
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	wait_within(pid, 1, &status);
	if (ledger_read(&before) && settled(&before, why, sizeof(why)))
		audit_is_clean(why, sizeof(why));
}

static void prepare(void)
{
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mkdir("/tmp", 01777);
	if (mount("proc", "/proc", "proc", 0, NULL) < 0 && errno != EBUSY)
		say("# cannot mount /proc: %s\n", strerror(errno));
	if (mount("sysfs", "/sys", "sysfs", 0, NULL) < 0 && errno != EBUSY)
		say("# cannot mount /sys: %s\n", strerror(errno));
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) < 0 && errno != EBUSY)
		say("# cannot mount /dev: %s\n", strerror(errno));
	if (mount("tmpfs", "/tmp", "tmpfs", 0, NULL) < 0)
		say("# cannot mount /tmp: %s\n", strerror(errno));
}

int main(int argc, char **argv)
{
	const char *limit = getenv("SECONDS");
	struct dirent **entries;

	prepare();
	warm_up();
	int count = scandir("/tests", &entries, NULL, alphasort);
	int chosen = 0;
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.' && is_chosen(entries[i]->d_name, argc, argv))
			entries[chosen++] = entries[i];
	}

	say("TAP version 13\n1..%d\n", chosen);
	for (int i = 0; i < chosen; i++)
		run_and_report(entries[i]->d_name, i + 1, limit ? atoi(limit) : 60);

	sync();
	reboot(RB_POWER_OFF);
	return 1;
}
