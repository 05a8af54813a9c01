/* SPDX-License-Identifier: MIT */
/*
 * kernel/ktest.c - finds and runs the tests linked into the kernel.
 *
 * Owns:        the outcome of the test that runs.  Failures may be noted by any task of it.
 * Locks:       none; one run at a time.
 * See:         KTAP version 1 (a dialect of the Test Anything Protocol, version 14).
 */
#include "kernel/ktest.h"

#include "lib/atomic.h"
#include "lib/format.h"
#include "lib/glob.h"
#include "kernel/hooks.h"
#include "kernel/printk.h"

extern const struct ktest *const ktests_start[], *const ktests_end[];

static uint32_t failures;               /* atomic: of the running test */
static const char *skip_reason;         /* of the running test */
static bool is_failing;                 /* one of its requests, on purpose */

struct totals {
	uint32_t passed, failed, skipped;
};

static bool test_is_wanted(const struct ktest *test, const char *globs)
{
	char name[128];

	format_buffer(name, sizeof(name), "%s.%s", test->module, test->name);
	return glob_list_matches(globs, name) || glob_list_matches(globs, test->module);
}

static uint32_t tests_count(const char *globs)
{
	uint32_t count = 0;

	for (const struct ktest *const *test = ktests_start; test < ktests_end; test++)
		count += test_is_wanted(*test, globs);
	return count;
}

/* The first lines.  False: there is nothing to run. */
static bool tests_announce(const char *globs)
{
	bool has_tests = &ktests_start[0] < &ktests_end[0];

	console_print("KTAP version 1\n");
	if (has_tests)
		console_print("1..%u\n", tests_count(globs));
	else
		console_print("1..0 # SKIP this kernel was built without its tests\n");
	return has_tests;
}

static void test_run(const struct ktest *test, const struct ktest_frame *frame)
{
	atomic_store_relaxed(&failures, 0);
	skip_reason = NULL;
	if (frame->before)
		frame->before();
	test->run();
	const char *complaint = frame->check ? frame->check() : NULL;
	if (complaint) {
		console_print("# %s\n", complaint);
		atomic_inc(&failures);
	}
}

static void test_report(const struct ktest *test, uint32_t number, struct totals *totals)
{
	if (atomic_load_relaxed(&failures) > 0) {
		totals->failed++;
		console_print("not ok %u - %s.%s\n", number, test->module, test->name);
	} else if (skip_reason) {
		totals->skipped++;
		console_print("ok %u - %s.%s # SKIP %s\n", number, test->module, test->name,
			skip_reason);
	} else {
		totals->passed++;
		console_print("ok %u - %s.%s\n", number, test->module, test->name);
	}
}

int ktest_run(const char *globs, const struct ktest_frame *frame)
{
	struct totals totals = { 0 };
	uint32_t number = 0;

	if (!tests_announce(globs))
		return -1;
	for (const struct ktest *const *test = ktests_start; test < ktests_end; test++) {
		if (!test_is_wanted(*test, globs))
			continue;
		test_run(*test, frame);
		test_report(*test, ++number, &totals);
	}
	console_print("# Totals: pass:%u fail:%u skip:%u total:%u\n", totals.passed, totals.failed,
		totals.skipped, number);
	return (int)totals.failed;
}

/* ---- again, with requests that fail --------------------------------------------------------- */

/* Of a test: its runs, those in which it objected, and those after which something was wrong. */
struct failing {
	uint64_t asked, runs, objections, findings;
};

/* One run, whose turn-th request fails; 0: none does.  Its plan, as it then stands. */
static struct fault_plan run_planned(const struct ktest *test, const struct ktest_frame *frame,
				     uint64_t turn, struct failing *failing)
{
	const struct fault_plan wanted = { .fails_at = { turn } };

	console_print("# run %s.%s %lu\n", test->module, test->name, turn);
	atomic_store_relaxed(&failures, 0);
	frame->before();
	is_failing = true;
	fault_plan_begin(&wanted);
	test->run();
	fault_points_arm(0);
	is_failing = false;

	struct fault_plan plan = fault_plan_get();
	const char *complaint = frame->check();
	if (complaint)
		console_print("# request %lu, of %#lx, failed: %s\n", turn, plan.failed_at[0],
			      complaint);
	failing->asked += plan.asked;
	failing->runs++;
	failing->objections += atomic_load_relaxed(&failures) > 0;
	failing->findings += complaint != NULL;
	return plan;
}

/* Until a run comes that does not ask so often. */
static struct failing test_run_failing(const struct ktest *test, const struct ktest_frame *frame,
				       uint64_t turns, uint64_t from)
{
	struct failing failing = { 0 };
	struct fault_plan plan = run_planned(test, frame, 0, &failing);
	uint64_t step = (plan.asked + turns - 1) / turns;

	for (uint64_t turn = step; step > 0; turn += step) {
		if (turn < from)
			continue;
		plan = run_planned(test, frame, turn, &failing);
		if (plan.failed == 0)
			break;
	}
	return failing;
}

int ktest_run_failing(const char *globs, const struct ktest_frame *frame, uint64_t turns,
		      uint64_t from)
{
	uint32_t number = 0, failed = 0;
	uint64_t asked = 0;

	if (!tests_announce(globs))
		return -1;
	for (const struct ktest *const *test = ktests_start; test < ktests_end; test++) {
		if (!test_is_wanted(*test, globs))
			continue;
		struct failing failing = test_run_failing(*test, frame, turns, from);
		asked += failing.asked;
		failed += failing.findings > 0;
		console_print("%sok %u - %s.%s # %lu runs, it objected in %lu\n",
			      failing.findings ? "not " : "", ++number, (*test)->module,
			      (*test)->name, failing.runs, failing.objections);
	}
	if (asked == 0) {
		console_print("# nothing was asked for: fail= wants a kernel of make HOOKS=1\n");
		return -1;
	}
	return (int)failed;
}

bool ktest_tries_again(void)
{
	return is_failing && fault_plan_get().failed > 0;
}

void ktest_fail(const char *file, int line, const char *text)
{
	atomic_inc(&failures);
	if (is_failing)
		return;
	console_print("# %s:%d: expected %s\n", file, line, text);
}

void ktest_fail_values(const char *file, int line, const char *text, uint64_t a, uint64_t b)
{
	atomic_inc(&failures);
	if (is_failing)
		return;
	console_print("# %s:%d: expected %s: %lu (%#lx), %lu (%#lx)\n", file, line, text,
		a, a, b,
		b);
}

void ktest_skip(const char *reason)
{
	skip_reason = reason;
}
