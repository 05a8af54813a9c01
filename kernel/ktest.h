/* SPDX-License-Identifier: MIT */
/*
 * kernel/ktest.h - finds and runs the tests linked into the kernel.
 *
 *   KTEST(cow, last_holder_keeps_its_frame) { ... EXPECT(x == y); }
 *
 * A pointer to each test stands in the section .ktests; there is no list to edit.  Output is KTAP.
 * After each test the runner recounts all frames (audit) and compares the ledger of free frames,
 * slab objects, pids and open files with what it was before: a leak fails the test.
 */
#pragma once

#include "lib/types.h"

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
		if (!(condition)) \
			ktest_fail(__FILE__, __LINE__, #condition); \
	} while (0)

#define EXPECT_EQ(a_, b_) \
	do { \
		uint64_t a__ = (uint64_t)(a_), b__ = (uint64_t)(b_); \
		if (a__ != b__) \
			ktest_fail_values(__FILE__, __LINE__, #a_ " == " #b_, a__, b__); \
	} while (0)

void ktest_fail(const char *file, int line, const char *text);
void ktest_fail_values(const char *file, int line, const char *text, uint64_t a, uint64_t b);

/* This test does not apply here (one CPU only, a feature missing). */
void ktest_skip(const char *reason);

/* Run the tests whose "module.name" matches the glob list.  Returns the number that failed; -1:
 * this kernel has none (make TESTS=).  `check` is called after each test; it returns NULL or says
 * what is wrong. */
int ktest_run(const char *globs, const char *(*check)(void), void (*before)(void));
