/* SPDX-License-Identifier: MIT */
/*
 * fs/fdtable.h - descriptors.
 *
 * A table of open files.  Grows by doubling up to RLIMIT_NOFILE.  Tasks hold it; the last of them
 * that leaves closes all.  Others only look at it (/proc/PID/fd, pidfd_getfd): that keeps the
 * structure, but nothing open.  Several tasks hold it in one of two ways:
 *
 *      joint       clone(CLONE_FILES): what one of them changes is changed for all
 *      not joint   copy-on-write: fork counts one more holder, and whoever changes the table takes
 *                  a copy first.  Until then it is constant, and is read without its lock.
 */
#pragma once

#include "kernel/sched.h"
#include "fs/file.h"

enum { FDTABLE_INLINE = 16, FDTABLE_MAX = 1 << 20 };

struct fdtable {
	uint32_t refs;                  /* atomic: who looks, and one for all tasks */
	uint32_t holders;               /* atomic: tasks */
	bool is_joint;                  /* [changed by an only holder] */
	bool owns_ranges;               /* [lock] somebody has locked ranges of files by it */
	struct spinlock lock;           /* RANK_FDTABLE */
	uint32_t capacity;              /* [lock] */
	uint32_t lowest_free;           /* [lock] no descriptor below it is free */
	uint32_t end;                   /* [lock] one above the highest in use */
	struct file **files;            /* [lock] */
	uint8_t *close_on_exec;         /* [lock] bit per descriptor */
	struct file *inline_files[FDTABLE_INLINE];
	uint8_t inline_close_on_exec[FDTABLE_INLINE / 8];
};

struct fdtable *fdtable_create(void);
struct fdtable *fdtable_copy(struct fdtable *from);     /* NULL: no memory */
void fdtable_get(struct fdtable *table);                /* for who only looks */
void fdtable_put(struct fdtable *table);
void fdtable_leave(struct fdtable *table);              /* the last task closes all */
void fdtable_close_on_exec(struct fdtable *table);

/* The running task's table for a child: to be joint, or to be as good as a copy.  NULL: no
 * memory. */
struct fdtable *fdtable_join(void);
struct fdtable *fdtable_fork(void);

/* Before the running task's table is changed: one that it may change.  -ENOMEM.  Calls on the
 * running task's descriptors below see to that themselves. */
MUST_CHECK int fdtable_own(void);
/* For what cannot fail for want of memory: waits for it, as a page fault does.  -ENOMEM: the
 * program is about to end. */
MUST_CHECK int fdtable_own_surely(void);
/* The same, and it is to own ranges of files: not a table that a fork shares.  -ENOMEM. */
MUST_CHECK int fdtable_own_ranges(void);
/* One that nobody else changes.  -ENOMEM. */
MUST_CHECK int fdtable_unshare(void);
/* One that nobody else changes, and of which close-on-exec can take away.  -ENOMEM. */
MUST_CHECK int fdtable_prepare_exec(void);

/* On any table: what the calls below do on the running task's. */
struct file *fdtable_file(struct fdtable *table, int fd);       /* O_PATH files too */
int fdtable_make_room(struct fdtable *table);
int fdtable_install(struct fdtable *table, struct file *file, int from, bool close_on_exec);
int fdtable_install_at(struct fdtable *table, struct file *file, int fd, bool close_on_exec);
int fdtable_close(struct fdtable *table, int fd);
/* Close, or mark close-on-exec, all from first to last. */
void fdtable_close_range(struct fdtable *table, uint32_t first, uint32_t last, bool mark_only);

/* The running task's open file, counted; NULL: -EBADF.  O_PATH files only from fd_get_path. */
static inline struct file *fd_get(int fd);
struct file *fd_get_joint(int fd);     /* the same for a joint table */
struct file *fd_get_path(int fd);

/* Is there room for one more descriptor?  0, -EMFILE, -ENOMEM.  To be asked before a file is made
 * or cut; another thread may still take the last place. */
MUST_CHECK int fd_make_room(void);

/* Lowest free descriptor >= from for `file` (takes over the caller's reference on success).
 * -EMFILE, -ENOMEM. */
int fd_install(struct file *file, int from, bool close_on_exec);
/* dup2: replace what is at fd.  -EBADF: beyond the limit; -ENOMEM. */
int fd_install_at(struct file *file, int fd, bool close_on_exec);
int fd_close(int fd);                                   /* 0 or -EBADF */
void fd_close_this(int fd, const struct file *file);    /* if it still is that file's */
int fd_flags_get(int fd);                               /* FD_CLOEXEC or -EBADF */
int fd_flags_set(int fd, int flags);

/* Where a walk begins for a relative name: AT_FDCWD or a descriptor's place, counted.  -EBADF. */
int path_start(int dirfd, struct path *start);

/* For /proc/PID/fd: the file at or above *fd in a table, counted; *fd is where.  NULL: no more. */
struct file *fdtable_next(struct fdtable *table, int *fd);

static inline struct file *fd_get(int fd)
{
	struct fdtable *table = current->files;
	struct file *file;

	if (unlikely(!table || READ_ONCE(table->is_joint)))
		return fd_get_joint(fd);
	file = (uint32_t)fd < table->end ? table->files[fd] : NULL;
	if (unlikely(!file || file->flags & O_PATH))
		return NULL;
	file_get(file);
	return file;
}
