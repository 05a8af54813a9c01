/* SPDX-License-Identifier: MIT */
/*
 * tests/user/init/judge.h - what the first programs of test boots have in common: to run a program,
 * and to tell whether it left the machine as it was.
 *
 * That means: as many free frames, slab objects, spaces and objects as before (/proc/ledger), and
 * an audit of all page tables (/proc/audit) that finds nothing.
 */
#pragma once

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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
	SETTLE_TRIES = 4000,            /* exit finishes its work after the parent was told */
	SETTLE_TRIES_AGAIN = 400,       /* once that was in vain: then all of them may leak */
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

static inline void pause_ms(long ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

/* One line, in one write. */
__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...)
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
static inline bool read_text(const char *path, char *text, size_t size)
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

static inline bool ledger_read(struct ledger *ledger)
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

/* The lines that differ, as text; false when all are equal. */
static inline bool ledger_differs(const struct ledger *a, const struct ledger *b, char *text,
				  size_t size)
{
	size_t len = 0;

	for (int i = 0; i < a->count && i < b->count && len < size; i++) {
		if (a->line[i].value != b->line[i].value)
			len += snprintf(text + len, size - len, "%s%s %lld -> %lld",
				len ? ", " : "ledger: ", a->line[i].name, a->line[i].value,
				b->line[i].value);
	}
	return len > 0;
}

static inline void reap_orphans(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* Frames and pids come back a moment after a process was waited for. */
static inline bool settled(const struct ledger *before, char *why, size_t size)
{
	static int tries = SETTLE_TRIES;

	for (int i = 0; i < tries; i++) {
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
	tries = SETTLE_TRIES_AGAIN;
	return false;
}

static inline bool audit_is_clean(char *why, size_t size)
{
	char text[TEXT_MAX];

	if (!read_text("/proc/audit", text, sizeof(text)))
		strcpy(text, "cannot read /proc/audit");
	if (strcmp(text, "clean") == 0)
		return true;
	snprintf(why, size, "audit: %.160s", text);
	return false;
}

/* How many races there were since boot: the first line of /proc/races. */
static inline int races_seen(void)
{
	char text[TEXT_MAX];

	return read_text("/proc/races", text, sizeof(text)) ? atoi(text) : 0;
}

static inline bool no_race_since(int before, char *why, size_t size)
{
	int races = races_seen() - before;

	if (races != 0)
		snprintf(why, size, "races: %d new", races);
	return races == 0;
}

/* Remove what a directory holds.  On the stack alone: malloc takes another page now and then, and
 * that would be counted as the program's. */
static inline void empty_directory_at(int directory)
{
	_Alignas(struct dirent) char entries[1024];
	bool is_removing = true;

	while (is_removing) {
		is_removing = false;
		lseek(directory, 0, SEEK_SET);
		int len = getdents(directory, (struct dirent *)entries, sizeof(entries));
		for (int at = 0; at < len;) {
			const struct dirent *entry = (const struct dirent *)(entries + at);
			const char *name = entry->d_name;

			at += entry->d_reclen;
			if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
				continue;
			int inner = openat(directory, name,
				O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (inner >= 0) {
				empty_directory_at(inner);
				close(inner);
			}
			int flags = inner >= 0 ? AT_REMOVEDIR : 0;
			is_removing |= unlinkat(directory, name, flags) == 0;
		}
	}
}

static inline void empty_directory(const char *path)
{
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (directory >= 0) {
		empty_directory_at(directory);
		close(directory);
	}
}

/* In the child: a session of its own, the console, an empty directory to work in.  SAN=... on the
 * command line is told to programs that count what such a build cannot keep exact. */
static inline void become(const char *path)
{
	char *argv[] = {(char *)path, NULL}, *san = getenv("SAN") ? "SAN=1" : NULL;
	char *environment[] = {"PATH=/bin:/sbin", "HOME=/tmp", "TMPDIR=/tmp", san, NULL};

	setsid();
	if (chdir("/tmp") < 0)
		_exit(126);
	execve(path, argv, environment);
	_exit(127);
}

/* Wait for `pid`, which leads a session, at most `seconds`.  False: time is up, all are killed. */
static inline bool wait_within(pid_t pid, int seconds, int *status)
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

/* How much stack emptying /tmp takes depends on how deep it is: touch that before. */
static inline void touch_stack(void)
{
	volatile char deep[64 * 1024];

	for (size_t i = 0; i < sizeof(deep); i += 1024)
		deep[i] = 1;
}

/* Fork, exec and judge once for nothing: what memory this touches is not the first program's. */
static inline void warm_up(void)
{
	char *argv[] = {"/init", NULL}, *environment[] = {"WARM_UP=1", NULL};
	struct ledger before;
	char why[400];
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execve(argv[0], argv, environment);
		_exit(0);
	}
	wait_within(pid, 10, &status);
	touch_stack();
	empty_directory("/tmp");
	if (ledger_read(&before) && settled(&before, why, sizeof(why)))
		audit_is_clean(why, sizeof(why));
	no_race_since(0, why, sizeof(why));
}

static inline void prepare(void)
{
	if (getenv("WARM_UP"))
		_exit(0);               /* warm_up() began us */
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
