/* SPDX-License-Identifier: MIT */
/*
 * tests/user/credentials.h - for tests of who may do what: children that are somebody.
 */
#pragma once

#include "utest.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>

/* Users and their groups, by the same numbers. */
enum { SOMEBODY = 1234, OTHER = 4321 };

#define SUPERUSER_ONLY() \
	do { \
		if (geteuid() != 0) \
			SKIP("only the superuser can become somebody else"); \
	} while (0)

/* For good.  Not hidden from who is the same: as if it had begun so. */
static inline void become(unsigned id)
{
	SUPERUSER_ONLY();
	CHECK_EQ(setgroups(0, NULL), 0);
	CHECK_EQ(setresgid(id, id, id), 0);
	CHECK_EQ(setresuid(id, id, id), 0);
	CHECK_EQ(prctl(PR_SET_DUMPABLE, 1), 0);
}

/* Run the statements as this user, in a child whose checks count. */
#define AS(id_, ...) \
	do { \
		SUPERUSER_ONLY(); \
		pid_t as_ = fork(); \
		CHECK(as_ >= 0); \
		if (as_ == 0) { \
			become(id_); \
			__VA_ARGS__; \
			_exit(0); \
		} \
		CHECK_EXIT(as_, 0); \
	} while (0)

/* The program that runs now, written over an empty file. */
static inline void copy_of_us(const char *name)
{
	char bytes[4096];
	ssize_t len;
	int from = open("/proc/self/exe", O_RDONLY), to = open(name, O_WRONLY | O_TRUNC);

	CHECK(from >= 0 && to >= 0);
	while ((len = read(from, bytes, sizeof(bytes))) > 0)
		CHECK_EQ(write(to, bytes, (size_t)len), len);
	close(from);
	close(to);
}

/* ---- a child that waits ---- */

static int victim_calls[2], victim_answers[2];

/* It does `first`, and when it is told to, hides; it ends with the caller. */
static inline pid_t victim_start_with(void (*first)(void))
{
	char byte;

	SUPERUSER_ONLY();
	CHECK(pipe(victim_calls) == 0 && pipe(victim_answers) == 0);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		close(victim_calls[1]);
		CHECK_EQ(chdir("/"), 0);        /* where everybody may be */
		first();
		CHECK_EQ(write(victim_answers[1], "x", 1), 1);
		while (read(victim_calls[0], &byte, 1) == 1) {
			CHECK_EQ(prctl(PR_SET_DUMPABLE, 0), 0);
			CHECK_EQ(write(victim_answers[1], "x", 1), 1);
		}
		_exit(0);
	}
	CHECK_EQ(read(victim_answers[0], &byte, 1), 1);
	return pid;
}

static inline void victim_tell(pid_t victim)
{
	char byte;

	(void)victim;
	CHECK_EQ(write(victim_calls[1], "x", 1), 1);
	CHECK_EQ(read(victim_answers[0], &byte, 1), 1);
}

static inline void victim_end(pid_t victim)
{
	close(victim_calls[1]);
	CHECK_EXIT(victim, 0);
}

static unsigned victim_id;

static inline void victim_become(void)
{
	become(victim_id);
}

static inline void victim_become_hidden(void)
{
	become(victim_id);
	CHECK_EQ(setresuid(victim_id, victim_id, victim_id), 0);
	CHECK_EQ(prctl(PR_SET_DUMPABLE, 0), 0);
}

static inline pid_t victim_start_by(unsigned id, bool is_open)
{
	victim_id = id;
	return victim_start_with(is_open ? victim_become : victim_become_hidden);
}

static inline pid_t victim_start(unsigned id)
{
	return victim_start_by(id, true);
}
