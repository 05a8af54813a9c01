/* SPDX-License-Identifier: MIT */
/*
 * fs/pipe.c - bytes into pipes and FIFOs, and out.
 *
 * Owns: what happens in the ring (fs/pipe_ring.h) while both ends are open.
 * Invariants: a write of up to PIPE_BUF bytes goes in as a whole.
 * Locks: pipe->lock for the ring.  Nothing is held in a sleep.
 * See: pipe(7); fs/pipe_ends.c for opening, closing and the size of pipes.
 */

#include "fs/pipe_ring.h"
#include "lib/abi/termios.h"
#include "lib/bits.h"
#include "kernel/upcall.h"
#include "mm/slab.h"

/* ---- reading ---- */

/* Keep the first page only. */
static void pipe_trim(struct pipe *pipe)
{
	for (uint32_t i = 1; pipe->pages_present > 1; i++) {
		if (!pipe->pages[i])
			continue;
		kfree(pipe->pages[i]);
		pipe->pages[i] = NULL;
		pipe->pages_present--;
	}
}

/* Copy out len bytes from the tail on and advance it, page by page, until a bad address. */
__attribute__((noinline))
static ssize_t pipe_drain_pages(struct pipe *pipe, buffer_t to, size_t len)
{
	size_t done = 0, n = 1;

	for (; done < len && n > 0; done += n) {
		const uint8_t *from = *pipe_page(pipe, pipe->tail) + pipe->tail % PAGE_SIZE;
		n = buffer_put_partial(to, done, from, pipe_page_rest(pipe->tail, len - done));
		pipe->tail += n;
		pipe->used -= n;
	}
	return done > 0 ? (ssize_t)done : -EFAULT;
}

/* The same; mostly they lie in one page. */
static inline ssize_t pipe_drain(struct pipe *pipe, buffer_t to, size_t len)
{
	uint64_t in_page = pipe->tail % PAGE_SIZE;

	if (unlikely(in_page + len > PAGE_SIZE))
		return pipe_drain_pages(pipe, to, len);
	len = buffer_put_partial(to, 0, *pipe_page(pipe, pipe->tail) + in_page, len);
	pipe->tail += len;
	pipe->used -= len;
	return likely(len > 0) ? (ssize_t)len : -EFAULT;
}

/* It is empty: begin at 0 again with one page. */
static inline void pipe_rewind(struct pipe *pipe)
{
	pipe->tail = 0;
	if (unlikely(pipe->pages_present > 1))
		pipe_trim(pipe);
}

/* What is there, at most len bytes.  0: all writers have gone; -EAGAIN: empty; -EFAULT: not one
 * could be copied. */
static ssize_t pipe_take(struct pipe *pipe, buffer_t to, size_t len)
{
	mutex_lock(&pipe->lock);
	uint64_t used = pipe->used;
	bool was_tight = used + PIPE_BUF > pipe_capacity(pipe);
	ssize_t done;

	if (likely(used > 0))
		done = pipe_drain(pipe, to, MIN(len, used));
	else
		done = pipe->writers == 0 ? 0 : -EAGAIN;
	if (pipe->used == 0)
		pipe_rewind(pipe);
	mutex_unlock(&pipe->lock);
	if (unlikely(was_tight) && done > 0)
		wake_all(&pipe->write_wait);
	return done;
}

/* Is there something to read, or nobody who could still write it? */
static bool pipe_has_input(const struct pipe *pipe)
{
	return pipe_used(pipe) > 0 || READ_ONCE(pipe->writers) == 0;
}

__attribute__((noinline))
static int pipe_await_input(struct pipe *pipe, const struct file *file)
{
	if (file->flags & O_NONBLOCK)
		return -EAGAIN;
	return wait_event_interruptible(&pipe->read_wait, pipe_has_input(pipe));
}

ssize_t pipe_read(struct file *file, buffer_t to, size_t len, uint64_t *offset)
{
	struct pipe *pipe = file->data;
	ssize_t done;

	do {
		int err = pipe_has_input(pipe) ? 0 : pipe_await_input(pipe, file);
		if (err)
			return err;
		done = pipe_take(pipe, to, len);
	} while (done == -EAGAIN);
	return done;
}

/* ---- writing ---- */

/* Have pages for len bytes at the head.  How many bytes there are pages for. */
static size_t pipe_reserve(struct pipe *pipe, size_t len)
{
	uint64_t head = pipe_head(pipe), end = head + len;

	for (uint64_t at = head; at < end; at = align_down(at, PAGE_SIZE) + PAGE_SIZE) {
		uint8_t **page = pipe_page(pipe, at);

		if (*page)
			continue;
		*page = kmalloc(PAGE_SIZE);
		if (!*page)
			return at - head;
		pipe->pages_present++;
	}
	return len;
}

/* Copy in len bytes, for which there is room, from the head on and advance it, page by page, until
 * a bad address.  -ENOMEM: not for `least` of them. */
__attribute__((noinline))
static ssize_t pipe_fill_pages(struct pipe *pipe, buffer_t from, size_t at, size_t len,
			       size_t least)
{
	size_t done = 0, n = 1;

	len = pipe_reserve(pipe, len);
	if (len < least)
		return -ENOMEM;
	for (; done < len && n > 0; done += n) {
		uint64_t head = pipe_head(pipe);
		uint8_t *to = *pipe_page(pipe, head) + head % PAGE_SIZE;
		n = buffer_get_partial(from, at + done, to, pipe_page_rest(head, len - done));
		pipe->used += n;
	}
	return done > 0 ? (ssize_t)done : -EFAULT;
}

/* The same; mostly they go to one page that is there. */
static inline ssize_t pipe_fill(struct pipe *pipe, buffer_t from, size_t at, size_t len,
				size_t least)
{
	uint64_t head = pipe_head(pipe), in_page = head % PAGE_SIZE;
	uint8_t *page = *pipe_page(pipe, head);

	if (unlikely(in_page + len > PAGE_SIZE || !page))
		return pipe_fill_pages(pipe, from, at, len, least);
	len = buffer_get_partial(from, at, page + in_page, len);
	pipe->used += len;
	return likely(len > 0) ? (ssize_t)len : -EFAULT;
}

/* As many of the bytes as there is room for, if that is at least `least`.  -EAGAIN: it is not;
 * -EPIPE: all readers have gone; -ENOMEM; -EFAULT. */
static ALWAYS_INLINE ssize_t pipe_put(struct pipe *pipe, buffer_t from, size_t at, size_t len,
				      size_t least)
{
	mutex_lock(&pipe->lock);
	uint64_t used = pipe->used;
	ssize_t done = -EAGAIN;

	len = MIN(len, pipe_capacity(pipe) - used);
	if (unlikely(pipe->readers == 0))
		done = -EPIPE;
	else if (likely(len >= least))
		done = pipe_fill(pipe, from, at, len, least);
	mutex_unlock(&pipe->lock);
	if (used == 0 && done > 0)
		wake_all(&pipe->read_wait);
	return done;
}

static int pipe_await_room(struct pipe *pipe, size_t room)
{
	return wait_event_interruptible(&pipe->write_wait, pipe_room(pipe) >= room ||
					READ_ONCE(pipe->readers) == 0);
}

/* What did not go in at once: piece by piece, unless it may not be torn.  `done` bytes are in. */
__attribute__((noinline))
static ssize_t pipe_write_on(struct file *file, buffer_t from, size_t len, ssize_t done)
{
	struct pipe *pipe = file->data;
	bool is_patient = !(file->flags & O_NONBLOCK);
	ssize_t n = 0;

	while ((size_t)done < len && n >= 0) {
		size_t left = len - (size_t)done, whole = MIN(left, (size_t)PIPE_BUF);

		n = pipe_put(pipe, from, (size_t)done, left,
			     len <= PIPE_BUF || is_patient ? whole : 1);
		if (n > 0)
			done += n;
		else if (n == -EAGAIN && is_patient)
			n = pipe_await_room(pipe, whole);
	}
	if (n == -EPIPE)
		upcall_send_sigpipe();
	return done > 0 ? done : n;
}

ssize_t pipe_write(struct file *file, buffer_t from, size_t len, uint64_t *offset)
{
	ssize_t done = pipe_put(file->data, from, 0, len, MIN(len, (size_t)PIPE_BUF));

	if (likely(done == (ssize_t)len))
		return done;
	return pipe_write_on(file, from, len, MAX(done, (ssize_t)0));
}

/* ---- asking ---- */

unsigned pipe_poll(struct file *file, struct poll_table *table)
{
	struct pipe *pipe = file->data;
	unsigned now = 0;

	if (file_can_read(file)) {
		poll_wait(table, &pipe->read_wait);
		if (pipe_used(pipe) > 0)
			now |= POLLIN | POLLRDNORM;
		if (READ_ONCE(pipe->writers) == 0 &&
		    READ_ONCE(pipe->writers_ever) != (uint32_t)file->offset)
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

long pipe_ioctl(struct file *file, unsigned request, uint64_t argument)
{
	struct pipe *pipe = file->data;
	uint32_t used = (uint32_t)pipe_used(pipe);

	if (request != FIONREAD)
		return -ENOTTY;
	return buffer_put(buffer_user(argument), 0, &used, sizeof(used));
}
