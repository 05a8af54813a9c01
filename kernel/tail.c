/* SPDX-License-Identifier: MIT */
/*
 * kernel/tail.c - the stopwatch: keeps the longest stretches, and how long locks were held.
 *
 * Owns:        a watch per CPU, with what began there; for each kind the longest stretch of each
 *              place.
 * Invariants:  a watch is used by its CPU only, with interrupts off.  `hidden` grows by what the
 *              stopwatch executes, and all times are the cycle counter less `hidden`: so a long
 *              stretch with many short ones inside is not made longer by timing those.
 *              While a kind has room for more places its `floor` is 0, afterwards it is the least
 *              of those kept: what is shorter costs no more than a look.
 * Locks:       `is_busy`, a byte of its own, for the places: a spinlock would be timed.
 * See:         kernel/tail_hooks.c for what is timed without knowing it.
 */
#include "kernel/tail.h"

#include "lib/atomic.h"
#include "lib/string.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "kernel/panic.h"
#include "kernel/spinlock.h"
#include "kernel/task.h"

/* A call of a function below executes so many instructions outside its two looks at the clock. */
enum { CALL_TICKS = 22 };

enum { PLACES_MAX = 24 };

struct ALIGNED(64) watch {
	uint64_t hidden;                /* ticks that are the stopwatch's own */
	uint64_t entered;               /* the cycle counter when the call under way began */
	uint64_t since[TAIL_KINDS];     /* 0: none is under way */
	virt_t from[TAIL_KINDS];
	uint64_t answered;              /* atomic: cycle counter of the last answer to this CPU */
	uint64_t held_since[RANK_COUNT];
	uint8_t held_depth[RANK_COUNT]; /* several of one rank count as one */
	uint64_t held_ticks[RANK_COUNT], held_times[RANK_COUNT];
};

/* What a function with a frame pointer leaves on the stack. */
struct call_frame {
	const struct call_frame *caller;
	virt_t return_address;
};

static struct watch watches[CPU_MAX];
static struct tail_stretch places[TAIL_KINDS][PLACES_MAX];      /* [is_busy] longest first */
static uint64_t floors[TAIL_KINDS];     /* [is_busy]; read by anyone */
static uint8_t is_busy;                 /* atomic */
static bool is_running;                 /* nothing is timed before the first restart */

static void stretch_keep(enum tail_kind kind, uint64_t ticks, uint64_t what,
			 const struct call_frame *frame);

/* ---- the clock ------------------------------------------------------------------------------ */

/* cli() and sti() are timed; these are not. */
static inline uint64_t quiet_begin(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
	return flags;
}

static inline void quiet_end(uint64_t flags)
{
	__asm__ volatile("pushq %0; popfq" : : "r"(flags) : "memory", "cc");
}

static inline struct watch *watch_enter(uint64_t *flags)
{
	*flags = quiet_begin();
	struct watch *watch = &watches[this_cpu()->id];
	watch->entered = rdtsc();
	return watch;
}

static inline void watch_leave(struct watch *watch, uint64_t flags)
{
	watch->hidden += rdtsc() - watch->entered + CALL_TICKS;
	quiet_end(flags);
}

uint64_t tail_now(void)
{
	uint64_t flags;

	if (!is_running)
		return 0;
	const struct watch *watch = watch_enter(&flags);
	uint64_t now = watch->entered - watch->hidden;
	quiet_end(flags);
	return now;
}

/* ---- stretches ------------------------------------------------------------------------------ */

__attribute__((noinline))
void tail_begin(enum tail_kind kind)
{
	uint64_t flags;

	if (!is_running)
		return;
	struct watch *watch = watch_enter(&flags);
	watch->from[kind] = (virt_t)__builtin_return_address(0);
	watch->since[kind] = watch->entered - watch->hidden;
	watch_leave(watch, flags);
}

static inline void stretch_end(enum tail_kind kind, uint64_t what, uint64_t later,
			       const struct call_frame *frame)
{
	uint64_t flags;

	if (!is_running)
		return;
	struct watch *watch = watch_enter(&flags);
	uint64_t since = watch->since[kind], now = watch->entered - watch->hidden - later;
	watch->since[kind] = 0;
	if (since && now > since && now - since > floors[kind])
		stretch_keep(kind, now - since, what, frame);
	watch_leave(watch, flags);
}

__attribute__((noinline))
void tail_end(enum tail_kind kind)
{
	stretch_end(kind, 0, 0, __builtin_frame_address(0));
}

__attribute__((noinline))
void tail_end_of(enum tail_kind kind, uint64_t what)
{
	stretch_end(kind, what, 0, __builtin_frame_address(0));
}

__attribute__((noinline))
void tail_keep(enum tail_kind kind, uint64_t ticks, uint64_t what)
{
	uint64_t flags;

	if (!is_running || ticks <= floors[kind])
		return;
	struct watch *watch = watch_enter(&flags);
	watch->from[kind] = (virt_t)__builtin_return_address(0);
	stretch_keep(kind, ticks, what, __builtin_frame_address(0));
	watch_leave(watch, flags);
}

void tail_answer(uint32_t asker)
{
	atomic_store_relaxed(&watches[asker].answered, rdtsc());
}

__attribute__((noinline))
void tail_end_answered(void)
{
	uint64_t now = rdtsc(), answered = atomic_load_relaxed(&watches[this_cpu()->id].answered);

	stretch_end(TAIL_SHOOTDOWN, 0, now > answered ? now - answered : 0,
		    __builtin_frame_address(0));
}

/* ---- places --------------------------------------------------------------------------------- */

/* The calls that led here, as far as they stand on the running task's stack. */
static void callers_note(virt_t *callers, const struct call_frame *frame)
{
	const struct task *task = current;

	for (unsigned i = 0; i < TAIL_CALLERS; i++) {
		virt_t at = (virt_t)frame;

		if (!task || at % 8 || at - task->stack > KSTACK_SIZE - sizeof(*frame))
			return;
		callers[i] = frame->return_address;
		frame = frame->caller;
	}
}

static bool is_same_place(const struct tail_stretch *a, const struct tail_stretch *b,
			  enum tail_kind kind)
{
	if (kind == TAIL_FAULT)
		return a->what == b->what;
	if (kind == TAIL_SHOOTDOWN)
		return memcmp(a->callers, b->callers, sizeof(a->callers)) == 0;
	return a->from == b->from && a->callers[0] == b->callers[0] && a->what == b->what;
}

/* Where it belongs: its own place if that is shorter, else the last.  NULL: it is not kept. */
static struct tail_stretch *place_for(enum tail_kind kind, const struct tail_stretch *fresh)
{
	struct tail_stretch *place = places[kind];
	unsigned n = 0;

	while (n < PLACES_MAX - 1 && place[n].ticks && !is_same_place(&place[n], fresh, kind))
		n++;
	return place[n].ticks < fresh->ticks ? &place[n] : NULL;
}

static void stretch_keep(enum tail_kind kind, uint64_t ticks, uint64_t what,
			 const struct call_frame *frame)
{
	struct tail_stretch fresh = {
		.ticks = ticks,
		.from = watches[this_cpu()->id].from[kind],
		.what = what,
	};

	callers_note(fresh.callers, frame);
	if (current)
		memcpy(fresh.task, current->name, sizeof(fresh.task));
	while (atomic_xchg(&is_busy, 1) != 0)
		pause();
	struct tail_stretch *first = places[kind], *place = place_for(kind, &fresh);
	for (; place && place > first && place[-1].ticks < ticks; place--)
		*place = place[-1];
	if (place)
		*place = fresh;
	floors[kind] = first[PLACES_MAX - 1].ticks;
	atomic_store_release(&is_busy, 0);
}

bool tail_get(enum tail_kind kind, unsigned n, struct tail_stretch *out)
{
	uint64_t flags = quiet_begin();

	while (atomic_xchg(&is_busy, 1) != 0)
		pause();
	*out = n < PLACES_MAX ? places[kind][n] : (struct tail_stretch){ 0 };
	atomic_store_release(&is_busy, 0);
	quiet_end(flags);
	return out->ticks > 0;
}

void tail_restart(void)
{
	uint64_t flags = quiet_begin();

	while (atomic_xchg(&is_busy, 1) != 0)
		pause();
	memset(places, 0, sizeof(places));
	memset(floors, 0, sizeof(floors));
	atomic_store_release(&is_busy, 0);
	for (unsigned id = 0; id < CPU_MAX; id++) {
		memset(watches[id].held_ticks, 0, sizeof(watches[id].held_ticks));
		memset(watches[id].held_times, 0, sizeof(watches[id].held_times));
	}
	is_running = true;
	quiet_end(flags);
}

/* ---- locks ---------------------------------------------------------------------------------- */

void tail_lock_taken(unsigned rank)
{
	uint64_t flags;

	if (!is_running)
		return;
	struct watch *watch = watch_enter(&flags);
	if (watch->held_depth[rank]++ == 0)
		watch->held_since[rank] = watch->entered - watch->hidden;
	watch->held_times[rank]++;
	watch_leave(watch, flags);
}

/* One that was taken before the first restart is not known. */
void tail_lock_released(unsigned rank)
{
	uint64_t flags;

	if (!is_running)
		return;
	struct watch *watch = watch_enter(&flags);
	if (watch->held_depth[rank] > 0 && --watch->held_depth[rank] == 0)
		watch->held_ticks[rank] += watch->entered - watch->hidden - watch->held_since[rank];
	watch_leave(watch, flags);
}

void tail_held_get(unsigned rank, uint64_t *times, uint64_t *ticks)
{
	*times = *ticks = 0;
	for (uint32_t id = 0; id < cpu_count; id++) {
		*times += atomic_load_relaxed(&watches[id].held_times[rank]);
		*ticks += atomic_load_relaxed(&watches[id].held_ticks[rank]);
	}
}
