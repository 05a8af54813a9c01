/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/chance.c - the one source of chance: a run is a function of its seed.
 */
#include "tests/host/sim/sim.h"

static uint64_t state = 1;

void sim_seed(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15ull + 0x1234567;
	for (int i = 0; i < 8; i++)
		sim_random();
}

uint64_t sim_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

unsigned sim_below(unsigned n)
{
	return (sim_random() >> 20) % n;
}
