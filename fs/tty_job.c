/* SPDX-License-Identifier: MIT */
/*
 * fs/tty_job.c - which session a terminal controls, and which group is in the foreground.
 *
 * Invariants: `tty` of a process is set only while the process is in the terminal's session.  The
 *   numbers of session and group are held (pid_use) while they stand in struct tty.
 * Locks: process_tree_lock for all of it.  Signals are sent when it has been released.
 * See: credentials(7), ioctl_tty(2), setsid(2); POSIX, General Terminal Interface.
 */

#include "fs/tty.h"
#include "kernel/signal.h"

/* ---- background processes ---- */

/* Does the running process block or ignore the signal? */
static bool refuses_signal(int signal)
{
	struct signal_actions *actions = current_process()->actions;
	bool is_ignored;

	spin_lock(&actions->lock);
	is_ignored = signal_handler(actions, signal) == SIG_IGN;
	spin_unlock(&actions->lock);
	return is_ignored || current_thread()->blocked >> (signal - 1) & 1;
}

int tty_check_foreground(struct tty *tty, int signal)
{
	struct process *self = current_process();
	bool is_background, is_orphaned;

	if (!self || self->group == READ_ONCE(tty->group))
		return 0;
	spin_lock(&process_tree_lock);
	is_background = self->tty == tty && tty->group != 0 && self->group != tty->group;
	is_orphaned = is_background && process_group_is_orphaned(self->group);
	spin_unlock(&process_tree_lock);
	if (!is_background)
		return 0;
	if (refuses_signal(signal))
		return signal == SIGTTIN ? -EIO : 0;
	if (is_orphaned)
		return -EIO;
	signal_send_group(self->group, signal, NULL);
	task_add_work(current, WORK_SIGNAL);    /* to come again even if another thread takes it */
	return -ERESTARTSYS;
}

void tty_signal(struct tty *tty, int signal)
{
	int32_t group = READ_ONCE(tty->group);

	if (group)
		signal_send_group(group, signal, NULL);
}

/* ---- sessions ---- */

/* Tree lock held. */
static void forget_tty(struct process *process, void *tty)
{
	if (process->tty == tty)
		process->tty = NULL;
}

static int acquire_locked(struct tty *tty, struct process *self, bool may_steal)
	REQUIRES(process_tree_lock)
{
	if (tty->session == self->pid && self->tty == tty)
		return 0;
	if (self->session != self->pid || self->tty)
		return -EPERM;
	if (tty->session != 0) {
		if (!may_steal)
			return -EPERM;
		process_for_each(forget_tty, tty);
	}
	pid_replace(&tty->session, self->session);
	pid_replace(&tty->group, self->group);
	self->tty = tty;
	return 0;
}

int tty_acquire(struct tty *tty, bool may_steal)
{
	int err;

	spin_lock(&process_tree_lock);
	err = acquire_locked(tty, current_process(), may_steal && process_is_privileged());
	spin_unlock(&process_tree_lock);
	return err;
}

/* The session loses its terminal.  Returns the group that was in the foreground. */
static int32_t release_locked(struct tty *tty) REQUIRES(process_tree_lock)
{
	int32_t group = tty->group;

	process_for_each(forget_tty, tty);
	pid_replace(&tty->session, 0);
	pid_replace(&tty->group, 0);
	return group;
}

static void tell_foreground(int32_t group)
{
	if (group == 0)
		return;
	signal_send_group(group, SIGHUP, NULL);
	signal_send_group(group, SIGCONT, NULL);
}

int tty_give_up(struct tty *tty)
{
	struct process *self = current_process();
	int32_t group = 0;
	bool is_mine;

	spin_lock(&process_tree_lock);
	is_mine = self->tty == tty;
	if (is_mine && self->session == self->pid)
		group = release_locked(tty);
	else if (is_mine)
		self->tty = NULL;
	spin_unlock(&process_tree_lock);
	tell_foreground(group);
	return is_mine ? 0 : -ENOTTY;
}

void tty_session_ended(struct process *leader)
{
	int32_t group = 0;
	struct tty *tty;

	spin_lock(&process_tree_lock);
	tty = leader->tty;
	if (tty && tty->session == leader->pid) {
		group = release_locked(tty);
		tty->hangups++;
	} else {
		tty = NULL;
	}
	spin_unlock(&process_tree_lock);
	if (!tty)
		return;
	wake_all(&tty->read_wait);
	wake_all(&tty->write_wait);
	tell_foreground(group);
}

/* ---- the foreground group ---- */

struct group_search {
	int32_t group, session;
	bool exists, is_in_session;
};

static void look_for_group(struct process *process, void *argument)
{
	struct group_search *search = argument;

	if (process->group != search->group)
		return;
	search->exists = true;
	search->is_in_session |= process->session == search->session;
}

static int set_group_locked(struct tty *tty, int32_t group) REQUIRES(process_tree_lock)
{
	struct process *self = current_process();
	struct group_search search = { .group = group, .session = self->session };

	if (self->tty != tty || self->session != tty->session)
		return -ENOTTY;
	if (group < 0)
		return -EINVAL;
	process_for_each(look_for_group, &search);
	if (!search.exists)
		return -ESRCH;
	if (!search.is_in_session)
		return -EPERM;
	pid_replace(&tty->group, group);
	return 0;
}

int tty_set_group(struct tty *tty, int32_t group)
{
	int err = tty_check_foreground(tty, SIGTTOU);

	if (err)
		return err;
	spin_lock(&process_tree_lock);
	err = set_group_locked(tty, group);
	spin_unlock(&process_tree_lock);
	return err;
}

int tty_get_group(struct tty *tty, int32_t *group)
{
	bool is_mine;

	spin_lock(&process_tree_lock);
	is_mine = current_process()->tty == tty;
	*group = tty->group;
	spin_unlock(&process_tree_lock);
	return is_mine ? 0 : -ENOTTY;
}

int tty_get_session(struct tty *tty, int32_t *session)
{
	bool is_mine;

	spin_lock(&process_tree_lock);
	is_mine = current_process()->tty == tty;
	*session = tty->session;
	spin_unlock(&process_tree_lock);
	return is_mine ? 0 : -ENOTTY;
}
