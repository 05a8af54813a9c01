/* SPDX-License-Identifier: MIT */
/*
 * kernel/race.c - two CPUs at one variable without agreement: found by looking twice.
 *
 * Owns:        what each CPU shows (shows), the list of races seen.
 * Invariants:  a CPU shows one access at a time, with interrupts off, and for a bounded time; so no
 *              CPU ever meets its own, and who waits for this CPU waits a little longer.
 *              While a show is SHOW_CLAIMED its CPU stays, so what it shows stays true.
 *              Nothing in here is itself looked at, nothing takes a lock of the kernel's or prints,
 *              except races_seen(), whose caller may sleep.
 * Locks:       `list_is_locked`, a byte of our own: an access may be anywhere, in a lock as well.
 * See:         kernel/race_hooks.c: who calls race_look(), and when.
 */
#include "kernel/race.h"

#include "lib/atomic.h"
#include "lib/bits.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "kernel/options.h"
#include "kernel/printk.h"
#include "kernel/symbols.h"

enum {
	ACCESSES_MAX = 1024,            /* between two shows of a CPU, at most */
	PAUSES_MAX = 256,               /* how long a show lasts, at most */
	ALONE_ODDS = 16,                /* one show in so many, while all other CPUs are idle */
	RACES_MAX = 64,
};

enum show_state { SHOW_NOTHING, SHOW_WAITING, SHOW_CLAIMED, SHOW_MET };

/* What a CPU shows, and who met it. */
struct ALIGNED(64) show {
	uint32_t state;                 /* atomic: enum show_state */
	uint32_t accesses_left;         /* [own] until the next show */
	uint64_t random;                /* [own] */
	struct race_access shown;       /* [own while SHOW_NOTHING] */
	struct race_access met;         /* [whoever claimed it] */
};

static struct show shows[CPU_MAX];
static uint64_t showing;                /* atomic: CPUs with something to be met */
static bool is_looking;

static uint8_t list_is_locked;
static struct race races[RACES_MAX];    /* [list] */
static uint32_t race_count;             /* [list] those above RACES_MAX are only counted */
static uint32_t races_logged;           /* [list] */
static virt_t expected_start, expected_end;     /* [list] */
static uint32_t expected_count;         /* [list] */

static void meet(struct race_access *access);
static void meet_one(struct show *other, struct race_access *access);
static void show(struct race_access *access);
static void show_and_wait(struct show *own, const struct race_access *access);
static void race_note(const struct race_access *shown, const struct race_access *met);

void race_start(void)
{
	is_looking = cpu_count > 1;
}

/* ---- every access --------------------------------------------------------------------------- */

/* An interrupt or another CPU in between makes the count inexact, no more. */
static inline bool is_chosen(void)
{
	struct show *own = &shows[this_cpu()->id];

	return unlikely(own->accesses_left-- == 0);
}

void race_look(const volatile void *addr, size_t size, unsigned kind, virt_t at,
	       const virt_t *frame)
{
	if (!is_looking || size == 0)
		return;
	bool is_shown = !(kind & RACE_MARKED) && is_chosen();
	if (likely(!is_shown && atomic_load_relaxed(&showing) == 0))
		return;

	struct race_access access = {
		.at = at,
		.caller = frame[1],
		.addr = (virt_t)addr,
		.size = size,
		.is_write = kind & RACE_WRITE,
		.is_marked = kind & RACE_MARKED,
	};
	meet(&access);
	if (is_shown)
		show(&access);
}

/* Interrupts are off. */
static void access_sign(struct race_access *access)
{
	const struct task *task = current;

	access->cpu = this_cpu()->id;
	if (!task)
		return;
	access->tid = task->tid;
	__builtin_memcpy(access->task, task->name, sizeof(access->task));
}

/* ---- meeting -------------------------------------------------------------------------------- */

/* An aligned word goes to memory at once, whoever only looks at it. */
static bool is_word_looked_at(const struct race_access *write, const struct race_access *look)
{
	return look->is_marked && !look->is_write && write->size <= sizeof(uint64_t) &&
	       is_aligned(write->addr, write->size);
}

static bool is_race(const struct race_access *a, const struct race_access *b)
{
	return a->addr < b->addr + b->size && b->addr < a->addr + a->size &&
	       (a->is_write || b->is_write) && !(a->is_marked && b->is_marked) &&
	       !is_word_looked_at(a, b) && !is_word_looked_at(b, a);
}

static void meet(struct race_access *access)
{
	uint64_t cpus_left = atomic_load_acquire(&showing);

	for (; cpus_left != 0; cpus_left &= cpus_left - 1) {
		struct show *other = &shows[bit_lowest(cpus_left)];
		if (unlikely(is_race(&other->shown, access)))
			meet_one(other, access);
	}
}

/* What is shown can change until it is claimed: look again then. */
static void meet_one(struct show *other, struct race_access *access)
{
	uint32_t waiting = SHOW_WAITING;
	uint64_t flags = irq_save();

	if (atomic_cmpxchg(&other->state, &waiting, SHOW_CLAIMED)) {
		bool is_met = is_race(&other->shown, access);
		access_sign(access);
		if (is_met)
			other->met = *access;
		atomic_store_release(&other->state, is_met ? SHOW_MET : SHOW_WAITING);
	}
	irq_restore(flags);
}

/* ---- showing -------------------------------------------------------------------------------- */

/* xorshift64*, one state per CPU. */
static uint32_t random_below(struct show *own, uint32_t limit)
{
	uint64_t x = own->random;

	if (x == 0)
		x = (options.seed + (uint64_t)(own - shows) + 1) * 0x9e3779b97f4a7c15ull;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	own->random = x;
	return (uint32_t)(x * 0x2545f4914f6cdd1dull >> 32) % limit;
}

static bool is_alone(void)
{
	for (uint32_t id = 0; id < cpu_count; id++) {
		const struct cpu *cpu = cpus[id];
		if (cpu != this_cpu() && READ_ONCE(cpu->task) != cpu->idle)
			return false;
	}
	return true;
}

/* The first bytes at an address, as far as a number holds them. */
static uint64_t value_at(virt_t addr, size_t size)
{
	const volatile void *p = (const volatile void *)addr;

	switch (size) {
	case 1:
		return *(const volatile uint8_t *)p;
	case 2:
		return *(const volatile uint16_t *)p;
	case 4:
		return *(const volatile uint32_t *)p;
	case 8:
		return *(const volatile uint64_t *)p;
	default:
		return 0;
	}
}

/* Somebody may be about to say what they met: wait for that. */
static bool show_ends(struct show *own)
{
	uint32_t waiting = SHOW_WAITING;

	while (!atomic_cmpxchg(&own->state, &waiting, SHOW_NOTHING)) {
		if (waiting == SHOW_MET)
			break;
		waiting = SHOW_WAITING;
		pause();
	}
	(void)atomic_and(&showing, ~BIT(own->shown.cpu));
	return waiting == SHOW_MET;
}

static void show(struct race_access *access)
{
	uint64_t flags = irq_save();
	struct show *own = &shows[this_cpu()->id];

	own->accesses_left = random_below(own, ACCESSES_MAX);
	if (!is_alone() || random_below(own, ALONE_ODDS) == 0) {
		access_sign(access);
		show_and_wait(own, access);
	}
	irq_restore(flags);
}

static void show_and_wait(struct show *own, const struct race_access *access)
{
	own->shown = *access;
	atomic_store_release(&own->state, SHOW_WAITING);
	(void)atomic_or(&showing, BIT(access->cpu));

	uint64_t value = value_at(access->addr, access->size);
	for (uint32_t n = random_below(own, PAUSES_MAX); n > 0; n--)
		pause();
	bool has_changed = value_at(access->addr, access->size) != value;

	if (show_ends(own))
		race_note(&own->shown, &own->met);
	else if (has_changed)
		race_note(&own->shown, &(struct race_access){ .is_write = true });
	atomic_store_relaxed(&own->state, SHOW_NOTHING);
}

/* ---- the list ------------------------------------------------------------------------------- */

static uint64_t list_lock(void)
{
	uint64_t flags = irq_save();

	while (atomic_xchg(&list_is_locked, 1) != 0)
		pause();
	return flags;
}

static void list_unlock(uint64_t flags)
{
	atomic_store_release(&list_is_locked, 0);
	irq_restore(flags);
}

static bool is_pair(const struct race *race, virt_t a, virt_t b)
{
	virt_t first = race->sides[0].at, second = race->sides[1].at;

	return (first == a && second == b) || (first == b && second == a);
}

static struct race *race_find(virt_t a, virt_t b)
{
	for (uint32_t i = 0; i < MIN(race_count, (uint32_t)RACES_MAX); i++)
		if (is_pair(&races[i], a, b))
			return &races[i];
	return NULL;
}

static void race_note(const struct race_access *shown, const struct race_access *met)
{
	uint64_t flags = list_lock();
	struct race *known = race_find(shown->at, met->at);

	if (shown->addr >= expected_start && shown->addr < expected_end) {
		expected_count++;
	} else if (known) {
		known->times++;
	} else {
		if (race_count < RACES_MAX)
			races[race_count] = (struct race){ { *shown, *met }, 1 };
		race_count++;
	}
	list_unlock(flags);
}

bool race_get(uint32_t n, struct race *out)
{
	uint64_t flags = list_lock();
	bool is_there = n < MIN(race_count, (uint32_t)RACES_MAX);

	if (is_there)
		*out = races[n];
	list_unlock(flags);
	return is_there;
}

void races_expect(const void *start, size_t len)
{
	uint64_t flags = list_lock();

	expected_start = (virt_t)start;
	expected_end = expected_start + len;
	expected_count = 0;
	list_unlock(flags);
}

uint32_t races_expected(void)
{
	return READ_ONCE(expected_count);
}

/* ---- telling -------------------------------------------------------------------------------- */

static void side_log(const struct race_access *side)
{
	struct symbol symbol = { .name = "?" }, caller = { .name = "?" };

	if (side->at == 0) {
		log_err("race:   a write by something unseen");
		return;
	}
	(void)symbol_find(side->at - 1, &symbol);
	(void)symbol_find(side->caller - 1, &caller);
	log_err("race:   %s %s of %lu bytes at %#lx, CPU %u, task %s (%d)",
		side->is_marked ? "marked" : "plain", side->is_write ? "write" : "read",
		side->size, side->addr, side->cpu, side->task, side->tid);
	log_err("race:     in %s+%#lx (%lx), called from %s+%#lx (%lx)", symbol.name,
		symbol.offset + 1, side->at - 1, caller.name, caller.offset + 1, side->caller - 1);
}

static void race_log(const struct race *race)
{
	log_err("race: two CPUs at %#lx", race->sides[0].addr);
	side_log(&race->sides[0]);
	side_log(&race->sides[1]);
}

/* The next one that nobody has logged. */
static bool race_take_unlogged(struct race *out)
{
	uint64_t flags = list_lock();
	bool is_there = races_logged < MIN(race_count, (uint32_t)RACES_MAX);

	if (is_there)
		*out = races[races_logged++];
	list_unlock(flags);
	return is_there;
}

uint32_t races_seen(void)
{
	struct race race;

	while (race_take_unlogged(&race))
		race_log(&race);
	return READ_ONCE(race_count);
}
