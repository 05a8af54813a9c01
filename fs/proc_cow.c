/* SPDX-License-Identifier: MIT */
/*
 * fs/proc_cow.c - /proc/{cow,audit,ledger,selftest} and /proc/PID/cow: Cowbell's own files.
 *
 * cow       exact counts of the work done, and what sharing saves now: `name value` lines
 * audit     recounts everything: "clean", or the first difference
 * ledger    what must be the same before and after a test: `name value` lines
 * selftest  write a list of globs to run those kernel tests; KTAP goes to the console; -EOPNOTSUPP
 *           from a kernel that was built without them
 *
 * Owns: the last self-test's result.
 */

#include "fs/procfs.h"
#include "kernel/options.h"
#include "kernel/selftest.h"
#include "mm/audit.h"
#include "mm/cursor.h"
#include "mm/frame.h"
#include "mm/space.h"

/* ---- cow ---- */

static void print_work(struct text *text, const struct work_counts *work)
{
	for (unsigned kind = 0; kind < WORK_KINDS; kind++)
		text_print(text, "%s %lu\n", work_name(kind), work->of[kind]);
}

/* Frames with more than one holder, and how many copies that saves. */
static void count_sharing(uint64_t *shared, uint64_t *saved)
{
	*shared = *saved = 0;
	for (pfn_t pfn = 0; pfn < frame_count; pfn++) {
		uint8_t kind = READ_ONCE(frames[pfn].kind);
		uint32_t refs = atomic_load_relaxed(&frame_refs[pfn]);

		if ((kind != FRAME_DATA && kind != FRAME_TABLE) || refs < 2)
			continue;
		++*shared;
		*saved += refs - 1;
		if (pfn % (256 * 1024) == 0)
			reschedule_point();
	}
}

int proc_show_cow(struct text *text, const struct text_node *node)
{
	struct work_counts work;
	uint64_t shared, saved;

	work_totals(&work);
	print_work(text, &work);
	count_sharing(&shared, &saved);
	text_print(text, "frames_shared_now %lu\nbytes_saved_by_sharing %llu\n", shared,
		saved * PAGE_SIZE);
	text_print(text, "shootdowns_sent %lu\nshootdowns_received %lu\n", tlb_shootdowns_sent(),
		tlb_shootdowns_received());
	text_print(text, "fork_share %s\n", fork_share_name(READ_ONCE(options.fork_share)));
	return 0;
}

static void count_exclusive(const struct leaf_visit *leaf, void *argument)
{
	uint64_t *pages = argument;

	if (pte_is_counted(leaf->leaf))
		pages[leaf->is_exclusive]++;
}

int proc_show_process_cow(struct text *text, const struct text_node *node)
{
	struct space *space = proc_space(node);
	uint64_t pages[2] = { 0 };      /* by is_exclusive */

	if (!space)
		return -ESRCH;
	print_work(text, &space->work);
	text_print(text, "space_lock_writes %lu\nspace_lock_waits %lu\n",
		   READ_ONCE(space->lock.writes), READ_ONCE(space->lock.waits));
	write_lock(&space->lock);
	cursor_for_each(space, 0, USER_END, count_exclusive, pages);
	write_unlock(&space->lock);
	text_print(text, "pages_shared_now %lu\npages_own_now %lu\n", pages[false], pages[true]);
	space_put(space);
	return 0;
}

/* ---- audit and ledger ---- */

int proc_show_audit(struct text *text, const struct text_node *node)
{
	const char *difference = audit();

	text_print(text, "%s\n", difference ? difference : "clean");
	return 0;
}

int proc_show_ledger(struct text *text, const struct text_node *node)
{
	struct ledger ledger;

	ledger_take(&ledger);
	text_print(text, "free_frames %lu\nslab_objects %lu\nspaces %lu\nobjects %lu\n",
		ledger.free_frames, ledger.slab_objects, ledger.spaces, ledger.objects);
	text_print(text, "pids %u\nopen_files %lu\n", pids_in_use(), files_count());
	return 0;
}

/* ---- selftest ---- */

/* The one run under way. */
static struct {
	bool is_running;                /* atomic */
	bool is_done;                   /* atomic */
	const char *globs;
	struct wait_queue wait;
} selftest = { .wait = { SPINLOCK_INIT(RANK_WAIT), LIST_INIT(selftest.wait.waiters) } };

static int last_failures = -1;          /* atomic; -1: never run */

/* Tests want a task that holds nothing: not the one that is writing to our file. */
static void selftest_task(void *argument)
{
	atomic_store_relaxed(&last_failures, selftest_run(selftest.globs));
	atomic_store_release(&selftest.is_done, true);
	wake_all(&selftest.wait);
	task_exit();
}

int proc_store_selftest(const struct text_node *node, char *globs)
{
	struct task *task;
	int err = -ENOMEM;

	if (atomic_xchg(&selftest.is_running, true))
		return -EBUSY;
	selftest.globs = globs;
	selftest.is_done = false;
	task = task_create("selftest", selftest_task, NULL);
	if (task) {
		task_wake(task);
		wait_event(&selftest.wait, atomic_load_acquire(&selftest.is_done));
		err = atomic_load_relaxed(&last_failures) < 0 ? -EOPNOTSUPP : 0;
	}
	atomic_store_release(&selftest.is_running, false);
	return err;
}

int proc_show_selftest(struct text *text, const struct text_node *node)
{
	int failures = atomic_load_relaxed(&last_failures);

	if (failures < 0)
		text_print(text, "not run\n");
	else
		text_print(text, "%d failed\n", failures);
	return 0;
}
