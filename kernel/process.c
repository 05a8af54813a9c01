/* SPDX-License-Identifier: MIT */
/*
 * kernel/process.c - processes, their threads, groups and sessions.
 *
 * Owns:       the memory of processes and threads, the list of all processes, the family tree.
 * Invariants: who is found through the tree (by number, as a child, as a thread) while the tree
 *             lock is held stays alive until it is released: each holds a reference for its place
 *             there. A thread's task is freed with the thread; its stack and registers go when it
 *             is off its CPU.
 * Locks:      process_tree_lock.  The last put of anything never sleeps, because the scheduler does
 *             it.
 */
#include "kernel/process.h"

#include "lib/abi/errno.h"
#include "lib/string.h"
#include "kernel/clock.h"
#include "kernel/panic.h"
#include "kernel/signal.h"
#include "fs/path.h"
#include "mm/slab.h"
#include "mm/space.h"

struct spinlock process_tree_lock = SPINLOCK_INIT(RANK_PROCESS_TREE);
struct process *init_process;

struct task_block {
	struct task task;               /* first */
	struct thread thread;
};

static struct slab_cache process_cache, block_cache, actions_cache, table_cache;
static struct list processes = LIST_INIT(processes);    /* [tree] */
static uint32_t process_count;                          /* [tree] */

void processes_start(void)
{
	slab_cache_init(&process_cache, "process", sizeof(struct process), 8);
	slab_cache_init(&actions_cache, "signal_actions", sizeof(struct signal_actions), 8);
	slab_cache_init(&table_cache, "signal_table", sizeof(struct signal_table), 8);
}

/* ---- processes ------------------------------------------------------------------------------ */

struct process *process_create(void)
{
	struct process *process = slab_alloc(&process_cache);

	if (!process)
		return NULL;
	memset(process, 0, offsetof(struct process, name));
	process->refs = 1;
	process->is_dumpable = true;
	process->program = 1;
	process->start_ns = clock_now_ns();
	list_init(&process->children);
	list_node_init(&process->sibling);
	list_init(&process->threads);
	list_init(&process->births);
	list_node_init(&process->all);
	signal_queue_init(&process->queue);
	wait_queue_init(&process->child_wait);
	return process;
}

void process_get(struct process *process)
{
	atomic_inc(&process->refs);
}

void process_put(struct process *process)
{
	if (!atomic_dec_and_test(&process->refs))
		return;

	assert(process->thread_count == 0 && list_is_empty(&process->children));
	assert(process->executable == NULL);
	signal_queue_flush(&process->queue);
	if (process->actions)
		signal_actions_put(process->actions);
	slab_free(&process_cache, process);
}

struct process *process_find(int32_t pid)
{
	struct process *process = NULL;

	spin_lock(&process_tree_lock);
	struct thread *thread = pid_thread(pid);
	if (thread) {
		process = thread->process;
		process_get(process);
	}
	spin_unlock(&process_tree_lock);
	return process;
}

struct process *process_named(int32_t pid)
{
	if (pid == 0)
		return current_process();
	struct thread *thread = pid_thread(pid);
	return thread ? thread->process : NULL;
}

void process_enlist(struct process *process, struct process *parent)
{
	process->parent = parent;
	process->parent_pid = parent ? parent->pid : 0;
	process->parent_program = parent ? parent->program : 0;
	process->state = PROCESS_ALIVE;
	if (parent)
		list_push_back(&parent->children, &process->sibling);
	list_push_back(&processes, &process->all);
	process_count++;
}

void process_set_group(struct process *process, int32_t group)
{
	pid_replace(&process->group, group);
}

void process_set_session(struct process *process, int32_t session)
{
	pid_replace(&process->session, session);
}

struct thread *process_reap(struct process *process)
{
	struct thread *leader = process->leader;

	assert(process->state == PROCESS_ZOMBIE && leader->has_exited);
	process->state = PROCESS_REAPED;
	process->leader = NULL;
	list_remove(&process->sibling);
	list_remove(&process->all);
	process_count--;
	process_set_group(process, 0);
	process_set_session(process, 0);
	pid_set_thread(process->pid, NULL);
	pid_release(process->pid);
	wake_all(&process->child_wait);
	return leader;
}

/* The tree's counts. */
void reaped_put(struct thread *leader)
{
	struct process *process = leader->process;

	thread_put(leader);
	process_put(process);
}

void process_for_each(void (*visit)(struct process *process, void *argument), void *argument)
{
	struct process *process;

	list_for_each_entry(process, &processes, all)
		visit(process, argument);
}

struct process *process_next(struct process *after)
{
	struct process *next = NULL;

	spin_lock(&process_tree_lock);
	struct list_node *node = after ? after->all.next : processes.head.next;
	bool is_at_end = (after && after->state == PROCESS_REAPED) || node == &processes.head;
	if (!is_at_end) {
		next = list_entry(node, struct process, all);
		process_get(next);
	}
	spin_unlock(&process_tree_lock);
	if (after)
		process_put(after);
	return next;
}

uint32_t processes_count(void)
{
	return READ_ONCE(process_count);
}

/* ---- threads -------------------------------------------------------------------------------- */

/* The first task comes before everything else here. */
struct task *task_block_alloc(void)
{
	if (unlikely(!block_cache.size))
		slab_cache_init(&block_cache, "task", sizeof(struct task_block), 8);
	struct task *task = slab_alloc(&block_cache);
	if (task)
		memset(task, 0, sizeof(*task));
	return task;
}

void task_block_free(struct task *task)
{
	slab_free(&block_cache, task);
}

struct thread *thread_create(struct task *task, struct process *process)
{
	struct task_block *block = (struct task_block *)task;
	struct thread *thread = &block->thread;

	memset(thread, 0, sizeof(*thread));
	task->fpu = (void *)task_stack_top(task);
	thread->refs = 2;
	thread->task = task;
	thread->process = process;
	process_get(process);
	list_node_init(&thread->node);
	signal_queue_init(&thread->queue);
	thread->alternate_stack.ss_flags = SS_DISABLE;
	task->thread = thread;
	task->process = process;
	return thread;
}

void thread_get(struct thread *thread)
{
	atomic_inc(&thread->refs);
}

void thread_put(struct thread *thread)
{
	if (!atomic_dec_and_test(&thread->refs))
		return;

	struct process *process = thread->process;
	signal_queue_flush(&thread->queue);
	task_destroy(thread->task);     /* and the thread with it */
	process_put(process);
}

void thread_destroy(struct thread *thread)
{
	thread->refs = 1;
	thread_put(thread);
}

/* ---- rights --------------------------------------------------------------------------------- */

bool process_is_privileged(void)
{
	const struct process *self = current_process();

	return !self || self->credentials.euid == 0;
}

bool process_may_signal(const struct process *target, int signal)
{
	const struct process *self = current_process();
	const struct credentials *mine = &self->credentials, *theirs = &target->credentials;

	if (self == target || mine->euid == 0)
		return true;
	if (signal == SIGCONT && self->session == target->session)
		return true;
	return mine->euid == theirs->suid || mine->euid == theirs->uid ||
	       mine->uid == theirs->suid || mine->uid == theirs->uid;
}

/* Is somebody with these ids the target's user in every respect? */
static bool is_user_of(const struct process *target, uint32_t uid, uint32_t gid)
{
	const struct credentials *theirs = &target->credentials;

	return uid == theirs->uid && uid == theirs->euid && uid == theirs->suid &&
	       gid == theirs->gid && gid == theirs->egid && gid == theirs->sgid;
}

/* ptrace(2): its user, and it has nothing that its user has not. */
static bool is_open_to(const struct process *target, uint32_t uid, uint32_t gid)
{
	if (target == current_process() || process_is_privileged())
		return true;
	return target->is_dumpable && is_user_of(target, uid, gid);
}

bool process_may_inspect(const struct process *target)
{
	const struct credentials *mine = &current_process()->credentials;

	return is_open_to(target, mine->uid, mine->gid);
}

bool process_may_look(const struct process *target)
{
	const struct credentials *mine = &current_process()->credentials;

	return is_open_to(target, mine->fsuid, mine->fsgid);
}

bool process_may_limit(const struct process *target)
{
	const struct credentials *mine = &current_process()->credentials;

	return target == current_process() || process_is_privileged() ||
	       is_user_of(target, mine->uid, mine->gid);
}

bool process_may_schedule(const struct process *target)
{
	const struct credentials *mine = &current_process()->credentials;

	return process_is_privileged() || mine->euid == target->credentials.uid ||
	       mine->euid == target->credentials.euid;
}

void process_set_credentials(const struct credentials *ids)
{
	struct process *self = current_process();
	struct credentials *mine = &self->credentials;

	if (ids->euid != mine->euid || ids->egid != mine->egid || ids->fsuid != mine->fsuid ||
	    ids->fsgid != mine->fsgid) {
		self->is_dumpable = false;
		self->parent_death_signal = 0;
	}
	*mine = *ids;
}

/* ---- signal actions ------------------------------------------------------------------------- */

struct signal_actions *signal_actions_create(void)
{
	struct signal_actions *actions = slab_alloc_zeroed(&actions_cache);

	if (!actions)
		return NULL;
	actions->refs = 1;
	spin_init(&actions->lock, RANK_SIGNAL);
	return actions;
}

struct signal_actions *signal_actions_copy(struct signal_actions *from)
{
	struct signal_actions *copy = signal_actions_create();

	if (!copy)
		return NULL;
	spin_lock(&from->lock);
	copy->given = from->given;
	copy->caught = from->caught;
	copy->ignored = from->ignored;
	copy->table = from->table;
	if (copy->table)
		atomic_inc(&copy->table->refs);
	spin_unlock(&from->lock);
	return copy;
}

void signal_actions_put(struct signal_actions *actions)
{
	if (!atomic_dec_and_test(&actions->refs))
		return;
	signal_table_put(actions->table);
	slab_free(&actions_cache, actions);
}

int signal_table_own(struct signal_actions *actions)
{
	struct signal_table *old = actions->table, *own;

	if (old && atomic_load_acquire(&old->refs) == 1)
		return 0;
	own = slab_alloc(&table_cache);
	if (!own)
		return -ENOMEM;
	if (old)
		*own = *old;
	own->refs = 1;
	actions->table = own;
	signal_table_put(old);
	return 0;
}

void signal_table_put(struct signal_table *table)
{
	if (table && atomic_dec_and_test(&table->refs))
		slab_free(&table_cache, table);
}

/* ---- consumption ---------------------------------------------------------------------------- */

/* The time since the last look at a thread is its program's until the next look.  Should that find
 * it in the kernel, neither part goes back: the kernel's grows more slowly for a while. */
static uint64_t thread_user_ns(struct thread *thread, uint64_t total_ns)
{
	uint64_t kernel_ns = MIN(READ_ONCE(thread->task->kernel_ns), total_ns);
	uint64_t user_ns = total_ns - kernel_ns;
	uint64_t told_ns = atomic_load_relaxed(&thread->user_ns_told);

	while (told_ns < user_ns && !atomic_cmpxchg(&thread->user_ns_told, &told_ns, user_ns))
		;
	return MIN(MAX(user_ns, told_ns), total_ns);
}

void thread_times(struct thread *thread, struct process_times *times)
{
	const struct task *task = thread->task;
	uint64_t total_ns = task_run_time_ns(task), user_ns = thread_user_ns(thread, total_ns);

	times->user_ns += user_ns;
	times->kernel_ns += total_ns - user_ns;
	times->switches_voluntary += task->switches_voluntary;
	times->switches_forced += task->switches_forced;
}

void process_times(const struct process *process, struct process_times *times)
{
	struct thread *thread;
	const struct space *space = NULL;

	*times = process->past;
	list_for_each_entry(thread, &process->threads, node) {
		thread_times(thread, times);
		space = thread->task->space;
	}
	if (!space)
		return;
	times->min_faults += atomic_load_relaxed(&space->work.of[WORK_faults]);
	times->resident_peak = MAX(times->resident_peak, space_resident_peak(space));
}

void times_add(struct process_times *times, const struct process_times *more)
{
	times->user_ns += more->user_ns;
	times->kernel_ns += more->kernel_ns;
	times->min_faults += more->min_faults;
	times->resident_peak = MAX(times->resident_peak, more->resident_peak);
	times->switches_voluntary += more->switches_voluntary;
	times->switches_forced += more->switches_forced;
}

/* ---- the program's file --------------------------------------------------------------------- */

struct executable {
	struct path path;               /* first: outside it is known as a struct path * */
	uint32_t refs;                  /* atomic */
};

struct path *executable_make(const struct path *path)
{
	struct executable *executable = kmalloc(sizeof(*executable));

	if (!executable)
		return NULL;
	*executable = (struct executable){ .path = *path, .refs = 1 };
	path_get(path);
	return &executable->path;
}

struct path *executable_get(struct path *path)
{
	if (path)
		atomic_inc(&container_of(path, struct executable, path)->refs);
	return path;
}

void executable_put(struct path *path)
{
	if (!path)
		return;
	struct executable *executable = container_of(path, struct executable, path);
	if (!atomic_dec_and_test(&executable->refs))
		return;
	path_put(&executable->path);
	kfree(executable);
}
