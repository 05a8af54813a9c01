/* SPDX-License-Identifier: MIT */
/*
 * fs/tmpfs_mount.c - a tmpfs as a whole: its options, what it may hold, taking it apart.
 *
 * Owns: struct tmpfs.
 * Invariants: when the last who uses an instance is gone, nothing is left of what it counted.
 * See: tmpfs(5), mount(8), statfs(2).
 */
#include "fs/tmpfs_mount.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "kernel/credentials.h"
#include "kernel/panic.h"
#include "kernel/upcall.h"
#include "fs/tmpfs.h"
#include "fs/tmpfs_index.h"
#include "mm/slab.h"

enum { DEFAULT_SHARE = 2 };             /* an instance gets this part of memory */

/* ---- options ---- */

enum option { OPTION_SIZE, OPTION_BLOCKS, OPTION_FILES, OPTION_MODE, OPTION_UID, OPTION_GID };

static const char *const option_names[] = {
	[OPTION_SIZE] = "size=",
	[OPTION_BLOCKS] = "nr_blocks=",
	[OPTION_FILES] = "nr_inodes=",
	[OPTION_MODE] = "mode=",
	[OPTION_UID] = "uid=",
	[OPTION_GID] = "gid=",
};

static struct tmpfs_options options_default(void)
{
	uint64_t part = frames_total() / DEFAULT_SHARE;

	return (struct tmpfs_options){ .blocks = part, .files = part, .mode = S_ISVTX | 0777 };
}

/* Bytes with k, m, g or t, or a part of memory: 50%. */
static int blocks_parse(const char *text, uint64_t *blocks)
{
	uint64_t number;
	const char *end;
	int err = size_parse(text, &number, &end);

	if (err)
		return -EINVAL;
	if (string_equals(end, "%")) {
		if (__builtin_mul_overflow(number, frames_total(), blocks))
			return -EINVAL;
		*blocks = div_round_up(*blocks, 100);
		return 0;
	}
	*blocks = number / PAGE_SIZE + (number % PAGE_SIZE > 0);
	return *end ? -EINVAL : 0;
}

static int octal_parse(const char *text, uint32_t *out)
{
	uint32_t number = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '7' || number > UINT32_MAX / 8)
			return -EINVAL;
		number = number * 8 + (uint32_t)(*text - '0');
	}
	*out = number & 07777;
	return 0;
}

static int id_parse(const char *text, uint32_t *out)
{
	uint64_t number;

	if (number_parse(text, &number, NULL) || number >= UINT32_MAX)
		return -EINVAL;
	*out = (uint32_t)number;
	return 0;
}

/* What is there anyway, or has no meaning where nothing is swapped and no page is large. */
static bool is_harmless(const char *text)
{
	static const char *const names[] = { "", "inode64", "noswap", "huge=never" };

	for (size_t i = 0; i < COUNT(names); i++) {
		if (string_equals(text, names[i]))
			return true;
	}
	return false;
}

static int option_take(const char *text, struct tmpfs_options *all)
{
	size_t i = 0;

	while (i < COUNT(option_names) && !string_starts_with(text, option_names[i]))
		i++;
	if (i == COUNT(option_names))
		return is_harmless(text) ? 0 : -EINVAL;
	const char *value = text + strlen(option_names[i]);

	switch ((enum option)i) {
	case OPTION_SIZE:
		return blocks_parse(value, &all->blocks);
	case OPTION_BLOCKS:
		return size_parse(value, &all->blocks, NULL) ? -EINVAL : 0;
	case OPTION_FILES:
		return size_parse(value, &all->files, NULL) ? -EINVAL : 0;
	case OPTION_MODE:
		return octal_parse(value, &all->mode);
	case OPTION_UID:
		return id_parse(value, &all->uid);
	default:
		return id_parse(value, &all->gid);
	}
}

/* What is not given stays as it is in *all. */
static int options_parse(const char *text, struct tmpfs_options *all)
{
	char *copy = kstrdup(text ? text : "");
	int err = copy ? 0 : -ENOMEM;

	for (char *at = copy, *next; at && !err; at = next) {
		next = strchr(at, ',');
		if (next)
			*next++ = '\0';
		err = option_take(at, all);
	}
	kfree(copy);
	return err;
}

/* ---- instances ---- */

static int tmpfs_statfs(struct file_system *fs, struct abi_statfs *out)
{
	const struct budget *blocks = &tmpfs_of(fs)->blocks, *files = &tmpfs_of(fs)->files;

	out->f_blocks = atomic_load_relaxed(&blocks->limit);
	out->f_files = atomic_load_relaxed(&files->limit);
	uint64_t used_blocks = atomic_load_relaxed(&blocks->used);
	uint64_t used_files = atomic_load_relaxed(&files->used);

	out->f_bfree = out->f_bavail = out->f_blocks - MIN(out->f_blocks, used_blocks);
	out->f_ffree = out->f_files - MIN(out->f_files, used_files);
	return 0;
}

/* May this limit follow that one?  Not if it is exceeded already, nor where nothing was limited. */
static bool is_limit_fit(const struct budget *budget, uint64_t limit)
{
	return limit == budget->limit
	       || !limit || (budget->limit && atomic_load_relaxed(&budget->used) <= limit);
}

/* Remounting changes limits, and nothing else.  One mount(2) at a time: fs/mount.h. */
static int tmpfs_change(struct file_system *fs, const char *text)
{
	struct tmpfs *tmpfs = tmpfs_of(fs);
	struct tmpfs_options all = { .blocks = tmpfs->blocks.limit, .files = tmpfs->files.limit };
	int err = options_parse(text, &all);

	if (err)
		return err;
	if (!is_limit_fit(&tmpfs->blocks, all.blocks) || !is_limit_fit(&tmpfs->files, all.files))
		return -EINVAL;
	atomic_store_relaxed(&tmpfs->blocks.limit, all.blocks);
	atomic_store_relaxed(&tmpfs->files.limit, all.files);
	return 0;
}

/* Nobody is in it any more: take it apart.  Directories give their names to the root before they
 * go, so that no depth of tree is too deep for the stack. */
static void tmpfs_unmounted(struct file_system *fs)
{
	struct tmpfs_index *root = fs->root->data;
	struct list_node *node;

	while ((node = list_pop_front(&root->order))) {
		struct tmpfs_name *name = list_entry(node, struct tmpfs_name, node);
		struct inode *inode = name->inode;

		if (inode_is(inode, S_IFDIR)) {
			struct tmpfs_index *index = inode->data;

			list_splice_back(&root->order, &index->order);
			index->count = 0;
		} else if (--inode->nlink > 0) {
			budget_return(&tmpfs_of(fs)->files, 1);
		}
		kfree(name);
		inode_put(inode);
	}
	root->count = 0;
	inode_put(fs->root);
}

static void tmpfs_destroy(struct file_system *fs)
{
	struct tmpfs *tmpfs = tmpfs_of(fs);

	assert(tmpfs->blocks.used == 0 && tmpfs->files.used == 0);
	kfree(tmpfs);
}

void tmpfs_object_gone(void *owner)
{
	file_system_put(owner);
}

int tmpfs_create_with(const char *type, const struct tmpfs_options *all, struct file_system **fs)
{
	struct tmpfs *made = kzalloc(sizeof(*made));

	if (!made)
		return -ENOMEM;
	file_system_init(&made->fs, type, TMPFS_MAGIC);
	made->blocks.limit = all->blocks;
	made->files.limit = all->files;
	made->fs.statfs = tmpfs_statfs;
	made->fs.change = tmpfs_change;
	made->fs.unmounted = tmpfs_unmounted;
	made->fs.destroy = tmpfs_destroy;
	made->fs.root = tmpfs_make_nameless(&made->fs, S_IFDIR | (all->mode & 07777));
	if (!made->fs.root) {
		file_system_put(&made->fs);
		return -ENOMEM;
	}
	made->fs.root->uid = all->uid;
	made->fs.root->gid = all->gid;
	*fs = &made->fs;
	return 0;
}

int tmpfs_create(const char *type, uint32_t mode, struct file_system **fs)
{
	struct tmpfs_options all = options_default();

	all.mode = mode;
	return tmpfs_create_with(type, &all, fs);
}

static int tmpfs_mount(const char *mount_options, struct file_system **fs)
{
	const struct credentials *who = upcall_credentials();
	struct tmpfs_options all = options_default();

	all.uid = who->fsuid;
	all.gid = who->fsgid;
	int err = options_parse(mount_options, &all);

	return err ? err : tmpfs_create_with("tmpfs", &all, fs);
}

/* Without limits.  It heeds mode=, and minds nothing else. */
static int ramfs_mount(const char *mount_options, struct file_system **fs)
{
	struct tmpfs_options all = { .mode = 0755 };

	(void)!options_parse(mount_options, &all);
	all.blocks = all.files = 0;
	return tmpfs_create_with("ramfs", &all, fs);
}

void tmpfs_start(void)
{
	static struct file_system_type tmpfs = { .name = "tmpfs", .create = tmpfs_mount };
	static struct file_system_type ramfs = { .name = "ramfs", .create = ramfs_mount };
	struct file_system *root;

	file_system_register(&tmpfs);
	file_system_register(&ramfs);
	if (tmpfs_create("rootfs", 0755, &root) != 0 || mount_root(root) != 0)
		panic("no memory for the root file system");
}
