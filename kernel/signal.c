/* SPDX-License-Identifier: MIT */
/*
 * kernel/signal.c - send, block, choose.
 *
 *      signal_send_* -> post -> queue of process or thread -> wake one that wants it
 *                                      |
 *                 signal_dequeue <-----+   by the thread itself: kernel/deliver.c, rt_sigtimedwait
 *
 * Owns:       the queues of processes and threads; masks; WORK_SIGNAL.
 * Invariants: a signal's bit is set in a queue as long as it has an entry there; below SIGRTMIN it
 *             has at most one.  WORK_SIGNAL is set for every thread that has something to take or
 *             to do; it may be set in vain.
 *             A signal that its taker would ignore is never queued, unless it is blocked.
 * Locks:      the tree lock, then actions->lock of one process.  Two processes' signals locks are
 *             never held at once: parents are told after the child's was released.
 */
#include "kernel/signal.h"

#include "lib/abi/linux.h"
#include "lib/bits.h"
#include "kernel/event.h"
#include "kernel/panic.h"
#include "kernel/user_count.h"
#include "mm/slab.h"

enum { NS_PER_TICK = 1000000000 / USER_HZ };

static struct slab_cache entry_cache;
static struct user_count entries_queued;

static int signal_send(struct process *process, struct thread *target, int signal,
		       const struct abi_siginfo *info) REQUIRES(process_tree_lock);
static bool job_control_begin(struct process *process, int signal) REQUIRES(process_tree_lock);
static int post(struct process *process, struct thread *target, int signal,
		const struct abi_siginfo *info);
static void births_tell(struct process *process, int signal);

void signals_start(void)
{
	slab_cache_init(&entry_cache, "signal_entry", sizeof(struct signal_entry), 8);
}

enum signal_default signal_default_action(int signal)
{
	const uint64_t core = SIGNALS_SYNCHRONOUS | SIGNAL_BIT(SIGQUIT) | SIGNAL_BIT(SIGABRT) |
			      SIGNAL_BIT(SIGXCPU) | SIGNAL_BIT(SIGXFSZ);
	const uint64_t ignore = SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(SIGURG) |
				SIGNAL_BIT(SIGWINCH);

	if (SIGNALS_STOP & SIGNAL_BIT(signal))
		return DEFAULT_STOP;
	if (ignore & SIGNAL_BIT(signal))
		return DEFAULT_IGNORE;
	return core & SIGNAL_BIT(signal) ? DEFAULT_CORE : DEFAULT_TERMINATE;
}

/* ---- queues --------------------------------------------------------------------------------- */

void signal_queue_init(struct signal_queue *queue)
{
	queue->pending = 0;
	list_init(&queue->entries);
}

/* What waits for all processes of a user. */
uint64_t signals_queued(uint32_t user)
{
	return (uint64_t)user_count_get(&entries_queued, user);
}

static void entry_free(struct signal_entry *entry)
{
	(void)user_count_add(&entries_queued, entry->user, -1);
	list_remove(&entry->node);
	slab_free(&entry_cache, entry);
}

void signal_queue_flush_slow(struct signal_queue *queue)
{
	queue->pending = 0;
	while (!list_is_empty(&queue->entries))
		entry_free(list_entry(queue->entries.head.next, struct signal_entry, node));
}

/* Remember it.  Below SIGRTMIN a second one is forgotten, and without memory only its information.
 * -EAGAIN: a real-time signal that must not be lost would be. */
static int queue_add(struct process *process, struct signal_queue *queue, int signal,
		     const struct abi_siginfo *info)
{
	if (signal < SIGRTMIN && queue->pending & SIGNAL_BIT(signal))
		return 0;

	uint32_t user = process->credentials.uid;
	bool may_queue = signal < SIGRTMIN || signals_queued(user) <
		process->limits[RLIMIT_SIGPENDING].rlim_cur;
	struct signal_entry *entry = may_queue ? slab_alloc(&entry_cache) : NULL;
	if (entry) {
		entry->info = *info;
		entry->info.signo = signal;
		entry->user = user;
		list_push_back(&queue->entries, &entry->node);
		(void)user_count_add(&entries_queued, user, 1);
	} else if (signal >= SIGRTMIN && info->code != SI_USER) {
		return -EAGAIN;
	}
	queue->pending |= SIGNAL_BIT(signal);
	return 0;
}

/* Take the oldest instance of a pending signal out. */
static void queue_take(struct signal_queue *queue, int signal, struct abi_siginfo *info)
{
	struct signal_entry *entry = NULL, *each;
	bool has_more = false;

	list_for_each_entry(each, &queue->entries, node) {
		if (each->info.signo != signal)
			continue;
		has_more = entry != NULL;
		if (has_more)
			break;
		entry = each;
	}
	if (!has_more)
		queue->pending &= ~SIGNAL_BIT(signal);
	if (!entry) {
		*info = (struct abi_siginfo){ .signo = signal, .code = SI_USER };
		return;
	}
	*info = entry->info;
	entry_free(entry);
}

static void queue_drop(struct signal_queue *queue, uint64_t mask)
{
	struct abi_siginfo info;

	while (queue->pending & mask)
		queue_take(queue, (int)bit_lowest(queue->pending & mask) + 1, &info);
}

/* Faults first, then by number; a thread's own before its process's. */
int signal_dequeue(struct thread *thread, uint64_t mask, struct abi_siginfo *info)
{
	struct process *process = thread->process;
	struct signal_queue *queue = &thread->queue;
	uint64_t pending = queue->pending & mask;

	assert(spin_is_held(process_signals(process)));
	if (!pending) {
		queue = &process->queue;
		pending = queue->pending & mask;
	}
	if (!pending)
		return 0;
	if (pending & SIGNALS_SYNCHRONOUS)
		pending &= SIGNALS_SYNCHRONOUS;
	int signal = (int)bit_lowest(pending) + 1;
	queue_take(queue, signal, info);
	return signal;
}

/* ---- who has something to do ---------------------------------------------------------------- */

static bool has_work(const struct thread *thread)
{
	const struct process *process = thread->process;
	uint64_t pending = thread->queue.pending | process->queue.pending;

	return thread->must_die || pending & (~thread->blocked | thread->awaited) ||
	       (process->stop_signal && !thread->is_stopped);
}

void signal_recompute(struct thread *thread)
{
	if (has_work(thread))
		task_add_work(thread->task, WORK_SIGNAL);
	else
		task_remove_work(thread->task, WORK_SIGNAL);
}

bool signal_is_pending(void)
{
	return task_has_signal_work(current);
}

static void thread_alert(struct thread *thread, unsigned states)
{
	task_add_work(thread->task, WORK_SIGNAL);
	task_wake_from(thread->task, states);
}

static bool thread_wants(const struct thread *thread, int signal)
{
	if (thread->has_exited || thread->must_die || (thread->is_stopped && signal != SIGKILL))
		return false;
	return SIGNAL_BIT(signal) & (~thread->blocked | thread->awaited);
}

/* Who shall take a signal of the process?  Rather one that has nothing else to do. */
static struct thread *thread_choose(struct process *process, int signal)
{
	struct thread *thread, *chosen = NULL;

	list_for_each_entry(thread, &process->threads, node) {
		if (!thread_wants(thread, signal))
			continue;
		chosen = thread;
		if (!task_has_signal_work(thread->task))
			break;
	}
	return chosen;
}

void signal_retarget(struct process *process, uint64_t mask)
{
	uint64_t pending = process->queue.pending & mask;

	while (pending) {
		int signal = (int)bit_lowest(pending) + 1;
		struct thread *thread = thread_choose(process, signal);
		if (thread && thread != current_thread())
			thread_alert(thread, 1u << TASK_INTERRUPTIBLE);
		pending &= ~SIGNAL_BIT(signal);
	}
}

void signal_hand_on(uint64_t mask)
{
	struct process *process = current_process();

	spin_lock(&process_tree_lock);
	spin_lock(process_signals(process));
	signal_retarget(process, mask);
	spin_unlock(process_signals(process));
	spin_unlock(&process_tree_lock);
}

/* ---- sending -------------------------------------------------------------------------------- */

int signal_send_process(struct process *process, int signal, const struct abi_siginfo *info)
{
	spin_lock(&process_tree_lock);
	int err = signal_send(process, NULL, signal, info);
	spin_unlock(&process_tree_lock);
	return err;
}

int signal_send_thread(struct thread *thread, int signal, const struct abi_siginfo *info)
{
	spin_lock(&process_tree_lock);
	int err = signal_send(thread->process, thread, signal, info);
	spin_unlock(&process_tree_lock);
	return err;
}

int signal_send_process_locked(struct process *process, int signal, const struct abi_siginfo *info)
{
	return signal_send(process, NULL, signal, info);
}

int signal_send_thread_locked(struct thread *thread, int signal, const struct abi_siginfo *info)
{
	return signal_send(thread->process, thread, signal, info);
}

int signal_send_member_locked(struct process *process, int signal, const struct abi_siginfo *info)
{
	spin_lock(process_signals(process));
	births_tell(process, signal);
	spin_unlock(process_signals(process));
	return signal_send(process, NULL, signal, info);
}

struct group_send {
	int32_t group;
	int signal;
	const struct abi_siginfo *info;
	int result;
};

static void send_if_member(struct process *process, void *argument) REQUIRES(process_tree_lock)
{
	struct group_send *send = argument;

	if (process->group != send->group || process->state != PROCESS_ALIVE)
		return;
	send->result = signal_send_member_locked(process, send->signal, send->info);
}

int signal_send_group(int32_t group, int signal, const struct abi_siginfo *info)
{
	struct group_send send = {
		.group = group,
		.signal = signal,
		.info = info,
		.result = -ESRCH,
	};

	spin_lock(&process_tree_lock);
	process_for_each(send_if_member, &send);
	spin_unlock(&process_tree_lock);
	return send.result;
}

static int signal_send(struct process *process, struct thread *target, int signal,
		       const struct abi_siginfo *info)
{
	static const struct abi_siginfo from_kernel = { .code = SI_KERNEL };

	assert(signal_is_valid((uint64_t)signal));
	if (process->state != PROCESS_ALIVE || (target && target->has_exited))
		return 0;
	if (!info)
		info = &from_kernel;
	event(signal_send, process->pid, signal, info->code);

	spin_lock(process_signals(process));
	bool has_continued = job_control_begin(process, signal);
	int err = post(process, target, signal, info);
	spin_unlock(process_signals(process));
	if (has_continued)
		signal_notify_parent(process, CLD_CONTINUED, SIGCONT);
	return err;
}

void signal_drop(struct process *process, uint64_t mask)
{
	struct thread *thread;

	queue_drop(&process->queue, mask);
	list_for_each_entry(thread, &process->threads, node)
		queue_drop(&thread->queue, mask);
}

/* SIGCONT takes effect when it is sent, also if it is blocked, ignored or caught; stop and continue
 * signals cancel each other.  True: the process was stopped and runs again. */
static bool job_control_begin(struct process *process, int signal)
{
	struct thread *thread;

	if (SIGNAL_BIT(signal) & SIGNALS_STOP)
		signal_drop(process, SIGNAL_BIT(SIGCONT));
	if (signal != SIGCONT)
		return false;

	signal_drop(process, SIGNALS_STOP);
	process->is_stop_wanted = false;
	if (!process->stop_signal)
		return false;
	bool was_complete = process->stopped_threads == process->thread_count;
	process->stop_signal = 0;
	process->stopped_threads = 0;
	process->continued = was_complete;
	list_for_each_entry(thread, &process->threads, node) {
		thread->is_stopped = false;
		task_wake_from(thread->task, 1u << TASK_STOPPED);
	}
	return was_complete;
}

/* Would it have no effect at all?  Init is not touched by what it does not catch. */
static bool is_ignored(const struct process *process, const struct thread *thread, int signal)
{
	uint64_t handler = signal_handler(process->actions, signal);

	if (thread && SIGNAL_BIT(signal) & (thread->blocked | thread->awaited))
		return false;
	if (process->is_protected && handler == SIG_DFL)
		return true;
	return handler == SIG_IGN ||
	       (handler == SIG_DFL && signal_default_action(signal) == DEFAULT_IGNORE);
}

/* Will it end the process, without a core file, as soon as a thread sees it? */
static bool is_fatal(const struct process *process, int signal)
{
	return signal == SIGKILL ||
	       (signal_handler(process->actions, signal) == SIG_DFL &&
		signal_default_action(signal) == DEFAULT_TERMINATE);
}

/* Queue it and wake one who takes it. */
static int post(struct process *process, struct thread *target, int signal,
		const struct abi_siginfo *info)
{
	if (is_ignored(process, target ? target : process->leader, signal))
		return 0;
	int err = queue_add(process, target ? &target->queue : &process->queue, signal, info);
	if (err)
		return err;

	struct thread *taker = target ? target : thread_choose(process, signal);
	if (!taker || !thread_wants(taker, signal))
		return 0;
	if (is_fatal(process, signal) && !(taker->awaited & SIGNAL_BIT(signal)))
		signal_kill_process(process, WSTATUS_KILLED(signal), NULL);
	else
		thread_alert(taker, 1u << TASK_INTERRUPTIBLE);
	return 0;
}

/* As when it is sent to a process that is there: what would have no effect is forgotten, a stop and
 * SIGCONT undo each other. */
static void births_tell(struct process *process, int signal)
{
	struct birth *birth;

	list_for_each_entry(birth, &process->births, node) {
		if (SIGNAL_BIT(signal) & SIGNALS_STOP)
			birth->signals &= ~SIGNAL_BIT(SIGCONT);
		if (signal == SIGCONT)
			birth->signals &= ~SIGNALS_STOP;
		if (!is_ignored(process, process->leader, signal))
			birth->signals |= SIGNAL_BIT(signal);
	}
}

void signal_kill_process(struct process *process, int status, const struct thread *except)
{
	if (process->is_exiting)
		return;
	process->is_exiting = true;
	process->group_exit_status = status;
	process->stop_signal = 0;
	signal_kill_threads(process, except);
}

void signal_kill_threads(struct process *process, const struct thread *except)
{
	struct thread *thread;

	list_for_each_entry(thread, &process->threads, node) {
		if (thread == except)
			continue;
		thread->must_die = true;
		thread_alert(thread, 1u << TASK_INTERRUPTIBLE | 1u << TASK_STOPPED);
	}
}

/* ---- faults --------------------------------------------------------------------------------- */

static void force(int signal, const struct abi_siginfo *info, bool is_fatal_now)
{
	struct thread *thread = current_thread();
	struct process *process = thread->process;

	event(signal_send, process->pid, signal, info->code);
	spin_lock(process_signals(process));
	uint64_t handler = signal_handler(process->actions, signal);
	if (is_fatal_now || handler == SIG_IGN || thread->blocked & SIGNAL_BIT(signal)) {
		process->actions->caught &= ~SIGNAL_BIT(signal);
		process->actions->ignored &= ~SIGNAL_BIT(signal);
		thread->blocked &= ~SIGNAL_BIT(signal);
	}
	if (signal_handler(process->actions, signal) == SIG_DFL)
		process->is_protected = false;
	(void)queue_add(process, &thread->queue, signal, info);
	task_add_work(thread->task, WORK_SIGNAL);
	spin_unlock(process_signals(process));
}

void signal_force(int signal, const struct abi_siginfo *info)
{
	force(signal, info, false);
}

void signal_force_fatal(int signal)
{
	force(signal, &(struct abi_siginfo){ .code = SI_KERNEL }, true);
}

/* ---- parents -------------------------------------------------------------------------------- */

static struct abi_siginfo child_info(const struct process *child, int code, int status)
	REQUIRES(process_tree_lock)
{
	struct process_times times = child->past;

	if (child->thread_count > 0)
		process_times(child, &times);
	return (struct abi_siginfo){
		.code = code,
		.pid = child->pid,
		.uid = child->credentials.uid,
		.status = status,
		.utime = (int64_t)(times.user_ns / NS_PER_TICK),
		.stime = (int64_t)(times.kernel_ns / NS_PER_TICK),
	};
}

bool signal_notify_parent(struct process *child, int code, int status)
{
	struct process *parent = child->parent;
	bool is_exit = code == CLD_EXITED || code == CLD_KILLED || code == CLD_DUMPED;
	/* What an older program of the parent wanted is not for one that may have more rights. */
	bool is_as_agreed = is_exit && child->parent_program == parent->program;
	int signal = is_as_agreed ? child->exit_signal : SIGCHLD;
	bool is_unwanted = false, is_silent = signal == 0;

	if (signal == SIGCHLD) {
		spin_lock(process_signals(parent));
		struct abi_sigaction action = signal_action(parent->actions, SIGCHLD);
		bool is_refused = action.handler == SIG_IGN;
		is_unwanted = is_exit && (is_refused || action.flags & SA_NOCLDWAIT);
		is_silent = is_ignored(parent, parent->leader, SIGCHLD) ||
			    (!is_exit && action.flags & SA_NOCLDSTOP);
		spin_unlock(process_signals(parent));
	}
	if (!is_silent) {
		struct abi_siginfo info = child_info(child, code, status);
		signal_send(parent, NULL, signal, &info);
	}
	wake_all(&parent->child_wait);
	return is_unwanted;
}

void signal_tell_stopped(struct process *process)
{
	process->stop_reported = false;
	process->continued = false;
	signal_notify_parent(process, CLD_STOPPED, process->stop_signal);
}

/* ---- orphaned groups ------------------------------------------------------------------------ */

/* POSIX: the parent of every member is either in the group itself or not in its session. */
struct orphan_search {
	int32_t group;
	const struct process *leaving;
	bool has_keeper, has_stopped;
};

static void look_for_keeper(struct process *process, void *argument)
{
	struct orphan_search *search = argument;
	const struct process *parent = process->parent;

	if (process->group != search->group || process->state != PROCESS_ALIVE)
		return;
	search->has_stopped |= process->stop_signal != 0;
	if (process == search->leaving || !parent || parent == init_process)
		return;
	bool is_outside = parent->group != process->group;
	search->has_keeper |= is_outside && parent->session == process->session;
}

int32_t process_group_is_orphaned(int32_t group)
{
	struct orphan_search search = { .group = group };

	process_for_each(look_for_keeper, &search);
	return !search.has_keeper;
}

void process_group_check_orphaned(const struct process *member, const struct process *parent,
				  const struct process *leaving)
{
	if (!parent || parent->group == member->group || parent->session != member->session)
		return;

	struct orphan_search search = { .group = member->group, .leaving = leaving };
	process_for_each(look_for_keeper, &search);
	if (search.has_keeper || !search.has_stopped)
		return;
	struct group_send send = { .group = member->group, .signal = SIGHUP };
	process_for_each(send_if_member, &send);
	send.signal = SIGCONT;
	process_for_each(send_if_member, &send);
}
