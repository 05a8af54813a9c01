/* SPDX-License-Identifier: MIT */
/*
 * fs/pipe_ends.c - pipes and FIFOs begin, are resized, and end.
 *
 * Owns: the ends: how many open files read and write a pipe.
 * Invariants: `pipe` of the inode is set while an end is open.
 * Locks: pipe->lock for the ring and the ends; the inode's lock around it for opening and closing,
 *   so that the last one to close frees the pipe with nobody else inside.
 * See: pipe(7), fifo(7).
 */

#include "fs/pipe_ring.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "kernel/credentials.h"
#include "kernel/panic.h"
#include "kernel/upcall.h"
#include "mm/slab.h"

enum { PAGES_MAX = 256 };

static void pages_free(uint8_t **pages, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		kfree(pages[i]);
}

/* ---- capacity ---- */

long pipe_get_size(struct file *file)
{
	if (file->ops != &pipe_file_ops)
		return -EBADF;
	return (long)pipe_capacity(file->data);
}

/* Copy the bytes into `pages` from position 0 on, allocating what they need.  -ENOMEM: the caller
 * frees what is there. */
static int pipe_copy_ring(struct pipe *pipe, uint8_t **pages)
{
	for (uint64_t from = pipe->tail, to = 0; to < pipe->used;) {
		uint8_t **page = &pages[to / PAGE_SIZE];
		uint64_t run = PAGE_SIZE - MAX(from % PAGE_SIZE, to % PAGE_SIZE);
		uint64_t chunk = MIN(run, pipe->used - to);

		if (!*page && !(*page = kmalloc(PAGE_SIZE)))
			return -ENOMEM;
		memcpy(*page + to % PAGE_SIZE, *pipe_page(pipe, from) + from % PAGE_SIZE, chunk);
		from += chunk;
		to += chunk;
	}
	return 0;
}

/* Go on with another array of pages; the old one and what it held are freed. */
static void pipe_replace_ring(struct pipe *pipe, uint8_t **pages, uint32_t count)
{
	pages_free(pipe->pages, pipe->page_count);
	if (pipe->pages != pipe->near_pages)
		kfree(pipe->pages);
	pipe->tail = 0;
	pipe->pages = pages;
	pipe->page_count = count;
	pipe->pages_present = (uint32_t)page_count(pipe->used);
}

static int pipe_move_ring(struct pipe *pipe, uint32_t count)
{
	uint8_t **pages;

	if (pipe_used(pipe) > count * PAGE_SIZE)
		return -EBUSY;
	pages = kzalloc(count * sizeof(*pages));
	if (!pages)
		return -ENOMEM;
	if (pipe_copy_ring(pipe, pages)) {
		pages_free(pages, count);
		kfree(pages);
		return -ENOMEM;
	}
	pipe_replace_ring(pipe, pages, count);
	return 0;
}

static bool pipe_user_has_enough(const struct pipe *pipe)
{
	return pipe_user_is_over(pipe->user, &pipe_limits.soft) ||
	       pipe_user_is_over(pipe->user, &pipe_limits.hard);
}

static int pipe_resize(struct pipe *pipe, uint32_t count) REQUIRES(pipe->lock)
{
	int64_t more = (int64_t)count - pipe->page_count;
	int err;

	pipe_user_charge(pipe->user, more);
	err = more > 0 && pipe_user_has_enough(pipe) ? -EPERM : pipe_move_ring(pipe, count);
	if (err)
		pipe_user_charge(pipe->user, -more);
	return err;
}

long pipe_set_size(struct file *file, uint64_t size)
{
	struct pipe *pipe = file->data;
	uint64_t count = page_count(size);
	int err;

	if (file->ops != &pipe_file_ops)
		return -EBADF;
	if (size > INT32_MAX)
		return -EINVAL;
	if (count > PAGES_MAX)
		return -EPERM;
	count = count == 0 ? 1 : BIT(log2_ceil(count));
	mutex_lock(&pipe->lock);
	err = pipe_resize(pipe, (uint32_t)count);
	mutex_unlock(&pipe->lock);
	if (err)
		return err;
	wake_all(&pipe->write_wait);
	return (long)(count * PAGE_SIZE);
}

/* ---- opening and closing ---- */

/* Count a new pipe to its user, small if need be.  False: there may be no more. */
static bool pipe_count(struct pipe *pipe)
{
	pipe->user = upcall_credentials()->uid;
	pipe->page_count = PIPE_PAGES_DEFAULT;
	pipe_user_charge(pipe->user, PIPE_PAGES_DEFAULT);
	if (pipe_user_is_over(pipe->user, &pipe_limits.soft)) {
		pipe->page_count = PIPE_PAGES_LEAST;
		pipe_user_charge(pipe->user, PIPE_PAGES_LEAST - PIPE_PAGES_DEFAULT);
	}
	if (!pipe_user_is_over(pipe->user, &pipe_limits.hard))
		return true;
	pipe_user_charge(pipe->user, -(int64_t)pipe->page_count);
	return false;
}

static int pipe_alloc(struct pipe **out)
{
	struct pipe *pipe = kzalloc(sizeof(*pipe));

	if (!pipe)
		return -ENOMEM;
	mutex_init(&pipe->lock, RANK_PIPE);
	wait_queue_init(&pipe->read_wait);
	wait_queue_init(&pipe->write_wait);
	pipe->pages = pipe->near_pages;
	if (!pipe_count(pipe)) {
		kfree(pipe);
		return -ENFILE;
	}
	*out = pipe;
	return 0;
}

static void pipe_free(struct pipe *pipe)
{
	assert(pipe->readers == 0 && pipe->writers == 0);
	pipe_user_charge(pipe->user, -(int64_t)pipe->page_count);
	pages_free(pipe->pages, pipe->page_count);
	if (pipe->pages != pipe->near_pages)
		kfree(pipe->pages);
	kfree(pipe);
}

/* Count the ends that `file` is.  The inode's lock is held. */
static void pipe_attach(struct pipe *pipe, struct file *file)
{
	mutex_lock(&pipe->lock);
	file->data = pipe;
	if (file_can_read(file)) {
		pipe->readers++;
		pipe->readers_ever++;
	}
	if (file_can_write(file)) {
		pipe->writers++;
		pipe->writers_ever++;
	}
	mutex_unlock(&pipe->lock);
	wake_all(&pipe->read_wait);
	wake_all(&pipe->write_wait);
}

/* The last descriptor of an end has gone, or opening it failed. */
static void pipe_release(struct file *file)
{
	struct inode *inode = file->inode;
	struct pipe *pipe = file->data;
	bool is_last;

	if (!pipe)
		return;
	file->data = NULL;
	mutex_lock(&inode->lock);
	mutex_lock(&pipe->lock);
	pipe->readers -= file_can_read(file);
	pipe->writers -= file_can_write(file);
	is_last = pipe->readers == 0 && pipe->writers == 0;
	mutex_unlock(&pipe->lock);
	if (is_last)
		inode->pipe = NULL;
	wake_all(&pipe->read_wait);
	wake_all(&pipe->write_wait);
	mutex_unlock(&inode->lock);
	if (is_last)
		pipe_free(pipe);
}

static struct file_system pipefs;

/* Writing without waiting, where nobody reads?  A nameless pipe says so later.  The inode's lock is
 * held. */
static bool fifo_is_unread(const struct file *file)
{
	const struct inode *inode = file->inode;

	return (file->flags & O_NONBLOCK) && !file_can_read(file) && inode->fs != &pipefs &&
	       (!inode->pipe || inode->pipe->readers == 0);
}

/* Join the pipe that flows at a FIFO, or begin one.  *gone: how many of the other side were there
 * and left before. */
static int fifo_attach(struct file *file, uint32_t *gone)
{
	struct inode *inode = file->inode;
	int err = 0;

	mutex_lock(&inode->lock);
	if (fifo_is_unread(file))
		err = -ENXIO;
	else if (!inode->pipe)
		err = pipe_alloc(&inode->pipe);
	if (!err) {
		struct pipe *pipe = inode->pipe;

		*gone = file_can_read(file) ? pipe->writers_ever - pipe->writers
			: pipe->readers_ever - pipe->readers;
		pipe_attach(pipe, file);
	}
	mutex_unlock(&inode->lock);
	return err;
}

/* Wait in open(2) until the other side is there, too.  Who was there when we came, or came since,
 * has seen us and may be gone by now: what counts is that somebody was there. */
static int fifo_meet(struct file *file, uint32_t gone)
{
	struct pipe *pipe = file->data;
	bool is_reader = file_can_read(file);
	const uint32_t *ever = is_reader ? &pipe->writers_ever : &pipe->readers_ever;

	jitter();
	return wait_event_interruptible(is_reader ? &pipe->read_wait : &pipe->write_wait,
					READ_ONCE(*ever) != gone);
}

/* A nameless pipe, reached through /proc/PID/fd, had both its ends from the start. */
static int fifo_open(struct file *file)
{
	uint32_t gone = 0;
	int err = fifo_attach(file, &gone);

	if (err)
		return err == -ENFILE ? -ENOMEM : err;
	if (file->inode->fs == &pipefs)
		return 0;
	if (file->flags & O_NONBLOCK) {
		file->offset = gone;    /* for poll: writers that this reader has not seen */
		return 0;
	}
	err = fifo_meet(file, gone);
	if (err)
		pipe_release(file);
	return err;
}

const struct file_ops pipe_file_ops = {
	.open = fifo_open,
	.release = pipe_release,
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
};

/* ---- nameless pipes ---- */

static const struct inode_ops pipe_inode_ops;

void pipes_start(void)
{
	file_system_init(&pipefs, "pipefs", PIPEFS_MAGIC);
}

static int pipe_open_end(struct inode *inode, uint32_t flags, struct file **end)
{
	uint32_t gone;

	*end = file_create(inode, NULL, &pipe_file_ops, flags);
	if (!*end)
		return -ENOMEM;
	int err = fifo_attach(*end, &gone);

	if (err)
		file_put(*end);
	return err;
}

int pipe_create(uint32_t flags, struct file **reader, struct file **writer)
{
	struct inode *inode =
		inode_create(&pipefs, S_IFIFO | 0600, &pipe_inode_ops, &pipe_file_ops);
	int err;

	if (!inode)
		return -ENOMEM;
	inode->uid = upcall_credentials()->fsuid;
	inode->gid = upcall_credentials()->fsgid;
	err = pipe_open_end(inode, (flags & O_NONBLOCK) | O_RDONLY, reader);
	if (!err) {
		err = pipe_open_end(inode, (flags & O_NONBLOCK) | O_WRONLY, writer);
		if (err)
			file_put(*reader);
	}
	inode_put(inode);
	return err;
}
