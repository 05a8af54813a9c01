/* SPDX-License-Identifier: MIT */
/*
 * fs/mount.c - file systems put over directories.
 *
 * Owns: the list of mounts, the list of file system types.
 * Invariants: dentry->mounts_here counts the mounts whose `at` it is, so that a walk looks into the
 *   list only where there is something to find.  A mount counts the one it stands on.
 * Locks: mount_mutex around each change as a whole; dentry_lock for the links.  A mount's count
 *   grows from the list's alone only under dentry_lock, which is what makes the test for busy
 *   exact.
 * See: mount(2), umount2(2), path_resolution(7).
 */
#include "fs/mount.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "kernel/panic.h"
#include "mm/slab.h"

enum { MOUNT_FLAGS = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC };

/* Holders of a mount nobody is in: the list, and the path that names it in umount2. */
enum { IDLE_MOUNT_REFS = 2 };

static struct list mounts = LIST_INIT(mounts);          /* [dentry_lock] oldest first */
static struct mount *root_mount;                        /* constant after mount_root() */
static struct list types = LIST_INIT(types);            /* filled at boot */
static struct mutex mount_mutex;                        /* RANK_MOUNT */

static struct mount *mount_alloc(struct file_system *fs, struct dentry *root, const char *source,
				 unsigned long flags);
static void mount_put(struct mount *mount);
static void file_system_enter(struct file_system *fs);
static void file_system_leave(struct file_system *fs);
static bool mount_is_in_tree(const struct mount *mount) REQUIRES(dentry_lock);
static int mount_attach(struct mount *mount, const struct path *at);
static bool mount_detach(struct mount *mount, uint32_t refs_max);
static void mount_detach_tree(struct mount *mount);
static struct mount *mount_covering(const struct path *path) REQUIRES(dentry_lock);

/* ---- places ---- */

void path_get(const struct path *path)
{
	if (!path->mount)
		return;
	atomic_inc(&path->mount->refs);
	dentry_get(path->dentry);
}

void path_put(struct path *path)
{
	struct path old = *path;

	if (!old.mount)
		return;
	*path = (struct path){ 0 };
	dentry_put(old.dentry);
	mount_put(old.mount);
}

struct inode *path_inode(const struct path *path)
{
	assert(path->dentry);
	return path->dentry->inode;
}

int path_make_nameless(struct inode *inode, const char *name, struct path *out)
{
	struct dentry *dentry = dentry_nameless(inode, name);

	file_system_get(inode->fs);
	struct mount *mount = mount_alloc(inode->fs, dentry, "", 0);

	if (!mount)
		return -ENOMEM;
	*out = (struct path){ mount, dentry };
	dentry_get(dentry);
	return 0;
}

void mount_root_path(struct path *out)
{
	assert(root_mount);
	*out = (struct path){ root_mount, root_mount->root };
	path_get(out);
	mount_cross(out);
}

/* ---- moving ---- */

void mount_cross(struct path *path)
{
	while (dentry_is_mounted_on(path->dentry)) {
		struct path old = *path;

		spin_lock(&dentry_lock);
		struct mount *top = mount_covering(path);

		if (top) {
			*path = (struct path){ top, top->root };
			path_get(path);
		}
		spin_unlock(&dentry_lock);
		if (!top)
			return;
		path_put(&old);
	}
}

static struct mount *mount_covering(const struct path *path)
{
	struct mount *mount;

	list_for_each_entry(mount, &mounts, node) {
		if (mount->parent == path->mount && mount->at == path->dentry)
			return mount;
	}
	return NULL;
}

/* From the root of a mount to what it covers.  False: nothing is below. */
static bool mount_descend(struct path *path)
{
	struct path old = *path;

	spin_lock(&dentry_lock);
	bool has_parent = old.mount->parent != NULL;

	if (has_parent) {
		*path = (struct path){ old.mount->parent, old.mount->at };
		path_get(path);
	}
	spin_unlock(&dentry_lock);
	if (has_parent)
		path_put(&old);
	return has_parent;
}

void mount_climb(struct path *path, const struct path *root)
{
	do {
		if (path->dentry == root->dentry && path->mount == root->mount)
			return;
	} while (path->dentry == path->mount->root && mount_descend(path));

	struct dentry *parent = dentry_parent(path->dentry);

	if (!parent || path->dentry == path->mount->root) {
		dentry_put(parent);
		return;
	}
	dentry_put(path->dentry);
	path->dentry = parent;
	mount_cross(path);
}

int mount_is_writable(const struct path *path)
{
	return atomic_load_relaxed(&path->mount->flags) & MS_RDONLY ? -EROFS : 0;
}

/* ---- mounting ---- */

int mount_root(struct file_system *fs)
{
	assert(!root_mount);
	mutex_init(&mount_mutex, RANK_MOUNT);
	root_mount = mount_alloc(fs, dentry_root(fs), "rootfs", 0);
	if (!root_mount)
		return -ENOMEM;
	list_push_back(&mounts, &root_mount->node);
	return 0;
}

int mount_add(const struct path *at, struct file_system *fs, const char *source,
	      unsigned long flags)
{
	struct mount *mount = mount_alloc(fs, dentry_root(fs), source, flags);

	return mount ? mount_attach(mount, at) : -ENOMEM;
}

int mount_bind(const struct path *at, const struct path *from)
{
	spin_lock(&dentry_lock);
	bool is_in_tree = mount_is_in_tree(from->mount);
	spin_unlock(&dentry_lock);
	if (!is_in_tree)
		return -EINVAL;
	file_system_get(from->mount->fs);
	dentry_get(from->dentry);
	struct mount *mount = mount_alloc(from->mount->fs, from->dentry, from->mount->source,
					  from->mount->flags);

	return mount ? mount_attach(mount, at) : -ENOMEM;
}

int mount_change(const struct path *at, unsigned long flags, const char *options)
{
	struct file_system *fs = at->mount->fs;
	int err = 0;

	if (at->dentry != at->mount->root)
		return -EINVAL;
	if (options && fs->change) {
		mutex_lock(&mount_mutex);
		err = fs->change(fs, options);
		mutex_unlock(&mount_mutex);
	}
	if (!err)
		atomic_store_relaxed(&at->mount->flags, flags & MOUNT_FLAGS);
	return err;
}

/* Files that are nowhere stand on mounts that are nowhere; so does what was taken away lazily. */
static bool mount_is_in_tree(const struct mount *mount)
{
	return mount == root_mount || mount->parent;
}

/* Put a fresh mount in its place; if that fails it is gone.  Names stay as they are meanwhile:
 * whoever removes the place sees that something is mounted there, or we see that it is removed. */
static int mount_attach(struct mount *mount, const struct path *at)
{
	struct rwlock *names_lock = &at->dentry->inode->fs->names_lock;
	struct path place = *at;
	int err = 0;

	path_get(at);
	mutex_lock(&mount_mutex);
	read_lock(names_lock);
	spin_lock(&dentry_lock);
	if (inode_is(mount->root->inode, S_IFDIR) != inode_is(at->dentry->inode, S_IFDIR)) {
		err = -ENOTDIR;
	} else if (at->dentry->is_deleted) {
		err = -ENOENT;
	} else if (!mount_is_in_tree(at->mount)) {
		err = -EINVAL;          /* nobody could find it, to take it away again */
	} else if (mount_covering(at)) {
		err = -EBUSY;           /* another mount(2) of the same name was faster */
	} else {
		mount->parent = at->mount;
		mount->at = at->dentry;
		at->dentry->mounts_here++;
		list_push_back(&mounts, &mount->node);
	}
	spin_unlock(&dentry_lock);
	read_unlock(names_lock);
	mutex_unlock(&mount_mutex);
	if (err) {
		path_put(&place);
		mount_put(mount);
	}
	return err;
}

int mount_remove(const struct path *at, unsigned long flags)
{
	struct mount *mount = at->mount;
	int err = 0;

	if (at->dentry != mount->root)
		return -EINVAL;
	if (mount == root_mount)
		return -EBUSY;
	mutex_lock(&mount_mutex);
	if (!mount->parent)
		err = -EINVAL;          /* somebody else has just removed it */
	else if (flags & MNT_DETACH)
		mount_detach_tree(mount);
	else if (!mount_detach(mount, IDLE_MOUNT_REFS))
		err = -EBUSY;
	mutex_unlock(&mount_mutex);
	return err;
}

/* Take it out of the list and off what it covers, unless more than refs_max hold it. */
static bool mount_detach(struct mount *mount, uint32_t refs_max)
{
	spin_lock(&dentry_lock);
	struct path below = { mount->parent, mount->at };
	bool is_idle = mount->refs <= refs_max;

	if (is_idle) {
		list_remove(&mount->node);
		mount->at->mounts_here--;
		mount->parent = NULL;
		mount->at = NULL;
	}
	spin_unlock(&dentry_lock);
	if (!is_idle)
		return false;
	path_put(&below);
	mount_put(mount);
	return true;
}

/* A mount and all that is mounted on it, from the top. */
static void mount_detach_tree(struct mount *mount)
{
	struct mount *top, *other;

	do {
		top = mount;
		list_for_each_entry(other, &mounts, node) {
			if (other->parent == top)
				top = other;
		}
		mount_detach(top, UINT32_MAX);
	} while (top != mount);
}

/* ---- memory ---- */

/* A mount in nobody's way yet.  Takes over the caller's counts on the file system and on the root,
 * which may be NULL for want of memory.  NULL: no memory, and both are gone. */
static struct mount *mount_alloc(struct file_system *fs, struct dentry *root, const char *source,
				 unsigned long flags)
{
	size_t size = strlen(source) + 1;
	struct mount *mount = root ? kzalloc(sizeof(*mount) + size) : NULL;

	file_system_enter(fs);
	if (!mount) {
		dentry_put(root);
		file_system_leave(fs);
		return NULL;
	}
	mount->refs = 1;
	mount->root = root;
	mount->fs = fs;
	mount->flags = flags & MOUNT_FLAGS;
	list_node_init(&mount->node);
	memcpy(mount->source, source, size);
	return mount;
}

static void mount_put(struct mount *mount)
{
	struct file_system *fs = mount->fs;

	if (!atomic_dec_and_test(&mount->refs))
		return;
	assert(!mount->parent && !list_node_is_linked(&mount->node));
	dentry_put(mount->root);
	kfree(mount);
	file_system_leave(fs);
}

static void file_system_enter(struct file_system *fs)
{
	spin_lock(&dentry_lock);
	fs->mounts++;
	spin_unlock(&dentry_lock);
}

static void file_system_leave(struct file_system *fs)
{
	spin_lock(&dentry_lock);
	bool is_last = --fs->mounts == 0;

	spin_unlock(&dentry_lock);
	if (is_last && fs->unmounted)
		fs->unmounted(fs);
	file_system_put(fs);
}

/* ---- absolute names ---- */

/* Text that grows from the end of a buffer to its front. */
struct back_text {
	char *buf, *at;
	bool is_cut;
};

static void back_put(struct back_text *text, const char *bytes, size_t len)
{
	if ((size_t)(text->at - text->buf) < len) {
		text->is_cut = true;
		return;
	}
	text->at -= len;
	memcpy(text->at, bytes, len);
}

static void name_climb(struct back_text *text, struct path at, const struct path *root)
	REQUIRES(dentry_lock)
{
	char *end = text->at;

	while (!text->is_cut && (at.dentry != root->dentry || at.mount != root->mount)) {
		if (at.dentry == at.mount->root && at.mount->parent) {
			at = (struct path){ at.mount->parent, at.mount->at };
			continue;
		}
		bool is_top = !at.dentry->parent || at.dentry == at.mount->root;

		if (is_top && !at.dentry->is_deleted)
			break;
		back_put(text, at.dentry->name, at.dentry->len);
		back_put(text, "/", 1);
		if (is_top)
			break;          /* it has a name only for show */
		at.dentry = at.dentry->parent;
	}
	if (text->at == end)
		back_put(text, "/", 1);
}

static ssize_t name_build(struct path at, const struct path *root, bool is_for_show, char *buf,
			  size_t size) REQUIRES(dentry_lock)
{
	static const char deleted[] = " (deleted)";
	struct back_text text = { buf, buf + size, false };

	back_put(&text, "", 1);
	if (at.dentry->is_deleted) {
		if (!is_for_show)
			return -ENOENT;
		back_put(&text, deleted, sizeof(deleted) - 1);
	}
	name_climb(&text, at, root);
	if (text.is_cut)
		return -ENAMETOOLONG;

	size_t len = (size_t)(buf + size - text.at);

	memmove(buf, text.at, len);
	return (ssize_t)len;
}

ssize_t path_name_from(const struct path *path, const struct path *root, bool is_for_show,
		       char *buf, size_t size)
{
	assert(path->mount && path->dentry);
	spin_lock(&dentry_lock);
	ssize_t len = name_build(*path, root, is_for_show, buf, size);

	spin_unlock(&dentry_lock);
	return len;
}

ssize_t dentry_path_name(struct dentry *dentry, char *buf, size_t size)
{
	struct path root = { root_mount, root_mount->root };
	struct path at = { NULL, dentry };
	struct mount *mount;
	ssize_t len = -ENOENT;

	spin_lock(&dentry_lock);
	list_for_each_entry(mount, &mounts, node) {
		if (!at.mount && mount->fs == dentry->inode->fs)
			at.mount = mount;
	}
	if (!at.mount && !dentry->parent && dentry->is_deleted)
		at.mount = root_mount;          /* nowhere, with a name for show */
	if (at.mount)
		len = name_build(at, &root, true, buf, size);
	spin_unlock(&dentry_lock);
	return len;
}

void mounts_for_each(void (*visit)(const struct mount *mount, const char *at, const char *source,
				   const char *type, void *argument), void *argument)
{
	char *name = kmalloc(PATH_MAX);
	struct path root = { root_mount, root_mount->root };
	struct mount *mount;

	if (!name)
		return;
	mutex_lock(&mount_mutex);
	list_for_each_entry(mount, &mounts, node) {
		struct path at = { mount, mount->root };

		if (path_name_from(&at, &root, true, name, PATH_MAX) > 0)
			visit(mount, name, mount->source, mount->fs->type, argument);
	}
	mutex_unlock(&mount_mutex);
	kfree(name);
}

/* ---- types ---- */

void file_system_register(struct file_system_type *type)
{
	list_push_back(&types, &type->node);
}

struct file_system_type *file_system_find(const char *name)
{
	struct file_system_type *type;

	list_for_each_entry(type, &types, node) {
		if (string_equals(type->name, name))
			return type;
	}
	return NULL;
}

void file_systems_for_each(void (*visit)(const struct file_system_type *type, void *argument),
			   void *argument)
{
	struct file_system_type *type;

	list_for_each_entry(type, &types, node)
		visit(type, argument);
}
