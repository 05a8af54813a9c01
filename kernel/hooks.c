/* SPDX-License-Identifier: MIT */
/*
 * kernel/hooks.c - fault points, jitter: the test builds' handles.
 *
 * Owns:        when a fault point fails (task.fault_point_at counts down to it, or says that the
 *              plan does), the plan, the table of sites, and each CPU's stream of random pauses
 *              (cpu.random_state).
 * Invariants:  with the same seed and the same order of calls on a CPU, the pauses are the same.
 *              A site keeps its place in the table.
 * Locks:       none: state is the task's or the CPU's own, or atomic.
 */
#include "kernel/hooks.h"

#include "lib/atomic.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "kernel/options.h"
#include "kernel/task.h"

#ifdef COWBELL_HOOKS

/* One in 4 to 64 places pauses, as the seed chooses, up to JITTER_LONGEST times. */
enum { JITTER_ODDS_MIN = 4, JITTER_ODDS_KINDS = 5, JITTER_LONGEST = 32 };

enum { SITES_MAX = 2048, FAILURES_MAX = 2 };

/* In task.fault_point_at: the task counts in the plan. */
#define IN_PLAN UINT64_MAX

/* The functions that ask in others' name, and the kernel's tests, see linker.ld. */
extern const char asking_text_start[], asking_text_end[], ktest_text_start[], ktest_text_end[];

static struct fault_site sites[SITES_MAX];      /* by hash of the caller */
static struct fault_site unplaced;              /* when they are full */
static struct fault_plan plan;

struct call_frame {
	const struct call_frame *caller;
	virt_t return_address;
};

/* Who asked: the first on the stack who did not do so in somebody else's name. */
static ALWAYS_INLINE virt_t asker_find(const struct call_frame *frame)
{
	while (frame->return_address >= (virt_t)asking_text_start
		&& frame->return_address < (virt_t)asking_text_end)
		frame = frame->caller;
	return frame->return_address;
}

static struct fault_site *site_of(virt_t caller)
{
	uint64_t hash = caller * 0x9e3779b97f4a7c15ull >> 32;

	for (unsigned i = 0; i < SITES_MAX; i++) {
		struct fault_site *site = &sites[(hash + i) % SITES_MAX];
		virt_t vacant = 0;

		if (atomic_load_relaxed(&site->caller) == caller)
			return site;
		if (atomic_cmpxchg(&site->caller, &vacant, caller) || vacant == caller)
			return site;
	}
	return &unplaced;
}

/* The next turn in the plan is this site's: does it fail? */
static bool plan_fails(struct fault_site *site)
{
	if (plan.caller != 0 && plan.caller != site->caller)
		return false;
	uint64_t turn = atomic_fetch_add_relaxed(&plan.asked, 1) + 1;
	uint64_t never = 0;

	(void)atomic_cmpxchg(&site->first, &never, turn);
	if (turn != plan.fails_at[0] && turn != plan.fails_at[1])
		return false;
	plan.failed_at[atomic_fetch_add_relaxed(&plan.failed, 1) % FAILURES_MAX] = site->caller;
	return true;
}

bool fault_point_fails(const char *what)
{
	virt_t caller = asker_find(__builtin_frame_address(0));
	struct task *task = current;

	if (caller >= (virt_t)ktest_text_start && caller < (virt_t)ktest_text_end)
		return false;
	struct fault_site *site = site_of(caller);
	WRITE_ONCE(site->what, what);
	atomic_inc(&site->hits);
	if (!task || task->fault_point_at == 0 || cpu_depth(irq_depth) > 0)
		return false;
	if (task->fault_point_at == IN_PLAN ? !plan_fails(site) : --task->fault_point_at > 0)
		return false;
	atomic_inc(&site->failures);
	return true;
}

void fault_points_arm(uint64_t nth)
{
	current->fault_point_at = nth;
}

/* Nobody else is in a plan then: whoever begins one waits for all of the last one to end. */
void fault_plan_begin(const struct fault_plan *wanted)
{
	current->fault_point_at = 0;
	plan = *wanted;
	for (unsigned i = 0; i < SITES_MAX; i++)
		sites[i].first = 0;
	current->fault_point_at = IN_PLAN;
}

struct fault_plan fault_plan_get(void)
{
	return plan;
}

uint64_t fault_points_inherited(void)
{
	const struct task *task = current;

	return task && task->fault_point_at == IN_PLAN ? IN_PLAN : 0;
}

bool fault_site_get(unsigned index, struct fault_site *site)
{
	if (index >= SITES_MAX)
		return false;
	*site = sites[index];
	return true;
}

/* xorshift64*, one state per CPU.  An interrupt in between repeats a number, no more. */
static uint64_t jitter_next(struct cpu *cpu)
{
	uint64_t x = cpu->random_state;

	if (x == 0)
		x = options.seed * 0x9e3779b97f4a7c15ull + (cpu->id + 1) * 0xbf58476d1ce4e5b9ull;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	cpu->random_state = x;
	return x * 0x2545f4914f6cdd1dull >> 32;
}

void jitter(void)
{
	if (options.seed == 0)
		return;
	uint64_t number = jitter_next(this_cpu());
	uint64_t odds = JITTER_ODDS_MIN << options.seed % JITTER_ODDS_KINDS;
	if (number % odds != 0)
		return;
	for (uint64_t n = number / odds % JITTER_LONGEST; n > 0; n--)
		pause();
}

#else

void fault_points_arm(uint64_t nth)
{
}

void fault_plan_begin(const struct fault_plan *wanted)
{
}

struct fault_plan fault_plan_get(void)
{
	return (struct fault_plan){ 0 };
}

uint64_t fault_points_inherited(void)
{
	return 0;
}

bool fault_site_get(unsigned index, struct fault_site *site)
{
	return false;
}

#endif
