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
 * pids and open files as there were before (/proc/ledger), the audit of all page tables
 * (/proc/audit) finds nothing, and no CPUs have met at a variable (/proc/races, where it is looked
 * for).  Then the machine is switched off.
 *
 * Arguments: patterns that choose programs.  SECONDS=n in the environment: time for one program.
 */
#include "judge.h"

#include <fnmatch.h>

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
	int races = races_seen();

	bool passed = run(path, seconds, why, sizeof(why));
	empty_directory("/tmp");
	if (passed && !has_ledger) {
		snprintf(why, sizeof(why), "cannot read /proc/ledger");
		passed = false;
	}
	passed = passed && settled(&before, why, sizeof(why)) && audit_is_clean(why, sizeof(why))
		&& no_race_since(races, why, sizeof(why));

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
