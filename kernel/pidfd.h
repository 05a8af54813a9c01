/* SPDX-License-Identifier: MIT */
/*
 * kernel/pidfd.h - a descriptor that stands for a process.
 *
 * Unlike a number it never comes to mean another one.  It is readable (poll) when the process has
 * ended, and hung up when it has been waited for.  See pidfd_open(2).
 */
#pragma once

#include "kernel/process.h"

struct file;

/* A new descriptor of the running process, closed on exec, for `process`; flags: O_NONBLOCK, with
 * which waitid does not wait.  -EMFILE, -ENOMEM. */
MUST_CHECK int pidfd_install(struct process *process, uint32_t flags);

/* If a fork failed: close that descriptor, unless another thread has done so. */
void pidfd_take_back(const struct process *process, int fd);

/* The process that an open file stands for, as long as the file is held; NULL: none. */
struct process *pidfd_process(const struct file *file);

void pidfds_start(void);                                /* once, at boot */
