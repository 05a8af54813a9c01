/* SPDX-License-Identifier: MIT */
/*
 * fs/text_tree.c - trees of small generated files: the engine of /proc and /sys.
 *
 * Owns: nodes and the texts of open files.  Each lookup makes a new inode, which goes when nobody
 *   stands on it any more; its number is computed, so it is the same every time.
 * Locks: a text is made and read under its open file's lock, which comes before all that a
 *   show function takes.
 */

#include "fs/text_tree.h"
#include "lib/string.h"
#include "kernel/upcall.h"
#include "mm/slab.h"

enum { STORE_MAX = 4096, NUMBERED_FROM = 1 << 16, NUMBERED_NAME_MAX = 32, ROOT_NUMBER = 1 };

/* What an open file keeps: the part of its text that is being read. */
struct snapshot {
	struct mutex lock;              /* RANK_SNAPSHOT */
	struct text text;               /* [lock] */
	uint64_t at;                    /* [lock] where in the file it stands */
	bool is_begun;                  /* [lock] the text was made from its beginning up to here */
	struct text_node node;          /* what it is about; the inode counts its process */
};

static int node_inode(const struct text_node *node, struct file_system *fs, struct inode **out);

/* ---- files ---- */

static const struct text_node *file_node(const struct file *file)
{
	return file->inode->data;
}

/* May the running process have what a process keeps to itself?  Which program that is of. */
static int node_permission(const struct text_node *node, uint64_t *program)
{
	int err = 0;

	*program = 0;
	if (!node->entry->is_private)
		return 0;
	spin_lock(&process_tree_lock);
	if (process_may_look(node->process))
		*program = node->process->program;
	else
		err = -EACCES;
	spin_unlock(&process_tree_lock);
	return err;
}

static int text_open(struct file *file)
{
	struct snapshot *snapshot;
	uint64_t program;
	int err = node_permission(file_node(file), &program);

	if (err)
		return err;
	snapshot = kzalloc(sizeof(*snapshot));
	if (!snapshot)
		return -ENOMEM;
	mutex_init(&snapshot->lock, RANK_SNAPSHOT);
	snapshot->node = *file_node(file);
	snapshot->node.program = program;
	file->data = snapshot;
	return 0;
}

static void text_release(struct file *file)
{
	struct snapshot *snapshot = file->data;

	text_clear(&snapshot->text);
	kfree(snapshot);
}

/* Make the part that begins with `from` and stands at `at`. */
static int part_make(struct snapshot *snapshot, uint64_t from, uint64_t at)
	REQUIRES(snapshot->lock)
{
	struct text *text = &snapshot->text;

	text_clear(text);
	text->from = from;
	snapshot->at = at;
	int err = snapshot->node.entry->show(text, &snapshot->node);

	if (!err)
		err = text->err;
	snapshot->is_begun = !err;
	return err;
}

/* Stand behind the part, without its text. */
static void part_drop(struct snapshot *snapshot) REQUIRES(snapshot->lock)
{
	uint64_t next = snapshot->text.next;

	snapshot->at += snapshot->text.len;
	text_clear(&snapshot->text);
	snapshot->text.next = next;
}

/* Have the part with the byte at `offset`, or stand at the end. */
static int part_find(struct snapshot *snapshot, uint64_t offset) REQUIRES(snapshot->lock)
{
	const struct text *text = &snapshot->text;
	int err = 0;

	if (offset == 0 || offset < snapshot->at || !snapshot->is_begun)
		err = part_make(snapshot, 0, 0);
	while (!err && text->next && offset >= snapshot->at + text->len)
		err = upcall_is_dying() ? -EINTR
			: part_make(snapshot, text->next, snapshot->at + text->len);
	return err;
}

/* What the part has of it. */
static ssize_t part_read(struct snapshot *snapshot, buffer_t to, size_t len, uint64_t *offset)
	REQUIRES(snapshot->lock)
{
	ssize_t done = part_find(snapshot, *offset);

	if (done)
		return done;
	uint64_t in_part = *offset - snapshot->at;

	done = text_read(&snapshot->text, to, len, &in_part);
	if (done > 0)
		*offset += (uint64_t)done;
	if (done >= 0 && in_part >= snapshot->text.len)
		part_drop(snapshot);
	return done;
}

static ssize_t snapshot_read(struct snapshot *snapshot, buffer_t to, size_t len, uint64_t *offset)
	REQUIRES(snapshot->lock)
{
	size_t done = 0;
	ssize_t n;

	do {
		n = part_read(snapshot, buffer_advance(to, done), len - done, offset);
		done += (size_t)MAX(n, (ssize_t)0);
	} while (n > 0 && done < len);
	return done ? (ssize_t)done : n;
}

static ssize_t text_file_read(struct file *file, buffer_t to, size_t len, uint64_t *offset)
{
	struct snapshot *snapshot = file->data;
	const struct text_node *node = &snapshot->node;

	if (node->entry->read)
		return node->entry->read(node, to, len, offset);
	if (!node->entry->show)
		return -EINVAL;
	mutex_lock(&snapshot->lock);
	ssize_t done = snapshot_read(snapshot, to, len, offset);

	mutex_unlock(&snapshot->lock);
	return done;
}

static ssize_t text_file_write(struct file *file, buffer_t from, size_t len, uint64_t *offset)
{
	const struct snapshot *snapshot = file->data;
	const struct text_node *node = &snapshot->node;
	size_t end = len;
	char *text;
	int err;

	if (node->entry->write)
		return node->entry->write(node, from, len, offset);
	if (!node->entry->store || len >= STORE_MAX)
		return -EINVAL;
	text = kmalloc(len + 1);
	if (!text)
		return -ENOMEM;
	err = buffer_get(from, 0, text, len);
	if (!err) {
		while (end > 0 && text[end - 1] == '\n')
			end--;
		text[end] = '\0';
		err = node->entry->store(node, text);
	}
	kfree(text);
	if (err)
		return err;
	*offset += len;
	return (ssize_t)len;
}

static const struct file_ops text_file_ops = {
	.open = text_open, .release = text_release,
	.read = text_file_read, .write = text_file_write,
	.seek = file_seek_plain,
};

/* ---- directories ---- */

/* Positions: 0 and 1 dots, then the children, then NUMBERED_FROM + number. */
static int tree_list(struct file *file, list_emit_t *emit, void *argument);

static const struct file_ops directory_file_ops = { .list = tree_list, .seek = file_seek_plain };

static const struct text_entry *find_child(
	const struct text_entry *dir, const char *name, size_t len)
{
	for (const struct text_entry *child = dir->children; child && child->name; child++) {
		if (strlen(child->name) == len && memcmp(child->name, name, len) == 0)
			return child;
	}
	return NULL;
}

/* What the names look like that differ by a number. */
static const char *numbered_pattern(const struct text_entry *dir)
{
	return dir->numbered->name ? dir->numbered->name : "%d";
}

static bool parse_digits(const char *at, const char *end, int32_t *number)
{
	int64_t value = 0;

	for (; at < end && *at >= '0' && *at <= '9'; at++) {
		value = value * 10 + (*at - '0');
		if (value > INT32_MAX)
			return false;
	}
	*number = (int32_t)value;
	return true;
}

/* The digits stand where the pattern has them; what it makes of the number must be the name. */
static int parse_name(const char *pattern, const char *name, size_t len, int32_t *number)
{
	size_t before = (size_t)(strchr(pattern, '%') - pattern);
	char again[NUMBERED_NAME_MAX];

	if (len <= before || !parse_digits(name + before, name + len, number))
		return -ENOENT;
	if ((size_t)format_buffer(again, sizeof(again), pattern, *number) != len)
		return -ENOENT;
	return memcmp(again, name, len) == 0 ? 0 : -ENOENT;
}

static int find_numbered(
	const struct text_node *dir, const char *name, size_t len, struct text_node *child)
{
	int32_t number;
	int err;

	if (!dir->entry->find)
		return -ENOENT;
	err = parse_name(numbered_pattern(dir->entry), name, len, &number);
	if (err)
		return err;
	child->entry = dir->entry->numbered;
	return dir->entry->find(dir, number, child);
}

static int tree_lookup(struct inode *inode, const char *name, size_t len, struct inode **found)
{
	const struct text_node *dir = inode->data;
	struct text_node child = { .entry = find_child(dir->entry, name, len) };
	int err = 0;

	if (child.entry) {
		child.process = dir->process;
		child.number = dir->number;
		if (child.process)
			process_get(child.process);
	} else {
		err = find_numbered(dir, name, len, &child);
	}
	if (err)
		return err;
	err = node_inode(&child, inode->fs, found);
	if (err && child.process)
		process_put(child.process);
	return err;
}

/* The same place always has the same number, and never the root's. */
static uint64_t node_number(const struct text_node *node)
{
	uint64_t hash = (uint64_t)(uintptr_t)node->entry;

	hash = (hash ^ (uint64_t)(node->process ? node->process->pid : 0)) * 0x9e3779b97f4a7c15;
	hash = (hash ^ hash >> 32 ^ (uint64_t)(uint32_t)node->number) * 0x9e3779b97f4a7c15;
	return hash >> 16 | 2;
}

static unsigned entry_type(const struct text_entry *entry)
{
	return (entry->mode & S_IFMT) >> 12;
}

static int tree_list(struct file *file, list_emit_t *emit, void *argument)
{
	const struct text_node *dir = file_node(file);
	const struct text_entry *children = dir->entry->children;
	uint64_t at = MAX(file->offset, (uint64_t)2) - 2;
	int32_t number = file->offset > NUMBERED_FROM ? (int32_t)(file->offset - NUMBERED_FROM) : 0;
	char name[NUMBERED_NAME_MAX];

	if (!list_dots(file, emit, argument))
		return 0;
	for (uint64_t i = 0; children && children[i].name; i++) {
		struct text_node child = { &children[i], dir->process, dir->number, 0 };

		if (i >= at && !emit(argument, children[i].name, strlen(children[i].name),
				     node_number(&child), entry_type(&children[i]), i + 3))
			return 0;
	}
	for (; dir->entry->next && dir->entry->next(dir, &number); number++) {
		size_t len = (size_t)format_buffer(
			name, sizeof(name), numbered_pattern(dir->entry), number);

		if (!emit(argument, name, len, (uint64_t)number + 2,
			    entry_type(dir->entry->numbered), (uint64_t)number + 1 + NUMBERED_FROM))
			return 0;
	}
	return 0;
}

/* ---- inodes ---- */

static ssize_t text_readlink(struct inode *inode, char *buf, size_t size)
{
	struct text_node node = *(const struct text_node *)inode->data;
	int err = node_permission(&node, &node.program);

	return err ? err : node.entry->readlink(&node, buf, size);
}

static int text_follow(struct inode *inode, struct path *out)
{
	struct text_node node = *(const struct text_node *)inode->data;
	int err = node_permission(&node, &node.program);

	return err ? err : node.entry->follow(&node, out);
}

static int tree_setattr(struct inode *inode, const struct attr_change *change)
{
	return -EPERM;
}

static struct inode *tree_destroy(struct inode *inode)
{
	struct text_node *node = inode->data;

	if (node->process)
		process_put(node->process);
	kfree(node);
	return NULL;
}

static const struct inode_ops directory_ops = {
	.lookup = tree_lookup, .setattr = tree_setattr, .destroy = tree_destroy,
};
static const struct inode_ops text_ops = { .setattr = tree_setattr, .destroy = tree_destroy };
static const struct inode_ops link_ops = {
	.readlink = text_readlink, .setattr = tree_setattr, .destroy = tree_destroy,
};
static const struct inode_ops magic_link_ops = {
	.readlink = text_readlink,
	.follow = text_follow,
	.setattr = tree_setattr,
	.destroy = tree_destroy,
};

static const struct inode_ops *entry_ops(const struct text_entry *entry)
{
	if (S_ISDIR(entry->mode))
		return &directory_ops;
	if (S_ISREG(entry->mode))
		return &text_ops;
	return entry->follow ? &magic_link_ops : &link_ops;
}

/* A process's own are its user's; what may not be looked into is the superuser's, but for
 * directories that anybody may list. */
static void inode_set_owner(struct inode *inode, const struct process *process)
{
	bool is_public = inode->mode == (S_IFDIR | 0555);

	spin_lock(&process_tree_lock);
	if (process->is_dumpable || is_public) {
		inode->uid = process->credentials.euid;
		inode->gid = process->credentials.egid;
	}
	spin_unlock(&process_tree_lock);
}

/* Takes over the node's count on its process on success. */
static int node_inode(const struct text_node *node, struct file_system *fs, struct inode **out)
{
	const struct text_entry *entry = node->entry;
	struct text_node *own = kmalloc(sizeof(*own));
	struct inode *inode;

	if (!own)
		return -ENOMEM;
	inode = inode_create(fs, entry->mode, entry_ops(entry),
		S_ISDIR(entry->mode) ? &directory_file_ops : &text_file_ops);
	if (!inode) {
		kfree(own);
		return -ENOMEM;
	}
	*own = *node;
	inode->data = own;
	inode->number = node_number(node);
	inode->nlink = S_ISDIR(entry->mode) ? 2 : 1;
	if (node->process)
		inode_set_owner(inode, node->process);
	*out = inode;
	return 0;
}

/* ---- the root ---- */

void text_tree_start(struct file_system *fs, const char *type, uint64_t magic,
		     const struct text_entry *root)
{
	struct text_node node = { .entry = root };
	int err;

	file_system_init(fs, type, magic);
	fs->has_volatile_names = true;
	err = node_inode(&node, fs, &fs->root);
	assert(!err);
	fs->root->number = ROOT_NUMBER;
}
