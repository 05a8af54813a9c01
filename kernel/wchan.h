/* SPDX-License-Identifier: MIT */
/*
 * kernel/wchan.h - where a task sleeps.
 */
#pragma once

#include "kernel/symbols.h"
#include "kernel/task.h"

/* The kernel's function that put the task to sleep.  False: it runs, or could.  It must not end
 * meanwhile.  A task that wakes while it is looked at may be said to sleep anywhere it was. */
bool task_sleeps_in(const struct task *task, struct symbol *function);
