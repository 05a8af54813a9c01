/* SPDX-License-Identifier: MIT */
/*
 * fs/pipe.c - pipes and FIFOs.
 *
 * Owns: the ring of a pipe: bytes at the positions tail..head-1, in pages that are allocated when
 *   the first byte comes to lie in them.  When the pipe runs empty, it begins anew at position 0
 *   and keeps one page.
 *
 *            tail          head
 *     |........#############....|  page_count pages, position modulo their size
 *
 * Invariants: head - tail <= capacity.  Every page that holds a byte is there.  A write of up to
 *   PIPE_BUF bytes goes in as a whole.  `pipe` of the inode is set while an end is open.
 * Locks: pipe->lock for the ring and the ends; the inode's lock around it for opening and closing,
 *   so that the last one to close frees the pipe with nobody else inside.  Nothing is held in a
 *   sleep.
 * See: pipe(7), fifo(7).
 */

#include "fs/pipe.h"
#include "lib/abi/termios.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "kernel/panic.h"
#include "kernel/upcall.h"
#include "mm/slab.h"

enum { PAGES_DEFAULT = 16, PAGES_MAX = 256 };

struct pipe {
	struct mutex lock;              /* RANK_PIPE */
	uint64_t head, tail;            /* [lock] positions: written so far, read so far */
	uint32_t page_count;            /* [lock] a power of two */
	uint32_t pages_present;         /* [lock] the first one among them */
	uint8_t **pages;                /* [lock] NULL: not needed yet */
	uint32_t readers, writers;      /* [lock] open files */
	uint32_t readers_ever, writers_ever;    /* [lock] for those who wait in open(2) */
	struct wait_queue read_wait, write_wait;
	uint8_t *near_pages[PAGES_DEFAULT];
};

static uint64_t pipe_used(const struct pipe *pipe)
{
	return READ_ONCE(pipe->head) - READ_ONCE(pipe->tail);
}

static uint64_t pipe_capacity(const struct pipe *pipe)
{
	return READ_ONCE(pipe->page_count) * PAGE_SIZE;
}

static uint64_t pipe_room(const struct pipe *pipe)
{
	uint64_t used = pipe_used(pipe), capacity = pipe_capacity(pipe);

	return used < capacity ? capacity - used : 0;
}

static uint8_t **pipe_page(struct pipe *pipe, uint64_t position)
{
	return &pipe->pages[position / PAGE_SIZE & (pipe->page_count - 1)];
}

/* ---- reading ---- */

/* It is empty: begin at 0 again with one page. */
static void pipe_rewind(struct pipe *pipe)
{
	pipe->head = pipe->tail = 0;
	for (uint32_t i = 1; pipe->pages_present > 1; i++) {
		if (!pipe->pages[i])
			continue;
		kfree(pipe->pages[i]);
		pipe->pages[i] = NULL;
		pipe->pages_present--;
	}
}

/* Copy out from the tail and advance it.  Bytes, or -EFAULT if not one could be copied. */
static ssize_t pipe_drain(struct pipe *pipe, buffer_t to, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t in_page = pipe->tail % PAGE_SIZE;
		size_t chunk = MIN(len - done, (size_t)PAGE_SIZE - in_page);
		size_t n =
			buffer_put_partial(to, done, *pipe_page(pipe, pipe->tail) + in_page, chunk);

		pipe->tail += n;
		done += n;
		if (n < chunk)
			break;
	}
	if (pipe->tail == pipe->head)
		pipe_rewind(pipe);
	return done > 0 ? (ssize_t)done : -EFAULT;
}

/* What is there, at most len bytes.  0: all writers have gone; -EAGAIN: empty. */
static ssize_t pipe_take(struct pipe *pipe, buffer_t to, size_t len)
{
	bool was_tight;
	ssize_t done;

	mutex_lock(&pipe->lock);
	was_tight = pipe_room(pipe) < PIPE_BUF;
	if (pipe->head != pipe->tail)
		done = pipe_drain(pipe, to, MIN(len, pipe_used(pipe)));
	else
		done = pipe->writers == 0 ? 0 : -EAGAIN;
	mutex_unlock(&pipe->lock);
	if (was_tight && done > 0)
		wake_all(&pipe->write_wait);
	return done;
}

/* Is there something to read, or nobody who could still write it? */
static bool pipe_has_input(const struct pipe *pipe)
{
	return pipe_used(pipe) > 0 || READ_ONCE(pipe->writers) == 0;
}

static ssize_t pipe_read(struct file *file, buffer_t to, size_t len, uint64_t *offset)
{
	struct pipe *pipe = file->data;
	ssize_t done = -EAGAIN;
	int err = 0;

	if (len == 0)
		return 0;
	while (done == -EAGAIN && err == 0) {
		if (pipe_has_input(pipe))
			done = pipe_take(pipe, to, len);
		else if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		else
			err = wait_event_interruptible(&pipe->read_wait, pipe_has_input(pipe));
	}
	return err ? err : done;
}

/* ---- writing ---- */

/* Have pages for len bytes at the head.  How many bytes there are pages for. */
static size_t pipe_reserve(struct pipe *pipe, size_t len)
{
	uint64_t end = pipe->head + len;

	if (len <= PAGE_SIZE - pipe->head % PAGE_SIZE && *pipe_page(pipe, pipe->head))
		return len;
	for (uint64_t at = pipe->head; at < end; at = align_down(at, PAGE_SIZE) + PAGE_SIZE) {
		uint8_t **page = pipe_page(pipe, at);

		if (*page)
			continue;
		*page = kmalloc(PAGE_SIZE);
		if (!*page)
			return at - pipe->head;
		pipe->pages_present++;
	}
	return len;
}

/* Copy in at the head, where pages are reserved.  Bytes, or -EFAULT if not one could be copied. */
static ssize_t pipe_fill(struct pipe *pipe, buffer_t from, size_t at, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t in_page = pipe->head % PAGE_SIZE;
		size_t chunk = MIN(len - done, (size_t)PAGE_SIZE - in_page);
		size_t n = buffer_get_partial(
			from, at + done, *pipe_page(pipe, pipe->head) + in_page, chunk);

		pipe->head += n;
		done += n;
		if (n < chunk)
			break;
	}
	return done > 0 ? (ssize_t)done : -EFAULT;
}

/* As many of the bytes as there is room for, if that is at least `least`.  -EAGAIN: it is not;
 * -EPIPE: all readers have gone; -ENOMEM; -EFAULT. */
static ssize_t pipe_put(struct pipe *pipe, buffer_t from, size_t at, size_t len, size_t least)
{
	bool was_empty;
	ssize_t done;

	mutex_lock(&pipe->lock);
	was_empty = pipe->head == pipe->tail;
	len = MIN(len, pipe_room(pipe));
	if (pipe->readers == 0)
		done = -EPIPE;
	else if (len < least)
		done = -EAGAIN;
	else if ((len = pipe_reserve(pipe, len)) < least)
		done = -ENOMEM;
	else
		done = pipe_fill(pipe, from, at, len);
	mutex_unlock(&pipe->lock);
	if (was_empty && done > 0)
		wake_all(&pipe->read_wait);
	return done;
}

static ssize_t pipe_write(struct file *file, buffer_t from, size_t len, uint64_t *offset)
{
	struct pipe *pipe = file->data;
	bool is_patient = !(file->flags & O_NONBLOCK);
	size_t done = 0;
	ssize_t err = 0;

	while (done < len && err == 0) {
		size_t left = len - done;
		size_t whole = MIN(left, (size_t)PIPE_BUF);
		ssize_t n =
			pipe_put(pipe, from, done, left, len <= PIPE_BUF || is_patient ? whole : 1);

		if (n > 0)
			done += n;
		else if (n == -EAGAIN && is_patient)
			err = wait_event_interruptible(&pipe->write_wait,
				pipe_room(pipe) >= whole || READ_ONCE(pipe->readers) == 0);
		else
			err = n;
	}
	if (err == -EPIPE)
		upcall_send_sigpipe();
	return done > 0 ? (ssize_t)done : err;
}

/* ---- asking ---- */

static unsigned pipe_poll(struct file *file, struct poll_table *table)
{
	struct pipe *pipe = file->data;
	unsigned now = 0;

	if (file_can_read(file)) {
		poll_wait(table, &pipe->read_wait);
		if (pipe_used(pipe) > 0)
			now |= POLLIN | POLLRDNORM;
		if (READ_ONCE(pipe->writers) == 0 && READ_ONCE(pipe->writers_ever) != 0)
			now |= POLLHUP;
	}
	if (file_can_write(file)) {
		poll_wait(table, &pipe->write_wait);
		if (pipe_room(pipe) >= PIPE_BUF)
			now |= POLLOUT | POLLWRNORM;
		if (READ_ONCE(pipe->readers) == 0)
			now |= POLLERR;
	}
	return now;
}

static long pipe_ioctl(struct file *file, unsigned request, uint64_t argument)
{
	struct pipe *pipe = file->data;
	uint32_t used = (uint32_t)pipe_used(pipe);

	if (request != FIONREAD)
		return -ENOTTY;
	return buffer_put(buffer_user(argument), 0, &used, sizeof(used));
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
	for (uint64_t from = pipe->tail, to = 0; from != pipe->head;) {
		uint8_t **page = &pages[to / PAGE_SIZE];
		uint64_t run = PAGE_SIZE - MAX(from % PAGE_SIZE, to % PAGE_SIZE);
		uint64_t chunk = MIN(run, pipe->head - from);

		if (!*page && !(*page = kmalloc(PAGE_SIZE)))
			return -ENOMEM;
		memcpy(*page + to % PAGE_SIZE, *pipe_page(pipe, from) + from % PAGE_SIZE, chunk);
		from += chunk;
		to += chunk;
	}
	return 0;
}

static void pages_free(uint8_t **pages, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		kfree(pages[i]);
}

/* Go on with another array of pages; the old one and what it held are freed. */
static void pipe_replace_ring(struct pipe *pipe, uint8_t **pages, uint32_t count)
{
	pages_free(pipe->pages, pipe->page_count);
	if (pipe->pages != pipe->near_pages)
		kfree(pipe->pages);
	pipe->head -= pipe->tail;
	pipe->tail = 0;
	pipe->pages = pages;
	pipe->page_count = count;
	pipe->pages_present = (uint32_t)page_count(pipe->head);
}

static int pipe_resize(struct pipe *pipe, uint32_t count)
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

static struct pipe *pipe_alloc(void)
{
	struct pipe *pipe = kzalloc(sizeof(*pipe));

	if (!pipe)
		return NULL;
	mutex_init(&pipe->lock, RANK_PIPE);
	wait_queue_init(&pipe->read_wait);
	wait_queue_init(&pipe->write_wait);
	pipe->pages = pipe->near_pages;
	pipe->page_count = PAGES_DEFAULT;
	return pipe;
}

static void pipe_free(struct pipe *pipe)
{
	assert(pipe->readers == 0 && pipe->writers == 0);
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

/* Join the pipe that flows at a FIFO, or begin one.  *peers: how many of the other side were ever
 * there, before us. */
static int fifo_attach(struct file *file, uint32_t *peers)
{
	struct inode *inode = file->inode;
	struct pipe *pipe;

	mutex_lock(&inode->lock);
	pipe = inode->pipe ? inode->pipe : pipe_alloc();
	if (pipe) {
		*peers = file_can_read(file) ? pipe->writers_ever : pipe->readers_ever;
		inode->pipe = pipe;
		pipe_attach(pipe, file);
	}
	mutex_unlock(&inode->lock);
	return pipe ? 0 : -ENOMEM;
}

/* Wait in open(2) until the other side is there, too, or came and went meanwhile. */
static int fifo_meet(struct file *file, uint32_t peers)
{
	struct pipe *pipe = file->data;
	bool is_reader = file_can_read(file);
	uint32_t *present = is_reader ? &pipe->writers : &pipe->readers;
	uint32_t *ever = is_reader ? &pipe->writers_ever : &pipe->readers_ever;

	if (READ_ONCE(*present) > 0)
		return 0;
	if (file->flags & O_NONBLOCK)
		return is_reader ? 0 : -ENXIO;
	return wait_event_interruptible(is_reader ? &pipe->read_wait : &pipe->write_wait,
		READ_ONCE(*ever) != peers);
}

static struct file_system pipefs;

/* A nameless pipe, reached through /proc/PID/fd, had both its ends from the start. */
static int fifo_open(struct file *file)
{
	uint32_t peers = 0;
	int err = fifo_attach(file, &peers);

	if (err || file->inode->fs == &pipefs)
		return err;
	err = fifo_meet(file, peers);
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

static struct file *pipe_open_end(struct inode *inode, uint32_t flags)
{
	struct file *file = file_create(inode, NULL, &pipe_file_ops, flags);
	uint32_t peers;

	if (file && fifo_attach(file, &peers)) {
		file_put(file);
		return NULL;
	}
	return file;
}

int pipe_create(uint32_t flags, struct file **reader, struct file **writer)
{
	struct inode *inode =
		inode_create(&pipefs, S_IFIFO | 0600, &pipe_inode_ops, &pipe_file_ops);

	if (!inode)
		return -ENOMEM;
	*reader = pipe_open_end(inode, (flags & O_NONBLOCK) | O_RDONLY);
	*writer = *reader ? pipe_open_end(inode, (flags & O_NONBLOCK) | O_WRONLY) : NULL;
	inode_put(inode);
	if (*writer)
		return 0;
	if (*reader)
		file_put(*reader);
	return -ENOMEM;
}
