/* SPDX-License-Identifier: MIT */
/*
 * kernel/signal_action.c - which signals a thread blocks, and what its process does about them.
 *
 * Owns:       masks and actions.
 * Invariants: a signal that becomes ignored is no longer pending.  A signal of the process that its
 *             taker blocks in the last moment finds another one.
 * Locks:      actions->lock; the tree lock before it where other threads are concerned.
 */
#include "kernel/signal.h"

#include "lib/abi/errno.h"

void signal_set_blocked(uint64_t mask)
{
	struct thread *thread = current_thread();
	struct process *process = thread->process;

	mask &= ~SIGNALS_UNBLOCKABLE;
	spin_lock(process_signals(process));
	uint64_t newly_blocked = mask & ~thread->blocked;
	thread->blocked = mask;
	bool is_stranded = process->queue.pending & newly_blocked;
	signal_recompute(thread);
	spin_unlock(process_signals(process));
	if (unlikely(is_stranded))
		signal_hand_on(newly_blocked);
}

void signal_suspend(uint64_t mask)
{
	struct thread *thread = current_thread();

	thread->saved_blocked = thread->blocked;
	thread->has_saved_blocked = true;
	signal_set_blocked(mask);
}

struct abi_sigaction signal_action(const struct signal_actions *actions, int signal)
{
	struct abi_sigaction action = { 0 };

	if (actions->given & SIGNAL_BIT(signal))
		action = actions->table->of[signal - 1];
	action.handler = signal_handler(actions, signal);
	return action;
}

static bool becomes_ignored(int signal, uint64_t handler)
{
	return handler == SIG_IGN ||
	       (handler == SIG_DFL && signal_default_action(signal) == DEFAULT_IGNORE);
}

static int action_store(struct signal_actions *actions, int signal,
			const struct abi_sigaction *action)
{
	uint64_t bit = SIGNAL_BIT(signal);
	int err = signal_table_own(actions);

	if (err)
		return err;
	actions->table->of[signal - 1] = *action;
	actions->given |= bit;
	actions->caught &= ~bit;
	actions->ignored &= ~bit;
	if (action->handler == SIG_IGN)
		actions->ignored |= bit;
	else if (action->handler != SIG_DFL)
		actions->caught |= bit;
	return 0;
}

int signal_set_action(int signal, const struct abi_sigaction *action, struct abi_sigaction *old)
{
	struct process *process = current_process();
	int err = 0;

	if (action && SIGNAL_BIT(signal) & SIGNALS_UNBLOCKABLE)
		return -EINVAL;
	spin_lock(&process_tree_lock);
	spin_lock(process_signals(process));
	*old = signal_action(process->actions, signal);
	if (action)
		err = action_store(process->actions, signal, action);
	if (!err && action && becomes_ignored(signal, action->handler))
		signal_drop(process, SIGNAL_BIT(signal));
	spin_unlock(process_signals(process));
	spin_unlock(&process_tree_lock);
	return err;
}

/* Who was ignored stays so, without flags. */
void signal_actions_reset(struct signal_actions *actions)
{
	spin_lock(&actions->lock);
	struct signal_table *table = actions->table;
	actions->table = NULL;
	actions->given = actions->caught = 0;
	spin_unlock(&actions->lock);
	signal_table_put(table);
}
