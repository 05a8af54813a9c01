/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Tests on the build machine.  A test program is one file of
 *
 *	TEST(what_must_hold)
 *	{
 *		EXPECT(condition);
 *	}
 *
 * Tests register themselves before main(), which this header defines; it runs them in the order
 * of the file and prints TAP.  A failed EXPECT is reported and the test goes on; main() exits
 * with 1 if any failed.  Arguments, if given, name the tests to run.
 */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TAP_TESTS_MAX 256

struct tap_test {
	const char *name;
	void (*run)(void);
};

static struct tap_test tap_tests[TAP_TESTS_MAX];
static int tap_count;
static int tap_failures;	/* in the test under way */

#define TEST(name)                                                                                 \
	static void test_##name(void);                                                             \
	__attribute__((constructor)) static void register_##name(void)                             \
	{                                                                                          \
		tap_tests[tap_count++] = (struct tap_test){ #name, test_##name };                  \
	}                                                                                          \
	static void test_##name(void)

#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			tap_failures++;                                                            \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition);                   \
		}                                                                                  \
	} while (0)

static bool tap_is_wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], name) == 0)
			return true;
	}
	return argc == 1;
}

int main(int argc, char **argv)
{
	int failed = 0;

	printf("1..%d\n", tap_count);
	for (int i = 0; i < tap_count; i++) {
		const char *result = "ok";

		tap_failures = 0;
		if (tap_is_wanted(tap_tests[i].name, argc, argv))
			tap_tests[i].run();
		if (tap_failures > 0) {
			result = "not ok";
			failed++;
		}
		printf("%s %d - %s\n", result, i + 1, tap_tests[i].name);
		fflush(stdout);
	}
	return failed > 0;
}
