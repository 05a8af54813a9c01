/* SPDX-License-Identifier: MIT */
/*
 * kernel/fork.c - fork, vfork, clone: a child put together from parts.
 *
 *      check     flags that make no sense together, limits
 *      reserve   task and stack, thread, process, files, places, number, space, descriptor: each
 *                new, copied or shared
 *      commit    one critical section: kill, stops and the limit are looked at once more, then the
 *                child is there
 *
 * A signal to many of whom the parent is one is the child's, too: one that comes while the child is
 * made waits for it (struct birth), and the fork goes on.
 *
 * Owns:       struct child, what is reserved and not yet anybody's.
 * Invariants: until the commit nobody can find the child but by the descriptor for it, where it is
 *             unborn; and all of it can be undone.
 *             The space comes last, so that the snapshot is as late as possible; but for the
 *             parent's descriptor of the child, which the child has not.
 * Locks:      process_tree_lock and the parent's signals lock for the commit.
 * See:        clone(2); mm/space.c for what sharing the space means.
 */
#include "kernel/fork.h"

#include "lib/abi/errno.h"
#include "lib/string.h"
#include "arch/x86_64/fpu.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/usercopy.h"
#include "kernel/event.h"
#include "kernel/panic.h"
#include "kernel/pidfd.h"
#include "kernel/signal.h"
#include "fs/context.h"
#include "fs/fdtable.h"
#include "mm/space.h"
#include "mm/uaccess.h"

#define CLONE_NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | \
			  CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

struct child {
	struct task *task;
	struct thread *thread;
	struct process *process;        /* the parent's own with CLONE_THREAD */
	struct birth birth;             /* among its parent's, for signals meanwhile */
	int32_t tid;
	int pidfd;                      /* in the parent's table; -1: none */
};

static int clone_check(const struct clone_request *request);
static void birth_begin(struct birth *birth);
static void birth_end(struct birth *birth);
static int child_reserve(struct child *child, const struct clone_request *request);
static void child_discard(struct child *child);
static int child_commit(struct child *child, const struct clone_request *request);
static void tell_parent(virt_t at, int32_t tid);
static void wait_for_vfork(struct thread *thread);

long process_clone(const struct clone_request *request)
{
	struct child child = { .pidfd = -1 };

	int err = clone_check(request);
	if (err)
		return err;
	birth_begin(&child.birth);
	err = signal_is_pending() ? -ERESTARTNOINTR : child_reserve(&child, request);
	if (!err)
		err = child_commit(&child, request);
	if (err) {
		birth_end(&child.birth);
		child_discard(&child);
		return err;
	}
	if (request->flags & CLONE_PARENT_SETTID)
		tell_parent(request->parent_tid, child.tid);
	task_wake(child.task);
	if (request->flags & CLONE_VFORK)
		wait_for_vfork(child.thread);
	return child.tid;
}

/* A signal is sent before this, and found pending, or after it, and told to the birth. */
static void birth_begin(struct birth *birth)
{
	struct process *self = current_process();

	spin_lock(process_signals(self));
	list_push_back(&self->births, &birth->node);
	spin_unlock(process_signals(self));
}

static void birth_end(struct birth *birth)
{
	struct process *self = current_process();

	spin_lock(process_signals(self));
	list_remove(&birth->node);
	spin_unlock(process_signals(self));
}

/* A bad address is the program's loss: the child is there. */
static void tell_parent(virt_t at, int32_t tid)
{
	int lost = put_user_u32(at, (uint32_t)tid);
	(void)lost;
}

/* ---- check ---------------------------------------------------------------------------------- */

static void count_user(struct process *process, void *argument)
{
	uint64_t *left = argument;

	/* A leader that nobody has waited for counts, too. */
	uint64_t threads = process->thread_count +
		(process->leader && process->leader->has_exited);

	if (process->credentials.uid == current_process()->credentials.uid)
		*left -= MIN(*left, threads);
}

/* Need the user's threads not be counted?  The superuser's, and while the whole system has fewer
 * than he may have. */
static bool is_far_from_limit(void)
{
	const struct process *self = current_process();

	return pids_in_use() < self->limits[RLIMIT_NPROC].rlim_cur || process_is_privileged() ||
	       self->credentials.uid == 0;
}

/* RLIMIT_NPROC: all threads of the user. */
static bool may_have_another(void) REQUIRES(process_tree_lock)
{
	uint64_t left = current_process()->limits[RLIMIT_NPROC].rlim_cur;

	if (likely(is_far_from_limit()))
		return true;
	process_for_each(count_user, &left);
	return left > 0;
}

/* Flags that contradict each other. */
static bool flags_make_sense(uint64_t flags)
{
	static const struct {
		uint64_t flag, needs, forbids;
	} rules[] = {
		{ .flag = CLONE_THREAD, .needs = CLONE_SIGHAND,
		  .forbids = CLONE_NEWUSER | CLONE_NEWPID | CLONE_PIDFD },
		{ .flag = CLONE_SIGHAND, .needs = CLONE_VM, .forbids = CLONE_CLEAR_SIGHAND },
		{ .flag = CLONE_FS, .forbids = CLONE_NEWNS | CLONE_NEWUSER },
		{ .flag = CLONE_PIDFD, .forbids = CLONE_DETACHED },
		{ .flag = CLONE_SYSVSEM, .forbids = CLONE_NEWIPC },
	};

	for (unsigned i = 0; i < COUNT(rules); i++) {
		if (!(flags & rules[i].flag))
			continue;
		if ((flags & rules[i].needs) != rules[i].needs || flags & rules[i].forbids)
			return false;
	}
	return true;
}

/* There are no namespaces and no control groups: as in a Linux that was built without them. */
static int clone_check(const struct clone_request *request)
{
	uint64_t flags = request->flags;

	if (!flags_make_sense(flags) || flags & CLONE_NEWUSER)
		return -EINVAL;
	if (flags & CLONE_PARENT && current_process() == init_process)
		return -EINVAL;
	if (flags & CLONE_NAMESPACES)
		return process_is_privileged() ? -EINVAL : -EPERM;
	if (flags & CLONE_INTO_CGROUP)
		return -EBADF;
	if (flags & CLONE_SETTLS && request->tls >= USER_END)
		return -EPERM;
	if (request->set_tid && !process_is_privileged())
		return -EPERM;
	if (likely(is_far_from_limit()))
		return 0;
	spin_lock(&process_tree_lock);
	bool may = may_have_another();
	spin_unlock(&process_tree_lock);
	return may ? 0 : -EAGAIN;
}

/* ---- reserve -------------------------------------------------------------------------------- */

static void process_inherit(struct process *child, const struct process *parent);
static void task_inherit(struct task *task, const struct clone_request *request);
static void thread_inherit(struct thread *thread, const struct clone_request *request);
static int child_take_files(struct task *task, uint64_t flags);
static int child_take_space(struct child *child, const struct clone_request *request);
static int child_take_pidfd(struct child *child, const struct clone_request *request);

static int child_take_process(struct child *child, const struct clone_request *request)
{
	struct process *self = current_process();

	if (request->flags & CLONE_THREAD) {
		child->process = self;
		return 0;
	}
	child->process = process_create();
	if (!child->process)
		return -ENOMEM;
	if (request->flags & CLONE_SIGHAND) {
		child->process->actions = self->actions;
		atomic_inc(&self->actions->refs);
	} else {
		child->process->actions = signal_actions_copy(self->actions);
		if (!child->process->actions)
			return -ENOMEM;
		if (request->flags & CLONE_CLEAR_SIGHAND)
			signal_actions_reset(child->process->actions);
	}
	process_inherit(child->process, self);
	child->process->exit_signal = request->exit_signal;
	return 0;
}

static int child_reserve(struct child *child, const struct clone_request *request)
{
	int err = child_take_process(child, request);
	if (err)
		return err;

	child->task = task_create_user(current->name);
	if (!child->task)
		return -ENOMEM;
	child->thread = thread_create(child->task, child->process);
	task_inherit(child->task, request);
	thread_inherit(child->thread, request);
	err = child_take_files(child->task, request->flags);
	if (err)
		return err;

	child->tid = request->set_tid ? pid_alloc_at(request->set_tid) : pid_alloc();
	if (child->tid < 0)
		return child->tid;
	child->thread->tid = child->task->tid = child->tid;
	err = child_take_space(child, request);
	if (!err && request->flags & CLONE_PIDFD)
		err = child_take_pidfd(child, request);
	return err;
}

static void process_inherit(struct process *child, const struct process *parent)
{
	memcpy(child->name, current->name, sizeof(child->name));
	memcpy(child->limits, parent->limits, sizeof(child->limits));
	child->oom_score_adj = parent->oom_score_adj;
	child->oom_score_adj_least = parent->oom_score_adj_least;
	child->executable = executable_get(parent->executable);
}

/* The registers as they are now, but for the result and what the request says. */
static void task_inherit(struct task *task, const struct clone_request *request)
{
	struct trap_frame *frame = task_frame(task);

	*frame = *task_frame(current);
	frame->rax = 0;
	if (request->stack)
		frame->rsp = request->stack;
	frame_set_replaced(frame);
	preempt_disable();
	fpu_save_first(task->fpu);
	preempt_enable();
	task->fs_base = request->flags & CLONE_SETTLS ? request->tls : current->fs_base;
	task->gs_base = current->gs_base;
	task->nice = current->nice;
	task->allowed_cpus = current->allowed_cpus;
}

static void thread_inherit(struct thread *thread, const struct clone_request *request)
{
	const struct thread *self = current_thread();
	bool has_own_stack = request->flags & CLONE_VM && !(request->flags & CLONE_VFORK);

	thread->blocked = self->blocked;
	if (!has_own_stack)
		thread->alternate_stack = self->alternate_stack;
	if (request->flags & CLONE_CHILD_CLEARTID)
		thread->clear_child_tid = request->child_tid;
	thread->is_borrowing = request->flags & CLONE_VFORK;
}

static int child_take_files(struct task *task, uint64_t flags)
{
	struct thread *thread = task->thread;

	task->files = flags & CLONE_FILES ? fdtable_join() : fdtable_fork();
	thread->fs = flags & CLONE_FS ? fs_context_join() : fs_context_fork();
	return task->files && thread->fs ? 0 : -ENOMEM;
}

static int child_take_space(struct child *child, const struct clone_request *request)
{
	struct space *space = current->space;

	if (request->flags & CLONE_VM) {
		space_get(space);
	} else {
		int err = space_fork(current->space, &space);
		if (err)
			return err;
	}
	child->task->space = space;
	child->task->context = &space->mmu;
	if (!(request->flags & CLONE_CHILD_SETTID))
		return 0;
	int err = space_write(space, request->child_tid, &child->tid, sizeof(child->tid));
	return err == -ENOMEM ? err : 0;
}

static int child_take_pidfd(struct child *child, const struct clone_request *request)
{
	child->pidfd = pidfd_install(child->process, 0);
	if (child->pidfd < 0)
		return child->pidfd;
	return put_user_u32(request->pidfd, (uint32_t)child->pidfd);
}

static void child_discard(struct child *child)
{
	struct thread *thread = child->thread;
	struct process *process = child->process;

	if (child->pidfd >= 0)
		pidfd_take_back(child->process, child->pidfd);
	if (child->task && child->task->space)
		space_put(child->task->space);
	if (child->tid > 0)
		pid_release(child->tid);
	if (thread && child->task->files)
		fdtable_leave(child->task->files);
	if (thread && thread->fs)
		fs_context_put(thread->fs);
	if (thread)
		thread_destroy(thread);
	else if (child->task)
		task_destroy(child->task);
	if (!process || process == current_process())
		return;
	executable_put(process->executable);
	process->executable = NULL;
	spin_lock(&process_tree_lock);
	process->state = PROCESS_REAPED;        /* for who holds its descriptor */
	spin_unlock(&process_tree_lock);
	wake_all(&process->child_wait);
	process_put(process);
}

/* ---- commit --------------------------------------------------------------------------------- */

/* Who came too late to be told of a stop or of an end must not escape it.  Other signals can wait:
 * else a fast timer could keep a slow fork from ever happening. */
static int commit_check(const struct child *child)
{
	const struct thread *self = current_thread();
	const struct process *process = self->process;
	bool is_thread = child->process == process;

	if (self->must_die)
		return -EINTR;
	bool has_work = task_has_signal_work(self->task);
	assert(has_work || !process->stop_signal);      /* or nobody would restart the call */
	return process->stop_signal || (is_thread && has_work) ? -ERESTARTNOINTR : 0;
}

static void process_publish(struct child *child, uint64_t flags) REQUIRES(process_tree_lock)
{
	struct process *self = current_process(), *process = child->process;

	process->pid = child->tid;
	process->leader = child->thread;
	process->credentials = self->credentials;
	process->is_dumpable = self->is_dumpable;
	process->no_new_privs = self->no_new_privs;
	process->tty = self->tty;
	process->queue.pending = child->birth.signals;
	if (process->queue.pending)
		signal_recompute(child->thread);
	process_set_group(process, self->group);
	process_set_session(process, self->session);
	if (flags & CLONE_PARENT)
		process->exit_signal = self->exit_signal;
	process_enlist(process, flags & CLONE_PARENT ? self->parent : self);
	if (flags & CLONE_PARENT)
		process->parent_program = self->parent_program;
}

static int child_commit(struct child *child, const struct clone_request *request)
{
	struct thread *self = current_thread();
	struct process *process = child->process;

	spin_lock(&process_tree_lock);
	spin_lock(process_signals(self->process));
	int err = commit_check(child);
	if (!err && !may_have_another())
		err = -EAGAIN;                  /* others were made meanwhile */
	if (!err) {
		list_remove(&child->birth.node);
		list_push_back(&process->threads, &child->thread->node);
		process->thread_count++;
		atomic_inc(&process->live);
	}
	spin_unlock(process_signals(self->process));
	if (!err) {
		pid_set_thread(child->tid, child->thread);
		if (process != self->process)
			process_publish(child, request->flags);
		event(process_fork, self->process->pid, child->tid, request->flags);
	}
	if (!err && request->flags & CLONE_VFORK)
		thread_get(child->thread);
	spin_unlock(&process_tree_lock);
	return err;
}

/* The child runs on our memory; until it has its own, or ends, only death may take us away. */
static void wait_for_vfork(struct thread *thread)
{
	wait_event_unless_dying(&thread->process->child_wait, !READ_ONCE(thread->is_borrowing));
	thread_put(thread);
}

/* ---- the first process ---------------------------------------------------------------------- */

static void init_limits(struct abi_rlimit *limits)
{
	const uint64_t stack = 8 * MIB, files = 1024, files_most = 4096, locked = 8 * MIB;

	for (int i = 0; i < RLIMITS; i++)
		limits[i] = (struct abi_rlimit){ RLIM_INFINITY, RLIM_INFINITY };
	limits[RLIMIT_STACK].rlim_cur = stack;
	limits[RLIMIT_CORE].rlim_cur = 0;
	limits[RLIMIT_NOFILE] = (struct abi_rlimit){ files, files_most };
	limits[RLIMIT_NPROC] = (struct abi_rlimit){ pid_max_get() / 4, pid_max_get() / 4 };
	limits[RLIMIT_SIGPENDING] = limits[RLIMIT_NPROC];
	limits[RLIMIT_MEMLOCK] = (struct abi_rlimit){ locked, locked };
	limits[RLIMIT_MSGQUEUE] = (struct abi_rlimit){ 800 * KIB, 800 * KIB };
	limits[RLIMIT_NICE] = limits[RLIMIT_RTPRIO] = (struct abi_rlimit){ 0, 0 };
}

static int init_reserve(struct child *child)
{
	child->process = process_create();
	if (!child->process)
		return -ENOMEM;
	child->process->actions = signal_actions_create();
	child->task = task_create_user("init");
	if (!child->process->actions || !child->task)
		return -ENOMEM;
	child->thread = thread_create(child->task, child->process);
	fpu_state_reset(child->task->fpu);
	child->task->files = fdtable_create();
	child->thread->fs = fs_context_create();
	if (!child->task->files || !child->thread->fs)
		return -ENOMEM;
	child->tid = pid_alloc();
	return child->tid < 0 ? child->tid : 0;
}

int process_start_init(void (*begin)(void *), void *argument)
{
	struct child child = { .pidfd = -1 };

	int err = init_reserve(&child);
	if (err) {
		child_discard(&child);
		return err;
	}
	struct process *process = child.process;
	assert(child.tid == 1);
	init_process = process;
	init_limits(process->limits);
	memset(&process->credentials, 0, sizeof(process->credentials));
	strlcpy(process->name, child.task->name, sizeof(process->name));
	process->is_protected = true;
	process->pid = child.thread->tid = child.task->tid = child.tid;
	process->leader = child.thread;
	process->thread_count = process->live = 1;
	list_push_back(&process->threads, &child.thread->node);
	child.thread->begin = begin;
	child.thread->begin_argument = argument;

	spin_lock(&process_tree_lock);
	pid_set_thread(child.tid, child.thread);
	process_enlist(process, NULL);
	spin_unlock(&process_tree_lock);
	memset(task_frame(child.task), 0, sizeof(struct trap_frame));
	task_add_work(child.task, WORK_SIGNAL);
	task_wake(child.task);
	return 0;
}
