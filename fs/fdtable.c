/* SPDX-License-Identifier: MIT */
/*
 * fs/fdtable.c - descriptors.
 *
 * Owns: tables.
 * Invariants: each slot in use counts its file once.  All descriptors below lowest_free are in use;
 *   all from `end` on are free.  Bits of close_on_exec are set only for slots in use.
 *   A table that is not joint and has several holders is constant; it owns no ranges.
 *   Only a holder makes another one: who is the only one stays so.
 * Locks: table->lock.  A task whose table is not joint reads it without: nobody else can change it,
 *   and whoever looks at it through /proc only looks.
 *   Files are put after the lock is released, for that may sleep.
 * See: dup(2), close(2), close_range(2).
 */
#include "fs/fdtable.h"
#include "fs/lock.h"
#include "lib/abi/sched.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "kernel/panic.h"
#include "kernel/upcall.h"
#include "mm/slab.h"

/* So many fit in one frame, for which a close can wait; for several side by side it might do so for
 * ever. */
enum { FDTABLE_SHARED_MAX = PAGE_SIZE / sizeof(struct file *) };

static int table_grow(struct fdtable *table, uint32_t fd) REQUIRES(table->lock);
static uint32_t lowest_find(struct fdtable *table, uint32_t from) REQUIRES(table->lock);
static void slot_set(struct fdtable *table, uint32_t fd, struct file *file, bool close_on_exec)
	REQUIRES(table->lock);
static struct file *slot_take(struct fdtable *table, uint32_t fd) REQUIRES(table->lock);
static void file_leave(struct fdtable *table, struct file *file);

/* ---- bits ---- */

static bool bit_get(const uint8_t *bits, uint32_t i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

static void bit_set(uint8_t *bits, uint32_t i, bool value)
{
	uint8_t bit = (uint8_t)(1u << (i % 8));

	bits[i / 8] = value ? bits[i / 8] | bit : bits[i / 8] & (uint8_t)~bit;
}

/* ---- lives ---- */

struct fdtable *fdtable_create(void)
{
	struct fdtable *table = kzalloc(sizeof(*table));

	if (!table)
		return NULL;
	table->refs = 1;
	table->holders = 1;
	table->capacity = FDTABLE_INLINE;
	table->files = table->inline_files;
	table->close_on_exec = table->inline_close_on_exec;
	spin_init(&table->lock, RANK_FDTABLE);
	return table;
}

/* Nobody else knows the copy yet, so its lock is not needed; the ranks would not allow it
 * either. */
struct fdtable *fdtable_copy(struct fdtable *from) NO_LOCK_ANALYSIS
{
	struct fdtable *copy = fdtable_create();

	if (!copy)
		return NULL;
	spin_lock(&from->lock);
	int err = from->end > 0 ? table_grow(copy, from->end - 1) : 0;

	for (uint32_t fd = 0; !err && fd < from->end; fd++) {
		copy->files[fd] = from->files[fd];
		if (copy->files[fd])
			file_get(copy->files[fd]);
	}
	if (!err) {
		memcpy(copy->close_on_exec, from->close_on_exec, (from->end + 7) / 8);
		copy->end = from->end;
		copy->lowest_free = from->lowest_free;
	}
	spin_unlock(&from->lock);
	if (!err)
		return copy;
	fdtable_leave(copy);
	return NULL;
}

void fdtable_get(struct fdtable *table)
{
	atomic_inc(&table->refs);
}

void fdtable_put(struct fdtable *table)
{
	if (!atomic_dec_and_test(&table->refs))
		return;
	assert(table->end == 0);
	if (table->files != table->inline_files) {
		kfree(table->files);
		kfree(table->close_on_exec);
	}
	kfree(table);
}

/* Nobody else knows it any more. */
static void table_empty(struct fdtable *table) NO_LOCK_ANALYSIS
{
	for (uint32_t fd = 0; fd < table->end; fd++) {
		if (table->files[fd])
			file_leave(table, table->files[fd]);
	}
	table->end = 0;
}

/* Who does not look yet does not find it any more. */
void fdtable_leave(struct fdtable *table)
{
	if (!atomic_dec_and_test(&table->holders))
		return;
	if (atomic_load_acquire(&table->refs) == 1)
		table_empty(table);
	else
		fdtable_close_range(table, 0, UINT32_MAX, false);
	fdtable_put(table);
}

/* A descriptor is gone: so are the ranges that its process had locked through any descriptor. */
static void file_leave(struct fdtable *table, struct file *file)
{
	if (READ_ONCE(table->owns_ranges))
		lock_release_owner(file->inode, table);
	file_put(file);
}

/* ---- copy-on-write ---- */

static bool has_one_holder(const struct fdtable *table)
{
	return atomic_load_acquire(&table->holders) == 1;
}

struct fdtable *fdtable_join(void)
{
	if (fdtable_own())
		return NULL;
	if (!READ_ONCE(current->files->is_joint))
		WRITE_ONCE(current->files->is_joint, true);
	atomic_inc(&current->files->holders);
	return current->files;
}

/* Ranges that the table owns are not the child's. */
struct fdtable *fdtable_fork(void)
{
	struct fdtable *table = current->files;

	if (READ_ONCE(table->owns_ranges) || (READ_ONCE(table->is_joint) && !has_one_holder(table))
	    || table->end > FDTABLE_SHARED_MAX)
		return fdtable_copy(table);
	WRITE_ONCE(table->is_joint, false);
	atomic_inc(&table->holders);
	return table;
}

static int take_copy(void)
{
	struct fdtable *copy = fdtable_copy(current->files);

	if (!copy)
		return -ENOMEM;
	fdtable_leave(upcall_change_files(copy));
	return 0;
}

int fdtable_own(void)
{
	return READ_ONCE(current->files->is_joint) ? 0 : fdtable_unshare();
}

int fdtable_own_surely(void)
{
	int err;

	while ((err = fdtable_own()) == -ENOMEM && upcall_find_memory() == 0)
		;
	return err;
}

int fdtable_own_ranges(void)
{
	int err = fdtable_own();

	if (!err)
		WRITE_ONCE(current->files->owns_ranges, true);
	return err;
}

int fdtable_unshare(void)
{
	return has_one_holder(current->files) ? 0 : take_copy();
}

static bool closes_on_exec(const struct fdtable *table)
{
	uint8_t bits = 0;

	for (uint32_t i = 0; i < (table->end + 7) / 8; i++)
		bits |= table->close_on_exec[i];
	return bits != 0;
}

int fdtable_prepare_exec(void)
{
	const struct fdtable *table = current->files;

	if (READ_ONCE(table->is_joint))
		return fdtable_unshare();
	return closes_on_exec(table) ? fdtable_own() : 0;
}

/* ---- slots ---- */

/* Make room for descriptor `fd`. */
static int table_grow(struct fdtable *table, uint32_t fd)
{
	uint32_t capacity = table->capacity;

	if (fd < capacity)
		return 0;
	while (capacity <= fd)
		capacity *= 2;

	struct file **files = kzalloc(capacity * sizeof(*files));
	uint8_t *bits = kzalloc(capacity / 8);

	if (!files || !bits) {
		kfree(files);
		kfree(bits);
		return -ENOMEM;
	}
	memcpy(files, table->files, table->end * sizeof(*files));
	memcpy(bits, table->close_on_exec, table->capacity / 8);
	if (table->files != table->inline_files) {
		kfree(table->files);
		kfree(table->close_on_exec);
	}
	table->files = files;
	table->close_on_exec = bits;
	table->capacity = capacity;
	return 0;
}

static void slot_set(struct fdtable *table, uint32_t fd, struct file *file, bool close_on_exec)
{
	assert(fd < table->capacity && !table->files[fd]);
	table->files[fd] = file;
	bit_set(table->close_on_exec, fd, close_on_exec);
	if (fd >= table->end)
		table->end = fd + 1;
	if (fd == table->lowest_free)
		table->lowest_free++;
}

/* The file in the slot, which is free now; NULL if it was. */
static struct file *slot_take(struct fdtable *table, uint32_t fd)
{
	struct file *file = fd < table->end ? table->files[fd] : NULL;

	if (!file)
		return NULL;
	table->files[fd] = NULL;
	bit_set(table->close_on_exec, fd, false);
	table->lowest_free = MIN(table->lowest_free, fd);
	while (table->end > 0 && !table->files[table->end - 1])
		table->end--;
	return file;
}

/* How many descriptors the running process may have. */
static uint32_t fd_limit(void)
{
	return (uint32_t)MIN(upcall_rlimit(RLIMIT_NOFILE), (uint64_t)FDTABLE_MAX);
}

/* ---- on any table ---- */

static struct file *slot_file(struct fdtable *table, int fd)
{
	struct file *file = (uint32_t)fd < table->end ? table->files[fd] : NULL;

	if (file)
		file_get(file);
	return file;
}

struct file *fdtable_file(struct fdtable *table, int fd)
{
	spin_lock(&table->lock);
	struct file *file = slot_file(table, fd);

	spin_unlock(&table->lock);
	return file;
}

static uint32_t lowest_find(struct fdtable *table, uint32_t from)
{
	uint32_t fd = MAX(from, table->lowest_free);

	while (fd < table->end && table->files[fd])
		fd++;
	if (from <= table->lowest_free)
		table->lowest_free = fd;
	return fd;
}

int fdtable_make_room(struct fdtable *table)
{
	uint32_t limit = fd_limit();

	spin_lock(&table->lock);
	uint32_t fd = lowest_find(table, 0);
	int err = fd < limit ? table_grow(table, fd) : -EMFILE;
	spin_unlock(&table->lock);
	return err;
}

int fdtable_install(struct fdtable *table, struct file *file, int from, bool close_on_exec)
{
	uint32_t limit = fd_limit();

	assert(from >= 0);
	spin_lock(&table->lock);
	uint32_t fd = lowest_find(table, (uint32_t)from);
	int err = fd < limit ? table_grow(table, fd) : -EMFILE;

	if (!err)
		slot_set(table, fd, file, close_on_exec);
	spin_unlock(&table->lock);
	return err ? err : (int)fd;
}

int fdtable_install_at(struct fdtable *table, struct file *file, int fd, bool close_on_exec)
{
	struct file *old = NULL;

	if (fd < 0 || (uint32_t)fd >= fd_limit())
		return -EBADF;
	spin_lock(&table->lock);
	int err = table_grow(table, (uint32_t)fd);

	if (!err) {
		old = slot_take(table, (uint32_t)fd);
		slot_set(table, (uint32_t)fd, file, close_on_exec);
	}
	spin_unlock(&table->lock);
	if (old)
		file_leave(table, old);
	return err ? err : fd;
}

int fdtable_close(struct fdtable *table, int fd)
{
	if (fd < 0)
		return -EBADF;
	spin_lock(&table->lock);
	struct file *file = slot_take(table, (uint32_t)fd);

	spin_unlock(&table->lock);
	if (!file)
		return -EBADF;
	file_leave(table, file);
	return 0;
}

void fdtable_close_range(struct fdtable *table, uint32_t first, uint32_t last, bool mark_only)
{
	for (uint32_t fd = first; fd <= last; fd++) {
		struct file *file = NULL;

		spin_lock(&table->lock);
		bool is_past_end = fd >= table->end;

		if (!is_past_end && mark_only)
			bit_set(table->close_on_exec, fd, table->files[fd] != NULL);
		else if (!is_past_end)
			file = slot_take(table, fd);
		spin_unlock(&table->lock);
		if (file)
			file_leave(table, file);
		if (is_past_end)
			return;
	}
}

void fdtable_close_on_exec(struct fdtable *table)
{
	if (!closes_on_exec(table))
		return;
	for (uint32_t fd = 0; fd < table->end; fd++) {
		struct file *file = NULL;

		spin_lock(&table->lock);
		if (fd < table->end && bit_get(table->close_on_exec, fd))
			file = slot_take(table, fd);
		spin_unlock(&table->lock);
		if (file)
			file_leave(table, file);
	}
}

struct file *fdtable_next(struct fdtable *table, int *fd)
{
	struct file *file = NULL;

	spin_lock(&table->lock);
	for (uint32_t i = (uint32_t)MAX(*fd, 0); i < table->end && !file; i++) {
		file = table->files[i];
		*fd = (int)i;
	}
	if (file)
		file_get(file);
	spin_unlock(&table->lock);
	return file;
}

/* ---- on the running task's ---- */

struct file *fd_get_path(int fd)
{
	struct fdtable *table = current->files;

	if (!table)
		return NULL;
	return has_one_holder(table) ? slot_file(table, fd) : fdtable_file(table, fd);
}

struct file *fd_get_joint(int fd)
{
	struct file *file = fd_get_path(fd);

	if (!file || !(file->flags & O_PATH))
		return file;
	file_put(file);
	return NULL;
}

int fd_make_room(void)
{
	int err = fdtable_own();

	return err ? err : fdtable_make_room(current->files);
}

int fd_install(struct file *file, int from, bool close_on_exec)
{
	int err = fdtable_own();

	return err ? err : fdtable_install(current->files, file, from, close_on_exec);
}

int fd_install_at(struct file *file, int fd, bool close_on_exec)
{
	int err = fdtable_own();

	return err ? err : fdtable_install_at(current->files, file, fd, close_on_exec);
}

int fd_close(int fd)
{
	int err = fdtable_own_surely();

	return err ? err : fdtable_close(current->files, fd);
}

void fd_close_this(int fd, const struct file *file)
{
	struct file *closed = NULL;

	if (fdtable_own_surely())
		return;
	struct fdtable *table = current->files;

	spin_lock(&table->lock);
	if ((uint32_t)fd < table->end && table->files[fd] == file)
		closed = slot_take(table, (uint32_t)fd);
	spin_unlock(&table->lock);
	if (closed)
		file_leave(table, closed);
}

int fd_flags_get(int fd)
{
	struct fdtable *table = current->files;
	int flags = -EBADF;

	spin_lock(&table->lock);
	if ((uint32_t)fd < table->end && table->files[fd])
		flags = bit_get(table->close_on_exec, (uint32_t)fd) ? FD_CLOEXEC : 0;
	spin_unlock(&table->lock);
	return flags;
}

int fd_flags_set(int fd, int flags)
{
	int err = fdtable_own_surely();

	if (err)
		return err;
	struct fdtable *table = current->files;

	err = -EBADF;
	spin_lock(&table->lock);
	if ((uint32_t)fd < table->end && table->files[fd]) {
		bit_set(table->close_on_exec, (uint32_t)fd, flags & FD_CLOEXEC);
		err = 0;
	}
	spin_unlock(&table->lock);
	return err;
}

int path_start(int dirfd, struct path *start)
{
	if (dirfd == AT_FDCWD) {
		context_cwd(start);
		return 0;
	}
	struct file *file = fd_get_path(dirfd);

	if (!file)
		return -EBADF;
	int err = inode_is(file->inode, S_IFDIR) ? 0 : -ENOTDIR;

	if (!err) {
		*start = file->path;
		path_get(start);
	}
	file_put(file);
	return err;
}
