/* SPDX-License-Identifier: MIT */
/*
 * kernel/pidfd.c - a descriptor that stands for a process.
 *
 * Owns:       the nameless files behind such descriptors; each inode counts its process, so that
 *             whoever opens it again (/proc/PID/fd) has the same.
 * Invariants: a process that somebody holds so stays in memory after it was reaped, without a
 *             number.
 * Locks:      none: process->state only ever goes forward.  Pollers wait in the process's
 *             child_wait, which process_end and process_reap wake.
 */
#include "kernel/pidfd.h"

#include "kernel/panic.h"
#include "fs/fdtable.h"
#include "fs/mount.h"

enum { PIDFD_MAGIC = 0x50494446 };

static struct file_system pidfs;

static unsigned pidfd_poll(struct file *file, struct poll_table *table)
{
	struct process *process = file->inode->data;

	poll_wait(table, &process->child_wait);
	switch (READ_ONCE(process->state)) {
	case PROCESS_UNBORN:
	case PROCESS_ALIVE:
		return 0;
	case PROCESS_ZOMBIE:
		return POLLIN | POLLRDNORM;
	default:
		return POLLIN | POLLRDNORM | POLLHUP;
	}
}

static struct inode *pidfd_destroy_inode(struct inode *inode)
{
	process_put(inode->data);
	return NULL;
}

static const struct inode_ops pidfd_inode_ops = { .destroy = pidfd_destroy_inode };
static const struct file_ops pidfd_file_ops = { .poll = pidfd_poll };

static struct file *pidfd_create(struct process *process, uint32_t flags)
{
	struct path place;
	struct inode *inode = inode_create(&pidfs, S_IFREG | 0700, &pidfd_inode_ops,
					   &pidfd_file_ops);

	if (!inode)
		return NULL;
	process_get(process);
	inode->data = process;
	struct file *file = NULL;
	if (path_make_nameless(inode, "anon_inode:[pidfd]", &place) == 0) {
		file = file_create(inode, &place, &pidfd_file_ops, O_RDWR | flags);
		path_put(&place);
	}
	inode_put(inode);
	return file;
}

int pidfd_install(struct process *process, uint32_t flags)
{
	struct file *file = pidfd_create(process, flags);

	if (!file)
		return -ENOMEM;
	int fd = fd_install(file, 0, true);
	if (fd < 0)
		file_put(file);
	return fd;
}

void pidfd_take_back(const struct process *process, int fd)
{
	struct file *file = fd_get(fd);

	if (file && pidfd_process(file) == process)
		fd_close_this(fd, file);
	if (file)
		file_put(file);
}

struct process *pidfd_process(const struct file *file)
{
	return file->ops == &pidfd_file_ops ? file->inode->data : NULL;
}

void pidfds_start(void)
{
	file_system_init(&pidfs, "pidfs", PIDFD_MAGIC);
}
