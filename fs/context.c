/* SPDX-License-Identifier: MIT */
/*
 * fs/context.c - where a process stands in the tree of names.
 *
 * Owns: contexts.
 * Invariants: one that is not joint and has several holders is constant.
 * Locks: context->lock for its fields.  Counting a path takes no lock, so that is done under it;
 *   dropping one may sleep and is done after it.
 */
#include "fs/context.h"
#include "lib/abi/errno.h"
#include "lib/atomic.h"
#include "kernel/panic.h"
#include "kernel/upcall.h"
#include "mm/slab.h"

static struct fs_context *context_alloc(void)
{
	struct fs_context *context = kzalloc(sizeof(*context));

	if (context) {
		context->refs = 1;
		spin_init(&context->lock, RANK_CONTEXT);
	}
	return context;
}

struct fs_context *fs_context_create(void)
{
	struct fs_context *context = context_alloc();

	if (context) {
		mount_root_path(&context->root);
		mount_root_path(&context->cwd);
		context->umask = S_IWGRP | S_IWOTH;
	}
	return context;
}

static struct fs_context *context_copy(struct fs_context *from)
{
	struct fs_context *copy = context_alloc();

	if (!copy)
		return NULL;
	spin_lock(&from->lock);
	copy->root = from->root;
	copy->cwd = from->cwd;
	copy->umask = from->umask;
	path_get(&copy->root);
	path_get(&copy->cwd);
	spin_unlock(&from->lock);
	return copy;
}

static bool has_one_holder(const struct fs_context *context)
{
	return atomic_load_acquire(&context->refs) == 1;
}

/* Before it is changed: one that the running process may change.  -ENOMEM. */
static int context_own(void)
{
	struct fs_context *context = upcall_fs_context();

	assert(context);
	if (context->is_joint || has_one_holder(context))
		return 0;
	struct fs_context *copy = context_copy(context);
	if (!copy)
		return -ENOMEM;
	fs_context_put(upcall_change_fs_context(copy));
	return 0;
}

/* What no call that changes it may fail for: wait for memory, as a page fault does. */
static int context_own_surely(void)
{
	int err;

	while ((err = context_own()) == -ENOMEM && upcall_find_memory() == 0)
		;
	return err;
}

struct fs_context *fs_context_join(void)
{
	if (context_own())
		return NULL;
	struct fs_context *context = upcall_fs_context();
	WRITE_ONCE(context->is_joint, true);
	fs_context_get(context);
	return context;
}

struct fs_context *fs_context_fork(void)
{
	struct fs_context *context = upcall_fs_context();

	if (context->is_joint && !has_one_holder(context))
		return context_copy(context);
	WRITE_ONCE(context->is_joint, false);
	fs_context_get(context);
	return context;
}

void fs_context_get(struct fs_context *context)
{
	atomic_inc(&context->refs);
}

void fs_context_put(struct fs_context *context)
{
	if (!atomic_dec_and_test(&context->refs))
		return;
	path_put(&context->root);
	path_put(&context->cwd);
	kfree(context);
}

/* ---- the running process's ---- */

static void place_read(struct fs_context *context, const struct path *place, struct path *out)
{
	spin_lock(&context->lock);
	*out = *place;
	path_get(out);
	spin_unlock(&context->lock);
}

static void place_write(struct fs_context *context, struct path *place, const struct path *path)
{
	path_get(path);
	spin_lock(&context->lock);
	struct path old = *place;

	*place = *path;
	spin_unlock(&context->lock);
	path_put(&old);
}

void context_root(struct path *out)
{
	struct fs_context *context = upcall_fs_context();

	if (context)
		place_read(context, &context->root, out);
	else
		mount_root_path(out);
}

void context_cwd(struct path *out)
{
	struct fs_context *context = upcall_fs_context();

	if (context)
		place_read(context, &context->cwd, out);
	else
		mount_root_path(out);
}

uint32_t context_umask(void)
{
	struct fs_context *context = upcall_fs_context();

	return context ? atomic_load_relaxed(&context->umask) : 0;
}

int context_set_root(const struct path *path)
{
	int err = context_own_surely();

	if (!err)
		place_write(upcall_fs_context(), &upcall_fs_context()->root, path);
	return err;
}

int context_set_cwd(const struct path *path)
{
	int err = context_own_surely();

	if (!err)
		place_write(upcall_fs_context(), &upcall_fs_context()->cwd, path);
	return err;
}

int context_set_umask(uint32_t umask)
{
	int err = context_own_surely();

	return err ? err : (int)atomic_xchg(&upcall_fs_context()->umask, umask & 0777);
}
