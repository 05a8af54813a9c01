/* SPDX-License-Identifier: MIT */
/*
 * kernel/selftest.c - the kernel's tests, each followed by the audit.
 *
 * Owns: the ledger and the number of races taken before each test.
 * Locks: none; one run at a time.
 */
#include "lib/format.h"
#include "arch/x86_64/power.h"
#include "kernel/ktest.h"
#include "kernel/options.h"
#include "kernel/race.h"
#include "kernel/selftest.h"
#include "mm/audit.h"

static struct ledger before;
static uint32_t races_before;

static void note_before(void);
static const char *check_after(void);

int selftest_run(const char *globs)
{
	static const struct ktest_frame frame = { note_before, check_after };

	if (options.fail_turns == 0)
		return ktest_run(globs, &frame);
	return ktest_run_failing(globs, &frame, options.fail_turns, options.fail_from);
}

void selftest_and_leave(void *unused)
{
	power_debug_exit(selftest_run(options.selftest) == 0 ? EXIT_PASS : EXIT_FAIL);
}

static void note_before(void)
{
	ledger_take(&before);
	races_before = races_seen();
}

/* NULL, or what is wrong. */
static const char *check_after(void)
{
	static char complaint[160];
	struct ledger after;
	const char *difference = audit();

	if (difference)
		return difference;
	if (races_seen() != races_before)
		return "CPUs met at a variable without agreement: the log says where";
	ledger_take(&after);
	if (after.free_frames == before.free_frames && after.slab_objects == before.slab_objects &&
	    after.spaces == before.spaces && after.objects == before.objects)
		return NULL;
	format_buffer(complaint, sizeof(complaint),
		      "left over: %ld frames, %ld slab objects, %ld spaces, %ld objects",
		      (long)(before.free_frames - after.free_frames),
		      (long)(after.slab_objects - before.slab_objects),
		      (long)(after.spaces - before.spaces), (long)(after.objects - before.objects));
	return complaint;
}
