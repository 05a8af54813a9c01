/* SPDX-License-Identifier: MIT */
/*
 * fs/overlay.c - overlays: mounting them, and opening their files.
 *
 * Owns: struct overlay.
 * Invariants: an open file of an overlay is an open file of its layer: only its place is merged.
 *   It is opened for writing after it was copied up; who had it open for reading before goes on
 *   reading what it was.
 * See: mount(8) under overlay; fs/overlay.h for the picture.
 */
#include "fs/overlay.h"
#include "lib/string.h"
#include "kernel/panic.h"
#include "fs/file.h"
#include "mm/slab.h"

/* ---- options ---- */

struct overlay_options {
	char *lower, *upper, *work;     /* into the text; NULL: not given */
};

static const struct option_name {
	const char *name;
	size_t at;
} option_names[] = {
	{ "lowerdir=", offsetof(struct overlay_options, lower) },
	{ "upperdir=", offsetof(struct overlay_options, upper) },
	{ "workdir=", offsetof(struct overlay_options, work) },
};

/* Asked for or not, these say what is so anyway. */
static bool is_harmless(const char *text)
{
	static const char *const names[] = {
		"", "redirect_dir=off", "redirect_dir=nofollow", "index=off", "metacopy=off",
		"xino=off", "xino=auto", "nfs_export=off", "volatile", "userxattr",
	};

	for (size_t i = 0; i < COUNT(names); i++) {
		if (string_equals(text, names[i]))
			return true;
	}
	return false;
}

static int option_take(char *text, struct overlay_options *all)
{
	for (size_t i = 0; i < COUNT(option_names); i++) {
		const char *name = option_names[i].name;

		if (string_starts_with(text, name)) {
			*(char **)((char *)all + option_names[i].at) = text + strlen(name);
			return 0;
		}
	}
	return is_harmless(text) ? 0 : -EINVAL;
}

/* Cut the text at its separators.  Returns what follows the first one, or NULL. */
static char *cut(char *text, char separator)
{
	char *at = strchr(text, separator);

	if (at)
		*at++ = '\0';
	return at;
}

static int options_parse(char *text, struct overlay_options *all)
{
	int err = 0;

	*all = (struct overlay_options){ 0 };
	for (char *next = text; next && !err; text = next) {
		next = cut(text, ',');
		err = option_take(text, all);
	}
	if (err)
		return err;
	return !all->lower || !all->upper != !all->work ? -EINVAL : 0;
}

/* ---- layers ---- */

/* A directory of files in memory, or of an overlay over them. */
static int layer_find(const char *name, struct path *out)
{
	struct path start;

	context_cwd(&start);
	int err = path_walk(&start, name, PATH_FOLLOW, out);

	path_put(&start);
	if (!err && (!inode_is(path_inode(out), S_IFDIR) ||
		     path_inode(out)->fs->has_volatile_names)) {
		path_put(out);
		err = -EINVAL;
	}
	return err;
}

static bool is_merged(const struct path *layer)
{
	return path_inode(layer)->ops == &overlay_dir_ops;
}

/* What an overlay does it asks of its layers, on the same stack and with its lock held. */
static unsigned depth_over(const struct path *layer)
{
	return is_merged(layer) ? overlay_of(path_inode(layer))->depth + 1 : 1;
}

static int lowers_find(struct overlay *overlay, char *names)
{
	for (char *next = names; next; names = next) {
		next = cut(names, ':');
		if (overlay->lower_count == OVERLAY_LOWERS_MAX)
			return -EINVAL;
		struct path *lower = &overlay->lower[overlay->lower_count];
		int err = layer_find(names, lower);
		if (err)
			return err;
		overlay->lower_count++;
		overlay->depth = MAX(overlay->depth, depth_over(lower));
	}
	return overlay->depth > OVERLAY_DEPTH_MAX ? -EINVAL : 0;
}

static bool are_nested(struct dentry *a, struct dentry *b)
{
	struct rwlock *lock = &a->inode->fs->names_lock;

	read_lock(lock);
	bool are = dentry_is_above(a, b) || dentry_is_above(b, a);

	read_unlock(lock);
	return are;
}

static int upper_find(struct overlay *overlay, const struct overlay_options *all)
{
	int err = layer_find(all->upper, &overlay->upper);

	if (!err)
		err = layer_find(all->work, &overlay->work);
	if (err)
		return err;
	struct dentry *upper = overlay->upper.dentry, *work = overlay->work.dentry;

	if (overlay->upper.mount != overlay->work.mount || are_nested(upper, work) ||
	    mount_is_writable(&overlay->upper) || is_merged(&overlay->upper) ||
	    !path_inode(&overlay->work)->ops->rename)
		return -EINVAL;
	return 0;
}

static int root_make(struct file_system *fs)
{
	struct overlay *overlay = fs->data;
	struct overlay_stack stack = { .lower_count = overlay->lower_count };

	for (unsigned i = 0; i < overlay->lower_count; i++) {
		stack.lower[i] = path_inode(&overlay->lower[i]);
		inode_get(stack.lower[i]);
	}
	if (overlay->upper.mount) {
		stack.upper = path_inode(&overlay->upper);
		inode_get(stack.upper);
	}
	fs->root = overlay_inode(fs, NULL, "", 0, &stack);
	return fs->root ? 0 : -ENOMEM;
}

/* ---- the file system ---- */

static int overlay_statfs(struct file_system *fs, struct abi_statfs *out)
{
	struct file_system *real = overlay_real(fs->root)->fs;

	return real->statfs ? real->statfs(real, out) : 0;
}

static void overlay_unmounted(struct file_system *fs)
{
	struct overlay *overlay = fs->data;

	if (fs->root)
		inode_put(fs->root);
	for (unsigned i = 0; i < overlay->lower_count; i++)
		path_put(&overlay->lower[i]);
	path_put(&overlay->upper);
	path_put(&overlay->work);
}

static void overlay_destroy(struct file_system *fs)
{
	kfree(fs->data);
	kfree(fs);
}

static struct file_system *overlay_alloc(void)
{
	struct file_system *fs = kzalloc(sizeof(*fs));
	struct overlay *overlay = kzalloc(sizeof(*overlay));

	if (!fs || !overlay) {
		kfree(fs);
		kfree(overlay);
		return NULL;
	}
	spin_init(&overlay->lock, RANK_OVERLAY);
	for (size_t i = 0; i < OVERLAY_BUCKETS; i++)
		list_init(&overlay->nodes[i]);
	file_system_init(fs, "overlay", OVERLAYFS_MAGIC);
	fs->data = overlay;
	fs->statfs = overlay_statfs;
	fs->unmounted = overlay_unmounted;
	fs->destroy = overlay_destroy;
	return fs;
}

static int overlay_fill(struct file_system *fs, const struct overlay_options *all)
{
	int err = lowers_find(fs->data, all->lower);

	if (!err && all->upper)
		err = upper_find(fs->data, all);
	else if (!err && ((struct overlay *)fs->data)->lower_count < 2)
		err = -EINVAL;          /* one directory alone is no overlay */
	return err ? err : root_make(fs);
}

static int overlay_mount(const char *mount_options, struct file_system **out)
{
	struct overlay_options all;
	struct file_system *fs = NULL;
	char *text = kstrdup(mount_options);
	int err = text ? options_parse(text, &all) : -ENOMEM;

	if (!err) {
		fs = overlay_alloc();
		err = fs ? overlay_fill(fs, &all) : -ENOMEM;
	}
	kfree(text);
	if (!err) {
		*out = fs;
	} else if (fs) {
		overlay_unmounted(fs);
		file_system_put(fs);
	}
	return err;
}

void overlay_start(void)
{
	static struct file_system_type overlay = { .name = "overlay", .create = overlay_mount };

	file_system_register(&overlay);
}

/* ---- open files ---- */

/* From here on it is a file of its layer. */
static int open_real(struct file *file)
{
	struct inode *merged = file->inode, *real = overlay_real(merged);

	inode_get(real);
	file->inode = real;
	file->ops = real->file_ops;
	inode_put(merged);
	return file->ops->open ? file->ops->open(file) : 0;
}

const struct file_ops overlay_file_ops = {
	.open = open_real,
};
