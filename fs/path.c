/* SPDX-License-Identifier: MIT */
/*
 * fs/path.c - names to places.
 *
 * A walk stands at a place and has text still to go.  A symbolic link puts its target before that
 * text; a magic link moves the walk.  Nothing recurses.
 *
 *	at /usr, to go "lib/x.so"     lib -> "lib64/y"     at /usr, to go "lib64/y/x.so"
 *
 * Invariants: the walk counts the place it stands at and the root it may not leave; the text points
 *   into the caller's name, or into `buffer` once a link was followed.
 * Locks: none held between steps; each step takes what finding one name takes.
 * See: path_resolution(7), symlink(7).
 */
#include "fs/path.h"
#include "lib/string.h"
#include "kernel/panic.h"
#include "mm/slab.h"

struct walk {
	struct path at, root;
	const char *rest;               /* still to go */
	char *buffer;                   /* holds it after a link; NULL: the caller's memory does */
	unsigned links;                 /* followed so far */
};

/* One name of a path, between slashes. */
struct component {
	const char *name;
	size_t len;
	bool is_last;                   /* nothing but slashes follows */
	bool has_slash;                 /* is_last, and some do */
};

static int walk_begin(struct walk *walk, const struct path *start, const char *name);
static void walk_take_place(struct walk *walk, struct path *out);
static void walk_end(struct walk *walk);
static bool walk_next(struct walk *walk, struct component *name);
static int walk_step(struct walk *walk, const struct component *name, bool may_follow);
static int walk_link(struct walk *walk, struct dentry *link);
static int walk_check_end(const struct walk *walk, bool must_be_directory);

int path_walk(const struct path *start, const char *name, unsigned flags, struct path *out)
{
	struct walk walk;
	struct component next = { 0 };
	bool must_be_directory = (flags & PATH_DIRECTORY) != 0;
	int err = walk_begin(&walk, start, name);

	while (!err && walk_next(&walk, &next)) {
		must_be_directory |= next.has_slash;
		err = walk_step(&walk, &next,
				!next.is_last || next.has_slash || (flags & PATH_FOLLOW));
	}
	if (!err)
		err = walk_check_end(&walk, must_be_directory);
	if (!err)
		walk_take_place(&walk, out);
	walk_end(&walk);
	return err;
}

/* Where the last name of a path begins, as it was given: following links before it does not change
 * it. */
static void last_name(const char *path, const char **last, size_t *len)
{
	const char *end = path + strlen(path);

	while (end > path && end[-1] == '/')
		end--;
	*last = end;
	while (*last > path && (*last)[-1] != '/')
		(*last)--;
	*len = (size_t)(end - *last);
}

int path_walk_parent(const struct path *start, const char *name, struct path *dir,
		     const char **last, size_t *len)
{
	struct walk walk;
	struct component next = { 0 };
	int err = walk_begin(&walk, start, name);

	while (!err && walk_next(&walk, &next) && !next.is_last)
		err = walk_step(&walk, &next, true);
	if (!err)
		err = walk_check_end(&walk, true);
	last_name(name, last, len);
	if (!err && *len > NAME_MAX)
		err = -ENAMETOOLONG;
	if (!err)
		walk_take_place(&walk, dir);
	walk_end(&walk);
	return err;
}

int path_child(const struct path *dir, const char *name, size_t len, struct path *out)
{
	struct dentry *child;
	int err = dentry_child(dir->dentry, name, len, &child);

	if (err)
		return err;
	*out = (struct path){ dir->mount, child };
	path_get(out);
	dentry_put(child);
	mount_cross(out);
	return 0;
}

ssize_t path_name(const struct path *path, struct fs_context *context, bool is_for_show,
		  char *buf, size_t size)
{
	struct path root;

	if (context) {
		spin_lock(&context->lock);
		root = context->root;
		path_get(&root);
		spin_unlock(&context->lock);
	} else {
		mount_root_path(&root);
	}
	ssize_t len = path_name_from(path, &root, is_for_show, buf, size);

	path_put(&root);
	return len;
}

/* ---- a walk ---- */

static int walk_begin(struct walk *walk, const struct path *start, const char *name)
{
	*walk = (struct walk){ .rest = name };
	context_root(&walk->root);
	walk->at = *name == '/' ? walk->root : *start;
	path_get(&walk->at);
	return *name ? 0 : -ENOENT;
}

/* Hand over the count on the place. */
static void walk_take_place(struct walk *walk, struct path *out)
{
	*out = walk->at;
	walk->at = (struct path){ 0 };
}

static void walk_end(struct walk *walk)
{
	path_put(&walk->at);
	path_put(&walk->root);
	kfree(walk->buffer);
}

/* Cut the next name off.  False: there is none. */
static bool walk_next(struct walk *walk, struct component *name)
{
	const char *at = walk->rest;

	while (*at == '/')
		at++;
	name->name = at;
	while (*at && *at != '/')
		at++;
	name->len = (size_t)(at - name->name);
	walk->rest = at;
	while (*at == '/')
		at++;
	name->is_last = *at == '\0';
	name->has_slash = name->is_last && *walk->rest;
	return name->len > 0;
}

static bool is_dots(const struct component *name, size_t count)
{
	return name->len == count && memcmp(name->name, "..", count) == 0;
}

static int walk_step(struct walk *walk, const struct component *name, bool may_follow)
{
	struct dentry *child;
	int err = walk_check_end(walk, true);

	if (!err)
		err = inode_permission(walk->at.dentry->inode, MAY_EXEC);
	if (err || is_dots(name, 1))
		return err;
	if (is_dots(name, 2)) {
		mount_climb(&walk->at, &walk->root);
		return 0;
	}
	err = dentry_child(walk->at.dentry, name->name, name->len, &child);
	if (err)
		return err;
	if (may_follow && inode_is(child->inode, S_IFLNK)) {
		err = walk_link(walk, child);
		dentry_put(child);
		return err;
	}
	dentry_put(walk->at.dentry);
	walk->at.dentry = child;
	mount_cross(&walk->at);
	return 0;
}

/* A magic link: stand where it says. */
static int walk_jump(struct walk *walk, struct inode *link)
{
	struct path place;
	int err = link->ops->follow(link, &place);

	if (!err) {
		path_put(&walk->at);
		walk->at = place;
	}
	return err;
}

/* Put a link's target before what is still to go. */
static int walk_link(struct walk *walk, struct dentry *link)
{
	struct inode *inode = link->inode;
	size_t rest_size = strlen(walk->rest) + 1;
	char *target, *joined;

	if (++walk->links > SYMLINKS_MAX)
		return -ELOOP;
	if (inode->ops->follow)
		return walk_jump(walk, inode);

	int err = link_read(inode, &target);

	if (err)
		return err;
	size_t len = strlen(target);

	joined = kmalloc(len + rest_size);
	if (joined) {
		memcpy(joined, target, len);
		memcpy(joined + len, walk->rest, rest_size);
	}
	kfree(target);
	if (!joined)
		return -ENOMEM;
	kfree(walk->buffer);
	walk->rest = walk->buffer = joined;
	if (len > 0 && joined[0] == '/') {
		path_put(&walk->at);
		walk->at = walk->root;
		path_get(&walk->at);
	}
	return len > 0 ? 0 : -ENOENT;
}

static int walk_check_end(const struct walk *walk, bool must_be_directory)
{
	return !must_be_directory || inode_is(walk->at.dentry->inode, S_IFDIR) ? 0 : -ENOTDIR;
}

int link_read(struct inode *link, char **target)
{
	if (!link->ops->readlink)
		return -EINVAL;
	char *text = kmalloc(PATH_MAX);

	if (!text)
		return -ENOMEM;
	ssize_t len = link->ops->readlink(link, text, PATH_MAX);

	if (len < 0 || len >= (ssize_t)PATH_MAX) {
		kfree(text);
		return len < 0 ? (int)len : -ENAMETOOLONG;
	}
	text[len] = '\0';
	*target = text;
	return 0;
}
