/* SPDX-License-Identifier: MIT */
/*
 * fs/lock.h - locks that programs put on files.
 *
 * Three kinds, which do not see each other where Linux keeps them apart: ranges owned by a process
 * (its descriptor table), ranges owned by an open file, and whole files owned by an open file.
 * Advisory: nobody's read or write asks.
 */
#pragma once

#include "fs/inode.h"

enum lock_kind {
	LOCK_RANGE,                     /* F_SETLK: of a table; F_OFD_SETLK: of a file */
	LOCK_WHOLE,                     /* flock(2), owned by a file */
};

/* The last byte a range may end at: "to the end of the file, however it grows". */
#define LOCK_END_MAX ((uint64_t)INT64_MAX)

enum { LOCK_PID_NONE = -1 };

struct lock_request {
	enum lock_kind kind;
	int type;                       /* F_RDLCK, F_WRLCK, F_UNLCK */
	uint64_t start, end;            /* bytes, end inclusive */
	const void *owner;              /* struct fdtable or struct file */
	int32_t pid;                    /* for F_GETLK; LOCK_PID_NONE: an open file's */
};

/* Set or clear.  0, -EAGAIN (taken and !may_wait), -EDEADLK, -ENOMEM (nothing changed),
 * -ERESTARTSYS.  A whole file that the owner has in another way is given up first, whatever
 * follows. */
int lock_set(struct inode *inode, const struct lock_request *request, bool may_wait);

/* Whoever is in the way, in *request; type F_UNLCK: nobody. */
void lock_test(struct inode *inode, struct lock_request *request);

/* Drop all that the owner has on the file.  Cheap when there are none. */
void lock_release_owner(struct inode *inode, const void *owner);

/* Once at boot. */
void locks_start(void);
