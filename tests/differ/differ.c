/* SPDX-License-Identifier: MIT */
/*
 * tests/differ/differ.c - which programs; the conductor and the actors.
 *
 *   differ seeds FIRST COUNT    programs from seeds
 *   differ file PATH            programs from a text
 *   differ print SEED           the text of one
 *
 * "== name" stands before what each program says.  Started as the first program, it prepares the
 * machine and switches it off at the end.
 *
 * The conductor is the parent of all actors (CLONE_PARENT), so it knows when one has wholly gone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/differ/differ.h"

enum { TEXT_MAX = 1 << 20, SAID_MAX = 8192, SECONDS_MAX = 60 };

#ifndef PR_SET_THP_DISABLE
#define PR_SET_THP_DISABLE 41
#endif

/* Which line comes next, to each actor; that it is done, back. */
static int orders[ACTORS_MAX][2], reports[2];
static pid_t actors[ACTORS_MAX];
static unsigned actors_made;
static struct program program;

void say(const char *format, ...)
{
	char text[SAID_MAX];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (int done = 0; done < len;) {
		ssize_t n = write(STDOUT_FILENO, text + done, len - done);
		if (n <= 0)
			return;
		done += n;
	}
}

/* ---- actors ---- */

/* To the conductor: done, and the number of a process that it made. */
static void report(pid_t born)
{
	if (write(reports[1], &born, sizeof(born)) != sizeof(born))
		_exit(1);
}

static void actor_run(unsigned me);

static void actor_fork(unsigned next)
{
	pid_t pid = next < ACTORS_MAX ? syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) : 0;

	if (next == ACTORS_MAX) {
		say("too many\n");
	} else if (pid == 0) {
		operate_forked();
		actor_run(next);
	} else if (pid < 0) {
		say("%s\n", error_name(errno));
		pid = 0;
	} else {
		operate_forked();
		say("ok\n");
	}
	report(pid);
}

/* Orders are the number of a line, and how many actors there are. */
static void actor_run(unsigned me)
{
	unsigned order[2];

	while (read(orders[me][0], order, sizeof(order)) == sizeof(order)) {
		const struct line *line = &program.lines[order[0]];

		if (line->what == DO_exit) {
			say("gone\n");
			_exit(line->c);
		}
		if (line->what == DO_fork) {
			actor_fork(order[1]);
			continue;
		}
		operate(line);
		report(0);
	}
	_exit(0);
}

/* ---- the conductor ---- */

static void actor_bury(unsigned actor)
{
	int status;

	waitpid(actors[actor], &status, 0);
	actors[actor] = 0;
	if (WIFSIGNALED(status))
		say("    killed by signal %d\n", WTERMSIG(status));
	else
		say("    exit status %d\n", WEXITSTATUS(status));
}

/* False: it has ended instead of answering. */
static bool hear(unsigned actor, pid_t *born)
{
	for (;;) {
		siginfo_t info = { 0 };

		if (read(reports[0], born, sizeof(*born)) == sizeof(*born))
			return true;
		waitid(P_PID, actors[actor], &info, WEXITED | WNOWAIT | WNOHANG);
		if (info.si_pid != 0)
			return read(reports[0], born, sizeof(*born)) == sizeof(*born);
		sched_yield();
	}
}

static void line_run(unsigned number)
{
	const struct line *line = &program.lines[number];
	unsigned order[2] = { number, actors_made };
	pid_t born = 0;

	say("%u %u %s %u %u %u %u: ", number, line->actor, line_name(line), line->a, line->b,
	    line->c, line->d);
	if (line->actor >= actors_made || actors[line->actor] == 0) {
		say("nobody\n");
		return;
	}
	if (write(orders[line->actor][1], order, sizeof(order)) != sizeof(order) ||
	    !hear(line->actor, &born))
		actor_bury(line->actor);
	else if (born > 0)
		actors[actors_made++] = born;
}

/* At the end all look at all they have.  Actors know the lines from their birth on. */
static void last_look_add(void)
{
	static const uint8_t what[] = { DO_smaps, DO_look, DO_smaps, DO_exit };

	for (unsigned i = 0; i < ACTORS_MAX * sizeof(what) && program.count < LINES_MAX; i++)
		program.lines[program.count++] = (struct line){ .actor = i / sizeof(what),
								.what = what[i % sizeof(what)] };
}

static void conduct(void)
{
	operate_start();
	last_look_add();
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	for (unsigned i = 0; i < ACTORS_MAX; i++)
		if (pipe(orders[i]) != 0)
			say("no pipes\n");
	if (pipe2(reports, O_NONBLOCK) != 0)
		say("no pipes\n");
	actors[0] = fork();
	if (actors[0] == 0)
		actor_run(0);
	actors_made = 1;
	for (unsigned i = 0; i < program.count; i++)
		line_run(i);
}

/* ---- programs ---- */

static void program_run(const char *name)
{
	int status;

	say("== %s\n", name);
	pid_t pid = fork();
	if (pid == 0) {
		alarm(SECONDS_MAX);
		conduct();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (status != 0)
		say("the conductor ended with %#x\n", status);
}

static void seeds_run(uint64_t first, uint64_t count)
{
	char name[32];

	for (uint64_t seed = first; seed < first + count; seed++) {
		snprintf(name, sizeof(name), "%lu", (unsigned long)seed);
		compose(&program, seed);
		program_run(name);
	}
}

static void file_run(const char *path)
{
	static char text[TEXT_MAX];
	int fd = open(path, O_RDONLY);
	size_t len = 0;
	char *rest = text;

	for (ssize_t n; fd >= 0 && (n = read(fd, text + len, TEXT_MAX - 1 - len)) > 0;)
		len += n;
	close(fd);
	text[len] = '\0';
	for (char *name; (name = program_parse(&program, &rest));)
		program_run(name);
}

static void prepare(void)
{
	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "print") == 0) {
		compose(&program, strtoull(argv[2], NULL, 0));
		program_print(&program);
		return 0;
	}
	if (getpid() == 1)
		prepare();
	if (argc == 4 && strcmp(argv[1], "seeds") == 0)
		seeds_run(strtoull(argv[2], NULL, 0), strtoull(argv[3], NULL, 0));
	else if (argc == 3 && strcmp(argv[1], "file") == 0)
		file_run(argv[2]);
	say("== end\n");
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	return 0;
}
