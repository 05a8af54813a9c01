/* SPDX-License-Identifier: MIT */
/*
 * kernel/trace_hist.c - who copies most: the work of page faults, summed up by where it came from.
 *
 * Owns:        the table of rows: open addressing, nothing is ever removed from it alone.
 * Invariants:  what a fault took is what the counts of its CPU grew by, for only the running task
 *              adds to them; if the task was switched away meanwhile, what those of its space grew
 *              by, to which other threads of the process may have added: `unsure` counts that.
 * Locks:       hist_lock for the rows.  A place is found under the space's lock, before.
 */
#include "kernel/trace_hist.h"

#include "lib/abi/errno.h"
#include "lib/format.h"
#include "lib/string.h"
#include "kernel/event.h"
#include "kernel/process.h"
#include "kernel/spinlock.h"
#include "fs/dentry.h"
#include "fs/mount.h"
#include "mm/slab.h"
#include "mm/space.h"

/* The counts before a fault, and how to see that nobody else worked here since. */
struct window {
	struct work_counts cpu, space;
	uint64_t switches;
};

/* One fault: where it came from and what it took. */
struct sample {
	struct trace_key key;
	char place[TRACE_PLACE_MAX];
	struct work_counts work;
	bool is_unsure;
};

enum trace_by trace_by;                 /* atomic */
static struct trace_hist *hist;         /* [hist_lock] */
static struct spinlock hist_lock = SPINLOCK_INIT(RANK_EVENT);

static void window_open(struct window *window);
static void window_close(const struct window *window, struct sample *sample);
static void sample_locate(struct sample *sample, enum trace_by by, virt_t addr);
static void hist_add(const struct sample *sample, enum trace_by by);

int trace_hist_fault(
	virt_t addr, enum access access, int (*resolve)(virt_t addr, enum access access))
{
	enum trace_by by = atomic_load_relaxed(&trace_by);
	struct process *process = current_process();
	struct window window;
	struct sample sample = { .place = "" };

	if (!process || !current->space || by == TRACE_BY_NOTHING ||
	    !event_filter_wants(process->pid, addr))
		return resolve(addr, access);
	window_open(&window);
	int err = resolve(addr, access);
	window_close(&window, &sample);
	sample_locate(&sample, by, addr);
	hist_add(&sample, by);
	return err;
}

/* ---- what it took --------------------------------------------------------------------------- */

static uint64_t switches_now(void)
{
	return current->switches_voluntary + current->switches_forced;
}

static void window_open(struct window *window)
{
	do {
		window->switches = switches_now();
		memcpy(window->cpu.of, this_cpu()->counters, sizeof(window->cpu.of));
		compiler_barrier();
	} while (window->switches != switches_now());
	window->space = current->space->work;
}

static void window_close(const struct window *window, struct sample *sample)
{
	const struct work_counts *before = &window->cpu;
	struct work_counts *work = &sample->work;

	memcpy(work->of, this_cpu()->counters, sizeof(work->of));
	compiler_barrier();
	if (window->switches != switches_now()) {
		*work = current->space->work;
		before = &window->space;
		sample->is_unsure = atomic_load_relaxed(&current->space->users) > 1;
	}
	for (unsigned kind = 0; kind < WORK_KINDS; kind++)
		work->of[kind] -= before->of[kind];
}

/* ---- where it came from --------------------------------------------------------------------- */

static void locate_site(struct sample *sample, const struct vmas *vmas);
static void locate_range(struct sample *sample, const struct vmas *vmas, virt_t addr);
static size_t put_name(struct sample *sample, size_t len, const struct vma *vma);

static void sample_locate(struct sample *sample, enum trace_by by, virt_t addr)
{
	struct space *space = current->space;

	if (by == TRACE_BY_PROCESS) {
		const struct process *process = current_process();
		sample->key.at = (uint64_t)process->pid;
		format_buffer(sample->place, TRACE_PLACE_MAX, "%d %s", process->pid, process->name);
		return;
	}
	read_lock(&space->lock);
	if (by == TRACE_BY_SITE)
		locate_site(sample, space->vmas);
	else
		locate_range(sample, space->vmas, addr);
	read_unlock(&space->lock);
}

/* The instruction, as FILE+OFFSET: the same in every process, wherever the file is mapped. */
static void locate_site(struct sample *sample, const struct vmas *vmas)
{
	virt_t rip = task_frame(current)->rip;
	const struct vma *vma = vma_find(vmas, rip);
	size_t len = put_name(sample, 0, vma);

	sample->key.at = vma && vma->name ? vma->offset + (rip - vma->start) : rip;
	format_buffer(sample->place + len, TRACE_PLACE_MAX - len, "+%#lx", sample->key.at);
}

/* All heaps are one place, all stacks another: they begin anywhere, and grow. */
static void locate_range(struct sample *sample, const struct vmas *vmas, virt_t addr)
{
	const struct vma *vma = vma_find(vmas, addr);
	size_t len = 0;

	if (vma && !(vma->flags & (VMA_HEAP | VMA_STACK))) {
		sample->key.at = vma->start;
		len = (size_t)format_buffer(sample->place, TRACE_PLACE_MAX, "%#lx-%#lx ",
					    vma->start, vma->end);
	}
	put_name(sample, len, vma);
	if (vma && vma->flags & VMA_STACK)
		sample->key.at = 1;
}

/* Write what a range is called at `len`; the new length, with room behind for an offset. */
static size_t put_name(struct sample *sample, size_t len, const struct vma *vma)
{
	enum { OFFSET_MAX = 20 };
	char *buf = sample->place + len;
	size_t size = TRACE_PLACE_MAX - OFFSET_MAX - len;

	if (!vma) {
		strlcpy(buf, "[nowhere]", size);
	} else if (!vma->name) {
		strlcpy(buf, vma->flags & VMA_HEAP ? "[heap]" : vma->flags & VMA_STACK ? "[stack]" :
			vma->object ? "[shared]" : "[anon]", size);
	} else {
		sample->key.device = vma->name->inode->fs->device;
		sample->key.inode = vma->name->inode->number;
		if (dentry_path_name(vma->name, buf, size) < 0) {
			/* too long: its last part */
			spin_lock(&dentry_lock);
			strlcpy(buf, vma->name->name, size);
			spin_unlock(&dentry_lock);
		}
	}
	return len + strlen(buf);
}

/* ---- the table ------------------------------------------------------------------------------ */

static bool key_equals(const struct trace_key *a, const struct trace_key *b)
{
	return a->device == b->device && a->inode == b->inode && a->at == b->at;
}

/* The key's row, or a free one; NULL: all are taken. */
static struct trace_row *row_find(const struct trace_key *key) REQUIRES(hist_lock)
{
	uint64_t hash = (key->device * 31 + key->inode) * 31 + key->at;

	hash = hash * 0x9e3779b97f4a7c15 >> 32;
	for (uint32_t i = 0; i < TRACE_ROWS; i++) {
		struct trace_row *row = &hist->rows[(hash + i) % TRACE_ROWS];
		if (row->place[0] == '\0' || key_equals(&row->key, key))
			return row;
	}
	return NULL;
}

static void hist_add(const struct sample *sample, enum trace_by by)
{
	spin_lock(&hist_lock);
	if (!hist || hist->by != by) {          /* set anew while we were at work */
		spin_unlock(&hist_lock);
		return;
	}
	struct trace_row *row = row_find(&sample->key);
	struct work_counts *sum = row ? &row->work : &hist->others;

	if (row && row->place[0] == '\0')
		hist->row_count++;
	if (row) {
		row->key = sample->key;
		memcpy(row->place, sample->place, TRACE_PLACE_MAX);
	}
	for (unsigned kind = 0; kind < WORK_KINDS; kind++)
		sum->of[kind] += sample->work.of[kind];
	hist->unsure += sample->is_unsure;
	spin_unlock(&hist_lock);
}

/* Put another table in the place of ours, which is freed. */
static void hist_replace(struct trace_hist *other)
{
	spin_lock(&hist_lock);
	struct trace_hist *old = hist;
	hist = other;
	spin_unlock(&hist_lock);
	kfree(old);
}

int trace_hist_set(enum trace_by by)
{
	if (by != TRACE_BY_NOTHING && (!hist || hist->by != by)) {
		struct trace_hist *fresh = kzalloc(sizeof(*fresh));
		if (!fresh)
			return -ENOMEM;
		fresh->by = by;
		hist_replace(fresh);
	}
	atomic_store_release(&trace_by, by);
	return 0;
}

void trace_hist_clear(void)
{
	if (trace_by == TRACE_BY_NOTHING) {
		hist_replace(NULL);
		return;
	}
	spin_lock(&hist_lock);
	memset(hist->rows, 0, sizeof(hist->rows));
	memset(&hist->others, 0, sizeof(hist->others));
	hist->row_count = 0;
	hist->unsure = 0;
	spin_unlock(&hist_lock);
}

int trace_hist_copy(struct trace_hist **out)
{
	*out = NULL;
	if (!hist)
		return 0;
	struct trace_hist *copy = kmalloc(sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	spin_lock(&hist_lock);
	memcpy(copy, hist, sizeof(*copy));
	spin_unlock(&hist_lock);
	*out = copy;
	return 0;
}
