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
#include "lib/bits.h"

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
	if (likely(!is_stranded))
		return;

	spin_lock(&process_tree_lock);
	spin_lock(process_signals(process));
	signal_retarget(process, newly_blocked);
	spin_unlock(process_signals(process));
	spin_unlock(&process_tree_lock);
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
	if (actions->changed & SIGNAL_BIT(signal))
		return actions->of[signal - 1];
	return (struct abi_sigaction){ .handler = SIG_DFL };
}

static bool becomes_ignored(int signal, uint64_t handler)
{
	return handler == SIG_IGN ||
	       (handler == SIG_DFL && signal_default_action(signal) == DEFAULT_IGNORE);
}

int signal_set_action(int signal, const struct abi_sigaction *action, struct abi_sigaction *old)
{
	struct process *process = current_process();

	if (action && SIGNAL_BIT(signal) & SIGNALS_UNBLOCKABLE)
		return -EINVAL;
	spin_lock(&process_tree_lock);
	spin_lock(process_signals(process));
	*old = signal_action(process->actions, signal);
	if (action) {
		process->actions->of[signal - 1] = *action;
		process->actions->changed |= SIGNAL_BIT(signal);
		if (becomes_ignored(signal, action->handler))
			signal_drop(process, SIGNAL_BIT(signal));
	}
	spin_unlock(process_signals(process));
	spin_unlock(&process_tree_lock);
	return 0;
}

void signal_actions_reset(struct signal_actions *actions)
{
	spin_lock(&actions->lock);
	for (uint64_t left = actions->changed; left; left &= left - 1) {
		unsigned i = bit_lowest(left);
		if (actions->of[i].handler == SIG_IGN)
			actions->of[i] = (struct abi_sigaction){ .handler = SIG_IGN };
		else
			actions->changed &= ~BIT(i);
	}
	spin_unlock(&actions->lock);
}
