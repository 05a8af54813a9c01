/* SPDX-License-Identifier: MIT */
/*
 * fs/pipe_ring.h - the ring of a pipe, for those who put bytes in and take them out, and for those
 * who make and end pipes.
 *
 * Owns: `used` bytes from position `tail` on, in pages that are allocated when the first byte comes
 *   to lie in them.  When the pipe runs empty, it begins anew at position 0 and keeps one page.
 *
 *            tail     tail + used
 *     |........#############....|  page_count pages, position modulo their size
 *
 * Invariants: used <= capacity.  Every page that holds a byte is there.
 */
#pragma once

#include "fs/pipe.h"
#include "kernel/wait.h"

enum {
	PIPE_PAGES_DEFAULT = 16,
	PIPE_PAGES_LEAST = 2,           /* for users who have many */
};

struct pipe {
	struct mutex lock;              /* RANK_PIPE */
	uint64_t tail;                  /* [lock] position: read so far */
	uint64_t used;                  /* [lock; others may look: it is one number for them] */
	uint32_t page_count;            /* [lock] a power of two */
	uint32_t pages_present;         /* [lock] the first one among them */
	uint8_t **pages;                /* [lock] NULL: not needed yet */
	uint32_t readers, writers;      /* [lock] open files */
	uint32_t readers_ever, writers_ever;    /* [lock] for open(2) and poll(2) */
	uint32_t user;                  /* constant: who made it */
	struct wait_queue read_wait, write_wait;
	uint8_t *near_pages[PIPE_PAGES_DEFAULT];
};

static inline uint64_t pipe_used(const struct pipe *pipe)
{
	return READ_ONCE(pipe->used);
}

/* Lock held. */
static inline uint64_t pipe_head(const struct pipe *pipe)
{
	return pipe->tail + pipe->used;
}

static inline uint64_t pipe_capacity(const struct pipe *pipe)
{
	return READ_ONCE(pipe->page_count) * PAGE_SIZE;
}

static inline uint64_t pipe_room(const struct pipe *pipe)
{
	uint64_t used = pipe_used(pipe), capacity = pipe_capacity(pipe);

	return used < capacity ? capacity - used : 0;
}

static inline uint8_t **pipe_page(struct pipe *pipe, uint64_t position)
{
	return &pipe->pages[position / PAGE_SIZE & (pipe->page_count - 1)];
}

/* How many of len bytes from a position on lie in the rest of its page. */
static inline size_t pipe_page_rest(uint64_t position, size_t len)
{
	return MIN(len, (size_t)(PAGE_SIZE - position % PAGE_SIZE));
}

/* In fs/pipe.c, for pipe_file_ops. */
ssize_t pipe_read(struct file *file, buffer_t to, size_t len, uint64_t *offset);
ssize_t pipe_write(struct file *file, buffer_t from, size_t len, uint64_t *offset);
unsigned pipe_poll(struct file *file, struct poll_table *table);
long pipe_ioctl(struct file *file, unsigned request, uint64_t argument);

/* In fs/pipe_users.c.  So many pages more, or fewer.  First counted, then asked. */
void pipe_user_charge(uint32_t user, int64_t pages);
/* Is that more than a limit, and does it bind the running process? */
bool pipe_user_is_over(uint32_t user, const int64_t *limit);
