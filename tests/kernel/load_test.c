/* SPDX-License-Identifier: MIT */
/*
 * tests/kernel/load_test.c - load averages: how they rise and fall.
 */
#include "kernel/ktest.h"
#include "kernel/load.h"

static uint64_t after_samples(unsigned which, uint64_t average, uint32_t running, unsigned samples)
{
	while (samples-- > 0)
		average = load_next(which, average, running);
	return average;
}

/* 1 - 1/e after each one's own time. */
KTEST(load, averages_rise_in_their_own_time)
{
	static const unsigned samples[LOAD_AVERAGES] = { 12, 60, 180 };

	for (unsigned i = 0; i < LOAD_AVERAGES; i++) {
		uint64_t average = after_samples(i, 0, 1, samples[i]);
		EXPECT(average > LOAD_ONE * 62 / 100 && average < LOAD_ONE * 65 / 100);
	}
}

KTEST(load, a_steady_load_is_reached_and_left)
{
	for (unsigned i = 0; i < LOAD_AVERAGES; i++) {
		EXPECT_EQ(after_samples(i, 0, 3, 5000), 3 * LOAD_ONE);
		EXPECT_EQ(after_samples(i, 3 * LOAD_ONE, 3, 1), 3 * LOAD_ONE);
		EXPECT_EQ(after_samples(i, 3 * LOAD_ONE, 0, 20000), 0);
	}
}
