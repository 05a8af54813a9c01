/* SPDX-License-Identifier: MIT */
/*
 * kernel/exit.h - leave.
 */
#pragma once

#include "kernel/process.h"

/* The running thread ends; the last one ends the process with `status` (wait status encoding), or
 * with the status of whoever ended all. */
NORETURN void thread_exit(int status);

/* All threads end. */
NORETURN void process_exit(int status);

/* Make every other thread of the running process die and wait until they have: exec.  -EINTR if we
 * are to die ourselves. */
MUST_CHECK int process_kill_other_threads(void);

/* Tell those who wait for a word of memory of the running thread: robust futexes, clear_child_tid.
 * Only once; while it is still called what those words say. */
void thread_leave_words(void);

/* The running thread gives up its space, for another one (exec) or none.  Its words
 * and the parent in vfork are told; what was consumed is added to the process.  May sleep. */
struct space;
void thread_change_space(struct space *next);
