/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_poll.c - system calls that wait for many files: poll, ppoll, select, pselect6.
 *
 * Each turns its arguments into an array of poll entries, waits, and writes back what it found.
 * See: poll(2), select(2).
 */

#include "lib/bits.h"
#include "lib/string.h"
#include "fs/fdtable.h"
#include "kernel/signal.h"
#include "kernel/syscall.h"
#include "kernel/timespec.h"
#include "mm/slab.h"

enum { NEAR_FILES = 8 };

/* ---- signal mask ---- */

/* For the wait, block the signals of the mask at `at` (0: leave them).  0, -EINVAL, -EFAULT. */
static int mask_enter(virt_t at, uint64_t size)
{
	uint64_t mask;

	if (!at)
		return 0;
	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (get_user_u64(at, &mask))
		return -EFAULT;
	signal_suspend(mask);
	return 0;
}

/* Back to the old mask, unless a signal came: then its delivery does that. */
static void mask_leave(long result)
{
	struct thread *self = current_thread();

	if (!self->has_saved_blocked || result == -ERESTARTNOHAND)
		return;
	self->has_saved_blocked = false;
	signal_set_blocked(self->saved_blocked);
}

/* ---- poll ---- */

/* The files that the program's array names.  A bad descriptor is ready, with POLLNVAL. */
static void entries_open(struct poll_entry *entries, const struct abi_pollfd *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		entries[i] = (struct poll_entry){ .want = (uint16_t)fds[i].events };
		if (fds[i].fd < 0)
			continue;
		entries[i].file = fd_get(fds[i].fd);
		if (!entries[i].file)
			entries[i].got = POLLNVAL;
	}
}

static void entries_close(struct poll_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (entries[i].file)
			file_put(entries[i].file);
	}
}

static long poll_fds(
	struct abi_pollfd *fds, struct poll_entry *entries, size_t count, uint64_t deadline_ns)
{
	long ready;

	entries_open(entries, fds, count);
	ready = poll_entries(entries, count, deadline_ns);
	for (size_t i = 0; i < count; i++)
		fds[i].revents = (int16_t)entries[i].got;
	entries_close(entries, count);
	return ready;
}

/* The array lies in program memory at `at`. */
static long poll_user(virt_t at, uint64_t count, uint64_t deadline_ns)
{
	struct abi_pollfd near_fds[NEAR_FILES], *fds = near_fds;
	struct poll_entry near_entries[NEAR_FILES], *entries = near_entries;
	void *memory = NULL;
	long ready = -EFAULT;

	if (count > current_process()->limits[RLIMIT_NOFILE].rlim_cur || count > FDTABLE_MAX)
		return -EINVAL;
	if (count > NEAR_FILES) {
		memory = kmalloc(count * (sizeof(*entries) + sizeof(*fds)));
		if (!memory)
			return -ENOMEM;
		entries = memory;
		fds = (struct abi_pollfd *)(entries + count);
	}
	if (!copy_from_user(fds, at, count * sizeof(*fds))) {
		ready = poll_fds(fds, entries, count, deadline_ns);
		if (ready >= 0 && copy_to_user(at, fds, count * sizeof(*fds)))
			ready = -EFAULT;
	}
	kfree(memory);
	return ready;
}

static int poll_restart(struct thread *self)
{
	long ready = poll_user(self->restart_arguments[0], self->restart_arguments[1],
		self->restart_deadline_ns);

	return ready == -ERESTARTNOHAND ? -ERESTART_RESTARTBLOCK : (int)ready;
}

long sys_poll(const struct syscall_args *args)
{
	struct thread *self = current_thread();
	uint32_t count = (uint32_t)args->rsi;
	int32_t timeout_ms = (int32_t)args->rdx;
	uint64_t deadline_ns = WAIT_FOREVER;
	long ready;

	if (timeout_ms >= 0)
		deadline_ns = timeout_ms ? deadline_after((uint64_t)timeout_ms * 1000000) : 0;
	ready = poll_user(args->rdi, count, deadline_ns);
	if (ready != -ERESTARTNOHAND)
		return ready;
	self->restart = poll_restart;
	self->restart_arguments[0] = args->rdi;
	self->restart_arguments[1] = count;
	self->restart_deadline_ns = deadline_ns;
	return -ERESTART_RESTARTBLOCK;
}

/* A program's timeout as a deadline: 0 for "do not wait", WAIT_FOREVER for a null pointer. */
static int deadline_get_user(virt_t at, bool is_timeval, uint64_t *deadline_ns)
{
	uint64_t ns;
	int err;

	*deadline_ns = WAIT_FOREVER;
	if (!at)
		return 0;
	err = is_timeval ? timeval_get_user(at, &ns) : timespec_get_user(at, &ns);
	if (!err)
		*deadline_ns = ns ? deadline_after(ns) : 0;
	return err;
}

/* Tell how much is left; a program that keeps its timeout in read-only memory does not care. */
static void deadline_put_user(virt_t at, bool is_timeval, uint64_t deadline_ns)
{
	uint64_t left_ns;
	int err;

	if (!at || deadline_ns == 0 || deadline_ns == WAIT_FOREVER)
		return;
	left_ns = deadline_remaining(deadline_ns);
	err = is_timeval ? timeval_put_user(at, left_ns) : timespec_put_user(at, left_ns);
	(void)err;
}

long sys_ppoll(const struct syscall_args *args)
{
	uint64_t deadline_ns;
	long result = deadline_get_user(args->rdx, false, &deadline_ns);

	if (!result)
		result = mask_enter(args->r10, args->r8);
	if (result)
		return result;
	result = poll_user(args->rdi, (uint32_t)args->rsi, deadline_ns);
	deadline_put_user(args->rdx, false, deadline_ns);
	mask_leave(result);
	return result;
}

/* ---- select ---- */

enum { SELECT_READ, SELECT_WRITE, SELECT_EXCEPT, SELECT_SETS };

/* What each set asks for, and which events put a descriptor into it. */
static const unsigned select_want[SELECT_SETS] = {
	POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
	POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR,
	POLLPRI,
};

struct selection {
	uint32_t limit;                 /* descriptors below this */
	uint32_t words;                 /* of 64 bits in a set */
	virt_t user[SELECT_SETS];       /* 0: none */
	uint64_t *wanted[SELECT_SETS];
	size_t count;
	struct poll_entry *entries;     /* one per descriptor in any set, ascending */
};

static bool selection_has(const struct selection *s, int set, uint32_t fd)
{
	return s->wanted[set][fd / 64] >> fd % 64 & 1;
}

static unsigned selection_events(const struct selection *s, uint32_t fd)
{
	unsigned events = 0;

	for (int set = 0; set < SELECT_SETS; set++) {
		if (selection_has(s, set, fd))
			events |= select_want[set];
	}
	return events;
}

/* Bytes of a set that the kernel reads and writes. */
static size_t selection_bytes(const struct selection *s)
{
	return s->words * sizeof(uint64_t);
}

/* Copy the sets in and count the descriptors. */
static int selection_read(struct selection *s)
{
	for (int set = 0; set < SELECT_SETS; set++) {
		if (s->user[set] &&
			copy_from_user(s->wanted[set], s->user[set], selection_bytes(s)))
			return -EFAULT;
	}
	for (uint32_t fd = 0; fd < s->limit; fd++)
		s->count += selection_events(s, fd) != 0;
	return 0;
}

/* -EBADF: a descriptor is not open. */
static int selection_open(struct selection *s)
{
	size_t i = 0;

	s->entries = kzalloc(MAX(s->count, (size_t)1) * sizeof(*s->entries));
	if (!s->entries)
		return -ENOMEM;
	for (uint32_t fd = 0; fd < s->limit; fd++) {
		unsigned events = selection_events(s, fd);

		if (!events)
			continue;
		s->entries[i].want = events;
		s->entries[i].file = fd_get((int)fd);
		if (!s->entries[i++].file)
			return -EBADF;
	}
	return 0;
}

/* Keep in the sets what is ready, and copy them out.  The number of bits left. */
static long selection_write(struct selection *s)
{
	size_t i = 0;
	long bits = 0;

	for (uint32_t fd = 0; fd < s->limit; fd++) {
		unsigned got = selection_events(s, fd) ? s->entries[i++].got : 0;

		for (int set = 0; set < SELECT_SETS; set++) {
			if (!selection_has(s, set, fd))
				continue;
			if (got & select_want[set])
				bits++;
			else
				s->wanted[set][fd / 64] &= ~BIT(fd % 64);
		}
	}
	for (int set = 0; set < SELECT_SETS; set++) {
		if (s->user[set] && copy_to_user(s->user[set], s->wanted[set], selection_bytes(s)))
			return -EFAULT;
	}
	return bits;
}

static long selection_wait(struct selection *s, uint64_t deadline_ns)
{
	long result = selection_read(s);

	if (!result)
		result = selection_open(s);
	if (!result)
		result = poll_entries(s->entries, s->count, deadline_ns);
	if (result >= 0)
		result = selection_write(s);
	if (s->entries)
		entries_close(s->entries, s->count);
	kfree(s->entries);
	return result;
}

static long select_user(const struct syscall_args *args, uint64_t deadline_ns)
{
	struct selection s = { .user = { args->rsi, args->rdx, args->r10 } };
	uint64_t most =
		MIN(current_process()->limits[RLIMIT_NOFILE].rlim_cur, (uint64_t)FDTABLE_MAX);
	uint64_t *memory;
	long result;

	if ((int32_t)args->rdi < 0)
		return -EINVAL;
	s.limit = (uint32_t)MIN((uint64_t)(uint32_t)args->rdi, most);
	s.words = (s.limit + 63) / 64;
	memory = kzalloc(SELECT_SETS * selection_bytes(&s) + 1);
	if (!memory)
		return -ENOMEM;
	for (int set = 0; set < SELECT_SETS; set++)
		s.wanted[set] = memory + set * s.words;
	result = selection_wait(&s, deadline_ns);
	kfree(memory);
	return result;
}

long sys_select(const struct syscall_args *args)
{
	uint64_t deadline_ns;
	long result = deadline_get_user(args->r8, true, &deadline_ns);

	if (result)
		return result;
	result = select_user(args, deadline_ns);
	deadline_put_user(args->r8, true, deadline_ns);
	return result;
}

long sys_pselect6(const struct syscall_args *args)
{
	struct abi_sigset_argument mask = { 0 };
	uint64_t deadline_ns;
	long result;

	if (args->r9 && copy_from_user(&mask, args->r9, sizeof(mask)))
		return -EFAULT;
	result = deadline_get_user(args->r8, false, &deadline_ns);
	if (!result)
		result = mask_enter(mask.mask, mask.size);
	if (result)
		return result;
	result = select_user(args, deadline_ns);
	deadline_put_user(args->r8, false, deadline_ns);
	mask_leave(result);
	return result;
}
