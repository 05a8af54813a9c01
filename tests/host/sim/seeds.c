/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/seeds.c - one world after the other, each in a process of its own.
 *
 * A world that went wrong cannot spoil the next; a crash is a finding like any other.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/host/sim/seeds.h"
#include "tests/host/sim/sim.h"

enum { SECONDS_MAX = 60 };

static uint64_t number_from(const char *name)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : 0;
}

/* Seconds of work, not of the clock: the build machine may have other things to do. */
static void limit_to(uint64_t seconds)
{
	setitimer(ITIMER_PROF, &(struct itimerval){ .it_value.tv_sec = seconds }, NULL);
}

static bool is_last;                    /* the world said SEEDS_NO_MORE */

static bool one_passes(const char *test, uint64_t seed,
		       void (*world)(uint64_t seed, const void *argument), const void *argument)
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		limit_to(number_from("SECONDS") > 0 ? number_from("SECONDS") : SECONDS_MAX);
		sim_is_tracing = getenv("TRACE") != NULL;
		world(seed, argument);
		fflush(stdout);
		_exit(0);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	is_last = child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == SEEDS_NO_MORE;
	if (is_last || (child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return true;
	if (child > 0 && WIFSIGNALED(status))
		printf("# ended by signal %d\n", WTERMSIG(status));
	printf("# again: make test T='host/%s' SEED=%llu\n", test, (unsigned long long)seed);
	return false;
}

/* SEEDS says how many times as many, or, as in 1/4, what part of them. */
static uint64_t scaled(uint64_t count)
{
	const char *text = getenv("SEEDS"), *part = text ? strchr(text, '/') : NULL;
	uint64_t times = number_from("SEEDS"), of = part ? strtoull(part + 1, NULL, 0) : 1;

	return times > 0 && of > 0 ? (count * times + of - 1) / of : count;
}

bool seeds_pass(const char *test, unsigned count,
		void (*world)(uint64_t seed, const void *argument), const void *argument)
{
	uint64_t only = number_from("SEED");

	if (only > 0)
		return one_passes(test, only, world, argument);
	for (uint64_t seed = 1; seed <= scaled(count); seed++) {
		if (!one_passes(test, seed, world, argument))
			return false;
		if (is_last)
			break;
	}
	return true;
}
