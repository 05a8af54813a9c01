/* SPDX-License-Identifier: MIT */
/*
 * kernel/ktest.h - finds and runs the tests linked into the kernel.
 *
 *   KTEST(cow, last_holder_keeps_its_frame) { ... EXPECT(x == y); }
 *
 * A pointer to each test stands in the section .ktests; there is no list to edit.  Output is KTAP.
 * After each test the runner recounts all frames (audit) and compares the ledger of free frames,
 * slab objects, pids and open files with what it was before: a leak fails the test.
 *
 * In builds with HOOKS=1 each test can run again and again, and each time another one of its
 * requests (kernel/hooks.h) fails.  It may then end as it likes, but what is recounted must be
 * right.  So that it gets on, and because a function that fails has changed nothing, EXPECT tries
 * once more.
 */
#pragma once

#include "lib/types.h"
#include "kernel/panic.h"

struct ktest {
	const char *module, *name;
	void (*run)(void);
};

#define KTEST(module_, name_) \
	static void ktest_##module_##_##name_(void); \
	static const struct ktest ktest_entry_##module_##_##name_ = \
		{ #module_, #name_, ktest_##module_##_##name_ }; \
	static const struct ktest *const ktest_pointer_##module_##_##name_ \
		__attribute__((section(".ktests"), used)) = &ktest_entry_##module_##_##name_; \
	static void ktest_##module_##_##name_(void)

/* Note a failure and go on. */
#define EXPECT(condition) \
	do { \
		for (unsigned tries_ = 0; !(condition); tries_++) { \
			if (tries_ == 0 && ktest_tries_again()) \
				continue; \
			ktest_fail(__FILE__, __LINE__, #condition); \
			break; \
		} \
	} while (0)

#define EXPECT_EQ(a_, b_) \
	do { \
		for (unsigned tries_ = 0; ; tries_++) { \
			uint64_t a__ = (uint64_t)(a_), b__ = (uint64_t)(b_); \
			if (a__ == b__) \
				break; \
			if (tries_ == 0 && ktest_tries_again()) \
				continue; \
			ktest_fail_values(__FILE__, __LINE__, #a_ " == " #b_, a__, b__); \
			break; \
		} \
	} while (0)

/* What is asked for, without which the test cannot go on: 0 and NULL are none. */
#define OBTAIN(request) \
	({ \
		__auto_type got_ = (request); \
		while (!got_) { \
			assert(ktest_tries_again()); \
			got_ = (request); \
		} \
		got_; \
	})

/* Has one of this run's requests failed on purpose? */
bool ktest_tries_again(void);

void ktest_fail(const char *file, int line, const char *text);
void ktest_fail_values(const char *file, int line, const char *text, uint64_t a, uint64_t b);

/* This test does not apply here (one CPU only, a feature missing). */
void ktest_skip(const char *reason);

/* What surrounds each run of a test: before() it, and check() after it, which returns NULL or says
 * what is wrong.  Each may be NULL. */
struct ktest_frame {
	void (*before)(void);
	const char *(*check)(void);
};

/* Run the tests whose "module.name" matches the glob list.  Returns the number that failed; -1:
 * this kernel has none (make TESTS=). */
int ktest_run(const char *globs, const struct ktest_frame *frame);

/* Run each of them once as it is, and once for each of `turns` of its requests, which then fails:
 * spread evenly, none before the from-th.  The frame has both functions.  Returns the number that
 * check() complained of; -1: none were run, or this kernel lets nothing fail. */
int ktest_run_failing(const char *globs, const struct ktest_frame *frame, uint64_t turns,
		      uint64_t from);
