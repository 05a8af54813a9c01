/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz.h - random system calls, as lists that can be printed, cut down and played again.
 *
 * A round is a process of up to four threads, each with a list of calls.  The lists are a function
 * of the seed; a call is made of symbols, not addresses, so it has a text:
 *
 *     setup threads=2 user=1000 fork_share=page huge=always
 *     0 mmap(0x20004000, 0x3000, 0x3, 0x22, 0xffffffffffffffff, 0x0)
 *     1 & read(0x5, BUFFER:0x1f@end, 0x40)
 *
 * The number in front is the thread; & stands for "in a child".  MAPPED2+0x1000 is an address that
 * an earlier call mapped at, RESULT1 a process or segment that one made, CLASS:seed a structure
 * with bytes made from the seed, @where the bad place it lies at.
 *
 *   fuzz.c    the first program: rounds one after the other, and what must be true between them
 *   round.c   one round: its root directory, its threads, their children
 *   choose.c  the list of a round, from its seed
 *   place.c   from symbols to registers and memory
 *   text.c    lists as text, and back
 *   door.S    the system call itself
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EACH_CLASS(X) \
	X(NONE) X(NUMBER) X(COUNT) X(SIZE) X(OFFSET) X(FD) X(DIRECTORY_FD) X(PATH) X(FILE_SYSTEM) \
	X(ADDRESS) X(LENGTH) X(PAGES) X(BREAK) X(STACK) X(PID) X(SIGNAL) X(USER) X(MILLISECONDS) \
	/* one word of a set, or some of its bits */ \
	X(OPEN_FLAGS) X(MODE) X(NODE_MODE) X(ACCESS_MODE) X(WHENCE) X(AT_FLAGS) X(RENAME_FLAGS) \
	X(PROT) X(MAP_FLAGS) X(REMAP_FLAGS) X(MSYNC_FLAGS) X(ADVICE) X(MLOCKALL_FLAGS) \
	X(SHM_KEY) X(SHM_ID) X(SHM_GET_FLAGS) X(SHM_AT_FLAGS) X(SHM_COMMAND) X(MEMFD_FLAGS) \
	X(CLONE_FLAGS) X(CLONE_SIZE) X(WAIT_FLAGS) X(SIGNAL_HOW) X(SIGSET_SIZE) X(RESOURCE) X(WHO) \
	X(IOCTL) X(FCNTL) X(FCNTL_ARGUMENT) X(LOCK_OPERATION) X(FALLOCATE_MODE) \
	X(CLOSE_RANGE_FLAGS) X(MOUNT_FLAGS) X(UNMOUNT_FLAGS) X(PRCTL) X(ARCH_PRCTL) X(CLOCK) \
	X(FUTEX_OPERATION) X(FUTEX_VALUE) X(FUTEX_WORD) X(ROBUST_SIZE) X(SYSLOG) \
	X(REBOOT_MAGIC) X(REBOOT_COMMAND) \
	/* structures, with what is in them */ \
	X(BUFFER) X(TIMESPEC) X(ITIMERVAL) X(SIGSET) X(SIGACTION) X(SIGNAL_STACK) X(SIGINFO) \
	X(IOVEC) X(POLLFDS) X(FDSET) X(LIMITS) X(STRINGS) X(CLONE_ARGUMENTS) X(FUTEX_VECTOR) \
	X(ROBUST_LIST) X(OFFSET_PLACE)

enum class {
#define CLASS_NUMBER(name) name,
	EACH_CLASS(CLASS_NUMBER)
#undef CLASS_NUMBER
	CLASSES, FIRST_STRUCTURE = BUFFER
};

/* Where a structure lies. */
enum place { GOOD, ODD, END, NOWHERE, KERNEL, NON_CANONICAL, READ_ONLY, ARENA_PLACE, PLACES };

enum kind { AS_NUMBER, AS_MAPPED, AS_RESULT, AS_PATH, AS_STRUCTURE };

struct argument {
	uint8_t kind, class, place, slot;
	uint64_t value;                 /* number, offset, path or seed, as `kind` says */
};

enum { ARGUMENTS = 6, THREADS_MAX = 4, CALLS_MAX = 1024 };

struct call {
	uint16_t what;                  /* takes[] */
	uint8_t thread;
	bool in_child;
	struct argument arguments[ARGUMENTS];
};

enum trait { PLAIN, OFTEN, CHILD };

struct takes {
	const char *name;
	uint16_t number;
	uint8_t trait;
	uint8_t classes[ARGUMENTS];
};

enum { LOAD_NUMBER = 1000, STORE_NUMBER };

extern const struct takes takes[];
extern const unsigned takes_count;
extern const char *const class_names[CLASSES], *const place_names[PLACES];
extern const char *const paths[];
extern const unsigned paths_count;

struct round {
	uint64_t seed;
	unsigned threads, user;
	const char *fork_share, *huge;
	unsigned count;
	struct call calls[CALLS_MAX];
};

/* ---- memory of a round, the same addresses in each ---- */

#define SHARED_AT      0x1f000000ul     /* struct shared, seen by the supervisor */
#define SCRATCH_AT     0x30000000ul     /* four pages and a hole for each thread and child */
#define READ_ONLY_AT   0x2f000000ul
#define CHILD_STACK_AT 0x38000000ul
#define ARENA_AT       0x20000000ul     /* where calls on memory mostly go */

enum {
	SCRATCH_SIZE = 0x4000, SCRATCH_STEP = 0x10000, CHILD_STACK_SIZE = 0x4000,
	ARENA_SIZE = 0x1000000, BIRTHS_MAX = 96, MAPPED_SLOTS = 8, RESULT_SLOTS = 8,
	STATISTICS_MAX = 256,
};

struct shared {
	uint32_t births;                /* first: door.S counts here */
	uint32_t tids[THREADS_MAX], steps[THREADS_MAX];
	uint32_t made[STATISTICS_MAX], succeeded[STATISTICS_MAX];
};

/* What earlier calls of this round returned. */
struct slots {
	uint64_t mapped[MAPPED_SLOTS];
	int32_t results[RESULT_SLOTS];
};
extern struct slots slots;

/* ---- chance ---- */

struct chance { uint64_t state; };

static inline uint64_t chance_next(struct chance *chance)
{
	uint64_t z = chance->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static inline uint64_t chance_below(struct chance *chance, uint64_t n)
{
	return (chance_next(chance) >> 16) % n;
}

static inline bool chance_one_in(struct chance *chance, unsigned n)
{
	return chance_below(chance, n) == 0;
}

/* ---- choose.c ---- */

/* Fill the round with the list that belongs to the seed. */
void round_choose(struct round *round, uint64_t seed);

/* A number of that class, for a structure's field. */
uint64_t choose_number(struct chance *chance, enum class class);

/* ---- place.c: called in a round, where the C library may be gone ---- */

/* The register's value; structures are written to the scratch memory of `who`. */
uint64_t argument_place(const struct argument *argument, unsigned index, unsigned who);

/* ---- text.c ---- */

void round_print(const struct round *round);
/* False when it is no list.  The text is cut up. */
bool round_parse(struct round *round, char *text);

/* ---- round.c ---- */

/* The process of a round: never returns. */
__attribute__((noreturn)) void round_run(const struct round *round);

/* ---- door.S ---- */

/* Where in the lists a process is that is born by a call: for round_child(). */
union birthplace {
	struct { uint16_t position; uint8_t depth; bool is_single; };
	uint64_t word;
};

long door_call(long number, const uint64_t *registers, uint64_t birthplace);
void door_load(uint64_t address);
void door_store(uint64_t address);
int door_thread(uint64_t flags, void *stack, void (*entry)(unsigned), unsigned argument);
extern const char door_touch_begin[], door_touch_end[], door_restorer[], door_handler[];

/* door.S comes here, on a stack of the child's own. */
void round_child(uint64_t birthplace, unsigned birth);
void round_fault(int signal, void *info, void *context);
