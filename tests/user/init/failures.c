/* SPDX-License-Identifier: MIT */
/*
 * tests/user/init/failures.c - the first program of a boot in which requests fail.
 *
 * For each test of each program in /tests: how many requests (for memory, for copies to and from
 * the program) does it make?  Then it runs again, and the first one fails; again, and the second
 * does, and so on.  The test may fail then.  But all of it must be gone afterwards when it is
 * killed, no frame and no object may be missing, and the audit must find nothing.
 *
 *   test cow_basic.child_sees 812 turns, 64 sites
 *   run cow_basic.child_sees 17:0:0
 *   not ok cow_basic.child_sees 17:0:0 - ledger: free_frames 983 -> 982; asked by ffffffff8010abcd
 *   end cow_basic.child_sees 3 hung
 *   faults: (lines of /proc/faults)
 *
 * A turn is a request; by 17:0:0 the 17th of all fails, by 1:2:ffffffff8010abcd the first and the
 * second from that site.  First each site's first request in the test fails, for turns may come to
 * mean others when caches are fuller; then each turn.  LIMIT=n: only n turns, spread evenly.
 * DOUBLES=n: then n times two of them, chosen from SEED.  FROM=program.test:n:m:site goes on behind
 * that run, after a panic.  ONLY= the same is one run, and all that it prints.
 * Arguments: patterns that choose tests.
 */
#include "judge.h"

#include <ftw.h>
#include <fnmatch.h>
#include <stdint.h>
#include <sys/shm.h>

enum { TESTS_MAX = 256, SITES_MAX = 2048, SETTINGS_MAX = 96, GONE_TRIES = 400, SHM_IDS = 4096 };

struct test {
	const char *program;
	char name[96];
	uint64_t turns;                 /* requests in a run without failures */
	int ms;                         /* which took so long */
	int site_count;
	uint64_t sites[SITES_MAX];
};

/* Which requests fail: the first-th and the second-th, of one site or of all. */
struct plan {
	unsigned long first, second, site;
};

/* What a program may have changed for all, and a file says. */
struct setting {
	char path[160], value[160];
};

static struct setting settings[SETTINGS_MAX];
static int setting_count, mount_count;
static uint64_t limit = UINT64_MAX, random_state = 1;
static int doubles;
static bool is_heard;

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 10) : otherwise;
}

/* ---- the machine as it was ------------------------------------------------------------------ */

/* Where one of several is marked by brackets, that one. */
static bool setting_read(const char *path, char *value, size_t size)
{
	if (!read_text(path, value, size))
		return false;
	char *open = strchr(value, '['), *close = strchr(value, ']');
	if (open && close) {
		*close = '\0';
		memmove(value, open + 1, (size_t)(close - open));
	}
	return true;
}

static int setting_note(const char *path, const struct stat *status, int kind, struct FTW *at)
{
	struct setting *setting = &settings[setting_count];

	(void)at;
	if (kind != FTW_F || (status->st_mode & 0222) == 0 || setting_count == SETTINGS_MAX)
		return 0;
	snprintf(setting->path, sizeof(setting->path), "%s", path);
	setting_count += setting_read(path, setting->value, sizeof(setting->value));
	return 0;
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		say("# cannot write %s to %s: %s\n", text, path, strerror(errno));
	close(fd);
}

static void setting_restore(const struct setting *setting)
{
	char now[sizeof(setting->value)];

	if (!setting_read(setting->path, now, sizeof(now)) || strcmp(now, setting->value) != 0)
		write_text(setting->path, setting->value);
}

/* Twice: one setting may move another. */
static void settings_restore(void)
{
	for (int i = 0; i < 2 * setting_count; i++)
		setting_restore(&settings[i % setting_count]);
}

/* Where the last of those mounts is that are too many; how many there are. */
static int last_mount(char *where, size_t size)
{
	char line[512], place[256];
	int count = 0;
	FILE *file = fopen("/proc/mounts", "re");

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*s %255s", place) == 1 && ++count)
			snprintf(where, size, "%s", place);
	}
	if (file)
		fclose(file);
	return count;
}

/* Files, mounts and System V memory outlive their maker. */
static void leavings_remove(void)
{
	char where[256];
	struct shmid_ds status;

	while (last_mount(where, sizeof(where)) > mount_count && umount2(where, MNT_DETACH) == 0)
		;
	empty_directory("/tmp");
	empty_directory("/dev/shm");
	int highest = shmctl(0, SHM_INFO, &status);
	for (int i = 0; i <= highest && i < SHM_IDS; i++) {
		int id = shmctl(i, SHM_STAT, &status);
		if (id >= 0)
			shmctl(id, IPC_RMID, NULL);
	}
	settings_restore();
	write_text("/proc/trace", "off");
	write_text("/proc/trace", "clear");
	write_text("/proc/trace_hist", "off");
	write_text("/proc/trace_hist", "clear");
}

/* By a child: the memory it takes to do so goes with it. */
static void leavings_remove_apart(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		leavings_remove();
		_exit(0);
	}
	wait_within(pid, 10, &status);
}

/* False: somebody cannot be killed. */
static bool everybody_gone(void)
{
	for (int i = 0; i < GONE_TRIES; i++) {
		kill(-1, SIGKILL);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			return true;
		pause_ms(TICK_MS);
	}
	return false;
}

/* ---- one run -------------------------------------------------------------------------------- */

static bool plan_begin(const struct plan *plan)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "%lu %lu %#lx", plan->first, plan->second,
		plan->site);
	int fd = open("/proc/faults", O_WRONLY | O_CLOEXEC);
	bool has_begun = fd >= 0 && write(fd, text, (size_t)len) == len;

	close(fd);
	return has_begun;
}

/* In the child: become a test, whose output goes to `path`; NULL: all tests of the program. */
static void play(const char *program, const char *test, const char *output)
{
	char path[300];
	char *argv[] = {path, (char *)test, NULL};
	char *environment[] = {"PATH=/bin:/sbin", "HOME=/tmp", "TMPDIR=/tmp", NULL};
	int fd = open(output, O_WRONLY | O_CREAT, 0600);

	snprintf(path, sizeof(path), "/tests/%s", program);
	setsid();
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0
		|| close(fd) < 0 || chdir("/tmp") < 0)
		_exit(126);
	execve(path, argv, environment);
	_exit(127);
}

/* All that the kernel says about a plan.  For the next call. */
static const char *faults_read(void)
{
	static char text[SITES_MAX * 64];

	return read_text("/proc/faults", text, sizeof(text)) ? text : "";
}

/* False: it took more than its time. */
static bool run_planned(const struct test *test, const struct plan *plan)
{
	int status;
	pid_t pid = fork();

	if (pid == 0 && plan_begin(plan))
		play(test->program, test->name, is_heard ? "/dev/console" : "/dev/null");
	if (pid == 0)
		_exit(125);
	return wait_within(pid, 2 + 3 * test->ms / 1000, &status);
}

/* After a run: is the machine as it was? */
static bool is_as_before(const struct ledger *before, char *why, size_t size)
{
	bool is_gone = everybody_gone();

	snprintf(why, size, "somebody cannot be killed");
	leavings_remove_apart();
	return is_gone && settled(before, why, size) && audit_is_clean(why, size);
}

static void judge(const struct test *test, const struct plan *plan, const struct ledger *before)
{
	char why[400];

	if (is_as_before(before, why, sizeof(why)))
		return;
	const char *by = strstr(faults_read(), "by ");
	say("not ok %s.%s %lu:%lu:%lx - %s; asked %.*s\n", test->program, test->name, plan->first,
		plan->second, plan->site, why, by ? (int)strcspn(by, "\n") : 0, by ? by : "");
}

/* True: it took more than its time. */
static bool fail(const struct test *test, const struct plan *plan)
{
	struct ledger before;

	say("run %s.%s %lu:%lu:%lx\n", test->program, test->name, plan->first, plan->second,
		plan->site);
	ledger_read(&before);
	bool is_hung = !run_planned(test, plan);
	if (is_hung)
		say("# took more than its time\n");
	judge(test, plan, &before);
	return is_hung;
}

/* ---- one test ------------------------------------------------------------------------------- */

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sites_note(struct test *test)
{
	const char *line = faults_read();

	test->turns = test->site_count = 0;
	sscanf(line, "asked %lu", &test->turns);
	for (; line; line = strchr(line, '\n')) {
		uint64_t site, first;

		line += *line == '\n';
		if (sscanf(line, "%lx %*s %*u %*u %lu", &site, &first) == 2 && first != 0
			&& test->site_count < SITES_MAX)
			test->sites[test->site_count++] = site;
	}
}

/* A run in which nothing fails, for what comes only the first time, and one to count. */
static void test_count(struct test *test)
{
	struct plan none = {0, 0, 0};
	struct ledger before;
	char why[400];

	test->ms = 60 * 1000;
	ledger_read(&before);
	run_planned(test, &none);
	is_as_before(&before, why, sizeof(why));
	ledger_read(&before);
	long start = now_ms();
	run_planned(test, &none);
	test->ms = (int)(now_ms() - start);
	sites_note(test);
	judge(test, &none, &before);
}

static uint64_t random_below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

/* The i-th of a test's runs: its sites, its turns, its pairs.  Of a pair, the second comes soon
 * after the first: what undoes the first meets it.  False: there are no more. */
static bool plan_make(const struct test *test, uint64_t i, struct plan *plan)
{
	uint64_t step = limit ? (test->turns + limit - 1) / limit : 0;
	uint64_t turns = step ? test->turns / step : 0, sites = (uint64_t)test->site_count;

	*plan = (struct plan){1, 0, 0};
	if (i < sites)
		plan->site = test->sites[i];
	else if (i < sites + turns)
		plan->first = (i - sites + 1) * step;
	else if (test->turns == 0 || i >= sites + turns + (uint64_t)doubles)
		return false;
	else
		plan->first = 1 + random_below(test->turns);
	if (i >= sites + turns)
		plan->second = plan->first + 1 + random_below(16);
	return true;
}

static bool is_same(const struct plan *a, const struct plan *b)
{
	return a->first == b->first && a->second == b->second && a->site == b->site;
}

/* `behind`: the last run that is not to be made again; NULL: none. */
static void fail_all(struct test *test, const struct plan *behind)
{
	struct plan plan;
	int hung = 0;

	test_count(test);
	say("test %s.%s %lu turns, %d sites\n", test->program, test->name, test->turns,
		test->site_count);
	for (uint64_t i = 0; plan_make(test, i, &plan); i++) {
		if (!behind)
			hung += fail(test, &plan);
		else if (is_same(&plan, behind))
			behind = NULL;
	}
	say("end %s.%s %d hung\n", test->program, test->name, hung);
}

/* ---- all of them ---------------------------------------------------------------------------- */

/* The tests of a program that pass when nothing fails: it says so itself. */
static int tests_find(const char *program, struct test *tests)
{
	char line[200];
	int count = 0, status;
	pid_t pid = fork();

	if (pid == 0)
		play(program, NULL, "/names");
	wait_within(pid, 120, &status);
	everybody_gone();
	FILE *file = fopen("/names", "re");
	while (file && fgets(line, sizeof(line), file) && count < TESTS_MAX) {
		tests[count] = (struct test){.program = program};
		if (sscanf(line, "ok - %95s", tests[count].name) == 1 && !strstr(line, "# SKIP"))
			count++;
	}
	if (file)
		fclose(file);
	unlink("/names");
	leavings_remove_apart();
	return count;
}

static bool is_chosen(const char *program, const char *test, int argc, char **argv)
{
	char name[400];

	snprintf(name, sizeof(name), "%s.%s", program, test);
	for (int i = 1; i < argc; i++) {
		if (fnmatch(argv[i], name, 0) == 0 || fnmatch(argv[i], program, 0) == 0)
			return true;
	}
	return argc <= 1;
}

/* ONLY and FROM: a test and its plan.  -1: nothing was said; 0: another test is meant. */
static int plan_asked_for(const char *word, const struct test *test, struct plan *plan)
{
	char name[400], wanted[400] = "";
	const char *value = getenv(word);

	*plan = (struct plan){0, 0, 0};
	if (!value || sscanf(value, "%399[^:]:%lu:%lu:%lx", wanted, &plan->first, &plan->second,
			&plan->site) < 2)
		return -1;
	snprintf(name, sizeof(name), "%s.%s", test->program, test->name);
	return strcmp(name, wanted) == 0;
}

static void fail_program(const char *program, int argc, char **argv)
{
	static struct test tests[TESTS_MAX];
	static bool has_come;                   /* to where FROM says */
	struct plan from, only;
	int count = tests_find(program, tests);

	for (int i = 0; i < count; i++) {
		int is_from = plan_asked_for("FROM", &tests[i], &from);
		int is_only = plan_asked_for("ONLY", &tests[i], &only);

		has_come |= is_from != 0;
		if (!has_come || is_only == 0 || !is_chosen(program, tests[i].name, argc, argv))
			continue;
		if (is_only == 1) {
			test_count(&tests[i]);
			is_heard = true;
			fail(&tests[i], &only);
		} else {
			fail_all(&tests[i], is_from == 1 ? &from : NULL);
		}
	}
}

static void tell_faults(void)
{
	char *text = (char *)faults_read();

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		say("faults: %s\n", line);
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	char where[256];

	prepare();
	limit = number_of("LIMIT", UINT64_MAX);
	doubles = (int)number_of("DOUBLES", 0);
	random_state = number_of("SEED", 1) * 2 + 1;
	mount_count = last_mount(where, sizeof(where));
	nftw("/proc/sys", setting_note, 8, FTW_PHYS);
	nftw("/sys", setting_note, 8, FTW_PHYS);
	warm_up();

	int count = scandir("/tests", &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.')
			fail_program(entries[i]->d_name, argc, argv);
	}
	tell_faults();
	say("all done\n");
	reboot(RB_POWER_OFF);
	return 1;
}
