/* SPDX-License-Identifier: MIT */
/*
 * tests/torture/soak.c - the first program of a soak: minutes of mixed load, each with its
 * reckoning.
 *
 *   MINUTES=5 SEED=1 in the environment
 *
 * In each minute loads run side by side: storms, somebody who wants all memory, pipelines of the
 * shell, signals in a queue, files.  Each checks what it does.  Then all is quiet; memory must be
 * back and the audit clean:
 *
 *   beat 12                                     each second: somebody is alive
 *   minute 3 free 47763 storms 41 hog 5 shell 60 queue 212 files 333
 *   ok
 */
#include "judge.h"

#include <stdint.h>
#include <sys/mman.h>

#include "storm.h"

enum {
	PAGE = 4096,
	MINUTE_SECONDS = 60,
	STORM_STEPS = 30,
	STORM_FORKS = 12,
	QUEUED = 40,
	FILE_PAGES = 200,
};

/* One round of a load.  False: something was wrong, and it has said what. */
struct load {
	const char *name;
	bool (*run)(uint64_t round);
};

static _Atomic uint64_t *rounds;        /* by load, shared */
static uint64_t first_seed;
static time_t until;

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static bool complain(const char *load, const char *what)
{
	say("# %s: %s: %s\n", load, what, strerror(errno));
	return false;
}

/* ---- loads ---------------------------------------------------------------------------------- */

static bool storms(uint64_t round)
{
	char why[400];
	struct storm storm = {
		.seed = first_seed + round, .steps = STORM_STEPS, .forks = STORM_FORKS,
		.is_huge = round % 4 == 3, .is_poor = true,
	};

	if (storm_run(&storm, why, sizeof(why)))
		return true;
	say("# storm %lu: %s\n", (unsigned long)storm.seed, why);
	return false;
}

/* Takes memory until there is no more.  The kernel ends it, and nobody else. */
static void take_all(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);

	if (fd < 0 || write(fd, "1000", 4) != 4)
		_exit(1);
	for (;;) {
		char *more = mmap(NULL, PAGE << 8, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (size_t i = 0; more != MAP_FAILED && i < PAGE << 8; i += PAGE)
			more[i] = 1;
	}
}

static bool hog(uint64_t round)
{
	int status;
	pid_t pid = fork();

	(void)round;
	if (pid == 0)
		take_all();
	if (pid < 0)
		return errno == ENOMEM || complain("hog", "fork");
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	say("# hog: ended with %#x\n", status);
	return false;
}

/* What a command prints, a line at most. */
static bool shell_says(const char *command, char *line, size_t size)
{
	int ends[2], status = -1;

	if (pipe(ends) < 0)
		return complain("shell", "pipe");
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execl("/bin/busybox", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(ends[1]);
	ssize_t len = pid < 0 ? 0 : read(ends[0], line, size - 1);
	close(ends[0]);
	line[len < 0 ? 0 : len] = '\0';
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* Without memory it says nothing; it never says anything else. */
static bool shell(uint64_t round)
{
	char line[100] = "";

	(void)round;
	(void)!shell_says("seq 3000 | sort -n | tail -n 1", line, sizeof(line));
	if (strcmp(line, "3000\n") == 0 || line[0] == '\0')
		return true;
	say("# shell: printed '%s'\n", line);
	return false;
}

/* Signals in a queue: none is lost, none overtakes. */
static void send_all(pid_t to)
{
	for (int i = 0; i < QUEUED; i++)
		sigqueue(to, SIGRTMIN, (union sigval){.sival_int = i});
	_exit(0);
}

static bool queue(uint64_t round)
{
	sigset_t set;
	siginfo_t info;
	pid_t self = getpid(), pid;

	(void)round;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pid = fork();
	if (pid == 0)
		send_all(self);
	for (int i = 0; pid > 0 && i < QUEUED; i++) {
		struct timespec limit = {.tv_sec = 60};
		if (sigtimedwait(&set, &info, &limit) < 0 || info.si_value.sival_int != i)
			return complain("queue", "a signal is lost, or another came first");
	}
	return pid < 0 || waitpid(pid, NULL, 0) == pid;
}

/* A file that is written, cut and mapped holds what it should. */
static bool files(uint64_t round)
{
	static uint64_t page[PAGE / sizeof(uint64_t)];
	int fd = open("/tmp/soak", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool is_good = fd >= 0;
	size_t size = FILE_PAGES * PAGE;

	for (uint64_t i = 0; is_good && i < FILE_PAGES; i++) {
		page[0] = round << 32 | i;
		is_good = write(fd, page, PAGE) == PAGE;
	}
	is_good = is_good && ftruncate(fd, size / 2) == 0 && ftruncate(fd, size) == 0;
	uint64_t *seen = is_good ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
	for (uint64_t i = 0; seen != MAP_FAILED && i < FILE_PAGES; i++)
		is_good &= seen[i * PAGE / sizeof(*seen)]
			== (i < FILE_PAGES / 2 ? round << 32 | i : 0);
	if (seen != MAP_FAILED)
		munmap(seen, size);
	close(fd);
	unlink("/tmp/soak");
	return is_good || errno == ENOSPC || complain("files", "wrong contents");
}

static const struct load loads[] = {
	{"storms", storms}, {"hog", hog}, {"shell", shell}, {"queue", queue}, {"files", files},
};

enum { LOADS = sizeof(loads) / sizeof(loads[0]) };

/* ---- minutes -------------------------------------------------------------------------------- */

static void load_run(unsigned which)
{
	do {
		if (!loads[which].run(rounds[which]))
			_exit(1);
		rounds[which]++;
	} while (now() < until);
	_exit(0);
}

/* All loads at once, for so long.  Their orphans come to us. */
static bool all_run(int seconds)
{
	bool is_good = true;
	int status;
	pid_t pid;

	until = now() + seconds;
	for (unsigned i = 0; i < LOADS; i++) {
		pid = fork();
		if (pid == 0)
			load_run(i);
		is_good &= pid > 0;
	}
	for (time_t last = 0; (pid = waitpid(-1, &status, WNOHANG)) >= 0;) {
		is_good &= pid == 0 || storm_end_is_good(status);
		if (pid == 0)
			pause_ms(TICK_MS);
		if (now() != last)
			say("beat %ld\n", (long)(last = now()));
	}
	return is_good;
}

static long long free_frames(void)
{
	struct ledger ledger;

	ledger_read(&ledger);
	for (int i = 0; i < ledger.count; i++) {
		if (strcmp(ledger.line[i].name, "free_frames") == 0)
			return ledger.line[i].value;
	}
	return -1;
}

static void report(unsigned minute)
{
	char text[300];
	int len = snprintf(text, sizeof(text), "minute %u free %lld", minute, free_frames());

	for (unsigned i = 0; i < LOADS; i++)
		len += snprintf(text + len, sizeof(text) - len, " %s %lu", loads[i].name,
			(unsigned long)rounds[i]);
	say("%s\n", text);
}

static unsigned number(const char *name, unsigned otherwise)
{
	return getenv(name) ? strtoul(getenv(name), NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
	struct ledger before;
	char why[400] = "a load has failed";

	if (argc > 1 && strcmp(argv[1], STORM_EXEC_WORD) == 0)
		return 0;
	prepare();
	storms_prepare();
	rounds = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset((void *)rounds, 0, PAGE);
	first_seed = number("SEED", 1);

	bool is_good = all_run(1);              /* what this touches is not the first minute's */
	empty_directory("/tmp");
	warm_up();
	is_good = is_good && ledger_read(&before);
	for (unsigned minute = 1; is_good && minute <= number("MINUTES", 1); minute++) {
		is_good = all_run(number("MINUTE_SECONDS", MINUTE_SECONDS))
			&& settled(&before, why, sizeof(why)) && audit_is_clean(why, sizeof(why));
		report(minute);
	}
	say(is_good ? "ok\n" : "not ok: %s\n", why);
	reboot(RB_POWER_OFF);
	return 1;
}
