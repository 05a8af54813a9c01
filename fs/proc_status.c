/* SPDX-License-Identifier: MIT */
/*
 * fs/proc_status.c - /proc/PID/stat and status: who somebody is and how they are.
 *
 * All that stands under the tree lock and the signals lock is first copied into one structure, then
 * printed without them.
 * See: proc(5).
 */

#include "fs/procfs.h"
#include "fs/fdtable.h"
#include "fs/tty.h"
#include "lib/abi/linux.h"
#include "lib/string.h"
#include "kernel/signal.h"
#include "mm/census.h"
#include "mm/space.h"

#define NS_PER_TICK ((uint64_t)1000000000 / USER_HZ)
enum { KIB_PER_PAGE = PAGE_SIZE / KIB };

struct signal_sets {
	uint64_t pending, shared_pending, blocked, ignored, caught;
	uint32_t queued;
};

struct status {
	char name[TASK_NAME_MAX];
	char state;
	int32_t tid, parent, group, session, tty_group;
	uint64_t tty_device;
	uint32_t threads;
	int nice;
	uint32_t cpu;
	uint64_t allowed_cpus;
	struct process_times times, children;
	struct signal_sets signals;
	bool may_look;                  /* the reader may know where things lie */
};

/* ---- looking ---- */

static char task_letter(const struct task *task)
{
	switch (READ_ONCE(task->state)) {
	case TASK_RUNNABLE:
		return 'R';
	case TASK_SLEEPING:
		return 'D';
	case TASK_INTERRUPTIBLE:
		return 'S';
	case TASK_STOPPED:
		return 'T';
	default:
		return 'X';
	}
}

static void look_at_signals(const struct process *process, const struct thread *thread,
			    struct signal_sets *sets) REQUIRES(process_tree_lock)
{
	struct spinlock *lock = process_signals(process);

	spin_lock(lock);
	sets->pending = thread->queue.pending;
	sets->shared_pending = process->queue.pending;
	sets->blocked = thread->blocked;
	sets->queued = signals_queued(process->credentials.uid);
	sets->ignored = process->actions->ignored;
	sets->caught = process->actions->caught;
	spin_unlock(lock);
}

static void look_at_thread(const struct text_node *node, struct thread *thread,
			   struct status *status) REQUIRES(process_tree_lock)
{
	const struct process *process = node->process;
	const struct task *task = thread->task;

	status->tid = thread->tid;
	status->state =
		process->state == PROCESS_ZOMBIE || thread->has_exited ? 'Z' : task_letter(task);
	status->nice = task->nice;
	status->cpu = task->cpu;
	status->allowed_cpus = task->allowed_cpus;
	strlcpy(status->name, node->number ? task->name : process->name, sizeof(status->name));
	look_at_signals(process, thread, &status->signals);
	if (node->number)
		thread_times(thread, &status->times);
	else
		process_times(process, &status->times);
}

/* -ESRCH: it has been waited for. */
static int look(const struct text_node *node, struct status *status)
{
	const struct process *process = node->process;
	struct thread *thread;

	*status = (struct status){ .tty_group = -1 };
	spin_lock(&process_tree_lock);
	thread = proc_thread(node);
	if (thread) {
		status->may_look = process_may_look(process);
		status->parent = process->parent ? process->parent->pid : 0;
		status->group = process->group;
		status->session = process->session;
		status->threads = process->thread_count;
		status->children = process->past_children;
		if (process->tty) {
			status->tty_device = process->tty->device;
			status->tty_group = process->tty->group;
		}
		look_at_thread(node, thread, status);
	}
	spin_unlock(&process_tree_lock);
	return thread ? 0 : -ESRCH;
}

/* ---- stat ---- */

/* Where a program's parts lie; all zeros for who may not look. */
struct layout {
	struct program program;
	virt_t stack_top, brk_start;
};

static struct layout layout_of(const struct space *space, const struct status *status)
{
	if (!space || !status->may_look)
		return (struct layout){ 0 };
	return (struct layout){ space->program, space->stack_top, READ_ONCE(space->brk_start) };
}

static void print_stat_memory(struct text *text, const struct text_node *node,
			      const struct space *space, const struct layout *layout)
{
	text_print(text, " %lu %ld %lu %lu %lu %lu 0 0",
		space ? READ_ONCE(space->mapped_pages) << PAGE_SHIFT : 0,
		space ? (long)READ_ONCE(space->resident) : 0,
		node->process->limits[RLIMIT_RSS].rlim_cur, layout->program.code_start,
		layout->program.code_end, layout->stack_top);
}

static void print_stat_layout(struct text *text, const struct layout *layout, int32_t exit_status)
{
	const struct program *program = &layout->program;

	text_print(text, " %lu %lu %lu %lu %lu %lu %lu %d\n", program->data_start,
		program->data_end, layout->brk_start, program->args_start, program->args_end,
		program->env_start, program->env_end, exit_status);
}

int proc_show_stat(struct text *text, const struct text_node *node)
{
	const struct process *process = node->process;
	struct status s;
	struct space *space;
	int err = look(node, &s);

	if (err)
		return err;
	space = proc_space(node);
	struct layout layout = layout_of(space, &s);
	text_print(text, "%d (%s) %c %d %d %d %lu %d 0 %lu %lu 0 0 %lu %lu %lu %lu", s.tid, s.name,
		s.state, s.parent, s.group, s.session, s.tty_device, s.tty_group,
		s.times.min_faults, s.children.min_faults, s.times.user_ns / NS_PER_TICK,
		s.times.kernel_ns / NS_PER_TICK, s.children.user_ns / NS_PER_TICK,
		s.children.kernel_ns / NS_PER_TICK);
	text_print(text, " %d %d %u 0 %lu", 20 + s.nice, s.nice, s.threads,
		process->start_ns / NS_PER_TICK);
	print_stat_memory(text, node, space, &layout);
	text_print(text, " %lu %lu %lu %lu 0 0 0 %d %u 0 0 0 0 0", s.signals.pending & INT32_MAX,
		s.signals.blocked & INT32_MAX, s.signals.ignored & INT32_MAX,
		s.signals.caught & INT32_MAX, process->exit_signal, s.cpu);
	print_stat_layout(text, &layout, s.may_look ? process->exit_status : 0);
	if (space)
		space_put(space);
	return 0;
}

/* ---- status ---- */

static const char *state_name(char state)
{
	switch (state) {
	case 'R':
		return "R (running)";
	case 'S':
		return "S (sleeping)";
	case 'D':
		return "D (disk sleep)";
	case 'T':
		return "T (stopped)";
	case 'Z':
		return "Z (zombie)";
	default:
		return "X (dead)";
	}
}

static uint32_t umask_of(const struct text_node *node)
{
	struct fs_context *context = proc_context(node);
	uint32_t umask = 0;

	if (context) {
		umask = READ_ONCE(context->umask);
		fs_context_put(context);
	}
	return umask;
}

static uint32_t table_size_of(const struct text_node *node)
{
	struct fdtable *files = proc_files(node);
	uint32_t size = 0;

	if (files) {
		size = READ_ONCE(files->capacity);
		fdtable_put(files);
	}
	return size;
}

static void print_identity(
	struct text *text, const struct text_node *node, const struct status *s)
{
	const struct process *process = node->process;
	const struct credentials *who = &process->credentials;

	text_print(text, "Name:\t%s\nUmask:\t%04o\nState:\t%s\n", s->name, umask_of(node),
		state_name(s->state));
	text_print(text, "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", process->pid,
		s->tid, s->parent);
	text_print(text, "Uid:\t%u\t%u\t%u\t%u\n", who->uid, who->euid, who->suid, who->fsuid);
	text_print(text, "Gid:\t%u\t%u\t%u\t%u\n", who->gid, who->egid, who->sgid, who->fsgid);
	text_print(text, "FDSize:\t%u\nGroups:\t", table_size_of(node));
	for (uint32_t i = 0; i < MIN(who->group_count, (uint32_t)GROUPS_MAX); i++)
		text_print(text, "%u ", who->groups[i]);
	text_print(text, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", process->pid,
		s->tid, s->group, s->session);
}

/* Sums over the ranges of a space, in pages. */
struct range_sums {
	uint64_t data, stack, code;
};

static void sum_ranges(struct space *space, struct range_sums *sums)
{
	*sums = (struct range_sums){ 0 };
	read_lock(&space->lock);
	for (uint32_t i = 0; i < space->vmas->count; i++) {
		const struct vma *vma = &space->vmas->at[i];
		uint64_t pages = (vma->end - vma->start) / PAGE_SIZE;

		if (vma->flags & (VMA_STACK | VMA_GROWSDOWN))
			sums->stack += pages;
		else if (vma_is_private(vma) && vma->prot & PROT_WRITE)
			sums->data += pages;
		else if (vma->prot & PROT_EXEC)
			sums->code += pages;
	}
	read_unlock(&space->lock);
}

static void print_kib(struct text *text, const char *name, uint64_t pages)
{
	text_print(text, "%s:\t%8lu kB\n", name, pages * KIB_PER_PAGE);
}

static void print_memory(struct text *text, struct space *space)
{
	uint64_t resident, peak = (uint64_t)READ_ONCE(space->resident_peak);
	uint64_t mapped = READ_ONCE(space->mapped_pages);
	uint64_t own_code =
		(space->program.code_end - space->program.code_start + PAGE_SIZE - 1) / PAGE_SIZE;
	struct proc_memory memory;
	struct range_sums sums;

	proc_measure(space, &memory);
	sum_ranges(space, &sums);
	resident = memory.anonymous + memory.file + memory.shared;
	print_kib(text, "VmPeak", MAX(READ_ONCE(space->mapped_peak), mapped));
	print_kib(text, "VmSize", mapped);
	print_kib(text, "VmLck", READ_ONCE(space->locked_pages));
	print_kib(text, "VmPin", 0);
	print_kib(text, "VmHWM", MAX(peak, resident));
	print_kib(text, "VmRSS", resident);
	print_kib(text, "RssAnon", memory.anonymous);
	print_kib(text, "RssFile", memory.file);
	print_kib(text, "RssShmem", memory.shared);
	print_kib(text, "VmData", sums.data);
	print_kib(text, "VmStk", sums.stack);
	print_kib(text, "VmExe", MIN(own_code, sums.code));
	print_kib(text, "VmLib", sums.code - MIN(own_code, sums.code));
	print_kib(text, "VmPTE", space_tables(space));
	print_kib(text, "VmSwap", 0);
}

static void print_signals(
	struct text *text, const struct text_node *node, const struct status *s)
{
	const struct signal_sets *sets = &s->signals;

	text_print(text, "Threads:\t%u\nSigQ:\t%u/%lu\n", s->threads, sets->queued,
		node->process->limits[RLIMIT_SIGPENDING].rlim_cur);
	text_print(text,
		"SigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%"
	        "016lx\n",
		sets->pending, sets->shared_pending, sets->blocked, sets->ignored, sets->caught);
}

/* Capabilities are not built: the superuser has all. */
static void print_rights(struct text *text, const struct process *process)
{
	uint64_t all = (2ull << CAP_LAST_CAP) - 1;
	uint64_t effective = process->credentials.euid == 0 ? all : 0;

	text_print(text,
		"CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\nCapBnd:\t%016lx\nCapAmb:\t%"
	        "016lx\n",
		0ul, effective, effective, all, 0ul);
	text_print(text, "NoNewPrivs:\t%d\nSeccomp:\t0\n",
		READ_ONCE(process->no_new_privs));
}

static void print_cpus(struct text *text, uint64_t allowed)
{
	const char *separator = "";
	uint64_t online = cpu_count == CPU_MAX ? ~0ull : (1ull << cpu_count) - 1;

	allowed &= online;
	text_print(text, "Cpus_allowed:\t%lx\nCpus_allowed_list:\t", allowed);
	for (uint32_t first = 0; first < cpu_count; first++) {
		uint32_t last = first;

		if (!(allowed >> first & 1))
			continue;
		while (last + 1 < cpu_count && allowed >> (last + 1) & 1)
			last++;
		text_print(text, last > first ? "%s%u-%u" : "%s%u", separator, first, last);
		separator = ",";
		first = last;
	}
	text_print(text, "\nMems_allowed:\t1\nMems_allowed_list:\t0\n");
}

int proc_show_status(struct text *text, const struct text_node *node)
{
	struct status s;
	struct space *space;
	int err = look(node, &s);

	if (err)
		return err;
	print_identity(text, node, &s);
	space = proc_space(node);
	if (space) {
		print_memory(text, space);
		space_put(space);
	}
	print_signals(text, node, &s);
	print_rights(text, node->process);
	print_cpus(text, s.allowed_cpus);
	text_print(text, "voluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_switches:\t%lu\n",
		s.times.switches_voluntary, s.times.switches_forced);
	return 0;
}
