/* SPDX-License-Identifier: MIT */
/*
 * tests/host/fuzz/mm_fuzz.c - operations from seeds, from a corpus, or from libFuzzer.
 *
 *   mm_fuzz seeds FIRST SECONDS     a list of operations from each seed, until time is up
 *   mm_fuzz play FILE...            lists from files of text or, if they end in .bin, of bytes
 *   mm_fuzz print FILE...           what they say
 *   mm_fuzz pack FILE FOLDER        a list of text as bytes, for libFuzzer
 *
 * Built with -DLIBFUZZER it has no main() of its own.  Otherwise each list runs in a process of its
 * own; one that fails is cut down to the operations it takes, and printed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/host/fuzz/operations.h"
#include "tests/host/sim/sim.h"

enum { BYTES_MAX = OPERATIONS_MAX * OPERATION_BYTES, TEXT_MAX = 1 << 17, SECONDS_MAX = 60 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#ifdef LIBFUZZER

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	sim_at_violation = abort;
	operations_run(bytes, size);
	return 0;
}

#else

/* In a child: what goes wrong there spoils nothing here. */
static bool passes(const uint8_t *bytes, size_t size, bool is_quiet)
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		if (is_quiet && !(freopen("/dev/null", "w", stdout) &&
				  freopen("/dev/null", "w", stderr)))
			_exit(0);
		alarm(SECONDS_MAX);
		operations_run(bytes, size);
		fflush(stdout);
		_exit(0);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Leave out as many operations as go without making it pass; the new size. */
static size_t cut_down(uint8_t *bytes, size_t size)
{
	uint8_t rest[BYTES_MAX];

	for (size_t part = size / OPERATION_BYTES / 2; part > 0; part /= 2) {
		size_t len = part * OPERATION_BYTES;

		for (size_t at = 0; at + len <= size;) {
			memcpy(rest, bytes, at);
			memcpy(rest + at, bytes + at + len, size - at - len);
			if (passes(rest, size - len, true)) {
				at += len;
				continue;
			}
			memcpy(bytes, rest, size - len);
			size -= len;
		}
	}
	return size;
}

static bool try(uint8_t *bytes, size_t size, const char *name)
{
	if (passes(bytes, size, true))
		return true;
	size = cut_down(bytes, size);
	printf("# %s fails; as short as it gets:\n", name);
	operations_print(bytes, size);
	passes(bytes, size, false);
	return false;
}

/* ---- seeds ---- */

/* Mostly the first spots, one of four spaces, all kinds of operations. */
static size_t choose(uint64_t seed, uint8_t *bytes)
{
	size_t count;

	sim_seed(seed);
	count = 20 + sim_below(120);
	for (size_t i = 0; i < count * OPERATION_BYTES; i += OPERATION_BYTES) {
		for (unsigned byte = 0; byte < OPERATION_BYTES; byte++)
			bytes[i + byte] = (uint8_t)sim_below(256);
		if (sim_chance(2))
			bytes[i + 2] %= 16;
		if (sim_chance(3))
			bytes[i] = sim_chance(2) ? 1 : 3;
	}
	return count * OPERATION_BYTES;
}

static bool seeds(uint64_t first, time_t seconds)
{
	uint8_t bytes[BYTES_MAX];
	time_t end = time(NULL) + seconds;
	uint64_t seed = first;
	char name[64];

	for (; time(NULL) < end; seed++) {
		snprintf(name, sizeof(name), "seed %llu", (unsigned long long)seed);
		if (!try(bytes, choose(seed, bytes), name))
			return false;
	}
	printf("# seeds %llu to %llu: good\n", (unsigned long long)first,
	       (unsigned long long)seed - 1);
	return true;
}

/* ---- files ---- */

static size_t read_list(const char *path, uint8_t *bytes)
{
	static char text[TEXT_MAX];
	size_t len = strlen(path), size;
	FILE *file = fopen(path, "rb");

	if (!file) {
		perror(path);
		exit(2);
	}
	size = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[size] = '\0';
	if (len < 4 || strcmp(path + len - 4, ".bin") != 0)
		return operations_parse(text, bytes, BYTES_MAX);
	size = size > BYTES_MAX ? BYTES_MAX : size;
	memcpy(bytes, text, size);
	return size;
}

static void pack(const char *path, const char *folder)
{
	uint8_t bytes[BYTES_MAX];
	size_t size = read_list(path, bytes);
	const char *name = strrchr(path, '/');
	char out[4096];
	FILE *file;

	snprintf(out, sizeof(out), "%s/%s.bin", folder, name ? name + 1 : path);
	file = fopen(out, "wb");
	if (!file || fwrite(bytes, 1, size, file) != size) {
		perror(out);
		exit(2);
	}
	fclose(file);
}

int main(int argc, char **argv)
{
	uint8_t bytes[BYTES_MAX];
	bool is_good = true;

	if (argc == 4 && strcmp(argv[1], "seeds") == 0)
		return !seeds(strtoull(argv[2], NULL, 0), atoi(argv[3]));
	if (argc == 4 && strcmp(argv[1], "pack") == 0) {
		pack(argv[2], argv[3]);
		return 0;
	}
	for (int i = 2; i < argc; i++) {
		size_t size = read_list(argv[i], bytes);

		if (strcmp(argv[1], "print") == 0)
			operations_print(bytes, size);
		else
			is_good = try(bytes, size, argv[i]) && is_good;
	}
	return !is_good;
}

#endif
