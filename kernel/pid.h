/* SPDX-License-Identifier: MIT */
/*
 * kernel/pid.h - numbers for processes, and finding who has one.
 *
 * One number space for processes, threads, groups and sessions.  A number is free again when its
 * task is gone and no group or session is called by it.  They end below pid_max (32768 by default,
 * /proc/sys/kernel/pid_max).
 */
#pragma once

#include "lib/types.h"
#include "kernel/spinlock.h"

/* Families, groups, sessions, and who has which number; see kernel/process.h. */
extern struct spinlock process_tree_lock;

/* The next free number with one use; -EAGAIN: all taken. */
MUST_CHECK int32_t pid_alloc(void);
/* This number with one use: -EINVAL: there is none such; -EEXIST: taken. */
MUST_CHECK int32_t pid_alloc_at(int32_t pid);
void pid_use(int32_t pid);              /* one use more: a group or session is called by it */
void pid_release(int32_t pid);          /* one use less; the last frees it */
/* Hold this number instead of that one; 0 stands for none.  Tree lock held. */
void pid_replace(int32_t *held, int32_t pid);
uint32_t pids_in_use(void);
uint32_t pid_max_get(void);
int pid_max_set(uint32_t max);

/* What the number stands for: set under process_tree_lock. */
struct thread;
void pid_set_thread(int32_t pid, struct thread *thread);
struct thread *pid_thread(int32_t pid); /* tree lock held; NULL */
