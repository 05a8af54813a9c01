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
#include "kernel/printk.h"

extern const struct ktest *const ktests_start[], *const ktests_end[];

static uint32_t failures;               /* atomic: of the running test */
static const char *skip_reason;         /* of the running test */

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

static void test_run(const struct ktest *test, const char *(*check)(void), void (*before)(void))
{
	atomic_store_relaxed(&failures, 0);
	skip_reason = NULL;
	if (before)
		before();
	test->run();
	const char *complaint = check ? check() : NULL;
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

int ktest_run(const char *globs, const char *(*check)(void), void (*before)(void))
{
	struct totals totals = { 0 };
	uint32_t number = 0;

	if (&ktests_start[0] >= &ktests_end[0]) {
		console_print("KTAP version 1\n"
			"1..0 # SKIP this kernel was built without its tests\n");
		return -1;
	}
	console_print("KTAP version 1\n1..%u\n", tests_count(globs));
	for (const struct ktest *const *test = ktests_start; test < ktests_end; test++) {
		if (!test_is_wanted(*test, globs))
			continue;
		test_run(*test, check, before);
		test_report(*test, ++number, &totals);
	}
	console_print("# Totals: pass:%u fail:%u skip:%u total:%u\n", totals.passed, totals.failed,
		totals.skipped, number);
	return (int)totals.failed;
}

void ktest_fail(const char *file, int line, const char *text)
{
	atomic_inc(&failures);
	console_print("# %s:%d: expected %s\n", file, line, text);
}

void ktest_fail_values(const char *file, int line, const char *text, uint64_t a, uint64_t b)
{
	atomic_inc(&failures);
	console_print("# %s:%d: expected %s: %lu (%#lx), %lu (%#lx)\n", file, line, text,
		a, a, b,
		b);
}

void ktest_skip(const char *reason)
{
	skip_reason = reason;
}
