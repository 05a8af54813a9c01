/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/choose.c - the list of a round, from its seed.
 *
 * Owns:       the table of calls, and the words from which flags and commands are chosen.
 * Invariants: every call has a stream of chance of its own, so the n-th call of a list is the same
 *             whatever became of those before it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum number {
#define SYSCALL(number, name) NUMBER_##name = number,
#include "kernel/syscalls.def"
#undef SYSCALL
	NUMBER_load = LOAD_NUMBER, NUMBER_store = STORE_NUMBER,
};

const struct takes takes[] = {
#define TAKES(name_, trait_, ...) { #name_, NUMBER_##name_, trait_, { __VA_ARGS__ } },
#include "tests/fuzz/calls.def"
#undef TAKES
};
const unsigned takes_count = COUNT_OF(takes);

/* Each call of the kernel's table needs its line in ours: the lines define what is used here. */
enum line {
#define TAKES(name, ...) LINE_##name,
#include "tests/fuzz/calls.def"
#undef TAKES
	LINES
};
#define SYSCALL(number, name) _Static_assert(LINE_##name < LINES, #name);
#include "kernel/syscalls.def"
#undef SYSCALL
_Static_assert((unsigned)LINES <= (unsigned)STATISTICS_MAX, "each has a place in shared memory");

const char *const paths[] = {
	"a", "b", "c", "d", "dir", "dir/a", "dir/b", "dir/..", "link", "fifo", ".", "..", "", "/",
	"./a", "a/", "missing/x", "/tmp", "/dev/null", "/dev/zero", "/dev/full", "/dev/urandom",
	"/dev/tty", "/dev/console", "/dev/fd/3", "/proc", "/proc/self", "/proc/self/maps",
	"/proc/self/smaps", "/proc/self/mem", "/proc/self/pagemap", "/proc/self/status",
	"/proc/self/stat", "/proc/self/fd", "/proc/self/fd/5", "/proc/self/exe", "/proc/self/cwd",
	"/proc/self/root", "/proc/self/task", "/proc/self/comm", "/proc/self/oom_score_adj",
	"/proc/self/clear_refs", "/proc/self/environ", "/proc/self/cow", "/proc/1/maps",
	"/proc/1/mem", "/proc/meminfo", "/proc/stat", "/proc/vmstat", "/proc/cow", "/proc/mounts",
	"/proc/kpagecount", "/proc/sys/vm/fork_share", "/proc/sys/vm/overcommit_memory",
	"/proc/sys/vm/max_map_count", "/proc/sys/vm/nr_hugepages", "/proc/sys/kernel/pid_max",
	"/sys", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/devices/system/cpu/online",
	"program", "script", "/program", "broken",
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
	"890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
	"8901234567890123456789012345678901234567890123456789012345678901234567890123456789012345",
};
const unsigned paths_count = COUNT_OF(paths);

static const uint64_t interesting[] = {
	0, 1, 2, 3, 4, 7, 8, 16, 63, 64, 100, 127, 128, 255, 256, 511, 512, 1023, 4095, 4096, 4097,
	8192, 65535, 65536, 0x1fffff, 0x200000, 0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff,
	0x100000000, 0x7ffffffff000, 0x800000000000, 0x7fffffffffffffff, 0x8000000000000000,
	-4096ull, -2ull, -1ull,
};

static const uint64_t wild[] = {
	0, 1, 0x1000, 0xffff, 0x10000, 0x400000, 0x401000, 0x7fffffffe000, 0x7ffffffff000,
	0x7fffffffffff, 0x800000000000, 0x8000000000000000, 0xffff7fffffffffff,
	0xffff800000000000, 0xffff888000000000, 0xffffffff80000000, 0xffffffff80100000,
	0xfffffffffffff000, 0xffffffffffffffff,
};

/* ---- words ---- */

enum { WORDS_MAX = 24 };

struct words {
	uint8_t class;
	bool are_bits;                  /* some of them together; else one */
	uint8_t count;
	uint64_t word[WORDS_MAX];
};

#define WORDS(class, are_bits, ...) \
	{ class, are_bits, COUNT_OF(((uint64_t[]){ __VA_ARGS__ })), { __VA_ARGS__ } }
#define ONE_OF(class, ...) WORDS(class, false, __VA_ARGS__)
#define SOME_OF(class, ...) WORDS(class, true, __VA_ARGS__)

static const struct words words[] = {
	SOME_OF(OPEN_FLAGS, 0, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NONBLOCK,
		O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC, O_PATH, O_TMPFILE, O_RDWR | O_CREAT),
	ONE_OF(MODE, 0, 0400, 0600, 0644, 0700, 0755, 0777, 01777, 04755, 07777),
	ONE_OF(NODE_MODE, S_IFREG | 0644, S_IFIFO | 0644, S_IFCHR | 0666, S_IFBLK | 0600, S_IFDIR,
	       S_IFSOCK, S_IFLNK, 0644),
	ONE_OF(ACCESS_MODE, 0, 1, 2, 4, 7, 8),
	ONE_OF(WHENCE, 0, 0, 1, 2, 3, 4, 5),
	SOME_OF(AT_FLAGS, 0, 0, 0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000),
	SOME_OF(RENAME_FLAGS, 0, 0, 1, 2, 4),
	ONE_OF(PROT, 0, 1, 1, 3, 3, 3, 3, 5, 7, 2, 4, 0x01000003, 8),
	SOME_OF(MAP_FLAGS, 0x22, 0x22, 0x21, 0x02, 0x01, 0x32, 0x32, 0x31, 0x12, 0x11, 0x03, 0x8022,
		0x4022, 0x2022, 0x122, 0x20022, 0x100022, 0x10022, 0x40022),
	SOME_OF(REMAP_FLAGS, 0, 1, 1, 3, 3, 5, 7),
	SOME_OF(MSYNC_FLAGS, 1, 2, 4),
	ONE_OF(ADVICE, 0, 1, 2, 3, 4, 4, 4, 8, 9, 10, 11, 12, 13, 14, 14, 15, 16, 17, 18, 19, 20,
	       22, 23, 25),
	SOME_OF(MLOCKALL_FLAGS, 1, 2, 4),
	ONE_OF(SHM_KEY, 0, 0, 1, 2, 0x1234),
	ONE_OF(SHM_ID, 0, 1, 2, 3, 0x8000, 0x8001, 0x10000, 0x10001),
	SOME_OF(SHM_GET_FLAGS, 01000, 01600, 01777, 02000, 04000, 010000, 0),
	SOME_OF(SHM_AT_FLAGS, 0, 0, 010000, 020000, 040000, 0100000),
	ONE_OF(SHM_COMMAND, 0, 0, 1, 2, 3, 11, 12, 13, 14, 15),
	SOME_OF(MEMFD_FLAGS, 0, 1, 2, 3, 4, 8, 16),
	SOME_OF(CLONE_FLAGS, 17, 17, 0x100 | 17, 0x200, 0x400, 0x800, 0x1000, 0x4100 | 17, 0x8000,
		0x10f00, 0x10000, 0x20000, 0x40000, 0x80000, 0x100000, 0x200000, 0x400000,
		0x1000000, 0x10000000, 0x20000000, 0x80000000),
	ONE_OF(CLONE_SIZE, 64, 80, 88, 88, 88, 96, 4096, 8),
	SOME_OF(WAIT_FLAGS, 1, 1, 1, 2, 4, 8, 0x1000000, 0x20000000, 0x40000000, 0x80000000),
	ONE_OF(SIGNAL_HOW, 0, 1, 2, 3),
	ONE_OF(SIGSET_SIZE, 8, 8, 8, 8, 8, 16, 0, 128),
	ONE_OF(RESOURCE, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
	ONE_OF(WHO, 0, 1, -1ull, -2ull, 2),
	ONE_OF(IOCTL, 0x5401, 0x5402, 0x5403, 0x5404, 0x5407, 0x5408, 0x540b, 0x540e, 0x540f,
	       0x5410, 0x5413, 0x5414, 0x541b, 0x5421, 0x5422, 0x5429, 0x5450, 0x5451, 0x40049409,
	       0x4020940d, 0x80086601, 0x5420),
	ONE_OF(FCNTL, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 36, 37, 38, 1024, 1025, 1030, 1031,
	       1032, 1033, 1034),
	SOME_OF(LOCK_OPERATION, 1, 2, 4, 5, 6, 8),
	SOME_OF(FALLOCATE_MODE, 0, 0, 1, 2, 3, 8, 16, 32, 64),
	SOME_OF(CLOSE_RANGE_FLAGS, 0, 2, 4),
	SOME_OF(MOUNT_FLAGS, 0, 0, 1, 2, 4, 8, 32, 4096, 4096, 8192, 16384, 1 << 17, 1 << 18),
	SOME_OF(UNMOUNT_FLAGS, 0, 1, 2, 4, 8),
	ONE_OF(PRCTL, 1, 2, 3, 4, 7, 8, 15, 16, 22, 21, 23, 36, 37, 38, 39, 41, 42, 0x53564d41),
	ONE_OF(ARCH_PRCTL, 0x1001, 0x1002, 0x1003, 0x1004, 0x1011, 0x1012),
	ONE_OF(CLOCK, 0, 1, 2, 3, 4, 5, 6, 7, 8, 11, -6ull, -2ull, 12),
	SOME_OF(FUTEX_OPERATION, 0, 1, 3, 4, 5, 9, 10, 0x80, 0x81, 0x83, 0x84, 0x85, 0x89, 0x8a,
		0x100, 6, 7, 8, 11, 12, 13),
	ONE_OF(FUTEX_VALUE, 0, 0, 1, 2, 0x7fffffff, -1ull, 0x5a),
	ONE_OF(ROBUST_SIZE, 24, 24, 24, 0, 32),
	ONE_OF(SYSLOG, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
	/* Either the first number is wrong, or the command: the machine has to stay on. */
	ONE_OF(REBOOT_MAGIC, 0xfee1dead, 0x28121969, 0x5121996, 0, 1),
	ONE_OF(REBOOT_COMMAND, 0, 0x89abcdef, 0x12345678, -1ull),
	ONE_OF(MILLISECONDS, 0, 1, 2, 5, -1ull),
	ONE_OF(USER, 0, 1, 1000, 1000, 65534, -1ull, 0xffff),
};

static const struct words *words_of(enum class class)
{
	for (unsigned i = 0; i < COUNT_OF(words); i++)
		if (words[i].class == class)
			return &words[i];
	return NULL;
}

static uint64_t choose_words(struct chance *chance, const struct words *set)
{
	uint64_t value = set->word[chance_below(chance, set->count)];

	if (chance_one_in(chance, 40))
		return interesting[chance_below(chance, COUNT_OF(interesting))];
	if (!set->are_bits)
		return value;
	while (chance_one_in(chance, 3))
		value |= set->word[chance_below(chance, set->count)];
	if (chance_one_in(chance, 30))
		value ^= 1ull << chance_below(chance, 34);
	return value;
}

/* ---- numbers ---- */

static uint64_t choose_length(struct chance *chance)
{
	switch (chance_below(chance, 16)) {
	case 0:
		return interesting[chance_below(chance, COUNT_OF(interesting))];
	case 1:
		return 0x200000 * (1 + chance_below(chance, 4));
	case 2:
		return chance_below(chance, 0x10000);
	default:
		return 0x1000 * (1 + chance_below(chance, 12));
	}
}

static uint64_t choose_size(struct chance *chance)
{
	switch (chance_below(chance, 12)) {
	case 0:
		return interesting[chance_below(chance, COUNT_OF(interesting))];
	case 1:
		return 0x1000 * (1 + chance_below(chance, 32));
	default:
		return chance_below(chance, 512);
	}
}

static uint64_t choose_fd(struct chance *chance)
{
	if (chance_one_in(chance, 20))
		return interesting[chance_below(chance, COUNT_OF(interesting))];
	return 3 + chance_below(chance, chance_one_in(chance, 3) ? 40 : 14);
}

static uint64_t choose_address(struct chance *chance)
{
	uint64_t page = chance_below(chance, chance_one_in(chance, 4) ? ARENA_SIZE >> 12 : 40);

	switch (chance_below(chance, 16)) {
	case 0:
		return wild[chance_below(chance, COUNT_OF(wild))];
	case 1:
		return ARENA_AT + page * 0x1000 + chance_below(chance, 0x1000);
	case 2:
	case 3:
		return ARENA_AT + 0x200000 * chance_below(chance, ARENA_SIZE >> 21);
	default:
		return ARENA_AT + page * 0x1000;
	}
}

uint64_t choose_number(struct chance *chance, enum class class)
{
	const struct words *set = words_of(class);

	if (set)
		return choose_words(chance, set);
	switch (class) {
	case COUNT:
		return chance_one_in(chance, 12) ? choose_size(chance) : chance_below(chance, 6);
	case SIZE:
		return choose_size(chance);
	case OFFSET:
		return chance_one_in(chance, 3) ? choose_length(chance) : choose_size(chance);
	case FD:
		return choose_fd(chance);
	case DIRECTORY_FD:
		return chance_one_in(chance, 3) ? choose_fd(chance) : (uint64_t)AT_FDCWD;
	case ADDRESS:
		return choose_address(chance);
	case FUTEX_WORD:
		return ARENA_AT + 4 * chance_below(chance, 4) + 0x1000 * chance_below(chance, 3);
	case LENGTH:
		return choose_length(chance);
	case PAGES:
		return chance_one_in(chance, 3) ? 0 : 0x1000 * chance_below(chance, 20);
	case SIGNAL:
		return chance_one_in(chance, 4) ? chance_below(chance, 70)
						: 10 + chance_below(chance, 3);
	case FCNTL_ARGUMENT:
		return chance_one_in(chance, 2) ? choose_fd(chance) : chance_below(chance, 0x2000);
	case STACK:
		return chance_one_in(chance, 3) ? choose_address(chance) : 0;
	default:
		return chance_one_in(chance, 8) ? chance_next(chance)
			: interesting[chance_below(chance, COUNT_OF(interesting))];
	}
}

/* ---- arguments ---- */

static enum place choose_place(struct chance *chance)
{
	return chance_one_in(chance, 6) ? (enum place)chance_below(chance, PLACES) : GOOD;
}

static struct argument choose_argument(struct chance *chance, enum class class)
{
	struct argument argument = { .kind = AS_NUMBER, .class = class };

	if (class == NONE)
		return argument;
	if (class >= FIRST_STRUCTURE || ((class == PATH || class == FILE_SYSTEM) &&
					 chance_one_in(chance, 25))) {
		argument.kind = AS_STRUCTURE;
		argument.place = choose_place(chance);
		argument.value = chance_next(chance) & 0xffffff;
	} else if (class == PATH || class == FILE_SYSTEM) {
		argument.kind = AS_PATH;
		argument.value = chance_below(chance, chance_one_in(chance, 2) ? 12 : paths_count);
	} else if (class == FCNTL_ARGUMENT && chance_one_in(chance, 3)) {
		argument = (struct argument){ .kind = AS_STRUCTURE, .class = BUFFER };
	} else if ((class == PID || class == SHM_ID) && !chance_one_in(chance, 8)) {
		argument.kind = AS_RESULT;
		argument.slot = chance_below(chance, RESULT_SLOTS);
	} else if (class == BREAK || (class == ADDRESS && chance_one_in(chance, 4))) {
		argument.kind = AS_MAPPED;
		argument.slot = class == BREAK ? MAPPED_SLOTS - 1
					       : chance_below(chance, MAPPED_SLOTS);
		argument.value = 0x1000 * chance_below(chance, 20);
	} else {
		argument.value = choose_number(chance, class);
	}
	return argument;
}

/* Memory four times as often as the rest. */
static unsigned choose_what(struct chance *chance)
{
	for (;;) {
		unsigned what = chance_below(chance, takes_count);

		if (takes[what].trait == OFTEN || chance_one_in(chance, 4))
			return what;
	}
}

static bool leaves_the_machine_on(const struct call *call)
{
	return takes[call->what].number != NUMBER_reboot || call->arguments[2].value == 0 ||
	       call->arguments[0].value != 0xfee1dead;
}

static struct call choose_call(struct chance *chance, unsigned thread, bool is_privileged)
{
	struct call call;

	do {
		call = (struct call){ .what = choose_what(chance), .thread = thread };
		for (unsigned i = 0; i < ARGUMENTS; i++)
			call.arguments[i] = choose_argument(chance, takes[call.what].classes[i]);
	} while (is_privileged && !leaves_the_machine_on(&call));
	call.in_child = takes[call.what].trait == CHILD && !chance_one_in(chance, 40);
	return call;
}

void round_choose(struct round *round, uint64_t seed)
{
	static const char *const shares[] = { "none", "page", "table", "dir", "root" };
	static const char *const modes[] = { "madvise", "always", "never" };
	struct chance chance = { seed };

	round->seed = seed;
	round->threads = chance_one_in(&chance, 3) ? 1 : 2 + chance_below(&chance, THREADS_MAX - 1);
	round->user = chance_one_in(&chance, 2) ? 0 : 1000;
	round->fork_share = shares[chance_below(&chance, COUNT_OF(shares))];
	round->huge = modes[chance_below(&chance, COUNT_OF(modes))];
	round->count = CALLS_MAX;
	for (unsigned i = 0; i < round->count; i++) {
		struct chance own = { seed ^ (uint64_t)(i + 1) << 32 };

		round->calls[i] = choose_call(&own, i % round->threads, round->user == 0);
	}
}
