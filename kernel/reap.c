/* SPDX-License-Identifier: MIT */
/*
 * kernel/reap.c - wait for children.
 *
 * Owns:       the choice of a child to report, and the end of zombies.
 * Invariants: each end, stop and continuation is reported once (WNOWAIT apart).  Among children the
 *             zombies stand first, so that the search for one need not pass the living.
 * Locks:      process_tree_lock for the search and the reaping.  Sleepers wait in child_wait.
 */
#include "kernel/reap.h"

#include "lib/abi/errno.h"
#include "kernel/panic.h"
#include "kernel/signal.h"
#include "kernel/timespec.h"

static long wait_search(struct wait_request *request);
static bool is_eligible(const struct process *child, const struct wait_request *request);
static bool child_report(struct process *child, struct wait_request *request)
	REQUIRES(process_tree_lock);
static bool report_exit(struct process *child, struct wait_request *request)
	REQUIRES(process_tree_lock);

long process_wait(struct wait_request *request)
{
	struct process *self = current_process();
	long result;

	if (request->options & WNOHANG)
		return wait_search(request);
	int err = wait_event_interruptible(&self->child_wait, (result = wait_search(request)) != 0);
	return err ? err : result;
}

/* The one that is asked for, if it is a child; NULL. */
static struct process *child_named(const struct wait_request *request) REQUIRES(process_tree_lock)
{
	struct process *child = request->process;

	if (request->which == P_PID) {
		struct thread *thread = pid_thread(request->id);
		child = thread ? thread->process : NULL;
	}
	bool is_it = child && child->state != PROCESS_REAPED && child->parent == current_process();
	return is_it && (request->which == P_PIDFD || child->pid == request->id) ? child : NULL;
}

static long search_one(struct wait_request *request) REQUIRES(process_tree_lock)
{
	struct process *child = child_named(request);

	if (!child || !is_eligible(child, request))
		return -ECHILD;
	return child_report(child, request) ? request->pid : 0;
}

static long search_all(struct wait_request *request) REQUIRES(process_tree_lock)
{
	struct process *child;
	bool wants_only_exits = !(request->options & (WSTOPPED | WCONTINUED));
	long result = -ECHILD;

	list_for_each_entry(child, &current_process()->children, sibling) {
		if (!is_eligible(child, request))
			continue;
		result = 0;
		if (child_report(child, request))
			return request->pid;
		if (wants_only_exits && child->state == PROCESS_ALIVE)
			break;
	}
	return result;
}

/* The pid of a child that has something to report, which is thereby reported.  0: not yet.
 * -ECHILD. */
static long wait_search(struct wait_request *request)
{
	bool is_for_one = request->which == P_PID || request->which == P_PIDFD;

	request->reaped = NULL;
	spin_lock(&process_tree_lock);
	long result = is_for_one ? search_one(request) : search_all(request);
	spin_unlock(&process_tree_lock);
	if (request->reaped)
		reaped_put(request->reaped);
	return result;
}

/* Children that send another signal than SIGCHLD at their end are waited for only by who asks.  One
 * that has ended has nothing else to say. */
static bool is_eligible(const struct process *child, const struct wait_request *request)
{
	bool is_clone = child->exit_signal != SIGCHLD;

	if (child->state == PROCESS_ZOMBIE && !(request->options & WEXITED))
		return false;
	if (request->which == P_PGID && child->group != request->id)
		return false;
	return request->options & __WALL || is_clone == ((request->options & __WCLONE) != 0);
}

static bool report(struct process *child, struct wait_request *request, int code, int status)
	REQUIRES(process_tree_lock)
{
	struct process_times times;

	request->pid = child->pid;
	request->uid = child->credentials.uid;
	request->code = code;
	request->status = status;
	if (request->wants_usage) {
		process_times(child, &times);
		times_add(&times, &child->past_children);
		usage_fill(&request->usage, &times);
	}
	return true;
}

/* Does it have something to say that is asked for? */
static bool child_report(struct process *child, struct wait_request *request)
{
	bool is_peek = request->options & WNOWAIT;

	if (child->state == PROCESS_ZOMBIE)
		return report_exit(child, request);

	bool is_stopped = child->stop_signal && child->stopped_threads == child->thread_count;
	if (request->options & WSTOPPED && is_stopped && !child->stop_reported) {
		child->stop_reported = !is_peek;
		return report(child, request, CLD_STOPPED, WSTATUS_STOPPED(child->stop_signal));
	}
	if (request->options & WCONTINUED && child->continued) {
		child->continued = is_peek;
		return report(child, request, CLD_CONTINUED, WSTATUS_CONTINUED);
	}
	return false;
}

/* What a child consumed, and what its own children did, is now its parent's children's. */
static void inherit_usage(struct process *parent, const struct process *child)
{
	times_add(&parent->past_children, &child->past);
	times_add(&parent->past_children, &child->past_children);
}

static bool report_exit(struct process *child, struct wait_request *request)
{
	bool was_killed = child->exit_status & 0x7f;

	report(child, request, was_killed ? CLD_KILLED : CLD_EXITED, child->exit_status);
	if (!(request->options & WNOWAIT)) {
		inherit_usage(current_process(), child);
		request->reaped = process_reap(child);
	}
	return true;
}

void usage_fill(struct abi_rusage *usage, const struct process_times *times)
{
	*usage = (struct abi_rusage){
		.ru_utime = timeval_from_ns(times->user_ns),
		.ru_stime = timeval_from_ns(times->kernel_ns),
		.ru_maxrss = times->resident_peak * (int64_t)(PAGE_SIZE / KIB),
		.ru_minflt = (int64_t)times->min_faults,
		.ru_nvcsw = (int64_t)times->switches_voluntary,
		.ru_nivcsw = (int64_t)times->switches_forced,
	};
}
