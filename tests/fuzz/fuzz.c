/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz.c - the first program: rounds one after the other, and what must be true between.
 *
 *   fuzz rounds SEED FIRST COUNT [WORD]   rounds FIRST..FIRST+COUNT-1; WORD each: audit each
 *   fuzz play TIMES FILE...               lists from files, each so many times
 *   fuzz print SEED ROUND                 the list of a round, as text; on any machine
 *
 * After each round everything that it left is taken away, and the ledger must be what it was; the
 * audit comes after every AUDIT_CALLS calls.  Threads that sleep for long are woken by a signal;
 * when none gets on any more, the round is over.
 */
#include "tests/user/init/judge.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "tests/fuzz/fuzz.h"

enum {
	NUDGE_TICKS = 3, STUCK_TICKS = 25, DEATH_TICKS = 12000, AUDIT_CALLS = 10000,
	SETTINGS_MAX = 24, LIST_MAX = 1 << 18,
};

static struct round round_here;
static struct shared *shared;
static unsigned mounts_at_first;
static char why[TEXT_MAX];

static bool text_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool is_done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return is_done;
}

/* ---- what a round may change in the machine, and how that is taken back ---- */

static struct setting { const char *path; char value[128]; } settings[SETTINGS_MAX] = {
	{ "/proc/sys/vm/overcommit_kbytes", "" }, { "/proc/sys/vm/overcommit_ratio", "" },
	{ "/proc/sys/vm/overcommit_memory", "" }, { "/proc/sys/vm/max_map_count", "" },
	{ "/proc/sys/vm/admin_reserve_kbytes", "" }, { "/proc/sys/vm/user_reserve_kbytes", "" },
	{ "/proc/sys/vm/min_free_kbytes", "" }, { "/proc/sys/vm/nr_hugepages", "" },
	{ "/proc/sys/vm/nr_overcommit_hugepages", "" }, { "/proc/sys/kernel/pid_max", "" },
	{ "/proc/sys/kernel/randomize_va_space", "" },
};

static void settings_note(void)
{
	for (struct setting *s = settings; s->path; s++)
		read_text(s->path, s->value, sizeof(s->value));
}

static void settings_restore(void)
{
	char now[128];

	for (struct setting *s = settings; s->path; s++)
		if (read_text(s->path, now, sizeof(now)) && strcmp(now, s->value) != 0)
			text_write(s->path, s->value);
}

static void segments_remove(void)
{
	struct shmid_ds info;
	int highest = shmctl(0, SHM_INFO, &info);

	for (int place = 0; place <= highest; place++) {
		int id = shmctl(place, SHM_STAT, &info);
		if (id >= 0)
			shmctl(id, IPC_RMID, NULL);
	}
}

/* The lines of /proc/mounts, and where the last of them lies. */
static unsigned mounts_count(char *last)
{
	static char text[LIST_MAX];
	unsigned count = 0;
	char *rest = text;

	if (!read_text("/proc/mounts", text, sizeof(text)))
		return 0;
	for (char *line; (line = strsep(&rest, "\n")); count++)
		sscanf(line, "%*s %4095s", last);
	return count;
}

/* All that are new, the last one first: /proc/self/exe leads out of /round. */
static void mounts_remove(void)
{
	char last[4096] = "";

	for (int tries = 0; tries < 100 && mounts_count(last) > mounts_at_first; tries++)
		if (umount2(last, MNT_DETACH) != 0)
			umount2("/round", MNT_DETACH);
}

/* Everybody but us.  False: somebody does not die. */
static bool others_end(void)
{
	for (int tick = 0; tick < DEATH_TICKS; tick++) {
		kill(-1, SIGKILL);
		while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
			;
		if (kill(-1, 0) < 0 && errno == ESRCH && waitpid(-1, NULL, WNOHANG | __WALL) < 0)
			return true;
		pause_ms(TICK_MS);
	}
	snprintf(why, sizeof(why), "a process does not die");
	return false;
}

/* Ours, too, as they may have been changed from outside. */
static void own_restore(const struct termios *terminal)
{
	const struct rlimit limit = { 1024, 4096 }, none = { RLIM_INFINITY, RLIM_INFINITY };

	for (int resource = 0; resource < RLIM_NLIMITS; resource++)
		setrlimit(resource, resource == RLIMIT_NOFILE ? &limit : &none);
	setrlimit(RLIMIT_STACK, &(struct rlimit){ 8 << 20, RLIM_INFINITY });
	setpriority(PRIO_PROCESS, 0, 0);
	sched_setaffinity(0, sizeof(unsigned long), (void *)&(unsigned long){ -1ul });
	tcflow(STDOUT_FILENO, TCOON);
	tcsetattr(STDOUT_FILENO, TCSANOW, terminal);
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
}

/* ---- the root directory of a round ---- */

static void file_copy(const char *from, const char *to)
{
	static char bytes[LIST_MAX];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	ssize_t n;

	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		if (write(out, bytes, n) != n)
			break;
	close(in);
	close(out);
}

static void root_make(void)
{
	static const struct { const char *path; unsigned major, minor; } nodes[] = {
		{ "/round/dev/null", 1, 3 }, { "/round/dev/zero", 1, 5 },
		{ "/round/dev/full", 1, 7 }, { "/round/dev/urandom", 1, 9 },
		{ "/round/dev/tty", 5, 0 }, { "/round/dev/console", 5, 1 },
	};

	umask(0);
	mount("tmpfs", "/round", "tmpfs", 0, "mode=755");
	mkdir("/round/proc", 0755);
	mkdir("/round/sys", 0755);
	mkdir("/round/dev", 0755);
	mkdir("/round/tmp", 0777);
	mount("proc", "/round/proc", "proc", 0, NULL);
	mount("sysfs", "/round/sys", "sysfs", 0, NULL);
	for (unsigned i = 0; i < sizeof(nodes) / sizeof(*nodes); i++)
		mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor));
	symlink("/proc/self/fd", "/round/dev/fd");
	file_copy("/init", "/round/program");
}

/* ---- watching a round ---- */

/* Signals for threads that have stood still; their step for the next look. */
static bool nudge(pid_t pid, uint32_t *steps, unsigned *idle)
{
	bool all_stand = true;

	for (unsigned i = 0; i < round_here.threads; i++) {
		uint32_t step = shared->steps[i];

		idle[i] = step == steps[i] ? idle[i] + 1 : 0;
		steps[i] = step;
		if (idle[i] > 0 && idle[i] % NUDGE_TICKS == 0)
			syscall(SYS_tgkill, pid, shared->tids[i], SIGUSR1);
		all_stand = all_stand && idle[i] >= STUCK_TICKS;
	}
	return !all_stand;
}

static void watch(pid_t pid)
{
	uint32_t steps[THREADS_MAX] = { 0 };
	unsigned idle[THREADS_MAX] = { 0 };
	int status;

	for (;;) {
		pid_t gone = waitpid(pid, &status, WNOHANG | WUNTRACED | __WALL);
		if (gone != 0 || !nudge(pid, steps, idle))
			return;
		pause_ms(TICK_MS);
	}
}

static bool round_play(const struct termios *terminal)
{
	root_make();
	text_write("/proc/sys/vm/fork_share", round_here.fork_share);
	text_write("/sys/kernel/mm/transparent_hugepage/enabled", round_here.huge);
	shared->births = 0;
	memset(shared->tids, 0, sizeof(shared->tids));
	memset(shared->steps, 0, sizeof(shared->steps));

	pid_t pid = fork();
	if (pid == 0)
		round_run(&round_here);
	if (pid > 0)
		watch(pid);
	bool all_died = others_end();
	own_restore(terminal);
	settings_restore();
	segments_remove();
	mounts_remove();
	return all_died && pid > 0;
}

/* ---- what must be true ---- */

static uint64_t calls_made(void)
{
	uint64_t made = 0;

	for (unsigned i = 0; i < takes_count; i++)
		made += shared->made[i];
	return made;
}

static bool round_is_good(const struct termios *terminal, bool audits_each)
{
	static uint64_t audited_at;
	struct ledger before;
	int races = races_seen();

	if (!ledger_read(&before)) {
		strcpy(why, "cannot read /proc/ledger");
		return false;
	}
	if (!round_play(terminal) || !settled(&before, why, sizeof(why)) ||
	    !no_race_since(races, why, sizeof(why)))
		return false;
	if (!audits_each && calls_made() - audited_at < AUDIT_CALLS)
		return true;
	audited_at = calls_made();
	return audit_is_clean(why, sizeof(why));
}

/* ---- the whole ---- */

static void machine_prepare(struct termios *terminal)
{
	struct ledger before;

	mkdir("/round", 0755);
	prepare();
	tcgetattr(STDOUT_FILENO, terminal);
	settings_note();
	mounts_at_first = mounts_count((char[4096]){ 0 });
	shared = mmap((void *)SHARED_AT, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mlockall(MCL_CURRENT);          /* no page of ours comes later */
	/* Once for nothing: the memory that this touches is not the first round's. */
	round_here = (struct round){ .threads = 2, .fork_share = "root", .huge = "madvise" };
	round_play(terminal);
	audit_is_clean(why, sizeof(why));
	if (ledger_read(&before))
		settled(&before, why, sizeof(why));
}

static void names_print(const char *what, bool (*is_meant)(unsigned call))
{
	say("# %s:", what);
	for (unsigned i = 0; i < takes_count; i++)
		if (is_meant(i))
			say(" %s", takes[i].name);
	say("\n");
}

static bool was_not_made(unsigned call)
{
	return shared->made[call] == 0;
}

static bool never_succeeded(unsigned call)
{
	return shared->made[call] > 0 && shared->succeeded[call] == 0;
}

static void statistics_print(void)
{
	uint64_t succeeded = 0;

	for (unsigned i = 0; i < takes_count; i++)
		succeeded += shared->succeeded[i];
	names_print("not made", was_not_made);
	names_print("never succeeded", never_succeeded);
	say("# %lu calls, %lu succeeded\n", (unsigned long)calls_made(), (unsigned long)succeeded);
}

static uint64_t seed_of(uint64_t seed, uint64_t number)
{
	struct chance chance = { seed * 0x2545f4914f6cdd1dull + number };

	return chance_next(&chance);
}

/* Rounds from seeds.  The number of the bad one, or -1. */
static long rounds_run(const struct termios *terminal, char **argv, int argc)
{
	uint64_t seed = strtoull(argv[2], NULL, 0);
	long first = strtol(argv[3], NULL, 0), count = strtol(argv[4], NULL, 0);

	for (long number = first; number < first + count; number++) {
		say("# round %ld\n", number);
		round_choose(&round_here, seed_of(seed, number));
		if (!round_is_good(terminal, argc > 5))
			return number;
	}
	return -1;
}

static bool list_play(const struct termios *terminal, const char *path, long times)
{
	static char text[LIST_MAX];

	for (long number = 0; number < times; number++) {
		if (!read_text(path, text, sizeof(text)) || !round_parse(&round_here, text)) {
			snprintf(why, sizeof(why), "%s: not a list of calls", path);
			return false;
		}
		if (!round_is_good(terminal, true))
			return false;
	}
	return true;
}

/* Lists from files.  The number of the bad one, or -1. */
static long lists_play(const struct termios *terminal, char **argv, int argc)
{
	for (int i = 3; i < argc; i++) {
		say("# list %s\n", argv[i]);
		if (!list_play(terminal, argv[i], strtol(argv[2], NULL, 0)))
			return i - 3;
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct termios terminal;
	long bad;

	if (argc > 3 && strcmp(argv[1], "print") == 0) {
		uint64_t seed = strtoull(argv[2], NULL, 0);
		round_choose(&round_here, seed_of(seed, strtoull(argv[3], NULL, 0)));
		round_print(&round_here);
		return 0;
	}
	if (getpid() != 1 || argc < 4)
		return 1;
	machine_prepare(&terminal);
	if (strcmp(argv[1], "play") == 0)
		bad = lists_play(&terminal, argv, argc);
	else
		bad = rounds_run(&terminal, argv, argc);
	statistics_print();
	if (bad >= 0)
		say("not ok 1 - round_%ld # %s\n", bad, why);
	else
		say("ok 1 - rounds\n");
	reboot(RB_POWER_OFF);
	return 1;
}
